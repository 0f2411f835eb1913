"""What Guided AbsoluteGrad proves of RCAP, on the four Gaussians of its Figure 4.

The object is the middle 20 % of the picture. As the paper supposes for its proof, the probability
is the share of the object that is seen.
"""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.metrics.reversed_maps import reversed_map
from explain_core.types import Contrast, Geometry, Provenance, SaliencyMap

SIDE = 60
HALF = round(SIDE * np.sqrt(0.2) / 2)
OBJECT = slice(SIDE // 2 - HALF, SIDE // 2 + HALF)
SHIFT = 0.3 * SIDE
NARROW, WIDE = 0.12 * SIDE, 0.25 * SIDE
METRICS = {"rcap": {"lower_bound": 60.0, "interval": 20.0}, "deletion": {}, "insertion": {}}


def gaussian(centre, sigma):
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.exp(-((rows - centre) ** 2 + (columns - centre) ** 2) / (2 * sigma**2))


def as_map(values):
    size = values.shape
    return SaliencyMap(
        values=values.astype(np.float32),
        is_signed=False,
        provenance=Provenance("", "", "", "", "", Contrast(0)),
        geometry=Geometry(size, size, (1.0, 1.0), (0.0, 0.0)),
    )


@pytest.fixture(scope="module")
def scorer():
    pixels = torch.rand((1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)) + 0.1

    def seen_share(pictures):
        is_seen = (pictures == pixels)[:, 0, OBJECT, OBJECT].double().mean(dim=(1, 2))
        return torch.stack([is_seen, 1 - is_seen], dim=1).numpy()

    return xc.metrics.Scorer(pixels, seen_share)


@pytest.fixture(scope="module")
def scores(scorer):
    middle = SIDE / 2
    maps = {
        "M1": as_map(gaussian(middle, NARROW)),
        "M2": as_map(gaussian(middle, WIDE)),
        "M3": as_map(gaussian(middle + SHIFT, NARROW)),
        "M4": as_map(gaussian(middle + SHIFT, WIDE)),
        "M1 reversed": reversed_map(as_map(gaussian(middle, NARROW))),
    }
    found = xc.metrics.score_maps(scorer, maps, METRICS, target=0)
    return {name: {key: score.value for key, score in row.items()} for name, row in found.items()}


def test_of_equally_noisy_maps_the_better_placed_one_wins(scores):
    """Proposition 1."""
    assert scores["M1"]["rcap"] > 1.2 * scores["M3"]["rcap"]
    assert scores["M1"]["rcap"] > scores["M1 reversed"]["rcap"]


def test_of_equally_placed_maps_the_less_noisy_one_wins(scores):
    """Proposition 2."""
    assert scores["M1"]["rcap"] > 1.2 * scores["M2"]["rcap"]


def test_noisy_and_badly_placed_map_is_the_worst(scores):
    assert scores["M4"]["rcap"] == min(row["rcap"] for row in scores.values())
    assert scores["M4"]["rcap"] < 0.9 * min(scores["M2"]["rcap"], scores["M3"]["rcap"])


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
def test_deletion_and_insertion_do_not_see_noise(scores, metric):
    """The paper's criticism: the same order of pixels gets the same score."""
    assert scores["M1"][metric] == scores["M2"][metric]


def test_deletion_and_insertion_see_where_a_map_lies(scores):
    """Proposition 1 holds for them too."""
    assert scores["M1"]["deletion"] < scores["M3"]["deletion"] - 0.1
    assert scores["M1"]["insertion"] > scores["M3"]["insertion"] + 0.1
