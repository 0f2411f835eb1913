"""Picture by picture: a point for each, and the maps of the one that was picked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import streamlit as st

from components import caching, state
from components.compare import in_contrast
from components.evaluation_setup import Setup
from components.evaluation_truth import enlarged, outlined
from components.evaluation_words import SMALL, arrow, method_text, metric_text, number
from components.map_viewer import Cell, Heading, Table, show_table
from components.metric_charts import show_points
from components.notices import sentence, shown_errors
from components.question_picker import Question
from components.wording import percent, took_effect
from explain_core import METHODS, Image, Model
from explain_core.evaluation.pictures import prepare_values
from explain_core.evaluation.plan import Plan, Variant
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import Row
from explain_core.parameters import fill_in
from explain_core.types import Basis, ParameterValue

Axes = Literal["methods", "metrics"]

_AXES: dict[Axes, str] = {"methods": "Two methods", "metrics": "Two metrics"}


@st.fragment
def show_pictures(setup: Setup, results: Results) -> None:
    """Show the scatter and the picked picture; what is set here runs only this part again."""
    st.subheader("Picture by picture", anchor=False)
    plan = setup.plan
    left, right = st.columns([2, 3], gap="large")
    with left:
        axes = _axes(plan)
        first, second, across, up = _chosen(results, axes)
    picture_key = f"{state.EVALUATION_PICTURE}-{plan.digest[:16]}"
    names = {row.index: _name(row) for row in results.scored}
    state.begin(picture_key, None)
    with left:
        picked: int | None = st.selectbox(
            "Picture",
            list(names),
            format_func=names.__getitem__,
            key=picture_key,
            persist_state="session",
            placeholder="Click a point, or choose here",
        )
    chart_key = f"{picture_key}-points"
    with right:
        values = results.values
        one, other = (first, second) if axes == "methods" else (first, first)
        titles = [metric_text(plan.metrics[across]), metric_text(plan.metrics[up])]
        if axes == "methods":
            titles = [method_text(plan.methods[each]) for each in (first, second)]
        show_points(
            values[:, one, across],
            values[:, other, up],
            (titles[0], titles[1]),
            [(row.index, _name(row)) for row in results.scored],
            picked,
            is_same_scale=axes == "methods",
            key=chart_key,
            on_pick=lambda: state.put_picked(chart_key, picture_key),
        )
        what = f"{metric_text(plan.metrics[across])} {arrow(plan.metrics[across])}"
        if axes == "methods":
            st.caption(f"{what}: a point per picture. On the dotted line both methods do as well.")
        else:
            st.caption(f"{method_text(plan.methods[first])}: a point per picture.")
    if picked is None:
        with left:
            st.caption("The picture opens below with both methods’ maps, as they were scored.")
        return
    row = next(row for row in results.scored if row.index == picked)
    with shown_errors():
        _show_picture(setup, results, row, (first, second))


def _axes(plan: Plan) -> Axes:
    if len(plan.metrics) < 2:
        return "methods"
    axes: Axes = st.segmented_control(
        "Axes",
        list(_AXES),
        format_func=_AXES.__getitem__,
        default="methods",
        required=True,
        key=f"{state.EVALUATION_COMPARE}-axes",
        persist_state="session",
        label_visibility="collapsed",
    )
    return axes


def _chosen(results: Results, axes: Axes) -> tuple[int, int, int, int]:
    """Show the methods and metrics of both axes; return (method, method, metric, metric)."""
    plan = results.plan
    telling = _telling(results)
    methods = [method_text(each) for each in plan.methods]
    metrics = [metric_text(each) for each in plan.metrics]
    first = _choice(plan, "Method", methods)
    second = _choice(plan, "Beside it", methods, first)
    if axes == "methods":
        across = _choice(plan, "Metric", metrics, begin=telling)
        return first, second, across, across
    across = _choice(plan, "Across", metrics, begin=telling)
    return first, second, across, _choice(plan, "Up", metrics, across, begin=telling)


def _telling(results: Results) -> list[int]:
    """Return the metrics whose values differ in what is shown of them."""
    found = []
    for place in range(len(results.plan.metrics)):
        values = results.values[:, :, place]
        known = values[np.isfinite(values)]
        if known.size and np.ptp(known) > SMALL:
            found.append(place)
    return found


def _choice(
    plan: Plan,
    label: str,
    names: Sequence[str],
    taken: int | None = None,
    *,
    begin: Sequence[int] = (),
) -> int:
    """Show names to choose from but the one that is taken; return the place of the chosen one.

    Args:
        begin: places of which the first that is not taken is chosen at first; else any.
    """
    places = [place for place in range(len(names)) if place != taken]
    key = f"{state.EVALUATION_COMPARE}-{plan.digest[:16]}-{label}-{taken}"
    state.begin(key, next((place for place in begin if place != taken), places[0]))
    chosen: int = st.selectbox(
        label,
        places,
        format_func=names.__getitem__,
        key=key,
        persist_state="session",
    )
    return chosen


def _name(row: Row) -> str:
    return f"{row.index + 1} — {row.label} ({row.id})"


# ---- the picture that is open ----------------------------------------------------------------


def _show_picture(setup: Setup, results: Results, row: Row, methods: tuple[int, int]) -> None:
    """Show one picture with the maps of two methods, made as they were scored."""
    model, plan = setup.model, setup.plan
    example = setup.dataset.examples[row.index]
    image = example.read()
    truth = example.truth(row.references[0] if plan.against != "similar" else None)
    variants = [plan.methods[each] for each in methods]
    question = _question(model, plan, row)
    told = f"The model says {row.predicted}"
    if row.probability is not None:
        told += f", and gives {row.label} {percent(row.probability)}"
    st.markdown(f"**Picture {row.index + 1}: {question.text}** {told}.")
    place = st.empty()
    with place, st.spinner("Making the two maps again …"):
        bases = [_basis(model, plan, row, image, question, each) for each in variants]
    place.empty()
    shown, factor = image, 1
    if truth is not None:
        shown, factor = outlined(image, truth)
    cells = [
        Cell(
            row=0,
            column=x,
            method=variant.name,
            basis=enlarged(basis, factor),
            subtitle=in_contrast(model, variant.name, question, question.target),
            foot=took_effect(basis),
            fixed=_fixed(variant),
        )
        for x, (variant, basis) in enumerate(zip(variants, bases, strict=True))
    ]
    columns = [
        Heading(method_text(variant), _scores(results, row, each))
        for variant, each in zip(variants, methods, strict=True)
    ]
    show_table(
        model,
        shown,
        Table(
            rows=[Heading(row.label, f"picture {row.index + 1}")],
            columns=columns,
            cells=cells,
            scale="Own",
        ),
        (),
        viewer=f"{state.EVALUATION_PICTURE}-viewer",
        question=question.text,
        source=f"{setup.dataset.title}; model {model.name}",
    )
    if truth is not None:
        what = (
            f"the evidence for {row.label} rather than {row.references[0]}"
            if plan.against != "similar"
            else f"the evidence for {row.label}"
        )
        st.caption(f"Outlined in white: {what}.")
    if setup.dataset.licence:
        st.caption(sentence(setup.dataset.licence))


def _question(model: Model, plan: Plan, row: Row) -> Question:
    """Return what the engine asked of the picture, as Explain puts it."""
    is_one = plan.against != "similar"
    names = " or ".join(row.references)
    return Question(
        kind="why not" if is_one else "why is",
        target=model.classes.index(row.target),
        references=tuple(model.classes.index(name) for name in row.references),
        reference_set=None,
        pictures=f"pictures of {names}" if is_one else "pictures of other classes",
        text=f"why {row.label} and not {names}?" if names else f"why {row.label}?",
    )


def _basis(
    model: Model, plan: Plan, row: Row, image: Image, question: Question, method: Variant
) -> Basis:
    """Return a method's basis with the values and the seed that it was scored with."""
    return caching.basis_of(
        model,
        image,
        method.name,
        target=question.target,
        references=question.references if plan.against != "similar" else (),
        reference_set=None,
        layer=plan.layer,
        parameters=prepare_values(method, plan.seed_of(row.index)),
        progress=lambda _share: None,
    )


def _fixed(method: Variant) -> dict[str, ParameterValue]:
    """Return the values that no slider moves: all of them, for the map is the one scored."""
    parameters = METHODS[method.name].parameters_of("render")
    known = {parameter.name for parameter in parameters}
    given = {name: value for name, value in method.values if name in known}
    return fill_in(parameters, given, f"method '{method.name}'")


def _scores(results: Results, row: Row, method: int) -> str:
    """Return the picture's scores of a method, the first few."""
    told = []
    for metric, value in zip(results.plan.metrics, row.scores[method], strict=True):
        shown = "not defined" if value is None else number(value)
        told.append(f"{metric_text(metric)} {arrow(metric)} {shown}")
    return " · ".join(told)
