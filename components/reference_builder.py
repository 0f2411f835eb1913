"""Making a reference set: from classes, uploads, neighbours, a plot, a saved set, or two others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import streamlit as st

from components import caching, state
from components.feature_plot import feature_plot
from components.notices import show_error, shown_errors
from components.reference_upload import uploaded_set
from components.wording import short
from explain_core import ExplainError, Image, InputError, Model, ReferenceSet
from explain_core.references.bank import Bank
from explain_core.references.saving import broken_sets, load_set, saved_sets, sets_folder
from explain_core.references.sets import check_name, difference, union
from explain_core.types import picture_id

_MAX_NEAREST = 1000
_MAX_NAME = 60
_FIRST_NEAREST = 50
_NO_BANK = (
    "There is no bank of reference pictures for this model. Upload pictures, or let the operator "
    "build a bank: `python -m explain_core bank build --help`."
)


@dataclass(frozen=True, eq=False)
class Made:
    """Hold a set that waits for its name.

    Attributes:
        references: the set.
        about: how it was made.
        thumbnails, titles: of members that no bank holds, by id.
    """

    references: ReferenceSet
    about: str
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)
    titles: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Place:
    """Hold what sets are made for: the model, the picture in hand and the layer.

    Attributes:
        bank: of the model, None where there is none.
        image: None while there is no picture.
        layer: at which uploaded pictures are pooled.
    """

    model: Model
    bank: Bank | None
    image: Image | None
    layer: str


def reference_builder(place: Place) -> bool:
    """Show the ways to make a set; return whether one was just made and kept."""
    way = st.segmented_control(
        "Make a set from",
        list(_WAYS),
        default="Classes" if place.bank is not None else "Uploads",
        required=True,
        key=f"{state.MAKE_BY}-{'no-bank' if place.bank is None else 'bank'}",
        persist_state="session",
    )
    with shown_errors():
        make = _WAYS[way](place)
        return _name_and_add(place.model, *make) if make is not None else False
    return False


def _name_and_add(model: Model, suggested: str, make: Callable[[], Made]) -> bool:
    """Show name and button; make the set and keep it when the button is pressed."""
    suggested = _free_name(model, suggested)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name",
            placeholder=suggested,
            key=state.of_sets("set-name"),
            persist_state="session",
            width=320,
        )
        if not st.button("Add the set", type="primary", icon=":material/add:"):
            return False
    state.note_left_out(None)
    try:
        name = state.check_free(model, name.strip() or suggested)
        made = make()
    except ExplainError as error:
        show_error(error)
        return False
    state.keep_set(
        state.KeptSet(
            name,
            replace(made.references, key=name),
            made.about,
            made.thumbnails,
            made.titles,
        )
    )
    return True


def _free_name(model: Model, text: str) -> str:
    """Return a name that comes near to a text and that no set has."""
    taken = state.kept_sets(model)
    name = _as_name(text)
    numbered = (f"{name[: _MAX_NAME - 4].rstrip()} {number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def _as_name(text: str) -> str:
    """Return what a set may be called that comes nearest to a text."""
    allowed = "".join(each if each.isalnum() or each in "-_." else " " for each in text)
    name = " ".join(allowed.split()).lstrip(". ")[:_MAX_NAME].rstrip(". ")
    try:
        return check_name(name)
    except InputError:
        return "set"


def _needs_bank(place: Place) -> Bank | None:
    if place.bank is None:
        st.info(_NO_BANK, icon=":material/info:")
    elif place.bank.layer != place.layer:
        st.caption(
            f":material/info: The bank knows its pictures at layer {place.bank.layer} only; chosen "
            f"is {place.layer}. Sets of it answer questions at {place.bank.layer}."
        )
    return place.bank


def _from_classes(place: Place) -> tuple[str, Callable[[], Made]] | None:
    bank = _needs_bank(place)
    if bank is None:
        return None
    counts = bank.counts()
    there = [index for index in range(len(counts)) if counts[index]]
    chosen = st.multiselect(
        "Classes",
        there,
        persist_state="session",
        format_func=lambda index: f"{bank.classes[index]} ({counts[index]:,})",
        key=state.of_sets(f"set-classes-{bank.name}"),
        placeholder="Type a class name",
        select_all=False,
    )
    is_inverted = st.toggle(
        "All but these", key=state.of_sets("set-all-but"), persist_state="session"
    )
    if not chosen:
        st.caption("Choose one class or several.")
        return None
    names = " and ".join(short(bank.classes[index]) for index in chosen[:4])
    names += " and more" if len(chosen) > 4 else ""
    classes = [index for index in there if index not in chosen] if is_inverted else chosen
    name = f"all but {names}" if is_inverted else names
    if not classes:
        st.caption("Nothing is left: choose fewer classes.")
        return None
    count = int(counts[classes].sum())
    st.caption(f"{count:,} pictures of the bank “{bank.name}”.")

    def run() -> Made:
        references = caching.bank_set(bank, tuple(classes))
        return Made(references, f"of the bank “{bank.name}”: {name}")

    return name, run


def _from_uploads(place: Place) -> tuple[str, Callable[[], Made]] | None:
    upload = uploaded_set(place.model, place.layer)
    if upload is None:
        return None

    def run() -> Made:
        made = upload()
        return Made(made.references, "uploaded", made.thumbnails, made.titles)

    return "uploaded", run


def _from_neighbours(place: Place) -> tuple[str, Callable[[], Made]] | None:
    bank = _needs_bank(place)
    if bank is None:
        return None
    image = place.image
    if image is None:
        st.info("Give a picture on the left first: its neighbours are looked for.")
        return None
    most = min(_MAX_NEAREST, len(bank.features))
    count = st.number_input(
        "How many of the bank's pictures nearest to this one",
        1,
        most,
        min(_FIRST_NEAREST, most),
        key=state.NUM_NEAREST,
        persist_state="session",
        width=320,
    )
    st.caption(
        f"By Euclidean distance of the features at layer {bank.layer}; the picture itself is "
        "left out."
    )

    def run() -> Made:
        feature = caching.feature_of(place.model, image, bank.layer, bank.pooling)
        rows, _ = bank.nearest(
            feature, int(count), without=np.array([picture_id(image)], np.uint64)
        )
        references = bank.rows(rows, "nearest")
        return Made(references, "the nearest to one picture")

    return f"nearest {count:,}", run


def _from_plot(place: Place) -> tuple[str, Callable[[], Made]] | None:
    bank = _needs_bank(place)
    if bank is None:
        return None
    rows = feature_plot(place.model, bank, place.image)
    if not len(rows):
        return None

    def run() -> Made:
        references = bank.rows(rows, "chosen")
        return Made(references, "chosen in the plot")

    return f"chosen {len(rows):,}", run


def _from_saved(place: Place) -> tuple[str, Callable[[], Made]] | None:
    if sets_folder() is None:
        st.info(
            "The operator has named no folder for saved sets (`WHYNOT_REFERENCES`). Sets last as "
            "long as this session.",
            icon=":material/info:",
        )
        return None
    there = {each.name: each for each in saved_sets(place.model)}
    for broken, reason in broken_sets():
        st.caption(f":material/report: Saved set “{broken}” is not used: {reason}")
    if not there:
        st.info("No set is saved for this model yet. Make one, then save it under “Your sets”.")
        return None
    name = st.selectbox(
        "Saved set",
        list(there),
        format_func=lambda name: f"{name} ({there[name].count:,} pictures)",
        key=state.of_sets("set-saved"),
        persist_state="session",
    )
    st.caption(there[name].about)

    def run() -> Made:
        references, pictures, about = load_set(name, place.model)
        return Made(references, about, pictures.thumbnails)

    return name, run


def _from_others(place: Place) -> tuple[str, Callable[[], Made]] | None:
    sets = state.kept_sets(place.model)
    if len(sets) < 2:
        st.info("This joins or subtracts two of your sets: make two first.")
        return None
    left, how, right = st.columns([2, 1.5, 2], vertical_alignment="bottom")
    first = left.selectbox(
        "Set", list(sets), key=state.of_sets("set-first"), persist_state="session"
    )
    operation = how.segmented_control(
        "Operation",
        ["joined with", "without"],
        default="joined with",
        required=True,
        key=state.of_sets("set-operation"),
        persist_state="session",
    )
    second = right.selectbox(
        "Other set",
        [name for name in sets if name != first],
        key=state.of_sets("set-second"),
        persist_state="session",
    )

    def run() -> Made:
        one, other = sets[first], sets[second]
        if operation == "joined with":
            references = union([one.references, other.references], "union")
        else:
            references = difference(one.references, other.references, "difference")
        kept = {int(each) for each in references.ids}
        thumbnails = {**one.thumbnails, **other.thumbnails}
        titles = {**one.titles, **other.titles}
        return Made(
            references,
            f"“{first}” {operation} “{second}”",
            {each: thumbnails[each] for each in kept & thumbnails.keys()},
            {each: titles[each] for each in kept & titles.keys()},
        )

    return f"{first} {operation} {second}", run


_WAYS: Mapping[str, Callable[[Place], tuple[str, Callable[[], Made]] | None]] = {
    "Classes": _from_classes,
    "Uploads": _from_uploads,
    "Nearest": _from_neighbours,
    "Plot": _from_plot,
    "Saved": _from_saved,
    "Two sets": _from_others,
}
