"""What takes the place of removed pixels: the blurred picture, or what the other pixels suggest.

The system that the remaining pixels set for the removed ones is solved for many pictures at once,
by conjugate gradients, preconditioned by one multigrid cycle each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from explain_core.errors import InputError
from explain_core.types import as_size

# Of displayed pixels: the largest correction that is left out.
_TOLERANCE = 5e-5
_MAX_ITERATIONS = 200
# Jacobi's step that halves what is rough on all levels.
_DAMPING = 0.85
# Grids of so many places are solved directly.
_FEW_PLACES = 64
# Numbers per array on a CPU: what its cache holds several of.
_NUMBERS_PER_CHUNK = {"cpu": 2**20}
_MANY_NUMBERS = 2**26

_OFFSETS = tuple(product((-1, 0, 1), repeat=2))
_CENTRE = _OFFSETS.index((0, 0))


def blurred(pictures: Tensor, sigma_px: float) -> Tensor:
    """Return (N, C, H, W) smoothed by a Gaussian up to 3 sigma, edges repeated."""
    reach = math.ceil(3 * sigma_px)
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64)
    line = torch.exp(-0.5 * (distance / sigma_px) ** 2)
    num_channels = pictures.shape[1]
    kernel = (line / line.sum()).to(pictures).expand(num_channels, 1, 1, -1)
    for weights, padding in ((kernel, (reach, reach, 0, 0)), (kernel.mT, (0, 0, reach, reach))):
        padded = functional.pad(pictures, padding, mode="replicate")
        pictures = functional.conv2d(padded, weights, groups=num_channels)
    return pictures


def impute(pictures: Tensor, removed: Tensor, *, tolerance: float = _TOLERANCE) -> Tensor:
    """Fill removed pixels with the weighted mean of their neighbours (ROAD, section 4.2).

    Each removed pixel is `Σ_j w_j x_j / Σ_j w_j` over its up to eight neighbours inside the
    picture, removed ones included, with w = 1/6 beside, above and below and 1/12 diagonally: one
    linear system per picture.

    Args:
        pictures: (N, C, H, W).
        removed: (N, H, W) bool; at least one pixel of each picture remains.
        tolerance: of the solution, in the pixels' unit; about ten times below what is seen.

    Returns:
        (N, C, H, W); the remaining pixels as they were.

    Raises:
        InputError: a picture of which no pixel remains.
    """
    if removed.flatten(1).all(dim=1).any():
        raise InputError(
            "no pixel of the picture remains, so the removed ones cannot be imputed; remove a "
            "share below 1"
        )
    numbers = _NUMBERS_PER_CHUNK.get(pictures.device.type, _MANY_NUMBERS)
    size = max(1, numbers // pictures[0].numel())
    parts = [
        _imputed(*chunk, tolerance)
        for chunk in zip(torch.split(pictures, size), torch.split(removed, size), strict=True)
    ]
    return torch.cat(parts)


def _imputed(pictures: Tensor, removed: Tensor, tolerance: float) -> Tensor:
    precise = torch.float64 if pictures.dtype == torch.float64 else torch.float32
    free = removed[:, None].to(precise)
    known = pictures.to(precise) * (1 - free)
    levels = tuple(_levels(free))
    solution = _conjugate_gradients(levels, free * _spread(known), tolerance)
    return torch.where(removed[:, None], solution.to(pictures.dtype), pictures)


def _spread(values: Tensor) -> Tensor:
    """Return `Σ_j w_j x_j` over the neighbours of each place: ([1 2 1]ᵀ[1 2 1] - 4) / 12."""
    return _smooth(values).sub_(values, alpha=4).div_(12)


def _smooth(values: Tensor) -> Tensor:
    """Return `[1 2 1]ᵀ[1 2 1] * x`, with zeros around."""
    rows = 2 * values
    rows[..., 1:, :] += values[..., :-1, :]
    rows[..., :-1, :] += values[..., 1:, :]
    both = 2 * rows
    both[..., 1:] += rows[..., :-1]
    both[..., :-1] += rows[..., 1:]
    return both


# ---- the levels ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Level:
    """Hold the system on one grid.

    Attributes:
        apply: from (N, C, h, w) to (N, C, h, w).
        step: (N, 1, h, w), what Jacobi multiplies a residual by; 0 where nothing is unknown.
        free: (N, 1, h, w), 1 where a place is unknown on the finest grid; None on the others.
        inverse: (N, h w, h w) of the coarsest grid; None on the others.
    """

    apply: Callable[[Tensor], Tensor]
    step: Tensor
    free: Tensor | None = None
    inverse: Tensor | None = None


def _levels(free: Tensor) -> Iterator[_Level]:
    """Yield the system on finer to coarser grids, each of about a quarter of the places.

    A coarser grid's system is `PᵀAP` with P bilinear between its places, which keeps nine
    neighbours, whatever the shape of the holes.
    """
    weights = _spread(torch.ones_like(free[:1]))
    own = weights + 1 / 3

    def apply(values: Tensor) -> Tensor:
        return (own * values).sub_(_smooth(values), alpha=1 / 12).mul_(free)

    stencil = _finest_stencil(free, weights)
    is_coarsest = free[0].numel() <= _FEW_PLACES
    yield _level(apply, stencil, free, is_coarsest)
    while not is_coarsest:
        stencil = _coarsened(stencil)
        is_coarsest = stencil[0, 0].numel() <= _FEW_PLACES

        def apply_here(values: Tensor, stencil: Tensor = stencil) -> Tensor:
            return _applied(stencil, values)

        yield _level(apply_here, stencil, None, is_coarsest)


def _level(
    apply: Callable[[Tensor], Tensor], stencil: Tensor, free: Tensor | None, is_coarsest: bool
) -> _Level:
    diagonal = stencil[:, _CENTRE : _CENTRE + 1]
    step = torch.where(diagonal > 0, _DAMPING / diagonal, 0)
    return _Level(apply, step, free, _inverse(stencil) if is_coarsest else None)


def _finest_stencil(free: Tensor, weights: Tensor) -> Tensor:
    """Return (N, 9, H, W): what each place multiplies each of its neighbours and itself by."""
    height, width = as_size(free.shape[2:])
    around = functional.pad(free, (1, 1, 1, 1))
    columns = []
    for down, right in _OFFSETS:
        if (down, right) == (0, 0):
            columns.append(weights * free)
            continue
        weight = 1 / 6 if down == 0 or right == 0 else 1 / 12
        there = around[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        columns.append(-weight * free * there)
    return torch.cat(columns, dim=1)


def _coarsened(stencil: Tensor) -> Tensor:
    """Return (N, 9, h // 2 + 1, w // 2 + 1): the stencil of `PᵀAP`."""
    height, width = as_size(stencil.shape[2:])
    below, right = (2 * (side // 2 + 1) - side for side in (height, width))
    padded = functional.pad(stencil, (1, right, 1, below))
    return functional.conv2d(padded, _coarsening().to(stencil), stride=2)


@cache
def _coarsening() -> Tensor:
    """Return (9, 9, 3, 3): how a coarser stencil's entries are summed from a finer one's.

    Coarse place I lies on fine place 2 I. From fine place 2 I + δ to its neighbour at o, on the
    way from I to I + O, the weight is hat(δ) hat(δ + o - 2 O).
    """

    def hat(distance: int) -> float:
        return max(0.0, 1 - abs(distance) / 2)

    kernel = torch.zeros(9, 9, 3, 3)
    for row, coarse in enumerate(_OFFSETS):
        for column, fine in enumerate(_OFFSETS):
            for delta in _OFFSETS:
                kernel[row, column, delta[0] + 1, delta[1] + 1] = math.prod(
                    hat(d) * hat(d + o - 2 * c) for d, o, c in zip(delta, fine, coarse, strict=True)
                )
    return kernel


def _applied(stencil: Tensor, values: Tensor) -> Tensor:
    height, width = as_size(values.shape[2:])
    around = functional.pad(values, (1, 1, 1, 1))
    total = stencil[:, _CENTRE : _CENTRE + 1] * values
    for place, (down, right) in enumerate(_OFFSETS):
        if place != _CENTRE:
            there = around[..., 1 + down : 1 + down + height, 1 + right : 1 + right + width]
            total.addcmul_(stencil[:, place : place + 1], there)
    return total


def _inverse(stencil: Tensor) -> Tensor:
    """Return (N, h w, h w); places where nothing is unknown stay 0."""
    count, _, height, width = stencil.shape
    unit = torch.eye(height * width, dtype=stencil.dtype, device=stencil.device)
    units = unit.reshape(1, height * width, height, width).expand(count, -1, -1, -1)
    matrix = _applied(stencil, units).flatten(2).double()
    inverse: Tensor = torch.linalg.pinv(matrix, hermitian=True)
    return inverse.to(stencil.dtype)


# ---- between the levels ----------------------------------------------------------------------


def _restricted(values: Tensor) -> Tensor:
    """Return (N, C, h // 2 + 1, w // 2 + 1): `Pᵀ x`, the transpose of `_prolonged`."""
    for dim in (2, 3):
        side = values.shape[dim]
        few = side // 2 + 1
        padding = (1, 2 * few - side) if dim == 3 else (0, 0, 1, 2 * few - side)
        padded = functional.pad(values, padding)
        before, here, after = (padded.narrow(dim, start, 2 * few - 1) for start in (0, 1, 2))
        step = (slice(None),) * dim + (slice(None, None, 2),)
        values = here[step] + 0.5 * (before[step] + after[step])
    return values


def _prolonged(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (N, C, H, W): `P x`, bilinear between places of the coarser grid."""
    for dim, side in ((3, size[1]), (2, size[0])):
        shape = list(values.shape)
        shape[dim] = side
        fine = values.new_empty(shape)
        low = values.narrow(dim, 0, side // 2)
        high = values.narrow(dim, 1, side // 2)
        ahead = (slice(None),) * dim
        fine[(*ahead, slice(0, None, 2))] = values.narrow(dim, 0, (side + 1) // 2)
        fine[(*ahead, slice(1, None, 2))] = 0.5 * (low + high)
        values = fine
    return values


def _cycle(levels: tuple[_Level, ...], residual: Tensor) -> Tensor:
    """Return one multigrid V-cycle's correction, with a Jacobi step before and after."""
    level, *coarser = levels
    if level.inverse is not None:
        flat = residual.flatten(2) @ level.inverse
        return flat.reshape(residual.shape)
    correction = level.step * residual
    remaining = _restricted(residual - level.apply(correction))
    smooth = _prolonged(_cycle(tuple(coarser), remaining), as_size(residual.shape[2:]))
    correction += smooth if level.free is None else smooth * level.free
    return correction.addcmul_(level.step, residual - level.apply(correction))


def _conjugate_gradients(levels: tuple[_Level, ...], right: Tensor, tolerance: float) -> Tensor:
    """Solve `A x = right` for (N, C, H, W), each (H, W) by itself.

    The cycle's correction is close to the error that is left: when it is below the tolerance
    everywhere, so is the error.
    """
    solution = torch.zeros_like(right)
    residual = right
    correction = _cycle(levels, residual)
    direction = correction
    agreement = _dot(residual, correction)
    for _ in range(_MAX_ITERATIONS):
        applied = levels[0].apply(direction)
        length = _ratio(agreement, _dot(direction, applied))
        solution = torch.addcmul(solution, length, direction)
        residual = torch.addcmul(residual, -length, applied)
        correction = _cycle(levels, residual)
        if correction.abs().max() <= tolerance:
            return solution + correction
        renewed = _dot(residual, correction)
        direction = torch.addcmul(correction, _ratio(renewed, agreement), direction)
        agreement = renewed
    return solution


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(dim=(2, 3), keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / torch.where(below > 0, below, 1), 0)
