"""The outlines of a perched bird, in its own frame, and the curves that they are made of.

The frame is that of the body: x towards the head, y downwards, about 1 from the bill's base to the
tail's root. An outline is made of runs; a smooth curve goes through the points of each, and where
two runs meet there is a corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from explain_core.types import Array, read_only

Point = tuple[float, float]
Run = tuple[Point, ...]

_POINTS_PER_SPAN = 6
_CAP_ANGLES = np.linspace(0, math.pi, 7)[1:-1]

HEAD_CENTRE: Point = (0.47, -0.24)
NECK_PIVOT: Point = (0.36, -0.14)
TAIL_ROOT: Point = (-0.52, 0.02)
EYE: Point = (0.545, -0.292)

BODY: tuple[Run, ...] = (
    (
        (0.655, -0.30),
        (0.605, -0.395),
        (0.49, -0.448),
        (0.365, -0.42),
        (0.27, -0.335),
        (0.13, -0.265),
        (-0.10, -0.215),
        (-0.36, -0.125),
        (-0.56, -0.035),
        (-0.58, 0.015),
        (-0.53, 0.065),
        (-0.36, 0.155),
        (-0.12, 0.265),
        (0.13, 0.305),
        (0.37, 0.225),
        (0.53, 0.055),
        (0.605, -0.11),
        (0.645, -0.22),
        (0.655, -0.30),
    ),
)
WING: tuple[Run, ...] = (
    ((0.33, -0.075), (0.20, -0.165), (-0.05, -0.165), (-0.34, -0.085), (-0.72, 0.045)),
    ((-0.72, 0.045), (-0.42, 0.085), (-0.16, 0.135), (0.10, 0.145), (0.28, 0.075), (0.33, -0.075)),
)
FLIGHT_FEATHERS: tuple[Run, ...] = (
    ((-0.06, -0.20), (-0.02, -0.05), (0.02, 0.05), (0.16, 0.20)),
    ((0.16, 0.20), (-0.8, 0.20), (-0.8, -0.2), (-0.06, -0.20)),
)
# Pale edges of the folded feathers.
FEATHER_EDGES: tuple[Run, ...] = (
    ((0.00, -0.11), (-0.30, -0.045), (-0.66, 0.040)),
    ((0.02, -0.035), (-0.26, 0.000), (-0.58, 0.045)),
    ((0.05, 0.035), (-0.20, 0.050), (-0.46, 0.066)),
    ((0.09, 0.092), (-0.12, 0.098), (-0.32, 0.094)),
)
FRONT_BAR: Run = ((0.135, -0.18), (0.165, -0.09), (0.195, 0.0), (0.265, 0.12))
BACK_BAR: Run = ((-0.055, -0.19), (-0.02, -0.09), (0.015, 0.02), (0.085, 0.17))
BREAST: tuple[Run, ...] = (
    ((0.70, -0.17), (0.55, -0.125), (0.43, -0.06), (0.34, 0.02), (0.20, 0.13), (0.06, 0.24)),
    ((0.06, 0.24), (0.02, 0.40), (0.40, 0.42), (0.70, 0.15), (0.70, -0.17)),
)
STREAKS: tuple[Run, ...] = (
    ((0.575, -0.07), (0.545, -0.01)),
    ((0.505, -0.06), (0.465, 0.01)),
    ((0.545, 0.05), (0.495, 0.115)),
    ((0.445, 0.06), (0.395, 0.125)),
    ((0.365, 0.065), (0.315, 0.125)),
    ((0.465, 0.155), (0.41, 0.21)),
    ((0.375, 0.165), (0.31, 0.225)),
    ((0.275, 0.145), (0.215, 0.20)),
    ((0.275, 0.235), (0.205, 0.28)),
    ((0.175, 0.22), (0.115, 0.265)),
)
CAP: tuple[Run, ...] = (
    ((0.70, -0.325), (0.62, -0.345), (0.53, -0.352), (0.44, -0.335), (0.34, -0.29), (0.23, -0.275)),
    ((0.23, -0.275), (0.20, -0.50), (0.50, -0.60), (0.70, -0.45), (0.70, -0.325)),
)
CREST: tuple[Run, ...] = (
    ((0.61, -0.39), (0.50, -0.465), (0.37, -0.52), (0.19, -0.585)),
    ((0.19, -0.585), (0.285, -0.505)),
    ((0.285, -0.505), (0.13, -0.505)),
    ((0.13, -0.505), (0.25, -0.435)),
    ((0.25, -0.435), (0.12, -0.425)),
    ((0.12, -0.425), (0.28, -0.345), (0.50, -0.36), (0.61, -0.39)),
)
CROWN_STRIPES: tuple[Run, ...] = (
    ((0.66, -0.335), (0.54, -0.375), (0.42, -0.365), (0.26, -0.295)),
    ((0.62, -0.40), (0.52, -0.443), (0.40, -0.432), (0.28, -0.345)),
)
EYE_LINE: Run = ((0.645, -0.285), (0.545, -0.285), (0.44, -0.255))

# Along its length and across.
LEAF: tuple[Run, ...] = (
    ((0.0, 0.0), (0.45, -0.5), (1.0, 0.0)),
    ((1.0, 0.0), (0.45, 0.5), (0.0, 0.0)),
)

BILLS: Mapping[str, tuple[Run, ...]] = MappingProxyType(
    {
        "slender": (
            ((0.625, -0.335), (0.72, -0.305), (0.835, -0.258)),
            ((0.835, -0.258), (0.73, -0.240), (0.632, -0.222)),
        ),
        "stout": (
            ((0.620, -0.375), (0.745, -0.365), (0.860, -0.250)),
            ((0.860, -0.250), (0.765, -0.180), (0.632, -0.165)),
        ),
        "hooked": (
            ((0.610, -0.360), (0.755, -0.362), (0.880, -0.300), (0.895, -0.185)),
            ((0.895, -0.185), (0.835, -0.238), (0.740, -0.215), (0.628, -0.195)),
        ),
        "curved": (
            ((0.625, -0.335), (0.790, -0.310), (0.960, -0.225), (1.045, -0.095)),
            ((1.045, -0.095), (0.925, -0.185), (0.780, -0.245), (0.632, -0.222)),
        ),
    }
)
GAPES: Mapping[str, Run] = MappingProxyType(
    {
        "slender": ((0.63, -0.272), (0.72, -0.268), (0.80, -0.258)),
        "stout": ((0.64, -0.262), (0.72, -0.262), (0.82, -0.252)),
        "hooked": ((0.62, -0.265), (0.74, -0.272), (0.83, -0.262)),
        "curved": ((0.63, -0.275), (0.78, -0.275), (0.95, -0.196)),
    }
)
# The tail points away from its root; its places are lengths along it and across.
TAILS: Mapping[str, tuple[Run, ...]] = MappingProxyType(
    {
        "plain": (
            ((-0.06, -0.075), (0.22, -0.082), (0.44, -0.105)),
            ((0.44, -0.105), (0.455, 0.0), (0.44, 0.105)),
            ((0.44, 0.105), (0.22, 0.082), (-0.06, 0.075)),
        ),
        "forked": (
            ((-0.06, -0.075), (0.24, -0.09), (0.56, -0.185)),
            ((0.56, -0.185), (0.40, -0.075), (0.27, 0.0)),
            ((0.27, 0.0), (0.40, 0.075), (0.56, 0.185)),
            ((0.56, 0.185), (0.24, 0.09), (-0.06, 0.075)),
        ),
        "white-edged": (
            ((-0.06, -0.075), (0.22, -0.092), (0.43, -0.135)),
            ((0.43, -0.135), (0.47, 0.0), (0.43, 0.135)),
            ((0.43, 0.135), (0.22, 0.092), (-0.06, 0.075)),
        ),
        "long": (
            ((-0.06, -0.070), (0.30, -0.066), (0.54, -0.060)),
            ((0.54, -0.060), (0.63, 0.0), (0.54, 0.060)),
            ((0.54, 0.060), (0.30, 0.066), (-0.06, 0.070)),
        ),
    }
)
TAIL_LINES: Mapping[str, tuple[Run, ...]] = MappingProxyType(
    {
        "plain": (((0.0, -0.02), (0.42, -0.035)), ((0.0, 0.02), (0.42, 0.035))),
        "forked": (((0.0, -0.03), (0.28, -0.05), (0.46, -0.12)),),
        "white-edged": (((0.0, 0.0), (0.24, 0.0), (0.455, 0.0)),),
        "long": (((0.0, 0.0), (0.30, 0.0), (0.59, 0.0)),),
    }
)


def curve(run: Sequence[Point] | Array) -> Array:
    """Return (n, 2): a Catmull-Rom curve through the points of `run` (m, 2)."""
    points = np.asarray(run, dtype=np.float64)
    around = np.concatenate([points[:1], points, points[-1:]])
    tangents = (around[2:] - around[:-2]) / 2
    t = (np.arange(_POINTS_PER_SPAN) / _POINTS_PER_SPAN)[None, :, None]
    spans = (
        (2 * t**3 - 3 * t**2 + 1) * points[:-1, None]
        + (t**3 - 2 * t**2 + t) * tangents[:-1, None]
        + (3 * t**2 - 2 * t**3) * points[1:, None]
        + (t**3 - t**2) * tangents[1:, None]
    )
    return np.concatenate([spans.reshape(-1, 2), points[-1:]])


@lru_cache(maxsize=256)
def outline(runs: tuple[Run, ...]) -> Array:
    """Return (n, 2), read-only: the polygon around which `runs` go, each a smooth curve."""
    return read_only(np.concatenate([curve(run) for run in runs]))


def ribbon(path: Array, widths: Sequence[float]) -> Array:
    """Return (n, 2): the polygon of a band with round ends along `path` (m, 2).

    Args:
        widths: of the band at its start, at its end and, evenly spread, between.
    """
    along = np.gradient(path, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    across = np.column_stack([-along[:, 1], along[:, 0]])
    places = np.linspace(0, len(widths) - 1, len(path))
    half = np.interp(places, np.arange(len(widths)), widths)[:, None] / 2

    def cap(index: int, sign: float) -> Array:
        cos, sin = np.cos(_CAP_ANGLES)[:, None], np.sin(_CAP_ANGLES)[:, None]
        turned = sign * (cos * across[index] + sin * along[index])
        return np.asarray(path[index] + half[index] * turned)

    return np.concatenate(
        [path + half * across, cap(-1, 1.0), (path - half * across)[::-1], cap(0, -1.0)]
    )


def turned(points: Array, angle: float, pivot: Point) -> Array:
    """Return `points` (n, 2), turned about `pivot`; with y downwards, above 0 is clockwise."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.asarray((points - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot)
