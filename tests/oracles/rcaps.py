"""RCAP, one recovered picture after the other."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def rcap(
    network: nn.Module,
    pixels: NDArray[np.float64],
    values: NDArray[np.float64],
    target: int,
    mean: Sequence[float],
    std: Sequence[float],
    lower_bound: float = 50.0,
    interval: float = 10.0,
) -> float:
    """Return eq. 5 for a map with values >= 0.

    Args:
        pixels: (C, H, W) in [0, 1].
        values: (H, W).
    """
    network = copy.deepcopy(network).double().eval()
    values = (values - values.min()) / (values.max() - values.min())
    total, num_steps = 0.0, round((100 - lower_bound) / interval)
    for k in range(1, num_steps + 1):
        threshold = np.percentile(values, 100 - k * interval)
        recovered, kept_sum = np.zeros_like(pixels), 0.0
        for row, column in np.ndindex(values.shape):
            if values[row, column] >= threshold:
                recovered[:, row, column] = pixels[:, row, column]
                kept_sum += values[row, column]
        x = [(c - m) / s for c, m, s in zip(recovered, mean, std, strict=True)]
        with torch.no_grad():
            logits = network(torch.from_numpy(np.stack(x))[None])[0].numpy()
        probability = np.exp(logits[target]) / np.exp(logits).sum()
        total += kept_sum / values.sum() * probability
    return total / num_steps
