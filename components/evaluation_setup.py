"""What is evaluated: model, data set and filters at the side, methods and metrics on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from components import caching, state
from components.evaluation_sets import Offered, bundled_sets, offered_sets
from components.evaluation_words import method_text, value_text
from components.method_picker import PRESETS as EXPLAIN_PRESETS
from components.method_picker import tell_unfit
from components.model_picker import layer_picker, model_picker
from components.notices import shown_errors
from explain_core import METHODS, InputError, Model
from explain_core.datasets.dataset import Dataset
from explain_core.evaluation.plan import (
    CONTROLS,
    Against,
    Plan,
    Variant,
    make_plan,
    usable_methods,
    usable_metrics,
)
from explain_core.evaluation.sources import generated_source
from explain_core.evaluation.sweep import SWEEPS, sweep_methods
from explain_core.evaluation.tables import MIN_COMPARED
from explain_core.metrics.table import METRICS

Kind = Literal["methods", "sweep"]

MAX_GENERATED = 5000
_FIRST_COUNT = 20
_KINDS: Mapping[Kind, str] = {
    "methods": "Methods side by side",
    "sweep": "One setting after the other",
}
_AGAINST: Mapping[Against, str] = {
    "nearest": "the most similar class",
    "random": "a class drawn at random",
    "similar": "the three most similar classes",
}
_QUICK = ("finer-grad-cam", "grad-cam", "layer-cam", "vanilla-gradient")
_THREE = EXPLAIN_PRESETS["Contrastive three"]
PRESETS: Mapping[str, tuple[str, ...]] = {
    "Quick": _QUICK,
    "Contrastive three": _THREE,
    "The papers’ baselines": tuple(
        dict.fromkeys((*_THREE, *EXPLAIN_PRESETS["The papers’ baselines"]))
    ),
}
# Of those that a data set allows: one for each kind of question.
_FIRST_METRICS = ("rcap", "deletion", "insertion", "relative-drop", "energy-inside", "auprc")
_SELECTABLE = tuple(name for name in METHODS if name not in CONTROLS)


@dataclass(frozen=True, eq=False)
class Material:
    """Hold what is evaluated on, and which pictures count.

    Attributes:
        source: what `open_dataset` takes.
        limit: how many pictures are drawn; None takes all.
    """

    model: Model
    layer: str
    offered: Offered
    source: str
    dataset: Dataset
    against: Against
    seed: int
    limit: int | None
    min_probability: float
    is_right_only: bool


@dataclass(frozen=True, eq=False)
class Setup:
    """Hold a checked plan and what it was made for.

    Attributes:
        sweep: name of the sweep that the methods are; None for methods side by side.
        settings: of the widgets, by their keys, so that the set-up can be taken again.
    """

    material: Material
    plan: Plan
    sweep: str | None
    settings: Mapping[str, object]

    @property
    def model(self) -> Model:
        """Return the model."""
        return self.material.model

    @property
    def dataset(self) -> Dataset:
        """Return the data set."""
        return self.material.dataset


# ---- at the side -----------------------------------------------------------------------------


def material_picker() -> Material | None:
    """Show model, data set and filters; None where the model has no classes to explain.

    Raises:
        ModelError: the model cannot be loaded.
        InputError: the data set cannot be opened, or is not among those on offer.
    """
    model = model_picker()
    if not model.has_head:
        return None
    offered = _data_picker(model)
    source, dataset, limit = _pictures(offered)
    against: Against = "similar"
    if dataset.truths:
        state.begin(state.EVALUATION_AGAINST, "nearest")
        against = st.radio(
            "Each class is compared with",
            list(_AGAINST),
            format_func=_AGAINST.__getitem__,
            key=state.EVALUATION_AGAINST,
            persist_state="session",
            help="Maps that compare answer: why this class rather than that one? With one class, "
            "the truth is what tells the two apart; with three, it is all evidence for the class.",
        )
    with st.expander("Layer, filters and seed"):
        layer = layer_picker(model)
        least, is_right_only, seed = _filters()
    return Material(
        model=model,
        layer=layer,
        offered=offered,
        source=source,
        dataset=dataset,
        against=against,
        seed=seed,
        limit=limit,
        min_probability=least,
        is_right_only=is_right_only,
    )


def _data_picker(model: Model) -> Offered:
    offered = bundled_sets()
    with shown_errors():
        offered = offered_sets()
    key = _data_key(model)
    own = [name for name, each in offered.items() if each.model == model.name]
    others = [name for name, each in offered.items() if not each.is_generated]
    state.begin(key, next(iter([*own, *others, *offered])))
    name = st.selectbox(
        "Data set",
        list(offered),
        format_func=lambda each: offered[each].title if each in offered else each,
        key=key,
        persist_state="session",
        help="Generated here, so that the evidence is known pixel by pixel; or listed by the "
        "operator in datasets.toml.",
    )
    if name not in offered:  # only what is offered, whatever a browser sends
        raise InputError(f"there is no data set '{name}' on this dashboard; choose one of the list")
    return offered[name]


def _pictures(offered: Offered) -> tuple[str, Dataset, int | None]:
    """Show how many pictures count; return the source's text, the data set and the limit."""
    whole = None if offered.is_generated else caching.dataset_of(offered.source)
    most = MAX_GENERATED if whole is None else max(1, len(whole.examples))
    key = _count_key(offered)
    state.begin(key, min(_FIRST_COUNT, most))
    count = int(
        st.number_input(
            "Pictures",
            min_value=0,  # to be answered in words
            max_value=most,
            step=10 if most > 10 else 1,
            key=key,
            persist_state="session",
            help="More pictures make narrower intervals. "
            + (
                "They are generated, the same ones every time."
                if whole is None
                else f"Drawn at random, with the seed below, from {most:,}."
            ),
        )
    )
    if count < 1:
        st.warning("At least 1 picture; 1 is taken.", icon=":material/warning:")
        count = 1
    elif count < min(MIN_COMPARED, most):
        st.caption(f"Few pictures say little: marks appear from {MIN_COMPARED} on.")
    source = offered.source if whole is not None else generated_source(offered.name, count)
    dataset = caching.dataset_of(source)
    return source, dataset, None if count >= len(dataset.examples) else count


def _filters() -> tuple[float, bool, int]:
    state.begin(state.EVALUATION_LEAST, 0)
    least = st.slider(
        "Least probability of its class",
        0,
        100,
        step=5,
        format="%d %%",
        key=state.EVALUATION_LEAST,
        persist_state="session",
        help="Pictures to whose class the model gives less are left out. DiffCAM’s paper takes "
        "those above 90 %.",
    )
    state.begin(state.EVALUATION_ONLY_RIGHT, False)
    is_right_only = st.toggle(
        "Only pictures that the model gets right",
        key=state.EVALUATION_ONLY_RIGHT,
        persist_state="session",
    )
    state.begin(state.EVALUATION_SEED, 0)
    seed = st.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        step=1,
        key=state.EVALUATION_SEED,
        persist_state="session",
        help="Of the sample and of all noise: the same seed gives the same numbers.",
    )
    return least / 100, is_right_only, int(seed)


# ---- on the page -----------------------------------------------------------------------------


def setup_picker(material: Material) -> Setup | None:
    """Show methods and metrics and return the plan; None, with a word why, where one is missing.

    Raises:
        InputError: the model does not know the data set's classes.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        state.begin(state.EVALUATION_KIND, "methods")
        kind: Kind = st.segmented_control(
            "What is compared",
            list(_KINDS),
            format_func=_KINDS.__getitem__,
            required=True,
            key=state.EVALUATION_KIND,
            persist_state="session",
            label_visibility="collapsed",
        )
        earlier = caching.evaluation_queue().remembered
        if earlier:
            st.menu_button(
                "Earlier ones",
                list(earlier),
                key=state.EVALUATION_EARLIER,
                icon=":material/history:",
                type="tertiary",
                help="Evaluations begun on this server: their settings are taken again.",
                on_click=state.take_settings,
                args=(state.EVALUATION_EARLIER, earlier),
            )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        methods, sweep = _methods(material) if kind == "methods" else _swept(material)
    with right:
        metrics = _metrics(material, sweep)
    controls = ", ".join(method_text(Variant(name)) for name in CONTROLS)
    st.caption(
        f"Always among them, as controls that know nothing of the model: {controls}. A map that "
        "does not beat them has shown nothing about it."
    )
    if not methods or not metrics:
        missing = " and ".join(
            word for word, chosen in (("method", methods), ("metric", metrics)) if not chosen
        )
        st.info(f"Choose at least one {missing} above.", icon=":material/arrow_upward:")
        return None
    plan = make_plan(
        material.model,
        material.dataset,
        methods,
        metrics,
        against=material.against,
        layer=material.layer,
        seed=material.seed,
        limit=material.limit,
        min_probability=material.min_probability,
        is_right_only=material.is_right_only,
    )
    return Setup(material, plan, sweep, _settings(material, sweep))


def _methods(material: Material) -> tuple[Sequence[Variant | str], None]:
    state.begin(_methods_key(None), list(_THREE))
    chosen = st.multiselect(
        "Methods",
        _SELECTABLE,
        format_func=lambda name: METHODS[name].title,
        key=_methods_key(None),
        persist_state="session",
        select_all=False,
        wrap=True,
        placeholder="Choose at least one method",
    )
    st.menu_button(
        "Presets",
        list(PRESETS),
        key=state.EVALUATION_PRESETS,
        icon=":material/playlist_add_check:",
        type="tertiary",
        on_click=state.take_preset,
        args=(state.EVALUATION_PRESETS, _methods_key(None), PRESETS),
    )
    reasons = usable_methods(material.model, material.layer)
    unfit = {name: f"left out: {why}" for name in chosen if (why := reasons[name]) is not None}
    tell_unfit(unfit)
    return [name for name in chosen if name not in unfit], None


def _swept(material: Material) -> tuple[Sequence[Variant], str]:
    state.begin(state.EVALUATION_SWEEP, next(iter(SWEEPS)))
    name = st.selectbox(
        "Setting",
        list(SWEEPS),
        format_func=lambda each: SWEEPS[each].title,
        key=state.EVALUATION_SWEEP,
        persist_state="session",
        help="As in the papers’ ablation tables. The network runs once for all values.",
    )
    sweep = SWEEPS[name]
    able = [each for each in _SELECTABLE if sweep.parameter in METHODS[each].parameters]
    key = _methods_key(name)
    state.begin(key, list(sweep.methods))
    chosen = st.multiselect(
        "Methods",
        able,
        format_func=lambda each: METHODS[each].title,
        key=key,
        persist_state="session",
        wrap=True,
        placeholder="Choose at least one method",
    )
    values = ", ".join(value_text(step) for step in sweep.steps)
    st.caption(f"{sweep.parameter.label}: {values}. {sweep.paper}.")
    reasons = usable_methods(material.model, material.layer)
    unfit = {each: f"left out: {why}" for each in chosen if (why := reasons[each]) is not None}
    tell_unfit(unfit)
    fit = tuple(each for each in chosen if each not in unfit)
    if not fit:
        return [], name
    return sweep_methods(name, material.model, fit, layer=material.layer), name


def _metrics(material: Material, sweep: str | None) -> list[str]:
    reasons = usable_metrics(material.model, material.dataset)
    first = _FIRST_METRICS if sweep is None else SWEEPS[sweep].metrics
    key = _metrics_key(material, sweep)
    usable = [name for name in first if name in reasons and reasons[name] is None]
    state.begin(key, usable or [name for name in reasons if reasons[name] is None][:1])
    chosen = st.multiselect(
        "Metrics",
        list(METRICS),
        format_func=lambda name: METRICS[name].title,
        key=key,
        persist_state="session",
        wrap=True,
        placeholder="Choose at least one metric",
    )
    unfit = {name: why for name in chosen if (why := reasons[name]) is not None}
    for why in dict.fromkeys(unfit.values()):
        names = ", ".join(METRICS[name].title for name in unfit if unfit[name] == why)
        st.info(f"{names}: left out: {why}.", icon=":material/info:")
    return [name for name in chosen if name not in unfit]


# ---- settings that can be taken again --------------------------------------------------------


def _settings(material: Material, sweep: str | None) -> dict[str, object]:
    """Return what all widgets show; the layer begins by itself."""
    keys = (
        *(state.MODEL, _data_key(material.model), _count_key(material.offered)),
        *(state.EVALUATION_AGAINST, state.EVALUATION_LEAST, state.EVALUATION_ONLY_RIGHT),
        *(state.EVALUATION_SEED, state.EVALUATION_KIND, state.EVALUATION_SWEEP),
        *(_methods_key(sweep), _metrics_key(material, sweep)),
    )
    return state.values_of(keys) | {state.layer_key(material.model): None}


def _data_key(model: Model) -> str:
    return f"{state.EVALUATION_DATA}-{model.name}"


def _count_key(offered: Offered) -> str:
    return f"{state.EVALUATION_COUNT}-{offered.name}"


def _methods_key(sweep: str | None) -> str:
    return state.EVALUATION_METHODS if sweep is None else f"{state.EVALUATION_METHODS}-{sweep}"


def _metrics_key(material: Material, sweep: str | None) -> str:
    truths = "-".join(sorted(material.dataset.truths)) or "none"
    return f"{state.EVALUATION_METRICS}-{sweep or 'methods'}-{truths}"
