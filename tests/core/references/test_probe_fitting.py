"""Fitting a linear probe: against a minimum found another way, and what it is measured on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import softmax_regression
from explain_core.references.bank import Bank, open_bank
from explain_core.references.softmax_regression import fit_softmax
from explain_core.types import Array
from tests.core.references.bank_making import CLASSES, DIM, small_model, write_bank


def clouds(num_each: int, num_classes: int = 3, dim: int = 5, seed: int = 0) -> tuple[Array, Array]:
    """Return overlapping clouds (n, d) of unlike scales far from zero, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_each * num_classes) % num_classes
    centres = rng.normal(size=(num_classes, dim))
    values = centres[labels] + rng.normal(size=(len(labels), dim))
    return values * 10.0 ** np.arange(-2, dim - 2) + 50, labels


def slow_loss(weight: Array, bias: Array, rows: Array, labels: Array, l2: float) -> float:
    """Return `mean_i -log softmax(V s_i + b)_c + l2/2 |V|^2`, one row after the other."""
    total = 0.0
    for row, label in zip(rows, labels, strict=True):
        scores = [float(w @ row) + float(b) for w, b in zip(weight, bias, strict=True)]
        top = max(scores)
        total += top + math.log(sum(math.exp(s - top) for s in scores)) - scores[label]
    return total / len(rows) + l2 / 2 * float((weight**2).sum())


def standardised(values: Array) -> tuple[Array, Array]:
    mean = np.array([sum(column) / len(values) for column in values.T])
    gaps = values - mean
    deviation = np.array([math.sqrt(sum(column**2) / len(values)) for column in gaps.T])
    return gaps / deviation, deviation


# ---- the minimum ------------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_probe_is_at_the_minimum_that_another_search_finds(l2: float) -> None:
    values, labels = clouds(12)
    rows, deviation = standardised(values)

    def loss(flat: Array) -> float:
        matrix = flat.reshape(3, 6)
        return slow_loss(matrix[:, :5], matrix[:, 5], rows, labels, l2)

    found = minimize(loss, np.zeros(18), method="BFGS", options={"gtol": 1e-6}).x.reshape(3, 6)
    weight, bias = fit_softmax(values, np.arange(len(values)), labels, 3, l2=l2)
    np.testing.assert_allclose(weight * deviation, found[:, :5], atol=2e-3)
    logits, expected = values @ weight.T + bias, rows @ found[:, :5].T + found[:, 5]
    np.testing.assert_allclose(
        logits - logits.mean(axis=1, keepdims=True),
        expected - expected.mean(axis=1, keepdims=True),
        atol=1e-2,
    )


def test_scale_and_offset_of_features_make_no_difference() -> None:
    values, labels = clouds(20)
    rows = np.arange(len(values))
    plain = fit_softmax(values, rows, labels, 3, l2=1e-2)
    moved = fit_softmax(values * 4 - 100, rows, labels, 3, l2=1e-2)
    np.testing.assert_allclose(moved[0] * 4, plain[0], rtol=1e-3, atol=1e-4)


def test_small_chunks_give_the_same_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = clouds(20)
    whole = fit_softmax(values, np.arange(len(values)), labels, 3, l2=1e-2)
    monkeypatch.setattr(softmax_regression, "_CHUNK_BYTES", 7 * 4 * 5)
    chunked = fit_softmax(values, np.arange(len(values)), labels, 3, l2=1e-2)
    np.testing.assert_allclose(chunked[0], whole[0], rtol=1e-3, atol=1e-5)


def test_only_the_rows_asked_for_count() -> None:
    values, labels = clouds(20)
    rows = np.flatnonzero(np.arange(len(values)) % 4)
    alone = fit_softmax(values[rows], np.arange(len(rows)), labels[rows], 3, l2=1e-2)
    among = fit_softmax(values, rows, labels[rows], 3, l2=1e-2)
    np.testing.assert_allclose(among[0], alone[0], rtol=1e-5)


def test_a_feature_that_never_changes_weighs_nothing() -> None:
    values, labels = clouds(20)
    values[:, 2] = 7.3
    weight, bias = fit_softmax(values, np.arange(len(values)), labels, 3, l2=1e-2)
    assert not weight[:, 2].any()
    assert np.isfinite(bias).all()


def test_features_are_not_written_into() -> None:
    values, labels = clouds(8)
    values = values.astype(np.float32)
    before = values.copy()
    fit_softmax(values, np.arange(len(values)), labels, 3, l2=1e-2)
    np.testing.assert_array_equal(values, before)


# ---- banks ------------------------------------------------------------------------------------


def made_bank(
    folder: Path, names: list[str | None], model: xc.Model, seed: int = 0
) -> tuple[Bank, Array]:
    """Write a bank whose classes lie far apart."""
    rng = np.random.default_rng(seed)
    known = sorted({name for name in names if name is not None})
    centres = {name: rng.normal(0, 4, DIM) for name in known}
    rows = [centres.get(name, np.zeros(DIM)) + rng.normal(0, 0.3, DIM) for name in names]
    features = (np.stack(rows) + 20).astype(np.float16)
    return open_bank(write_bank(folder, names, features, model)), features


@pytest.fixture
def encoder() -> xc.Model:
    return small_model()


def test_classes_far_apart_are_all_told_apart(tmp_path: Path, encoder: xc.Model) -> None:
    bank, features = made_bank(tmp_path / "bank", ["cat", "dog", "fish"] * 20, encoder)
    probe = xc.fit_probe(bank, encoder)
    assert probe.accuracy == 1.0
    assert (probe.num_train, probe.num_held_out) == (48, 12)
    assert probe.commonest == pytest.approx(1 / 3)
    scores = features.astype(np.float64) @ probe.weight.T + probe.bias
    assert [probe.classes[index] for index in scores.argmax(axis=1)] == ["cat", "dog", "fish"] * 20


def test_probe_says_whose_it_is(tmp_path: Path, encoder: xc.Model) -> None:
    bank, _ = made_bank(tmp_path / "films", ["cat", "dog"] * 5, encoder)
    probe = xc.fit_probe(bank, encoder, seed=7, l2=0.1)
    assert (probe.encoder, probe.fingerprint) == ("small", encoder.fingerprint)
    assert (probe.layer, probe.pooling, probe.bank) == ("0", "mean", "films")
    assert (probe.seed, probe.l2, probe.preprocessing) == (7, 0.1, encoder.preprocessing)


def test_classes_without_pictures_and_pictures_without_a_class_are_left_out(
    tmp_path: Path, encoder: xc.Model
) -> None:
    """The model knows four classes, and the bank is aligned with them, but holds two."""
    names = ["fish", None, "dog", "fish", "dog", None]
    bank, _ = made_bank(tmp_path / "bank", names, encoder)
    assert bank.classes == CLASSES
    probe = xc.fit_probe(bank, encoder)
    assert probe.classes == ("dog", "fish")
    assert (probe.num_train, probe.num_held_out) == (2, 2)


def test_accuracy_is_that_on_pictures_it_never_saw(tmp_path: Path, encoder: xc.Model) -> None:
    """Labels by lot: whatever is learned by heart does not help."""
    rng = np.random.default_rng(3)
    names = [str(name) for name in rng.choice(["cat", "dog", "fish"], 60)]
    features = rng.normal(10, 1, (60, DIM)).astype(np.float16)
    bank = open_bank(write_bank(tmp_path / "bank", names, features, encoder))
    probe = xc.fit_probe(bank, encoder, l2=1e-6)
    index = np.array([probe.classes.index(name) for name in names])
    right = (features.astype(np.float64) @ probe.weight.T + probe.bias).argmax(axis=1) == index
    assert round(probe.accuracy * probe.num_held_out) < right.sum() - probe.num_train / 3


@pytest.mark.parametrize(("num_each", "apart"), [(2, 1), (5, 1), (10, 2), (23, 5)])
def test_a_fifth_of_every_class_is_kept_apart(
    tmp_path: Path, encoder: xc.Model, num_each: int, apart: int
) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat", "dog"] * num_each + ["fish"], encoder)
    probe = xc.fit_probe(bank, encoder)
    assert probe.num_held_out == 2 * apart
    assert probe.num_train == 2 * (num_each - apart) + 1


def test_the_seed_decides_what_is_kept_apart(tmp_path: Path, encoder: xc.Model) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat", "dog"] * 15, encoder)
    first, again, other = (xc.fit_probe(bank, encoder, seed=seed).weight for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


# ---- what does not fit ------------------------------------------------------------------------


def test_a_bank_of_one_class_is_refused(tmp_path: Path, encoder: xc.Model) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat"] * 5, encoder)
    with pytest.raises(BankError, match="one class only, and a probe tells two"):
        xc.fit_probe(bank, encoder)


def test_one_picture_of_each_class_is_too_little(tmp_path: Path, encoder: xc.Model) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat", "dog"], encoder)
    with pytest.raises(InputError, match="one picture of each class"):
        xc.fit_probe(bank, encoder)


def test_a_bank_of_another_model_is_refused(tmp_path: Path, encoder: xc.Model) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat", "dog"] * 3, encoder)
    with pytest.raises(BankError, match="made with other weights"):
        xc.fit_probe(bank, small_model(seed=1))


@pytest.mark.parametrize("l2", [0.0, -1.0, math.nan])
def test_a_penalty_that_is_none_is_refused(tmp_path: Path, encoder: xc.Model, l2: float) -> None:
    bank, _ = made_bank(tmp_path / "bank", ["cat", "dog"] * 3, encoder)
    with pytest.raises(InputError, match="l2 must be above 0"):
        xc.fit_probe(bank, encoder, l2=l2)


def test_features_with_nan_are_refused(tmp_path: Path, encoder: xc.Model) -> None:
    values, labels = clouds(5)
    values[3, 1] = np.nan
    with pytest.raises(BankError, match="NaN or infinity"):
        fit_softmax(values, np.arange(15), labels, 3, l2=1e-3)


# ---- progress ---------------------------------------------------------------------------------


class CancelledError(Exception):
    """What a page raises to end a fit."""


def test_progress_rises_from_nothing_to_all() -> None:
    values, labels = clouds(30)
    shares: list[float] = []
    fit_softmax(values, np.arange(90), labels, 3, l2=1e-3, progress=shares.append)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)
    assert len(set(shares)) > 3


def test_a_fit_can_be_cancelled_at_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = clouds(30)
    monkeypatch.setattr(softmax_regression, "_CHUNK_BYTES", 30 * 4 * 5)
    calls = 0

    def cancel(_share: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        fit_softmax(values, np.arange(90), labels, 3, l2=1e-3, progress=cancel)
    assert calls == 3
