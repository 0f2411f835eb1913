"""The page's address: it holds the state of the lesson that is shown, and of no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

import streamlit as st
from streamlit.errors import StreamlitAPIException

from components import state
from components.lessons.lesson import link_key


def put(lesson: str, name: str, text: str | None) -> None:
    """Let the link say something that no widget is bound to; None takes it out.

    For what a component of ours tells, and for widgets that must stand in the link on screens that
    do not show them: a bound widget's parameter leaves with the widget.

    Args:
        name: of the parameter, as in `link_key`.
    """
    key = link_key(lesson, name)
    if text is None:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != text:
        st.query_params[key] = text


def hold_only(lesson: str, lessons: Iterable[str]) -> None:
    """Let the link hold what is set in one lesson; that of the others waits in the session.

    It comes back with its lesson. To be called before the lesson is shown, and never for a part of
    the page only.

    Args:
        lesson: the one that is shown.
        lessons: the names of all.
    """
    for other in lessons:
        if other != lesson:
            waiting = _taken_out(link_key(other, ""))
            if waiting:
                state.keep_link(other, waiting)
    for key, text in state.take_link(lesson).items():
        if key not in st.query_params:
            st.query_params[key] = text


def _taken_out(prefix: str) -> Mapping[str, str]:
    """Take what begins so out of the link, and return it.

    But for what widgets are bound to: it leaves with them after this run, and they bring it back.
    """
    taken: dict[str, str] = {}
    for key in [key for key in st.query_params if key.startswith(prefix)]:
        text = st.query_params[key]
        with suppress(StreamlitAPIException):  # bound
            del st.query_params[key]
            taken[key] = text
    return taken
