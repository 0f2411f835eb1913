"""Maps over pictures, as pixels: scale, colours, overlay, and a sheet with legend for download."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from components import colours
from components.wording import number
from explain_core import Geometry, Image, SaliencyMap
from explain_core.images.display import to_display
from explain_core.types import Array

_FONT = Path(__file__).parents[2] / "assets" / "fonts" / "DejaVuSans.ttf"
_DIM = 0.35
_MARGIN_PX = 16
_BAR_PX = 14


@dataclass(frozen=True)
class Scale:
    """Say which values the colour map's ends stand for.

    Attributes:
        low, high: `low` is 0, or `-high` for signed maps.
        is_shared: whether all panels have this scale.
    """

    low: float
    high: float
    is_shared: bool

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to show."""
        return self.high <= self.low


def scale_of(smap: SaliencyMap) -> Scale:
    """Return a map's own scale."""
    if smap.is_signed:
        bound = float(np.abs(smap.values).max())
        return Scale(-bound, bound, is_shared=False)
    return Scale(0.0, max(0.0, float(smap.values.max())), is_shared=False)


def shared_scale(maps: list[SaliencyMap]) -> dict[bool, Scale]:
    """Return one scale for all maps, by whether a map is signed; both have the same upper end."""
    high = max((scale_of(smap).high for smap in maps), default=0.0)
    return {False: Scale(0.0, high, is_shared=True), True: Scale(-high, high, is_shared=True)}


def overlay(
    image: Image,
    smap: SaliencyMap,
    *,
    scale: Scale,
    colour_map: str,
    opacity: float,
    max_side_px: int | None,
) -> Array:
    """Paint a map over its picture.

    Args:
        scale: values at its ends and beyond take the colour map's ends.
        opacity: of the map, in [0, 1]; a signed map fades to nothing towards zero, so that its
            neutral middle does not veil the picture.
        max_side_px: the picture's longer side is scaled down to this; None keeps full size.

    Returns:
        (h, w, 3) uint8; dimmed where the model never looked, the bare picture where the map is
        empty.
    """
    picture = to_display(image, max_side_px).astype(np.float32)
    values = resized(smap.geometry, picture.shape[:2]).place_on_original(smap.values)
    is_seen = ~np.isnan(values)
    picture[~is_seen] *= _DIM
    if not scale.is_empty:
        level = np.clip((values[is_seen] - scale.low) / (scale.high - scale.low), 0, 1)
        table = colours.lookup_table(colour_map).astype(np.float32)
        painted = table[np.rint(level * 255).astype(np.intp)]
        weight = np.abs(2 * level - 1) if scale.low < 0 else np.ones_like(level)
        picture[is_seen] += opacity * weight[:, None] * (painted - picture[is_seen])
    return np.rint(picture).astype(np.uint8)


def resized(geometry: Geometry, size: tuple[int, ...]) -> Geometry:
    """Return the geometry of the same picture shown at `size` (h, w)."""
    height, width = size
    return replace(
        geometry,
        original_size=(height, width),
        scale=(
            geometry.scale[0] * geometry.original_size[0] / height,
            geometry.scale[1] * geometry.original_size[1] / width,
        ),
    )


def sheet(painted: Array, *, title: str, lines: list[str], scale: Scale, colour_map: str) -> bytes:
    """Return a PNG of a painted map with its title, legend and parameters below it."""
    height, width = painted.shape[:2]
    text_px = int(np.clip(width / 32, 12, 40))
    font = PIL.ImageFont.truetype(_FONT, text_px)
    line_px = round(text_px * 1.5)
    texts = [title, *lines]
    wide = max(width, *(int(font.getlength(text)) for text in texts)) + 2 * _MARGIN_PX
    footer = line_px * (len(texts) + 2) + _BAR_PX + 2 * _MARGIN_PX
    page = PIL.Image.new("RGB", (wide, height + _MARGIN_PX + footer), "white")
    page.paste(PIL.Image.fromarray(painted), ((wide - width) // 2, _MARGIN_PX))
    pen = PIL.ImageDraw.Draw(page)
    top = height + 2 * _MARGIN_PX
    for text in texts:
        pen.text((_MARGIN_PX, top), text, fill="black", font=font)
        top += line_px
    if scale.is_empty:
        pen.text((_MARGIN_PX, top), "No positive evidence", fill="black", font=font)
    else:
        bar_width = min(width, wide - 2 * _MARGIN_PX)
        bar = np.repeat(colours.lookup_table(colour_map)[None], _BAR_PX, axis=0)
        strip = PIL.Image.fromarray(bar).resize((bar_width, _BAR_PX))
        page.paste(strip, (_MARGIN_PX, top))
        top += _BAR_PX + 4
        pen.text((_MARGIN_PX, top), number(scale.low), fill="black", font=font)
        high = number(scale.high)
        right = _MARGIN_PX + bar_width - int(font.getlength(high))
        pen.text((right, top), high, fill="black", font=font)
    return png(np.asarray(page))


def png(pixels: Array) -> bytes:
    """Return (h, w, 3) uint8 pixels as a PNG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()
