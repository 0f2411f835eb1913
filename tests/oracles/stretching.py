"""Bilinear stretching, one pixel after the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def stretch(values: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    """Return (H, W): each pixel's centre is looked up between the four nearest centres."""
    height, width = values.shape
    stretched = np.empty(size)
    for row in range(size[0]):
        y = min(max((row + 0.5) * height / size[0] - 0.5, 0), height - 1)
        above, below = math.floor(y), min(math.floor(y) + 1, height - 1)
        for column in range(size[1]):
            x = min(max((column + 0.5) * width / size[1] - 0.5, 0), width - 1)
            left, right = math.floor(x), min(math.floor(x) + 1, width - 1)
            upper = (1 - (x - left)) * values[above, left] + (x - left) * values[above, right]
            lower = (1 - (x - left)) * values[below, left] + (x - left) * values[below, right]
            stretched[row, column] = (1 - (y - above)) * upper + (y - above) * lower
    return stretched
