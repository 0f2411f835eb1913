"""Guided backpropagation against a backward pass by hand, and captum."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import explain_core as xc
from explain_core.methods.guided_relu import GuidedRelus, gather_guided_gradient
from explain_core.models.tap import count_passes
from tests.oracles import guided_gradients
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, TinyVit, network_input, picture, preprocessing, wrap


def explained(model, image, **values):
    return xc.explain(model, image, method="guided-backprop", target=0, **values)


@pytest.mark.parametrize("strides", [(1, 2, 2), (2, 3, 1)])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_map_is_the_backward_pass_by_hand(num_channels, strides):
    network = TinyNet(num_channels, strides=strides, seed=1).double()
    image = picture(num_channels)
    expected = guided_gradients.guided_gradient(network, network_input(image), 0)
    assert_same_map(explained(wrap(network), image).values, np.abs(expected).sum(axis=0))


@pytest.mark.parametrize("target", [0, 3])
def test_gradient_is_captum_s(target):
    attr = pytest.importorskip("captum.attr")
    network = TinyNet().double()
    model = wrap(network)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # captum's hooks ask for it
    x = network_input(picture()).requires_grad_()
    with pytest.warns(UserWarning, match="Setting backward hooks"):
        theirs = attr.GuidedBackprop(network).attribute(x, target=target)
    assert_same_map(gather_guided_gradient(model, picture(), target), theirs[0].detach().numpy())


class Called(nn.Module):
    """Call ReLU in one of the ways there are."""

    def __init__(self, relu):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.relu = relu
        rng = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4, generator=rng)

    def forward(self, x):
        return self.head(self.relu(self.second(self.relu(self.first(x)))).mean(dim=(2, 3)))


def written_into(x):
    functional.relu(x, inplace=True)
    return x


WAYS = {
    "module": nn.ReLU(),
    "in-place-module": nn.ReLU(inplace=True),
    "function": functional.relu,
    "in-place-function": lambda x: functional.relu(x, True),
    "result-ignored": written_into,
    "torch": torch.relu,
    "method": lambda x: x.relu(),
    "in-place-method": lambda x: x.relu_(),
    "operator": torch.ops.aten.relu.default,
    "in-place-operator": torch.ops.aten.relu_.default,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_call_relu_is_guided(way):
    def gradient(relu):
        model = xc.wrap_model(Called(relu), layer="second", preprocessing=preprocessing())
        return gather_guided_gradient(model, picture(), 0)

    np.testing.assert_array_equal(gradient(WAYS[way]), gradient(nn.ReLU()))


SIX_WAYS = {
    "module": nn.ReLU6(),
    "in-place-module": nn.ReLU6(inplace=True),
    "function": functional.relu6,
    "hardtanh": lambda x: functional.hardtanh(x, 0, 6),
}


@pytest.mark.parametrize("way", SIX_WAYS)
def test_every_way_to_call_relu6_is_guided(way):
    """Between its bounds it is a ReLU; beyond the upper one nothing passes."""
    x = torch.tensor([-1.0, 0.5, 3.0, 7.0], requires_grad=True)
    coming_back = torch.tensor([1.0, 2.0, -1.0, 1.0])
    with GuidedRelus() as relus:
        output = SIX_WAYS[way](x.clone())
        (gradient,) = torch.autograd.grad(output, x, coming_back)
    assert output.tolist() == [0.0, 0.5, 3.0, 6.0]
    assert gradient.tolist() == [0.0, 2.0, 0.0, 0.0]
    assert relus.num_seen == 1


def test_other_bounds_are_no_relu():
    x = torch.tensor([0.5], requires_grad=True)
    with GuidedRelus() as relus:
        (gradient,) = torch.autograd.grad(functional.hardtanh(x), x, torch.tensor([-1.0]))
    assert (gradient.tolist(), relus.num_seen) == ([-1.0], 0)


def test_it_differs_from_the_plain_gradient():
    model = wrap(TinyNet())
    plain = xc.explain(model, picture(), method="vanilla-gradient", target=0)
    assert not np.allclose(explained(model, picture()).values, plain.values)


def test_loaded_network_stays_as_it_is():
    model = wrap(TinyNet())

    def state():
        return [
            (type(each), dict(each._forward_hooks), dict(each._backward_hooks), each.training)
            for each in model.network.modules()
        ]

    before, weights = state(), {k: v.clone() for k, v in model.network.state_dict().items()}
    explained(model, picture(), processing="GA", num_samples=3)
    assert state() == before
    assert all(torch.equal(v, weights[k]) for k, v in model.network.state_dict().items())


def test_other_threads_see_plain_relus():
    seen = {}
    x = torch.tensor([1.0], requires_grad=True)

    def elsewhere():
        (seen["gradient"],) = torch.autograd.grad(-torch.relu(x).sum(), x)

    with GuidedRelus():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        (here,) = torch.autograd.grad(-torch.relu(x).sum(), x)
    assert (float(here), float(seen["gradient"])) == (0.0, -1.0)


def test_network_without_relu_is_refused():
    model = xc.wrap_model(TinyVit(num_classes=4), preprocessing=preprocessing())
    with pytest.raises(xc.ModelError, match="use vanilla-gradient"):
        explained(model, picture())


@pytest.mark.parametrize(("processing", "passes"), [("plain", 1), ("A", 1), ("G", 6), ("GA", 6)])
def test_noisy_copies_are_for_the_guide_only(processing, passes):
    model = wrap(TinyNet())
    with count_passes() as counter:
        explained(model, picture(), processing=processing, num_samples=5)
    assert counter.passes == passes


def test_guide_goes_on_from_what_is_kept():
    from explain_core.methods.store import EvidenceStore

    model, store = wrap(TinyNet()), EvidenceStore()
    with count_passes() as counter:
        for processing in ("plain", "G", "plain", "GA"):
            xc.prepare_many(
                model,
                picture(),
                ["guided-backprop"],
                target=0,
                parameters={"processing": processing, "num_samples": 5},
                store=store,
            )
    assert counter.passes == 6
