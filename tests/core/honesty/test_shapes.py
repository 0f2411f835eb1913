"""Morphology and components against SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.honesty.shapes import components, rim, slope, top_hat

ndimage = pytest.importorskip("scipy.ndimage")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.41, 0.7, 1.0])
@pytest.mark.parametrize("size", [(40, 57), (1, 9), (9, 1)])
def test_components_hang_together_by_sides_and_corners(share: float, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(3).random(size) < share
    labels, count = components(mask)
    expected, num = ndimage.label(mask, np.ones((3, 3)))
    assert count == num
    pairs = set(zip(labels.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == count + (not mask.all())


def test_a_spiral_is_one_component() -> None:
    mask = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        mask[ring, ring : 41 - ring] = mask[ring : 41 - ring, 40 - ring] = True
        mask[40 - ring, ring : 41 - ring] = mask[ring + 2 : 41 - ring, ring] = True
        mask[ring + 2, ring + 1] = True
    assert components(mask)[1] == ndimage.label(mask, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("side", [1, 3, 7, 25])
def test_top_hat_is_what_an_opening_takes_away(side: int) -> None:
    values = np.random.default_rng(2).random((40, 31))
    eroded = ndimage.grey_erosion(values, size=(side, side), mode="nearest")
    opened = ndimage.grey_dilation(eroded, size=(side, side), mode="nearest")
    np.testing.assert_allclose(top_hat(values, side), values - opened, atol=1e-12)


def test_slope_is_the_length_of_the_gradient() -> None:
    values = np.random.default_rng(2).random((20, 31))
    expected = np.hypot(*(ndimage.sobel(values, axis, mode="nearest") / 8 for axis in (0, 1)))
    np.testing.assert_allclose(slope(values), expected, atol=1e-12)


def test_rim_is_what_an_erosion_takes_away() -> None:
    mask = np.random.default_rng(2).random((20, 31)) < 0.8
    np.testing.assert_array_equal(rim(mask), mask & ~ndimage.binary_erosion(mask))
