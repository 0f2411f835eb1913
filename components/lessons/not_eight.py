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
    do="Draw a digit, or take a sample. Then take the eraser and rub out what a map shows.",
    see="The bars move as you draw. Each map marks what the picture has and the other digit "
    "has not, or the other way round. Does the answer flip?",
    question="Three maps of one picture, each against another digit, mark different places. Why?",
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
            "What tells a 3 from an 8 is not what tells it from a 5. A map against a digit marks "
            "the difference to that digit, and nothing that both have in common.",
        ),
        Answer(
            "One map is right, and the others are wrong.",
            False,
            "Each can be right, for it answers another question: this digit, and not that one. "
            "Test it: rub out what one of them marks, and see which bar grows.",
        ),
    ),
    show=_show,
)
