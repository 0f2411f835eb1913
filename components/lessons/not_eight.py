"""Lesson 2: why a 3 and not an 8? And which zeros are strange zeros? (DiffCAM)."""

from __future__ import annotations

import streamlit as st

from components.lessons.lesson import Answer, Lesson, link_key
from components.lessons.not_eight_drawing import show_drawing
from components.lessons.not_eight_varying import show_varying_digit

_NAME = "not-eight"
_PARTS = {"why-not": "Why not an 8?", "varies": "Which zeros are strange?"}


def _show() -> None:
    part = st.segmented_control(
        "Part",
        list(_PARTS),
        format_func=_PARTS.__getitem__,
        default="why-not",
        required=True,
        key=link_key(_NAME, "part"),
        bind="query-params",
        label_visibility="collapsed",
    )
    if part == "varies":
        show_varying_digit(_NAME)
    else:
        show_drawing(_NAME)


LESSON = Lesson(
    name=_NAME,
    title="Why a 3 and not an 8?",
    source="DiffCAM, Figures 3 and 4",
    do="In the first part, take the eraser and rub out what glows brightest in *8 against 3*. "
    "Which digit is left? Then draw, or begin with another digit.",
    see="The bars move as you rub. A map glows where the picture has more than the other digit "
    "(*For and against*: blue where it has less).",
    question="DiffCAM's three maps of one picture, each against another digit, mark different "
    "places. Why?",
    answers=(
        Answer(
            "The network looks at the picture anew for each map.",
            False,
            "It looked once: the bars are the same for all three. Only what the picture is "
            "compared with differs. Switch to Grad-CAM, which compares with nothing: one map.",
        ),
        Answer(
            "Each map answers another question.",
            True,
            "What an 8 has more than a 3 is not what it has more than a 0. Each map marks most "
            "where the picture differs from that one digit. The second part asks yet another "
            "question: what sets this zero apart from other zeros?",
        ),
        Answer(
            "One map is right, and the others are wrong.",
            False,
            "Each can be right, for it answers another question. Compare what your class got of "
            "the plain 8. Without what *8 against 3* shows, most are left with a 3; without what "
            "*8 against 0* shows, hardly anyone with a 0, for an eraser cannot add what a 0 has "
            "more of.",
        ),
    ),
    show=_show,
)
