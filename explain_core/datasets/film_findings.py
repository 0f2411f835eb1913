"""What a disease changes on a film: depths of tissue that are added to a healthy chest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from explain_core.datasets.film_anatomy import Body, Lungs, heart
from explain_core.datasets.film_space import Grid, Window, cloud, rise
from explain_core.types import Array

_CELLS = 48  # of an opacity's texture


@dataclass(frozen=True, eq=False)
class Chest:
    """Hold a healthy chest on the grid.

    Attributes:
        vessels: (H, W), the depth of the lungs' vessels.
    """

    body: Body
    grid: Grid
    lungs: Lungs
    vessels: Array


@dataclass(frozen=True, eq=False)
class Lesion:
    """Hold one change.

    Attributes:
        window: rows and columns outside of which nothing changes.
        change: (h, w) float32, what is added there.
    """

    window: Window
    change: Array


def opacities(chest: Chest, rng: np.random.Generator) -> list[Lesion]:
    """Return one or two patchy consolidations with frayed borders."""
    lesions = []
    num = 1 + int(rng.random() < 0.35)
    sides = rng.permutation(2)[:num]
    for side in sides.tolist():
        x, y = _place(chest, rng, bool(side), (0.3, 0.8), (0.4, 0.75))
        radii = rng.uniform(0.06, 0.1), rng.uniform(0.065, 0.11)
        strength, turn = rng.uniform(0.42, 0.65), rng.uniform(0, np.pi)
        reach = 1.2 * max(radii)
        grid, texture = chest.grid, _Texture(rng)
        here = grid.window(y - reach, x - reach, y + reach, x + reach)
        right, down = grid.x[here] - np.float32(x), grid.y[here[0]] - np.float32(y)
        along = right * np.float32(np.cos(turn)) + down * np.float32(np.sin(turn))
        across = down * np.float32(np.cos(turn)) - right * np.float32(np.sin(turn))
        radius = np.sqrt(np.square(along / radii[0]) + np.square(across / radii[1]))
        mottle = texture.at(right / (2 * reach) + 0.5, down / (2 * reach) + 0.5)
        body = rise(1 - radius + np.float32(0.15) * np.clip(mottle, -1.3, 1.3), 0.6)
        body *= 1 + np.float32(0.1) * np.clip(mottle, -2, 2)
        # it fills the lung, and ends where the lung ends
        change = np.float32(strength) * body * rise(chest.lungs.depth[here], 0.3)
        lesions.append(Lesion(here, np.asarray(change, np.float32)))
    return lesions


class _Texture:
    """Keep a square of smooth noise that looks the same at any size of the film."""

    def __init__(self, rng: np.random.Generator) -> None:
        size = (_CELLS, _CELLS)
        self._values = cloud(rng, 4, size) * 0.85 + cloud(rng, 9, size) * 0.3

    def at(self, x: Array, y: Array) -> Array:
        """Return the texture at places in [0, 1], bilinear."""
        column = np.clip(x * (_CELLS - 1), 0, _CELLS - 1.001)
        row = np.broadcast_to(np.clip(y * (_CELLS - 1), 0, _CELLS - 1.001), column.shape)
        left, top = column.astype(np.intp), row.astype(np.intp)
        right_share, down_share = column - left, row - top
        upper = self._values[top, left] * (1 - right_share)
        upper += self._values[top, left + 1] * right_share
        lower = self._values[top + 1, left] * (1 - right_share)
        lower += self._values[top + 1, left + 1] * right_share
        return np.asarray(upper * (1 - down_share) + lower * down_share, np.float32)


def pneumothorax(chest: Chest, rng: np.random.Generator) -> list[Lesion]:
    """Return air between one lung and the chest wall: a fine line, and no vessels beyond it.

    The lung's top sinks and its outer border moves inwards, most at the top.
    """
    is_left = bool(rng.random() < 0.5)
    sunk, moved, end = rng.uniform(0.07, 0.13), rng.uniform(0.2, 0.34), rng.uniform(0.6, 0.95)
    grid, lungs = chest.grid, chest.lungs
    last = chest.body.top + (chest.body.base + 0.09 - chest.body.top) * end
    reach = 0.40 * chest.body.chest
    left, right = (0.0, reach) if is_left else (-reach, 0.0)
    here = grid.window(chest.body.top - 0.02, left, last, right)
    rows = here[0]
    share = np.clip(1 - lungs.along[rows] / np.float32(end), 0, 1)  # 1 at the top, 0 where it ends
    # the lung's own border, further up the lung: it sank
    inner = lungs.inner[rows]
    border = _border_further_up(lungs, rows, sunk * share)
    border = inner + (border - inner) * (1 - np.float32(moved) * np.sqrt(share))
    side_x = lungs.side_x[here]
    steepness = np.sqrt(1 + np.square(np.gradient(border[:, 0], grid.y[rows, 0])))[:, None]
    away = (side_x - border) / steepness.astype(np.float32)
    inside = rise(lungs.depth[here], 0.12)
    end_fade = rise(share, 0.12)
    air = rise(away, 0.006) * end_fade
    line = rise(1 - np.abs(away + np.float32(0.0035)) / np.float32(0.0045), 0.9)
    line *= inside * end_fade * (border > inner + 0.004)
    change = np.float32(0.2) * line - air * (
        chest.vessels[here] + np.float32(0.17) * lungs.depth[here]
    )
    return [Lesion(here, np.asarray(change, np.float32))]


def _border_further_up(lungs: Lungs, rows: slice, sunk: Array) -> Array:
    """Return (h, 1), the outer border that lay higher by `sunk`, in parts of the lung's height."""
    along, wall = lungs.along[:, 0], lungs.wall[:, 0]
    inner = lungs.inner[rows]
    wanted = lungs.along[rows] - sunk
    border = np.interp(wanted[:, 0], along, wall).astype(np.float32)[:, None]
    return np.where(wanted > 0, border, inner)


def nodules(chest: Chest, rng: np.random.Generator) -> list[Lesion]:
    """Return one to three round, well-bounded nodules, apart from each other."""
    num = int(rng.choice((1, 2, 3), p=(0.5, 0.3, 0.2)))
    places: list[tuple[float, float]] = []
    lesions = []
    while len(places) < num:
        x, y = _place(chest, rng, bool(rng.random() < 0.5), (0.14, 0.85), (0.35, 0.78))
        radius, strength = rng.uniform(0.024, 0.038), rng.uniform(0.52, 0.75)
        if any(np.hypot(x - other[0], y - other[1]) < 0.09 for other in places):
            continue
        places.append((x, y))
        grid = chest.grid
        here = grid.window(y - radius, x - radius, y + radius, x + radius)
        right, down = grid.x[here] - np.float32(x), grid.y[here[0]] - np.float32(y)
        rest = 1 - (np.square(right) + np.square(down)) / np.float32(radius**2)
        change = np.float32(strength) * np.maximum(rest, 0) ** np.float32(0.65) * rise(rest, 0.25)
        lesions.append(Lesion(here, change))
    return lesions


def enlarged_heart(chest: Chest, rng: np.random.Generator) -> list[Lesion]:
    """Return what an enlarged heart covers beyond a healthy one; a matter of the body, not `rng`.

    The change is nowhere negative: the enlarged heart covers the healthy one.
    """
    body, grid, lungs = chest.body, chest.grid, chest.lungs
    change = heart(body, grid, lungs, body.growth) - heart(body, grid, lungs)
    changed = np.nonzero(change > 0)
    here = tuple(slice(int(places.min()), int(places.max()) + 1) for places in changed)
    return [Lesion((here[0], here[1]), np.maximum(change[here], 0))]


def _place(
    chest: Chest,
    rng: np.random.Generator,
    is_left: bool,
    along: tuple[float, float],
    across: tuple[float, float],
) -> tuple[float, float]:
    """Return (x, y) in a lung, in parts of its height and width; beside the heart on the left."""
    height, width = rng.uniform(*along), rng.uniform(*across)
    if is_left and height > 0.45:
        width = max(width, 0.72)
    body, lungs = chest.body, chest.lungs
    y = body.top + height * (body.base + 0.09 - body.top)
    heights = chest.grid.y[:, 0]
    inner, wall = (float(np.interp(y, heights, each[:, 0])) for each in (lungs.inner, lungs.wall))
    x = inner + width * (wall - inner)
    return (x if is_left else -x), y


Draw = Callable[[Chest, np.random.Generator], list[Lesion]]

FINDINGS: Mapping[str, Draw] = MappingProxyType(
    {
        "opacity": opacities,
        "pneumothorax": pneumothorax,
        "nodule": nodules,
        "enlarged heart": enlarged_heart,
    }
)
