"""The inputs at which gradients are sampled: noisy copies, and points on two paths.

A path leads from a baseline, or from a blurred picture, to the picture; its points carry the
steps `dx_i` that make `sum_i g_i dx_i` the attribution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from explain_core.models.model import Model

Baseline = Literal["black", "mean colour", "white"]
BASELINES: tuple[Baseline, ...] = ("black", "mean colour", "white")

MAX_SIGMA_PX = 50.0  # PAIR's
_BLUR_STEP_PX = 0.01  # PAIR's, for the derivative of the blur
_KERNEL_SIGMAS = 4.0  # scipy's and PAIR's

# From the number of the first input and how many are wanted to these inputs (n, C, H, W) and the
# path's steps (n, C, H, W) there; no steps where there is no path.
Modify = Callable[[int, int], tuple[Tensor, Tensor | None]]


def noisy_copies(x: Tensor, spread: float, seed: int) -> Modify:
    """Give `x + N(0, (spread * (max x - min x))^2)`, one copy after the other from one generator.

    They must be asked for in order, from the first on.

    Args:
        x: (1, C, H, W).
    """
    sigma = spread * float(x.max() - x.min())
    rng = torch.Generator().manual_seed(seed)

    def modify(_start: int, count: int) -> tuple[Tensor, None]:
        noise = [torch.randn(x.shape[1:], generator=rng, dtype=torch.float32) for _ in range(count)]
        return x + sigma * torch.stack(noise).to(x), None

    return modify


def straight_path(x: Tensor, baseline: Tensor, num_steps: int) -> Modify:
    """Give `x' + α (x - x')` at the middles `α` of n equal parts of [0, 1], with `dx = (x - x')/n`.

    Departure: captum's default are Gauss-Legendre's points. Equal parts count all gradients alike,
    as the variance guide does; captum calls this rule "riemann_middle".
    """
    way = x - baseline

    def modify(start: int, count: int) -> tuple[Tensor, Tensor]:
        shares = (torch.arange(start, start + count, dtype=torch.float64) + 0.5) / num_steps
        points = baseline + shares.to(x)[:, None, None, None] * way
        return points, (way / num_steps).expand_as(points)

    return modify


def blur_path(x: Tensor, max_sigma: float, num_steps: int) -> Modify:
    """Give the picture blurred by `σ_i = i σ_max / n`, i < n, with `dx = -∂x_σ/∂σ σ_max / n`.

    Xu et al.'s path as in PAIR's code: outside the picture the input is zero, which is the mean
    colour, and the derivative is a difference over 0.01 pixels.
    """
    picture = x[0].detach().cpu().double()
    width = max_sigma / num_steps

    def modify(start: int, count: int) -> tuple[Tensor, Tensor]:
        points, steps = [], []
        for index in range(start, start + count):
            point = blurred(picture, index * width)
            further = blurred(picture, index * width + _BLUR_STEP_PX)
            points.append(point)
            steps.append((point - further) * (width / _BLUR_STEP_PX))
        return torch.stack(points).to(x), torch.stack(steps).to(x)

    return modify


def blurred(picture: Tensor, sigma: float) -> Tensor:
    """Return (C, H, W): Gaussian blur with zeros outside, the kernel cut off at 4 sigma."""
    if sigma == 0:
        return picture
    down, across = (_blur_matrix(size, sigma).to(picture) for size in picture.shape[1:])
    return down @ picture @ across


def baseline_input(model: Model, x: Tensor, baseline: str) -> Tensor:
    """Return (1, C, H, W): the network's input for a picture of one colour."""
    if baseline == "mean colour":
        return torch.zeros_like(x)
    return model.normalise(torch.full_like(x, 1.0 if baseline == "white" else 0.0))


def _blur_matrix(size: int, sigma: float) -> Tensor:
    radius = int(_KERNEL_SIGMAS * sigma + 0.5)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    total = torch.exp(-0.5 * (places / sigma) ** 2).sum()
    gaps = torch.arange(size, dtype=torch.float64)
    gaps = (gaps[:, None] - gaps).abs()
    return torch.exp(-0.5 * (gaps / sigma) ** 2) * (gaps <= radius) / total
