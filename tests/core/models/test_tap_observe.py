"""A layer that is only looked at: a copy without a graph, and nothing is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models import tap
from explain_core.models.tap import count_passes, observe
from tests.oracles.nets import TinyNet, picture, wrap


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def x(model: xc.Model) -> Tensor:
    return torch.cat([model.preprocess(picture(seed=seed)) for seed in range(3)])


def stage2_of(x: Tensor) -> Tensor:
    network = TinyNet()
    with torch.no_grad():
        return network.stage2(network.stage1(x.clone()))


def test_layers_output_is_given(model: xc.Model, x: Tensor) -> None:
    assert torch.equal(observe(model.network, x, "stage2"), stage2_of(x))


@pytest.mark.parametrize("layer", ["stage1.0", "stage1.1", "stage2.0", "stage2.1"])
def test_it_is_a_copy_that_operations_in_place_above_do_not_reach(x: Tensor, layer: str) -> None:
    """Each is followed by batch norm or an in-place ReLU, which would lift its minimum."""
    observed = observe(wrap(TinyNet(), layer=layer).network, x, layer)
    assert observed.min() < 0


@pytest.mark.parametrize(
    "context", [nullcontext, torch.no_grad, torch.enable_grad, torch.inference_mode], ids=str
)
def test_there_is_no_graph_whatever_the_callers_mode(
    model: xc.Model, x: Tensor, context: type
) -> None:
    with context():
        observed = observe(model.network, x, "stage2")
    assert (observed.requires_grad, observed.grad_fn) == (False, None)
    assert torch.equal(observed, stage2_of(x))


def test_weights_that_take_gradients_make_no_graph(x: Tensor) -> None:
    network = TinyNet()
    tap.install_taps(network, ["stage2"])
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert observe(network, x.requires_grad_(), "stage2").grad_fn is None
    x.requires_grad_(False)


def test_pictures_are_counted(model: xc.Model, x: Tensor) -> None:
    with count_passes() as counter:
        observe(model.network, x, "stage2")
    assert counter.passes == 3


def test_nothing_is_left(model: xc.Model, x: Tensor) -> None:
    hooks = {name: dict(module._forward_hooks) for name, module in model.network.named_modules()}
    observe(model.network, x, "stage2")
    assert tap._tape.get() is None
    assert hooks == {
        name: dict(module._forward_hooks) for name, module in model.network.named_modules()
    }
    assert all(parameter.grad is None for parameter in model.network.parameters())


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("made up")


def test_failure_leaves_nothing(x: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), Failing())
    tap.install_taps(network, ["0"])
    with pytest.raises(RuntimeError, match="made up"):
        observe(network, x, "0")
    assert tap._tape.get() is None


def test_layer_that_is_never_reached_is_told(model: xc.Model, x: Tensor) -> None:
    with pytest.raises(ModelError, match=r"never reached the layers \['elsewhere'\]"):
        observe(model.network, x, "elsewhere")


def test_a_gradient_can_be_taken_afterwards(model: xc.Model, x: Tensor) -> None:
    observe(model.network, x, "stage2")
    logits, outputs = model.record(x, ["stage2"])
    (gradient,) = torch.autograd.grad(logits.sum(), outputs["stage2"])
    assert gradient.any()


def test_eight_threads_see_their_own_pictures(model: xc.Model) -> None:
    inputs = [model.preprocess(picture(seed=seed)) for seed in range(8)] * 4
    with ThreadPoolExecutor(8) as pool:
        observed = list(pool.map(lambda x: observe(model.network, x, "stage2"), inputs))
    for x, values in zip(inputs, observed, strict=True):
        torch.testing.assert_close(values, stage2_of(x))


def test_observing_inside_a_recording_thread_is_not_mixed_up(model: xc.Model, x: Tensor) -> None:
    """One thread takes gradients while another pools: each has its own tape."""

    def job(index: int) -> Tensor:
        if index % 2:
            return observe(model.network, x, "stage2")
        return model.record(x, ["stage2"])[1]["stage2"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(job, range(32)))
    assert [result.requires_grad for result in results] == [index % 2 == 0 for index in range(32)]
