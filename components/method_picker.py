"""Choosing methods, as far as the model and the question allow."""

from __future__ import annotations

import streamlit as st

from components import caching, state
from components.question_picker import Question
from components.reference_builder import Place
from explain_core import METHODS

_WITH_PICTURES = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
_WITHOUT_PICTURES = ["finer-grad-cam", "finer-layer-cam", "grad-cam", "guided-absolute-grad"]
MAX_PANELS = 8
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
    chosen = st.multiselect(
        "Methods, side by side",
        methods,
        default=default,
        format_func=lambda name: METHODS[name].title,
        key=f"{state.METHODS}-{kind}",
        persist_state="session",
        max_selections=MAX_PANELS,
        select_all=False,
        wrap=True,
        placeholder="Choose at least one method",
    )
    if not chosen:
        st.info("Choose at least one method above to see its map.", icon=":material/arrow_upward:")
    unfit = {name: reason for name in chosen if (reason := _why_not(place, question, name))}
    for reason in dict.fromkeys(unfit.values()):
        names = ", ".join(METHODS[name].title for name, why in unfit.items() if why == reason)
        st.info(f"{names}: {reason}", icon=":material/info:")
    return [name for name in chosen if name not in unfit]


def _why_not(place: Place, question: Question, name: str) -> str | None:
    """Return why a method cannot answer the question; None if it can."""
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
