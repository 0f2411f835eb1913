"""Phantom films as data sets."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.film_drawing import draw_film
from explain_core.datasets.film_training import FIRST_SEED
from explain_core.datasets.films import films, healthy_films
from explain_core.errors import InputError

SIZE = (96, 110)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return films(12, size=SIZE, seed=2)


def test_findings_come_in_turn_and_further_ones_by_chance(dataset: Dataset) -> None:
    assert dataset.classes == ("opacity", "pneumothorax", "nodule", "enlarged heart")
    assert [each.label for each in dataset.examples] == [*dataset.classes] * 3
    assert all(each.label in each.labels for each in dataset.examples)
    assert {len(each.labels) for each in films(100).examples} >= {1, 2, 3}


def test_films_with_one_finding_are_the_same_without_further_ones(dataset: Dataset) -> None:
    alone = films(12, size=SIZE, seed=2, has_one_finding=True)
    assert [each.labels for each in alone.examples] == [(each.label,) for each in dataset.examples]
    assert [each.id for each in alone.examples] == [each.id for each in dataset.examples]
    single = [place for place, each in enumerate(dataset.examples) if len(each.labels) == 1]
    for place in single[:2]:
        one, other = (each.examples[place].read() for each in (alone, dataset))
        assert one.digest == other.digest


def test_ids_are_unique_and_stable(dataset: Dataset) -> None:
    ids = [each.id for each in dataset.examples]
    assert len(set(ids)) == 12
    assert ids[3] == "2-00003"
    assert films(100_000).examples[-1].id == "0-99999"
    assert [each.id for each in dataset.examples[2:4]] == ids[2:4]


def test_truth_is_that_of_the_picture(dataset: Dataset) -> None:
    example = dataset.examples[5]
    film = draw_film(200_005, example.labels, SIZE)
    np.testing.assert_array_equal(example.read().pixels, film.pixels)
    truth = example.truth(None)
    assert truth is not None
    np.testing.assert_array_equal(truth.mask, film.findings["pneumothorax"].mask)
    assert truth.boxes == film.findings["pneumothorax"].boxes
    assert example.truth("nodule") is truth


def test_truth_of_a_confounded_film_is_its_marker() -> None:
    honest, confounded = films(4, size=SIZE), films(4, size=SIZE, is_confounded=True)
    for plain, marked in zip(honest.examples, confounded.examples, strict=True):
        assert plain.labels == marked.labels
        changed = plain.read().pixels != marked.read().pixels
        truths = draw_film(int(plain.id[2:]), plain.labels, SIZE, plain.labels).markers
        np.testing.assert_array_equal(
            changed, np.any([truth.mask for truth in truths.values()], axis=0)
        )
        truth = marked.truth(None)
        assert truth is not None
        np.testing.assert_array_equal(truth.mask, truths[marked.label].mask)


def test_healthy_film_is_that_of_the_same_hand() -> None:
    healthy, ill = healthy_films(2, size=SIZE).examples[1], films(2, size=SIZE).examples[1]
    truth = ill.truth(None)
    assert truth is not None
    assert ill.labels == ("pneumothorax",)
    np.testing.assert_array_equal(healthy.read().pixels != ill.read().pixels, truth.mask)
    assert (healthy.label, healthy.labels, healthy.truth(None)) == ("healthy", (), None)


@pytest.mark.parametrize("other", ["opacity", "fracture"])
def test_truth_against_itself_or_an_unknown_class_is_refused(other: str, dataset: Dataset) -> None:
    with pytest.raises(InputError, match=f"'{other}' is no finding to hold against 'opacity'"):
        dataset.examples[0].truth(other)


@pytest.mark.parametrize(("num", "seed"), [(0, 0), (100_001, 0), (5, -1), (5, 10_000)])
def test_numbers_out_of_range_are_refused(num: int, seed: int) -> None:
    with pytest.raises(InputError, match="must lie between"):
        films(num, seed=seed)
    with pytest.raises(InputError, match="must lie between"):
        healthy_films(num, seed=seed)


def test_no_film_of_a_set_was_trained_on() -> None:
    last = films(100_000, seed=9_999).examples[-1]
    seed, index = (int(part) for part in last.id.split("-"))
    assert seed * 100_000 + index < FIRST_SEED
