"""How far two maps of one picture agree: by the order of their pixels, and by where they peak."""

from __future__ import annotations

import math

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array

TOP_SHARE = 0.2


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
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1 (got {share}); 0.2 is usual")
    areas = [_top(each, share) for each in _where_both(one, other)]
    union = np.count_nonzero(areas[0] | areas[1])
    return np.count_nonzero(areas[0] & areas[1]) / union if union else math.nan


def _where_both(one: Array, other: Array) -> list[Array]:
    """Return the values (n,) of both maps where both are known."""
    if one.shape != other.shape:
        raise InputError(
            f"maps of one size can be compared, not {one.shape} with {other.shape}; "
            "put both onto the original picture"
        )
    known = ~(np.isnan(one) | np.isnan(other))
    return [one[known], other[known]]


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[places]
    return ranks


def _top(values: Array, share: float) -> Array:
    if not len(values):
        return np.zeros(0, bool)
    kept = max(1, round(share * len(values)))
    bound = np.partition(values, len(values) - kept)[len(values) - kept]
    area: Array = (values >= bound) & (values > 0)
    return area
