"""What lessons make that is the same for all sessions."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

Value = TypeVar("Value")

_MAX_ENTRIES = 512


def shared(key: Hashable, make: Callable[[], Value]) -> Value:
    """Return what is kept under a key for all sessions, made once; nobody may change it.

    Args:
        key: the lesson's name, and all that the value depends on.
    """
    value: Value = _shared(key, make)
    return value


@st.cache_resource(max_entries=_MAX_ENTRIES, show_spinner=False)
def _shared(key: Hashable, _make: Callable[[], Any]) -> Any:
    return _make()
