"""Layers without a gradient: found, and refused with the layer to use instead."""

import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.methods.method import why_not_at
from explain_core.models.silent_layers import is_silent
from explain_core.models.tap import count_passes
from tests.oracles.nets import (
    Headless,
    TinyNet,
    TinyVit,
    picture,
    preprocessing,
    reference_set,
    wrap,
    wrap_headless,
)

LAST = "blocks.1"
GRADIENT = [name for name, method in xc.METHODS.items() if method.needs_gradient == "layer"]
# Guided Backprop is refused by this network, which has no ReLU.
OTHERS = [name for name in xc.METHODS if name not in (*GRADIENT, "guided-backprop")]
QUICK = {"num_samples": 3, "num_steps": 3, "num_masks": 4, "num_updates": 2}


class SidePath(TinyNet):
    """Run a branch that nothing reads."""

    def __init__(self):
        super().__init__()
        self.side = nn.Conv2d(8, 4, 3)

    def forward(self, x):
        maps = self.stage3(self.stage2(self.stage1(x)))
        self.side(maps)
        return self.head(maps.mean(dim=(2, 3)))


class TwoHeads(TinyNet):
    """Give the last logit by a later branch of its own."""

    def __init__(self):
        super().__init__()
        self.late = nn.Sequential(nn.Conv2d(8, 4, 1), nn.ReLU())
        self.late_head = nn.Linear(4, 1)

    def forward(self, x):
        maps = self.stage3(self.stage2(self.stage1(x)))
        late = self.late_head(self.late(maps.detach()).mean(dim=(2, 3)))
        return torch.cat([self.head(maps.mean(dim=(2, 3))), late], dim=1)


def vit():
    """Return a transformer whose last block hands on its class token only."""
    return xc.wrap_model(TinyVit(num_classes=4), preprocessing=preprocessing())


def tapped(network, layer):
    return xc.wrap_model(network, layer=layer, preprocessing=preprocessing())


@pytest.fixture(scope="module")
def model():
    return vit()


def prepared(model, method, layer):
    """Prepare a method at a layer, with what it compares with."""
    compares_with = xc.METHODS[method].compares_with
    references = None
    if compares_with == "pictures":
        references = reference_set(model, layer=layer)
    known = {p.name for p in xc.METHODS[method].parameters_of("prepare")}
    return xc.prepare(
        model,
        picture(),
        method=method,
        target=1,
        references=references,
        layer=layer,
        **{name: value for name, value in QUICK.items() if name in known},
    )


def test_patches_behind_the_last_exchange_are_silent(model):
    silent = [layer.name for layer in model.layers if is_silent(model, layer.name)]
    assert silent
    assert model.gradient_layer not in silent
    assert silent == [each.name for each in model.layers][-len(silent) :]


def test_a_branch_that_nothing_reads_is_silent():
    model = tapped(SidePath(), "side")
    assert [layer.name for layer in model.layers if is_silent(model, layer.name)] == ["side"]


def test_a_layer_that_serves_some_classes_only_is_not_silent():
    assert not is_silent(tapped(TwoHeads(), "late"), "late")


def test_a_target_without_weights_silences_no_layer():
    network = TinyNet()
    with torch.no_grad():
        network.head.weight[0] = 0
    model = wrap(network)
    assert not [layer.name for layer in model.layers if is_silent(model, layer.name)]


def test_the_answer_costs_one_pass_and_is_kept():
    model = vit()
    with count_passes() as counter:
        for layer in (model.layers[-1].name, model.layers[-1].name, model.layers[0].name):
            is_silent(model, layer)
    assert counter.passes == 1


def test_without_a_head_there_is_nothing_to_ask():
    with pytest.raises(xc.InputError, match="has no classes"):
        is_silent(wrap_headless(Headless()), "stage2")


@pytest.mark.parametrize("method", GRADIENT)
def test_methods_on_the_layer_s_gradient_are_refused_with_the_layer_to_use(model, method):
    last = model.layers[-1].name
    with pytest.raises(xc.ModelError, match=f"Choose layer {model.gradient_layer}"):
        prepared(model, method, last)
    prepared(model, method, model.gradient_layer)


@pytest.mark.parametrize("method", OTHERS)
def test_methods_without_the_layer_s_gradient_work_there(model, method):
    basis = prepared(model, method, model.layers[-1].name)
    assert xc.render(basis).values.shape == (20, 28)


@pytest.mark.parametrize("method", GRADIENT)
def test_a_branch_that_nothing_reads_is_refused_too(method):
    with pytest.raises(xc.ModelError, match="Choose layer stage3"):
        prepared(tapped(SidePath(), "side"), method, "side")


def test_one_refused_method_is_named(model):
    with pytest.raises(xc.ModelError, match="method 'grad-cam' cannot be used here"):
        xc.prepare_many(model, picture(), ["eigen-cam", "grad-cam"], layer=model.layers[-1].name)


def test_the_reason_can_be_had_beforehand(model):
    reason = why_not_at(xc.METHODS["grad-cam"], model, model.layers[-1].name)
    assert reason == (
        "it takes a gradient at the layer, and no score of module depends on the maps of "
        f"{model.layers[-1].name}. Choose layer {model.gradient_layer}."
    )


@pytest.mark.parametrize("layer_idx", [0, -1])
def test_there_is_no_reason_where_a_method_works(model, layer_idx):
    assert why_not_at(xc.METHODS["diffcam"], model, model.layers[layer_idx].name) is None


def test_without_a_head_the_reason_is_the_missing_class():
    reason = why_not_at(xc.METHODS["grad-cam"], wrap_headless(Headless()), "stage2")
    assert reason == "it explains a class, and module has none."
