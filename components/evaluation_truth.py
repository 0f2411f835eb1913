"""The evidence's outline, drawn into the picture that maps are laid over."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from explain_core import Image
from explain_core.images.display import to_display
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Truth
from explain_core.types import Array, Basis

_LEAST_SIDE_PX = 280
_LINE_SHARE = 0.008
_LINE = (255, 255, 255)
_CASING = (0, 0, 0)


def outlined(image: Image, truth: Truth) -> tuple[Image, int]:
    """Return the picture with the evidence outlined, and how many times larger it was made.

    The line is white in a black casing, to be seen on any ground; small pictures are enlarged so
    that it hides none of their pixels.

    Raises:
        InputError: no mask or box, or one that does not fit the picture.
    """
    factor = max(1, math.ceil(_LEAST_SIDE_PX / min(image.size)))
    shown = to_display(image).repeat(factor, axis=0).repeat(factor, axis=1)
    area = truth.area(image.size).repeat(factor, axis=0).repeat(factor, axis=1)
    width = max(1, round(_LINE_SHARE * min(shown.shape[:2])))
    line = grown(area, width) & ~area
    casing = grown(area, 2 * width) & ~area & ~line
    drawn = shown.copy()
    drawn[casing] = _CASING
    drawn[line] = _LINE
    return image_from_pixels(drawn), factor


def enlarged(basis: Basis, factor: int) -> Basis:
    """Return a basis that lies on a picture enlarged by a whole factor."""
    geometry = basis.geometry
    height, width = geometry.original_size
    rows, columns = geometry.scale
    return replace(
        basis,
        geometry=replace(
            geometry,
            original_size=(height * factor, width * factor),
            scale=(rows / factor, columns / factor),
        ),
    )


def grown(area: Array, radius: int) -> Array:
    """Return an area (H, W) bool with all within a square of (2 radius + 1)² of it."""
    grown_area = area
    for axis in (0, 1):
        padding = [(radius, radius) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(grown_area, padding)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        grown_area = windows.any(axis=-1)
    return grown_area
