"""Deletion, insertion, relative drop and ROAD, one picture and one pixel after the other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from torch import nn

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]

WEIGHTS = {
    **dict.fromkeys([(0, 1), (0, -1), (1, 0), (-1, 0)], 1 / 6),
    **dict.fromkeys([(1, 1), (1, -1), (-1, 1), (-1, -1)], 1 / 12),
}


def predictor(network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> Predict:
    """Return what gives the probabilities (num_classes,) of displayed pixels (C, H, W)."""
    network = copy.deepcopy(network).double().eval()

    def predict(pixels: Array) -> Array:
        x = np.stack([(c - m) / s for c, m, s in zip(pixels, mean, std, strict=True)])
        with torch.no_grad():
            return network(torch.from_numpy(x)[None])[0].softmax(0).numpy()

    return predict


def causal_metric(
    predict: Predict, values: Array, target: int, start: Array, finish: Array, step: int
) -> tuple[Array, float]:
    """Return RISE's curve and area: `step` more pixels of `start` become those of `finish`.

    The form of the authors' `CausalMetric.single_run` and `auc`.
    """
    num_pixels = values.size
    num_steps = (num_pixels + step - 1) // step
    order = np.flip(np.argsort(values.reshape(-1)))
    scores = np.empty(num_steps + 1)
    picture = start.copy().reshape(len(start), -1)
    for index in range(num_steps + 1):
        scores[index] = predict(picture.reshape(start.shape))[target]
        coords = order[step * index : step * (index + 1)]
        picture[:, coords] = finish.reshape(len(finish), -1)[:, coords]
    area = (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)
    return scores, area


def blurred(pixels: Array, sigma_px: float) -> Array:
    for axis in (1, 2):
        pixels = gaussian_filter1d(pixels, sigma_px, axis=axis, mode="nearest", truncate=3.0)
    return pixels


def without_top(pixels: Array, values: Array, count: int) -> Array:
    """Return the picture with its `count` most salient pixels black."""
    changed = pixels.copy()
    for place in np.argsort(-values, axis=None)[:count]:
        changed[:, place // values.shape[1], place % values.shape[1]] = 0
    return changed


def imputed(pixels: Array, removed: NDArray[np.bool_]) -> Array:
    """Return (C, H, W) with removed pixels from a sparse direct solve, one equation at a time."""
    places = {place: i for i, place in enumerate(zip(*np.nonzero(removed), strict=True))}
    system, right = lil_matrix((len(places), len(places))), np.zeros((len(places), len(pixels)))
    for (row, column), i in places.items():
        for (down, across), weight in WEIGHTS.items():
            there = row + down, column + across
            if not (0 <= there[0] < removed.shape[0] and 0 <= there[1] < removed.shape[1]):
                continue
            system[i, i] += weight
            if there in places:
                system[i, places[there]] -= weight
            else:
                right[i] += weight * pixels[:, *there]
    changed = pixels.copy()
    changed[:, removed] = spsolve(system.tocsc(), right).reshape(right.shape).T
    return changed


def top(values: Array, count: int) -> NDArray[np.bool_]:
    """Return (H, W): the `count` largest values."""
    marked = np.zeros(values.size, bool)
    marked[np.argsort(-values, axis=None)[:count]] = True
    return marked.reshape(values.shape)
