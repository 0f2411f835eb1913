"""The gradient processing of Guided AbsoluteGrad's Table 3, and its input modifications."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods.gradients import PROCESSING, processed
from explain_core.types import GuidedBasis, StaticBasis
from tests.oracles import guided_gradients, noisy_gradients, paths
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap

NUM = 6
METHODS = ("smooth-grad", "integrated-gradients", "guided-ig", "blur-ig")
QUICK = {"smooth-grad": {"num_samples": NUM}} | {m: {"num_steps": NUM} for m in METHODS[1:]}


@cache
def network_of(num_channels=3):
    return TinyNet(num_channels, is_smooth=True).double()


@cache
def sampled(method, num_channels=3):
    network, x = network_of(num_channels), network_input(picture(num_channels))
    start = paths.colour(x.shape, 0.0)
    if method == "smooth-grad":
        gradients = noisy_gradients.all_gradients(network, x, 0, NUM, 0.15, 0)
        return paths.Sampled(list(gradients), [np.full(x.shape[1:], 1 / NUM)] * NUM)
    if method == "integrated-gradients":
        return paths.straight(network, x, start, 0, NUM)
    if method == "guided-ig":
        return paths.adaptive(network, x, start, 0, NUM)
    return paths.blur(network, x, 0, NUM, 50.0)


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("processing", PROCESSING.choices)
@pytest.mark.parametrize("method", METHODS)
def test_variant_is_that_of_the_stored_gradients(method, processing, num_channels):
    smap = xc.explain(
        wrap(network_of(num_channels)),
        picture(num_channels),
        method=method,
        target=0,
        processing=processing,
        **QUICK[method],
    )
    assert_same_map(smap.values, sampled(method, num_channels).shown(processing))


@pytest.mark.parametrize("p", [0.0, 50.0, 100.0])
@pytest.mark.parametrize("processing", ["G", "GA"])
@pytest.mark.parametrize("method", METHODS)
def test_guide_follows_the_slider(method, processing, p):
    smap = xc.explain(
        wrap(network_of()),
        picture(),
        method=method,
        target=0,
        processing=processing,
        p=p,
        **QUICK[method],
    )
    assert_same_map(smap.values, sampled(method).shown(processing, p))


@pytest.mark.parametrize("processing", PROCESSING.choices)
def test_guided_backprop_takes_the_guide_from_noisy_copies(processing):
    network, x = TinyNet().double(), network_input(picture())
    rng, gradients = torch.Generator().manual_seed(0), []
    for _ in range(NUM):
        noise = torch.randn(x.shape[1:], generator=rng, dtype=torch.float32).double()
        copy = x + 0.15 * float(x.max() - x.min()) * noise
        gradients.append(guided_gradients.guided_gradient(network, copy, 0))
    part = paths.part_of(guided_gradients.guided_gradient(network, x, 0), processing)
    expected = paths.guided(np.abs(part), np.stack(gradients), processing, 85.0)
    smap = xc.explain(
        wrap(network),
        picture(),
        method="guided-backprop",
        target=0,
        processing=processing,
        num_samples=NUM,
    )
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("method", [*METHODS, "guided-backprop"])
@pytest.mark.parametrize("processing", PROCESSING.choices)
def test_only_guided_variants_have_something_to_slide(method, processing):
    model = wrap(TinyNet())
    quick = QUICK.get(method, {"num_samples": NUM})
    basis = xc.prepare(model, picture(), method=method, target=0, processing=processing, **quick)
    assert type(basis) is (GuidedBasis if "G" in processing else StaticBasis)


def test_smooth_grad_of_sizes_is_absolute_grad():
    model, image = wrap(TinyNet()), picture()
    sizes = xc.explain(model, image, method="smooth-grad", target=0, processing="A")
    absolute = xc.explain(model, image, method="absolute-grad", target=0)
    np.testing.assert_array_equal(sizes.values, absolute.values)


def test_guided_smooth_grad_of_sizes_is_guided_absolute_grad():
    model, image = wrap(TinyNet()), picture()
    guided = xc.explain(model, image, method="smooth-grad", target=0, processing="GA", p=60)
    original = xc.explain(model, image, method="guided-absolute-grad", target=0, p=60)
    np.testing.assert_array_equal(guided.values, original.values)


def test_parts_by_hand():
    gradients = np.array([3.0, -1.0])
    plain, absolute = gradients.sum(), np.abs(gradients).sum()
    found = {each: float(processed(plain, absolute, each)) for each in PROCESSING.choices}
    assert found == {"plain": 2.0, "+": 3.0, "-": 1.0, "A": 4.0, "G": 2.0, "GA": 4.0}


@pytest.mark.parametrize("p", [0.0, 85.0])
@pytest.mark.parametrize(
    ("modification", "method"),
    [("noise", "smooth-grad"), ("IG path", "integrated-gradients"), ("BlurIG path", "blur-ig")],
)
def test_guided_absolute_grad_over_other_modifications(modification, method, p):
    smap = xc.explain(
        wrap(network_of()),
        picture(),
        method="guided-absolute-grad",
        target=0,
        modification=modification,
        num_samples=NUM,
        p=p,
    )
    expected = noisy_gradients.guided_absolute_grad(sampled(method).gradients, p)
    assert_same_map(smap.values, expected)


def test_modification_is_not_mixed_up_with_the_noise_of_others():
    model, image = wrap(TinyNet()), picture()
    both = xc.prepare_many(
        model,
        image,
        ["smooth-grad", "guided-absolute-grad"],
        target=0,
        parameters={"num_samples": NUM, "modification": "IG path"},
    )
    noise = xc.prepare(model, image, method="guided-absolute-grad", target=0, num_samples=NUM)
    assert not np.array_equal(both["guided-absolute-grad"].variance, noise.variance)
    for method in both:
        values = {"modification": "IG path"} if method == "guided-absolute-grad" else {}
        alone = xc.explain(model, image, method=method, target=0, num_samples=NUM, **values)
        np.testing.assert_array_equal(xc.render(both[method]).values, alone.values)
