"""DiffCAM by solving its linear system for each λ, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def scatter_of(features: Array) -> Array:
    """Return `S_v = sum_i (z_i - mean)(z_i - mean)^T`, one reference after the other (eq. 5)."""
    mean = sum(features) / len(features)
    scatter = np.zeros((features.shape[1], features.shape[1]))
    for feature in features:
        scatter += np.outer(feature - mean, feature - mean)
    return scatter


def diffcam(
    activations: Array, features: Array, epsilon: float, feature: Array | None = None
) -> Array:
    """Return `sum_k w_k A_k` with `(S_v + lambda I) w = delta`, signed (eq. 6-7).

    `lambda = epsilon tr(S_v) / d`; where all references are the same, and the trace is zero,
    `lambda = epsilon`. The image's own feature is `GAP(A)` where none is given.
    """
    features = features.astype(np.float64)
    num_channels, height, width = activations.shape
    if feature is None:
        feature = np.array([channel.mean() for channel in activations])
    delta = feature - sum(features) / len(features)
    scatter = scatter_of(features)
    trace = np.trace(scatter)
    lam = epsilon * (trace / num_channels if trace > 0 else 1.0)
    weights = np.linalg.solve(scatter + lam * np.eye(num_channels), delta)
    return (weights @ activations.reshape(num_channels, -1)).reshape(height, width)
