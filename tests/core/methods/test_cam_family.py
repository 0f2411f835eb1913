"""Grad-CAM, Grad-CAM++, XGrad-CAM and Layer-CAM against their formulas."""

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods import cam
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap
from tests.oracles.stretching import stretch

ORACLES = {
    "grad-cam": cams.grad_cam,
    "grad-cam++": cams.grad_cam_plus_plus,
    "xgrad-cam": cams.xgrad_cam,
    "layer-cam": cams.layer_cam,
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


@pytest.mark.parametrize("method", ["grad-cam", "xgrad-cam", "layer-cam"])
def test_map_of_a_layer_with_both_signs_is_that_of_the_formula(method):
    network, image = TinyNet(), picture()
    low = ORACLES[method](network, network_input(image), "stage2.0", 1)
    expected = stretch(np.maximum(low, 0), (20, 28))
    smap = xc.explain(wrap(network, layer="stage2.0"), image, method=method, target=1)
    assert_same_map(smap.values, expected)


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "xgrad-cam"])
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
