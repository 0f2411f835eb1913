"""Why 3 and not 8: the maps must point at where the 8 would close."""

from __future__ import annotations

import numpy as np
import pytest

import explain_core as xc
from explain_core.datasets.strokes import three_and_eight
from explain_core.images.reading import image_from_pixels
from explain_core.maps import relu, upsample

NUM_PAIRS = 50
SIZE_PX = 140


@pytest.fixture(scope="module")
def digits() -> xc.Model:
    return xc.load_model("digits")


@pytest.fixture(scope="module")
def pairs() -> list[tuple[xc.Image, np.ndarray, np.ndarray]]:
    """Give each 3, the places where its 8 would close, and a random map."""
    made = []
    for seed in range(NUM_PAIRS):
        rng = np.random.default_rng(seed)
        three, _, closing = three_and_eight(rng, SIZE_PX)
        made.append(
            (image_from_pixels(three), closing, upsample(rng.random((14, 14)), three.shape))
        )
    return made


def share_inside(values: np.ndarray, mask: np.ndarray) -> float:
    positive = relu(values)
    return float(positive[mask].sum() / positive.sum())


@pytest.mark.parametrize("method", ["diffcam", "finer-grad-cam"])
def test_positive_mass_lies_where_the_eight_would_close(
    digits: xc.Model, pairs: list[tuple[xc.Image, np.ndarray, np.ndarray]], method: str
) -> None:
    shares, random_shares = [], []
    for three, closing, random_map in pairs:
        smap = xc.explain(digits, three, method=method, target=3, references=[8], signed=False)
        shares.append(share_inside(smap.on_original(), closing))
        random_shares.append(share_inside(random_map, closing))
    assert np.mean(shares) > 2 * np.mean(random_shares)
    assert np.greater(shares, random_shares).sum() >= 0.9 * NUM_PAIRS
