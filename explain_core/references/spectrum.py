"""Eigenpairs of a reference scatter, the form in which every λ costs one weighted sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.references.statistics import GroupStatistics, group_statistics
from explain_core.types import Array, read_only

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


def spectrum_of_features(features: Array) -> Spectrum:
    """Return the spectrum of `features` (n, d), through the smaller of scatter and Gram matrix."""
    count, dim = features.shape
    if count >= dim:
        return spectrum_of_statistics(group_statistics(features))
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    eigenvalues, vectors = _falling_eigenpairs(values @ values.T)
    return Spectrum(
        count=count,
        mean=read_only(mean),
        eigenvalues=read_only(eigenvalues),
        left=read_only(vectors.T / np.sqrt(eigenvalues)[:, None]),
        right=read_only(values),
        lam_unit=_lam_unit(float(np.einsum("nd,nd->", values, values)), dim),
    )


def spectrum_of_statistics(statistics: GroupStatistics) -> Spectrum:
    """Return the spectrum of a group known by its statistics, a union of classes for instance."""
    eigenvalues, vectors = _falling_eigenpairs(statistics.scatter)
    return Spectrum(
        count=statistics.count,
        mean=statistics.mean,
        eigenvalues=read_only(eigenvalues),
        left=read_only(vectors.T),
        right=None,
        lam_unit=_lam_unit(float(np.trace(statistics.scatter)), len(statistics.mean)),
    )


def _falling_eigenpairs(matrix: Array) -> tuple[Array, Array]:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    kept = eigenvalues > _NEGLIGIBLE * max(float(eigenvalues[-1]), 0.0)
    return eigenvalues[kept][::-1], vectors[:, kept][:, ::-1]


def _lam_unit(trace: float, dim: int) -> float:
    return trace / dim if trace > 0 else 1.0
