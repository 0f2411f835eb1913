"""Layers below modules that return no tensor, and blocks that return a tuple."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.images.reading import image_from_pixels
from explain_core.models.layers import Layer, _known_grid, find_layers
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.tap import observe, resume

SIZE = (40, 24)


class Block(nn.Module):
    """Mix tokens with what they would attend to; return both, as transformers' blocks do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, None, Tensor]:
        mixed = torch.tanh(self.mix(tokens))
        return tokens + mixed, None, mixed.mean(dim=1)


class Encoder(nn.Module):
    """Run blocks; return a dict."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(width) for _ in range(3)])

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        for block in self.blocks:
            tokens = block(tokens)[0]
        return {"last": tokens}


class Body(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.encoder = Encoder(width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        encoded: dict[str, Tensor] = self.encoder(self.patches(x).flatten(2).transpose(1, 2))
        return encoded


class Nested(nn.Module):
    """A classifier of the mean token, four levels above its blocks."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.body = Body(width)
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x)["last"].mean(dim=1))
        return logits


@pytest.fixture
def network() -> Nested:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Nested().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def test_blocks_are_found_however_deep_they_lie(network: Nested) -> None:
    """But not what lies inside of a block."""
    blocks = [f"body.encoder.blocks.{index}" for index in range(3)]
    layers = find_layers(network, torch.zeros(1, 3, *SIZE))
    assert [layer.name for layer in layers] == ["body.patches", *blocks]
    assert layers[-1] == Layer(blocks[-1], 6, (5, 3), "tokens")


def test_a_recorded_tuple_gives_its_tokens_and_their_gradient(network: Nested, x: Tensor) -> None:
    name = "body.encoder.blocks.1"
    model = xc.wrap_model(network, preprocessing=Preprocessing(size=SIZE))
    logits, outputs = model.record(x, [name])
    torch.testing.assert_close(logits.detach(), network(x).detach())
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), outputs[name])

    tokens = outputs[name].detach().requires_grad_()
    last = network.body.encoder.blocks[2](tokens)[0]
    (expected,) = torch.autograd.grad(network.head(last.mean(dim=1))[:, 2].sum(), tokens)
    torch.testing.assert_close(gradient, expected)


def test_two_tuples_on_one_branch_have_one_leaf(network: Nested, x: Tensor) -> None:
    names = ["body.encoder.blocks.0", "body.encoder.blocks.2"]
    model = xc.wrap_model(network, preprocessing=Preprocessing(size=SIZE))
    logits, outputs = model.record(x, names)
    first, last = torch.autograd.grad(logits[:, 0].sum(), [outputs[name] for name in names])
    tokens = outputs[names[0]].detach().requires_grad_()
    third = network.body.encoder.blocks[2](network.body.encoder.blocks[1](tokens)[0])[0]
    score = network.head(third.mean(dim=1))[:, 0].sum()
    expected = torch.autograd.grad(score, [tokens, third])
    torch.testing.assert_close((first, last), expected)


def test_an_observed_tuple_is_a_copy_of_its_tokens(network: Nested, x: Tensor) -> None:
    model = xc.wrap_model(network, preprocessing=Preprocessing(size=SIZE))
    seen = observe(model.network, x, "body.encoder.blocks.0")
    with torch.no_grad():
        tokens = network.body.patches(x).flatten(2).transpose(1, 2)
        torch.testing.assert_close(seen, network.body.encoder.blocks[0](tokens)[0])


def test_a_tuples_tokens_can_be_replaced(network: Nested, x: Tensor) -> None:
    model = xc.wrap_model(network, preprocessing=Preprocessing(size=SIZE))
    replacement = torch.full((5, 15, 6), 0.3)
    logits = resume(model.network, x[:1], "body.encoder.blocks.2", replacement)
    with torch.no_grad():
        torch.testing.assert_close(logits, network.head(replacement.mean(dim=1)))


@pytest.mark.parametrize("method", ["grad-cam", "xgrad-cam", "score-cam", "finer-grad-cam"])
def test_methods_work_on_blocks_of_tuples(network: Nested, method: str) -> None:
    model = xc.wrap_model(network, preprocessing=Preprocessing(size=SIZE))
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    references = [1] if method.startswith("finer") else None
    saliency = xc.explain(
        model,
        image_from_pixels(pixels),
        method=method,
        target=0,
        references=references,
        signed=True,
    )
    assert np.ptp(saliency.values) > 0


def test_pooled_features_are_no_maps() -> None:
    """Swin's pooler gives (N, K, 1), which for K = 64 looks like 8 x 8 tokens."""
    network = nn.Sequential(
        nn.Conv2d(3, 64, 8, stride=8), nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten()
    )
    layers = find_layers(network.eval(), torch.zeros(1, 3, 64, 64))
    assert [layer.name for layer in layers] == ["0"]


@pytest.mark.parametrize(
    ("num_tokens", "grid"),
    [
        (14 * 18, (14, 18)),
        (7 * 9, (7, 9)),  # merged once
        (4 * 5, (4, 5)),  # twice, where an odd row and column are padded
        (2 * 3, (2, 3)),
        (7 * 9 + 1, None),  # merging networks have no class token
        (5 * 7, None),
    ],
)
def test_patches_merged_two_by_two_keep_their_grid(
    num_tokens: int, grid: tuple[int, int] | None
) -> None:
    assert _known_grid(num_tokens, [(14, 18)]) == grid
