"""Many maps and metrics in one call: the same numbers, each picture predicted once."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.metrics.metric import NO_EVIDENCE, NOT_FINITE
from explain_core.metrics.scoring import NO_SCORER, NO_TRUTH
from explain_core.models import device
from explain_core.truth import Box, Truth
from tests.core.metrics.made_up import SIZE, as_map, random_values
from tests.oracles.nets import TinyNet, picture, wrap

FEW = {
    "rcap": {},
    "deletion": {"steps": 10},
    "insertion": {"steps": 10},
    "relative-drop": {"share": 0.1},
    "road-morf": {},
}


@pytest.fixture(scope="module")
def network():
    return TinyNet()


@pytest.fixture(scope="module")
def model(network):
    return wrap(network)


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture(scope="module")
def maps(model, image):
    return {name: as_map(model, image, random_values(seed)) for seed, name in enumerate("ab")}


def predicted(scorer, maps, metrics, **values):
    """Return the sizes of the batches that are predicted."""
    sizes = []

    def probabilities(pictures):
        sizes.append(len(pictures))
        return scorer.probabilities(pictures)

    counting = xc.metrics.Scorer(scorer.pixels, probabilities, num_at_once=7)
    xc.metrics.score_maps(counting, maps, metrics, **({"target": 0, "references": (1,)} | values))
    return sizes


def test_scores_are_those_of_the_plain_functions(model, image, maps):
    scorer = xc.metrics.scorer_of(model, image)
    scores = xc.metrics.score_maps(scorer, maps, FEW, target=1, references=(0, 2))
    smap, found = maps["b"], scores["b"]
    expected = {
        "rcap": xc.metrics.rcap(model, image, smap, target=1),
        "deletion": xc.metrics.deletion(model, image, smap, target=1, steps=10),
        "insertion": xc.metrics.insertion(model, image, smap, target=1, steps=10),
        "relative-drop": xc.metrics.relative_drop(
            model, image, smap, target=1, references=(0, 2), share=0.1
        ),
        "road-morf": xc.metrics.road(model, image, smap, target=1, order="most relevant first"),
    }
    assert list(scores) == ["a", "b"]
    assert list(found) == list(FEW)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].value, value, rtol=1e-5, atol=1e-7)


def test_each_picture_is_predicted_once(model, image, maps):
    """Ten steps have nine pictures between clean and black; one of them is relative drop's."""
    scorer = xc.metrics.scorer_of(model, image)
    assert sum(predicted(scorer, maps, {"deletion": {"steps": 10}})) == 2 * 9 + 2
    assert sum(predicted(scorer, maps, {"insertion": {"steps": 10}})) == 2 * 9 + 2
    both = {name: FEW[name] for name in ("deletion", "relative-drop")}
    assert sum(predicted(scorer, maps, both)) == 2 * 9 + 2
    assert sum(predicted(scorer, maps, FEW)) == 2 * (9 + 9 + 5 + 3) + 3


def test_pictures_are_made_batch_by_batch(model, image, maps):
    sizes = predicted(xc.metrics.scorer_of(model, image), maps, FEW)
    assert max(sizes) == 7
    assert len(sizes) <= sum(sizes) / 7 + 3  # one batch that is not full for each kind of filling


def test_network_s_batches_hold_what_the_device_can(network, model, image, maps, monkeypatch):
    monkeypatch.setitem(device._PIXELS_PER_BATCH, "cpu", 5 * 20 * 28)
    scorer = xc.metrics.scorer_of(model, image)
    before = network.calls.count
    xc.metrics.score_maps(scorer, maps, {"deletion": {"steps": 10}}, target=0)
    assert network.calls.count - before == 4  # 20 pictures


def test_progress_rises_to_one_and_may_stop_it(model, image, maps):
    scorer, told = xc.metrics.scorer_of(model, image), []
    xc.metrics.score_maps(scorer, maps, ["rcap"], target=0, progress=told.append)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)

    def stop(_share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        xc.metrics.score_maps(scorer, maps, ["rcap"], target=0, progress=stop)


def test_maps_that_say_nothing_have_a_reason_and_the_others_their_scores(model, image):
    holed = random_values()
    holed[3, 4] = np.nan
    maps = {
        "good": as_map(model, image, random_values()),
        "zero": as_map(model, image, np.zeros(SIZE)),
        "negative": as_map(model, image, -random_values(), is_signed=True),
        "holed": as_map(model, image, holed),
    }
    scorer = xc.metrics.scorer_of(model, image)
    truth = Truth(boxes=(Box(2, 3, 10, 12),))
    metrics = [*FEW, *(name for name, each in xc.METRICS.items() if each.needs == "truth")]
    scores = xc.metrics.score_maps(scorer, maps, metrics, target=0, references=(1,), truth=truth)
    reasons = {name: {score.reason for score in row.values()} for name, row in scores.items()}
    assert reasons == {
        "good": {""},
        "zero": {NO_EVIDENCE},
        "negative": {NO_EVIDENCE},
        "holed": {NOT_FINITE},
    }
    assert all(np.isfinite(score.value) for score in scores["good"].values())
    assert all(score.value is None for score in scores["zero"].values())


def test_without_references_only_relative_drop_is_missing(model, image, maps):
    scorer = xc.metrics.scorer_of(model, image)
    row = xc.metrics.score_maps(scorer, maps, ["rcap", "relative-drop"], target=0)["a"]
    assert row["rcap"].value is not None
    assert row["relative-drop"].reason == "no reference class to compare with"


def test_without_classes_and_without_truth_both_are_said(maps):
    truth_metrics = [name for name, each in xc.METRICS.items() if each.needs == "truth"]
    row = xc.metrics.score_maps(None, maps, ["rcap", *truth_metrics])["a"]
    assert row["rcap"].reason == NO_SCORER
    assert {row[name].reason for name in truth_metrics} <= {NO_TRUTH}


def test_one_metric_with_two_settings(model, image, maps):
    scorer = xc.metrics.scorer_of(model, image)
    asked = {"relative-drop@5": {"share": 0.05}, "relative-drop@50": {"share": 0.5}}
    row = xc.metrics.score_maps(scorer, maps, asked, target=0, references=(1,))["a"]
    assert row["relative-drop@5"].value != row["relative-drop@50"].value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["rcape"]}, r"there is no metric 'rcape'; choose from \['"),
        ({"metrics": {"rcap": {"steps": 3}}}, "metric 'rcap' has no parameter 'steps'"),
        ({"metrics": {"deletion": {"steps": 0}}}, "steps must lie between 1 and 1000"),
        ({"target": 5}, "there is no class 5; give an index from 0 to 4"),
        ({"references": (-1,)}, "there is no class -1"),
        ({"references": (2, 0)}, "references must not contain the target class 0"),
    ],
)
def test_what_does_not_fit_is_refused(model, image, maps, changes, message):
    scorer = xc.metrics.scorer_of(model, image)
    values = {"metrics": ["rcap", "relative-drop"], "target": 0, "references": (1,)} | changes
    with pytest.raises(xc.InputError, match=message):
        xc.metrics.score_maps(scorer, maps, values.pop("metrics"), **values)


def test_map_of_another_size_is_named(model, image, maps):
    scorer = xc.metrics.scorer_of(model, image)
    turned = {"ok": maps["a"], "turned": as_map(model, image, random_values().T)}
    with pytest.raises(xc.InputError, match=r"map 'turned' is \(28, 20\), but the model looks at"):
        xc.metrics.score_maps(scorer, turned, ["rcap"], target=0)


def test_model_of_one_class_has_defined_scores():
    """Its probability is always 1: nothing can be lost, and RCAP is the share of the map."""
    model, image = wrap(TinyNet(num_classes=1)), picture()
    smap = as_map(model, image, random_values())
    scorer = xc.metrics.scorer_of(model, image)
    row = xc.metrics.score_maps(scorer, {"map": smap}, FEW, target=0)["map"]
    assert row["deletion"].value == row["insertion"].value == 1
    assert row["road-morf"].value == 0
    assert 0 < row["rcap"].value < 1
    assert row["relative-drop"].reason
