"""The picture as it is seen on a screen."""

from __future__ import annotations

import numpy as np
import PIL.Image

from explain_core.errors import InputError
from explain_core.types import Array, Image


def to_display(image: Image, max_side_px: int | None = None) -> Array:
    """Return the picture in 8-bit colour: `white` becomes 255, gray is repeated three times.

    Args:
        image: of any depth.
        max_side_px: the longer side is scaled down to this, with antialiasing; never up.

    Returns:
        (h, w, 3) uint8; read-only where it is the picture itself.
    """
    if max_side_px is not None and max_side_px < 1:
        raise InputError(f"max_side_px must be at least 1 (got {max_side_px}); None keeps the size")
    shown = image.pixels
    if shown.dtype != np.uint8 or image.white != 255:
        levels = np.arange(np.iinfo(shown.dtype).max + 1) * 255 / image.white
        shown = np.rint(np.minimum(levels, 255)).astype(np.uint8)[shown]
    if max_side_px is not None and max(image.size) > max_side_px:
        scale = max_side_px / max(image.size)
        height, width = (max(1, round(side * scale)) for side in image.size)
        shown = np.asarray(
            PIL.Image.fromarray(shown).resize(
                (width, height), PIL.Image.Resampling.BILINEAR, reducing_gap=3.0
            )
        )
    return shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
