"""A module in hand is wrapped, and stays as it was."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.errors import ModelError
from tests.core.models.leaving_nothing import (
    assert_same_state,
    explain,
    state_of,
)
from tests.oracles.nets import TinyNet, picture, preprocessing, wrap

METHODS = list(xc.METHODS)
ASKING = [name for name, method in xc.METHODS.items() if not method.is_control]


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture
def module():
    """Give a module in use: some parts train, one weight is frozen, with a hook and a gradient."""
    network = TinyNet().train()
    network.stage1.eval()
    network.head.bias.requires_grad_(False)
    network.stage2.register_forward_hook(lambda module, args, output: None)
    network(torch.randn(2, 3, 20, 28, generator=torch.Generator().manual_seed(0))).sum().backward()
    return network


def with_gradients(network):
    return {
        name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()
    }


@pytest.mark.parametrize("method", ["grad-cam", "finer-layer-cam", "diffcam", "smooth-grad"])
def test_wrapping_and_explaining_do_not_change_the_module(module, image, method):
    before, gradients = state_of(module), with_gradients(module)
    explain(wrap(module), image, method)
    assert_same_state(before, state_of(module))
    for name, gradient in with_gradients(module).items():
        assert gradient is gradients[name] or torch.equal(gradient, gradients[name])


def test_wrapped_module_shares_its_memory(module):
    model = wrap(module)
    places = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    shared = {name: tensor.data_ptr() for name, tensor in model.network.state_dict().items()}
    assert shared == places


def test_wrapped_module_is_evaluated_whatever_its_mode(image):
    network = TinyNet()
    expected = explain(wrap(network), image, "grad-cam").values
    network.train()
    np.testing.assert_array_equal(explain(wrap(network), image, "grad-cam").values, expected)


def test_wrapped_module_takes_no_gradients_for_its_weights(module):
    assert not any(p.requires_grad for p in wrap(module).network.parameters())


def test_module_can_be_trained_on(module, image):
    wrap(module)
    module.zero_grad()
    module(torch.randn(2, 3, 20, 28)).sum().backward()
    assert module.stage1[0].weight.grad.any()


def test_wrapping_again_after_training_is_another_fingerprint(module):
    before = wrap(module).fingerprint
    with torch.no_grad():
        module.head.weight += 1
    assert wrap(module).fingerprint != before


class Keeper:
    """Keep a layer's output, as a notebook's hook does."""

    def hook(self, module, args, output):
        self.kept = output


def test_module_that_cannot_be_copied_is_refused():
    """Torch copies no tensor that a graph leads to: one that a hook keeps, or a normed weight."""
    network = TinyNet()
    network.stage2.register_forward_hook(Keeper().hook)
    network(torch.randn(1, 3, 20, 28))
    with pytest.raises(ModelError, match="cannot be copied"):
        wrap(network)


def test_tied_weights_stay_tied(image):
    network = TinyNet()
    network.stage3[1].weight = network.stage2[1].weight
    model = wrap(network)
    assert model.network.stage3[1].weight is model.network.stage2[1].weight


def test_module_on_half_precision_is_explained(image):
    model = wrap(copy.deepcopy(TinyNet()).to(torch.bfloat16))
    assert explain(model, image, "grad-cam", target=1).values.dtype == np.float32


def test_module_without_weights_is_refused():
    with pytest.raises(ModelError, match="model 'module' has no weights; give a trained network"):
        xc.wrap_model(nn.ReLU())


def test_class_names_must_match_the_outputs():
    with pytest.raises(ModelError, match=r"gives \(1, 5\) for one picture, but there are 3 class"):
        xc.wrap_model(TinyNet(), classes=["a", "b", "c"], preprocessing=preprocessing())


def test_layer_without_maps_is_refused():
    with pytest.raises(ModelError, match="layer 'head' gives no maps"):
        xc.wrap_model(TinyNet(), layer="head", preprocessing=preprocessing())


def test_layer_that_does_not_exist_is_refused():
    with pytest.raises(ModelError, match="the network has no layer 'stage7'; its children are"):
        xc.wrap_model(TinyNet(), layer="stage7", preprocessing=preprocessing())


def test_input_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match=r"cannot take an input of shape \(1, 1, 20, 28\)"):
        xc.wrap_model(TinyNet(), preprocessing=preprocessing(1))


def test_last_stage_is_the_default_layer():
    model = xc.wrap_model(TinyNet(), preprocessing=preprocessing())
    assert model.layer == "stage3"
