"""Whether a reference set can carry a map: its size, its directions, its outliers, its place.

Everything is computed in float64, a bounded number of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.references.sets import chunks
from explain_core.references.spectrum import Spectrum
from explain_core.types import Array, ReferenceSet, id_of_bytes, read_only

# The slider's range, every quarter of a decade.
EPSILONS = read_only(np.logspace(-6, 2, 33))
OUTLIER_EPSILON = 1e-2
OUTLIER_DEVIATIONS = 3.5
MIN_MEMBERS_TO_JUDGE = 5
LOW_EFFECTIVE_RANK = 0.05

_MAD_OF_NORMAL = 0.6744897501960817
_BLOCK = 12
_MAX_ROUNDS = 200
_CONVERGED = 1e-8
_NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class Finding:
    """Say what is doubtful about a set.

    Attributes:
        code: stable, for tests and links.
        text: one or two sentences for the person who chose the set.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Judgement:
    """Sum up what a set can carry.

    Attributes:
        count: n, members.
        num_features: d.
        rank: directions in which members differ, at most min(n - 1, d).
        effective_rank: see `effective_rank`.
        num_duplicates: members whose id or whose feature an earlier member has, too.
        findings: what is doubtful, the gravest first; empty where nothing is.
    """

    count: int
    num_features: int
    rank: int
    effective_rank: float
    num_duplicates: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class Distances:
    """Hold how far members and an image lie from the set's middle, in the features' own units.

    Attributes:
        members: (n,), of each to the mean of the *others*, as the image is judged against a set
            without it; NaN for a single member.
        image: to the mean of all members; None where none was given.
        percentile: where the image falls among the members, 0 (nearer than all) to 100, ties
            counted half; None without an image, or for a single member.
    """

    members: Array
    image: float | None
    percentile: float | None


@dataclass(frozen=True, eq=False)
class LamCurve:
    """Hold what the slider does to a set's map.

    Attributes:
        epsilon: (m,), rising; `lam = epsilon * lam_unit`.
        num_directions: (m,), `sum_i s_i / (s_i + lam)`: the directions that λ leaves to
            themselves; the others count as if all members were alike in them. Falling.
        share_rest: (m,) in [0, 1]: the share of `|w|^2` in directions that no reference spans,
            about which the set says nothing; None without an image.
    """

    epsilon: Array
    num_directions: Array
    share_rest: Array | None


@dataclass(frozen=True, eq=False)
class Plane:
    """Hold the plane in which features differ most, and where they lie in it.

    Attributes:
        rows: (m,), which features are drawn, rising.
        points: (m, 2) float64.
        mean: (d,), what lies at (0, 0).
        components: (2, d), orthonormal, or zero where the features differ in fewer directions;
            the largest entry of each is positive.
        explained: (2,) in [0, 1], each axis's share of the drawn features' variance.
    """

    rows: Array
    points: Array
    mean: Array
    components: Array
    explained: Array

    def place(self, feature: Array) -> tuple[float, float]:
        """Return where a feature (d,) lies in the plane."""
        x, y = self.components @ (feature.astype(np.float64) - self.mean)
        return float(x), float(y)


def judge(references: ReferenceSet, spectrum: Spectrum) -> Judgement:
    """Judge a set before anyone trusts a map.

    Args:
        spectrum: of these references.
    """
    count, num_features = references.features.shape
    rank = len(spectrum.eigenvalues)
    effective = effective_rank(spectrum)
    num_duplicates = _count_duplicates(references)
    return Judgement(
        count=count,
        num_features=num_features,
        rank=rank,
        effective_rank=effective,
        num_duplicates=num_duplicates,
        findings=tuple(_findings(count, num_features, rank, effective, num_duplicates)),
    )


def effective_rank(spectrum: Spectrum) -> float:
    """Return `exp(-sum_i p_i log p_i)` with `p_i = s_i / sum_j s_j` (Roy & Vetterli, 2007).

    The effective rank of the scatter, whose singular values are its eigenvalues: 1 where members
    differ in one direction only, the rank where they differ as much in each; 0 where all are the
    same.
    """
    if len(spectrum.eigenvalues) == 0:
        return 0.0
    shares = spectrum.eigenvalues / spectrum.eigenvalues.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def distances(references: ReferenceSet, feature: Array | None = None) -> Distances:
    """Measure how far the members, and an image, lie from the set's mean.

    A member's distance to the mean of the others is `n / (n - 1)` times that to the mean of all.

    Args:
        feature: (d,) of an image that is not in the set.
    """
    count = len(references.features)
    mean = _mean_of(references)
    from_mean = np.concatenate(
        [np.linalg.norm(rows - mean, axis=1) for rows in chunks(references.features)]
    )
    members = np.full(1, np.nan) if count == 1 else from_mean * (count / (count - 1))
    if feature is None:
        return Distances(read_only(members), None, None)
    image = float(np.linalg.norm(feature - mean))
    percentile = None
    if count > 1:
        percentile = 100 * float((members < image).mean() + (members == image).mean() / 2)
    return Distances(read_only(members), image, percentile)


def unlikeness(references: ReferenceSet, spectrum: Spectrum) -> Array:
    """Return (n,): how unlike the others each member is, as DiffCAM would weigh it.

    The regularised Mahalanobis distance `sqrt(e^T (S + λ I)^-1 e)` with mean and scatter S of the
    *other* members and `e` the member's difference from their mean; `λ = 1e-2 lam_unit` of the
    whole set, so that it exists for fewer members than features.

    With `c` the difference from the mean of all, `a = n / (n - 1)` and `q = c^T (S_v + λ I)^-1 c`,
    `S = S_v - a c c^T` and `e = a c`; by Sherman and Morrison the square is `a^2 q / (1 - a q)`.

    Args:
        spectrum: of these references.
    """
    count = len(references.features)
    if len(spectrum.eigenvalues) == 0:
        return np.zeros(count)
    lam = OUTLIER_EPSILON * spectrum.lam_unit
    factor = count / (count - 1)
    scale = 1 / (spectrum.eigenvalues + lam)
    parts = []
    for rows in chunks(references.features):
        along = spectrum.project((rows - spectrum.mean).T)
        q = scale @ along**2
        parts.append(factor * np.sqrt(q / (1 - factor * q)))
    return np.concatenate(parts)


def outliers(references: ReferenceSet, spectrum: Spectrum, share: float = 0.1) -> Array:
    """Return the members that are far more unlike the others than members usually are.

    Those whose `unlikeness` lies more than 3.5 robust deviations (median absolute deviation,
    scaled to a normal distribution's) above the median. Members that are unlike in the same way
    can hide each other: look again after taking some out.

    Args:
        spectrum: of these references.
        share: at most this share of the members is named, the furthest; in [0, 1].

    Returns:
        (k,) indices, the furthest first; empty for fewer than 5 members.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must lie between 0 and 1 (got {share}); 0.1 names at most a tenth")
    found = unlikeness(references, spectrum)
    if len(found) < MIN_MEMBERS_TO_JUDGE:
        return np.empty(0, np.intp)
    median = float(np.median(found))
    deviation = float(np.median(np.abs(found - median))) / _MAD_OF_NORMAL
    limit = median + OUTLIER_DEVIATIONS * deviation
    furthest = np.argsort(-found, kind="stable")[: int(share * len(found))]
    return furthest[found[furthest] > limit * (1 + 1e-9)]


def lam_curve(
    spectrum: Spectrum, feature: Array | None = None, epsilon: Array = EPSILONS
) -> LamCurve:
    """Tell what λ does, over the slider's range.

    Args:
        feature: (d,) of the image; None leaves `share_rest` out.
        epsilon: (m,), positive.
    """
    lam = epsilon[:, None] * spectrum.lam_unit
    kept = spectrum.eigenvalues / (spectrum.eigenvalues + lam)
    share_rest = None
    if feature is not None:
        delta = feature - spectrum.mean
        along = spectrum.project(delta[:, None])[:, 0]
        rest_sq = float(np.sum((delta - spectrum.expand(along)) ** 2))
        spanned_sq = ((along * (1 - kept)) ** 2).sum(axis=1)  # both times λ squared
        total = spanned_sq + rest_sq
        share_rest = np.divide(rest_sq, total, out=np.zeros_like(total), where=total > 0)
        share_rest = read_only(share_rest)
    return LamCurve(read_only(epsilon), read_only(kept.sum(axis=1)), share_rest)


def project(features: Array, num_sample: int = 5_000, seed: int = 0) -> Plane:
    """Lay features into the plane of their two principal components.

    Memory is that of `num_sample` rows in float64 and of the smaller of their Gram matrix and
    their scatter, however many rows there are.

    Args:
        features: (n, d), memory-mapped or not; more than `num_sample` rows are drawn from.
        seed: of the draw.

    Raises:
        InputError: no features.
    """
    if features.ndim != 2 or len(features) == 0:
        raise InputError(f"features must be (n, d) with n >= 1 (got {features.shape})")
    rows = np.arange(len(features))
    if len(features) > num_sample:
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(len(features), num_sample, replace=False))
    values = features[rows].astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            "features must be finite (got NaN or infinity); restore the bank from a copy, or build "
            "it again"
        )
    mean = values.mean(axis=0)
    values -= mean
    components, variances = _principal_pair(values)
    total = float(np.einsum("nd,nd->", values, values))
    return Plane(
        rows=read_only(rows),
        points=read_only(values @ components.T),
        mean=read_only(mean),
        components=read_only(components),
        explained=read_only(variances / (total or 1.0)),
    )


def _findings(
    count: int, num_features: int, rank: int, effective: float, num_duplicates: int
) -> Iterator[Finding]:
    if rank == 0:
        pictures = "One picture" if count == 1 else "Pictures that are all the same"
        yield Finding(
            "no-scatter",
            f"{pictures}: there is nothing to learn what varies from. The map is the plain "
            "difference, and λ only scales it.",
        )
    elif count <= num_features:
        yield Finding(
            "few-references",
            f"{count} pictures for {num_features} features: the set says nothing about "
            f"{num_features - rank} directions, and a small λ lets them dominate the map. Raise "
            "λ, or add pictures.",
        )
    if rank > 1 and effective < LOW_EFFECTIVE_RANK * rank:
        yield Finding(
            "low-effective-rank",
            f"The pictures differ in {rank} directions, but as little as if in "
            f"{effective:.1f}: a few of them hold nearly all that varies. Add pictures that "
            "differ in other ways, or look for outliers.",
        )
    if num_duplicates > 0 and rank > 0:
        copies = "1 picture is a copy" if num_duplicates == 1 else f"{num_duplicates} are copies"
        yield Finding(
            "duplicates", f"{copies} of another in the set and count double. Remove them."
        )


def _count_duplicates(references: ReferenceSet) -> int:
    ids: set[int] = set()
    contents: set[int] = set()
    num_duplicates = 0
    for row, id in zip(references.features, references.ids.tolist(), strict=True):
        content = id_of_bytes(row.tobytes())
        num_duplicates += id in ids or content in contents
        ids.add(id)
        contents.add(content)
    return num_duplicates


def _mean_of(references: ReferenceSet) -> Array:
    total = np.zeros(references.features.shape[1])
    for rows in chunks(references.features):
        total += rows.sum(axis=0)
    return total / len(references.features)


def _principal_pair(values: Array) -> tuple[Array, Array]:
    """Return (2, d) components and (2,) summed squares along them of centred `values` (n, d).

    By block power iteration on the smaller of Gram matrix and scatter: two eigenvectors of 2,048
    cost a tenth of all of them.
    """
    count, dim = values.shape
    smaller = values @ values.T if count < dim else values.T @ values
    size = min(_BLOCK, len(smaller))
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(len(smaller), size)))
    for _ in range(_MAX_ROUNDS):
        image = smaller @ basis
        squares, turn = np.linalg.eigh(basis.T @ image)
        squares, turn = squares[::-1], turn[:, ::-1]
        basis, image = basis @ turn, image @ turn
        residual = np.abs(image[:, :2] - basis[:, :2] * squares[:2]).max()
        if residual <= _CONVERGED * squares[0]:
            break
        basis, _ = np.linalg.qr(image)
    components, variances = np.zeros((2, dim)), np.zeros(2)
    for axis in range(min(2, size)):
        if squares[axis] <= max(_NEGLIGIBLE * squares[0], 0):
            break
        component = values.T @ basis[:, axis] if count < dim else basis[:, axis]
        component = component / np.linalg.norm(component)
        components[axis] = component * np.sign(component[np.abs(component).argmax()])
        variances[axis] = squares[axis]
    return components, variances
