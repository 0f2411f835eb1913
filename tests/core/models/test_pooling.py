"""Pooled features: the mean over positions, the class token, or both, of every layout."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import InputError, ModelError
from explain_core.methods.evidence import gather_class_evidence
from explain_core.models.layers import Layer
from explain_core.models.tap import count_passes
from tests.oracles.nets import TinyNet, TinyVit, picture, preprocessing, wrap, wrap_headless


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def x(model: xc.Model) -> Tensor:
    return torch.cat([model.preprocess(picture(seed=seed)) for seed in range(3)])


# ---- of a layer's raw output ------------------------------------------------------------------


def test_channels_first_are_averaged_over_positions() -> None:
    output = torch.arange(24.0).reshape(1, 2, 3, 4)
    pooled = Layer("any", 2, (3, 4)).pool(output, "mean")
    assert pooled.tolist() == [[5.5, 17.5]]


def test_channels_last_are_averaged_over_positions() -> None:
    output = torch.arange(24.0).reshape(1, 3, 2, 4)
    pooled = Layer("any", 4, (3, 2), "channels-last").pool(output, "mean")
    assert pooled.tolist() == [[10.0, 11.0, 12.0, 13.0]]


TOKENS = torch.tensor([[[8.0, 80.0], [100.0, 1.0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]])
SECOND_IS_A_REGISTER = Layer("any", 2, (2, 2), "tokens", num_prefix_tokens=2)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("mean", [4.0, 5.0]), ("class-token", [8.0, 80.0]), ("both", [6.0, 42.5])],
)
def test_tokens_are_pooled_as_asked(pooling: Any, expected: list[float]) -> None:
    assert SECOND_IS_A_REGISTER.pool(TOKENS, pooling).tolist() == [expected]


def test_class_token_is_the_first() -> None:
    token = SECOND_IS_A_REGISTER.class_token(TOKENS)
    assert token is not None
    assert token.tolist() == [[8.0, 80.0]]


LAYERS = [
    Layer("any", 2, (3, 4)),
    Layer("any", 4, (2, 3), "channels-last"),
    Layer("any", 4, (2, 3), "tokens"),
]
OUTPUTS = {
    "channels-first": torch.zeros(1, 2, 3, 4),
    "channels-last": torch.zeros(1, 2, 3, 4),
    "tokens": torch.zeros(1, 6, 4),
}


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.layout)
def test_the_mean_is_the_default_without_a_class_token(layer: Layer) -> None:
    assert (layer.pooling, layer.class_token(OUTPUTS[layer.layout])) == ("mean", None)


def test_the_class_token_is_the_default_where_there_is_one() -> None:
    assert SECOND_IS_A_REGISTER.pooling == "class-token"


@pytest.mark.parametrize("pooling", ["class-token", "both"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.layout)
def test_a_class_token_that_is_not_there_is_refused(layer: Layer, pooling: Any) -> None:
    with pytest.raises(InputError, match=f"'any' has no class token, so pooling '{pooling}' does"):
        layer.pool(OUTPUTS[layer.layout], pooling)


# ---- of pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["stage1", "stage2", "stage3"])
def test_features_are_the_mean_of_the_layers_output(model: xc.Model, x: Tensor, layer: str) -> None:
    maps = model.record(x, [layer])[1][layer].detach().double().numpy()
    expected = [[sum(channel.flat) / channel.size for channel in each] for each in maps]
    np.testing.assert_allclose(model.pooled(x, layer).numpy(), expected, rtol=1e-5, atol=1e-7)


def test_features_of_a_batch_are_those_of_each_picture(model: xc.Model, x: Tensor) -> None:
    each = torch.cat([model.pooled(part, "stage2") for part in x.split(1)])
    torch.testing.assert_close(model.pooled(x, "stage2"), each)


class ChannelsLast(nn.Module):
    """Hand on maps as (N, h, w, K), as Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.body = TinyNet().stage1
        self.turn = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.turn(self.body(x).permute(0, 2, 3, 1))


def test_features_of_channels_last_are_the_mean_over_positions(x: Tensor) -> None:
    network = ChannelsLast()
    model = wrap_headless(network)
    assert model.layer_named("turn").layout == "channels-last"
    with torch.no_grad():
        expected = network.eval()(x).double().flatten(1, 2).mean(dim=1)
    pooled = model.pooled(x, "turn").double()
    torch.testing.assert_close(pooled, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("pooling", ["mean", "class-token", "both"])
def test_features_are_those_that_methods_compare(x: Tensor, pooling: Any) -> None:
    model = wrap_headless(TinyVit(2))
    evidence = gather_class_evidence(model, picture(), "norm", ())
    pooled = model.pooled(model.preprocess(picture()), "norm", pooling)[0]
    np.testing.assert_allclose(evidence.pooled(pooling, "norm"), pooled, rtol=1e-5, atol=1e-6)


def test_features_have_no_graph(model: xc.Model, x: Tensor) -> None:
    with torch.enable_grad():
        assert model.pooled(x, "stage2").grad_fn is None


def test_features_keep_the_networks_number_type(x: Tensor) -> None:
    model = xc.wrap_model(TinyNet().double(), layer="stage2", preprocessing=preprocessing())
    assert model.pooled(x.double(), "stage2").dtype == torch.float64


def test_each_picture_is_one_pass(model: xc.Model, x: Tensor) -> None:
    with count_passes() as counter:
        model.pooled(x, "stage2")
    assert counter.passes == 3


def test_a_layer_without_a_tap_is_refused(model: xc.Model, x: Tensor) -> None:
    with pytest.raises(ModelError, match="'module' has no tap at layer 'stage9'"):
        model.pooled(x, "stage9")


def test_a_pooling_that_does_not_apply_is_refused_before_the_network_runs(
    model: xc.Model, x: Tensor
) -> None:
    with count_passes() as counter, pytest.raises(InputError, match="has no class token"):
        model.pooled(x, "stage2", "class-token")
    assert counter.passes == 0


def test_eight_threads_pool_what_one_does(model: xc.Model) -> None:
    inputs = [model.preprocess(picture(seed=seed)) for seed in range(8)] * 3
    with ThreadPoolExecutor(8) as pool:
        pooled = list(pool.map(lambda x: model.pooled(x, "stage2"), inputs))
    for x, features in zip(inputs, pooled, strict=True):
        torch.testing.assert_close(features, model.pooled(x, "stage2"))
