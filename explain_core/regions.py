"""Regions that a reader draws on a picture, and how much of each input pixel lies inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, Geometry

NUM_SUBPOINTS = 4

_LEAST_POINTS = {"box": 2, "ellipse": 2, "polygon": 3}


@dataclass(frozen=True)
class Region:
    """Bound a part of the original picture.

    Attributes:
        kind: "box", "ellipse" or "polygon".
        points: (row, column) in pixels of the original, from its upper left corner. Box and
            ellipse: two opposite corners of the bounding box, in either order; polygon: three
            vertices or more, closed by itself; where it crosses itself, the even-odd rule holds.

    Raises:
        InputError: another kind, too few points, points that are not finite, or a region without
            an area.
    """

    kind: Literal["box", "ellipse", "polygon"]
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        least = _LEAST_POINTS.get(self.kind)
        if least is None:
            raise InputError(
                f"a region is a 'box', an 'ellipse' or a 'polygon', not {self.kind!r}; choose one"
            )
        num_points = len(self.points)
        if num_points < least or (self.kind != "polygon" and num_points > least):
            bound = "3 points or more" if self.kind == "polygon" else "2 opposite corners"
            raise InputError(f"a {self.kind} needs {bound} (got {num_points}); draw it again")
        if not all(math.isfinite(part) for point in self.points for part in point):
            raise InputError(f"the points of a {self.kind} must be finite; draw it again")
        top, left, bottom, right = self.bounds
        if top >= bottom or left >= right:
            raise InputError(f"a {self.kind} must enclose an area; draw it larger")

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return (top, left, bottom, right) of the region, in pixels of the original."""
        rows, columns = zip(*self.points, strict=True)
        return min(rows), min(columns), max(rows), max(columns)

    def contains(self, rows: Array, columns: Array) -> Array:
        """Return which points lie inside, bool, of the shape to which both arguments broadcast.

        A box holds its upper and left edge but not the others. A point (y, x) lies in an ellipse
        where `((y - y0) / b)^2 + ((x - x0) / a)^2 <= 1`. It lies in a polygon where an odd number
        of edges from (y1, x1) to (y2, x2) has `(y1 > y) != (y2 > y)` and
        `x < (y - y1) / (y2 - y1) * (x2 - x1) + x1`.

        Args:
            rows: in pixels of the original.
            columns: likewise.
        """
        rows, columns = np.asarray(rows, np.float64), np.asarray(columns, np.float64)
        if self.kind == "polygon":
            return _in_polygon(self.points, rows, columns)
        top, left, bottom, right = self.bounds
        inside: Array
        if self.kind == "box":
            inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        else:
            across_rows = (rows - (top + bottom) / 2) / ((bottom - top) / 2)
            across_columns = (columns - (left + right) / 2) / ((right - left) / 2)
            inside = across_rows**2 + across_columns**2 <= 1
        return inside

    def coverage(self, geometry: Geometry) -> Array:
        """Return the share of each pixel of the model's input that lies inside.

        By 4 x 4 evenly spaced points in each pixel: pixel i is asked at `i + (k + 0.5) / 4`, which
        lies at `(i + (k + 0.5) / 4 + offset_px) / scale` of the original.

        Returns:
            (H, W) float64, multiples of 1/16 from 0 to 1.
        """
        axes = []
        for length, scale, offset_px in zip(
            geometry.input_size, geometry.scale, geometry.offset_px, strict=True
        ):
            places = (np.arange(length * NUM_SUBPOINTS) + 0.5) / NUM_SUBPOINTS
            axes.append((places + offset_px) / scale)
        inside = self.contains(axes[0][:, None], axes[1][None])
        height, width = geometry.input_size
        blocks = inside.reshape(height, NUM_SUBPOINTS, width, NUM_SUBPOINTS)
        share: Array = blocks.mean(axis=(1, 3))
        return share


def _in_polygon(points: tuple[tuple[float, float], ...], rows: Array, columns: Array) -> Array:
    whole = np.broadcast_shapes(rows.shape, columns.shape)
    shape = whole or (1,)
    inside = np.zeros(shape, bool)
    rows = rows.reshape((1,) * (len(shape) - rows.ndim) + rows.shape)
    rows = np.broadcast_to(rows, (shape[0], *rows.shape[1:]))
    columns = np.broadcast_to(columns, shape)
    other_axes = tuple(range(1, len(shape)))
    for (y1, x1), (y2, x2) in pairwise((*points, points[0])):
        crosses = (y1 > rows) != (y2 > rows)
        # Most edges of a drawn outline cross few lines: only those are worked through.
        hit = np.flatnonzero(crosses.any(axis=other_axes))
        if hit.size:
            edge = (rows[hit] - y1) / (y2 - y1) * (x2 - x1) + x1
            inside[hit] ^= crosses[hit] & (columns[hit] < edge)
    return inside.reshape(whole)
