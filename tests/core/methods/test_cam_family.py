"""The CAM family on one class against its formulas; Score-CAM has a file of its own."""

from functools import partial

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods import cam, derivatives, masking
from explain_core.models.tap import count_passes
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import (
    Headless,
    TinyNet,
    TinyVit,
    network_input,
    picture,
    preprocessing,
    wrap,
    wrap_headless,
)
from tests.oracles.stretching import stretch

ORACLES = {
    "grad-cam": cams.grad_cam,
    "grad-cam++": cams.grad_cam_plus_plus,
    "xgrad-cam": cams.xgrad_cam,
    "layer-cam": cams.layer_cam,
    "ablation-cam": cams.ablation_cam,
    "eigen-cam": cams.eigen_cam,
}
STRIDES = [(1, 1, 1), (1, 2, 2), (2, 3, 1)]


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ORACLES)
def test_map_is_that_of_the_formula(method, dtype, strides, num_channels):
    network = TinyNet(num_channels, strides=strides).to(dtype)
    image = picture(num_channels)
    low = ORACLES[method](network, network_input(image), "stage2", 1)
    expected = stretch(np.maximum(low, 0), (20, 28))
    smap = xc.explain(wrap(network), image, method=method, target=1)
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("layer", ["stage1", "stage3"])
@pytest.mark.parametrize("method", ORACLES)
def test_map_of_another_layer_is_that_of_the_formula(method, layer):
    network, image = TinyNet(), picture()
    low = ORACLES[method](network, network_input(image), layer, 4)
    expected = stretch(np.maximum(low, 0), (20, 28))
    smap = xc.explain(wrap(network), image, method=method, target=4, layer=layer)
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize(
    "method", ["grad-cam", "xgrad-cam", "layer-cam", "ablation-cam", "eigen-cam"]
)
def test_map_of_a_layer_with_both_signs_is_that_of_the_formula(method):
    network, image = TinyNet(), picture()
    low = ORACLES[method](network, network_input(image), "stage2.0", 1)
    expected = stretch(np.maximum(low, 0), (20, 28))
    smap = xc.explain(wrap(network, layer="stage2.0"), image, method=method, target=1)
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize(
    "method", ["grad-cam", "grad-cam++", "xgrad-cam", "ablation-cam", "eigen-cam"]
)
def test_signed_view_is_the_formula_before_its_relu(method):
    network, image = TinyNet(), picture()
    low = ORACLES[method](network, network_input(image), "stage2", 2)
    smap = xc.render(xc.prepare(wrap(network), image, method=method, target=2), signed=True)
    assert_same_map(smap.values, stretch(low, (20, 28)))


# ---- a 2 x 2 case by hand: two channels ------------------------------------------------------

ACTIVATIONS = np.array([[[1.0, 0.0], [2.0, 1.0]], [[0.0, 3.0], [0.0, 1.0]]])
GRADIENT = np.array([[[1.0, -1.0], [3.0, 1.0]], [[-2.0, 0.0], [0.0, 1.0]]])


def test_grad_cam_by_hand():
    # mean gradients 1 and -1/4
    by_hand = [[1.0, -0.75], [2.0, 0.75]]
    np.testing.assert_allclose(cam.grad_cam(ACTIVATIONS, GRADIENT), by_hand)


def test_grad_cam_plus_plus_by_hand():
    # sums of A are 4 and 4; weights 1/6 + 3/14 + 1/6 and 1/6
    first, second = 1 / 6 + 3 / 14 + 1 / 6, 1 / 6
    by_hand = [[first, 3 * second], [2 * first, first + second]]
    np.testing.assert_allclose(cam.grad_cam_plus_plus(ACTIVATIONS, GRADIENT), by_hand)


def test_xgrad_cam_by_hand():
    # weights (1 + 6 + 1)/4 and 1/4
    by_hand = [[2.0, 0.75], [4.0, 2.25]]
    np.testing.assert_allclose(cam.xgrad_cam(ACTIVATIONS, GRADIENT), by_hand)


def test_layer_cam_by_hand():
    by_hand = [[1.0, 0.0], [6.0, 2.0]]
    np.testing.assert_allclose(cam.layer_cam(ACTIVATIONS, GRADIENT), by_hand)


def test_grad_cam_plus_plus_leaves_out_a_pole():
    # S = -2: the share 1/(2 - 2) has a pole and 3/(2 - 6) the wrong sign; 0.5/(2 - 1) stays
    activations = np.array([[[-2.0, 0.0], [0.0, 0.0]]])
    gradient = np.array([[[1.0, 3.0], [0.5, 0.0]]])
    by_hand = [[-1.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(cam.grad_cam_plus_plus(activations, gradient), by_hand)


def test_xgrad_cam_gives_a_silent_channel_no_weight():
    activations = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    gradient = np.stack([np.full((2, 2), 5.0), np.ones((2, 2))])
    np.testing.assert_allclose(cam.xgrad_cam(activations, gradient), np.ones((2, 2)))


@pytest.mark.parametrize("formula", [cam.grad_cam_plus_plus, cam.xgrad_cam])
def test_a_silent_layer_gives_an_empty_map(formula):
    assert not formula(np.zeros((3, 2, 2)), np.ones((3, 2, 2))).any()


# ---- Smooth Grad-CAM++ ------------------------------------------------------------------------

QUICK = {"method": "smooth-grad-cam++", "num_samples": 5}


# A smooth activation: at the kink of a ReLU the slightest rounding changes a gradient for good.
@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smooth_map_is_that_of_the_formula(dtype, num_channels, strides):
    network = TinyNet(num_channels, strides=strides, is_smooth=True).to(dtype)
    image = picture(num_channels)
    low = cams.smooth_grad_cam_plus_plus(network, network_input(image), "stage2", 0)
    smap = xc.explain(wrap(network), image, target=0, **QUICK)
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


@pytest.mark.parametrize("changes", [{"seed": 7}, {"spread": 0.4}])
def test_seed_and_spread_are_those_of_the_noise(changes):
    network, image = TinyNet(is_smooth=True), picture()
    low = cams.smooth_grad_cam_plus_plus(network, network_input(image), "stage2", 3, **changes)
    smap = xc.explain(wrap(network), image, target=3, **QUICK, **changes)
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


def test_without_noise_the_smooth_map_is_grad_cam_plus_plus():
    model, image = wrap(TinyNet()), picture()
    smooth = xc.explain(model, image, target=1, spread=0.0, **QUICK)
    assert_same_map(smooth.values, xc.explain(model, image, method="grad-cam++", target=1).values)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_smooth_map_does_not_depend_on_the_batch_size(monkeypatch, size):
    network, image = TinyNet(is_smooth=True), picture()
    low = cams.smooth_grad_cam_plus_plus(network, network_input(image), "stage2", 1)
    monkeypatch.setattr(derivatives, "batch_size", lambda device, input_size: size)
    smap = xc.explain(wrap(network), image, target=1, **QUICK)
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


def test_smooth_map_survives_tiny_gradients():
    """The third power of 1e-15 is no number in single precision."""
    network, image = TinyNet(is_smooth=True), picture()
    with torch.no_grad():
        network.head.weight *= 1e-15
    low = cams.smooth_grad_cam_plus_plus(network, network_input(image), "stage2", 1)
    smap = xc.explain(wrap(network), image, target=1, **QUICK)
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


def test_smooth_map_costs_a_pass_per_copy_and_one_for_the_picture():
    model = wrap(TinyNet())
    with count_passes() as counter:
        xc.explain(model, picture(), target=1, **QUICK)
    assert counter.passes == 6


def test_smooth_grad_cam_plus_plus_by_hand():
    # g is 1 and 3 at the first place: D1, D2, D3 are 2, 5, 14; -1 and 1 at the second: 0, 1, 0
    powers = np.array([[[[2.0, 0.0]]], [[[5.0, 1.0]]], [[[14.0, 0.0]]]])
    activations = np.array([[[1.0, 2.0]]])
    weight = 2 * 5 / (2 * 5 + 3 * 14)
    found = cam.smooth_grad_cam_plus_plus(activations, powers)
    np.testing.assert_allclose(found, [[weight, 2 * weight]])


# ---- Eigen-CAM --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 5, 7), (40, 2, 3), (6, 2, 3), (1, 4, 5), (5, 1, 2)])
def test_first_component_is_that_of_the_singular_vectors(shape):
    activations = np.random.default_rng(0).gamma(1.0, size=shape)
    assert_same_map(cam.eigen_cam(activations), cams.eigen_cam_of(activations))


def test_eigen_cam_by_hand():
    # one channel: it is its own component, less its mean 2
    np.testing.assert_allclose(cam.eigen_cam(np.array([[[1.0, 3.0, 2.0]]])), [[-1.0, 1.0, 0.0]])


def test_sign_of_the_first_component_is_that_of_the_mean():
    activations = np.random.default_rng(1).gamma(1.0, size=(8, 4, 5))
    found = cam.eigen_cam(activations)
    assert (found * activations.mean(axis=0)).sum() > 0
    np.testing.assert_allclose(cam.eigen_cam(-activations), -found)


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 4, 5)])
def test_a_layer_without_variation_has_an_empty_eigen_cam(shape):
    assert not cam.eigen_cam(np.full(shape, 2.0)).any()


def test_a_model_without_a_head_has_an_eigen_cam():
    image = picture()
    smap = xc.explain(wrap_headless(Headless()), image, method="eigen-cam")
    with_head = xc.explain(wrap(TinyNet()), image, method="eigen-cam", layer="stage3")
    np.testing.assert_array_equal(smap.values, with_head.values)


def test_eigen_cam_is_the_same_for_every_class():
    model, image = wrap(TinyNet()), picture()
    maps = [xc.explain(model, image, method="eigen-cam", target=t).values for t in (0, 4)]
    np.testing.assert_array_equal(*maps)


# ---- Ablation-CAM -----------------------------------------------------------------------------


def test_ablation_cam_by_hand():
    # y = 4; without the channels 3 and 5: weights 1/4 and -1/4
    found = cam.ablation_cam(ACTIVATIONS, 4.0, np.array([3.0, 5.0]))
    np.testing.assert_allclose(found, [[0.25, -0.75], [0.5, 0.0]])


def test_a_channel_that_supports_a_class_of_negative_logit_speaks_for_it():
    """The Departure of `ablation_cam`: the paper's quotient would have the other sign."""
    found = cam.ablation_cam(ACTIVATIONS[:1], -4.0, np.array([-5.0]))
    np.testing.assert_allclose(found, ACTIVATIONS[0] / 4)


def test_a_logit_of_zero_leaves_the_plain_differences():
    found = cam.ablation_cam(ACTIVATIONS[:1], 0.0, np.array([-2.0]))
    np.testing.assert_allclose(found, 2 * ACTIVATIONS[0])


class Bypassed(TinyNet):
    """Concatenate what stands below the layer to what stands above it."""

    def forward(self, x):
        self.calls.count += 1
        below = self.stage1(x)
        maps = self.stage3(self.stage2(below)).mean(dim=(2, 3))
        return self.head(maps + torch.cat([maps[:, :2], below.mean(dim=(2, 3))], dim=1))


def ablate(model, image, **changes):
    return xc.explain(model, image, method="ablation-cam", target=1, **changes).values


def test_a_connection_past_the_layer_is_ablated_like_any():
    network, image = Bypassed(), picture()
    low = cams.ablation_cam(network, network_input(image), "stage2", 1)
    assert_same_map(ablate(wrap(network), image), stretch(np.maximum(low, 0), (20, 28)))


class Shortcut(TinyNet):
    """Add what stands below the layer, which serves any number of pictures."""

    def forward(self, x):
        self.calls.count += 1
        below = self.stage1(x)
        maps = self.stage3(self.stage2(below)).mean(dim=(2, 3))
        return self.head(maps + below.mean(dim=(1, 2, 3))[:, None])


def test_a_shortcut_past_the_layer_is_ablated_like_any():
    network, image = Shortcut(), picture()
    low = cams.ablation_cam(network, network_input(image), "stage2", 1)
    assert_same_map(ablate(wrap(network), image), stretch(np.maximum(low, 0), (20, 28)))


@pytest.mark.parametrize(("kind", "passes"), [(TinyNet, 8 + 3), (Bypassed, 8 + 1)])
def test_ablation_costs_a_pass_per_channel(kind, passes):
    """One more for the picture itself, and two where resuming at the layer was tried and worked."""
    model = wrap(kind())
    with count_passes() as counter:
        ablate(model, picture())
    assert counter.passes == passes


def test_what_lies_below_the_layer_runs_once_per_batch():
    network = TinyNet()
    model = wrap(network)
    before = network.calls.count
    ablate(model, picture())
    assert network.calls.count - before == 3  # the picture, the trial, all eight channels


@pytest.mark.parametrize("kind", [TinyNet, Bypassed])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_ablation_does_not_depend_on_the_batch_size(monkeypatch, kind, size):
    network, image = kind(), picture()
    low = cams.ablation_cam(network, network_input(image), "stage2", 1)
    monkeypatch.setattr(masking, "batch_size", lambda device, input_size: size)
    monkeypatch.setattr(masking, "_NUMBERS_PER_BATCH", 1)
    assert_same_map(ablate(wrap(network), image), stretch(np.maximum(low, 0), (20, 28)))


def test_out_of_memory_halves_the_batch_of_channels(monkeypatch):
    network, image = TinyNet(), picture()
    low = cams.ablation_cam(network, network_input(image), "stage2", 1)
    real = masking.resume

    def forgetful(network, x, layer, replacement):
        if len(replacement) > 2:
            raise torch.OutOfMemoryError("made up")
        return real(network, x, layer, replacement)

    monkeypatch.setattr(masking, "resume", forgetful)
    assert_same_map(ablate(wrap(network), image), stretch(np.maximum(low, 0), (20, 28)))


def test_tokens_are_ablated_in_all_places():
    network = TinyVit(num_prefix=1, num_classes=4)
    model = xc.wrap_model(network, layer="norm", preprocessing=preprocessing())
    image = picture()
    tokens = cams.forward(network, network_input(image), "norm")[1][0].detach().numpy()
    head, bias = network.head.weight.double().detach().numpy(), network.head.bias[1].item()
    score = head[1] @ tokens[0] + bias
    weights = head[1] * tokens[0] / abs(score)  # the head reads the class token alone
    low = (tokens[1:] @ weights).reshape(5, 7)
    assert_same_map(ablate(model, image), stretch(np.maximum(low, 0), (20, 28)))


@pytest.mark.parametrize("method", ["ablation-cam", "score-cam", "smooth-grad-cam++"])
def test_progress_goes_from_nothing_to_all(monkeypatch, method):
    for module in (masking, derivatives):
        monkeypatch.setattr(module, "batch_size", lambda device, input_size: 3)
    shares = []
    xc.explain(wrap(TinyNet()), picture(), method=method, target=0, progress=shares.append)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)


@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("method", ["ablation-cam", "score-cam", "smooth-grad-cam++"])
def test_cancelling_leaves_the_model_as_it_was(monkeypatch, method, at):
    for module in (masking, derivatives):
        monkeypatch.setattr(module, "batch_size", lambda device, input_size: 3)
    model, image = wrap(TinyNet()), picture()
    explain = partial(xc.explain, model, image, method=method, target=0)
    before = explain().values

    def cancel(share):
        if share >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain(progress=cancel)
    np.testing.assert_array_equal(explain().values, before)
