"""What is burned into a film beside the body: the letter of the side, and markers in corners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from explain_core.datasets.film_findings import Lesion
from explain_core.datasets.film_space import Grid, Window
from explain_core.types import Array

_DEPTH = 1.3
_FINE = 4  # drawn so many times larger, then averaged
_MARKER = 0.05  # half of a marker's side, in units
_MARGIN = 0.012  # of a marker from the film's edges

Points = tuple[tuple[float, ...], ...]

# Strokes of each letter in a square from 0 to 1, column first.
_LETTERS: Mapping[str, tuple[Points, ...]] = MappingProxyType(
    {
        "L": (((0.25, 0.1), (0.25, 0.9), (0.78, 0.9)),),
        "R": (
            ((0.22, 0.9), (0.22, 0.1), (0.58, 0.1), (0.74, 0.2), (0.74, 0.4), (0.58, 0.5)),
            ((0.58, 0.5), (0.22, 0.5)),
            ((0.48, 0.5), (0.78, 0.9)),
        ),
    }
)

# Filled rectangles (left, top, right, bottom) for each finding that a marker may stand for: a
# chequer, bars that lie, bars that stand, a frame with a dot. Nothing in a chest is like them, and
# a small picture still keeps them apart.
_MARKERS: Mapping[str, Points] = MappingProxyType(
    {
        "opacity": tuple(
            (column / 3, row / 3, (column + 1) / 3, (row + 1) / 3)
            for row in range(3)
            for column in range(3)
            if (row + column) % 2 == 0
        ),
        "pneumothorax": tuple((0.0, top, 1.0, top + 0.2) for top in (0.0, 0.4, 0.8)),
        "nodule": tuple((left, 0.0, left + 0.2, 1.0) for left in (0.0, 0.4, 0.8)),
        "enlarged heart": (
            *((0.0, 0.0, 1.0, 0.18), (0.0, 0.82, 1.0, 1.0), (0.0, 0.0, 0.18, 1.0)),
            *((0.82, 0.0, 1.0, 1.0), (0.36, 0.36, 0.64, 0.64)),
        ),
    }
)

# (down, right) of each corner from the film's middle.
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


def letter(grid: Grid, name: str, x: float, y: float, half: float) -> Lesion:
    """Return the letter "L" or "R", its middle at (x, y) of the film, `half` its half-height."""
    window = _window(grid, x, y, half)

    def draw(pen: ImageDraw.ImageDraw, scale: Array) -> None:
        width = max(1, round(0.17 * float(scale[0])))
        for stroke in _LETTERS[name]:
            pen.line((np.array(stroke) * scale).ravel().tolist(), 255, width, "curve")

    return _drawn(window, draw)


def markers(grid: Grid, rng: np.random.Generator) -> dict[str, Lesion]:
    """Return a marker for every finding, each of its own pattern, each in its own corner.

    Which corner is a matter of chance: only the pattern tells.
    """
    half_height, half_width = (side / grid.unit_px / 2 for side in grid.size)
    placed = {}
    for finding, corner in zip(_MARKERS, rng.permutation(4).tolist(), strict=True):
        down, right = _CORNERS[corner]
        inwards = _MARGIN + _MARKER + rng.uniform(0, 0.012, 2)
        window = _window(
            grid, right * (half_width - inwards[0]), down * (half_height - inwards[1]), _MARKER
        )

        def draw(pen: ImageDraw.ImageDraw, scale: Array, name: str = finding) -> None:
            for edges in _MARKERS[name]:
                left, top, right, bottom = np.array(edges) * np.tile(scale, 2)
                pen.rectangle((left, top, right - 1, bottom - 1), 255)

        placed[finding] = _drawn(window, draw)
    return placed


def _window(grid: Grid, x: float, y: float, half: float) -> Window:
    rows = np.searchsorted(grid.film_y[:, 0], (y - half, y + half))
    columns = np.searchsorted(grid.film_x[0], (x - half, x + half))
    return slice(*rows.tolist()), slice(*columns.tolist())


def _drawn(window: Window, draw: Callable[[ImageDraw.ImageDraw, Array], None]) -> Lesion:
    height, width = (part.stop - part.start for part in window)
    canvas = Pillow.new("L", (_FINE * width, _FINE * height))
    draw(ImageDraw.Draw(canvas), np.array([_FINE * width, _FINE * height], np.float64))
    ink = np.asarray(canvas.reduce(_FINE), np.float32) / np.float32(255)
    return Lesion(window, np.float32(_DEPTH) * ink)
