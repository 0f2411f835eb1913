"""RCAP against a loop, and what it refuses; what the paper proves of it is in a file of its own."""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.errors import InputError
from tests.core.metrics.made_up import as_map, pixels_of, random_values
from tests.oracles import rcaps
from tests.oracles.nets import MEANS, STDS, TinyNet, picture, wrap


@pytest.mark.parametrize(("lower_bound", "interval"), [(50, 10), (0, 20), (90, 2.5), (0, 100)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_score_is_that_of_the_loop(dtype, num_channels, lower_bound, interval):
    network, image = TinyNet(num_channels).to(dtype), picture(num_channels)
    model, values = wrap(network), random_values()
    expected = rcaps.rcap(
        network,
        pixels_of(image),
        values.astype(np.float64),
        0,
        MEANS[num_channels],
        STDS[num_channels],
        lower_bound,
        interval,
    )
    score = xc.metrics.rcap(
        model,
        image,
        as_map(model, image, values),
        target=0,
        lower_bound=lower_bound,
        interval=interval,
    )
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_scale_and_offset_of_the_map_do_not_matter():
    model, image = wrap(TinyNet()), picture()
    scores = [
        xc.metrics.rcap(model, image, as_map(model, image, values), target=1)
        for values in (random_values(), 1000 * random_values() + 20)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-5)


def test_positive_part_of_a_signed_map_counts():
    model, image = wrap(TinyNet()), picture()
    values = random_values() - 0.3
    scores = [
        xc.metrics.rcap(model, image, as_map(model, image, each, is_signed=True), target=1)
        for each in (values, np.maximum(values, 0))
    ]
    assert scores[0] == scores[1]


def test_class_can_be_named():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    by_name = xc.metrics.rcap(model, image, smap, target="0")
    assert by_name == xc.metrics.rcap(model, image, smap, target=0)


def test_even_map_recovers_everything():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, np.full((20, 28), 7.0))
    probability = model.probabilities(model.predict(image))[2]
    np.testing.assert_allclose(
        xc.metrics.rcap(model, image, smap, target=2), probability, rtol=1e-5
    )


@pytest.mark.parametrize("values", [np.zeros((20, 28)), -random_values()])
def test_map_without_positive_evidence_is_refused(values):
    model, image = wrap(TinyNet()), picture()
    with pytest.raises(InputError, match="no positive evidence, so the metric is undefined"):
        xc.metrics.rcap(model, image, as_map(model, image, values), target=0)


@pytest.mark.parametrize(
    ("lower_bound", "interval"), [(50, 30), (50, 0), (50, -10), (100, 10), (-10, 10), (90, 20)]
)
def test_bounds_that_do_not_fit_are_refused(lower_bound, interval):
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    with pytest.raises(InputError, match="interval must divide 100 - lower_bound"):
        xc.metrics.rcap(model, image, smap, target=0, lower_bound=lower_bound, interval=interval)


def test_map_of_another_size_is_refused():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, np.ones((28, 20)))
    with pytest.raises(
        InputError, match=r"the map is \(28, 20\), but 'module' looks at \(20, 28\)"
    ):
        xc.metrics.rcap(model, image, smap, target=0)


def test_unknown_class_is_refused():
    model, image = wrap(TinyNet()), picture()
    with pytest.raises(InputError, match="'module' has no class 5"):
        xc.metrics.rcap(model, image, as_map(model, image, random_values()), target=5)


def test_map_is_not_written_to():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    before = smap.values.copy()
    xc.metrics.rcap(model, image, smap, target=0)
    np.testing.assert_array_equal(smap.values, before)


def test_curve_s_terms_are_those_of_the_sum():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    scorer = xc.metrics.scorer_of(model, image)
    score = xc.metrics.score_maps(scorer, {"map": smap}, ["rcap"], target=0)["map"]["rcap"]
    np.testing.assert_allclose(score.curve.shares, [0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(score.curve.values.mean(), score.value)
    np.testing.assert_allclose(
        score.curve.values[0],
        xc.metrics.rcap(model, image, smap, target=0, lower_bound=90, interval=10),
        rtol=1e-5,
    )
