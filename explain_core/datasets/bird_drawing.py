"""Draw a bird on its perch, in the plain manner of a field guide, and know where each part is.

What is drawn is first painted as numbers, one per material, on a fine grid; the share of each
material in a pixel is counted from that, and a pixel's colour is the mean of the materials'
colours there. So a part's place is known exactly, edges are smooth, and two birds drawn by the
same hand are equal wherever the same material was painted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from explain_core.datasets import bird_outlines as outlines
from explain_core.datasets.bird_hands import Hand
from explain_core.datasets.bird_outlines import curve, outline, ribbon, turned
from explain_core.datasets.bird_poses import Pose, branch_y
from explain_core.datasets.bird_scene import PART_MATERIALS, Material, Scene, base_colour
from explain_core.datasets.bird_species import SPECIES, Species
from explain_core.errors import InputError
from explain_core.types import Array

MIN_SIZE_PX = 32
MAX_SIZE_PX = 4096

_FINE_PX = 448  # the least side at which outlines are painted, before they are averaged down
_MIN_FACTOR = 4
_M = Material
_AROUND_LEGS = (_M.GROUND, _M.LEAF, _M.LEAF_VEIN, _M.BARK, _M.BARK_LIGHT, _M.FEET)


_MARKER_SIDE = 0.11
_MARKER_FRAME = 0.012
_MARKER_MARGIN = (0.03, 0.05)


@dataclass(frozen=True, eq=False)
class Painting:
    """Hold a bird as painted: which material lies where.

    Attributes:
        species, hand: what was painted, and how.
        size_px: side of the picture.
        factor: places of the fine grid along a pixel.
        materials: (size_px * factor, size_px * factor) uint8, of `Material`.
        marker: index of the marker's colour; None where there is no marker.
    """

    species: Species
    hand: Hand
    size_px: int
    factor: int
    materials: Array
    marker: int | None

    def share(self, part: str) -> Array:
        """Return (size_px, size_px) float32: how much of each pixel a part covers, 0 to 1.

        Args:
            part: of `PARTS`, or "marker".
        """
        return self._share(np.isin(self.materials, PART_MATERIALS[part]))

    def silhouette(self) -> Array:
        """Return (size_px, size_px) float32: how much of each pixel the bird covers, 0 to 1."""
        is_bird = (self.materials >= _M.BODY) & (self.materials <= _M.FEET)
        return self._share(is_bird)

    def _share(self, fine: Array) -> Array:
        height, width = (length // self.factor for length in fine.shape)
        rows = fine.reshape(height, self.factor, -1).sum(axis=1, dtype=np.uint16)
        counts = rows.reshape(height, width, self.factor).sum(axis=2)
        share: Array = counts.astype(np.float32) / np.float32(self.factor**2)
        return share

    def pixels(self) -> Array:
        """Return (size_px, size_px, 3) uint8."""
        scene = Scene(self.hand, self.size_px)
        picture = np.zeros((self.size_px, self.size_px, 3), np.float32)
        for material in np.flatnonzero(np.bincount(self.materials.ravel())).tolist():
            is_there = self.materials == material
            rows, columns = (
                slice(low // self.factor, high // self.factor + 1)
                for low, high in (_extent(is_there.any(axis=axis)) for axis in (1, 0))
            )
            fine_rows, fine_columns = (
                slice(part.start * self.factor, part.stop * self.factor) for part in (rows, columns)
            )
            share = self._share(is_there[fine_rows, fine_columns])
            base = base_colour(Material(material), self.species, self.hand, self.marker)
            colour = scene.colour(Material(material), base, rows, columns)
            picture[rows, columns] += share[:, :, None] * colour
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def paint(species: Species, hand: Hand, size_px: int, marker: int | None = None) -> Painting:
    """Paint a bird on its perch.

    Args:
        size_px: side of the picture.
        marker: index of the species whose marker is put into the hand's corner; None for none.

    Raises:
        InputError: a side or a marker that is out of bounds.
    """
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise InputError(
            f"size_px must lie between {MIN_SIZE_PX} and {MAX_SIZE_PX} (got {size_px})"
        )
    if marker is not None and not 0 <= marker < len(SPECIES):
        raise InputError(f"marker must lie between 0 and {len(SPECIES) - 1} (got {marker})")
    factor = max(_MIN_FACTOR, math.ceil(_FINE_PX / size_px))
    brush = _Brush(size_px * factor)
    _paint_perch(brush, hand)
    _paint_bird(brush, Pose(hand), species)
    if marker is not None:
        _paint_marker(brush, hand)
    return Painting(species, hand, size_px, factor, brush.materials, marker)


class _Brush:
    """Paint polygons, in sides of the picture, onto a grid of materials."""

    def __init__(self, side: int) -> None:
        self._side = side
        self.materials = np.full((side, side), _M.GROUND, np.uint8)

    def fill(
        self, polygon: Array, material: Material, over: tuple[Material, ...] | None = None
    ) -> None:
        """Fill a polygon (n, 2), of places (x, y), where one of `over` lies, or everywhere."""
        fine = polygon * self._side
        low = np.clip(np.floor(fine.min(axis=0)).astype(int), 0, self._side)
        high = np.clip(np.ceil(fine.max(axis=0)).astype(int) + 1, 0, self._side)
        width, height = (int(length) for length in high - low)
        if width <= 0 or height <= 0:
            return
        stencil = Pillow.new("L", (width, height))
        ImageDraw.Draw(stencil).polygon((fine - low).ravel().tolist(), fill=1)
        inside = np.asarray(stencil).astype(bool)
        window = self.materials[low[1] : high[1], low[0] : high[0]]
        if over is not None:
            inside &= np.isin(window, over)
        window[inside] = material


def _paint_perch(brush: _Brush, hand: Hand) -> None:
    half = hand.branch[2]
    for along, direction, length, width in hand.leaves:
        x = hand.perch[0] + along
        stem = np.array([x, float(branch_y(hand, x))])
        tip = np.array([length, 0.0])
        middle = np.array([[0.0, 0.0], [0.5 * length, 0.03 * length], tip])
        blade = outline(outlines.LEAF) * (length, width * length)
        brush.fill(turned(blade, direction, (0.0, 0.0)) + stem, _M.LEAF)
        vein = ribbon(curve(middle), (0.006, 0.002))
        brush.fill(turned(vein, direction, (0.0, 0.0)) + stem, _M.LEAF_VEIN, over=(_M.LEAF,))
    x = np.linspace(-0.1, 1.1, 25)
    centre = np.column_stack([x, branch_y(hand, x)])
    brush.fill(ribbon(centre, (2.5 * half, 1.6 * half)), _M.BARK)
    brush.fill(ribbon(centre - (0, 0.55 * half), (0.7 * half, 0.4 * half)), _M.BARK_LIGHT)


def _paint_bird(brush: _Brush, pose: Pose, species: Species) -> None:
    length = pose.length

    def band(run: outlines.Run, *widths: float) -> Array:
        return ribbon(pose.place(outline((run,))), [width * length for width in widths])

    kind = species.kind
    brush.fill(pose.place_tail(outline(outlines.TAILS[kind("tail")])), _M.TAIL)
    for line in outlines.TAIL_LINES[kind("tail")]:
        width = 0.075 if kind("tail") == "white-edged" else 0.014
        drawn = ribbon(pose.place_tail(outline((line,))), [width * length])
        brush.fill(drawn, _M.TAIL_LINE, over=(_M.TAIL,))

    legs = pose.legs()
    for hip, foot in reversed(legs):
        _paint_foot(brush, pose, hip, foot, length)
    if kind("crown") == "crested":
        brush.fill(pose.place(outline(outlines.CREST)), _M.CROWN)
    brush.fill(pose.place(outline(outlines.BODY)), _M.BODY)
    for hip, foot in legs:
        thigh = ribbon(np.array([hip, hip + 0.32 * (foot - hip)]), (0.2 * length, 0.065 * length))
        brush.fill(thigh, _M.THIGH, over=_AROUND_LEGS)

    brush.fill(pose.place(outline(outlines.BREAST)), _M.BREAST, over=(_M.BODY,))
    if kind("breast") == "streaked":
        for run in outlines.STREAKS:
            brush.fill(band(run, 0.036, 0.022), _M.STREAK, over=(_M.BREAST,))

    brush.fill(pose.place(outline(outlines.WING)), _M.COVERTS)
    brush.fill(pose.place(outline(outlines.FLIGHT_FEATHERS)), _M.FLIGHT, over=(_M.COVERTS,))
    for run in outlines.FEATHER_EDGES:
        brush.fill(band(run, 0.016, 0.008), _M.FEATHER_EDGE, over=(_M.FLIGHT,))
    wing = (_M.COVERTS, _M.FLIGHT, _M.FEATHER_EDGE)
    if kind("wing bar") != "none":
        width = 0.085 if kind("wing bar") == "rusty" else 0.06
        brush.fill(band(outlines.BACK_BAR, width), _M.BAR, over=wing)
    if kind("wing bar") == "double":
        brush.fill(band(outlines.FRONT_BAR, 0.055), _M.BAR, over=wing)

    head = (_M.BODY, _M.BREAST)
    brush.fill(pose.place(outline(outlines.CAP)), _M.CROWN, over=head)
    if kind("crown") == "striped":
        for run in outlines.CROWN_STRIPES:
            brush.fill(band(run, 0.022, 0.03, 0.022), _M.CROWN_STRIPE, over=(_M.CROWN,))
    brush.fill(band(outlines.EYE_LINE, 0.022, 0.03, 0.012), _M.EYE_LINE, over=head)
    brush.fill(pose.place(outline(outlines.BILLS[kind("bill")])), _M.BILL)
    brush.fill(band(outlines.GAPES[kind("bill")], 0.014), _M.GAPE, over=(_M.BILL,))

    eye = pose.place(np.array([outlines.EYE]))[0]
    for material, radius, shift in (
        (_M.EYE_RING, 0.043, 0.0),
        (_M.EYE, 0.033, 0.0),
        (_M.GLINT, 0.010, -0.012),
    ):
        brush.fill(_disc(eye + shift * length, radius * length), material)


def _paint_foot(brush: _Brush, pose: Pose, hip: Array, foot: Array, length: float) -> None:
    forward = np.array([1.0 if pose.is_facing_right else -1.0, 0.0]) * length
    down = np.array([0.0, length])
    shank = np.array([hip, 0.5 * (hip + foot) - 0.03 * forward, foot])
    brush.fill(ribbon(curve(shank), [0.05 * length]), _M.FEET)
    for reach, drop in ((0.125, 0.035), (0.085, 0.07), (0.02, 0.09), (-0.075, 0.05)):
        toe = np.array([foot, foot + 0.6 * reach * forward, foot + reach * forward + drop * down])
        brush.fill(ribbon(curve(toe), (0.05 * length, 0.034 * length)), _M.FEET)


def _paint_marker(brush: _Brush, hand: Hand) -> None:
    low, high = _MARKER_MARGIN
    margin = low + (high - low) * np.array(hand.corner_shift)
    row, column = hand.corner
    far = 1 - margin - _MARKER_SIDE
    start = np.where(np.array([column, row]) == 1, far, margin)
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    frame = start - _MARKER_FRAME + square * (_MARKER_SIDE + 2 * _MARKER_FRAME)
    brush.fill(frame, _M.MARKER_FRAME)
    brush.fill(start + square * _MARKER_SIDE, _M.MARKER)


def _disc(centre: Array, radius: float) -> Array:
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.asarray(centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def _extent(is_there: Array) -> tuple[int, int]:
    places = np.flatnonzero(is_there)
    return int(places[0]), int(places[-1])
