"""Explain one picture: prediction, question, and maps side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from components import caching, state
from components.image_input import image_input
from components.map_viewer import Panel, Settings, show_maps
from components.method_picker import method_picker
from components.model_picker import layer_picker, model_picker
from components.notices import show_cautions, show_error, shown_errors
from components.page import page_head
from components.parameter_panel import Values, parameter_widgets, parameters_of
from components.prediction import show_prediction
from components.question_picker import Question, question_picker
from components.wording import percent, short
from explain_core import METHODS, ExplainError, Image, Model, render
from explain_core.images.display import to_display
from explain_core.methods.cautions import basis_cautions, question_cautions
from explain_core.types import Array, Basis, Contrast

_LEAD = "Why this, and why not that?"
_PICTURE_PX = 480
_PREPARED_AHEAD_PX = 16_000_000
_NEEDS_MOST_FIRST = ("classes", "nothing", "pictures")


@dataclass(frozen=True, eq=False)
class Asked:
    """Hold everything the sidebar says."""

    model: Model
    image: Image
    logits: Array
    question: Question
    layer: str
    settings: Values


def main() -> None:
    """Lay out the page."""
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
    methods = _show_picture(asked)
    if not methods:
        st.info("Choose at least one method above to see its map.", icon=":material/arrow_upward:")
        return
    _maps(asked, _prepared(asked, methods))


def _ask() -> Asked | None:
    """Show the sidebar and return what is asked; None while there is no picture."""
    model = model_picker()
    image = image_input(model)
    if image is None:
        return None
    logits = caching.logits_of(model, image)
    question = question_picker(model, image, logits)
    with st.expander("Layer and method settings"):
        layer = layer_picker(model)
        settings = parameter_widgets(parameters_of(METHODS, "prepare"))
    return Asked(model, image, logits, question, layer, settings)


def _show_picture(asked: Asked) -> list[str]:
    """Show picture, prediction and methods side by side; return the methods."""
    picture, prediction, methods = st.columns([1, 2.2, 3], gap="medium")
    with picture:
        st.image(to_display(asked.image, _PICTURE_PX), width=_PICTURE_PX // 3, alt="The picture")
    with prediction:
        show_prediction(asked.model, asked.logits)
    with methods:
        chosen = method_picker(asked.model, asked.question, asked.layer)
    show_cautions(
        question_cautions(
            asked.model, asked.logits, Contrast(asked.question.target, asked.question.references)
        )
    )
    return chosen


def _prepared(asked: Asked, methods: Sequence[str]) -> dict[str, Basis]:
    """Return the methods' bases; where one fails, its message is shown and the others stay.

    Those that need most of a pass come first, so that the others find it done.
    """
    bases = {}
    place = st.empty()
    for method in sorted(
        methods, key=lambda name: _NEEDS_MOST_FIRST.index(METHODS[name].compares_with)
    ):
        title = METHODS[method].title

        def progress(share: float, title: str = title) -> None:
            place.progress(share, text=f"{title}: gradients at noisy copies")

        with shown_errors(), st.spinner(f"{title} …", show_time=True):
            bases[method] = caching.basis_of(
                asked.model,
                asked.image,
                method,
                target=asked.question.target,
                references=asked.question.references,
                reference_set=asked.question.reference_set,
                layer=asked.layer,
                parameters=asked.settings,
                progress=progress,
            )
    place.empty()
    return {method: bases[method] for method in methods if method in bases}


@st.fragment
def _maps(asked: Asked, bases: Mapping[str, Basis]) -> None:
    """Show the maps; what is set in the viewer runs only this part again, never a network."""
    cautions = st.container()
    panels = [_panel(asked, method, basis) for method, basis in bases.items()]
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
                for caution in basis_cautions(basis, settings.of(method))
            ]
        )
    _downloads(asked, panels, settings)
    st.caption(
        f"Network passes in this session: {caching.session_memory().passes}. "
        "Sliders add none: they only mix what is already there. Maps show what influenced this "
        "model, not what is true of the picture: for research and teaching, not for diagnosis."
    )


def _panel(asked: Asked, method: str, basis: Basis) -> Panel:
    about = METHODS[method]
    target = short(asked.model.classes[asked.question.target])
    subtitle = {
        "nothing": f"for {target}, no comparison",
        "classes": f"{target} against {_names(asked)}",
        "pictures": f"{target} against {_pictures(asked)}",
    }[about.compares_with]
    is_of_pictures = about.compares_with == "pictures"
    return Panel(
        name=method,
        title=about.title,
        basis=basis,
        subtitle=subtitle,
        reversed_subtitle=f"{_names(asked)} against {target}",
        foot=_in_words(basis),
        meaning={
            "unsigned": ("none", "most"),
            "signed": ("has less", "has more") if is_of_pictures else ("against", "for"),
        },
    )


def _downloads(asked: Asked, panels: Sequence[Panel], settings: Settings) -> None:
    """Offer one map's values as they are set now."""
    named = {panel.name: panel for panel in panels}
    with st.container(horizontal=True, vertical_alignment="bottom"):
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
    return ", ".join(short(asked.model.classes[index]) for index in asked.question.references)


def _source(asked: Asked) -> str:
    """Return what exports say about where the maps come from; no file name."""
    probability = asked.model.probabilities(asked.logits)[asked.question.target]
    name = short(asked.model.classes[asked.question.target])
    return f"Model {asked.model.name}; probability of {name}: {percent(probability)}"


def _pictures(asked: Asked) -> str:
    count = (
        0 if asked.question.reference_set is None else len(asked.question.reference_set.features)
    )
    what = {
        "why is": "all other classes",
        "why not": _names(asked),
        "what varies": "its own class",
    }[asked.question.kind]
    return f"{what} ({count:,} pictures)"


def _in_words(basis: Basis) -> str:
    """Return what took effect besides the sliders, for a panel's foot."""
    shown = dict(basis.provenance.parameters)
    parts = []
    if "weights" in shown:
        parts.append(f"{shown['weights']} weights")
    if shown.get("left_out"):
        parts.append("the picture itself left out")
    if "num_samples" in shown:
        parts.append(f"n = {shown['num_samples']}, σ = {shown['spread']:.2f}, seed {shown['seed']}")
    layer = basis.provenance.layer
    parts.append("input gradient" if layer == "input" else f"layer {layer}")
    return " · ".join(parts)


main()
