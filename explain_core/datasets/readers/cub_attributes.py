"""Which parts of a bird tell two species of CUB-200-2011 apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from explain_core.datasets.readers.files import lines, numbers, words
from explain_core.errors import InputError
from explain_core.types import Array

# The groups of attributes that describe each part, as SCOUT's ground truth has them.
GROUPS = {
    "back": ("has_back_color", "has_back_pattern"),
    "beak": ("has_bill_shape", "has_bill_length", "has_bill_color"),
    "belly": ("has_belly_color", "has_belly_pattern"),
    "breast": ("has_breast_pattern", "has_breast_color"),
    "crown": ("has_head_pattern", "has_crown_color"),
    "forehead": ("has_head_pattern", "has_forehead_color"),
    "left eye": ("has_eye_color", "has_head_pattern"),
    "left leg": ("has_leg_color",),
    "left wing": ("has_wing_color", "has_wing_shape", "has_wing_pattern"),
    "nape": ("has_nape_color",),
    "right eye": ("has_eye_color", "has_head_pattern"),
    "right leg": ("has_leg_color",),
    "right wing": ("has_wing_color", "has_wing_shape", "has_wing_pattern"),
    "tail": (
        "has_tail_shape",
        "has_upper_tail_color",
        "has_under_tail_color",
        "has_tail_pattern",
    ),
    "throat": ("has_throat_color",),
}
# SCOUT leaves out the most similar fifth of all triples of two species and a part.
ALIKE_SHARE = 0.2


@dataclass(frozen=True)
class Attributes:
    """Name the two files that tell of the species' attributes.

    Attributes:
        names: lines of NUMBER GROUP::VALUE.
        values: a line for each species: for each attribute the percentage of pictures with it.
    """

    names: Path
    values: Path


@lru_cache(maxsize=4)
def differing_parts(
    attributes: Attributes, part_names: Sequence[str], num_classes: int
) -> Callable[[int, int], frozenset[str]]:
    """Return a function from two class indices to the names of the parts in which they differ.

    SCOUT's ground truth (Wang & Vasconcelos, CVPR 2020), which the CUB protocol of DiffCAM takes
    over: a part's dissimilarity is twice the Jensen-Shannon divergence between the two species'
    distributions over the values of a group of attributes, averaged over the groups that describe
    the part; a part counts where it is among the largest 80 % over all pairs and parts.

    Departure: a distribution is a species' percentages divided by their sum, smoothed by one in a
    thousand, where the released code takes the softmax of percentages, which keeps little but the
    largest; groups that the released code cuts one short or runs into the next are taken whole.

    Raises:
        InputError: files of another form.
    """
    groups = _groups(attributes.names)
    table = _table(attributes.values, num_classes, sum(len(each) for each in groups.values()))
    of_group = {name: _dissimilarity(table[:, places]) for name, places in groups.items()}
    unknown = {
        group for part in part_names for group in GROUPS.get(part, ()) if group not in of_group
    }
    if unknown:
        raise InputError(f"'{attributes.names.name}' names no group '{sorted(unknown)[0]}'")
    known = [part for part in part_names if part in GROUPS]
    if not known:
        return lambda first, second: frozenset()
    of_part = np.stack(
        [np.mean([of_group[group] for group in GROUPS[part]], axis=0) for part in known], axis=2
    )
    threshold = np.sort(of_part, axis=None)[int(ALIKE_SHARE * of_part.size)]
    differs = of_part > threshold
    return lambda first, second: frozenset(
        part
        for part, is_different in zip(known, differs[first, second], strict=True)
        if is_different
    )


def _groups(path: Path) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, (where, (_, name)) in enumerate(words(path, 2, "NUMBER GROUP::VALUE")):
        group, separator, _ = name.partition("::")
        if not separator:
            raise InputError(f"{where} reads '{name[:40]}', but must name GROUP::VALUE")
        groups.setdefault(group, []).append(index)
    return groups


def _table(path: Path, num_classes: int, num_attributes: int) -> Array:
    """Return (classes, attributes) percentages."""
    found = [numbers(text.split(), where, "percentages") for where, text in lines(path)]
    if len(found) != num_classes or any(len(row) != num_attributes for row in found):
        raise InputError(
            f"'{path.name}' must have {num_classes} lines of {num_attributes} numbers; fetch it "
            "again"
        )
    return np.array(found)


def _dissimilarity(percentages: Array) -> Array:
    """Return (c, c): `Σ p log(2p/(p+q)) + q log(2q/(p+q))` for the rows p and q of (c, n)."""
    shares = percentages + 0.001 * np.maximum(percentages.sum(axis=1, keepdims=True), 1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    means = (shares[:, None] + shares[None]) / 2
    one_way = (shares[:, None] * np.log(shares[:, None] / means)).sum(axis=2)
    both: Array = one_way + one_way.T
    return both
