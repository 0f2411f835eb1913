"""The one place for ReLU, upsampling and normalisation, which act in that order."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from explain_core.errors import NumericsError
from explain_core.types import Array


def relu(values: Array) -> Array:
    """Set what is negative to zero."""
    return np.maximum(values, 0)


def upsample(values: Array, size: tuple[int, int]) -> Array:
    """Return (H, W): `values` (h, w) stretched bilinearly with half-pixel centres."""
    if values.shape == size:
        return values
    stretched = functional.interpolate(
        torch.from_numpy(np.array(values))[None, None],
        size=size,
        mode="bilinear",
        align_corners=False,
    )
    array: Array = stretched[0, 0].numpy()
    return array


def normalise(values: Array, is_signed: bool = False) -> Array:
    """Scale to [0, 1], or signed maps to [-1, 1] with zero kept at zero; NaN stays NaN.

    A map without positive evidence (signed: without any) is all zero: it is not blown up.
    """
    if np.isnan(values).all():
        return values
    shown = values if is_signed else relu(values)
    bound = float(np.nanmax(np.abs(shown)))
    scaled: Array = shown / (bound or 1.0)
    return scaled


def require_finite(values: Array, what: str) -> None:
    """Raise `NumericsError` where `values` holds NaN or infinity."""
    if not np.isfinite(values).all():
        share = float(np.mean(~np.isfinite(values)))
        raise NumericsError(
            f"{what} holds NaN or infinity at {share:.1%} of its places: the network's numbers "
            "overflowed; use float32 weights, or check the weights and the input's scaling"
        )
