"""BlurIG against scipy's filter in a slow loop and PAIR's package."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods.modifications import blur_path, blurred
from explain_core.methods.sampling import sample_gradients
from tests.oracles import paths
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap
from tests.oracles.noisy_gradients import input_gradient

NUM_STEPS = 6


@cache
def network_of(num_channels=3, dtype=torch.float32, strides=(1, 2, 2)):
    return TinyNet(num_channels, is_smooth=True, strides=strides).to(dtype)


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 3, 1)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("max_sigma", [4.0, 50.0])
def test_map_is_that_of_the_stored_gradients(max_sigma, dtype, num_channels, strides):
    pytest.importorskip("scipy")
    smap = xc.explain(
        wrap(network_of(num_channels, dtype, strides)),
        picture(num_channels),
        method="blur-ig",
        target=0,
        num_steps=NUM_STEPS,
        max_sigma=max_sigma,
    )
    network, x = network_of(num_channels, strides=strides), network_input(picture(num_channels))
    assert_same_map(smap.values, paths.blur(network, x, 0, NUM_STEPS, max_sigma).shown())


@pytest.mark.parametrize("batch", [1, 6])
def test_attribution_is_pair_s(batch):
    pair = pytest.importorskip("saliency.core.blur_ig")
    network = network_of(dtype=torch.float64)
    model = wrap(network)
    x = model.preprocess(picture())

    def call(points, call_model_args=None, expected_keys=None):
        gradients = [
            input_gradient(network, torch.from_numpy(point).permute(2, 0, 1)[None], 0)
            for point in points
        ]
        return {"INPUT_OUTPUT_GRADIENTS": np.stack(gradients).transpose(0, 2, 3, 1)}

    theirs = pair.BlurIG().GetMask(
        x[0].permute(1, 2, 0).numpy(), call, max_sigma=8, steps=NUM_STEPS, batch_size=batch
    )
    ours = sample_gradients(model, x, 0, NUM_STEPS, lambda: blur_path(x, 8.0, NUM_STEPS))
    assert_same_map(ours.attribution, theirs.transpose(2, 0, 1))


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3.0, 50.0])
def test_blur_is_scipy_s(sigma):
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(0).normal(size=(2, 20, 28))
    theirs = ndimage.gaussian_filter(values, [0, sigma, sigma], mode="constant")
    assert_same_map(blurred(torch.from_numpy(values), sigma).numpy(), theirs, tolerance=1e-12)


def test_no_blur_is_the_picture():
    values = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    assert blurred(values, 0.0) is values


def test_flat_gray_of_the_mean_colour_has_no_path():
    """Its input is zero everywhere, and zeros blurred are zeros."""
    preprocessing = xc.Preprocessing(size=(20, 28), mean=(0.0,) * 3, std=(1.0,) * 3)
    model = xc.wrap_model(TinyNet(), layer="stage2", preprocessing=preprocessing)
    image = xc.images.reading.image_from_pixels(np.zeros((20, 28, 3), np.uint8))
    assert not xc.explain(model, image, method="blur-ig", target=0, num_steps=3).values.any()
