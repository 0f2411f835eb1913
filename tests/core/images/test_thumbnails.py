"""Thumbnails: small pictures keep their own pixels, large ones their look."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from explain_core.images.display import to_display
from explain_core.images.reading import image_from_pixels, read_image
from explain_core.images.thumbnails import thumbnail
from explain_core.types import picture_id


def decoded(content: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(content))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((28, 28), np.uint8),
        ((96, 40), np.uint16),
        ((40, 96, 3), np.uint8),
        ((1, 1), np.uint16),
        ((5, 7, 3), np.uint8),
    ],
)
def test_a_small_picture_is_kept_as_it_is(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    image = image_from_pixels(rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True))
    again = read_image(thumbnail(image))
    np.testing.assert_array_equal(again.pixels, image.pixels)
    assert picture_id(again) == picture_id(image)


def test_small_deep_colour_is_kept_as_it_is_shown() -> None:
    rng = np.random.default_rng(0)
    image = image_from_pixels(rng.integers(0, 65536, (9, 7, 3), dtype=np.uint16))
    np.testing.assert_array_equal(read_image(thumbnail(image)).pixels, to_display(image))


@pytest.mark.parametrize(
    ("shape", "size"), [((300, 200, 3), (96, 64)), ((97, 970), (10, 96)), ((500, 1, 3), (96, 1))]
)
def test_a_large_picture_is_scaled_down(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    image = image_from_pixels(np.zeros(shape, np.uint8))
    small = decoded(thumbnail(image))
    assert (small.height, small.width) == size
    assert small.mode == ("RGB" if len(shape) == 3 else "L")


def test_a_thumbnail_looks_like_its_picture() -> None:
    down, across = np.meshgrid(np.linspace(0, 255, 300), np.linspace(0, 255, 400), indexing="ij")
    pixels = np.dstack([down, across, 255 - down])
    image = image_from_pixels(pixels.astype(np.uint8))
    small = np.asarray(decoded(thumbnail(image))).astype(float)
    assert np.abs(small - to_display(image, 96)).mean() < 3


def test_a_photograph_takes_few_bytes() -> None:
    rng = np.random.default_rng(0)
    coarse = PIL.Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    image = image_from_pixels(np.array(coarse.resize((500, 375))))
    assert len(thumbnail(image)) < 6000


def test_a_deep_film_is_shown_by_its_own_white() -> None:
    image = image_from_pixels(np.full((200, 200), 4095, np.uint16))
    assert np.asarray(decoded(thumbnail(image))).min() >= 254


def test_the_longer_side_is_as_asked() -> None:
    image = image_from_pixels(np.zeros((300, 200), np.uint8))
    assert decoded(thumbnail(image, max_side_px=30)).size == (20, 30)
