"""ROAD against pytorch-grad-cam's and against the direct solve."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics import perturbation_confidence as confidence
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

import explain_core as xc
from tests.core.metrics.made_up import SIZE, as_map, pixels_of, random_values
from tests.oracles import removals
from tests.oracles.nets import MEANS, STDS, TinyNet, picture, wrap

SHARES = (0.25, 0.5, 0.75)


@pytest.fixture(scope="module")
def network():
    return TinyNet()


@pytest.fixture(scope="module")
def model(network):
    return wrap(network)


def decreases_by_direct_solve(network, image, values, target):
    predict, pixels = removals.predictor(network, MEANS[3], STDS[3]), pixels_of(image)
    clean = predict(pixels)[target]
    holes = [removals.top(values, round(share * values.size)) for share in SHARES]
    return [clean - predict(removals.imputed(pixels, hole))[target] for hole in holes]


def test_decreases_are_those_of_the_direct_solve(network, model):
    image, values = picture(), random_values()
    smap = as_map(model, image, values)
    most = decreases_by_direct_solve(network, image, values, 1)
    least = decreases_by_direct_solve(network, image, -values, 1)
    found = xc.metrics.score_maps(
        xc.metrics.scorer_of(model, image),
        {"map": smap},
        {name: {"noise": 0.0} for name in ("road", "road-morf", "road-lerf")},
        target=1,
    )["map"]
    np.testing.assert_allclose(found["road-morf"].curve.values, most, atol=1e-4)
    np.testing.assert_allclose(found["road-lerf"].curve.values, least, atol=1e-4)
    np.testing.assert_allclose(
        found["road"].value, np.mean(np.subtract(most, least)) / 2, atol=1e-4
    )
    np.testing.assert_array_equal(found["road"].curve.shares, SHARES)


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
@pytest.mark.parametrize(
    ("order", "theirs"),
    [
        ("most relevant first", confidence.RemoveMostRelevantFirst),
        ("least relevant first", confidence.RemoveLeastRelevantFirst),
    ],
)
def test_it_is_pytorch_grad_cam_s(network, model, order, theirs):
    """Both fill in linearly, so that it does not matter that theirs acts on normalised input."""
    image, values = picture(), random_values()
    changes = [
        confidence.PerturbationConfidenceMetric(theirs(100 - 100 * share, NoisyLinearImputer(0.0)))(
            model.preprocess(image), values[None], [ClassifierOutputSoftmaxTarget(2)], network
        )
        for share in SHARES
    ]
    score = xc.metrics.road(
        model, image, as_map(model, image, values), target=2, order=order, noise=0
    )
    np.testing.assert_allclose(score, -np.mean(changes), atol=1e-4)


def test_noise_lies_on_removed_pixels_only():
    seen = []

    def probabilities(pictures):
        seen.append(pictures.numpy())
        return np.ones((len(pictures), 1))

    image, values = picture(), random_values()
    model = wrap(TinyNet())
    scorer = xc.metrics.Scorer(torch.full((3, *SIZE), 0.5), probabilities)
    smap = as_map(model, image, values)
    xc.metrics.score_maps(scorer, {"map": smap}, {"road-morf": {"noise": 0.1}}, target=0)
    noise = np.concatenate(seen)[1:] - 0.5
    for share, each in zip(SHARES, noise, strict=True):
        removed = removals.top(values, round(share * values.size))
        assert not each[:, ~removed].any()
        np.testing.assert_allclose(each[:, removed].std(), 0.1, rtol=0.2)


def test_seed_decides_on_the_noise(model):
    image = picture()
    smap = as_map(model, image, random_values())
    scores = [
        xc.metrics.road(model, image, smap, target=0, noise=0.2, seed=seed) for seed in (0, 0, 1)
    ]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shares": (0.5, 1.0)}, r"shares must lie between 0 and 1, both excluded"),
        ({"shares": ()}, "shares must lie between 0 and 1"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"order": "random"}, "order must be one of .*'most relevant first'.*got 'random'"),
    ],
)
def test_what_does_not_fit_is_refused(model, values, message):
    image = picture()
    smap = as_map(model, image, random_values())
    with pytest.raises(xc.InputError, match=message):
        xc.metrics.road(model, image, smap, **({"target": 0} | values))
