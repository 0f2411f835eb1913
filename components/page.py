"""What every page shares: its frame and its head."""

from __future__ import annotations

import streamlit as st

_STYLE = """
<style>
.stMainBlockContainer { padding: 3.5rem 2rem 2rem; }
h1 { font-size: 1.6rem !important; padding: 0.5rem 0 !important; }
</style>
"""


def page_head(title: str, lead: str = "") -> None:
    """Show a page's title, and one sentence on what it is for."""
    st.html(_STYLE)
    st.title(title, anchor=False)
    if lead:
        st.markdown(f":gray[{lead}]")
