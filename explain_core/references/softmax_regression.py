"""Softmax regression on features that may lie on disk: all rows count, few are in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explain_core.errors import BankError
from explain_core.types import Array

Progress = Callable[[float], None]

_CHUNK_BYTES = 2**26
_MAX_EVALUATIONS = 250
_SMALL_GRADIENT = 1e-5
_SMALL_CHANGE = 1e-9
_USUAL_STEP = 0.96


def fit_softmax(
    features: Array,
    rows: Array,
    labels: Array,
    num_classes: int,
    *,
    l2: float,
    progress: Progress | None = None,
) -> tuple[Array, Array]:
    """Return weight (C, d) and bias (C,), float32, of the softmax classifier `y = W z + b`.

    They minimise `mean_i -log softmax(V s_i + b)_{c_i} + l2 / 2 |V|^2` by L-BFGS, where `s` are the
    features, each centred and divided by its standard deviation over these rows; `W` undoes that.
    The minimum is unique but for a constant in `b`. A feature that is the same in all rows weighs
    nothing.

    Args:
        features: (n, d), any floating-point type, most often memory-mapped.
        rows: (m,) of `features`, those to fit to.
        labels: (m,) their classes, 0 <= label < num_classes.
        l2: above 0.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        BankError: features with NaN or infinity.
    """
    mean, deviation = _moments(features, rows)
    targets = torch.from_numpy(np.asarray(labels, np.int64))
    dim = features.shape[1]
    centre, scale = _as_row(mean), _as_row(1 / deviation)
    gauge = _Gauge(progress)
    solution = torch.zeros(num_classes, dim + 1, dtype=torch.float64)

    def evaluate() -> Tensor:
        """Return the loss at `solution`, and put the gradient there."""
        weight, bias = solution[:, :dim].float(), solution[:, dim].float()
        gradient, loss = torch.zeros_like(solution), torch.zeros((), dtype=torch.float64)
        for start, values in _chunks(features, rows):
            standard = values.sub_(centre).mul_(scale)
            wanted = targets[start : start + len(values), None]
            shares = functional.log_softmax(functional.linear(standard, weight, bias), dim=1)
            loss -= shares.gather(1, wanted).double().sum()
            errors = shares.exp_().scatter_add_(
                1, wanted, torch.full(wanted.shape, -1.0, dtype=shares.dtype)
            )
            gradient[:, :dim] += errors.T @ standard
            gradient[:, dim] += errors.sum(dim=0)
            gauge.tell()
        penalised = solution[:, :dim]
        gradient /= len(rows)
        gradient[:, :dim] += l2 * penalised
        solution.grad = gradient
        gauge.evaluated(float(gradient.abs().max()))
        return loss / len(rows) + l2 / 2 * penalised.square().sum()

    optimiser = torch.optim.LBFGS(
        [solution],
        max_iter=_MAX_EVALUATIONS,
        max_eval=_MAX_EVALUATIONS,
        tolerance_grad=_SMALL_GRADIENT,
        tolerance_change=_SMALL_CHANGE,
        line_search_fn="strong_wolfe",
    )
    step: Any = optimiser.step  # typed for closures that return a number
    step(evaluate)
    fitted = solution.numpy()
    folded = fitted[:, :dim] / deviation
    bias = fitted[:, dim] - folded @ mean
    gauge.end()
    return folded.astype(np.float32), bias.astype(np.float32)


def predicted(features: Array, rows: Array, weight: Array, bias: Array) -> Array:
    """Return (m,) int64: the class with the largest `W z + b` of each of some rows."""
    matrix, offset = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
    parts = [
        functional.linear(values, matrix, offset).argmax(dim=1).numpy()
        for _, values in _chunks(features, rows)
    ]
    return np.concatenate(parts)


class _Gauge:
    """Tell how far a fit is, as far as that can be known.

    By how much its gradient has fallen, on a logarithmic scale; where it has not, for a while, by
    the number of evaluations, of which most fits take 20 to 60.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._first: float | None = None
        self._share, self._count = 0.0, 0
        self.tell()

    def evaluated(self, gradient: float) -> None:
        """Take note of the gradient's largest entry."""
        self._first = self._first or gradient
        whole = math.log(max(self._first / _SMALL_GRADIENT, math.e))
        fallen = math.log(max(self._first / max(gradient, _SMALL_GRADIENT), 1.0))
        self._count += 1
        self._share = max(self._share, min(fallen / whole, 1.0), 1 - _USUAL_STEP**self._count)

    def tell(self) -> None:
        """Report, which may raise to cancel."""
        if self._progress is not None:
            self._progress(min(self._share, 0.99))

    def end(self) -> None:
        """Report that all is done."""
        if self._progress is not None:
            self._progress(1.0)


def _moments(features: Array, rows: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation (d,) float64; 1 for what is the same in all rows."""
    count, mean, scatter = 0, np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for _, values in _chunks(features, rows):
        part = values.numpy().astype(np.float64)
        if not np.isfinite(part).all():
            raise BankError(
                "the features hold NaN or infinity; check the bank, restore it from a copy, or "
                "build it again"
            )
        part_mean = part.mean(axis=0)
        gap, total = part_mean - mean, count + len(part)
        scatter += ((part - part_mean) ** 2).sum(axis=0) + gap**2 * (count * len(part) / total)
        mean = mean + gap * (len(part) / total)
        count = total
    deviation = np.sqrt(scatter / count)
    return mean, np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)


def _chunks(features: Array, rows: Array) -> Iterator[tuple[int, Tensor]]:
    """Give the first place and the features (k, d) float32 of some rows after the other."""
    size = max(1, _CHUNK_BYTES // (4 * features.shape[1]))
    for start in range(0, len(rows), size):
        values = np.asarray(features[rows[start : start + size]], np.float32)
        yield start, torch.from_numpy(values)


def _as_row(values: Array) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
