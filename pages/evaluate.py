"""Evaluate: methods held against each other, against controls, and against the truth."""

from __future__ import annotations

import streamlit as st

from components.evaluation_pictures import show_pictures
from components.evaluation_results import show_missing
from components.evaluation_run import folder_of, results_so_far, show_run
from components.evaluation_setup import Material, material_picker, setup_picker
from components.notices import show_error, shown_errors
from components.page import page_head
from explain_core import ExplainError

_LEAD = (
    "Which maps can be trusted on this model: methods held against each other, against controls "
    "that know nothing, and against the truth where it is known."
)


def main() -> None:
    """Lay out the page."""
    page_head("Evaluate", _LEAD)
    try:
        with st.sidebar:
            material = material_picker()
    except ExplainError as error:
        show_error(error)
        return
    if material is None:
        st.info(
            "This model has no classes, so there is nothing to score. Choose another on the left, "
            "or fit a linear probe on the Models page.",
            icon=":material/arrow_back:",
        )
        return
    with shown_errors():
        _evaluate(material)


def _evaluate(material: Material) -> None:
    setup = setup_picker(material)
    if setup is None:
        return
    is_under_way = show_run(setup)
    results = results_so_far(folder_of(setup))
    if results is None or not results.rows:
        return
    show_missing(results)
    if not results.scored:
        return
    show_pictures(setup, results)
    if is_under_way:
        st.caption("More pictures join as they are scored.")
        st.button("Look again", icon=":material/refresh:")


main()
