"""Pairs of digits that share strokes, so that what tells them apart is known pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.readers.files import LazyExamples
from explain_core.datasets.strokes import (
    EIGHT,
    SAMPLE_SIZE_PX,
    Glyph,
    Hand,
    draw_hand,
    lay_out,
    render,
    split_eight,
    write_glyph,
)
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Truth
from explain_core.types import Array, Image

DIGITS = tuple(str(digit) for digit in range(10))
LICENCE = "drawn by WhyNot, under its own licence"

_STEM: Glyph = (((0.66, 0.00), (0.60, 0.50), (0.54, 1.00)),)
# Of each pair: the strokes that both have, those of the first alone, those of the second alone.
_GLYPHS: Mapping[tuple[int, int], tuple[Glyph, Glyph, Glyph]] = MappingProxyType(
    {
        (5, 6): (
            (
                ((0.46, 0.02), (0.28, 0.12), (0.18, 0.46)),
                ((0.18, 0.46), (0.46, 0.38), (0.78, 0.50), (0.80, 0.78), (0.52, 0.99)),
            ),
            (
                ((0.46, 0.02), (0.64, 0.01), (0.84, 0.00)),
                ((0.52, 0.99), (0.28, 1.01), (0.08, 0.93)),
            ),
            (((0.52, 0.99), (0.26, 0.94), (0.15, 0.72), (0.18, 0.46)),),
        ),
        (4, 9): (
            (
                ((0.30, 0.04), (0.16, 0.26), (0.12, 0.50)),
                ((0.12, 0.50), (0.42, 0.54), (0.70, 0.50)),
                ((0.72, 0.04), (0.70, 0.50), (0.66, 1.00)),
            ),
            (((0.70, 0.50), (0.80, 0.49), (0.92, 0.48)),),
            (((0.30, 0.04), (0.51, -0.05), (0.72, 0.04)),),
        ),
        (1, 7): (_STEM, (), (((0.66, 0.00), (0.36, 0.02), (0.04, 0.05)),)),
        (1, 4): (
            _STEM,
            (),
            (
                ((0.24, 0.02), (0.16, 0.30), (0.06, 0.58)),
                ((0.06, 0.58), (0.48, 0.57), (0.90, 0.55)),
            ),
        ),
        (0, 6): (
            (
                (
                    (0.62, 0.00),
                    (0.30, 0.16),
                    (0.14, 0.55),
                    (0.22, 0.88),
                    (0.48, 1.00),
                    (0.76, 0.88),
                    (0.84, 0.64),
                ),
            ),
            (((0.84, 0.64), (0.88, 0.36), (0.80, 0.10), (0.62, 0.00)),),
            (((0.84, 0.64), (0.68, 0.46), (0.40, 0.50), (0.16, 0.70)),),
        ),
    }
)
PAIRS = ((3, 8), *_GLYPHS)


@dataclass(frozen=True, eq=False)
class Pair:
    """Hold two digits that one hand wrote with the same strokes as far as they share them.

    Attributes:
        first, second: (size_px, size_px) uint8, light on dark.
    """

    first: Array
    second: Array

    @property
    def differs(self) -> Array:
        """Return (size_px, size_px) bool, where the two are not equal: what tells them apart."""
        return np.asarray(self.first != self.second)


def write_pair(
    first: int,
    second: int,
    rng: np.random.Generator,
    size_px: int = SAMPLE_SIZE_PX,
    hand: Hand | None = None,
) -> Pair:
    """Write two digits that share strokes; the picture's centre lies midway between theirs.

    Args:
        first, second: one of `PAIRS`.
        rng: settles the hand, where none is given, and the jitter.
        size_px: side of the pictures.
        hand: how to write them.

    Raises:
        InputError: another pair.
    """
    if (first, second) not in PAIRS:
        raise InputError(
            f"digits {first} and {second} are no pair whose strokes are known; the pairs are "
            f"{list(PAIRS)}"
        )
    hand = draw_hand(rng) if hand is None else hand
    if (first, second) == (3, 8):
        shared, of_second = split_eight(write_glyph(EIGHT, hand, rng))
        of_first = []
    else:
        common, one, other = _GLYPHS[first, second]
        written = write_glyph((*common, *one, *other), hand, rng)
        shared = written[: len(common)]
        of_first = written[len(common) : len(common) + len(one)]
        of_second = written[len(common) + len(one) :]
    digits = [[*shared, *of_first], [*shared, *of_second]]
    placed = lay_out([*shared, *of_first, *of_second], hand, digits)
    ends = np.cumsum([len(shared), len(of_first), len(of_second)]).tolist()
    inks = [
        render(placed[start:end], size_px) for start, end in zip([0, *ends], ends, strict=False)
    ]
    return Pair(np.maximum(inks[0], inks[1]), np.maximum(inks[0], inks[2]))


def strokes(num_per_pair: int = 50, *, size_px: int = SAMPLE_SIZE_PX, seed: int = 0) -> Dataset:
    """Return written digits; what tells each from its pair's other digit is known exactly.

    The evidence for a digit rather than its counterpart is every pixel in which the two, written by
    the same hand, are not equal: strokes that are there, and the gaps where others are not. For all
    other classes, and for none, it is not known.

    Args:
        num_per_pair: hands that write each pair.
        size_px: side of the pictures.
        seed: settles every hand.

    Raises:
        InputError: fewer than one hand for each pair.
    """
    if num_per_pair < 1:
        raise InputError(f"num_per_pair must be at least 1 (got {num_per_pair})")

    def make(index: int) -> Example:
        number, is_second = divmod(index, 2)
        return _example(number, bool(is_second), size_px, seed)

    return Dataset(
        name="strokes",
        title="Written digits that share strokes",
        classes=DIGITS,
        examples=LazyExamples(make, range(2 * len(PAIRS) * num_per_pair)),
        truths=frozenset({"mask"}),
        licence=LICENCE,
    )


def _example(number: int, is_second: bool, size_px: int, seed: int) -> Example:
    digits = PAIRS[number % len(PAIRS)]
    write = partial(_written, digits, number, size_px, seed)
    label, counterpart = (str(digit) for digit in (digits[::-1] if is_second else digits))
    group = f"{digits[0]}-{digits[1]}/{seed}-{number // len(PAIRS):04}"

    def read() -> Image:
        pair = write()
        return image_from_pixels(pair.second if is_second else pair.first)

    def truth(other: str | None) -> Truth | None:
        if other is not None and (other not in DIGITS or other == label):
            raise InputError(f"'{other}' is no other class than '{label}'; name one of {DIGITS}")
        return Truth(mask=write().differs) if other == counterpart else None

    return Example(id=f"{group}/{label}", label=label, read=read, truth=truth, group=group)


def _written(digits: Sequence[int], number: int, size_px: int, seed: int) -> Pair:
    return write_pair(digits[0], digits[1], np.random.default_rng([seed, number]), size_px)
