"""What DiffCAM needs to know of a reference group: count, mean and scatter, which merge by sums."""

from __future__ import annotations

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, GroupStatistics, read_only


def group_statistics(features: Array) -> GroupStatistics:
    """Return count, mean and scatter of `features` (n, d), n >= 1, computed in float64."""
    if features.ndim != 2 or len(features) == 0:
        raise InputError(f"features must be (n, d) with n >= 1 (got {features.shape})")
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return GroupStatistics(len(values), read_only(mean), read_only(values.T @ values))
