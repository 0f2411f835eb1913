"""Drawings against MNIST's layout."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from explain_core.errors import ImageError
from explain_core.images.drawing import centre_drawing


def draw_seven(size: tuple[int, int], start: tuple[int, int], scale: float) -> np.ndarray:
    """Return (H, W): a 7 of 40 x 60 units, light on dark, with its corner at `start` (x, y)."""
    canvas = PIL.Image.new("L", (size[1], size[0]))
    points = [(0, 0), (40, 0), (12, 60)]
    line = [(start[0] + x * scale, start[1] + y * scale) for x, y in points]
    PIL.ImageDraw.Draw(canvas).line(line, fill=255, width=max(1, round(6 * scale)))
    return np.asarray(canvas)


def centre_of_mass(pixels: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(pixels.shape)
    total = pixels.sum()
    return float((rows * pixels).sum() / total), float((columns * pixels).sum() / total)


@pytest.mark.parametrize(
    ("size", "start", "scale"),
    [((280, 280), (150, 10), 1.0), ((600, 300), (20, 200), 4.0), ((90, 400), (300, 5), 1.2)],
)
def test_a_digit_of_any_place_and_size_is_centred(
    size: tuple[int, int], start: tuple[int, int], scale: float
) -> None:
    image = centre_drawing(draw_seven(size, start, scale))
    assert (image.size, image.kind, image.white) == ((280, 280), "gray", 255)
    row, column = centre_of_mass(image.pixels.astype(np.float64))
    assert abs(row - 139.5) <= 0.75
    assert abs(column - 139.5) <= 0.75


def test_the_longer_side_becomes_200_px_and_the_shape_is_kept() -> None:
    pixels = np.zeros((100, 300), np.uint8)
    pixels[20:60, 200:210] = 255
    inked = centre_drawing(pixels).pixels > 0
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (200, 50)


def test_a_centred_block_lies_in_the_middle() -> None:
    pixels = np.zeros((50, 50), np.uint8)
    pixels[3:13, 30:40] = 200
    expected = np.zeros((280, 280), np.uint8)
    expected[40:240, 40:240] = 200
    np.testing.assert_array_equal(centre_drawing(pixels).pixels, expected)


def test_place_does_not_change_the_layout() -> None:
    first = centre_drawing(draw_seven((200, 200), (10, 10), 1.0))
    second = centre_drawing(draw_seven((300, 220), (150, 200), 1.0))
    assert first.digest == second.digest


def test_a_lopsided_drawing_stays_whole() -> None:
    pixels = np.zeros((100, 100), np.uint8)
    pixels[0:100, 0:12] = 255
    pixels[50, 12:100] = 20
    image = centre_drawing(pixels)
    columns = np.flatnonzero((image.pixels > 0).any(axis=0))
    assert np.ptp(columns) + 1 == 200
    assert columns[-1] == 279


def test_one_pixel_is_a_drawing() -> None:
    pixels = np.zeros((9, 5), np.uint8)
    pixels[8, 0] = 255
    assert (centre_drawing(pixels).pixels == 255).sum() == 200 * 200


def test_faint_dirt_does_not_widen_the_box() -> None:
    pixels = draw_seven((280, 280), (100, 100), 1.0).copy()
    clean = centre_drawing(pixels)
    pixels[0, 0] = 5
    assert centre_drawing(pixels).digest == clean.digest


def test_the_drawing_is_not_changed() -> None:
    pixels = draw_seven((100, 100), (10, 10), 1.0).copy()
    before = pixels.copy()
    centre_drawing(pixels)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("shade", [0, 5])
def test_an_empty_canvas_is_refused(shade: int) -> None:
    with pytest.raises(ImageError, match="the canvas is empty; draw a digit first"):
        centre_drawing(np.full((280, 280), shade, np.uint8))


def test_a_canvas_of_no_size_is_refused() -> None:
    with pytest.raises(ImageError, match="draw a digit first"):
        centre_drawing(np.zeros((0, 0), np.uint8))


@pytest.mark.parametrize(
    "pixels", [np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5)), np.zeros(5, np.uint8)]
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"must be \(H, W\) uint8, light strokes on dark \(got"):
        centre_drawing(pixels)


def test_an_erased_drawing_keeps_its_place_and_size() -> None:
    """The block's lower half goes: by itself, what is left would be centred."""
    whole = np.zeros((50, 50), np.uint8)
    whole[3:13, 30:40] = 200
    left = whole.copy()
    left[8:] = 0
    expected = np.zeros((280, 280), np.uint8)
    expected[40:140, 40:240] = 200
    laid_out = centre_drawing(left, like=whole).pixels
    edge = slice(130, 150)  # resampling softens it
    np.testing.assert_array_equal(np.delete(laid_out, edge, 0), np.delete(expected, edge, 0))
    assert not centre_drawing(left).pixels[:80].any()


def test_a_drawing_is_laid_out_like_one_of_its_own_size_only() -> None:
    with pytest.raises(ImageError, match=r"got \(40, 50\)"):
        centre_drawing(np.full((50, 50), 200, np.uint8), like=np.full((40, 50), 200, np.uint8))
