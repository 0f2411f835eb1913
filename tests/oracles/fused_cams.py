"""Layer-CAM over several stages in slow form: a graph per stage, one pixel after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.oracles import cams
from tests.oracles.stretching import stretch


def fused_layer_cam(
    network: nn.Module, x: Tensor, layers: Sequence[str], target: int
) -> NDArray[np.float64]:
    """Return (h, w) of the finest layer: `max_s` of `tanh(2 M_s / max M_s)`, the last one linear.

    Args:
        layers: that stand for the stages, the last the one that is explained.
    """
    return fused([cams.layer_cam(network, x, layer, target) for layer in layers])


def fused(maps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    scaled = []
    for place, values in enumerate(maps):
        height, width = values.shape
        peak = max(0.0, max(values[i, j] for i in range(height) for j in range(width)))
        out = np.zeros((height, width))
        for i in range(height):
            for j in range(width):
                share = max(values[i, j], 0.0) / peak if peak > 0 else 0.0
                out[i, j] = share if place == len(maps) - 1 else math.tanh(2 * share)
        scaled.append(out)
    finest = max(scaled, key=lambda each: each.size).shape
    stretched = [stretch(each, finest) for each in scaled]
    result = np.zeros(finest)
    for i in range(finest[0]):
        for j in range(finest[1]):
            result[i, j] = max(each[i, j] for each in stretched)
    return result
