"""How much a DiffCAM map owes to which pictures happen to be in its reference set.

The set is made again many times, with members drawn at random or left out one by one, and each
time the map is computed anew. The network runs once at most: the image's activations stay the
same. Each replicate `r` solves its own system `(S_r + λ_r I) w_r = δ_r` (DiffCAM, eq. 6) with its
own mean, scatter and `λ_r = ε tr(S_r) / d`, exactly, through the smaller of its Gram matrix and
its scatter; no eigenpairs are needed, because ε is fixed.

Two maps agree by the Pearson correlation of their signed values at the layer's resolution. It
lies in [-1, 1] and leaves a common scale and offset out of account.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from explain_core.errors import InputError
from explain_core.maps import require_finite
from explain_core.methods.evidence import Progress
from explain_core.methods.settings import LAM
from explain_core.methods.store import EvidenceStore
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.references.judging import distances
from explain_core.references.sets import check_fit, without_image
from explain_core.references.statistics import group_statistics
from explain_core.types import Array, GroupStatistics, Image, ReferenceSet, read_only

Kind = Literal["bootstrap", "leave-one-out"]

_CONSTANT = 1e-9
_CANCELLED = 1e-3
_CHUNK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Stability:
    """Hold a map and what became of it with other members in the set.

    Attributes:
        kind: how the members were chosen anew.
        epsilon: λ in units of each replicate's own `lam_unit`.
        num_references: n, without the image itself.
        reference_map: (h, w) float64, signed, with all members.
        maps: (num, h, w) float64, signed, one per replicate.
        left_out: (num,) ids of the members left out, in the order of `maps`; None for bootstrap.
        agreement: (num,) in [-1, 1], of each replicate's map with `reference_map`.
    """

    kind: Kind
    epsilon: float
    num_references: int
    reference_map: Array
    maps: Array
    left_out: Array | None
    agreement: Array

    @property
    def mean_agreement(self) -> float:
        """Return the mean over the replicates."""
        return float(self.agreement.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Return the range that 95 % of the replicates' agreements lie in (2.5 to 97.5 %)."""
        low, high = np.percentile(self.agreement, (2.5, 97.5))
        return float(low), float(high)


def stability(
    model: Model,
    image: Image,
    references: ReferenceSet,
    *,
    layer: str | None = None,
    epsilon: float = 1e-3,
    kind: Kind = "bootstrap",
    num: int = 20,
    seed: int = 0,
    store: EvidenceStore | None = None,
    progress: Progress | None = None,
) -> Stability:
    """Compute the map again for replicates of its reference set.

    Args:
        references: the image itself is left out of them, as for the map.
        layer: None takes the model's default.
        epsilon: λ in units of `lam_unit`, as the slider has it.
        kind: "bootstrap" draws n members with replacement. "leave-one-out" leaves each member
            out once; of more than `num` members the `num` furthest from the mean.
        num: replicates, at most n of them for leave-one-out.
        seed: of the draws.
        store: keeps the image's evidence; the network runs only where it is missing.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        InputError: fewer than two references, or a parameter out of its range.
        BankError: references of another model or layer, or none but the image itself.
        NumericsError: NaN or infinity in a map.
    """
    if num < 1:
        raise InputError(f"num must be at least 1 (got {num}); 20 replicates are usual")
    if kind not in ("bootstrap", "leave-one-out"):
        raise InputError(f"kind must be 'bootstrap' or 'leave-one-out' (got {kind!r})")
    question = _question(model, image, references, layer, epsilon, store)
    members = question.references
    count = len(members.features)
    if count < 2:
        raise InputError(
            f"reference set '{references.key}' has one picture besides the image, so that nothing "
            "can be drawn or left out; add pictures"
        )
    everyone = _everyone(members)
    left_out = None
    if kind == "bootstrap":
        replicates = _draws(members, num, seed)
    else:
        furthest = np.argsort(-distances(members).members, kind="stable")[:num]
        num = len(furthest)
        left_out = read_only(members.ids[furthest])
        replicates = _all_but_one(members, everyone, furthest)
    reference_map = question.map_for(everyone)
    maps = []
    for index, group in enumerate(replicates):
        if progress is not None:
            progress(index / num)
        maps.append(question.map_for(group))
    if progress is not None:
        progress(1.0)
    return Stability(
        kind=kind,
        epsilon=epsilon,
        num_references=count,
        reference_map=read_only(reference_map),
        maps=read_only(np.stack(maps)),
        left_out=left_out,
        agreement=read_only(np.array([agreement(each, reference_map) for each in maps])),
    )


def difference_map(
    model: Model,
    image: Image,
    references: ReferenceSet,
    *,
    layer: str | None = None,
    epsilon: float = 1e-3,
    store: EvidenceStore | None = None,
) -> Array:
    """Return (h, w) float64: the signed DiffCAM map at the layer's resolution, for one ε.

    Raises:
        As `stability`, except that one reference is enough.
    """
    question = _question(model, image, references, layer, epsilon, store)
    return question.map_for(_everyone(question.references))


def question_change(
    model: Model,
    image: Image,
    references: ReferenceSet,
    alternative: ReferenceSet,
    *,
    layer: str | None = None,
    epsilon: float = 1e-3,
    store: EvidenceStore | None = None,
) -> float:
    """Return how far the map for one reference group agrees with that for another.

    It tells what changing the question does to the map, and so what a change by the choice of
    members has to be held against.

    Args:
        alternative: another group, all other pictures of the bank for instance.

    Raises:
        As `stability`, except that one reference is enough.
    """
    store = store or EvidenceStore()
    one, other = (
        difference_map(model, image, group, layer=layer, epsilon=epsilon, store=store)
        for group in (references, alternative)
    )
    return agreement(one, other)


def is_unstable(stability: Stability, agreement_with_alternative: float) -> bool:
    """Return whether the map changes more with the set's members than with the question.

    That is `1 - mean_agreement > 1 - agreement_with_alternative`.
    """
    return 1 - stability.mean_agreement > 1 - agreement_with_alternative


def agreement(one: Array, other: Array) -> float:
    """Return the Pearson correlation of two maps (h, w).

    A map that is constant, up to a relative 1e-9, correlates with nothing: two such maps agree by
    1, one with another kind of map by 0.
    """
    centred = [each - each.mean() for each in (one, other)]
    norms = [float(np.linalg.norm(each)) for each in centred]
    is_constant = [
        norm <= _CONSTANT * float(np.linalg.norm(each))
        for norm, each in zip(norms, (one, other), strict=True)
    ]
    if any(is_constant):
        return float(all(is_constant))
    unit = [each / norm for each, norm in zip(centred, norms, strict=True)]
    return float(np.clip(np.vdot(*unit), -1, 1))


@dataclass(frozen=True, eq=False)
class _Group:
    """Hold which members are in a replicate of the set.

    Attributes:
        rows: (u,), each member once.
        copies: (u,), how often each is in.
        statistics: of all m = sum(copies), where the scatter is the smaller form; else None.
    """

    rows: Array
    copies: Array
    statistics: GroupStatistics | None


@dataclass(frozen=True, eq=False)
class _Question:
    """Hold what is the same for every replicate.

    Attributes:
        activations: (d, h, w) float64.
        pooled: (d,), the image's feature.
        references: without the image itself.
    """

    activations: Array
    pooled: Array
    references: ReferenceSet
    epsilon: float

    def map_for(self, group: _Group) -> Array:
        """Return (h, w): the map for some of the references."""
        if group.statistics is None:
            features = self.references.features[group.rows]
            weights = _weights_through_gram(features, group.copies, self.pooled, self.epsilon)
        else:
            weights = _weights_through_scatter(group.statistics, self.pooled, self.epsilon)
        mixed = np.tensordot(weights, self.activations, axes=1)
        require_finite(mixed, "the map of a changed reference set")
        return mixed


def _question(
    model: Model,
    image: Image,
    references: ReferenceSet,
    layer: str | None,
    epsilon: float,
    store: EvidenceStore | None,
) -> _Question:
    fill_in([LAM], {LAM.name: epsilon}, "the map's stability")
    name = model.layer_named(layer).name
    evidence = (store or EvidenceStore()).class_evidence(model, image, name, ())
    check_fit(references, model, name, len(evidence.activations))
    pooled = evidence.pooled(references.pooling, name)
    others, _ = without_image(references, image, pooled)
    return _Question(evidence.activations.astype(np.float64), pooled, others, epsilon)


def _everyone(references: ReferenceSet) -> _Group:
    count, dim = references.features.shape
    rows, copies = np.arange(count), np.ones(count)
    if count <= dim:
        return _Group(rows, copies, None)
    known = references.statistics
    return _Group(rows, copies, known() if known else _statistics(references, rows, copies))


def _draws(references: ReferenceSet, num: int, seed: int) -> Iterator[_Group]:
    """Yield n members drawn with replacement, `num` times."""
    rng = np.random.default_rng(seed)
    count, dim = references.features.shape
    for _ in range(num):
        rows, copies = np.unique(rng.integers(count, size=count), return_counts=True)
        is_wide = len(rows) <= dim
        yield _Group(rows, copies, None if is_wide else _statistics(references, rows, copies))


def _all_but_one(references: ReferenceSet, everyone: _Group, order: Array) -> Iterator[_Group]:
    """Yield the members without one, for each index in `order`."""
    whole = everyone.statistics
    for index in order:
        rows, copies = np.delete(everyone.rows, index), np.delete(everyone.copies, index)
        if whole is None:
            yield _Group(rows, copies, None)
            continue
        statistics = whole - group_statistics(references.features[index : index + 1])
        if np.trace(statistics.scatter) <= _CANCELLED * np.trace(whole.scatter):
            # too little is left of the difference to be told from its rounding
            statistics = _statistics(references, rows, copies)
        yield _Group(rows, copies, statistics)


def _statistics(references: ReferenceSet, rows: Array, copies: Array) -> GroupStatistics:
    """Return the statistics of some members with their numbers of copies, in bounded memory."""
    count = int(copies.sum())
    parts = [slice(start, start + _CHUNK_ROWS) for start in range(0, len(rows), _CHUNK_ROWS)]

    def values(part: slice) -> Array:
        return references.features[rows[part]].astype(np.float64)

    dim = references.features.shape[1]
    mean, scatter = np.zeros(dim), np.zeros((dim, dim))
    for part in parts:
        mean += copies[part] @ values(part) / count
    for part in parts:
        scaled = (values(part) - mean) * np.sqrt(copies[part])[:, None]
        scatter += scaled.T @ scaled
    return GroupStatistics(count, read_only(mean), read_only(scatter))


def _weights_through_gram(features: Array, copies: Array, pooled: Array, epsilon: float) -> Array:
    """Return (d,): `w = (δ - X^T (X X^T + λ I)^-1 X δ) / λ`, X the centred references.

    A reference with k copies is one row of X, times `sqrt(k)`: that makes the same scatter.

    Args:
        features: (u, d), u <= d.
        copies: (u,).
    """
    values = features.astype(np.float64)
    count = float(copies.sum())
    mean = copies @ values / count
    values -= mean
    values *= np.sqrt(copies)[:, None]
    delta = pooled - mean
    gram = values @ values.T
    lam = epsilon * _lam_unit(gram, count, mean)
    along = _solve_positive(gram, lam, values @ delta)
    weights: Array = (delta - along @ values) / lam
    return weights


def _weights_through_scatter(statistics: GroupStatistics, pooled: Array, epsilon: float) -> Array:
    """Return (d,): `w = (S + λ I)^-1 δ`."""
    lam = epsilon * _lam_unit(statistics.scatter, statistics.count, statistics.mean)
    return _solve_positive(statistics.scatter, lam, pooled - statistics.mean)


def _solve_positive(matrix: Array, lam: float, right: Array) -> Array:
    """Return `(matrix + lam I)^-1 right` by Cholesky's factorisation."""
    shifted = torch.from_numpy(matrix + lam * np.eye(len(matrix)))
    factor = torch.linalg.cholesky(shifted)
    solved: Array = torch.cholesky_solve(torch.from_numpy(right)[:, None], factor)[:, 0].numpy()
    return solved


def _lam_unit(matrix: Array, count: float, mean: Array) -> float:
    """Return `tr / d` of a scatter or Gram matrix, 1 for equal references, as `Spectrum` has it."""
    trace = float(np.trace(matrix))
    rounding = 8 * np.finfo(np.float64).eps
    return 1.0 if trace <= count * rounding**2 * float(mean @ mean) else trace / len(mean)
