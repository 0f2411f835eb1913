"""The dashboard: page config and navigation, and nothing else."""

import streamlit as st

from components.page import run_page

st.set_page_config(
    page_title="WhyNot",
    page_icon="assets/icon.png",
    layout="wide",
    initial_sidebar_state=330,
    menu_items={
        "About": "**WhyNot** shows why an image model says this class and not that one. "
        "For research and teaching; not a medical device."
    },
)
run_page(
    st.navigation(
        [
            st.Page("pages/explain.py", title="Explain", icon=":material/contrast:", default=True),
            st.Page("pages/xray.py", title="X-ray", icon=":material/radiology:"),
            st.Page("pages/classroom.py", title="Classroom", icon=":material/school:"),
            st.Page("pages/references.py", title="References", icon=":material/photo_library:"),
            st.Page("pages/evaluate.py", title="Evaluate", icon=":material/leaderboard:"),
            st.Page("pages/models.py", title="Models", icon=":material/account_tree:"),
        ],
        position="top",
    )
)
