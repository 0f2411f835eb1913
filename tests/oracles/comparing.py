"""How maps are compared: relative to the size of the map that is expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-5


def assert_same_map(
    values: NDArray[np.floating], expected: NDArray[np.floating], tolerance: float = TOLERANCE
) -> None:
    """Assert that two maps agree to `tolerance` of the expected map's largest value."""
    assert values.shape == expected.shape
    peak = np.abs(expected).max()
    assert peak > 0, "an empty map agrees with anything empty"
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * peak)


def relative_gap(values: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Return the largest difference as a share of the expected map's largest value."""
    return float(np.abs(np.asarray(values, np.float64) - expected).max() / np.abs(expected).max())
