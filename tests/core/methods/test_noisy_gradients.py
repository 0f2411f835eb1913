"""The gradient methods against a loop that stores every gradient."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods import sampling
from explain_core.methods.rendering import render_guided
from explain_core.types import Contrast, Geometry, GuidedBasis, Provenance
from tests.oracles import noisy_gradients
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap

NUM_SAMPLES = 7
STATISTICS = {
    "smooth-grad": noisy_gradients.smooth_grad,
    "var-grad": noisy_gradients.var_grad,
    "absolute-grad": noisy_gradients.absolute_grad,
    "guided-absolute-grad": lambda gradients: noisy_gradients.guided_absolute_grad(gradients, 85),
}


# A smooth activation: at the kink of a ReLU the slightest rounding changes a gradient for good.
@cache
def network_of(num_channels=3, dtype=torch.float32, strides=(1, 2, 2)):
    return TinyNet(num_channels, is_smooth=True, strides=strides).to(dtype)


@cache
def gradients_of(num_channels=3, strides=(1, 2, 2), spread=0.15, seed=0, num_samples=NUM_SAMPLES):
    return noisy_gradients.all_gradients(
        network_of(num_channels, strides=strides),
        network_input(picture(num_channels)),
        target=0,
        num_samples=num_samples,
        spread=spread,
        seed=seed,
    )


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 3, 1)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", STATISTICS)
def test_map_is_that_of_the_stored_gradients(method, dtype, num_channels, strides):
    model = wrap(network_of(num_channels, dtype, strides))
    smap = xc.explain(
        model, picture(num_channels), method=method, target=0, num_samples=NUM_SAMPLES
    )
    expected = STATISTICS[method](gradients_of(num_channels, strides))
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vanilla_gradient_is_the_gradient_at_the_picture(dtype):
    smap = xc.explain(wrap(network_of(dtype=dtype)), picture(), method="vanilla-gradient", target=0)
    expected = noisy_gradients.vanilla_gradient(network_of(), network_input(picture()), 0)
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("p", [0.0, 12.5, 50.0, 85.0, 99.0, 100.0])
def test_guide_is_that_of_the_stored_gradients(p):
    smap = xc.explain(
        wrap(network_of()),
        picture(),
        method="guided-absolute-grad",
        target=0,
        num_samples=NUM_SAMPLES,
        p=p,
    )
    assert_same_map(smap.values, noisy_gradients.guided_absolute_grad(gradients_of(), p))


@pytest.mark.parametrize("spread", [0.01, 0.5])
def test_spread_is_a_share_of_the_range(spread):
    smap = xc.explain(
        wrap(network_of()),
        picture(),
        method="var-grad",
        target=0,
        num_samples=NUM_SAMPLES,
        spread=spread,
    )
    assert_same_map(smap.values, noisy_gradients.var_grad(gradients_of(spread=spread)))


def test_seed_is_that_of_the_noise():
    smap = xc.explain(
        wrap(network_of()),
        picture(),
        method="smooth-grad",
        target=0,
        num_samples=NUM_SAMPLES,
        seed=41,
    )
    assert_same_map(smap.values, noisy_gradients.smooth_grad(gradients_of(seed=41)))


def test_p_zero_is_absolute_grad_bit_for_bit():
    model, image = wrap(TinyNet()), picture()
    absolute = xc.explain(model, image, method="absolute-grad", target=0)
    guided = xc.explain(model, image, method="guided-absolute-grad", target=0, p=0.0)
    np.testing.assert_array_equal(guided.values, absolute.values)


def test_without_noise_all_gradients_are_the_picture_s_own():
    model, image = wrap(network_of()), picture()
    smooth = xc.explain(model, image, method="smooth-grad", target=0, num_samples=3, spread=0.0)
    clean = xc.explain(model, image, method="vanilla-gradient", target=0)
    assert_same_map(smooth.values, clean.values.astype(np.float64))


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7])
def test_statistics_do_not_depend_on_the_batch_size(monkeypatch, size):
    monkeypatch.setattr(sampling, "batch_size", lambda device, input_size: size)
    smap = xc.explain(
        wrap(network_of()), picture(), method="var-grad", target=0, num_samples=NUM_SAMPLES
    )
    assert_same_map(smap.values, noisy_gradients.var_grad(gradients_of()))


def test_out_of_memory_halves_the_batch_and_changes_nothing(monkeypatch):
    sizes = []
    real = sampling.input_gradients

    def forgetful(model, x, target):
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("made up")
        return real(model, x, target)

    monkeypatch.setattr(sampling, "input_gradients", forgetful)
    smap = xc.explain(
        wrap(network_of()), picture(), method="var-grad", target=0, num_samples=NUM_SAMPLES
    )
    assert sizes[-1] <= 2
    assert_same_map(smap.values, noisy_gradients.var_grad(gradients_of()))


def test_variance_survives_a_large_mean():
    """Two passes over stored numbers against one pass over batches: no digits are lost."""
    rng = torch.Generator().manual_seed(0)
    values = 1000 + torch.randn(50, 2, 3, 4, generator=rng)
    statistics = sampling.RunningStatistics.like(torch.zeros(2, 3, 4))
    for batch in values.split(7):
        statistics.add(batch.clone())
    stored = np.var(values.double().numpy(), axis=0, ddof=1)
    assert_same_map((statistics.sum_sq / 49).numpy(), stored, tolerance=1e-4)


def test_progress_goes_from_nothing_to_all():
    shares = []
    xc.explain(
        wrap(network_of()),
        picture(),
        method="smooth-grad",
        target=0,
        num_samples=3,
        progress=shares.append,
    )
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)


def test_guide_by_hand():
    # median of 0, 1, 2, 3 is 1.5: the two upper places count fully, the others by their variance
    basis = GuidedBasis(
        Provenance("guided-absolute-grad", "", "", "input", "", Contrast(0)),
        Geometry((2, 2), (2, 2), (1, 1), (0, 0)),
        mean_absolute=np.array([[[10.0, 10.0], [10.0, 10.0]]]),
        variance=np.array([[[0.0, 1.0], [2.0, 3.0]]]),
    )
    np.testing.assert_allclose(render_guided(basis, {"p": 50.0}), [[0.0, 10.0], [10.0, 10.0]])


def test_percentile_is_taken_per_channel():
    basis = GuidedBasis(
        Provenance("guided-absolute-grad", "", "", "input", "", Contrast(0)),
        Geometry((1, 2), (1, 2), (1, 1), (0, 0)),
        mean_absolute=np.ones((2, 1, 2)),
        variance=np.array([[[0.5, 0.6]], [[7.0, 8.0]]]),
    )
    # each channel keeps its own upper place; the lower ones count 0.5 and 7
    np.testing.assert_allclose(render_guided(basis, {"p": 100.0}), [[7.5, 2.0]])


class Dimming(TinyNet):
    """Scale the input in place before anything else."""

    def forward(self, x):
        x *= 0.5
        return super().forward(x)


@pytest.mark.parametrize("method", ["vanilla-gradient", "smooth-grad", "grad-cam"])
def test_network_may_write_into_its_input(method):
    smap = xc.explain(wrap(Dimming()), picture(), method=method, target=1)
    assert smap.values.any()
