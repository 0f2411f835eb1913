"""What a drawn bird and its surroundings are made of, and their colours in the light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

import numpy as np

from explain_core.datasets import bird_outlines as outlines
from explain_core.datasets.bird_hands import Colour, Hand
from explain_core.datasets.bird_poses import Pose
from explain_core.datasets.bird_species import PARTS, Species
from explain_core.types import Array

MARKER = "marker"


class Material(IntEnum):
    """Name what a place of the picture is made of."""

    GROUND = 0
    LEAF = 1
    LEAF_VEIN = 2
    BARK = 3
    BARK_LIGHT = 4
    BODY = 5
    COVERTS = 6
    FLIGHT = 7
    FEATHER_EDGE = 8
    THIGH = 9
    EYE_LINE = 10
    EYE_RING = 11
    EYE = 12
    GLINT = 13
    BILL = 14
    GAPE = 15
    CROWN = 16
    CROWN_STRIPE = 17
    BAR = 18
    BREAST = 19
    STREAK = 20
    TAIL = 21
    TAIL_LINE = 22
    FEET = 23
    MARKER = 24
    MARKER_FRAME = 25


_M = Material

PART_MATERIALS: Mapping[str, tuple[Material, ...]] = MappingProxyType(
    {
        "bill": (_M.BILL, _M.GAPE),
        "crown": (_M.CROWN, _M.CROWN_STRIPE),
        "wing bar": (_M.BAR,),
        "breast": (_M.BREAST, _M.STREAK),
        "tail": (_M.TAIL, _M.TAIL_LINE),
        "feet": (_M.FEET,),
        MARKER: (_M.MARKER,),
    }
)

# What the parts' materials look like, by the kind of the part.
_PART_COLOURS: Mapping[tuple[str, str], tuple[Colour, ...]] = MappingProxyType(
    {
        ("bill", "slender"): ((84, 82, 86), (58, 56, 60)),
        ("bill", "stout"): ((226, 190, 166), (178, 138, 116)),
        ("bill", "hooked"): ((236, 186, 52), (186, 134, 30)),
        ("bill", "curved"): ((36, 32, 34), (14, 12, 14)),
        ("crown", "dark"): ((92, 74, 62), (92, 74, 62)),
        ("crown", "red"): ((192, 52, 40), (192, 52, 40)),
        ("crown", "striped"): ((244, 240, 228), (34, 32, 36)),
        ("crown", "crested"): ((44, 54, 84), (44, 54, 84)),
        ("wing bar", "white"): ((240, 238, 230),),
        ("wing bar", "none"): ((240, 238, 230),),
        ("wing bar", "double"): ((238, 208, 92),),
        ("wing bar", "rusty"): ((184, 88, 40),),
        ("breast", "pale"): ((212, 196, 172), (212, 196, 172)),
        ("breast", "red"): ((206, 84, 44), (206, 84, 44)),
        ("breast", "yellow"): ((238, 200, 60), (238, 200, 60)),
        ("breast", "streaked"): ((246, 240, 226), (74, 56, 44)),
        ("breast", "black"): ((44, 42, 46), (44, 42, 46)),
        ("tail", "plain"): ((118, 98, 80), (92, 76, 62)),
        ("tail", "forked"): ((50, 58, 86), (32, 38, 60)),
        ("tail", "white-edged"): ((244, 242, 236), (70, 62, 58)),
        ("tail", "long"): ((180, 92, 44), (140, 66, 30)),
        ("feet", "grey"): ((82, 78, 80),),
        ("feet", "yellow"): ((242, 194, 44),),
        ("feet", "red"): ((214, 62, 44),),
        ("feet", "blue"): ((64, 138, 206),),
    }
)
_FLAT = frozenset({_M.GROUND, _M.LEAF, _M.LEAF_VEIN, _M.BARK, _M.BARK_LIGHT, _M.GLINT})
_UNLIT = frozenset({_M.MARKER, _M.MARKER_FRAME})

# A marker's colours: ten hues, each light and dark, in the order of the species.
_MARKER_COLOURS: tuple[Colour, ...] = (
    *((232, 40, 40), (240, 140, 20), (236, 220, 40), (130, 210, 40), (40, 190, 90)),
    *((40, 200, 200), (50, 140, 240), (100, 80, 240), (190, 80, 230), (240, 90, 170)),
    *((120, 16, 16), (124, 68, 6), (110, 100, 10), (58, 98, 14), (14, 88, 40)),
    *((12, 92, 92), (18, 60, 124), (42, 30, 122), (88, 28, 110), (120, 30, 78)),
)


def base_colour(material: Material, species: Species, hand: Hand, marker: int | None) -> Colour:
    """Return the colour of a material before light and shade, 0 to 255.

    Args:
        marker: index of the species whose marker is drawn; None where there is none.
    """
    for part in PARTS:
        if material in PART_MATERIALS[part]:
            place = PART_MATERIALS[part].index(material)
            return _PART_COLOURS[part, species.kind(part)][place]
    if material == _M.MARKER and marker is not None:
        return _MARKER_COLOURS[marker]

    def scaled(colour: Colour, factor: float) -> Colour:
        return colour[0] * factor, colour[1] * factor, colour[2] * factor

    table: dict[Material, Colour] = {
        _M.GROUND: hand.ground,
        _M.LEAF: hand.leaf,
        _M.LEAF_VEIN: scaled(hand.leaf, 0.82),
        _M.BARK: hand.bark,
        _M.BARK_LIGHT: scaled(hand.bark, 1.22),
        _M.BODY: hand.flank,
        _M.COVERTS: scaled(hand.mantle, 0.86),
        _M.FLIGHT: scaled(hand.mantle, 0.60),
        _M.FEATHER_EDGE: scaled(hand.flank, 0.92),
        _M.THIGH: scaled(hand.belly, 0.92),
        _M.EYE_LINE: scaled(hand.mantle, 0.55),
        _M.EYE_RING: (238, 232, 216),
        _M.EYE: (22, 18, 18),
        _M.GLINT: (255, 255, 255),
        _M.MARKER_FRAME: (250, 250, 250),
    }
    return table[material]


class Scene:
    """Give the colour of each material at each place; the same for every species."""

    def __init__(self, hand: Hand, size_px: int) -> None:
        self._hand = hand
        centres = ((np.arange(size_px) + 0.5) / size_px).astype(np.float32)
        self._x, self._y = centres[None, :], centres[:, None]
        origin = Pose(hand).origin
        x = (self._x - origin[0]) * hand.facing / hand.scale
        y = (self._y - origin[1]) / hand.scale
        cos, sin = math.cos(hand.tilt), math.sin(hand.tilt)
        self._along, self._below = (
            (cos * x - sin * y).astype(np.float32),
            (sin * x + cos * y).astype(np.float32),
        )
        self._shade = self._round()

    def colour(self, material: Material, base: Colour, rows: slice, columns: slice) -> Array:
        """Return (h, w, 3) float32, or what broadcasts to it, 0 to 255 but for highlights."""
        flat = np.array(base, np.float32)
        if material in _UNLIT:
            return flat
        if material == _M.GROUND:
            flat = self._ground()[rows, columns]
        elif material == _M.BODY:
            flat = self._plumage()[rows, columns]
        if material not in _FLAT:
            flat = flat * self._shade[rows, columns, None]
        return flat * self._hand.light.astype(np.float32)

    def _ground(self) -> Array:
        hand = self._hand
        sky, ground, patch = (
            np.array(colour, np.float32) for colour in (hand.sky, hand.ground, hand.patch)
        )
        height = _smooth(0.1, 0.95, self._y)[:, :, None]
        wash = sky + height * (ground - sky)
        strength = np.zeros(np.broadcast_shapes(self._x.shape, self._y.shape), np.float32)
        for x, y, radius, share in hand.blobs.astype(np.float32):
            distance_sq = ((self._x - x) ** 2 + (self._y - y) ** 2) / radius**2
            strength += share * np.exp(-(distance_sq**2))
        return np.asarray(wash + np.clip(strength, -0.5, 0.9)[:, :, None] * (patch - wash))

    def _plumage(self) -> Array:
        hand = self._hand
        mantle, flank, belly = (
            np.array(colour, np.float32) for colour in (hand.mantle, hand.flank, hand.belly)
        )
        lower = _smooth(-0.20, 0.02, self._below)[:, :, None]
        under = _smooth(0.02, 0.20, self._below)[:, :, None]
        coat = mantle + lower * (flank - mantle)
        coat = coat + under * (belly - coat)
        from_throat = np.hypot((self._along - 0.62) / 0.24, (self._below + 0.16) / 0.17)
        throat = (1 - _smooth(0.4, 1.0, from_throat))[:, :, None]
        coat = coat + 0.85 * throat * (belly - coat)
        one, two, three, four = hand.mottling
        mottle = np.sin(38 * self._along + 9 * self._below + one) * np.sin(
            47 * self._below - 15 * self._along + two
        ) + 0.6 * np.sin(83 * self._along + three) * np.sin(71 * self._below + four)
        return np.asarray(coat * (1 + 0.03 * mottle)[:, :, None], np.float32)

    def _round(self) -> Array:
        """Return (size_px, size_px) float32: body and head as two rounded shapes in the light."""
        hand = self._hand
        angle = hand.sun * hand.facing - hand.tilt
        sun = math.sin(angle), -math.cos(angle)
        shade = np.ones_like(self._along)
        for centre, radii, share in (
            ((-0.02, 0.03), (0.66, 0.31), np.float32(1.0)),
            (outlines.HEAD_CENTRE, (0.23, 0.23), None),
        ):
            u = (self._along - centre[0]) / radii[0]
            v = (self._below - centre[1]) / radii[1]
            radius = np.hypot(u, v)
            inside = np.minimum(1.0, 1.1 / np.maximum(radius, 1e-6))
            lit = 1 + 0.17 * (u * sun[0] + v * sun[1]) * inside
            lit -= 0.10 * _smooth(0.55, 1.15, radius)
            weight = share if share is not None else 1 - _smooth(0.7, 1.25, radius)
            shade = shade + weight * (lit - shade)
        return np.asarray(shade, np.float32)


def _smooth(low: float, high: float, values: Array) -> Array:
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
