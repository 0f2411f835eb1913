"""Pictures of reference films: drawn anew, from files, or thumbnails that are called so."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.datasets.film_references import DrawnFilms
from explain_core.errors import BankError, InputError
from explain_core.honesty.references import reference_images
from explain_core.references.banks import load_bank
from explain_core.types import picture_id


def test_phantoms_are_drawn_anew() -> None:
    bank = load_bank("phantom-films")
    found = reference_images(bank, "nodule", 3, DrawnFilms(bank))
    assert (found.num_thumbnails, found.note) == (0, "")
    rows = bank.rows_of([picture_id(image) for image in found.images])
    assert [bank.path_of(int(bank.ids[row])) for row in rows] == [
        "nodule/000", "nodule/020", "nodule/040",
    ]  # fmt: skip


def test_thumbnails_are_called_so() -> None:
    found = reference_images(load_bank("phantom-films"), "healthy", 4)
    assert [max(image.size) for image in found.images] == [96] * 4
    assert found.num_thumbnails == 4
    assert found.note.startswith("4 of the 4 reference films are thumbnails")


def test_no_film_is_taken_twice() -> None:
    bank = load_bank("phantom-films")
    found = reference_images(bank, 2, 1000)
    assert len(found.images) == 60
    assert len({image.digest for image in found.images}) == 60


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(BankError, match="no pictures of the class 'fracture'"):
        reference_images(load_bank("phantom-films"), "fracture")


def test_films_of_another_seed_are_not_taken_for_the_banks() -> None:
    bank = load_bank("phantom-films")
    assert DrawnFilms(bank, seed=1).picture(int(bank.ids[0])) is None
    assert DrawnFilms(bank).picture(int(bank.ids[0])) is not None
    assert DrawnFilms(bank).picture(int(np.uint64(5))) is None


def test_other_banks_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match="bank 'digits' cannot be drawn anew"):
        DrawnFilms(load_bank("digits"))
