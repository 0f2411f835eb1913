"""Drawn digits, laid out as the pictures that the digits network learnt from."""

from __future__ import annotations

import numpy as np
import PIL.Image

from explain_core.errors import ImageError
from explain_core.images.reading import image_from_pixels
from explain_core.types import Array, Image

SIDE_PX = 280
BOX_PX = 200

# Fainter than this is the soft edge of a stroke or dirt, not ink.
_FAINTEST_INK = 16


def centre_drawing(pixels: Array, like: Array | None = None) -> Image:
    """Lay a drawing out as MNIST does: size-normalised, its centre of mass in the middle.

    The strokes' bounding box is scaled to a box of `BOX_PX`, keeping its shape, and placed on a
    black square of `SIDE_PX`: ten times MNIST's 20 and 28 pixels. A drawing so lopsided that it
    would leave the square is moved back to its edge.

    Args:
        pixels: (H, W) uint8, light strokes on dark, of any place and size.
        like: (H, W) uint8, the same drawing before parts of it were erased: what is left stays
            where it was, at the size it had. None lays the drawing out by its own strokes.

    Returns:
        (280, 280) gray, light on dark.

    Raises:
        ImageError: there is no stroke to lay it out by, or an array is not such a drawing.
    """
    like = pixels if like is None else like
    for each in (pixels, like):
        if each.ndim != 2 or each.dtype != np.uint8 or each.shape != pixels.shape:
            raise ImageError(
                f"a drawing must be (H, W) uint8, light strokes on dark (got {each.shape} "
                f"{each.dtype}); pass one channel of the canvas"
            )
    ink = like >= _FAINTEST_INK
    if not ink.any():
        raise ImageError("the canvas is empty; draw a digit first, light on dark")
    rows = np.flatnonzero(ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    whole = _scaled(like[box])
    height, width = whole.shape
    top = _start(whole.sum(axis=1, dtype=np.float64))
    left = _start(whole.sum(axis=0, dtype=np.float64))
    canvas = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    canvas[top : top + height, left : left + width] = (
        whole if like is pixels else _scaled(pixels[box])
    )
    return image_from_pixels(canvas)


def _scaled(strokes: Array) -> Array:
    scale = BOX_PX / max(strokes.shape)
    height, width = (max(1, round(side * scale)) for side in strokes.shape)
    scaled: Array = np.asarray(
        PIL.Image.fromarray(np.ascontiguousarray(strokes)).resize(
            (width, height), PIL.Image.Resampling.BILINEAR
        )
    )
    return scaled


def _start(masses: Array) -> int:
    """Return where a box must begin for its centre of mass to lie in the middle of the square.

    Args:
        masses: (n,), of the box's rows or columns.
    """
    centre = float(masses @ np.arange(len(masses)) / masses.sum())
    return min(max(round((SIDE_PX - 1) / 2 - centre), 0), SIDE_PX - len(masses))
