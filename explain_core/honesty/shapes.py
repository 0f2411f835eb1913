"""Flat morphology and connected components in NumPy, for what the core needs of them.

SciPy and scikit-image would do; neither is asked of those who install the dashboard.
"""

from __future__ import annotations

import numpy as np

from explain_core.types import Array


def top_hat(values: Array, side_px: int) -> Array:
    """Return `values` less their opening by a square: what is bright and narrower than it.

    Args:
        values: (H, W).
        side_px: of the square, >= 1; even ones count as the next odd one.
    """
    reach = side_px // 2
    eroded = _extreme(values, reach, np.minimum)
    opened: Array = values - _extreme(eroded, reach, np.maximum)
    return opened


def slope(values: Array) -> Array:
    """Return how steep (H, W) is in each pixel, per pixel: the length of Sobel's gradient."""
    padded = np.pad(values, 1, mode="edge")
    down = padded[2:] - padded[:-2]
    right = padded[:, 2:] - padded[:, :-2]
    down = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 8
    right = (right[:-2] + 2 * right[1:-1] + right[2:]) / 8
    found: Array = np.hypot(down, right)
    return found


def rim(mask: Array) -> Array:
    """Return the pixels of a mask (H, W) that have a side in common with its outside."""
    padded = np.pad(mask, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    found: Array = mask & ~core
    return found


def components(mask: Array) -> tuple[Array, int]:
    """Label what hangs together by sides or corners.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) int64, 0 outside and 1 to n inside, and n.
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    if not len(rows):
        return np.zeros(mask.shape, np.int64), 0
    above, below = _touching(rows, starts, stops, width)
    names = _joined(len(rows), above, below)
    _, numbers = np.unique(names, return_inverse=True)
    labels = np.zeros(height * width + 1, np.int64)
    # each run adds its number where it starts and takes it back where it stops
    np.add.at(labels, rows * width + starts, numbers + 1)
    np.add.at(labels, rows * width + stops, -(numbers + 1))
    return np.cumsum(labels)[:-1].reshape(mask.shape), int(numbers.max()) + 1


def _touching(rows: Array, starts: Array, stops: Array, width: int) -> tuple[Array, Array]:
    """Return the pairs of runs in neighbouring rows that touch, by sides or corners."""
    stride = width + 2  # so that no run reaches into the next row
    first = np.searchsorted(rows * stride + stops, (rows - 1) * stride + starts, side="left")
    last = np.searchsorted(rows * stride + starts, (rows - 1) * stride + stops, side="right")
    counts = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + offsets, below


def _joined(count: int, one: Array, other: Array) -> Array:
    """Return (count,): the least member of each one's group, groups joined by pairs."""
    least = np.arange(count)
    while True:
        joined = least.copy()
        low = np.minimum(least[one], least[other])
        np.minimum.at(joined, least[one], low)
        np.minimum.at(joined, least[other], low)
        while not np.array_equal(joined, joined[joined]):
            joined = joined[joined]
        if np.array_equal(joined, least):
            return least
        least = joined


def _extreme(values: Array, reach: int, pick: np.ufunc) -> Array:
    """Return the least or largest value of each square, its edges cut off at the picture's."""
    for _ in range(2):
        length = values.shape[0]
        padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
        width = 1
        while width < 2 * reach + 1:  # each pass doubles how far the rows see
            step = min(width, 2 * reach + 1 - width)
            padded = pick(padded[: len(padded) - step], padded[step:])
            width += step
        values = padded[:length].T
    return values
