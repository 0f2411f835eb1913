"""Films: phantoms for everyone, decoded films of one session."""

from __future__ import annotations

from collections.abc import Hashable

import streamlit as st

import explain_core as xc
from components.caching import session
from explain_core.datasets.film_making import BANKS
from explain_core.datasets.film_references import DrawnFilms
from explain_core.datasets.films import Case
from explain_core.honesty.marks import Mark, marks
from explain_core.honesty.references import ReferenceImages, reference_images
from explain_core.images.dicom_study import StudyFilm
from explain_core.images.film import Film, film_of_image
from explain_core.references.bank import Bank
from explain_core.references.earlier import earlier_film_set
from explain_core.references.pictures import Pictures
from explain_core.truth import Truth


@st.cache_resource(max_entries=16, show_spinner="Drawing the phantom …")
def phantom(case: Case) -> Film:
    """Return a drawn film, shared by all sessions."""
    return film_of_image(case.read())


@st.cache_resource(max_entries=16, show_spinner=False)
def phantom_truth(case: Case, label: str) -> Truth:
    """Return where a finding was drawn into a phantom, shared by all sessions."""
    return case.truth(label, None)


def film_of(listed: StudyFilm, frame: int) -> Film:
    """Return one frame of a film of this session, decoded.

    Raises:
        ImageError: it cannot be decoded.
    """
    memory = session.session_memory()
    with st.spinner("Decoding the film …"):
        return session.kept(memory, memory.films, (id(listed), frame), lambda: listed.read(frame))


def marks_on(film: Film) -> tuple[Mark, ...]:
    """Return what looks like letters on a film of this session, found once."""
    memory = session.session_memory()
    key = ("marks", film.image.digest)
    return session.kept(memory, memory.findings, key, lambda: marks(film))


@st.cache_resource(max_entries=8, show_spinner="Fetching reference films …")
def _reference_films(key: Hashable, _bank: Bank, _label: str) -> ReferenceImages:
    return reference_images(_bank, _label, pictures=pictures_of(_bank))


def pictures_of(bank: Bank) -> Pictures:
    """Return where a bank's pictures are found; phantoms are drawn anew."""
    return DrawnFilms(bank) if bank.name in BANKS.values() else bank


def reference_films(bank: Bank, label: str) -> ReferenceImages:
    """Return pictures of a bank's class, shared by all sessions.

    Raises:
        BankError: none is at hand.
    """
    return _reference_films((bank.name, bank.fingerprint, len(bank), label), bank, label)


def earlier_set(
    model: xc.Model, film: xc.Image, earlier: xc.Image, spread: xc.ReferenceSet
) -> xc.ReferenceSet:
    """Return the set that compares a film with an earlier one, see `earlier_film_set`.

    Raises:
        InputError, BankError: see there.
    """
    memory = session.session_memory()
    key = ("earlier", model.key, film.digest, earlier.digest, spread.digest)
    return session.kept(
        memory, memory.judgements, key, lambda: earlier_film_set(model, film, earlier, spread)
    )
