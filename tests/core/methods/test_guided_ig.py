"""Guided IG against a list of pixels and PAIR's package."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods.evidence import input_gradients
from explain_core.methods.modifications import baseline_input
from explain_core.methods.sampling import guided_step, sample_guided_path
from tests.oracles import paths
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap
from tests.oracles.noisy_gradients import input_gradient

NUM_STEPS = 5


# In float32 rounding can decide which of two pixels moves first, and the path goes on from there.
@cache
def network_of(num_channels=3, strides=(1, 2, 2)):
    return TinyNet(num_channels, is_smooth=True, strides=strides).double()


def explained(network, image, **values):
    return xc.explain(
        wrap(network), image, method="guided-ig", target=0, num_steps=NUM_STEPS, **values
    )


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 3, 1)])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_map_is_that_of_the_stored_gradients(num_channels, strides):
    network, image = network_of(num_channels, strides), picture(num_channels)
    x = network_input(image)
    expected = paths.adaptive(network, x, paths.colour(x.shape, 0.0), 0, NUM_STEPS)
    assert_same_map(explained(network, image).values, expected.shown())


@pytest.mark.parametrize("max_dist", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("fraction", [0.05, 0.25, 1.0])
def test_parameters_are_those_of_the_path(fraction, max_dist):
    network, image = network_of(), picture()
    x = network_input(image)
    settings = {"fraction": fraction, "max_dist": max_dist}
    expected = paths.adaptive(network, x, paths.colour(x.shape, 0.0), 0, NUM_STEPS, **settings)
    assert_same_map(explained(network, image, **settings).values, expected.shown())


def test_single_precision_changes_little():
    rough = explained(TinyNet(is_smooth=True), picture()).values
    fine = explained(network_of(), picture()).values
    assert_same_map(rough, fine, tolerance=0.02)
    assert np.corrcoef(rough.ravel(), fine.ravel())[0, 1] > 0.9999


def test_it_is_the_choice_of_pixels_that_single_precision_changes():
    """Rounded gradients, summed along the path that exact ones choose, give the exact map."""
    rough, fine = wrap(TinyNet(is_smooth=True)), wrap(network_of())
    x = fine.preprocess(picture())
    start = baseline_input(fine, x, "black")
    begin, end = start[0].numpy(), x[0].numpy()
    point, sums = begin, {model: np.zeros_like(begin) for model in (rough, fine)}
    for step in range(NUM_STEPS):
        gradients = {
            model: input_gradients(model, torch.from_numpy(point)[None].to(model.dtype), 0)[0]
            for model in sums
        }
        share = (step + 1) / NUM_STEPS
        moved = guided_step(point, gradients[fine].numpy(), begin, end, share, 0.25, 0.02)
        for model in sums:
            sums[model] += gradients[model].double().numpy() * (moved - point)
        point = moved
    assert_same_map(*(np.abs(sums[model]).sum(axis=0) for model in (rough, fine)), tolerance=1e-6)


@pytest.mark.parametrize("settings", [(0.25, 0.02), (0.1, 0.3), (0.25, 1.0)])
def test_attribution_is_pair_s(monkeypatch, settings):
    pair = pytest.importorskip("saliency.core.guided_ig")
    # PAIR's 0.2.1 names an argument that numpy 2.4 no longer knows.
    monkeypatch.setattr(
        pair.np,
        "quantile",
        lambda values, share, interpolation: _quantile(values, share, method=interpolation),
    )
    fraction, max_dist = settings
    model = wrap(network_of())
    x = model.preprocess(picture())
    start = baseline_input(model, x, "black")

    def call(points, call_model_args=None, expected_keys=None):
        points = torch.from_numpy(points)
        return {"INPUT_OUTPUT_GRADIENTS": input_gradient(network_of(), points, 0)[None]}

    theirs = pair.GuidedIG().GetMask(
        x[0].numpy(),
        call,
        x_baseline=start[0].numpy(),
        x_steps=NUM_STEPS,
        fraction=fraction,
        max_dist=max_dist,
    )
    ours = sample_guided_path(
        model, x, start, 0, num_steps=NUM_STEPS, fraction=fraction, max_dist=max_dist
    )
    assert_same_map(ours.attribution, theirs)


_quantile = np.quantile


def test_without_freedom_it_is_the_straight_path():
    """Both sum gradients along the same line, from its points' beginnings or middles."""
    model, image = wrap(network_of()), picture()
    bound = xc.explain(model, image, method="guided-ig", target=0, num_steps=300, max_dist=0.0)
    straight = xc.explain(model, image, method="integrated-gradients", target=0, num_steps=300)
    assert_same_map(bound.values, straight.values, tolerance=5e-3)


def test_attributions_sum_to_the_score_s_rise():
    model = wrap(network_of())
    x = model.preprocess(picture())
    start = baseline_input(model, x, "black")
    evidence = sample_guided_path(model, x, start, 0, num_steps=400, fraction=0.25, max_dist=0.02)
    scores = model.logits(torch.cat([x, start]))[:, 0]
    rise = float(scores[0] - scores[1])
    assert float(evidence.attribution.sum()) == pytest.approx(rise, rel=0.02)


def test_picture_of_the_baseline_s_colour_gets_an_empty_map():
    image = xc.images.reading.image_from_pixels(np.zeros((20, 28, 3), np.uint8))
    assert not explained(TinyNet(), image).values.any()


def test_pixel_of_smallest_gradient_moves_first():
    start, end = np.zeros((1, 1, 4)), np.ones((1, 1, 4))
    gradient = np.array([[[3.0, -1.0, 2.0, 4.0]]])
    moved = guided_step(start, gradient, start, end, 0.25, 0.25, 1.0)
    np.testing.assert_array_equal(moved, [[[0.0, 1.0, 0.0, 0.0]]])


def test_pixels_that_fall_behind_are_taken_along():
    start, end = np.zeros((1, 1, 4)), np.ones((1, 1, 4))
    gradient = np.array([[[3.0, -1.0, 2.0, 4.0]]])
    moved = guided_step(start, gradient, start, end, 0.5, 0.25, 0.125)
    assert moved.min() == 0.375
    assert moved.max() == 0.625
    assert moved.sum() == 2.0
