"""What every page shares: its frame, its head, and how it is found."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from components import state

_STYLE = """
<style>
.stMainBlockContainer { padding: 3.5rem 2rem 2rem; }
h1 { font-size: 1.6rem !important; padding: 0.5rem 0 !important; }
/* four questions side by side in the sidebar */
[class*="st-key-question-"] button { padding: 0 0.3rem; min-width: 0; }
[class*="st-key-question-"] button p { font-size: 0.82rem; }
[class*="st-key-gallery-"] img { height: 96px; object-fit: contain; }
[data-testid="stTopNavLink"]:focus-visible { outline: 2px solid var(--st-primary-color); }
h3 { font-size: 1.2rem !important; padding: 0.25rem 0 !important; }
</style>
"""
_APP = "app.py"


def run_page(page: StreamlitPage) -> None:
    """Run the page that the navigation chose, or the one that was asked for before it was there."""
    wanted = state.begin_navigation()
    if wanted is not None:
        st.switch_page(wanted, query_params=st.query_params.to_dict())
    page.run()


def page_head(title: str, lead: str = "") -> None:
    """Show a page's title, and one sentence on what it is for."""
    require_navigation()
    st.html(_STYLE)
    st.title(title, anchor=False)
    if lead:
        st.markdown(f":gray[{lead}]")


def require_navigation() -> None:
    """Go through the app first where a page was opened by its own address.

    Until `st.navigation` has run once on a server, Streamlit finds `pages/` by itself and runs the
    page alone, without its configuration and without the other pages' titles.
    """
    if not state.has_navigation():
        name = urlsplit(st.context.url or "").path.rstrip("/").rpartition("/")[2]
        state.want_page(f"pages/{name}.py" if name else None)
        st.switch_page(_APP, query_params=st.query_params.to_dict())
