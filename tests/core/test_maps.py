"""ReLU, upsampling, normalisation and the way back onto the picture."""

import math

import numpy as np
import pytest

from explain_core import maps
from explain_core.errors import NumericsError
from explain_core.types import Geometry
from tests.oracles.stretching import stretch

SMALL = np.array([[0.0, 4.0], [8.0, -4.0]])
CROP = Geometry(original_size=(10, 16), input_size=(8, 8), scale=(0.8, 0.8), offset_px=(0, 2))
LETTERBOX = Geometry((10, 16), (8, 8), (0.5, 0.5), (-1, 0))
STRETCH = Geometry((10, 16), (8, 12), (0.8, 0.75), (0, 0))


def test_relu_by_hand():
    np.testing.assert_array_equal(maps.relu(SMALL), [[0, 4], [8, 0]])


def test_upsampling_by_hand():
    # half-pixel centres: a quarter and three quarters of the way
    row = maps.upsample(np.array([[0.0, 4.0]]), (1, 4))
    np.testing.assert_allclose(row, [[0.0, 1.0, 3.0, 4.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (5, 7), (20, 28), (3, 2)])
def test_upsampling_is_that_of_the_loop(size, dtype):
    values = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)
    np.testing.assert_allclose(maps.upsample(values, size), stretch(values, size), atol=1e-6)


def test_upsampling_keeps_the_number_type():
    assert maps.upsample(SMALL.astype(np.float32), (4, 4)).dtype == np.float32


def test_upsampling_keeps_a_map_of_the_right_size():
    np.testing.assert_array_equal(maps.upsample(SMALL, (2, 2)), SMALL)


def test_upsampling_writes_nothing():
    frozen = SMALL.copy()
    frozen.flags.writeable = False
    maps.upsample(frozen, (4, 4))
    np.testing.assert_array_equal(frozen, SMALL)


def test_normalising_scales_the_peak_to_one():
    np.testing.assert_array_equal(maps.normalise(SMALL), [[0, 0.5], [1, 0]])


def test_normalising_a_signed_map_keeps_zero():
    np.testing.assert_array_equal(maps.normalise(SMALL, is_signed=True), [[0, 0.5], [1, -0.5]])


def test_map_without_positive_evidence_is_not_blown_up():
    np.testing.assert_array_equal(maps.normalise(-np.abs(SMALL)), np.zeros((2, 2)))


@pytest.mark.parametrize("is_signed", [False, True])
def test_empty_map_stays_empty(is_signed):
    np.testing.assert_array_equal(maps.normalise(np.zeros((2, 2)), is_signed), np.zeros((2, 2)))


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("known", [0.0, -1.0, 3.0])
def test_normalising_keeps_nan(known, is_signed):
    """As on the original: a map that the model saw only a part of, even an empty one."""
    values = np.array([[known, np.nan]])
    np.testing.assert_array_equal(np.isnan(maps.normalise(values, is_signed)), [[False, True]])


@pytest.mark.parametrize("is_signed", [False, True])
def test_normalising_nothing_but_nan_gives_nan(is_signed):
    assert np.isnan(maps.normalise(np.full((2, 2), np.nan), is_signed)).all()


def test_normalising_the_smallest_numbers_gives_no_infinity():
    tiny = np.array([[np.finfo(np.float32).smallest_subnormal, 0]], dtype=np.float32)
    np.testing.assert_array_equal(maps.normalise(tiny), [[1, 0]])


def test_normalising_writes_nothing():
    values = SMALL.copy()
    maps.normalise(values)
    np.testing.assert_array_equal(values, SMALL)


# ---- back onto the picture --------------------------------------------------------------------


def placed_slowly(values, geometry):
    """Look every pixel's centre up in the map, one after the other."""
    height, width = geometry.input_size
    placed = np.full(geometry.original_size, np.nan)
    for row, column in np.ndindex(*geometry.original_size):
        y = (row + 0.5) * geometry.scale[0] - geometry.offset_px[0]
        x = (column + 0.5) * geometry.scale[1] - geometry.offset_px[1]
        if not (0 <= y <= height and 0 <= x <= width):
            continue
        y, x = min(max(y - 0.5, 0), height - 1), min(max(x - 0.5, 0), width - 1)
        top, left = math.floor(y), math.floor(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        placed[row, column] = (1 - (y - top)) * (
            (1 - (x - left)) * values[top, left] + (x - left) * values[top, right]
        ) + (y - top) * (
            (1 - (x - left)) * values[bottom, left] + (x - left) * values[bottom, right]
        )
    return placed


@pytest.mark.parametrize("geometry", [CROP, LETTERBOX, STRETCH])
def test_placing_is_that_of_the_loop(geometry):
    values = np.random.default_rng(0).normal(size=geometry.input_size).astype(np.float32)
    placed = geometry.place_on_original(values)
    np.testing.assert_allclose(placed, placed_slowly(values, geometry), atol=1e-5)


@pytest.mark.parametrize("geometry", [CROP, LETTERBOX, STRETCH])
def test_placed_map_has_the_picture_s_size(geometry):
    placed = geometry.place_on_original(np.ones(geometry.input_size))
    assert placed.shape == geometry.original_size
    assert placed.dtype == np.float32


@pytest.mark.parametrize("geometry", [CROP, LETTERBOX, STRETCH])
def test_nan_is_exactly_what_lies_outside_the_seen_box(geometry):
    placed = geometry.place_on_original(np.ones(geometry.input_size))
    top, left, bottom, right = geometry.seen_box()
    rows, columns = np.mgrid[: geometry.original_size[0], : geometry.original_size[1]] + 0.5
    inside = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
    np.testing.assert_array_equal(~np.isnan(placed), inside)


def test_seen_box_of_a_crop_by_hand():
    # 16 columns become 12.8, of which 2 to 10 are kept
    np.testing.assert_allclose(CROP.seen_box(), (0, 2.5, 10, 12.5))


def test_seen_box_of_a_letterbox_is_the_picture():
    np.testing.assert_allclose(LETTERBOX.seen_box(), (0, 0, 10, 16))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad):
    values = np.array([[1.0, bad], [2.0, 3.0]])
    with pytest.raises(NumericsError, match=r"the map holds NaN or infinity at 25\.0% of its"):
        maps.require_finite(values, "the map")
