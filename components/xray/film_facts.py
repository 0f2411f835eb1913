"""What the file says about the film, and what it may say about the patient."""

from __future__ import annotations

import streamlit as st

from components import state
from components.notices import shown_errors
from components.xray.film_input import ChosenFilm
from explain_core.exports import patient_details
from explain_core.images.dicom import identifying_tags
from explain_core.images.film import Film

RESEARCH_USE = (
    "Research use, not a medical device. A map shows what influenced this model, not where "
    "disease is."
)
_BURNED_IN = {
    True: "The file says that text is burned into the pixels.",
    False: "The file says that no text is burned into the pixels; this cannot be ruled out.",
    None: "That text is burned into the pixels, a name for instance, cannot be ruled out.",
}
_STYLE = """
<style>
.st-key-research-use { position: sticky; top: 3.2rem; z-index: 50; padding: 0.2rem 0;
  background: var(--st-background-color); border-bottom: 1px solid var(--st-border-color); }
.st-key-research-use p { font-size: 0.85rem; margin: 0; }
</style>
"""


def research_notice() -> None:
    """Say what maps of films are not; it stays in view."""
    st.html(_STYLE)
    with st.container(key="research-use"):
        st.markdown(f":material/science: {RESEARCH_USE}")


def film_facts(film: Film) -> tuple[tuple[str, str], ...]:
    """Return what is known of how the film was taken, in words: (what, value)."""
    height, width = film.image.size
    facts = [("Size", f"{width} × {height} px")]
    if film.view:
        facts.append(("View", film.view))
    if film.laterality:
        facts.append(("Laterality", film.laterality))
    if film.spacing is not None:
        rows, columns = film.spacing.rows_mm, film.spacing.columns_mm
        size = f"{rows:.3g}" if rows == columns else f"{rows:.3g} × {columns:.3g}"
        facts.append(("Pixel spacing", f"{size} {film.spacing.unit}"))
    if film.unit:
        facts.append(("Values", film.unit))
    if film.num_frames > 1:
        facts.append(("Frame", f"{film.frame + 1} of {film.num_frames}"))
    return tuple(facts)


def show_film_facts(chosen: ChosenFilm) -> None:
    """Show how the film was taken, what reading it noted, and the notice on privacy."""
    facts = film_facts(chosen.film)
    st.markdown("  \n".join(f":gray[{what}] {value}" for what, value in facts))
    if chosen.film.spacing is None:
        st.caption("No pixel spacing: lengths are told in pixels.")
    for note in chosen.film.image.notes:
        st.markdown(f":orange-badge[{note}]" if chosen.mark else f":gray[{note}]")
    if chosen.case is None:
        st.caption(f":material/privacy_tip: {_BURNED_IN[chosen.film.is_annotated]}")
    if chosen.data is not None:
        _identifying(chosen.data)


def _identifying(data: bytes) -> None:
    with st.popover("What the file tells of the patient", icon=":material/badge:"), shown_errors():
        tags = identifying_tags(data)
        if not tags:
            st.markdown("Nothing on the list of DICOM’s basic confidentiality profile.")
        else:
            st.markdown(
                "Elements that may identify, by the basic profile of DICOM PS3.15. Their values "
                "stay in the file: they are neither shown nor logged, and no export has them."
            )
            st.markdown(" · ".join(tags))
        if st.toggle("Show the patient’s details", key=f"{state.XRAY_TAGS}-{state.study_round()}"):
            details = patient_details(data)
            if not details:
                st.caption("The file has none.")
            for what, value in details:
                st.text(f"{what}: {value}")
