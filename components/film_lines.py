"""Lines and labels on a picture: smooth, with a dark halo, seen on light and dark alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import contourpy
import numpy as np
import PIL.Image
import PIL.ImageDraw

from components import fonts
from explain_core.regions import Region
from explain_core.types import Array

_HALO, _HALO_WIDTH = "#000000", 2.5  # in widths of the line
# Lines are drawn twice as large and scaled down; pictures beyond this are sharp enough as they are.
_SMOOTHED_UP_TO_PX = 2048
_NUM_ELLIPSE_POINTS = 180


@dataclass(frozen=True)
class Stroke:
    """Say how a line looks.

    Attributes:
        colour: as "#rrggbb".
        width: in units of the picture (`unit_px`).
        dash: (drawn, left out) lengths in the same unit; None for a solid line.
    """

    colour: str
    width: float
    dash: tuple[float, float] | None = None


def unit_px(picture: PIL.Image.Image, enlarged: float = 1.0) -> float:
    """Return the length by which lines and letters grow with the picture: 1 for 700 pixels."""
    return max(picture.size) / 700 * enlarged


def contour_lines(values: Array, levels: Sequence[float]) -> list[Array]:
    """Return where (h, w) values cross one of the levels.

    Returns:
        (n, 2) each, as (x, y) in pixels from the upper left corner; a value stands for the centre
        of its pixel. No line runs where values are NaN.
    """
    rows, columns = (np.flatnonzero(~np.isnan(values).all(axis=axis)) for axis in (1, 0))
    if len(rows) < 2 or len(columns) < 2:
        return []
    seen = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    generator = contourpy.contour_generator(
        z=np.ma.masked_invalid(seen), name="serial", line_type=contourpy.LineType.Separate
    )
    corner = np.array([columns[0] + 0.5, rows[0] + 0.5])
    return [line + corner for level in levels for line in generator.lines(level)]


def mask_outline(mask: Array, size: tuple[int, int]) -> list[Array]:
    """Return the closed outlines of a (H, W) mask on a picture of `size` (h, w), as (x, y)."""
    height, width = size
    scaled = PIL.Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (width, height), PIL.Image.Resampling.BOX
    )
    # A border outside, so that a mask that ends with the picture has an outline there.
    padded = np.pad(np.asarray(scaled), 1).astype(np.float32)
    return [line - 1 for line in contour_lines(padded, [127.5])]


def region_outline(region: Region) -> Array:
    """Return a region's closed outline, (n, 2) as (x, y) in pixels of the original."""
    top, left, bottom, right = region.bounds
    if region.kind == "polygon":
        corners = np.array([(x, y) for y, x in region.points])
    elif region.kind == "box":
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    else:
        angle = np.linspace(0, 2 * np.pi, _NUM_ELLIPSE_POINTS, endpoint=False)
        across = np.cos(angle) * (right - left), np.sin(angle) * (bottom - top)
        corners = np.stack(across, axis=1) / 2 + ((left + right) / 2, (top + bottom) / 2)
    return np.concatenate([corners, corners[:1]])


def trace_(picture: PIL.Image.Image, lines: Sequence[Array], stroke: Stroke, unit: float) -> None:
    """Draw lines, (n, 2) each as (x, y), onto the picture; the halo runs under all of them.

    Args:
        unit: of the stroke's lengths, in pixels.
    """
    if not lines:
        return
    smooth = 2 if max(picture.size) <= _SMOOTHED_UP_TO_PX else 1
    dashed = lines
    if stroke.dash is not None:
        cut = partial(_dashes, drawn=stroke.dash[0] * unit, left_out=stroke.dash[1] * unit)
        dashed = [dash for line in lines for dash in cut(line)]
    for drawn, colour, width in (
        (lines, _HALO, _HALO_WIDTH),
        (dashed, stroke.colour, 1.0),
    ):
        covered = PIL.Image.new("L", (picture.width * smooth, picture.height * smooth))
        pen = PIL.ImageDraw.Draw(covered)
        width_px = max(1, round(width * max(1.0, stroke.width * unit) * smooth))
        for line in drawn:
            # Pillow counts from the centre of the first pixel.
            points = (line * smooth - 0.5).ravel().tolist()
            joint = "curve" if len(line) <= _NUM_ELLIPSE_POINTS + 1 else None
            pen.line(points, fill=255, width=width_px, joint=joint)
        box = covered.getbbox()
        if box is not None:
            left, top = box[0] // smooth, box[1] // smooth
            right, bottom = -(-box[2] // smooth), -(-box[3] // smooth)
            part = covered.reduce(
                smooth, (left * smooth, top * smooth, right * smooth, bottom * smooth)
            )
            picture.paste(colour, (left, top, right, bottom), part)


def label_(
    picture: PIL.Image.Image,
    text: str,
    corner: tuple[float, float],
    anchor: tuple[float, float],
    size: float,
    *,
    ink: str = "#ffffff",
    plate: str = "#000000b0",
) -> None:
    """Write a text on a plate; it is moved and shrunk so that all of it stays on the picture.

    Args:
        corner: (x, y) in pixels.
        anchor: which point of the plate lies there, as shares of its size: (0, 1) is its lower
            left corner.
        size: of the letters, in pixels.
        ink: "#rrggbb".
        plate: "#rrggbbaa".
    """
    shown = fonts.printable(text).replace("\n", " ").strip()
    if not shown:
        return
    size_px = max(7, round(size))
    font = fonts.at_size(fonts.BOLD, size_px)
    while size_px > 5 and font.getlength(shown) + size_px > picture.width:
        size_px -= 1
        font = fonts.at_size(fonts.BOLD, size_px)
    pad = size_px * 0.45
    wide, high = font.getlength(shown) + 2 * pad, size_px + 1.2 * pad
    left, top = (
        min(max(0.0, at - share * length), max(0.0, side - length))
        for at, share, length, side in zip(corner, anchor, (wide, high), picture.size, strict=True)
    )
    pen = PIL.ImageDraw.Draw(picture, "RGBA")
    pen.rounded_rectangle((left, top, left + wide - 1, top + high - 1), size_px * 0.3, fill=plate)
    pen.text((left + wide / 2, top + high / 2), shown, fill=ink, font=font, anchor="mm")


def _dashes(line: Array, *, drawn: float, left_out: float) -> Iterator[Array]:
    """Yield the drawn parts of a line, by its length."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    for start in np.arange(0.0, along[-1], drawn + left_out):
        stop = min(start + drawn, along[-1])
        between = line[(along > start) & (along < stop)]
        ends = [[np.interp(at, along, axis) for axis in line.T] for at in (start, stop)]
        yield np.concatenate([ends[:1], between, ends[1:]])
