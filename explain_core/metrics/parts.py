"""Whether a map for *c rather than d* lies on the parts in which c and d differ.

The protocol of SCOUT (Wang & Vasconcelos, CVPR 2020) and GALORE, as DiffCAM follows it (D.1): H is
the area of a map's largest values, D the visible parts that differ between the class and the
counterfactual one, K all visible parts.

Maps are (M, H0, W0) on the original picture; NaN and what is negative count as 0. A part is hidden
where the truth says so or where it lies outside the picture. Errors are those of
`localisation.positive_evidence`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.agreement import TOP_SHARE, top_area
from explain_core.metrics.localisation import positive_evidence
from explain_core.parameters import Parameter
from explain_core.truth import Part
from explain_core.types import Array

AREA = Parameter(
    name="share",
    label="Area (parts)",
    default=TOP_SHARE,
    phase="prepare",
    help="Share of the picture that the map's largest values mark.",
    min=0.001,
    max=1.0,
    step=0.05,
)


@dataclass(frozen=True, eq=False)
class PartScores:
    """Hold how maps meet the differing parts; all higher is better, (M,), in [0, 1] or NaN.

    Attributes:
        recall: `|H ∩ D| / |D|`; NaN where no differing part is visible.
        precision: `|H ∩ D| / |H ∩ K|`; NaN where a map meets no part, or none that differs is
            visible.
        f1: `2 P R / (P + R)`, 0 where both are; NaN where one of them is.
    """

    recall: Array
    precision: Array
    f1: Array


def part_scores(
    maps: Array, parts: Sequence[Part], differing: Collection[str], *, share: float = TOP_SHARE
) -> PartScores:
    """Return recall, precision and F1 of the differing parts.

    Args:
        parts: all parts of the picture; where a name comes twice (two wings), each place counts
            by itself.
        differing: names of those that differ between the class and the counterfactual one; what
            the picture does not have, or hides, is left out.
        share: of the picture that H takes, 0 < share <= 1.
    """
    met, shown = _met(maps, parts, share)
    differs = np.array([part.name in differing for part in parts], bool) & shown
    num_met = (met & shown).sum(axis=1)
    num_found = (met & differs).sum(axis=1)
    recall = _quotient(num_found, np.full(len(maps), differs.sum()))
    precision = np.where(differs.any(), _quotient(num_found, num_met), np.nan)
    both = recall + precision
    f1 = np.where(both == 0, 0.0, 2 * _quotient(recall * precision, both))
    return PartScores(recall, precision, f1)


def part_recall(
    maps: Array, parts: Sequence[Part], differing: Collection[str], *, share: float = TOP_SHARE
) -> Array:
    """Return (M,): the share of the differing parts that a map meets, see `part_scores`."""
    return part_scores(maps, parts, differing, share=share).recall


def part_precision(
    maps: Array, parts: Sequence[Part], differing: Collection[str], *, share: float = TOP_SHARE
) -> Array:
    """Return (M,): the share of a map's parts that differ, see `part_scores`."""
    return part_scores(maps, parts, differing, share=share).precision


def part_f1(
    maps: Array, parts: Sequence[Part], differing: Collection[str], *, share: float = TOP_SHARE
) -> Array:
    """Return (M,): the harmonic mean of both, see `part_scores`."""
    return part_scores(maps, parts, differing, share=share).f1


def part_iou(
    maps: Array,
    parts: Sequence[Part],
    counter_maps: Array,
    counter_parts: Sequence[Part],
    *,
    share: float = TOP_SHARE,
) -> Array:
    """Return PIoU, `|a ∩ b| / |a ∪ b|`: do both pictures' maps meet the same parts?

    a is the set of parts met by the map of the picture for its class rather than the other one,
    b that of a picture of the other class the other way round. Higher is better.

    Args:
        maps, counter_maps: (M, H0, W0) and (M, H1, W1), by the same methods.
        parts, counter_parts: of the two pictures; a part that is hidden or unknown in either is
            left out. Where a name comes twice, a part is met where one of its places is.

    Returns:
        (M,), in [0, 1]; NaN where no part is left, or neither map meets one.
    """
    if len(maps) != len(counter_maps):
        raise InputError(
            f"there are {len(maps)} maps but {len(counter_maps)} of the other picture; give one "
            "of each method"
        )
    met, shown = _met_names(maps, parts, share)
    counter_met, counter_shown = _met_names(counter_maps, counter_parts, share)
    names = sorted(shown & counter_shown)
    one, other = (
        np.array([[name in row for name in names] for row in rows], bool).reshape(len(rows), -1)
        for rows in (met, counter_met)
    )
    return _quotient((one & other).sum(axis=1), (one | other).sum(axis=1))


def random_class(target: int, num_classes: int, rng: np.random.Generator) -> int:
    """Return a counterfactual class for beginners: any other class, all with the same chance.

    Raises:
        InputError: one class only, or a target that is none.
    """
    _require_another(target, num_classes)
    drawn = int(rng.integers(num_classes - 1))
    return drawn + (drawn >= target)


def similar_class(target: int, closeness: Array) -> int:
    """Return a counterfactual class for experts: the one that is closest to the target.

    Args:
        closeness: (num_classes,), larger is closer: a model's probabilities for the picture, or
            the likeness of classes. The target's own does not matter; of equals the first counts.

    Raises:
        InputError: one class only, a target that is none, or NaN.
    """
    _require_another(target, len(closeness))
    if np.isnan(closeness).any():
        raise InputError(
            "closeness holds NaN, so no class is the closest; check the network's outputs"
        )
    others = closeness.astype(np.float64)
    others[target] = -np.inf
    order = np.argsort(-others, kind="stable")
    return int(order[0] if order[0] != target else order[1])


def _require_another(target: int, num_classes: int) -> None:
    if num_classes < 2:
        raise InputError(
            f"there must be two classes or more to ask 'rather than which' (got {num_classes})"
        )
    if not 0 <= target < num_classes:
        raise InputError(f"target must be an index from 0 to {num_classes - 1} (got {target})")


def _met(maps: Array, parts: Sequence[Part], share: float) -> tuple[Array, Array]:
    """Return which parts lie in the top area of each map, (M, P), and which are visible, (P,)."""
    if maps.ndim != 3:
        raise InputError(
            f"maps must be (number, height, width), not {maps.shape}; put one map alone in a stack"
        )
    size = maps.shape[1:]
    shown = np.array(
        [
            part.is_visible and 0 <= part.row < size[0] and 0 <= part.column < size[1]
            for part in parts
        ],
        bool,
    )
    met = np.zeros((len(maps), len(parts)), bool)
    places = np.array([(part.row, part.column) for part in parts]).reshape(-1, 2)[shown]
    rows, columns = places.astype(np.intp).T
    for index, values in enumerate(maps):
        met[index, shown] = top_area(positive_evidence(values), share)[rows, columns]
    return met, shown


def _met_names(maps: Array, parts: Sequence[Part], share: float) -> tuple[list[set[str]], set[str]]:
    """Return the names of the parts that each map meets, and of those that are visible."""
    met, shown = _met(maps, parts, share)
    names = np.array([part.name for part in parts])
    return [set(names[row]) for row in met], set(names[shown])


def _quotient(part: Array, whole: Array) -> Array:
    """Return `part / whole`, NaN where the whole is 0 or NaN."""
    whole = whole.astype(np.float64)
    quotient: Array = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)
    return quotient
