"""Families of transformers: the layer taken, its grid, and maps that are the right way up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import explain_core as xc
from explain_core.models.model import Model
from tests.core.models.huggingface_making import FAMILIES, random_classifier, save
from tests.core.models.test_layers import black, bright_corner, is_in_corner

pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install transformers"
)

# The default layer with its size, layout and the tokens before its patches.
LAYERS: dict[str, tuple[str, tuple[int, int], str, int]] = {
    "vit": ("vit.layers.0", (6, 4), "tokens", 1),
    "deit": ("deit.layers.0", (4, 6), "tokens", 2),
    "beit": ("beit.layers.1", (4, 4), "tokens", 1),
    "swin": ("swin.layernorm", (4, 5), "tokens", 0),
    "swinv2": ("swinv2.layernorm", (4, 5), "tokens", 0),
    "convnext": ("convnext.encoder.stages.3", (3, 3), "channels-first", 0),
    "convnextv2": ("convnextv2.encoder.stages.3", (3, 3), "channels-first", 0),
    "resnet": ("resnet.encoder.stages.3", (3, 3), "channels-first", 0),
    "dinov2": ("dinov2.layernorm", (7, 6), "tokens", 1),
    "dinov2-registers": ("dinov2_with_registers.layernorm", (7, 6), "tokens", 5),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder: Path = tmp_path_factory.mktemp("families")
    save(folder / "net", request.param, random_classifier(request.param))
    (folder / "models.toml").write_text(f'["{request.param}"]\narchitecture = "hf/net"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return xc.load_model(request.param, device="cpu")


def recorded(model: Model, image: xc.Image) -> dict[str, Tensor]:
    _, outputs = model.record(model.preprocess(image), [layer.name for layer in model.layers])
    return {layer.name: layer.as_maps(outputs[layer.name].detach())[0] for layer in model.layers}


def test_the_default_layer_and_its_grid(family: Model) -> None:
    layer = family.layer_named(None)
    assert (layer.name, layer.size, layer.layout, layer.num_prefix_tokens) == LAYERS[family.name]


def test_every_stage_is_listed(family: Model) -> None:
    """Two or more between the patches and the head, however deep transformers puts them."""
    stages = [
        layer.name for layer in family.layers if ".layer" in layer.name or "stages" in layer.name
    ]
    assert len(stages) >= 2


@pytest.mark.parametrize(
    ("top", "left"), [(True, True), (True, False), (False, True), (False, False)], ids=str
)
def test_the_bright_corners_quarter_changes(family: Model, top: bool, left: bool) -> None:
    """The corner changes each layer's maps most in that quarter: nothing is turned or mirrored."""
    size = family.preprocessing.size
    bright, dark = (
        recorded(family, image) for image in (bright_corner(size, top, left), black(size))
    )
    for layer in family.layers:
        gap = bright[layer.name] - dark[layer.name]
        assert is_in_corner(gap.abs().sum(dim=0), top, left), layer.name


def test_grad_cam_is_finite_and_not_zero(family: Model) -> None:
    image = bright_corner(family.preprocessing.size, True, False)
    saliency = xc.explain(family, image, method="grad-cam", target=0, signed=True)
    assert saliency.values.shape == family.preprocessing.size
    assert np.isfinite(saliency.values).all()
    assert np.ptp(saliency.values) > 0


def test_gradients_through_the_tap_are_the_networks_own(family: Model) -> None:
    """A shift of one layer's output changes the logit by what the recorded gradient says."""
    x = family.preprocess(bright_corner(family.preprocessing.size, True, True))
    name = family.layer_named(None).name
    logits, outputs = family.record(x, [name])
    (gradient,) = torch.autograd.grad(logits[0, 1], outputs[name])
    step = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(0)) * 1e-3

    def shift(_module: object, _args: object, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] + step, *output[1:])
        return output + step

    plain = random_classifier(family.name)
    with torch.no_grad():
        before = plain(x).logits[0, 1]
        plain.get_submodule(name).register_forward_hook(shift)
        after = plain(x).logits[0, 1]
    torch.testing.assert_close(after - before, (gradient * step).sum(), rtol=0.05, atol=1e-6)


def test_a_block_that_returns_a_tuple_is_tapped_exactly() -> None:
    """Swin's stages return their tokens first, then what the head does not look at."""
    network = random_classifier("swin")
    model = xc.wrap_model(
        LogitsOnly(network),
        preprocessing=xc.Preprocessing(size=(52, 68)),
        layer="net.swin.encoder.layers.0",
    )
    x = torch.randn(1, 3, 52, 68, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = network.swin.encoder.layers[0](*network.swin.embeddings(x))[0]
    logits, outputs = model.record(x, ["net.swin.encoder.layers.0"])
    torch.testing.assert_close(outputs["net.swin.encoder.layers.0"].detach(), tokens)
    torch.testing.assert_close(logits.detach(), network(x).logits.detach())
    assert model.layer_named(None).size == (7, 9)


class LogitsOnly(torch.nn.Module):
    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x).logits
        return logits
