"""What DiffCAM needs to know of a reference group: count, mean and scatter, which merge by sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, read_only


@dataclass(frozen=True, eq=False)
class GroupStatistics:
    """Summarise pooled features of a group; `a + b` summarises the union of disjoint groups.

    Attributes:
        count: n.
        mean: (d,) float64.
        scatter: (d, d) float64, `S_v = sum_i (z_i - mean)(z_i - mean)^T` (DiffCAM, eq. 5).
    """

    count: int
    mean: Array
    scatter: Array

    def __add__(self, other: GroupStatistics) -> GroupStatistics:
        """Return the statistics of the union, exact up to rounding."""
        if self.mean.shape != other.mean.shape:
            raise InputError(
                f"cannot merge groups of {len(self.mean)}-d and {len(other.mean)}-d features; "
                "use features of one layer of one model"
            )
        count = self.count + other.count
        gap = other.mean - self.mean
        return GroupStatistics(
            count=count,
            mean=read_only(self.mean + gap * (other.count / count)),
            scatter=read_only(
                self.scatter
                + other.scatter
                + np.outer(gap, gap) * (self.count * other.count / count)
            ),
        )


def group_statistics(features: Array) -> GroupStatistics:
    """Return count, mean and scatter of `features` (n, d), n >= 1, computed in float64."""
    if features.ndim != 2 or len(features) == 0:
        raise InputError(f"features must be (n, d) with n >= 1 (got {features.shape})")
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return GroupStatistics(len(values), read_only(mean), read_only(values.T @ values))
