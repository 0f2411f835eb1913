"""The vessels of the lungs: two trees that leave the hila and thin out towards the chest wall."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from explain_core.datasets.film_space import Grid
from explain_core.types import Array

HILUM = (0.075, -0.03)
"""(distance from the middle, height) where a lung's vessels begin."""

_MAX_CANVAS_PX = 1536
_HALF_FRAME = 0.5  # of the square on which the trees are drawn, in units
_BLUR = 0.0016  # of the square's side: vessels are round
_STRAY = 0.11  # radians by which a vessel turns at each step
_TRUNKS = 8  # of each lung, fanned out
_FIRST_ANGLE, _LAST_ANGLE = -1.35, 1.05  # radians above and below the horizontal


@dataclass(frozen=True)
class _Order:
    """Describe the vessels of one order: how many steps, of what length, how wide, what follows.

    Attributes:
        forks: the steps at which each gives off a branch.
        spread: (least, most) radians between a branch and its parent.
    """

    steps: int
    step: float
    width: float
    forks: tuple[int, ...]
    spread: tuple[float, float]


_ORDERS = (
    _Order(7, 0.033, 0.0105, (1, 2, 3, 4, 5, 6), (0.35, 0.8)),
    _Order(5, 0.022, 0.0056, (1, 2, 3, 4), (0.35, 0.9)),
    _Order(4, 0.014, 0.0030, (), (0.0, 0.0)),
)


def draw_vessels(rng: np.random.Generator, grid: Grid) -> Array:
    """Return (H, W) float32 in [0, 1]: how much the vessels add, at most 1 where they are wide."""
    side_px = min(2 * round(grid.unit_px), _MAX_CANVAS_PX)
    canvas = Pillow.new("L", (side_px, side_px))
    pen = ImageDraw.Draw(canvas)
    for outline, width in reversed(_grow(rng)):  # the wide ones over the thin ones
        share = min(1.0, width * side_px) * min(1.0, (width / 0.009) ** 0.6)
        pixels = (outline + _HALF_FRAME) * side_px
        pen.polygon(pixels.ravel().tolist(), round(255 * share))
    canvas = canvas.filter(ImageFilter.GaussianBlur(_BLUR * side_px))
    if side_px == 2 * round(grid.unit_px):
        canvas = canvas.reduce(2)
    drawn = np.asarray(canvas, np.float32) / np.float32(255)
    return _place(drawn, grid)


def _grow(rng: np.random.Generator) -> list[tuple[Array, float]]:
    """Return the outline (n, 2) of each vessel as points (x, y), and its width; by orders."""
    fan = np.linspace(_FIRST_ANGLE, _LAST_ANGLE, _TRUNKS)
    angles = np.concatenate([math.pi - fan, fan]) + rng.normal(0, 0.1, 2 * _TRUNKS)
    sides = np.repeat((-1.0, 1.0), _TRUNKS)
    starts = np.column_stack([sides * HILUM[0], np.full(2 * _TRUNKS, HILUM[1])])
    starts += rng.normal(0, 0.012, starts.shape)
    vessels: list[tuple[Array, float]] = []
    for order in _ORDERS:
        num = len(angles)
        turns = angles[:, None] + np.cumsum(rng.normal(0, _STRAY, (num, order.steps)), axis=1)
        lengths = order.step * rng.uniform(0.7, 1.2, (num, 1))
        moves = lengths[..., None] * np.stack([np.cos(turns), np.sin(turns)], axis=2)
        points = np.concatenate([starts[:, None], starts[:, None] + np.cumsum(moves, axis=1)], 1)
        widths = order.width * rng.uniform(0.7, 1.15, num)
        vessels += zip(_outlines(points, widths), widths.tolist(), strict=True)
        forks = list(order.forks)
        starts = points[:, forks].reshape(-1, 2)
        signs = np.where(np.arange(len(forks)) % 2, 1.0, -1.0) * rng.choice((-1, 1), (num, 1))
        spread = rng.uniform(*order.spread, (num, len(forks)))
        angles = (turns[:, forks] + signs * spread).reshape(-1)
    return vessels


def _outlines(points: Array, widths: Array) -> Array:
    """Return (num, 2 n, 2), the borders of vessels along `points` (num, steps + 1, 2), tapering."""
    for _ in range(2):  # cut the corners (Chaikin), keeping both ends
        first, second = points[:, :-1], points[:, 1:]
        cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=2)
        inner = cut.reshape(len(points), -1, 2)
        points = np.concatenate([points[:, :1], inner, points[:, -1:]], axis=1)
    along = np.gradient(points, axis=1)
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    aside = np.stack([-along[..., 1], along[..., 0]], axis=2)
    taper = np.linspace(0.55, 0.15, points.shape[1])  # of the width, to either side
    aside *= (widths[:, None] * taper)[..., None]
    return np.concatenate([points + aside, (points - aside)[:, ::-1]], axis=1)


def _place(drawn: Array, grid: Grid) -> Array:
    """Return the drawn square on the film, moved as the body is; 0 outside of it."""
    side_px = len(drawn)
    step_y = float(grid.y[1, 0] - grid.y[0, 0])
    step_x = float(grid.x[0, 1] - grid.x[0, 0])
    lean = float(grid.x[1, 0] - grid.x[0, 0])  # how far a row lies from the one above it
    first_x, first_y = float(grid.x[0, 0]), float(grid.y[0, 0])
    # Pillow asks for the place on the square of each pixel's corner (column, row)
    to_square = (
        step_x * side_px,
        lean * side_px,
        (first_x + _HALF_FRAME - step_x / 2 - lean / 2) * side_px,
        0.0,
        step_y * side_px,
        (first_y + _HALF_FRAME - step_y / 2) * side_px,
    )
    height, width = grid.size
    placed = Pillow.fromarray(drawn).transform(
        (width, height), Pillow.Transform.AFFINE, to_square, Pillow.Resampling.BILINEAR
    )
    return np.asarray(placed, np.float32)
