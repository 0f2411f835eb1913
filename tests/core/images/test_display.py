"""The picture on the screen against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.images.display import to_display
from explain_core.images.reading import image_from_pixels


def test_8_bit_colour_is_shown_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(image_from_pixels(rgb)), rgb)


def test_gray_is_repeated() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(image_from_pixels(gray)), np.dstack([gray] * 3))


@pytest.mark.parametrize("white", [1023, 4095, 65535])
def test_deep_gray_is_scaled_by_its_white(white: int) -> None:
    pixels = np.linspace(0, white, 3000).astype(np.uint16).reshape(50, 60)
    shown = to_display(image_from_pixels(pixels))
    assert (shown.shape, shown.dtype) == ((50, 60, 3), np.uint8)
    np.testing.assert_allclose(shown[..., 1], pixels * 255.0 / white, atol=0.5)


def test_deep_colour_is_scaled_too() -> None:
    pixels = np.array([[[0, 32768, 65535]]], np.uint16)
    np.testing.assert_array_equal(to_display(image_from_pixels(pixels)), [[[0, 128, 255]]])


def test_values_above_white_are_white() -> None:
    image = image_from_pixels(np.array([[0, 100, 250]], np.uint8), white=200)
    np.testing.assert_array_equal(to_display(image)[..., 0], [[0, 128, 255]])


@pytest.mark.parametrize(
    ("size", "max_side_px", "shown"),
    [
        ((300, 100), 150, (150, 50)),
        ((100, 300), 150, (50, 150)),
        ((1000, 1), 10, (10, 1)),
        ((30, 20), 30, (30, 20)),
        ((30, 20), 500, (30, 20)),
    ],
)
def test_the_longer_side_is_bounded_and_never_stretched(
    size: tuple[int, int], max_side_px: int, shown: tuple[int, int]
) -> None:
    for shape in (size, (*size, 3)):
        image = image_from_pixels(np.zeros(shape, np.uint8))
        assert to_display(image, max_side_px).shape == (*shown, 3)


def test_scaling_down_is_antialiased() -> None:
    """Fine stripes become their mean; picking single pixels would leave black or white."""
    stripes = np.zeros((400, 600), np.uint16)
    stripes[:, ::2] = 4095
    shown = to_display(image_from_pixels(stripes), 60)
    np.testing.assert_allclose(shown.astype(int), 127.5, atol=3)


def test_scaling_down_keeps_the_place_of_things() -> None:
    pixels = np.zeros((400, 200), np.uint16)
    pixels[100:200, 50:150] = 65535
    expected = np.zeros((40, 20), np.uint8)
    expected[10:20, 5:15] = 255
    shown = to_display(image_from_pixels(pixels), 40)[..., 0]
    assert np.abs(shown.astype(int) - expected).mean() < 8
    assert (shown[12:18, 7:13] == 255).all()


def test_a_16_bit_ramp_is_not_clipped() -> None:
    ramp = np.repeat(np.linspace(0, 65535, 1000).astype(np.uint16)[None], 100, axis=0)
    shown = to_display(image_from_pixels(ramp), 100)[5, :, 0].astype(int)
    assert (np.diff(shown) > 0).all()
    assert shown[0] < 3
    assert shown[-1] > 252


@pytest.mark.parametrize("max_side_px", [0, -3])
def test_a_side_below_one_is_refused(max_side_px: int) -> None:
    image = image_from_pixels(np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match=f"max_side_px must be at least 1 .got {max_side_px}."):
        to_display(image, max_side_px)
