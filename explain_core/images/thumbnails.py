"""Small pictures that are kept beside features, so that people see what a bank is made of."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image

from explain_core.images.display import to_display
from explain_core.types import Image

_QUALITY = 80


def thumbnail(image: Image, max_side_px: int = 96) -> bytes:
    """Return a picture as a small file.

    Args:
        image: of any size and depth.
        max_side_px: a picture that is no larger keeps its own pixels.

    Returns:
        A PNG, lossless, of a picture whose longer side is at most `max_side_px`; else a JPEG of
        the picture as it is shown, scaled down to that. Gray stays gray.
    """
    file = io.BytesIO()
    is_deep_colour = image.pixels.ndim == 3 and image.pixels.dtype != np.uint8
    if max(image.size) <= max_side_px and not is_deep_colour:
        PIL.Image.fromarray(image.pixels).save(file, "PNG")
        return file.getvalue()
    shown = to_display(image, max_side_px)
    kind = "PNG" if max(image.size) <= max_side_px else "JPEG"
    gray_or_colour = shown[..., 0] if image.pixels.ndim == 2 else shown
    # Pillow ignores for PNG what it does not know
    PIL.Image.fromarray(gray_or_colour).save(file, kind, quality=_QUALITY)
    return file.getvalue()
