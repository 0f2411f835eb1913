"""Eigenpairs of a reference scatter, the form in which every λ costs one weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.references.statistics import group_statistics
from explain_core.types import Array, GroupStatistics, ReferenceSet, read_only

_NEGLIGIBLE = 1e-13


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Hold `S_v = sum_i s_i u_i u_i^T` of a group.

    Attributes:
        count: n, the number of references.
        mean: (d,) float64.
        eigenvalues: (r,) float64, positive, falling; r <= min(n - 1, d).
        left, right: (r, m) and (m, d); their product has the eigenvectors as rows. Kept apart
            because with n < d references the product is larger than both.
        lam_unit: the mean eigenvalue `tr(S_v) / d`; 1 where all references are the same.
    """

    count: int
    mean: Array
    eigenvalues: Array
    left: Array
    right: Array | None
    lam_unit: float

    def project(self, values: Array) -> Array:
        """Return (r, m): `u_i^T values` for `values` (d, m)."""
        inner = values if self.right is None else self.right @ values
        return self.left @ inner

    def expand(self, coefficients: Array) -> Array:
        """Return (d,): `sum_i coefficients_i u_i`."""
        inner = coefficients @ self.left
        return inner if self.right is None else inner @ self.right


def spectrum_of(references: ReferenceSet) -> Spectrum:
    """Return a set's spectrum, from its statistics where those are known and the smaller form."""
    count, dim = references.features.shape
    if references.statistics is not None and count >= dim:
        return spectrum_of_statistics(references.statistics())
    return spectrum_of_features(references.features)


def spectrum_of_features(features: Array) -> Spectrum:
    """Return the spectrum of `features` (n, d), through the smaller of scatter and Gram matrix."""
    count, dim = features.shape
    if count >= dim:
        return spectrum_of_statistics(group_statistics(features))
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    gram = values @ values.T
    eigenvalues, vectors = _falling_eigenpairs(gram, count, mean)
    return Spectrum(
        count=count,
        mean=read_only(mean),
        eigenvalues=read_only(eigenvalues),
        left=read_only(vectors.T / np.sqrt(eigenvalues)[:, None]),
        right=read_only(values),
        lam_unit=_lam_unit(gram, count, mean),
    )


def spectrum_of_statistics(statistics: GroupStatistics) -> Spectrum:
    """Return the spectrum of a group known by its statistics, a union of classes for instance."""
    scatter, count, mean = statistics.scatter, statistics.count, statistics.mean
    eigenvalues, vectors = _falling_eigenpairs(scatter, count, mean)
    return Spectrum(
        count=count,
        mean=mean,
        eigenvalues=read_only(eigenvalues),
        left=read_only(vectors.T),
        right=None,
        lam_unit=_lam_unit(scatter, count, mean),
    )


def _falling_eigenpairs(matrix: Array, count: int, mean: Array) -> tuple[Array, Array]:
    """Return eigenvalues (r,) and eigenvectors (m, r) of a scatter or Gram matrix (m, m)."""
    if _is_rounding(matrix, count, mean):
        return np.zeros(0), np.zeros((len(matrix), 0))
    eigenvalues, vectors = np.linalg.eigh(matrix)
    kept = eigenvalues > _NEGLIGIBLE * eigenvalues[-1]
    return eigenvalues[kept][::-1], vectors[:, kept][:, ::-1]


def _lam_unit(matrix: Array, count: int, mean: Array) -> float:
    if _is_rounding(matrix, count, mean):
        return 1.0
    return float(np.trace(matrix)) / len(mean)


def _is_rounding(matrix: Array, count: int, mean: Array) -> bool:
    """Return whether a scatter is no more than float64's rounding of equal references."""
    rounding = 8 * np.finfo(np.float64).eps
    return bool(np.trace(matrix) <= count * rounding**2 * (mean @ mean))
