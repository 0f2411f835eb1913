"""Where a map is highest."""

from __future__ import annotations

import numpy as np

from explain_core.types import SaliencyMap


def peak_on_original(smap: SaliencyMap) -> tuple[float, float]:
    """Return (row, column) of a map's highest value, the first of equal ones, on the original.

    In pixels of the original from its upper left corner, kept inside it: the middle of a pixel of
    the model's input may lie on a border that was added.
    """
    place = np.unravel_index(int(np.argmax(smap.values)), smap.values.shape)
    geometry = smap.geometry
    row, column = (
        float(
            np.clip(
                (int(place[axis]) + 0.5 + geometry.offset_px[axis]) / geometry.scale[axis],
                0,
                geometry.original_size[axis],
            )
        )
        for axis in (0, 1)
    )
    return row, column
