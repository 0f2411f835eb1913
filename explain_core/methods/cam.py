"""The CAM family on one class: Grad-CAM, Grad-CAM++, XGrad-CAM, Layer-CAM.

`A` are the tapped activations (K, h, w), `g = ∂y^c/∂A` the gradient of the class's logit.
Each function returns the signed map (h, w); the ReLU of the papers comes at rendering.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from explain_core.types import Array


def grad_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its mean gradient: `sum_k mean(g_k) A_k` (Selvaraju et al., eq. 1)."""
    flat = gradient.reshape(len(gradient), -1)
    mean = np.full(flat.shape[1], 1 / flat.shape[1], flat.dtype)  # a product beats .mean()
    return weighted_sum(flat @ mean, activations)


def grad_cam_plus_plus(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its positive gradients' shares (Chattopadhay et al., eq. 19).

    `w_k = sum_ij relu(g_ij) g_ij^2 / (2 g_ij^2 + S_k g_ij^3)` with `S_k = sum_ij A_k`, which is
    `sum_ij relu(g_ij) / (2 + S_k g_ij)`.

    Departure: pytorch-grad-cam adds 1e-6 to the uncancelled denominator. Gradients at a 7 x 7
    layer are of the order 1e-3, so that 1e-6 outweighs their squares and changes the map; here
    the share is exact. Where it has a pole (`2 + S g <= 0`, possible only for activations that
    can be negative) the position is left out.
    """
    sums = activations.sum(axis=(1, 2))[:, None, None]
    positive = np.maximum(gradient, 0)
    denominator = 2 + sums * positive
    shares = np.divide(positive, denominator, out=np.zeros_like(positive), where=denominator > 0)
    return weighted_sum(shares.sum(axis=(1, 2)), activations)


def xgrad_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its gradient where it is active (Fu et al., eq. 8).

    `w_k = sum_ij (A_k,ij / sum_ab A_k,ab) g_k,ij`; a channel that sums to zero weighs nothing.
    """
    sums = activations.sum(axis=(1, 2))
    weighted = (activations * gradient).sum(axis=(1, 2))
    weights = np.divide(weighted, sums, out=np.zeros_like(weighted), where=sums != 0)
    return weighted_sum(weights, activations)


def layer_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each position by its positive gradient, `sum_k relu(g_k) A_k` (Jiang et al., eq. 6)."""
    return cast(Array, np.einsum("khw,khw->hw", np.maximum(gradient, 0), activations))


def weighted_sum(weights: Array, activations: Array) -> Array:
    """Return (h, w): `sum_k weights_k activations_k`."""
    return np.tensordot(weights, activations, axes=1)
