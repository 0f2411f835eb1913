"""When the classes of pictures are a model's."""

import numpy as np
import pytest

from explain_core.references.alignment import class_map
from explain_core.references.bank import open_bank
from explain_core.references.bank_writer import open_writer
from tests.core.references.bank_making import features_of, rows_of, small_model, write_bank

MODEL = ("cat", "sea lion", "tench, Tinca tinca", "crane", "crane", "Great White Shark, shark")
WORDNET = [f"n{1_000_000 + 37 * index:08}" for index in range(1000)]
THOUSAND = [f"class {index}" for index in range(1000)]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("cat", 0),
        ("Cat", 0),
        ("sea_lion", 1),
        ("Sea Lion", 1),
        ("tench", 2),
        ("tench, Tinca tinca", 2),
        ("Tench, some other words", 2),
        ("great_white_shark", 5),
    ],
)
def test_name_is_that_of_a_class(name, index):
    assert class_map([name], MODEL) == (index,)


@pytest.mark.parametrize("name", ["", "cats", "lion", "Tinca tinca", "shark", "crane", "0"])
def test_name_is_that_of_no_class(name):
    assert class_map([name], MODEL) is None


def test_one_unknown_name_is_enough():
    assert class_map(["cat", "healthy"], MODEL) is None


def test_order_is_that_of_the_names():
    assert class_map(["tench", "cat"], MODEL) == (2, 0)


@pytest.mark.parametrize(("names", "classes"), [([], MODEL), (["cat"], [])])
def test_nothing_is_never_aligned(names, classes):
    assert class_map(names, classes) is None


def test_a_thousand_wordnet_ids_are_imagenets_classes_sorted():
    shuffled = np.random.default_rng(0).permutation(1000)
    names = [WORDNET[index] for index in shuffled]
    assert class_map(names, THOUSAND) == tuple(shuffled.tolist())


def test_fewer_wordnet_ids_cannot_be_placed():
    assert class_map(WORDNET[:999], THOUSAND) is None


def test_wordnet_ids_mean_nothing_to_a_model_of_other_classes():
    assert class_map(WORDNET, THOUSAND[:999]) is None


def test_labels_of_an_aligned_bank_are_the_models(tmp_path):
    bank = open_bank(write_bank(tmp_path / "pets", ["fish", None, "Tench", "cat", "fish"]))
    assert bank.is_aligned
    assert bank.classes == ("cat", "dog", "fish", "tench, Tinca tinca")
    assert bank.labels.tolist() == [2, -1, 3, 0, 2]
    assert bank.counts().tolist() == [1, 0, 2, 1]


def test_class_means_of_an_aligned_bank_are_by_the_models_classes(tmp_path):
    bank = open_bank(write_bank(tmp_path / "pets", ["fish", None, "Tench", "cat", "fish"]))
    np.testing.assert_array_equal(bank.class_means()[3], bank.features[2])
    np.testing.assert_array_equal(bank.class_means()[0], bank.features[3])


def test_two_spellings_of_a_class_are_one(tmp_path):
    bank = open_bank(write_bank(tmp_path / "pets", ["tench", "Tench", "cat"]))
    assert bank.counts().tolist() == [1, 0, 0, 2]
    expected = bank.features[:2].astype(float).mean(axis=0)
    np.testing.assert_allclose(bank.class_means()[3], expected, rtol=1e-6)


def test_bank_is_aligned_once_it_is_complete(tmp_path):
    model = small_model(THOUSAND)
    partly = open_bank(write_bank(tmp_path / "imagenet", WORDNET[::-1][:999], model=model))
    assert not partly.is_aligned
    with open_writer(tmp_path / "imagenet", model) as writer:
        writer.append(rows_of(WORDNET[:1], 999), features_of(1))
    whole = open_bank(tmp_path / "imagenet")
    assert whole.is_aligned
    assert whole.labels.tolist() == [*range(999, 0, -1), 0]
