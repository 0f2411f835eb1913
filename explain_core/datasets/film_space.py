"""The plane in which a film is drawn, and the smooth functions that it is drawn with.

A film's shorter side is one unit long and its centre is the origin; `x` grows to the right of the
film, which is the patient's left, and `y` downwards. All heights of a body lie in rows, so that
whatever depends on the height alone is computed once per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from explain_core.errors import InputError
from explain_core.types import Array

MIN_SIDE_PX = 64
MAX_SIDE_PX = 4000

Window = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Grid:
    """Hold where the pixels of a film lie.

    Attributes:
        x: (H, W) float32, from the middle of the body, which may lean.
        y: (H, 1) float32, from the middle of the body.
        film_x: (1, W) float32, from the middle of the film.
        film_y: (H, 1) float32.
        unit_px: pixels per unit.
    """

    x: Array
    y: Array
    film_x: Array
    film_y: Array
    unit_px: float

    @property
    def size(self) -> tuple[int, int]:
        """Return (H, W)."""
        return self.x.shape[0], self.x.shape[1]

    def window(self, top: float, left: float, bottom: float, right: float) -> Window:
        """Return the rows and columns that hold a rectangle of the body; at least one of each."""
        rows = np.searchsorted(self.y[:, 0], (top, bottom)).tolist()
        first, last = self.x[rows[0] - (rows[0] == len(self.y))], self.x[max(rows[1] - 1, 0)]
        columns = (
            int(min(np.searchsorted(first, left), np.searchsorted(last, left))),
            int(max(np.searchsorted(first, right), np.searchsorted(last, right))),
        )
        return _non_empty(rows, self.size[0]), _non_empty(columns, self.size[1])


def _non_empty(edges: Sequence[int], length: int) -> slice:
    start = min(edges[0], length - 1)
    return slice(start, max(edges[1], start + 1))


def lay_grid(size: tuple[int, int], shift: tuple[float, float], scale: float, lean: float) -> Grid:
    """Return the grid of a film.

    Args:
        size: (H, W) in pixels.
        shift: (down, right) of the body's middle, in units.
        scale: of the body, 1 as usual.
        lean: how far the body moves to the right for each unit downwards.

    Raises:
        InputError: a side under 64 or above 4000 pixels.
    """
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size):
        raise InputError(
            f"a film's sides must lie between {MIN_SIDE_PX} and {MAX_SIDE_PX} pixels (got "
            f"{size[0]} x {size[1]}); choose another size"
        )
    unit_px = float(min(size))
    film_y, film_x = (
        (np.arange(side, dtype=np.float32) + 0.5 - side / 2) / np.float32(unit_px) for side in size
    )
    y = (film_y - np.float32(shift[0])) / np.float32(scale)
    x = (film_x - np.float32(shift[1])) / np.float32(scale)
    return Grid(
        x=x[None] - np.float32(lean) * y[:, None],
        y=y[:, None],
        film_x=film_x[None],
        film_y=film_y[:, None],
        unit_px=unit_px,
    )


def rise(values: Array, width: float = 1.0) -> Array:
    """Return 0 up to 0, 1 from `width` on, and a smooth step (3t² - 2t³) between."""
    t = np.clip(values * np.float32(1 / width), 0, 1)
    return t * t * (3 - 2 * t)


def bulge(values: Array, width: float = 1.0) -> Array:
    """Return 0 up to 0, 1 from `width` on, steep at first as the depth of a rounded body."""
    t = np.clip(values * np.float32(1 / width), 0, 1)
    return t * (2 - t)


def curve(points: Sequence[tuple[float, float]], at: Array) -> Array:
    """Return a smooth curve through `points` (position, value), constant beyond its ends.

    Cubic Hermite pieces whose slope at each point is that between its neighbours.
    """
    where, values = np.array(points, np.float64).T
    slopes = np.gradient(values, where)
    slopes[[0, -1]] = 0
    inside = np.clip(at, where[0], where[-1])
    piece = np.clip(np.searchsorted(where, inside, "right") - 1, 0, len(where) - 2)
    length = where[piece + 1] - where[piece]
    t = (inside - where[piece]) / length
    found = (
        (1 + 2 * t) * (1 - t) ** 2 * values[piece]
        + t * t * (3 - 2 * t) * values[piece + 1]
        + length * t * (1 - t) * ((1 - t) * slopes[piece] - t * slopes[piece + 1])
    )
    return np.asarray(found, np.float32)


def cloud(rng: np.random.Generator, cells: int, size: tuple[int, int]) -> Array:
    """Return (H, W) float32, smooth noise of deviation about 1: `cells` along the shorter side.

    The same draw at any size of the same shape.
    """
    short = min(size)
    shape = [max(2, round(cells * side / short)) for side in size]
    coarse = Pillow.fromarray(rng.standard_normal(shape).astype(np.float32))
    smooth = np.asarray(coarse.resize((size[1], size[0]), Pillow.Resampling.BICUBIC))
    return np.asarray(smooth, np.float32) * np.float32(1.4)
