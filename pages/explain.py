"""Explain one picture: prediction, question, and maps side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from components import caching, state
from components.compare import Compared, compare_classes, view_picker
from components.compare_models import compare_models
from components.image_input import image_input
from components.linear_probe import has_classes_at_hand
from components.map_viewer import Panel, Settings, meaning, show_maps
from components.method_picker import method_picker
from components.model_picker import bank_picker, layer_picker, model_picker
from components.notices import reading_note, show_cautions, show_error, shown_errors
from components.page import page_head, require_navigation
from components.parameter_panel import Values, parameter_widgets, parameters_of
from components.prediction import show_prediction
from components.question_picker import Question, question_picker
from components.reference_builder import Place
from components.reference_judge import show_judgement, show_stability
from components.score_strip import ShownMap, score_button, show_scores
from components.slow_methods import Prepared, Task, Wanted, prepare_quick, run_started
from components.trust_panel import show_trust, trust_toggle
from components.trust_steps import Tested
from components.varying import show_varying
from components.wording import class_name, percent, took_effect
from explain_core import METHODS, ExplainError, Image, Model, render
from explain_core.images.display import to_display
from explain_core.methods.cautions import basis_cautions, picture_cautions, question_cautions
from explain_core.methods.settings import LAM
from explain_core.types import Array, Basis, Contrast

_LEAD = "Why this, and why not that?"
_PICTURE_PX = 480
_PREPARED_AHEAD_PX = 16_000_000


@dataclass(frozen=True, eq=False)
class Asked:
    """Hold everything the sidebar says, and where it shows the methods' settings."""

    place: Place
    image: Image
    logits: Array | None
    question: Question
    settings_place: Any

    @property
    def model(self) -> Model:
        """Return the model."""
        return self.place.model

    @property
    def layer(self) -> str:
        """Return the layer that is explained."""
        return self.place.layer


def main() -> None:
    """Lay out the page."""
    require_navigation()
    try:
        with st.sidebar:
            asked = _ask()
    except ExplainError as error:
        page_head(_LEAD)
        show_error(error)
        st.caption("Your picture and your settings are kept.")
        return
    page_head(_LEAD if asked is None else asked.question.text)
    if asked is None:
        st.info(
            "Give a picture on the left: upload one; with the digits model, take a sample or draw.",
            icon=":material/arrow_back:",
        )
        return
    # Places of their own: whatever is said above, the maps are drawn anew where they are.
    above, below = st.container(), st.container()
    with above:
        methods = _show_picture(asked)
        parameters = _parameters(asked, methods)
        view = view_picker(asked.model)
    if methods and view != "maps":
        compare = compare_classes if view == "classes" else compare_models
        run_started(*compare(_compared(asked, methods, parameters), above, below))
        return
    wanted = {method: _wanted(asked, method, parameters) for method in methods}
    with above:
        prepared = prepare_quick(wanted)
    asked_below: list[tuple[Task, Any]] = []
    with below:
        if prepared.bases:
            asked_below = _maps(asked, prepared, wanted)
    run_started(prepared.started, prepared.place)
    for task, place in asked_below:
        run_started([task], place)


def _ask() -> Asked | None:
    """Show the sidebar and return what is asked; None while there is no picture."""
    model = model_picker()
    image = image_input(model)
    if image is None:
        return None
    logits = caching.logits_of(model, image) if model.has_head else None
    above = st.container()
    with st.expander("Layer, bank and method settings"):
        layer = layer_picker(model)
        bank = bank_picker(model)
        settings_place = st.container()
    place = Place(model, bank, image, layer)
    with above:
        question = question_picker(place, image, logits)
    return Asked(place, image, logits, question, settings_place)


def _show_picture(asked: Asked) -> list[str]:
    """Show picture, prediction and methods side by side; return the methods."""
    picture, prediction, methods = st.columns([1, 2.2, 3], gap="medium")
    with picture:
        height, width = asked.image.size
        shown_px = round(_PICTURE_PX / 3 * min(1, width / height))
        st.image(to_display(asked.image, _PICTURE_PX), width=shown_px, alt="The picture")
    with prediction:
        if asked.logits is None:
            st.markdown("**A model without classes**")
            st.caption("It gives features only, so pictures are compared, not classes.")
            if has_classes_at_hand(asked.model):
                st.page_link(
                    "pages/models.py",
                    label="Fit a linear probe, and it has classes",
                    icon=":material/schema:",
                )
            if asked.model.text_side is not None:
                st.caption("Type texts on the left, and they are its classes.")
        else:
            show_prediction(asked.model, asked.logits)
    with methods:
        chosen = method_picker(asked.place, asked.question)
    show_cautions(picture_cautions(asked.model, asked.image))
    if asked.logits is not None:
        contrast = Contrast(asked.question.target, asked.question.references)
        show_cautions(question_cautions(asked.model, asked.logits, contrast))
    return chosen


def _parameters(asked: Asked, methods: Sequence[str]) -> Values:
    """Show the methods' settings in the sidebar and return their values."""
    with asked.settings_place:
        return parameter_widgets(parameters_of(methods, "prepare"))


def _compared(asked: Asked, methods: Sequence[str], parameters: Values) -> Compared:
    return Compared(
        place=asked.place,
        image=asked.image,
        logits=asked.logits,
        question=asked.question,
        methods=methods,
        parameters=parameters,
        source=_source(asked),
    )


def _wanted(asked: Asked, method: str, parameters: Values) -> Wanted:
    """Return what is asked of a method."""
    return Wanted(
        model=asked.model,
        image=asked.image,
        method=method,
        target=asked.question.target,
        references=asked.question.references,
        reference_set=asked.question.reference_set,
        layer=asked.layer,
        parameters={
            parameter.name: parameters[parameter.name]
            for parameter in METHODS[method].parameters_of("prepare")
        },
    )


@st.fragment
def _maps(asked: Asked, prepared: Prepared, wanted: Mapping[str, Wanted]) -> list[tuple[Task, Any]]:
    """Show the maps; what is set in the viewer runs only this part again, never a network.

    Returns:
        What was started below the maps, and where its progress is shown. A button there runs the
        whole page again: a run of this part alone could not be cancelled.
    """
    cautions = st.container()
    bases = prepared.bases
    panels = [
        _panel(asked, method, basis, prepared.notes.get(method, ""))
        for method, basis in bases.items()
    ]
    settings = show_maps(
        asked.model,
        asked.image,
        panels,
        parameters_of(bases, "render"),
        question=asked.question.text,
        source=_source(asked),
    )
    with cautions:
        show_cautions(
            [
                caution
                for method, basis in bases.items()
                for caution in basis_cautions(
                    basis, settings.of(method), asked.model.gradient_layer
                )
            ]
        )
    shown = [
        ShownMap(
            model=asked.model,
            image=asked.image,
            title=panel.title,
            basis=panel.basis,
            values=settings.of(panel.name),
            target=asked.question.target,
            references=asked.question.references,
            reference_set=asked.question.reference_set,
        )
        for panel in panels
    ]
    started: list[tuple[Task, Any]] = []
    show_scores(shown)
    place = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _downloads(asked, panels, settings)
        scoring = score_button(shown)
        is_testing = trust_toggle()
    if scoring is not None:
        started.append((scoring, place))
    whole = [each for each in shown if not prepared.notes.get(each.name)]
    if is_testing and whole:
        testing = show_trust([Tested(each, wanted[each.name]) for each in whole])
        started += [] if testing is None else [testing]
    lam = float(settings.shared.get(LAM.name, LAM.default))
    if "diffcam" in bases:
        state.note_lam(lam)
        _judge(asked, lam)
    if asked.question.kind == "what varies":
        show_varying(asked.place, asked.question, lam)
    reading_note(caching.session_memory().passes)
    return started


def _judge(asked: Asked, lam: float) -> None:
    """Judge, on demand, the reference set that DiffCAM compares with."""
    references = asked.question.reference_set
    assert references is not None
    if st.toggle(
        "Judge the reference set",
        key=state.JUDGE,
        persist_state="session",
        help="Whether the pictures that DiffCAM compares with can carry its map: their number, "
        "their outliers, and how far the map depends on which of them are in the set.",
    ):
        with shown_errors():
            show_judgement(caching.judgement_of(references), len(caching.outliers_of(references)))
            show_stability(
                asked.model,
                asked.image,
                references,
                caching.alternative_to(references, asked.place.bank),
                lam,
                "explain",
            )


def _panel(asked: Asked, method: str, basis: Basis, note: str) -> Panel:
    about = METHODS[method]
    question = asked.question
    target = "this picture"
    if question.target is not None and question.kind != "how unlike":
        target = class_name(asked.model, question.target)
    subtitle = {
        "nothing": f"for {_target(asked)}, no comparison",
        "classes": f"{target} against {_names(asked)}",
        "pictures": f"{target} against {question.pictures}",
    }[about.compares_with]
    if about.is_control:
        subtitle = "knows nothing of the model"
    return Panel(
        name=method,
        method=method,
        title=about.title,
        basis=basis,
        subtitle=subtitle,
        reversed_subtitle=f"{_names(asked)} against {target}",
        foot=" · ".join(filter(None, [note, took_effect(basis)])),
        meaning=meaning(method),
    )


def _downloads(asked: Asked, panels: Sequence[Panel], settings: Settings) -> None:
    """Offer one map's values as they are set now."""
    named = {panel.name: panel for panel in panels}
    name = st.selectbox(
        "Values of",
        list(named),
        format_func=lambda name: named[name].title,
        key=state.VALUES_OF,
        width=260,
        help="The map on the picture's pixels, float32, not normalised; NaN where the model "
        "never looked.",
    )

    def as_npy() -> bytes:
        smap = render(
            named[name].basis,
            signed=settings.is_signed and METHODS[name].can_be_signed,
            **settings.of(name),
        )
        file = io.BytesIO()
        np.save(file, smap.on_original())
        return file.getvalue()

    is_large = asked.image.pixels.size > _PREPARED_AHEAD_PX
    st.download_button(
        "NPY",
        as_npy if is_large else as_npy(),
        file_name=f"whynot-{name}.npy",
        mime="application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
    )


def _names(asked: Asked) -> str:
    return ", ".join(class_name(asked.model, index) for index in asked.question.references)


def _source(asked: Asked) -> str:
    """Return what exports say about where the maps come from; no file name."""
    if asked.logits is None or asked.question.target is None:
        return f"Model {asked.model.name}"
    probability = asked.model.probabilities(asked.logits)[asked.question.target]
    return f"Model {asked.model.name}; probability of {_target(asked)}: {percent(probability)}"


def _target(asked: Asked) -> str:
    target = asked.question.target
    return "this picture" if target is None else class_name(asked.model, target)


main()
