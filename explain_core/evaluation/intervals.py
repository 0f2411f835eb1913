"""Means over pictures with bootstrap intervals, and paired differences between methods.

Pictures are drawn anew with replacement, whole groups at a time where pictures belong together; an
interval holds the middle 95 % of the means of all draws (the percentile bootstrap, Efron 1979).
Every column is drawn with the same pictures, so that differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array

NUM_RESAMPLES = 2000
CONFIDENCE = 0.95
_NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True)
class Interval:
    """Hold a mean and where it could as well lie.

    Attributes:
        mean: over the pictures where the number is defined; NaN where there is none.
        low, high: ends of the interval; NaN with fewer than two groups.
        count: pictures where the number is defined.
    """

    mean: float
    low: float
    high: float
    count: int

    @property
    def is_above_zero(self) -> bool:
        """Return whether all of the interval is positive."""
        return self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Return whether all of the interval is negative."""
        return self.high < 0


def mean_intervals(
    values: Array,
    groups: Array | None = None,
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Interval]:
    """Return the mean of every column with its bootstrap interval.

    Args:
        values: (n, columns) over pictures; NaN where not defined, which is left out.
        groups: (n,), equal where pictures belong together; None: each by itself.
        num_resamples: how often pictures are drawn anew, >= 100.
        confidence: share of the draws inside the interval, 0 < confidence < 1.
        seed: the same gives the same intervals.

    Raises:
        InputError: values or groups of another shape, or a number out of range.
    """
    _check(values, groups, num_resamples, confidence)
    sums, counts = _by_group(values, groups)
    means = _ratio(sums.sum(axis=0), counts.sum(axis=0))
    num_groups = (counts > 0).sum(axis=0)
    ends = np.full((2, values.shape[1]), np.nan)
    if len(sums) > 1:
        drawn = resampled_means(values, groups, num_resamples=num_resamples, seed=seed)
        tail = (1 - confidence) / 2
        has_interval = num_groups > 1
        # A draw may hold none of a column's few pictures: it says nothing about the column.
        ends[:, has_interval] = np.nanquantile(drawn[:, has_interval], (tail, 1 - tail), axis=0)
    return [
        Interval(float(mean), float(low), float(high), int(count))
        for mean, low, high, count in zip(means, *ends, counts.sum(axis=0), strict=True)
    ]


def resampled_means(
    values: Array,
    groups: Array | None = None,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Array:
    """Return (num_resamples, columns): each draw's means, NaN where a draw defines none.

    Anything that is made of means, such as a ratio of them, gets its interval from the same
    quantity of every row.

    Raises:
        As `mean_intervals`.
    """
    _check(values, groups, num_resamples, CONFIDENCE)
    sums, counts = _by_group(values, groups)
    rng = np.random.default_rng(seed)
    drawn = [
        _ratio(times @ sums, times @ counts) for times in _draws(len(sums), num_resamples, rng)
    ]
    return np.concatenate(drawn)


def paired_differences(
    values: Array,
    baseline: Array,
    groups: Array | None = None,
    *,
    num_resamples: int = NUM_RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> list[Interval]:
    """Return the mean of `values - baseline` of every column over pictures that have both.

    Args:
        values: (n, columns).
        baseline: (n, columns), or (n, 1) for one that all are held against.

    Raises:
        As `mean_intervals`.
    """
    return mean_intervals(
        values - baseline, groups, num_resamples=num_resamples, confidence=confidence, seed=seed
    )


def quantile_interval(drawn: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the interval of a quantity (num_resamples,) that was computed for every draw."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return float(low), float(high)


def _by_group(values: Array, groups: Array | None) -> tuple[Array, Array]:
    """Return (groups, columns) twice: the sums of defined values and how many these are."""
    is_defined = np.isfinite(values)
    parts = np.where(is_defined, values, 0.0).astype(np.float64), is_defined.astype(np.float64)
    if groups is None:
        return parts
    places = np.unique(groups, return_inverse=True)[1].reshape(len(values))
    found = []
    for part in parts:
        total = np.zeros((places.max() + 1 if len(places) else 0, values.shape[1]))
        np.add.at(total, places, part)
        found.append(total)
    return found[0], found[1]


def _draws(num_groups: int, num_resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield (draws, groups): how often each group is in each draw, a bounded part at a time."""
    size = max(1, min(num_resamples, _NUMBERS_AT_ONCE // max(1, num_groups)))
    for begin in range(0, num_resamples, size):
        count = min(size, num_resamples - begin)
        places = rng.integers(0, num_groups, (count, num_groups))
        places += np.arange(count)[:, None] * num_groups
        times = np.bincount(places.ravel(), minlength=count * num_groups)
        yield times.reshape(count, num_groups).astype(np.float64)


def _ratio(sums: Array, counts: Array) -> Array:
    found: Array = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return found


def _check(values: Array, groups: Array | None, num_resamples: int, confidence: float) -> None:
    if values.ndim != 2:
        raise InputError(f"values must be (pictures, columns), not {values.shape}")
    if groups is not None and groups.shape != (len(values),):
        raise InputError(f"groups must be one per picture, ({len(values)},), not {groups.shape}")
    if num_resamples < 100:
        raise InputError(f"num_resamples must be at least 100 (got {num_resamples}); 2000 is usual")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1 (got {confidence:g}); 0.95 is usual")
