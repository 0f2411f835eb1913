"""The classroom: five short lessons, each one screen."""

from __future__ import annotations

import streamlit as st

from components import state
from components.lessons.frame import show_lesson
from components.lessons.link import hold_only
from components.lessons.table import LESSONS
from components.page import page_head


def main() -> None:
    """Lay out the page."""
    page_head("Classroom")
    names = list(LESSONS)
    linked = st.query_params.get(state.LESSON)
    state.begin(state.LESSON, linked if linked in LESSONS else names[0])
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.segmented_control(
            "Lesson",
            names,
            required=True,
            format_func=lambda name: f"{_number(name)} · {LESSONS[name].title}",
            key=state.LESSON,
            persist_state="session",
            label_visibility="collapsed",
            wrap=True,
        )
        is_large = st.toggle(
            "Large type",
            key=state.LARGE_TYPE,
            bind="query-params",
            help="For a projector. The address of this page keeps where you are: send it.",
        )
    assert name is not None  # it is required
    # not bound to the link: bound, it would stand there with its number and title
    st.query_params[state.LESSON] = name
    hold_only(name, names)
    show_lesson(LESSONS[name], _number(name), is_large=is_large)


def _number(name: str) -> int:
    return list(LESSONS).index(name) + 1


main()
