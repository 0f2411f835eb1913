"""The picture as it is seen on a screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image

from explain_core.errors import InputError
from explain_core.images.film import Film, Voi
from explain_core.types import Array, Image, read_only

# Of 16 bits, less the code of padding.
_MOST_CODES = 65_534


def to_display(image: Image, max_side_px: int | None = None) -> Array:
    """Return the picture in 8-bit colour: `white` becomes 255, gray is repeated three times.

    Args:
        image: of any depth.
        max_side_px: the longer side is scaled down to this, with antialiasing; never up.

    Returns:
        (h, w, 3) uint8; read-only where it is the picture itself.
    """
    _require_side(max_side_px)
    shown = image.pixels
    if shown.dtype != np.uint8 or image.white != 255:
        levels = np.arange(np.iinfo(shown.dtype).max + 1) * 255 / image.white
        shown = np.rint(np.minimum(levels, 255)).astype(np.uint8)[shown]
    shown = _scaled_down(shown, max_side_px)
    return shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)


def window_film(
    film: Film, voi: Voi, *, is_inverted: bool = False, max_side_px: int | None = None
) -> Array:
    """Return a film through a window of the reader's; `film.image` stays what the network sees.

    Args:
        voi: a preset's, or a `Window` of values.
        is_inverted: turn the picture round once more; padding stays black.
        max_side_px: as in `to_display`.

    Returns:
        (h, w) uint8.
    """
    _require_side(max_side_px)
    shares = voi.shares(film.values)
    if film.is_inverted != is_inverted:
        shares = 1.0 - shares
    levels = np.where(film.is_padding, 0, np.rint(255 * shares)).astype(np.uint8)
    return _scaled_down(levels.take(film.codes), max_side_px)


@dataclass(frozen=True, eq=False)
class Screen:
    """Hold a film's values at the size of a screen, for windowing where it is shown.

    Attributes:
        codes: (h, w) uint16; 0 is padding, any other stands for `low + (code - 1) * step`.
        low: the film's least value.
        step: values between two codes; 1 where all values are whole numbers and span less than
            65,535, so that nothing is rounded.
        is_inverted: whether low values are shown bright.
    """

    codes: Array
    low: float
    step: float
    is_inverted: bool


def film_on_screen(film: Film, max_side_px: int) -> Screen:
    """Return the values of a film, scaled down so that its longer side fits; never up."""
    _require_side(max_side_px)
    low, high = film.range_of(0.0, 1.0)
    is_whole = bool((film.values == np.rint(film.values)).all())
    step = 1.0 if is_whole and high - low < _MOST_CODES else ((high - low) or 1.0) / _MOST_CODES
    table = np.rint(np.clip((film.values - low) / step, 0, _MOST_CODES)).astype(np.uint16) + 1
    codes = table.astype(np.uint16).take(film.codes)
    is_measured = ~film.is_padding
    if max(film.codes.shape) <= max_side_px:
        codes[film.is_padding.take(film.codes)] = 0
    else:
        # As fractions: Pillow scales no 16-bit pixels. Divided by how much of each new pixel was
        # measured, so that padding does not bleed into its neighbours.
        table = (table * is_measured).astype(np.float32)
        values = _scaled_down(table.take(film.codes), max_side_px)
        share = _scaled_down(is_measured.astype(np.float32).take(film.codes), max_side_px)
        values = np.divide(values, share, out=np.zeros_like(values), where=share >= 0.5)
        codes = np.rint(values).astype(np.uint16)
    return Screen(read_only(codes), low, step, film.is_inverted)


def _require_side(max_side_px: int | None) -> None:
    if max_side_px is not None and max_side_px < 1:
        raise InputError(f"max_side_px must be at least 1 (got {max_side_px}); None keeps the size")


def _scaled_down(shown: Array, max_side_px: int | None) -> Array:
    """Return pixels whose longer side is at most `max_side_px`, with antialiasing."""
    size = shown.shape[0], shown.shape[1]
    if max_side_px is None or max(size) <= max_side_px:
        return shown
    scale = max_side_px / max(size)
    height, width = (max(1, round(side * scale)) for side in size)
    return np.asarray(
        PIL.Image.fromarray(shown).resize(
            (width, height), PIL.Image.Resampling.BILINEAR, reducing_gap=3.0
        )
    )
