"""How far two maps of one picture agree: by their pixels' order, their peaks, their pattern."""

from __future__ import annotations

import math

import numpy as np

from explain_core.errors import InputError
from explain_core.maps import normalise
from explain_core.types import Array

TOP_SHARE = 0.2

_WINDOW_PX = 7
_STABILISERS = (0.01**2, 0.03**2)


def rank_correlation(one: Array, other: Array) -> float:
    """Return Spearman's rank correlation of two maps: Pearson's of their ranks, ties averaged.

    Args:
        one, other: (H, W), of the same picture; pixels where either is NaN are left out.

    Returns:
        In [-1, 1]; NaN where one of the maps is the same everywhere, or no pixel is in both.

    Raises:
        InputError: maps of different sizes.
    """
    ranks = [_ranks(each) for each in _where_both(one, other)]
    centred = [each - each.mean() if len(each) else each for each in ranks]
    norm = math.prod(float(np.linalg.norm(each)) for each in centred)
    return float(np.clip(np.vdot(*centred) / norm, -1, 1)) if norm else math.nan


def top_area_iou(one: Array, other: Array, share: float = TOP_SHARE) -> float:
    """Return `|a ∩ b| / |a ∪ b|`, a and b the areas of the largest values of two maps.

    An area holds the pixels that reach the value of rank `share`, all that tie with it, and only
    those with a positive value: a map without evidence has no area.

    Args:
        one, other: (H, W), of the same picture; pixels where either is NaN are left out.
        share: of the pixels that are in both, 0 < share <= 1.

    Returns:
        In [0, 1]; NaN where neither map has a positive value.

    Raises:
        InputError: maps of different sizes, or a share out of its range.
    """
    areas = [top_area(each, share) for each in _where_both(one, other)]
    union = np.count_nonzero(areas[0] | areas[1])
    return np.count_nonzero(areas[0] & areas[1]) / union if union else math.nan


def structural_similarity(one: Array, other: Array) -> float:
    """Return the mean SSIM of two maps' positive parts, each scaled to [0, 1] by its maximum.

    `SSIM = (2 m_a m_b + c_1)(2 s_ab + c_2) / ((m_a² + m_b² + c_1)(s_a² + s_b² + c_2))` over all
    windows of 7 x 7 pixels that lie inside, with `c_1 = 0.01²`, `c_2 = 0.03²` and covariances with
    n - 1 (Wang et al., 2004, in scikit-image's form). Two maps that are flat in the same places
    are similar there, so hold it against pairs of random maps.

    Args:
        one, other: (H, W), of the same picture; NaN counts as 0.

    Returns:
        In [-1, 1].

    Raises:
        InputError: maps of different sizes, or smaller than 7 x 7.
    """
    _require_one_size(one, other)
    if min(one.shape) < _WINDOW_PX:
        raise InputError(
            f"maps must be at least {_WINDOW_PX} x {_WINDOW_PX} pixels for SSIM (got {one.shape}); "
            "take them at the size of the model's input"
        )
    a, b = (normalise(np.nan_to_num(each.astype(np.float64))) for each in (one, other))
    mean_a, mean_b = _window_means(a), _window_means(b)
    unbiased = _WINDOW_PX**2 / (_WINDOW_PX**2 - 1)
    variance_a = unbiased * (_window_means(a * a) - mean_a**2)
    variance_b = unbiased * (_window_means(b * b) - mean_b**2)
    covariance = unbiased * (_window_means(a * b) - mean_a * mean_b)
    c_1, c_2 = _STABILISERS
    likeness = (2 * mean_a * mean_b + c_1) * (2 * covariance + c_2)
    return float(
        np.mean(likeness / ((mean_a**2 + mean_b**2 + c_1) * (variance_a + variance_b + c_2)))
    )


def top_area(values: Array, share: float) -> Array:
    """Return where the largest values lie, as bool of the same shape.

    It holds the values that reach that of rank `share`, all that tie with it, and only positive
    ones: values without evidence have no area.

    Args:
        values: of any shape, without NaN.
        share: 0 < share <= 1.

    Raises:
        InputError: a share out of its range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1 (got {share}); 0.2 is usual")
    if not values.size:
        return np.zeros(values.shape, bool)
    kept = max(1, round(share * values.size))
    bound = np.partition(values, values.size - kept, axis=None)[values.size - kept]
    area: Array = (values >= bound) & (values > 0)
    return area


def _require_one_size(one: Array, other: Array) -> None:
    if one.shape != other.shape:
        raise InputError(
            f"maps of one size can be compared, not {one.shape} with {other.shape}; "
            "put both onto the original picture"
        )


def _where_both(one: Array, other: Array) -> list[Array]:
    """Return the values (n,) of both maps where both are known."""
    _require_one_size(one, other)
    known = ~(np.isnan(one) | np.isnan(other))
    return [one[known], other[known]]


def _window_means(values: Array) -> Array:
    """Return the mean of each window that lies inside, (H - 6, W - 6), through running sums."""
    for _ in range(2):
        sums = np.pad(np.cumsum(values, axis=0), ((1, 0), (0, 0)))
        values = ((sums[_WINDOW_PX:] - sums[:-_WINDOW_PX]) / _WINDOW_PX).T
    return values


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[places]
    return ranks
