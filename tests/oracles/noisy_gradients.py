"""Gradients at noisy copies, one copy after the other, all of them stored; then the statistics."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def input_gradient(network: nn.Module, x: Tensor, target: int) -> Array:
    """Return (C, H, W): the gradient of the target's logit at one input, in float64."""
    network = copy.deepcopy(network).double().eval()
    leaf = x.detach().double().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf)[0, target], leaf)
    return gradient[0].numpy()


def all_gradients(
    network: nn.Module, x: Tensor, target: int, num_samples: int, spread: float, seed: int
) -> Array:
    """Return (n, C, H, W): at `x + N(0, sigma^2)`, `sigma = spread (max x - min x)`.

    The noise is float32, one picture after the other from a generator with this seed.
    """
    rng = torch.Generator().manual_seed(seed)
    sigma = spread * float(x.max() - x.min())
    gradients = []
    for _ in range(num_samples):
        noise = torch.randn(x.shape[1:], generator=rng, dtype=torch.float32)
        gradients.append(input_gradient(network, x + sigma * noise.double(), target))
    return np.stack(gradients)


def vanilla_gradient(network: nn.Module, x: Tensor, target: int) -> Array:
    return np.abs(input_gradient(network, x, target)).sum(axis=0)


def smooth_grad(gradients: Array) -> Array:
    return np.abs(np.mean(gradients, axis=0)).sum(axis=0)


def var_grad(gradients: Array) -> Array:
    return np.var(gradients, axis=0, ddof=1).sum(axis=0)


def absolute_grad(gradients: Array) -> Array:
    return np.mean(np.abs(gradients), axis=0).sum(axis=0)


def guided_absolute_grad(gradients: Array, p: float) -> Array:
    """Return `sum_channels M_AG * G`, the guide G channel by channel and pixel by pixel (eq. 4)."""
    mean_absolute = np.mean(np.abs(gradients), axis=0)
    variance = np.var(gradients, axis=0, ddof=1)
    total = np.zeros(variance.shape[1:])
    for channel, channel_variance in zip(mean_absolute, variance, strict=True):
        threshold = np.percentile(channel_variance, p)
        for row, column in np.ndindex(channel.shape):
            own = channel_variance[row, column]
            total[row, column] += channel[row, column] * (1.0 if own >= threshold else own)
    return total
