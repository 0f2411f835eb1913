"""Agreement of two maps: hand-made cases, and ranks counted by a slow loop."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity as skimage_ssim

from explain_core.errors import InputError
from explain_core.metrics.agreement import (
    rank_correlation,
    structural_similarity,
    top_area,
    top_area_iou,
)


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


@pytest.mark.parametrize("compare", [rank_correlation, top_area_iou, structural_similarity])
def test_maps_of_different_sizes_are_refused(compare):
    with pytest.raises(InputError, match=r"not \(2, 3\) with \(3, 2\); put both onto the original"):
        compare(np.ones((2, 3)), np.ones((3, 2)))


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_its_range_is_refused(share):
    with pytest.raises(InputError, match="share must be above 0 and at most 1"):
        top_area_iou(np.ones((2, 2)), np.ones((2, 2)), share)


# ---- structural similarity and ranks, against other libraries ------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_structural_similarity_is_that_of_scikit_image(seed):
    one, other = maps(seed, (17, 23))
    one, other = one - 2, one + 0.3 * other  # alike, and one of them signed
    scaled = [np.maximum(each, 0).astype(float) / each.max() for each in (one, other)]
    expected = skimage_ssim(*scaled, data_range=1.0)
    assert 0.2 < expected < 0.98
    assert structural_similarity(one, other) == pytest.approx(expected, abs=1e-12)


def test_a_map_is_like_itself_at_any_scale():
    one = np.random.default_rng(0).normal(size=(9, 12))
    assert structural_similarity(one, 40 * one) == pytest.approx(1, abs=1e-12)


def test_an_empty_map_is_like_a_flat_one_but_not_like_a_busy_one():
    busy = np.random.default_rng(0).random((20, 20))
    assert structural_similarity(np.zeros((20, 20)), -busy) == 1
    assert structural_similarity(np.zeros((20, 20)), busy) < 0.05


def test_where_a_map_never_looked_counts_as_zero():
    one, other = maps(1, (12, 12))
    unseen, zero = one.copy(), one.copy()
    unseen[:3], zero[:3] = np.nan, 0
    assert structural_similarity(unseen, other) == structural_similarity(zero, other)


def test_maps_smaller_than_a_window_are_refused():
    with pytest.raises(InputError, match="maps must be at least 7 x 7 pixels"):
        structural_similarity(np.ones((6, 9)), np.ones((6, 9)))


@pytest.mark.parametrize("seed", range(2))
def test_rank_correlation_is_that_of_scipy(seed):
    one, other = maps(seed, (19, 21))
    expected = spearmanr(one.ravel(), other.ravel()).statistic
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)


def test_a_top_area_keeps_the_shape_of_its_map():
    area = top_area(np.array([[3.0, 0.0], [-1.0, 5.0]]), 0.5)
    np.testing.assert_array_equal(area, [[True, False], [False, True]])
