"""Masks as data sets store them: pictures of class numbers, and run lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image

from explain_core.errors import InputError
from explain_core.images.reading import MAX_PIXELS
from explain_core.types import Array


def read_numbers(path: Path, of: str) -> Array:
    """Return the numbers that a mask's file stores: (H, W), or (H, W, channels).

    Palettes stay numbers; a mask is never turned into colours.

    Args:
        of: the id of its picture, for the message.

    Raises:
        InputError: there is no such file, or it is no mask.
    """
    if not path.is_file():
        raise InputError(
            f"there is no mask '{path.name}' for '{of}' in '{path.parent}'; fetch the set's masks "
            "again, or choose pictures that have one"
        )
    try:
        with PIL.Image.open(path, formats=("PNG", "BMP", "TIFF", "GIF")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise InputError(
                    f"the mask '{path.name}' claims {picture.width} x {picture.height} pixels; "
                    f"at most {MAX_PIXELS // 10**6} megapixels are read"
                )
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise InputError(
            f"the mask '{path.name}' of '{of}' cannot be read; it must be a PNG: fetch it again"
        ) from error


def mask_of_runs(encoded: str, size: tuple[int, int], where: str) -> Array:
    """Return (H, W) bool from SIIM's run lengths.

    Pairs of numbers: how many pixels to go on from the end of the run before, and how many then
    belong to the mask. Pixels are counted down the columns, from the left.

    Args:
        encoded: "offset length offset length ...".
        size: (H, W) of the picture.

    Raises:
        InputError: no such pairs, or runs that leave the picture.
    """
    try:
        values = np.array(encoded.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: run lengths must be whole numbers") from error
    if len(values) == 0 or len(values) % 2 or (values < 0).any():
        raise InputError(f"{where}: run lengths must be pairs of an offset and a length")
    ends = np.cumsum(values)
    num_pixels = size[0] * size[1]
    if ends[-1] > num_pixels:
        raise InputError(
            f"{where}: run lengths reach pixel {ends[-1]}, but the picture has {num_pixels}"
        )
    steps = np.zeros(num_pixels + 1, np.int32)
    np.add.at(steps, ends[0::2], 1)
    np.add.at(steps, ends[1::2], -1)
    inside: Array = np.cumsum(steps[:-1]) > 0
    return inside.reshape(size[1], size[0]).T
