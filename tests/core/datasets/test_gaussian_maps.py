"""The four Gaussians of Figure 4: what the lesson says of them is true wherever they lie."""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.datasets.gaussian_maps import (
    FIGURE_4,
    LARGEST_WIDTH,
    LEAST_WIDTH,
    SIDE_PX,
    Gaussian,
    gaussian_map,
    object_box,
    object_scorer,
)

ASKED = {"rcap": {"lower_bound": 60.0, "interval": 20.0}, "deletion": {}, "insertion": {}}


@pytest.fixture(scope="module")
def scorer():
    return object_scorer()


def scored(scorer, gaussians):
    maps = {str(index): gaussian_map(each) for index, each in enumerate(gaussians)}
    found = xc.metrics.score_maps(scorer, maps, ASKED, target=0)
    return [{name: score.value for name, score in row.items()} for row in found.values()]


def answer(scorer, pixels):
    return scorer.probabilities(pixels[None])[0, 0]


def share_inside(gaussian):
    values = gaussian_map(gaussian).values.astype(np.float64)
    top, left, bottom, right = object_box()
    return values[top:bottom, left:right].sum() / values.sum()


def test_object_is_the_middle_fifth():
    top, left, bottom, right = object_box()
    assert (bottom - top) * (right - left) / SIDE_PX**2 == pytest.approx(0.2, abs=0.015)
    assert (top + bottom, left + right) == (SIDE_PX, SIDE_PX)


def test_model_answers_with_the_share_that_it_sees(scorer):
    top, _, bottom, _ = object_box()
    half = scorer.pixels.clone()
    half[:, top : (top + bottom) // 2] = 0
    around = scorer.pixels.clone()
    around[:, :top] = 0
    assert answer(scorer, scorer.pixels) == answer(scorer, around) == 1
    assert answer(scorer, half) == 0.5
    assert answer(scorer, torch.zeros_like(scorer.pixels)) == 0
    both = scorer.probabilities(torch.stack([half, around]))
    np.testing.assert_array_equal(both, [[0.5, 0.5], [1, 0]])


def test_values_are_the_bell_around_the_centre():
    values = gaussian_map(Gaussian(20, 70, 25)).values
    assert values.shape == (SIDE_PX, SIDE_PX)
    row, column = 50, 7
    away_sq = ((row + 0.5) / 60 - 0.7) ** 2 + ((column + 0.5) / 60 - 0.2) ** 2
    assert values[row, column] == pytest.approx(np.exp(-away_sq / (2 * 0.25**2)), rel=1e-6)
    assert np.unravel_index(values.argmax(), values.shape) in [
        (41, 11),
        (41, 12),
        (42, 11),
        (42, 12),
    ]


@pytest.mark.parametrize("centre", [(50, 50), (0, 0), (100, 37), (81, 63)])
def test_one_centre_has_one_deletion_and_insertion_to_the_bit(scorer, centre):
    widths = (LEAST_WIDTH, 19, LARGEST_WIDTH)
    rows = scored(scorer, [Gaussian(*centre, width) for width in widths])
    assert len({row["deletion"] for row in rows}) == 1
    assert len({row["insertion"] for row in rows}) == 1
    rcaps = [row["rcap"] for row in rows]
    assert rcaps == sorted(rcaps, reverse=True)
    assert rcaps[0] - rcaps[-1] > 0.05


def test_even_the_farthest_pixel_of_the_narrowest_map_is_above_nought():
    values = gaussian_map(Gaussian(0, 0, LEAST_WIDTH)).values
    assert values.min() >= np.finfo(np.float32).tiny


def test_wide_map_of_the_figure_lies_mostly_beside_the_object():
    assert share_inside(FIGURE_4[0]) > 0.8
    assert share_inside(FIGURE_4[1]) < 0.5


@pytest.mark.parametrize(
    ("numbers", "said"),
    [((101, 0, 20), "across and down"), ((0, -1, 20), "across and down"), ((0, 0, 41), "width")],
)
def test_what_is_out_of_range_is_refused(numbers, said):
    with pytest.raises(xc.InputError, match=said):
        Gaussian(*numbers)
