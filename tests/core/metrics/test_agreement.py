"""Agreement of two maps: hand-made cases, and ranks counted by a slow loop."""

import math

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.metrics.agreement import rank_correlation, top_area_iou


def slow_ranks(values):
    """A value's rank is how many are smaller, and half of those that are equal, itself included."""
    flat = [float(each) for each in values.ravel()]
    return [sum(o < v for o in flat) + (sum(o == v for o in flat) + 1) / 2 for v in flat]


def maps(seed, size=(6, 7), levels=9):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, levels, size).astype(np.float32) for _ in range(2)]


# ---- rank correlation ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_rank_correlation_is_pearsons_of_ranks_with_ties(seed):
    one, other = maps(seed)
    expected = np.corrcoef(slow_ranks(one), slow_ranks(other))[0, 1]
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)


def test_a_rising_function_of_a_map_has_the_same_ranks():
    one = np.random.default_rng(0).normal(size=(5, 8))
    assert rank_correlation(one, np.exp(3 * one)) == pytest.approx(1, abs=1e-12)
    assert rank_correlation(one, -(one**3)) == pytest.approx(-1, abs=1e-12)


def test_only_pixels_that_both_looked_at_count():
    one, other = maps(1)
    one[0], other[:, 0] = np.nan, np.nan
    assert rank_correlation(one, other) == rank_correlation(one[1:, 1:], other[1:, 1:])


def test_a_map_that_is_the_same_everywhere_correlates_with_nothing():
    one, _ = maps(0)
    assert math.isnan(rank_correlation(one, np.ones_like(one)))


def test_maps_without_a_common_pixel_have_no_agreement():
    one, other = np.full((2, 2), np.nan), np.ones((2, 2))
    assert math.isnan(rank_correlation(one, other))
    assert math.isnan(top_area_iou(one, other))


# ---- top areas -----------------------------------------------------------------------------


def test_top_areas_by_hand():
    one = np.array([[9.0, 8.0, 1.0, 1.0, 0.0]])
    other = np.array([[9.0, 0.0, 8.0, 1.0, 0.0]])
    assert top_area_iou(one, other, 0.4) == pytest.approx(1 / 3)
    assert top_area_iou(one, other, 0.2) == 1


def test_an_area_takes_in_all_that_tie():
    one = np.array([[5.0, 5.0, 5.0, 1.0, 0.0]])
    other = np.array([[5.0, 4.0, 3.0, 2.0, 1.0]])
    assert top_area_iou(one, other, 0.2) == pytest.approx(1 / 3)


def test_what_is_not_positive_is_in_no_area():
    one = np.array([[3.0, 0.0, 0.0, 0.0, -1.0]])
    assert top_area_iou(one, one, 0.8) == 1
    assert top_area_iou(one, np.array([[0.0, 2.0, 0.0, 0.0, 0.0]]), 0.8) == 0
    assert math.isnan(top_area_iou(-np.abs(one), np.zeros_like(one)))


def test_one_map_without_evidence_shares_no_area():
    one, _ = maps(0)
    assert top_area_iou(one, np.zeros_like(one)) == 0


def test_the_top_areas_of_half_seen_maps_are_of_what_both_saw():
    one = np.array([[np.nan, 9.0, 3.0, 2.0, 1.0]])
    other = np.array([[9.0, 9.0, 3.0, 2.0, np.nan]])
    assert top_area_iou(one, other, 1 / 3) == 1


# ---- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("compare", [rank_correlation, top_area_iou])
def test_maps_of_different_sizes_are_refused(compare):
    with pytest.raises(InputError, match=r"not \(2, 3\) with \(3, 2\); put both onto the original"):
        compare(np.ones((2, 3)), np.ones((3, 2)))


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_its_range_is_refused(share):
    with pytest.raises(InputError, match="share must be above 0 and at most 1"):
        top_area_iou(np.ones((2, 2)), np.ones((2, 2)), share)
