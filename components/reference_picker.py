"""Choosing one of the session's reference sets, or making one on the spot."""

from __future__ import annotations

import streamlit as st

from components import state
from components.reference_builder import Place, reference_builder
from components.reference_upload import show_left_out


def reference_picker(place: Place, *, with_maker: bool) -> state.KeptSet | None:
    """Show this session's sets and return the chosen one; None while there is none.

    Args:
        with_maker: add a button that opens the ways to make a set.
    """
    sets = state.kept_sets(place.model)
    chosen = None
    if sets:
        chosen = st.selectbox(
            "Reference set",
            list(sets),
            index=len(sets) - 1,
            key=state.of_sets(state.REFERENCE_SET),
            persist_state="session",
        )
    if with_maker and st.button("Make a set …", icon=":material/add:", width="stretch"):
        _maker(place)
    if with_maker:
        show_left_out(expanded=False)
    return sets.get(chosen) if chosen is not None else None


@st.dialog("Make a reference set", width="large", icon=":material/photo_library:")
def _maker(place: Place) -> None:
    if reference_builder(place):
        st.rerun()
