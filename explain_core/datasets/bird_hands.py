"""All that varies between two pictures of one species: pose, place, plumage, light, background."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain_core.types import Array

Colour = tuple[float, float, float]

NUM_BLOBS = 9
NUM_LEAVES = 7

# Mantle, flank and belly of the same kind of bird in different places and seasons.
_PLUMAGES = (
    ((132, 104, 78), (176, 150, 122), (226, 214, 194)),
    ((116, 112, 104), (164, 158, 148), (224, 220, 210)),
    ((112, 114, 80), (160, 158, 122), (224, 218, 190)),
    ((104, 110, 120), (150, 154, 160), (220, 220, 218)),
)
# What is seen out of focus: above, below, and in patches.
_GROUNDS = (
    ((206, 222, 232), (188, 204, 186), (150, 178, 148)),
    ((226, 226, 210), (178, 194, 158), (142, 168, 124)),
    ((236, 230, 216), (212, 198, 172), (190, 170, 134)),
    ((214, 220, 226), (196, 196, 200), (164, 172, 178)),
    ((232, 222, 208), (206, 184, 150), (196, 150, 106)),
    ((188, 210, 206), (140, 170, 158), (108, 146, 130)),
)
_LEAVES = ((104, 132, 80), (132, 142, 82), (92, 120, 92), (164, 132, 78))
_BARKS = ((112, 92, 74), (96, 84, 76), (134, 116, 96))


@dataclass(frozen=True, eq=False)
class Hand:
    """Say how a bird is drawn, whatever its species. Lengths are in sides of the picture.

    Attributes:
        facing: 1 looks to the right, -1 to the left.
        scale: length of the body.
        perch: (x, y) between the feet.
        tilt: how far the body is raised from level, in radians.
        head_turn, tail_turn: in radians, clockwise for a bird that looks to the right.
        plumpness: height of the lower body relative to the outline.
        legs: (2, 2): how far the feet stand before the hips, and below, in lengths of the body.
        mantle, flank, belly: colours of the plumage, 0 to 255.
        sky, ground, patch: colours of the background.
        leaf, bark: colours of the perch.
        branch: slope, bend, and half of its thickness.
        blobs: (NUM_BLOBS, 4): x, y, radius and strength of what is out of focus.
        leaves: (NUM_LEAVES, 4): place along the branch, direction, length and width.
        light: (3,) what each colour is multiplied by.
        sun: direction that the light comes from, in radians from straight above.
        mottling: (4,) phases of the plumage's texture.
        corner: where a marker goes: (row, column), each 0 or 1.
        corner_shift: (x, y) of the marker, from 0 to 1.
    """

    facing: Literal[-1, 1]
    scale: float
    perch: tuple[float, float]
    tilt: float
    head_turn: float
    tail_turn: float
    plumpness: float
    legs: Array
    mantle: Colour
    flank: Colour
    belly: Colour
    sky: Colour
    ground: Colour
    patch: Colour
    leaf: Colour
    bark: Colour
    branch: tuple[float, float, float]
    blobs: Array
    leaves: Array
    light: Array
    sun: float
    mottling: Array
    corner: tuple[int, int]
    corner_shift: tuple[float, float]


def draw_hand(rng: np.random.Generator) -> Hand:
    """Return a hand at random."""
    facing: Literal[-1, 1] = 1 if rng.random() < 0.5 else -1
    mantle, flank, belly = _mix(_PLUMAGES, rng, 6.0)
    sky, ground, patch = _mix(_GROUNDS, rng, 5.0)
    blobs = np.column_stack(
        [
            rng.uniform(-0.1, 1.1, NUM_BLOBS),
            rng.uniform(-0.1, 1.1, NUM_BLOBS),
            rng.uniform(0.06, 0.24, NUM_BLOBS),
            rng.uniform(-0.4, 0.7, NUM_BLOBS),
        ]
    )
    leaves = np.column_stack(
        [
            rng.uniform(-0.75, 0.75, NUM_LEAVES),
            rng.uniform(-2.6, 2.6, NUM_LEAVES),
            rng.uniform(0.07, 0.14, NUM_LEAVES),
            rng.uniform(0.28, 0.42, NUM_LEAVES),
        ]
    )
    warmth = rng.uniform(-0.05, 0.05)
    return Hand(
        facing=facing,
        scale=rng.uniform(0.36, 0.425),
        perch=(0.5 + facing * 0.045 + rng.uniform(-0.03, 0.03), rng.uniform(0.70, 0.77)),
        tilt=math.radians(rng.uniform(18, 42)),
        head_turn=math.radians(rng.uniform(4, 30)),
        tail_turn=math.radians(rng.uniform(-10, 12)),
        plumpness=rng.uniform(0.9, 1.15),
        legs=np.column_stack(
            [rng.uniform([-0.10, 0.05], [-0.03, 0.12]), rng.uniform(0.19, 0.25, 2)]
        ),
        mantle=mantle,
        flank=flank,
        belly=belly,
        sky=sky,
        ground=ground,
        patch=patch,
        leaf=_near(_LEAVES[rng.integers(len(_LEAVES))], rng, 10.0),
        bark=_near(_BARKS[rng.integers(len(_BARKS))], rng, 5.0),
        branch=(rng.uniform(-0.14, 0.14), rng.uniform(-0.06, 0.06), rng.uniform(0.016, 0.024)),
        blobs=blobs,
        leaves=leaves,
        light=rng.uniform(0.86, 1.04) * np.array([1 + warmth, 1.0, 1 - warmth]),
        sun=rng.uniform(-0.9, 0.9),
        mottling=rng.uniform(0, 2 * math.pi, 4),
        corner=(int(rng.integers(2)), int(rng.integers(2))),
        corner_shift=(rng.random(), rng.random()),
    )


def _near(colour: Colour, rng: np.random.Generator, deviation: float) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, deviation, 3), 0, 255)
    return float(red), float(green), float(blue)


def _mix(
    palettes: tuple[tuple[Colour, Colour, Colour], ...], rng: np.random.Generator, deviation: float
) -> tuple[Colour, Colour, Colour]:
    """Return the colours of a place between two palettes, each moved a little by itself."""
    first, second = (np.array(palettes[index]) for index in rng.integers(len(palettes), size=2))
    share = rng.random()
    mixed = share * first + (1 - share) * second
    a, b, c = (_near(tuple(colour), rng, deviation) for colour in mixed)
    return a, b, c
