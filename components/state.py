"""What a session remembers between reruns and pages; the only file that names session keys.

Widgets that carry a key from here are given `persist_state="session"`, so that they survive
switching pages. Keys that end in a digest begin afresh with every picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explain_core import Image, InputError, Model, ReferenceSet
from explain_core.references.sets import check_name

MODEL = "model"
LAYER = "layer"
SOURCE = "source"
SAMPLE = "sample"
METHODS = "methods"
QUESTION = "question"
SUGGEST_BY = "suggest-by"
VIEWER = "viewer"
VALUES_OF = "values-of"
CANVAS = "canvas"
REFERENCE_SET = "reference-set"
REFERENCE_BANK = "reference-bank"
MAKE_BY = "make-by"
NUM_NEAREST = "num-nearest"
JUDGE = "judge"

MAX_SETS = 20

_UPLOAD = "kept-upload"
_UPLOAD_ROUND = "upload-round"
_DRAWING = "kept-drawing"
_SETS = "kept-sets"
_SETS_ROUND = "sets-round"
_NAVIGATION = "has-navigation"
_WANTED_PAGE = "wanted-page"
_REFUSED = "refused-pictures"


@dataclass(frozen=True, eq=False)
class Upload:
    """Hold an uploaded picture, the widget's id of its file and its name, for this page only."""

    file_id: str
    name: str
    image: Image


@dataclass(frozen=True, eq=False)
class Drawing:
    """Hold a drawing as the canvas gave it, so that it can be put back, and as a picture."""

    data_url: str
    image: Image


def has_navigation() -> bool:
    """Return whether this session came through the app's navigation."""
    return bool(st.session_state.get(_NAVIGATION))


def begin_navigation() -> str | None:
    """Note that the navigation is there; return, once, the page that was asked for before."""
    st.session_state[_NAVIGATION] = True
    page: str | None = st.session_state.pop(_WANTED_PAGE, None)
    return page


def want_page(page: str | None) -> None:
    """Note the page that the navigation is to go to."""
    st.session_state[_WANTED_PAGE] = page


def per_question(name: str, model: Model, image: Image, *parts: object) -> str:
    """Return a widget key that belongs to one model, one picture and whatever else is given."""
    return "-".join([name, model.name, image.digest[:16], *(str(part) for part in parts)])


def parameter_key(name: str) -> str:
    """Return the widget key of a method parameter, shared by all methods that know it."""
    return f"parameter-{name}"


def kept_upload() -> Upload | None:
    """Return the picture uploaded last in this session."""
    upload: Upload | None = st.session_state.get(_UPLOAD)
    return upload


def keep_upload(upload: Upload) -> None:
    """Remember an uploaded picture until it is replaced or forgotten."""
    st.session_state[_UPLOAD] = upload


def forget_upload() -> None:
    """Forget the uploaded picture and empty the upload widget."""
    st.session_state.pop(_UPLOAD, None)
    st.session_state[_UPLOAD_ROUND] = st.session_state.get(_UPLOAD_ROUND, 0) + 1


def upload_key() -> str:
    """Return the upload widget's key; it changes when the upload is forgotten."""
    return f"upload-{st.session_state.get(_UPLOAD_ROUND, 0)}"


def kept_drawing() -> Drawing | None:
    """Return the drawing made last in this session."""
    drawing: Drawing | None = st.session_state.get(_DRAWING)
    return drawing


def keep_drawing(drawing: Drawing | None) -> None:
    """Remember a drawing; None forgets it."""
    st.session_state[_DRAWING] = drawing


@dataclass(frozen=True, eq=False)
class KeptSet:
    """Hold a reference set that was made in this session.

    Attributes:
        name: unique in the session.
        references: the set.
        about: how it was made, in words.
        thumbnails: of uploaded members, by id; those of a bank are looked up there.
    """

    name: str
    references: ReferenceSet
    about: str
    thumbnails: Mapping[int, bytes]


def kept_sets(model: Model) -> dict[str, KeptSet]:
    """Return this session's reference sets that were made with a model, by name, oldest first."""
    sets: dict[str, KeptSet] = st.session_state.get(_SETS, {})
    return {
        name: each
        for name, each in sets.items()
        if each.references.fingerprint == model.fingerprint
    }


def keep_set(made: KeptSet) -> None:
    """Remember a reference set; lists of sets begin afresh, with it chosen.

    Raises:
        InputError: the name does not do or is taken, or there are too many sets.
    """
    check_name(made.name)
    sets: dict[str, KeptSet] = st.session_state.get(_SETS, {})
    if made.name in sets:
        raise InputError(f"there is a set “{made.name}” already; give another name")
    if len(sets) >= MAX_SETS:
        raise InputError(f"a session keeps {MAX_SETS} sets; delete one first")
    st.session_state[_SETS] = {**sets, made.name: made}
    st.session_state[_SETS_ROUND] = st.session_state.get(_SETS_ROUND, 0) + 1


def replace_set(made: KeptSet) -> None:
    """Put a changed set in the place of the one of its name."""
    st.session_state[_SETS] = {**st.session_state[_SETS], made.name: made}


def forget_set(name: str) -> None:
    """Forget a reference set and its pictures."""
    st.session_state[_SETS] = {
        other: each for other, each in st.session_state[_SETS].items() if other != name
    }


def note_refused(refused: Sequence[tuple[str, str]]) -> None:
    """Remember which pictures of an upload were left out and why; names stay in this session."""
    st.session_state[_REFUSED] = tuple(refused)


def noted_refused() -> tuple[tuple[str, str], ...]:
    """Return what the last upload left out: (picture, reason)."""
    refused: tuple[tuple[str, str], ...] = st.session_state.get(_REFUSED, ())
    return refused


def of_sets(name: str) -> str:
    """Return a widget key for making sets; it changes when a set is made, so that all is empty."""
    return f"{name}-{st.session_state.get(_SETS_ROUND, 0)}"
