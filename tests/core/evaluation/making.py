"""A tiny model and a tiny data set whose truth is known, and pictures that make trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import explain_core as xc
from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.strokes import draw_digit
from explain_core.errors import ImageError
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Truth
from tests.oracles.nets import SIZE, TinyNet, wrap

CLASSES = ("0", "1", "2", "3", "4")
METHODS = ("grad-cam", "finer-grad-cam", "smooth-grad")
METRICS = ("rcap", "relative-drop")


def tiny_model(**values: object) -> xc.Model:
    return wrap(TinyNet(**values))


def picture(index: int) -> xc.Image:
    rng = np.random.default_rng(index)
    return image_from_pixels(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))


def truth_of(label: str, other: str | None) -> Truth | None:
    """Put the evidence into a column per class; 4 and 3 are told apart by nobody knows what."""
    if {label, other} == {"3", "4"}:
        return None
    mask = np.zeros(SIZE, bool)
    mask[:, 4 * int(label) : 4 * int(label) + 4] = True
    if other is not None:
        mask[:, 4 * int(other) : 4 * int(other) + 4] = True
    return Truth(mask)


def example(
    index: int, label: str | None = None, read: Callable[[], xc.Image] | None = None
) -> Example:
    label = CLASSES[index % 5] if label is None else label
    return Example(
        id=f"{index:03}.png",
        label=label,
        read=read or (lambda: picture(index)),
        truth=lambda other: truth_of(label, other),
        group=f"patient {index // 2}",
    )


def dataset_of(examples: Sequence[Example], truths: Sequence[str] = ("mask",)) -> Dataset:
    return Dataset("made-up", "Made up", CLASSES, examples, frozenset(truths))


def tiny_dataset(num: int = 6) -> Dataset:
    return dataset_of([example(index) for index in range(num)])


def unreadable() -> xc.Image:
    raise ImageError("'002.png' is no picture; give a PNG")


def drawn_digits(num: int) -> Dataset:
    """Draw digits that the bundled network can read."""
    rng = np.random.default_rng(0)
    pictures = [image_from_pixels(draw_digit(index, rng, 28)) for index in range(num)]
    examples = [
        Example(
            f"{index}.png", str(index), lambda index=index: pictures[index], lambda _other: None
        )
        for index in range(num)
    ]
    return Dataset("drawn", "Drawn", tuple(map(str, range(10))), examples)
