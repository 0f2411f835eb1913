"""The one place for ReLU, upsampling and normalisation, which act in that order."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch.nn import functional

from explain_core.errors import NumericsError
from explain_core.types import Array, Geometry


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
    return cast(Array, stretched[0, 0].numpy())


def normalise(values: Array, is_signed: bool = False) -> Array:
    """Scale to [0, 1], or signed maps to [-1, 1] with zero kept at zero; NaN stays NaN.

    A map without positive evidence (signed: without any) is all zero: it is not blown up.
    """
    if np.isnan(values).all():
        return values
    if is_signed:
        bound = np.nanmax(np.abs(values))
        return values / bound if bound > 0 else np.zeros_like(values)
    peak = np.nanmax(values)
    if peak <= 0:
        return np.where(np.isnan(values), values, np.zeros_like(values))
    return np.maximum(values, 0) / peak


def place_on_original(values: Array, geometry: Geometry) -> Array:
    """Lay a map at the model's input onto the original picture.

    Args:
        values: (H, W), of the size `geometry.input_size`.

    Returns:
        (H0, W0) float32, bilinear with half-pixel centres; NaN where the model never looked.
    """
    low, high, weight, seen = [], [], [], []
    for axis in (0, 1):
        length = geometry.input_size[axis]
        centres = (np.arange(geometry.original_size[axis]) + 0.5) * geometry.scale[axis]
        centres -= geometry.offset_px[axis]
        seen.append((centres >= 0) & (centres <= length))
        position = np.clip(centres - 0.5, 0, length - 1)
        low.append(np.floor(position).astype(np.intp))
        high.append(np.minimum(low[axis] + 1, length - 1))
        weight.append((position - low[axis]).astype(np.float32))
    values = values.astype(np.float32, copy=False)
    rows = values[low[0]] * (1 - weight[0])[:, None] + values[high[0]] * weight[0][:, None]
    placed = rows[:, low[1]] * (1 - weight[1]) + rows[:, high[1]] * weight[1]
    placed[~seen[0]] = np.nan
    placed[:, ~seen[1]] = np.nan
    return cast(Array, placed)


def require_finite(values: Array, what: str) -> None:
    """Raise `NumericsError` where `values` holds NaN or infinity."""
    if not np.isfinite(values).all():
        share = float(np.mean(~np.isfinite(values)))
        raise NumericsError(
            f"{what} holds NaN or infinity at {share:.1%} of its places: the network's numbers "
            "overflowed; use float32 weights, or check the weights and the input's scaling"
        )
