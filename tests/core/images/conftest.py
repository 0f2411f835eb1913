"""Pictures that tests of reading share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture
def gray(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[..., 0])


@pytest.fixture
def deep() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 65536, (5, 7), dtype=np.uint16)
