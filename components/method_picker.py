"""Choosing methods, as far as the model and the question allow."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components import caching, state
from components.question_picker import Question
from components.reference_builder import Place
from explain_core import METHODS
from explain_core.methods.method import why_not_at

_WITH_PICTURES = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
_WITHOUT_PICTURES = ["finer-grad-cam", "finer-layer-cam", "grad-cam", "guided-absolute-grad"]
MAX_PANELS = 16
# What each paper holds its method against: DiffCAM's Figures 3 and 6 and Table 3, Finer-CAM's
# Figure 12, and the comparison of Guided AbsoluteGrad.
_BASELINES = {
    "diffcam": (
        *("grad-cam", "score-cam", "layer-cam", "xgrad-cam", "smooth-grad-cam++"),
        *("integrated-gradients", "guided-backprop"),
    ),
    "finer-grad-cam": ("grad-cam", "layer-cam", "score-cam", "rise", "mask"),
    "guided-absolute-grad": (
        *("smooth-grad", "var-grad", "guided-backprop", "guided-ig", "integrated-gradients"),
        *("blur-ig", "vanilla-gradient", "grad-cam"),
    ),
}
PRESETS: dict[str, tuple[str, ...]] = {
    "Contrastive three": tuple(_BASELINES),
    "DiffCAM and its baselines": ("diffcam", *_BASELINES["diffcam"]),
    "Finer-CAM and its baselines": (
        *("finer-grad-cam", "finer-layer-cam", "finer-score-cam"),
        *_BASELINES["finer-grad-cam"],
    ),
    "Guided AbsoluteGrad and its baselines": (
        "guided-absolute-grad",
        *_BASELINES["guided-absolute-grad"],
    ),
    "The papers’ baselines": tuple(
        dict.fromkeys(name for names in _BASELINES.values() for name in names)
    ),
}
_NO_CLASS = "left out until a class to compare with is chosen on the left."


def method_picker(place: Place, question: Question) -> list[str]:
    """Show the methods and return the chosen ones that can answer the question."""
    model = place.model
    methods = [name for name in METHODS if model.has_head or not METHODS[name].needs_class]
    default, kind = _WITH_PICTURES, "bank"
    if not caching.banks_of(model):
        default, kind = _WITHOUT_PICTURES, "no-bank"
    if question.kind == "how unlike":
        default, kind = _WITH_PICTURES, "bank"
    if not model.has_head:
        default, kind = [name for name in methods if not METHODS[name].is_control], "no-head"
    key = f"{state.METHODS}-{kind}"
    chosen = st.multiselect(
        "Methods, side by side",
        methods,
        default=None if state.is_preset_taken(key) else default,
        format_func=lambda name: METHODS[name].title,
        key=key,
        persist_state="session",
        max_selections=MAX_PANELS,
        select_all=False,
        wrap=True,
        placeholder="Choose at least one method",
    )
    if model.has_head:
        st.menu_button(
            "Presets",
            list(PRESETS),
            key=state.PRESETS,
            icon=":material/playlist_add_check:",
            type="tertiary",
            on_click=state.take_preset,
            args=(state.PRESETS, key, PRESETS),
        )
    if not chosen:
        st.info("Choose at least one method above to see its map.", icon=":material/arrow_upward:")
    unfit = {name: reason for name in chosen if (reason := why_not(place, question, name))}
    tell_unfit(unfit)
    return [name for name in chosen if name not in unfit]


def tell_unfit(unfit: Mapping[str, str]) -> None:
    """Say which methods are left out, once per reason."""
    for reason in dict.fromkeys(unfit.values()):
        names = ", ".join(METHODS[name].title for name, why in unfit.items() if why == reason)
        st.info(f"{names}: {reason}", icon=":material/info:")


def why_not(place: Place, question: Question, name: str) -> str | None:
    """Return why a method cannot answer the question; None if it can."""
    reason = why_not_at(METHODS[name], place.model, place.layer)
    if reason is not None:
        return f"left out: {reason}"
    compares_with = METHODS[name].compares_with
    if compares_with == "classes":
        return _why_no_classes(question)
    if compares_with == "pictures":
        return _why_no_pictures(place, question)
    return None


def _why_no_classes(question: Question) -> str | None:
    if question.kind == "what varies":
        return "left out: it compares classes, and this question stays within one."
    if question.kind == "how unlike":
        return "left out: it compares classes, and this question is about pictures."
    return None if question.references else _NO_CLASS


def _why_no_pictures(place: Place, question: Question) -> str | None:
    model, layer = place.model, place.layer
    pictures = question.reference_set
    if pictures is not None and pictures.layer != layer:
        return (
            f"left out: the reference pictures are known at layer {pictures.layer} only. "
            "Choose it under “Layer, bank and method settings”."
        )
    if pictures is not None:
        return None
    if question.kind == "how unlike":
        return "left out until there is a set to compare with: make one on the left."
    if not any(bank.is_aligned for bank in caching.banks_of(model)):
        return (
            f"left out: it compares with reference pictures, and {model.name} has no bank of "
            "them for its classes. Ask “How unlike” to compare with pictures of your own."
        )
    if question.kind == "why not" and not question.references:
        return _NO_CLASS
    if place.bank is not None and not place.bank.is_aligned:
        return (
            f"left out: the bank “{place.bank.name}” holds other classes than {model.name}. Choose "
            "another bank, or ask “How unlike”."
        )
    return "left out: the bank has no other pictures of that class."
