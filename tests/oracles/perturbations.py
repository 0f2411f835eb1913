"""RISE mask by mask and Mask step by step, each pixel by the papers' formulas, in float64."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.oracles.nets import MEANS, STDS

Array = NDArray[np.float64]


def stretched(values: Array, size: tuple[int, int]) -> Array:
    """Return (H, W): each place between the four nearest cells, half-pixel centres."""
    height, width = values.shape
    result = np.zeros(size)
    for row, column in np.ndindex(size):
        y = min(max((row + 0.5) * height / size[0] - 0.5, 0), height - 1)
        x = min(max((column + 0.5) * width / size[1] - 0.5, 0), width - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        down, across = y - top, x - left
        result[row, column] = (1 - down) * (
            (1 - across) * values[top, left] + across * values[top, right]
        ) + down * ((1 - across) * values[bottom, left] + across * values[bottom, right])
    return result


def probability(network: nn.Module, pixels: Tensor, target: int) -> Tensor:
    """Return the softmax probability of the target for pixels (C, H, W) in [0, 1]."""
    num_channels = len(pixels)
    mean = torch.tensor(MEANS[num_channels], dtype=torch.float64)[:, None, None]
    std = torch.tensor(STDS[num_channels], dtype=torch.float64)[:, None, None]
    scores = network(((pixels - mean) / std)[None])[0].exp()
    return scores[target] / scores.sum()


def rise_masks(num: int, grid: int, keep: float, seed: int, size: tuple[int, int]) -> list[Array]:
    """Return the masks; grids and shifts come one after the other from a seeded generator."""
    rng = torch.Generator().manual_seed(seed)
    cell = [math.ceil(side / grid) for side in size]
    masks = []
    for _ in range(num):
        cells = (torch.rand((grid, grid), generator=rng) < keep).double().numpy()
        top, left = (int(torch.randint(side, (1,), generator=rng)) for side in cell)
        large = stretched(cells, ((grid + 1) * cell[0], (grid + 1) * cell[1]))
        masks.append(large[top : top + size[0], left : left + size[1]])
    return masks


def rise(
    network: nn.Module, pixels: Tensor, target: int, masks: list[Array], keep: float
) -> tuple[Array, float]:
    """Return `1 / (N p) Σ f^c(x ⊙ m) m` and the mean of `f^c(x ⊙ m)`."""
    network = copy.deepcopy(network).double().eval()
    total, scores = np.zeros(masks[0].shape), []
    for mask in masks:
        with torch.no_grad():
            scores.append(float(probability(network, pixels * torch.from_numpy(mask), target)))
        for row, column in np.ndindex(mask.shape):
            total[row, column] += scores[-1] * mask[row, column]
    return total / (len(masks) * keep), float(np.mean(scores))


def at(values: Array, row: int, column: int) -> float:
    """Return a value, beyond the edge that of the edge."""
    height, width = values.shape
    return float(values[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def blurred(values: Array, sigma_px: float) -> Array:
    """Return (H, W): the Gaussian mean over a square of 3 sigma, edges repeated."""
    reach = math.ceil(3 * sigma_px)
    offsets = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    weights = {(i, j): math.exp(-0.5 * (i * i + j * j) / sigma_px**2) for i, j in offsets}
    norm = sum(weights.values())
    result = np.zeros(values.shape)
    for row, column in np.ndindex(values.shape):
        result[row, column] = (
            sum(weights[i, j] * at(values, row + i, column + j) for i, j in offsets) / norm
        )
    return result


def shifted(pixels: Array, down: int, right: int) -> Array:
    """Return (C, H, W) of which each place shows what lies `down` and `right` of it."""
    result = np.zeros(pixels.shape)
    for channel, row, column in np.ndindex(pixels.shape):
        result[channel, row, column] = at(pixels[channel], row + down, column + right)
    return result


def learned_mask(
    network: nn.Module,
    pixels: Array,
    target: int,
    *,
    size: tuple[int, int],
    num_updates: int,
    seed: int,
    l1: float,
    tv: float,
    is_blurred: bool,
) -> Array:
    """Return (h, w): `1 - m`, by torch's own Adam on the objective written out place by place.

    Args:
        pixels: (C, H, W) in [0, 1].
        size: (h, w) of the mask.
    """
    network = copy.deepcopy(network).double().eval().requires_grad_(False)
    share = min(pixels.shape[1:]) / 224
    reach = max(1, round(4 * share))
    replaced = np.zeros(pixels.shape)
    if is_blurred:
        replaced = np.stack([blurred(channel, 10 * share) for channel in pixels])
    # The stretched mask is linear in its cells: one picture per cell.
    stretches = torch.from_numpy(
        np.stack(
            [
                stretched(cell.reshape(size), (pixels.shape[1], pixels.shape[2]))
                for cell in np.eye(size[0] * size[1])
            ]
        )
    )
    rng = torch.Generator().manual_seed(seed)
    mask = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([mask], lr=0.1)
    for _ in range(num_updates):
        top, left = (int(each) for each in torch.randint(2 * reach + 1, (2,), generator=rng))
        sharp, gone = (
            torch.from_numpy(shifted(each, top - reach, left - reach))
            for each in (pixels, replaced)
        )
        large = torch.tensordot(mask.flatten(), stretches, dims=1)
        loss = probability(network, large * sharp + (1 - large) * gone, target)
        cells = mask.numel()
        for row, column in np.ndindex(size):
            loss = loss + l1 * (1 - mask[row, column]).abs() / cells
            if row + 1 < size[0]:
                loss = loss + tv * (mask[row + 1, column] - mask[row, column]).abs() ** 3 / cells
            if column + 1 < size[1]:
                loss = loss + tv * (mask[row, column + 1] - mask[row, column]).abs() ** 3 / cells
        (mask.grad,) = torch.autograd.grad(loss, mask)
        adam.step()
        with torch.no_grad():
            mask.clamp_(0, 1)
    return 1 - mask.detach().numpy()
