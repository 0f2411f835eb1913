"""References: make sets of pictures to compare with, look at them, and judge them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components import caching, state
from components.image_input import image_input
from components.model_picker import bank_picker, layer_picker, model_picker
from components.notices import show_error, shown_errors
from components.page import page_head
from components.reference_builder import Place, reference_builder
from components.reference_judge import show_judgement, show_lam, show_stability
from components.reference_look import show_members, show_mix, show_place
from components.reference_picker import reference_picker
from components.reference_upload import show_left_out
from components.wording import counted
from explain_core import ExplainError
from explain_core.references.pictures import AllPictures, KeptPictures
from explain_core.references.saving import save_set, sets_folder
from explain_core.references.sets import without

_LEAD = "The pictures that an image is compared with: make a set, look at it, judge it."


def main() -> None:
    """Lay out the page."""
    page_head("References", _LEAD)
    try:
        with st.sidebar:
            place = _place()
    except ExplainError as error:
        show_error(error)
        return
    st.subheader("Make a set", anchor=False)
    if reference_builder(place):
        st.rerun()
    show_left_out(expanded=True)
    st.divider()
    st.subheader("Your sets", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = reference_picker(place, with_maker=False)
        if chosen is None:
            st.info(
                "None yet. Make one above; it then waits here and on the Explain page, under "
                "“How unlike”.",
                icon=":material/arrow_upward:",
            )
            return
        _actions(chosen)
    st.caption(
        f"{counted(len(chosen.references.features), 'picture')}, {chosen.about}; layer "
        f"{chosen.references.layer}."
    )
    look, judge = st.tabs(["Look at it", "Judge it"])
    with look, shown_errors():
        _look(place, chosen)
    with judge, shown_errors():
        _judge(place, chosen)


def _place() -> Place:
    model = model_picker()
    bank = bank_picker(model)
    image = image_input(model)
    with st.expander("Layer"):
        layer = layer_picker(model)
    return Place(model, bank, image, layer)


def _actions(chosen: state.KeptSet) -> None:
    folder = None
    with shown_errors():
        folder = sets_folder()
    with st.popover("Save", icon=":material/save:", disabled=folder is None):
        st.caption(
            "Saved sets are there for everyone who uses this dashboard, until the operator "
            "deletes their file. File names of pictures are not saved."
        )
        name = st.text_input("Saved as", value=chosen.name, key=f"save-as-{chosen.name}")
        is_replaced = st.checkbox("Replace one of that name")
        if st.button("Save the set", type="primary"):
            with shown_errors():
                save_set(
                    chosen.references,
                    name.strip(),
                    chosen.thumbnails,
                    chosen.about,
                    replace=is_replaced,
                )
                st.success(f"Saved as “{name.strip()}”.", icon=":material/check:")
    with st.popover("Delete", icon=":material/delete:"):
        st.caption("It is gone from this session; a saved copy stays.")
        st.button(f"Delete “{chosen.name}”", on_click=state.forget_set, args=(chosen,))


def _look(place: Place, chosen: state.KeptSet) -> None:
    references = chosen.references
    classes = place.model.classes
    distances = caching.distances_of(place.model, references, place.image)
    pictures = AllPictures([KeptPictures(chosen.thumbnails), *caching.banks_of(place.model)])
    mix, position = st.columns(2, gap="large")
    with mix:
        show_mix(references, classes, "set")
    with position:
        show_place(distances, "set")

    def remove(member: int) -> None:
        _remove(chosen, [member])

    show_members(references, distances, pictures, classes, chosen.titles, "members", remove)


def _judge(place: Place, chosen: state.KeptSet) -> None:
    references = chosen.references
    judgement = caching.judgement_of(references)
    outliers = caching.outliers_of(references)
    show_judgement(judgement, len(outliers))
    if len(outliers):
        st.button(
            f"Remove the {len(outliers):,} outliers",
            icon=":material/filter_alt:",
            on_click=_remove,
            args=(chosen, [int(references.ids[row]) for row in outliers]),
        )
    if place.image is None:
        st.info("Give a picture on the left to see what λ does and how stable its map is.")
        return
    st.markdown("**What λ does**")
    epsilon = show_lam(caching.lam_curve_of(place.model, references, place.image), "set")
    st.markdown("**Stability**")
    show_stability(
        place.model,
        place.image,
        references,
        caching.alternative_to(references, place.bank),
        epsilon,
        "set",
    )


def _remove(chosen: state.KeptSet, members: list[int]) -> None:
    left = without(chosen.references, members)
    state.replace_set(chosen, replace(chosen, references=left))


main()
