"""The table's metrics of truth and parts, through the one call that scores many maps."""

import inspect
from itertools import product

import numpy as np
import pytest

import explain_core as xc
from explain_core.metrics import localisation
from explain_core.metrics.metric import NO_EVIDENCE
from explain_core.metrics.scoring import NO_PARTS, NO_TRUTH, UNDEFINED
from explain_core.truth import Part, Truth
from tests.core.metrics.made_up import SIZE, as_map, random_values
from tests.oracles.nets import TinyNet, picture, wrap

BY_TRUTH = [name for name, metric in xc.METRICS.items() if metric.needs == "truth"]
BY_PARTS = [name for name, metric in xc.METRICS.items() if metric.needs == "parts"]

MASK = np.zeros(SIZE, bool)
MASK[4:11, 6:17] = True
DIFFERING = (Part("bill", 5.5, 7.5), Part("crown", 9.2, 16.1))
# The corners, where the inverse of the mask is.
SHARED = tuple(
    Part(f"wing {row} {column}", row, column) for row, column in product((2, 17), (3, 25))
)
TRUTH = Truth(mask=MASK, parts=DIFFERING)
PARTS = (*DIFFERING, *SHARED)


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture(scope="module")
def scores_of(model, image):
    def scores(maps, metrics, truth=TRUTH, parts=PARTS):
        named = {str(index): as_map(model, image, values) for index, values in enumerate(maps)}
        # Without a scorer: the truth asks no model.
        found = xc.metrics.score_maps(None, named, metrics, truth=truth, parts=parts)
        return {name: [found[each][name] for each in named] for name in metrics}

    return scores


def test_every_metric_of_truth_is_in_the_table():
    public = {
        function
        for name, function in inspect.getmembers(localisation, inspect.isfunction)
        if "truth" in inspect.signature(function).parameters and not name.startswith("_")
    }
    assert public == {xc.METRICS[name].measure for name in BY_TRUTH}
    assert len(BY_PARTS) == 3


def test_the_truth_is_best_the_inverse_worst_and_noise_in_between(scores_of):
    noise = [random_values(seed) for seed in range(40)]
    found = scores_of([MASK.astype(float), 1.0 - MASK, *noise], [*BY_TRUTH, *BY_PARTS])
    for name, scores in found.items():
        # Where noise meets no part, part precision is undefined.
        sign = 1 if xc.METRICS[name].is_higher_better else -1
        best, worst, *others = (sign * each.value for each in scores if each.value is not None)
        assert best > np.mean(others) > worst, name
        assert best >= max(others), name


def test_the_truth_on_a_larger_picture_is_met_through_the_geometry(model):
    image = picture(size=(60, 84))
    values = np.zeros(SIZE)
    values[5:8, 10:15] = 1
    mask = np.zeros((60, 84), bool)
    mask[15:24, 30:45] = True
    smap = as_map(model, image, values)
    found = xc.metrics.score_maps(None, {"map": smap}, BY_TRUTH, truth=Truth(mask=mask))["map"]
    assert found["iou-otsu"].value > 0.9
    assert found["pointing-game"].value == 1
    assert found["energy-inside"].value > 0.75
    for name in BY_TRUTH:
        measure = xc.METRICS[name].measure
        assert found[name].value == measure(smap.on_original()[None], Truth(mask=mask))[0]


def test_settings_reach_the_metric(scores_of):
    asked = {
        "iou-at-fraction@1": {"fraction": 0.9},
        "iou-at-fraction@2": {"fraction": 0.1},
        "part-recall@1": {"share": 1.0},
    }
    found = scores_of([random_values()], asked)
    assert found["iou-at-fraction@1"][0].value < found["iou-at-fraction@2"][0].value
    assert found["part-recall@1"][0].value == 1


@pytest.mark.parametrize(
    ("truth", "parts", "names", "reason"),
    [
        (None, PARTS, [*BY_TRUTH, *BY_PARTS], NO_TRUTH),
        (Truth(parts=DIFFERING), PARTS, BY_TRUTH, "there is no mask and no box"),
        (Truth(mask=np.zeros(SIZE)), PARTS, BY_TRUTH, "no evidence to find"),
        (Truth(mask=np.ones((9, 9))), PARTS, BY_TRUTH, "the mask is 9 x 9"),
        (TRUTH, (), BY_PARTS, NO_PARTS),
        (Truth(mask=MASK), PARTS, BY_PARTS, UNDEFINED),
    ],
)
def test_without_what_it_needs_a_metric_says_so(truth, parts, names, reason, scores_of):
    for scores in scores_of([random_values(), MASK.astype(float)], names, truth, parts).values():
        for score in scores:
            assert score.value is None
            assert reason in score.reason


def test_a_map_without_evidence_leaves_the_others_their_scores(scores_of):
    found = scores_of([np.zeros(SIZE), MASK.astype(float)], [*BY_TRUTH, *BY_PARTS])
    for empty, scored in found.values():
        assert (empty.value, empty.reason) == (None, NO_EVIDENCE)
        assert scored.value is not None
