"""Choosing methods, as far as the model and the question allow."""

from __future__ import annotations

import streamlit as st

from components import caching, state
from components.question_picker import Question
from explain_core import METHODS, Model

_WITH_BANK = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
_WITHOUT_BANK = ["finer-grad-cam", "finer-layer-cam", "grad-cam", "guided-absolute-grad"]
MAX_PANELS = 8


def method_picker(model: Model, question: Question, layer: str) -> list[str]:
    """Show the methods and return the chosen ones that can answer the question."""
    chosen = st.multiselect(
        "Methods, side by side",
        list(METHODS),
        default=_WITHOUT_BANK if caching.bank_of(model) is None else _WITH_BANK,
        format_func=lambda name: METHODS[name].title,
        key=f"{state.METHODS}-{'no-bank' if caching.bank_of(model) is None else 'bank'}",
        persist_state="session",
        max_selections=MAX_PANELS,
        select_all=False,
        wrap=True,
        placeholder="Choose at least one method",
    )
    unfit = {name: reason for name in chosen if (reason := _why_not(model, question, layer, name))}
    for reason in dict.fromkeys(unfit.values()):
        names = ", ".join(METHODS[name].title for name, why in unfit.items() if why == reason)
        st.info(f"{names}: {reason}", icon=":material/info:")
    return [name for name in chosen if name not in unfit]


def _why_not(model: Model, question: Question, layer: str, name: str) -> str | None:
    """Return why a method cannot answer the question; None if it can."""
    compares_with = METHODS[name].compares_with
    pictures = question.reference_set
    if compares_with == "classes" and question.kind == "what varies":
        return "left out: it compares classes, and this question stays within one."
    if compares_with == "pictures" and caching.bank_of(model) is None:
        return (
            f"left out: it compares with reference pictures, and {model.name} has no bank of "
            "them yet. The digits model has one."
        )
    if compares_with != "nothing" and question.kind != "what varies" and not question.references:
        return "left out until a class to compare with is chosen on the left."
    if compares_with == "pictures" and pictures is not None and pictures.layer != layer:
        return (
            f"left out: the reference pictures are known at layer {pictures.layer} only. "
            "Choose it under “Layer and method settings”."
        )
    return None
