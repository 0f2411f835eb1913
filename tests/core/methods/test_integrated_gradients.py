"""Integrated Gradients against a slow loop, captum, and the axioms."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods import modifications, sampling
from explain_core.methods.modifications import baseline_input, straight_path
from explain_core.methods.sampling import sample_gradients
from explain_core.models.tap import count_passes
from tests.oracles import paths
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap

NUM_STEPS = 6
PIXELS = {"black": 0.0, "white": 1.0}


@cache
def network_of(num_channels=3, dtype=torch.float32, strides=(1, 2, 2)):
    return TinyNet(num_channels, is_smooth=True, strides=strides).to(dtype)


def start_of(x, baseline):
    if baseline == "mean colour":
        return torch.zeros_like(x)
    return paths.colour(x.shape, PIXELS[baseline])


def sampled(model, num_steps=NUM_STEPS, baseline="black", target=0):
    x = model.preprocess(picture())
    start = baseline_input(model, x, baseline)
    evidence = sample_gradients(
        model, x, target, num_steps, lambda: straight_path(x, start, num_steps)
    )
    return evidence, x, start


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 3, 1)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("baseline", modifications.BASELINES)
def test_map_is_that_of_the_stored_gradients(baseline, dtype, num_channels, strides):
    smap = xc.explain(
        wrap(network_of(num_channels, dtype, strides)),
        picture(num_channels),
        method="integrated-gradients",
        target=0,
        num_steps=NUM_STEPS,
        baseline=baseline,
    )
    x = network_input(picture(num_channels))
    network = network_of(num_channels, strides=strides)
    expected = paths.straight(network, x, start_of(x, baseline), 0, NUM_STEPS).shown()
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("baseline", modifications.BASELINES)
def test_attribution_is_captum_s(baseline):
    attr = pytest.importorskip("captum.attr")
    model = wrap(network_of(dtype=torch.float64))
    evidence, x, start = sampled(model, baseline=baseline)
    theirs = attr.IntegratedGradients(network_of(dtype=torch.float64)).attribute(
        x, start, target=0, n_steps=NUM_STEPS, method="riemann_middle"
    )
    assert_same_map(evidence.attribution, theirs[0].detach().numpy())


def test_many_steps_are_captum_s_default():
    attr = pytest.importorskip("captum.attr")
    model = wrap(network_of(dtype=torch.float64))
    evidence, x, start = sampled(model, num_steps=200)
    theirs = attr.IntegratedGradients(network_of(dtype=torch.float64)).attribute(x, start, target=0)
    assert_same_map(evidence.attribution, theirs[0].detach().numpy(), tolerance=1e-4)


@pytest.mark.parametrize("baseline", modifications.BASELINES)
def test_attributions_sum_to_the_score_s_rise(baseline):
    model = wrap(network_of(dtype=torch.float64))
    evidence, x, start = sampled(model, num_steps=100, baseline=baseline)
    scores = model.logits(torch.cat([x, start]))[:, 0]
    rise = float(scores[0] - scores[1])
    assert float(evidence.attribution.sum()) == pytest.approx(rise, rel=1e-4)


def test_pixels_of_the_baseline_s_colour_get_nothing():
    pixels = picture().pixels.copy()
    pixels[3:9, 4:20] = 0
    image = xc.images.reading.image_from_pixels(pixels)
    smap = xc.explain(wrap(TinyNet()), image, method="integrated-gradients", target=0, num_steps=4)
    assert not smap.values[3:9, 4:20].any()
    assert smap.values.any()


def test_statistics_do_not_depend_on_the_batch_size(monkeypatch):
    maps = []
    for size in (1, 4, 100):
        monkeypatch.setattr(sampling, "batch_size", lambda device, shape, size=size: size)
        evidence, *_ = sampled(wrap(network_of()))
        maps.append(evidence.attribution)
    for other in maps[1:]:
        assert_same_map(other, maps[0].astype(np.float64))


def test_memory_does_not_grow_with_the_steps(monkeypatch):
    """The inputs of one batch only exist at a time."""
    monkeypatch.setattr(sampling, "batch_size", lambda device, shape: 3)
    counts = []
    real = sampling.input_gradients

    def counting(model, x, target):
        counts.append(len(x))
        return real(model, x, target)

    monkeypatch.setattr(sampling, "input_gradients", counting)
    sampled(wrap(network_of()), num_steps=10)
    assert counts == [3, 3, 3, 1]


METHODS = ("integrated-gradients", "guided-ig", "blur-ig")


@pytest.mark.parametrize("method", METHODS)
def test_network_runs_once_for_each_step(method):
    model = wrap(TinyNet())
    with count_passes() as counter:
        xc.explain(model, picture(), method=method, target=0, num_steps=7)
    assert counter.passes == 7


@pytest.mark.parametrize("method", METHODS)
def test_fewest_steps_give_a_finite_map(method):
    smap = xc.explain(
        wrap(TinyNet()), picture(), method=method, target=0, num_steps=2, processing="GA"
    )
    assert np.isfinite(smap.values).all()


@pytest.mark.parametrize("method", METHODS)
def test_progress_goes_from_nothing_to_all(method):
    shares = []
    xc.explain(
        wrap(TinyNet()), picture(), method=method, target=0, num_steps=3, progress=shares.append
    )
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)


@pytest.mark.parametrize("method", [*METHODS, "guided-backprop", "smooth-grad"])
def test_cancelling_leaves_nothing_on_the_model(method, monkeypatch):
    monkeypatch.setattr(sampling, "batch_size", lambda device, shape: 1)
    model = wrap(TinyNet())
    hooks = [dict(each._forward_hooks) for each in model.network.modules()]
    before = xc.explain(model, picture(), method="vanilla-gradient", target=0).values

    def cancel(share):
        if share > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        xc.explain(
            model,
            picture(),
            method=method,
            target=0,
            progress=cancel,
            processing="G",
        )
    after = xc.explain(model, picture(), method="vanilla-gradient", target=0).values
    np.testing.assert_array_equal(after, before)
    assert [dict(each._forward_hooks) for each in model.network.modules()] == hooks
    assert not any(parameter.requires_grad for parameter in model.network.parameters())


def test_unknown_baseline_is_refused():
    with pytest.raises(xc.InputError, match="baseline must be one of"):
        xc.explain(
            wrap(TinyNet()), picture(), method="integrated-gradients", target=0, baseline="red"
        )
