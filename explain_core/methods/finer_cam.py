"""Finer-CAM: what speaks for the target rather than for classes like it.

The target's gradient is replaced by that of `y^c - γ Σ_d π_d y^d`. Gradients are linear, so γ is
left to the renderer: Grad-CAM mixes finished maps, Layer-CAM mixes gradients before its ReLU.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from explain_core.types import Array


def reference_weights(logits: Array, references: tuple[int, ...], kind: str) -> Array:
    """Return (R,), what each reference class counts.

    Args:
        logits: (num_classes,).
        kind: "uniform" is the paper's mean, 1/R. "softmax" is `π_d`, the softmax over the
            references' logits. "released" is what the released code's gradient amounts to: there
            the softmax is inside the graph, and `c_d = π_d (1 + y^d - Σ_j π_j y^j)`.

    Departure: the released code uses the last of these; the paper's formula is the first. It also
    adds 1e-9 to the references' joint probability, which shows where they are all but impossible.
    """
    if kind == "uniform":
        return np.full(len(references), 1 / len(references))
    chosen = logits[list(references)].astype(np.float64)
    shares = np.exp(chosen - chosen.max())
    shares /= shares.sum()
    if kind == "softmax":
        return cast(Array, shares)
    return cast(Array, shares * (1 + chosen - shares @ chosen))


def mean_gradient(gradients: list[Array], weights: Array) -> Array:
    """Return (K, h, w): the weighted sum of the reference classes' gradients."""
    total = np.zeros_like(gradients[0])
    for gradient, weight in zip(gradients, weights, strict=True):
        total += weight.astype(gradient.dtype) * gradient
    return total
