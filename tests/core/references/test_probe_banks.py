"""An encoder's banks under its probe: labelled for the probe's classes, however many there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.references.bank import open_bank
from explain_core.references.banks import bank_of, banks_of
from tests.core.references.bank_making import (
    CLASSES,
    assert_same_statistics,
    features_of,
    small_model,
    write_bank,
)
from tests.oracles.nets import picture

NAMES = ["fish", "dog", "fish", "dog", "dog", None]


@pytest.fixture
def encoder() -> xc.Model:
    return small_model()


@pytest.fixture
def probed(encoder: xc.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> xc.Model:
    """Give a probe of two of the model's four classes, beside the bank that it was fitted on."""
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path))
    folder = write_bank(tmp_path / "banks" / "animals", NAMES, features_of(6), encoder)
    return xc.with_probe(encoder, xc.fit_probe(open_bank(folder), encoder))


def test_labels_are_the_probe_s_classes(encoder: xc.Model, probed: xc.Model) -> None:
    """`dog` is class 1 of the model and 0 of the probe."""
    assert [bank.labels.tolist() for bank in banks_of(encoder)] == [[2, 1, 2, 1, 1, -1]]
    (bank,) = banks_of(probed)
    assert (bank.classes, bank.is_aligned) == (("dog", "fish"), True)
    assert bank.labels.tolist() == [1, 0, 1, 0, 0, -1]
    assert bank_of(probed) is bank


def test_sets_and_statistics_are_those_of_the_named_class(probed: xc.Model) -> None:
    (bank,) = banks_of(probed)
    features = features_of(6)
    np.testing.assert_array_equal(bank.reference_set([1]).features, features[[0, 2]])
    assert_same_statistics(bank.statistics([0]), features[[1, 3, 4]])
    means = features.astype(np.float64)
    np.testing.assert_allclose(bank.class_means()[1], means[[0, 2]].mean(axis=0), rtol=1e-6)


def test_the_encoder_s_own_statistics_stay_its_own(encoder: xc.Model, probed: xc.Model) -> None:
    (own,), (bank,) = banks_of(encoder), banks_of(probed)
    bank.statistics([1])
    assert_same_statistics(own.statistics([1]), features_of(6)[[1, 3, 4]])
    assert own.classes == CLASSES


def test_diffcam_compares_with_the_class_that_is_named(probed: xc.Model) -> None:
    image = picture(size=(6, 6))
    by_class = xc.explain(probed, image, method="diffcam", target="dog", references=["fish"])
    (bank,) = banks_of(probed)
    by_rows = bank.rows(np.array([0, 2]), "rows")
    expected = xc.explain(probed, image, method="diffcam", target="dog", references=by_rows)
    np.testing.assert_allclose(by_class.values, expected.values, rtol=1e-5, atol=1e-7)


def test_a_bank_of_other_classes_has_none_for_the_probe(
    encoder: xc.Model, probed: xc.Model, tmp_path: Path
) -> None:
    write_bank(tmp_path / "banks" / "plants", ["oak", "elm"], features_of(2), encoder)
    banks = {bank.name: bank for bank in banks_of(probed)}
    assert (banks["plants"].is_aligned, banks["plants"].classes) == (False, ("oak", "elm"))
    assert list(banks) == ["animals", "plants"]
