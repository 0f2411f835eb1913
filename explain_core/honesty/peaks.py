"""Where a map is highest."""

from __future__ import annotations

import numpy as np

from explain_core.types import SaliencyMap

HOT = 0.5
"""From this share of a map's largest value on, a local maximum is a hot spot."""


def peak_on_original(smap: SaliencyMap) -> tuple[float, float]:
    """Return (row, column) of a map's highest value, the first of equal ones, on the original.

    In pixels of the original from its upper left corner, kept inside it: the middle of a pixel of
    the model's input may lie on a border that was added.
    """
    row, column = np.unravel_index(int(np.argmax(smap.values)), smap.values.shape)
    return _on_original(smap, (int(row), int(column)))


def hot_spots(smap: SaliencyMap) -> tuple[tuple[float, float], ...]:
    """Return (row, column) on the original of a map's local maxima, the highest first.

    Of those that reach `HOT` of the map's largest value and are the largest among their eight
    neighbours; of a flat rectangle, one. None without positive evidence.
    """
    values = smap.values
    high = float(values.max())
    if high <= 0:
        return ()
    padded = np.pad(values, 1, constant_values=-np.inf)
    height, width = values.shape
    around = [
        padded[row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
        if (row, column) != (1, 1)
    ]
    is_top = values >= HOT * high
    for place, neighbour in enumerate(around):
        # Strictly above what comes before it in reading order: a flat top counts once.
        is_top &= values > neighbour if place < 4 else values >= neighbour
    rows, columns = np.nonzero(is_top)
    order = np.argsort(-values[rows, columns], kind="stable")
    return tuple(_on_original(smap, (int(rows[each]), int(columns[each]))) for each in order)


def _on_original(smap: SaliencyMap, place: tuple[int, int]) -> tuple[float, float]:
    geometry = smap.geometry
    row, column = (
        float(
            np.clip(
                (place[axis] + 0.5 + geometry.offset_px[axis]) / geometry.scale[axis],
                0,
                geometry.original_size[axis],
            )
        )
        for axis in (0, 1)
    )
    return row, column
