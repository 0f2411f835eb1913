"""Path methods in float64, one point after the other, all gradients stored; then the statistics."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.oracles.nets import MEANS, STDS
from tests.oracles.noisy_gradients import input_gradient

Array = NDArray[np.float64]


class Sampled:
    """Hold every gradient, and the step that belongs to it."""

    def __init__(self, gradients: list[Array], steps: list[Array]) -> None:
        self.gradients, self.steps = np.stack(gradients), np.stack(steps)

    def shown(self, processing: str = "plain", p: float = 85.0) -> Array:
        """Return (H, W): Table 3's variants of `sum_i g_i dx_i`, literally."""
        part = part_of(self.gradients, processing)
        aggregate = np.abs((part * self.steps).sum(axis=0))
        return guided(aggregate, self.gradients, processing, p)


def part_of(gradients: Array, processing: str) -> Array:
    """Return the part of each gradient that is aggregated."""
    if processing == "+":
        return np.where(gradients > 0, gradients, 0)
    if processing == "-":
        return np.where(gradients < 0, gradients, 0)
    return np.abs(gradients) if processing in ("A", "GA") else gradients


def guided(aggregate: Array, gradients: Array, processing: str, p: float) -> Array:
    """Return (H, W): the channel sum, weighted by eq. 4 where `processing` says so."""
    total = np.zeros(aggregate.shape[1:])
    variance = gradients.var(axis=0, ddof=1) if "G" in processing else np.ones_like(aggregate)
    for channel, channel_variance in zip(aggregate, variance, strict=True):
        threshold = np.percentile(channel_variance, p)
        for place in np.ndindex(channel.shape):
            own = channel_variance[place]
            total[place] += channel[place] * (1.0 if own >= threshold else own)
    return total


def colour(shape: tuple[int, ...], pixel: float) -> Tensor:
    """Return (1, C, H, W) float64: the input of a picture of one grey value in [0, 1]."""
    flat = torch.empty(shape, dtype=torch.float64)
    for channel in range(shape[1]):
        flat[:, channel] = (pixel - MEANS[shape[1]][channel]) / STDS[shape[1]][channel]
    return flat


def straight(network: nn.Module, x: Tensor, start: Tensor, target: int, num_steps: int) -> Sampled:
    gradients, steps = [], []
    for index in range(num_steps):
        point = start + (index + 0.5) / num_steps * (x - start)
        gradients.append(input_gradient(network, point, target))
        steps.append(((x - start) / num_steps)[0].numpy())
    return Sampled(gradients, steps)


def blur(network: nn.Module, x: Tensor, target: int, num_steps: int, max_sigma: float) -> Sampled:
    """Follow PAIR's loop, with scipy's filter."""
    from scipy import ndimage

    def blurred(sigma: float) -> Array:
        picture = x[0].numpy()
        if sigma == 0:
            return picture
        return ndimage.gaussian_filter(picture, [0, sigma, sigma], mode="constant")

    gradients, steps = [], []
    for index in range(num_steps):
        sigma = index * max_sigma / num_steps
        slope = (blurred(sigma + 0.01) - blurred(sigma)) / 0.01
        point = torch.from_numpy(blurred(sigma).copy())[None]
        gradients.append(input_gradient(network, point, target))
        steps.append(-slope * max_sigma / num_steps)
    return Sampled(gradients, steps)


def adaptive(
    network: nn.Module,
    x: Tensor,
    start: Tensor,
    target: int,
    num_steps: int,
    fraction: float = 0.25,
    max_dist: float = 0.02,
) -> Sampled:
    """Follow Guided IG's Algorithm 1 with a list of pixels."""
    end, begin = x[0].numpy().ravel(), start[0].numpy().ravel()
    way = end - begin
    point, gradients, steps = begin.copy(), [], []
    for step in range(1, num_steps + 1):
        share = step / num_steps
        gradient = input_gradient(network, torch.from_numpy(point).reshape(x.shape), target)
        before = point.copy()
        low, high = max(share - max_dist, 0), min(share + max_dist, 1)
        for i in range(len(point)):
            if way[i] != 0 and (point[i] - begin[i]) / way[i] < low:
                point[i] = begin[i] + way[i] * low
        # pixels that may still move, those of the smallest gradient first
        stuck = point == begin + way * high
        goal = np.abs(way).sum() * (1 - share)
        while not math.isclose(np.abs(end - point).sum(), goal, rel_tol=1e-9, abs_tol=1e-9):
            sizes = np.where(stuck, np.inf, np.abs(gradient.ravel()))
            threshold = np.quantile(sizes, fraction, method="lower")
            moving = [i for i in range(len(point)) if sizes[i] <= threshold and not stuck[i]]
            room = sum(abs(begin[i] + way[i] * high - point[i]) for i in moving)
            excess = np.abs(end - point).sum() - goal
            ratio = min(1.0, excess / room)
            for i in moving:
                furthest = begin[i] + way[i] * high
                point[i] = furthest if ratio == 1 else point[i] + (furthest - point[i]) * ratio
                stuck[i] = ratio == 1
            if ratio < 1:
                break
        gradients.append(gradient)
        steps.append((point - before).reshape(x.shape[1:]))
    return Sampled(gradients, steps)
