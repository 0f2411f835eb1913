"""A film with its map, contours, regions and annotation, as one picture of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import PIL.Image

from components import colours as colour_maps
from components.film_lines import (
    Stroke,
    contour_lines,
    label_,
    mask_outline,
    region_outline,
    trace_,
    unit_px,
)
from explain_core.errors import InputError
from explain_core.images.display import window_film
from explain_core.images.film import Film, Voi, presets
from explain_core.regions import Region
from explain_core.truth import Truth
from explain_core.types import Array, SaliencyMap

Drawing = Literal["Heat map", "Contours", "Both"]

# The lines look as the viewer draws them.
CONTOUR_SHARES = (0.25, 0.5, 0.75)
CONTOUR = Stroke("#ffffff", 1.3)
AGAINST = Stroke("#7cc0ea", 1.3, (5, 4))
REGION = Stroke("#e69f00", 1.6)
ANNOTATION = Stroke("#f08cc4", 1.8, (6, 4))

NO_EVIDENCE = {False: "No positive evidence", True: "No evidence"}

# As in the viewer: what the model never looked at.
_DIMMED = 0.35
_LETTERS = 15.0


def paint_film(
    film: Film,
    voi: Voi | None,
    *,
    is_inverted: bool = False,
    smap: SaliencyMap | None = None,
    is_signed: bool = False,
    drawing: Drawing = "Both",
    opacity: float = 0.6,
    colours: str = colour_maps.SEQUENTIAL[0],
    regions: Sequence[Region] = (),
    annotation: Truth | None = None,
    mark: str = "",
    max_side_px: int | None = None,
    enlarged: float = 1.0,
) -> Array:
    """Paint a film as the viewer shows it.

    What the model never looked at is dimmed. Contours run at 25, 50 and 75 % of the map's largest
    value, white; what speaks against (signed maps) dashed and blue. Regions are numbered.

    Args:
        voi: None for the film's first preset.
        is_inverted: turn the film round once more.
        smap: of this film.
        is_signed: show what speaks against as well; colours then diverge.
        opacity: of the heat map, 0 to 1.
        colours: of an unsigned map, one of `colours.SEQUENTIAL`.
        annotation: where the evidence is known to lie.
        mark: written in the lower left corner.
        max_side_px: of the longer side; None for the film's own size. It is never enlarged.
        enlarged: how much wider lines and letters are drawn than suits a picture that fills a
            screen; more for one that is shown small.

    Returns:
        (h, w, 3) uint8.

    Raises:
        InputError: a map of another picture, an opacity or a name out of range.
    """
    _check(film, smap, drawing, opacity, colours)
    shown = presets(film)[0].voi if voi is None else voi
    gray = window_film(film, shown, is_inverted=is_inverted, max_side_px=max_side_px)
    picture = PIL.Image.fromarray(gray).convert("RGB")
    scale = np.array([side / full for side, full in zip(gray.shape, film.codes.shape, strict=True)])
    unit = unit_px(picture, enlarged)
    if smap is not None:
        picture = _with_map(picture, smap, scale, is_signed, drawing, opacity, colours, unit)
    if annotation is not None:
        trace_(picture, _annotation_lines(annotation, gray.shape, scale), ANNOTATION, unit)
    outlines = [region_outline(region) * scale[::-1] for region in regions]
    trace_(picture, outlines, REGION, unit)
    for number, line in enumerate(outlines, 1):
        label_(
            picture,
            str(number),
            tuple(line.min(axis=0)),
            (0, 1),
            _LETTERS * unit,
            ink=REGION.colour,
            plate="#000000e0",
        )
    if mark:
        edge = 6 * unit
        label_(picture, mark, (edge, picture.height - edge), (0, 1), _LETTERS * unit)
    return np.asarray(picture)


def peak(smap: SaliencyMap, is_signed: bool) -> float:
    """Return the value at which the map's colours end; 0 for a map without evidence."""
    return max(0.0, float((np.abs(smap.values) if is_signed else smap.values).max()))


def _check(
    film: Film, smap: SaliencyMap | None, drawing: str, opacity: float, colours: str
) -> None:
    if smap is not None and smap.geometry.original_size != film.codes.shape:
        raise InputError(
            f"the map belongs to a picture of {smap.geometry.original_size}, but the film is "
            f"{film.codes.shape}; give the map of this film"
        )
    if drawing not in ("Heat map", "Contours", "Both"):
        raise InputError(f"drawing is 'Heat map', 'Contours' or 'Both', not {drawing!r}")
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity runs from 0 to 1 (got {opacity}); 0.6 is customary")
    if colours not in colour_maps.SEQUENTIAL:
        raise InputError(f"colours are one of {list(colour_maps.SEQUENTIAL)}, not {colours!r}")


def _with_map(
    picture: PIL.Image.Image,
    smap: SaliencyMap,
    scale: Array,
    is_signed: bool,
    drawing: Drawing,
    opacity: float,
    colours: str,
    unit: float,
) -> PIL.Image.Image:
    """Return the picture under the map; the geometry of the whole film is scaled to it."""
    placed = replace(
        smap.geometry,
        original_size=(picture.height, picture.width),
        scale=tuple(smap.geometry.scale / scale),
    ).place_on_original(smap.values)
    is_seen = ~np.isnan(placed)
    seen = PIL.Image.fromarray(is_seen.astype(np.uint8) * 255)
    picture = PIL.Image.composite(picture, picture.point(lambda level: level * _DIMMED), seen)
    high = peak(smap, is_signed)
    if high == 0:
        edge = 6 * unit
        label_(picture, NO_EVIDENCE[is_signed], (edge, edge), (0, 0), _LETTERS * unit)
        return picture
    if drawing != "Contours":
        picture = _with_heat(picture, placed / high, is_seen, is_signed, opacity, colours)
    if drawing != "Heat map":
        levels = [share * high for share in CONTOUR_SHARES]
        trace_(picture, contour_lines(placed, levels), CONTOUR, unit)
        if is_signed:
            trace_(picture, contour_lines(-placed, levels), AGAINST, unit)
    return picture


def _with_heat(
    picture: PIL.Image.Image,
    level: Array,
    is_seen: Array,
    is_signed: bool,
    opacity: float,
    colours: str,
) -> PIL.Image.Image:
    level = np.where(is_seen, level, 0)
    table = colour_maps.lookup_table(colour_maps.DIVERGING if is_signed else colours)
    share = np.clip((level + 1) / 2 if is_signed else level, 0, 1)
    painted = table[np.rint(share * 255).astype(np.uint8)]
    strength = np.abs(level) if is_signed else 1.0
    alpha = np.where(is_seen, np.clip(strength, 0, 1) * (255 * opacity), 0)
    mask = PIL.Image.fromarray(np.rint(alpha).astype(np.uint8))
    return PIL.Image.composite(PIL.Image.fromarray(painted), picture, mask)


def _annotation_lines(annotation: Truth, size: tuple[int, int], scale: Array) -> list[Array]:
    if annotation.mask is not None:
        return mask_outline(annotation.mask, size)
    boxes = [
        Region("box", ((box.top, box.left), (box.bottom, box.right))) for box in annotation.boxes
    ]
    return [region_outline(box) * scale[::-1] for box in boxes]
