"""The frame of a lesson's screen: its head, what to do and to see, and its question."""

from __future__ import annotations

import streamlit as st

from components import state
from components.lessons.lesson import Lesson
from components.notices import shown_errors

_STYLE = """
<style>
[class*="st-key-question-"] label p { font-size: 1rem; }
</style>
"""
# All of the page is sized in rem, our own components included.
_LARGE_TYPE = """
<style>
html { font-size: 128% !important; }
.stMainBlockContainer { padding: 3rem 1.5rem 1.5rem !important; }
</style>
"""


def show_lesson(lesson: Lesson, number: int, *, is_large: bool) -> None:
    """Show one lesson.

    Args:
        number: counted from 1, for the head.
        is_large: type for a projector.
    """
    st.html(_STYLE + _LARGE_TYPE if is_large else _STYLE)
    st.subheader(f"{number} · {lesson.title}", anchor=False)
    st.markdown(
        f":material/touch_app: **Do:** {lesson.do}  \n:material/visibility: **See:** {lesson.see}"
    )
    with shown_errors():
        lesson.show()
    _ask(lesson)
    st.caption(f"After {lesson.source}. All numbers are computed here, now.")


def _ask(lesson: Lesson) -> None:
    texts = [answer.text for answer in lesson.answers]
    with st.container(border=True, key=f"question-{lesson.name}"):
        chosen = st.radio(
            f"**{lesson.question}**",
            texts,
            index=None,
            key=f"{state.LESSON_ANSWER}-{lesson.name}",
            persist_state="session",
        )
        if chosen is None:
            st.caption("Choose an answer to see why.")
            return
        answer = lesson.answers[texts.index(chosen)]
        show = st.success if answer.is_right else st.warning
        icon = ":material/check_circle:" if answer.is_right else ":material/help:"
        show(answer.because, icon=icon)
