"""Draw digits with a pen: smooth strokes in a varying hand, light on dark, laid out as in MNIST.

A glyph is a table of strokes, each a row of points (x, y) that a smooth curve passes through, in a
box of height 1 with y downwards. A hand slants, stretches, turns and jitters it. The ink fills at
most 20 of 28 parts of the picture, and its centre of mass lies in the picture's centre.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from explain_core.errors import InputError
from explain_core.types import Array

Point = tuple[float, float]
Glyph = tuple[tuple[Point, ...], ...]

SAMPLE_SIZE_PX = 280

_UNITS = 28  # the picture's side in the units of MNIST's pixels
_BOX_UNITS = 20  # the side of the box that the ink may fill
_RIM_UNITS = 1  # how far the mask of what closes an 8 reaches beyond its ink
_FINE_PX = 1120  # the least side at which strokes are drawn, before they are averaged down
_POINTS_PER_SPAN = 24

_ZERO: Glyph = (
    (
        (0.50, 0.00),
        (0.22, 0.14),
        (0.12, 0.50),
        (0.22, 0.86),
        (0.48, 1.00),
        (0.76, 0.86),
        (0.86, 0.50),
        (0.76, 0.14),
        (0.50, 0.00),
    ),
)
_ONE: Glyph = (
    ((0.32, 0.20), (0.45, 0.11), (0.54, 0.00)),
    ((0.54, 0.00), (0.53, 0.50), (0.52, 1.00)),
)
_TWO: Glyph = (
    (
        (0.10, 0.24),
        (0.24, 0.05),
        (0.50, 0.00),
        (0.76, 0.14),
        (0.72, 0.42),
        (0.44, 0.72),
        (0.08, 0.98),
    ),
    ((0.08, 0.98), (0.48, 0.96), (0.90, 0.97)),
)
_FOUR: Glyph = (
    ((0.26, 0.00), (0.18, 0.28), (0.08, 0.56)),
    ((0.08, 0.56), (0.48, 0.56), (0.92, 0.53)),
    ((0.72, 0.06), (0.69, 0.50), (0.66, 1.00)),
)
_FIVE: Glyph = (
    ((0.84, 0.00), (0.54, 0.02), (0.24, 0.02)),
    ((0.24, 0.02), (0.20, 0.22), (0.16, 0.43)),
    ((0.16, 0.43), (0.46, 0.36), (0.78, 0.50), (0.80, 0.78), (0.52, 0.99), (0.08, 0.94)),
)
_SIX: Glyph = (
    (
        (0.66, 0.00),
        (0.34, 0.20),
        (0.14, 0.58),
        (0.20, 0.88),
        (0.46, 1.00),
        (0.74, 0.88),
        (0.74, 0.64),
        (0.48, 0.54),
        (0.16, 0.76),
    ),
)
_SEVEN: Glyph = (
    ((0.08, 0.05), (0.46, 0.03), (0.88, 0.02)),
    ((0.88, 0.02), (0.62, 0.46), (0.44, 1.00)),
)
_NINE: Glyph = (
    (
        (0.78, 0.16),
        (0.52, 0.00),
        (0.20, 0.10),
        (0.16, 0.36),
        (0.42, 0.48),
        (0.70, 0.36),
        (0.78, 0.16),
    ),
    ((0.78, 0.16), (0.74, 0.56), (0.64, 1.00)),
)

# An 8 of two loops that meet at the waist. Each begins with what closes it on the left, as many
# spans as `_NUM_CLOSING_SPANS` says; the rest of both is a 3.
EIGHT: Glyph = (
    (
        (0.45, 0.48),
        (0.21, 0.37),
        (0.13, 0.20),
        (0.27, 0.04),
        (0.50, 0.00),
        (0.78, 0.13),
        (0.72, 0.36),
        (0.45, 0.48),
    ),
    (
        (0.45, 0.48),
        (0.16, 0.60),
        (0.06, 0.79),
        (0.20, 0.95),
        (0.48, 1.00),
        (0.84, 0.88),
        (0.78, 0.60),
        (0.45, 0.48),
    ),
)
_NUM_CLOSING_SPANS = 2

_GLYPHS: dict[int, Glyph] = {
    0: _ZERO,
    1: _ONE,
    2: _TWO,
    4: _FOUR,
    5: _FIVE,
    6: _SIX,
    7: _SEVEN,
    8: EIGHT,
    9: _NINE,
}

# Pairs that can be blended: the same strokes with the same number of points. The 6 is left open,
# and the 9 is a 4 whose top is shut, as people write them in haste.
_BLENDS: dict[tuple[int, int], tuple[Glyph, Glyph]] = {
    (0, 6): (
        _ZERO,
        (
            (
                (0.60, -0.02),
                (0.32, 0.14),
                (0.13, 0.52),
                (0.20, 0.87),
                (0.48, 1.00),
                (0.76, 0.87),
                (0.80, 0.62),
                (0.62, 0.46),
                (0.36, 0.56),
            ),
        ),
    ),
    (7, 1): (_SEVEN, _ONE),
    (4, 9): (
        (*_FOUR[:1], ((0.08, 0.56), (0.40, 0.57), (0.69, 0.55)), *_FOUR[2:]),
        (
            ((0.72, 0.06), (0.30, 0.02), (0.14, 0.30)),
            ((0.14, 0.30), (0.34, 0.50), (0.70, 0.40)),
            ((0.72, 0.06), (0.69, 0.50), (0.66, 1.00)),
        ),
    ),
}


@dataclass(frozen=True)
class Hand:
    """Describe how somebody writes.

    Attributes:
        slant: how far the top leans to the right, per height.
        stretch: width of the glyph relative to its table.
        turn: in radians, clockwise.
        fill: the longer side of the ink relative to the box that it may fill.
        thickness: of the pen, in 28ths of the picture.
        jitter: standard deviation of the points, per height.
    """

    slant: float
    stretch: float
    turn: float
    fill: float
    thickness: float
    jitter: float


def draw_hand(rng: np.random.Generator) -> Hand:
    """Return a hand at random."""
    return Hand(
        slant=rng.uniform(-0.05, 0.35),
        stretch=rng.uniform(0.85, 1.1),
        turn=rng.uniform(-0.06, 0.06),
        fill=rng.uniform(0.9, 1.0),
        thickness=rng.uniform(2.1, 3.2),
        jitter=0.015,
    )


def draw_digit(
    digit: int, rng: np.random.Generator, size_px: int = SAMPLE_SIZE_PX, hand: Hand | None = None
) -> Array:
    """Return (size_px, size_px) uint8: a plainly written digit, light on dark.

    Args:
        digit: 0 to 9.
        rng: settles the hand, where none is given, and the jitter.
        size_px: side of the picture.
        hand: how to write it.

    Raises:
        InputError: there is no such digit.
    """
    if digit == 3:
        return three_towards_eight(0.0, rng, size_px, hand)
    if digit not in _GLYPHS:
        raise InputError(f"digit must be 0 to 9 (got {digit!r})")
    hand = draw_hand(rng) if hand is None else hand
    strokes = write_glyph(_GLYPHS[digit], hand, rng)
    return render(lay_out(strokes, hand, [strokes]), size_px)


def draw_between(
    first: int,
    second: int,
    share: float,
    rng: np.random.Generator,
    size_px: int = SAMPLE_SIZE_PX,
    hand: Hand | None = None,
) -> Array:
    """Return (size_px, size_px) uint8: `first`, bent towards `second` by `share` of the way.

    Args:
        first, second: (0, 6), (7, 1) or (4, 9).
        share: 0 gives the first digit, 1 the second.

    Raises:
        InputError: the pair cannot be blended.
    """
    if (first, second) not in _BLENDS:
        raise InputError(
            f"digits {first} and {second} cannot be blended; the pairs are {list(_BLENDS)}"
        )
    hand = draw_hand(rng) if hand is None else hand
    strokes = write_glyph(_blend(*_BLENDS[first, second], share), hand, rng)
    return render(lay_out(strokes, hand, [strokes]), size_px)


def three_towards_eight(
    share: float,
    rng: np.random.Generator,
    size_px: int = SAMPLE_SIZE_PX,
    hand: Hand | None = None,
) -> Array:
    """Return (size_px, size_px) uint8: a 3 whose ends run on towards the waist of an 8.

    Args:
        share: how much of what would close both loops is drawn; 0 gives a 3, 1 an 8.
    """
    hand = draw_hand(rng) if hand is None else hand
    three, closing = split_eight(write_glyph(EIGHT, hand, rng))
    drawn = [stroke[len(stroke) - round(share * len(stroke)) :] for stroke in closing]
    strokes = [*three, *(stroke for stroke in drawn if len(stroke) > 0)]
    return render(lay_out(strokes, hand, [strokes]), size_px)


def three_and_eight(
    rng: np.random.Generator, size_px: int = SAMPLE_SIZE_PX, hand: Hand | None = None
) -> tuple[Array, Array, Array]:
    """Return a 3, an 8 that is this 3 with both loops closed, and where it closes.

    The centre of the picture lies midway between the centres of mass of the two.

    Returns:
        three: (size_px, size_px) uint8.
        eight: (size_px, size_px) uint8; equals `three` outside `closing` and is nowhere darker.
        closing: (size_px, size_px) bool, the added strokes and a rim of one 28th of the picture.
    """
    hand = draw_hand(rng) if hand is None else hand
    three, closing = split_eight(write_glyph(EIGHT, hand, rng))
    placed = lay_out([*three, *closing], hand, [three, [*three, *closing]])
    three_ink, closing_ink = (
        render(part, size_px) for part in (placed[: len(three)], placed[len(three) :])
    )
    rim = np.array([0, 0, _RIM_UNITS])
    widened = [stroke + rim for stroke in placed[len(three) :]]
    return three_ink, np.maximum(three_ink, closing_ink), render(widened, size_px) > 0


def _blend(first: Glyph, second: Glyph, share: float) -> Glyph:
    return tuple(
        tuple(
            (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
            for a, b in zip(stroke, other, strict=True)
        )
        for stroke, other in zip(first, second, strict=True)
    )


def write_glyph(glyph: Glyph, hand: Hand, rng: np.random.Generator) -> list[Array]:
    """Return per stroke (n, 3): x, y in heights of the glyph and the pen's radius in 28ths.

    Points that coincide in the glyph are jittered alike, so that joined strokes stay joined.
    """
    points = list(dict.fromkeys(point for stroke in glyph for point in stroke))
    jittered = np.array(points) + rng.normal(0, hand.jitter, (len(points), 2))
    jittered[:, 0] = jittered[:, 0] * hand.stretch - hand.slant * jittered[:, 1]
    cos, sin = math.cos(hand.turn), math.sin(hand.turn)
    turned = jittered @ np.array([[cos, sin], [-sin, cos]])
    pressure_phase = rng.uniform(0, 2 * math.pi)
    strokes = []
    for stroke in glyph:
        path = _spline(turned[[points.index(point) for point in stroke]])
        steps = np.hypot(*np.diff(path, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        pressure = 1 + 0.08 * np.sin(pressure_phase + 4 * along)
        strokes.append(np.column_stack([path, hand.thickness / 2 * pressure]))
    return strokes


def _spline(points: Array) -> Array:
    """Return (n, 2): a Catmull-Rom curve through `points` (m, 2), closed where the ends meet."""
    if (points[0] == points[-1]).all():
        around = np.concatenate([points[-2:-1], points, points[1:2]])
    else:
        around = np.concatenate([points[:1], points, points[-1:]])
    tangents = (around[2:] - around[:-2]) / 2
    t = np.arange(_POINTS_PER_SPAN)[:, None] / _POINTS_PER_SPAN
    spans = [
        (2 * t**3 - 3 * t**2 + 1) * points[i]
        + (t**3 - 2 * t**2 + t) * tangents[i]
        + (3 * t**2 - 2 * t**3) * points[i + 1]
        + (t**3 - t**2) * tangents[i + 1]
        for i in range(len(points) - 1)
    ]
    return np.concatenate([*spans, points[-1:]])


def split_eight(eight: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """Return the strokes of the 3 in an 8, and those that close it, which share an end."""
    cut = _NUM_CLOSING_SPANS * _POINTS_PER_SPAN
    return [stroke[cut:] for stroke in eight], [stroke[: cut + 1] for stroke in eight]


def lay_out(
    strokes: Sequence[Array], hand: Hand, centred: Sequence[Sequence[Array]]
) -> list[Array]:
    """Return `strokes` in 28ths of the picture, scaled to the box and moved to the centre.

    Args:
        strokes: all that is drawn; it settles the scale.
        centred: groups of them, whose centres of mass shall lie around the centre.
    """
    corners = np.concatenate(strokes)[:, :2]
    side = float(np.ptp(corners, axis=0).max())
    scale = (_BOX_UNITS * hand.fill - hand.thickness) / side
    low = corners.min(axis=0)

    def scaled(group: Sequence[Array], offset: Array) -> list[Array]:
        return [
            np.column_stack([(stroke[:, :2] - low) * scale + offset, stroke[:, 2]])
            for stroke in group
        ]

    margin = np.full(2, hand.thickness)
    centres = [_centre_of_mass(render(scaled(group, margin), 4 * _UNITS)) for group in centred]
    return scaled(strokes, margin + _UNITS / 2 - np.mean(centres, axis=0))


def _centre_of_mass(picture: Array) -> Array:
    """Return (x, y) in 28ths of the picture (n, n)."""
    ink = picture / picture.sum()
    centres = (np.arange(len(picture)) + 0.5) * _UNITS / len(picture)
    return np.array([ink.sum(axis=0) @ centres, ink.sum(axis=1) @ centres])


def render(strokes: Sequence[Array], size_px: int) -> Array:
    """Return (size_px, size_px) uint8: 255 under the pen, 0 elsewhere, averaged at the edges.

    Args:
        strokes: per stroke (n, 3): x, y and radius in 28ths of the picture.
    """
    factor = max(2, math.ceil(_FINE_PX / size_px))
    fine_px = factor * size_px
    canvas = Pillow.new("L", (fine_px, fine_px))
    pen = ImageDraw.Draw(canvas)
    for stroke in strokes:
        for x, y, radius in stroke * (fine_px / _UNITS):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.array(canvas.reduce(factor))


@dataclass(frozen=True)
class Sample:
    """Describe one sample picture.

    Attributes:
        name: of the file, without its ending.
        title: as people read it.
        digit: what it shows.
        seed: of the generator.
        like: the digit that it could be taken for; None where it is plain.
        share: how far it leans towards `like`.
    """

    name: str
    title: str
    digit: int
    seed: int
    like: int | None = None
    share: float = 0.0

    def draw(self) -> Array:
        """Return (280, 280) uint8."""
        rng = np.random.default_rng(self.seed)
        if self.like is None:
            return draw_digit(self.digit, rng)
        if (self.digit, self.like) == (3, 8):
            return three_towards_eight(self.share, rng)
        return draw_between(self.digit, self.like, self.share, rng)


SAMPLES = (
    Sample("zero", "A plain 0", 0, seed=4),
    Sample("one", "A plain 1", 1, seed=1),
    Sample("two", "A plain 2", 2, seed=5),
    Sample("three", "A plain 3", 3, seed=8),
    Sample("four", "A plain 4", 4, seed=9),
    Sample("five", "A plain 5", 5, seed=6),
    Sample("six", "A plain 6", 6, seed=3),
    Sample("seven", "A plain 7", 7, seed=7),
    Sample("eight", "A plain 8", 8, seed=4),
    Sample("nine", "A plain 9", 9, seed=2),
    Sample("three-almost-eight", "A 3 that is almost an 8", 3, seed=31, like=8, share=0.45),
    Sample("zero-like-six", "A 0 like a 6", 0, seed=66, like=6, share=0.55),
    Sample("seven-like-one", "A 7 like a 1", 7, seed=164, like=1, share=0.55),
    Sample("four-like-nine", "A 4 like a 9", 4, seed=3, like=9, share=0.4),
)


def write_samples(out: Path) -> list[Path]:
    """Draw all of `SAMPLES` into `out`, with a list of them in `samples.json`.

    Returns:
        The pictures' paths.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths, entries = [], []
    for sample in SAMPLES:
        path = out / f"{sample.name}.png"
        Pillow.fromarray(sample.draw()).save(path, optimize=True)
        paths.append(path)
        entries.append(
            {
                "file": path.name,
                "title": sample.title,
                "digit": sample.digit,
                "is_ambiguous": sample.like is not None,
                "like": sample.like,
            }
        )
    text = json.dumps(entries, indent=2, ensure_ascii=False)
    (out / "samples.json").write_text(text + "\n", encoding="utf-8")
    return paths
