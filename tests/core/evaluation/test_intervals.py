"""Bootstrap intervals against scipy's, slow loops and what one knows without computing."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from explain_core.errors import InputError
from explain_core.evaluation import intervals
from explain_core.evaluation.intervals import (
    Interval,
    mean_intervals,
    paired_differences,
    quantile_interval,
    resampled_means,
)

RNG = np.random.default_rng(3)
SKEWED = RNG.exponential(1.0, (40, 3)) * (1.0, 2.0, 0.1)


def slow_draws(values: np.ndarray, groups: np.ndarray, num: int, seed: int) -> list[float]:
    """Draw whole groups with replacement, one draw after the other, and pool their pictures."""
    rng = np.random.default_rng(seed)
    names = np.unique(groups)
    means = []
    for _ in range(num):
        chosen = rng.integers(0, len(names), len(names))
        pooled = np.concatenate([values[groups == names[place]] for place in chosen])
        pooled = pooled[~np.isnan(pooled)]
        means.append(pooled.mean() if len(pooled) else np.nan)
    return means


@pytest.mark.parametrize("confidence", [0.5, 0.95])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_interval_is_that_of_scipy(column: int, confidence: float) -> None:
    found = mean_intervals(SKEWED, num_resamples=500, confidence=confidence, seed=7)[column]
    theirs = scipy.stats.bootstrap(
        (SKEWED[:, column],),
        np.mean,
        n_resamples=500,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(7),
    ).confidence_interval
    assert found.mean == pytest.approx(SKEWED[:, column].mean())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert found.count == 40


def test_parts_of_the_draws_are_those_of_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled_means(SKEWED, num_resamples=150, seed=1)
    monkeypatch.setattr(intervals, "_NUMBERS_AT_ONCE", 40 * 7)
    np.testing.assert_allclose(resampled_means(SKEWED, num_resamples=150, seed=1), whole)


def test_groups_are_drawn_whole_and_undefined_values_left_out() -> None:
    values = SKEWED[:, :1].copy()
    values[[3, 4, 11]] = np.nan
    groups = np.array([5, 2, 9, 9, 2] * 8)
    expected = slow_draws(values[:, 0], groups, 200, seed=4)
    found = resampled_means(values, groups, num_resamples=200, seed=4)[:, 0]
    np.testing.assert_allclose(found, expected)
    (interval,) = mean_intervals(values, groups, num_resamples=200, seed=4)
    assert interval.count == 37
    assert interval.mean == pytest.approx(np.nanmean(values))
    assert (interval.low, interval.high) == pytest.approx(np.quantile(expected, (0.025, 0.975)))


def test_pictures_of_one_group_say_less_than_as_many_alone() -> None:
    values = np.repeat(SKEWED[:, :1], 4, axis=0)
    groups = np.repeat(np.arange(40), 4)
    (alone,), (grouped,) = mean_intervals(values), mean_intervals(values, groups)
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(2.0, rel=0.15)  # sqrt(4)


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    many = rng.normal(0.3, 1.0, (60, 400))
    held = [each.low <= 0.3 <= each.high for each in mean_intervals(many, num_resamples=400)]
    assert 0.91 <= np.mean(held) <= 0.97


def test_differences_are_paired() -> None:
    hard = RNG.normal(0, 5.0, (50, 1))  # pictures differ far more than methods
    values = hard + 0.1 + RNG.normal(0, 0.1, (50, 2))
    (first, second) = paired_differences(values, hard)
    assert first.is_above_zero
    assert second.is_above_zero
    assert first.high - first.low < 0.1
    (alone, _) = mean_intervals(values)
    assert alone.high - alone.low > 1


def test_difference_counts_pictures_that_have_both() -> None:
    values, baseline = np.array([[1.0], [2.0], [np.nan]]), np.array([[0.5], [np.nan], [3.0]])
    (found,) = paired_differences(values, baseline)
    assert found.mean == 0.5
    assert found.count == 1
    assert np.isnan(found.low)


def test_nothing_defined_has_no_mean() -> None:
    (found,) = mean_intervals(np.full((4, 1), np.nan))
    assert np.isnan(found.mean)
    assert found.count == 0
    assert not found.is_above_zero
    assert not found.is_below_zero


@pytest.mark.parametrize("num", [0, 1])
def test_too_few_pictures_have_no_interval(num: int) -> None:
    (found,) = mean_intervals(np.ones((num, 1)))
    assert found.count == num
    assert np.isnan([found.low, found.high]).all()


def test_interval_of_a_ratio_of_means() -> None:
    drawn = resampled_means(SKEWED, seed=2)
    low, high = quantile_interval(drawn[:, 1] / drawn[:, 0] - 1)
    means = SKEWED.mean(axis=0)
    assert low < means[1] / means[0] - 1 < high


def test_sides_of_zero() -> None:
    assert Interval(1.0, 0.1, 2.0, 9).is_above_zero
    assert Interval(-1.0, -2.0, -0.1, 9).is_below_zero
    assert not Interval(0.1, -0.1, 0.3, 9).is_above_zero


@pytest.mark.parametrize(
    ("values", "groups", "options", "message"),
    [
        (np.ones(3), None, {}, r"must be \(pictures, columns\)"),
        (np.ones((3, 1)), np.zeros(2), {}, "one per picture"),
        (np.ones((3, 1)), None, {"num_resamples": 10}, "at least 100"),
        (np.ones((3, 1)), None, {"confidence": 95.0}, "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(values, groups, options, message) -> None:
    with pytest.raises(InputError, match=message):
        mean_intervals(values, groups, **options)
