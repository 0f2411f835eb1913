"""timm's families: the layer taken, its grid, and maps that are the right way up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.models.model import Model
from tests.core.models.test_layers import black, bright_corner, is_in_corner

timm = pytest.importorskip("timm", reason="timm is not installed: pip install timm")

SMALL: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3}

# Architecture, options, input size; then the default layer with its size, layout and the tokens
# before its patches.
FAMILIES: dict[str, tuple[str, dict[str, Any], tuple[int, int], tuple[Any, ...]]] = {
    "vit": ("test_vit", {}, (160, 128), ("blocks.4", (10, 8), "tokens", 1)),
    "deit": (
        "deit_tiny_distilled_patch16_224",
        SMALL,
        (96, 144),
        ("blocks.1", (6, 9), "tokens", 2),
    ),
    "registers": (
        "vit_small_patch14_reg4_dinov2",
        {**SMALL, "num_classes": 5},
        (112, 84),
        ("blocks.1", (8, 6), "tokens", 5),
    ),
    "mean of patches": (
        "vit_base_patch16_gap_224",
        SMALL,
        (96, 64),
        ("norm", (6, 4), "tokens", 0),
    ),
    "rotary": ("eva02_tiny_patch14_224", SMALL, (112, 84), ("blocks.2", (8, 6), "tokens", 1)),
    "swin": ("swin_tiny_patch4_window7_224", {}, (224, 160), ("norm", (7, 5), "channels-last", 0)),
    "swin v2": (
        "swinv2_cr_tiny_ns_224",
        {},
        (224, 224),
        ("stages.3", (7, 7), "channels-first", 0),
    ),
    "convnext": ("test_convnext", {}, (160, 96), ("stages.3", (5, 3), "channels-first", 0)),
    "resnet": ("test_resnet", {}, (160, 96), ("layer4", (5, 3), "channels-first", 0)),
    "efficientnet": ("test_efficientnet", {}, (160, 96), ("bn2", (5, 3), "channels-first", 0)),
    "channels last": ("test_mambaout", {}, (160, 96), ("stages.3", (5, 3), "channels-last", 0)),
    "xcit": (
        "xcit_nano_12_p16_224",
        {"depth": 3},
        (96, 64),
        ("cls_attn_blocks.0", (6, 4), "tokens", 1),
    ),
    "pooled pyramid": ("pvt_v2_b0", {}, (128, 96), ("stages.3", (4, 3), "channels-first", 0)),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Model:
    architecture, options, size, _ = FAMILIES[request.param]
    if timm.get_pretrained_cfg(architecture).fixed_input_size:
        options = {**options, "img_size": size}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = timm.create_model(architecture, **options)
    return xc.wrap_model(
        network,
        name=request.param,
        preprocessing=xc.Preprocessing(size=size, mean=(0.5,) * 3, std=(0.5,) * 3),
    )


def test_the_default_layer_and_its_grid(family: Model) -> None:
    layer = family.layer_named(None)
    found = (layer.name, layer.size, layer.layout, layer.num_prefix_tokens)
    assert found == FAMILIES[family.name][3]


@pytest.mark.parametrize(
    ("top", "left"), [(True, True), (True, False), (False, True), (False, False)], ids=str
)
def test_the_bright_corners_quarter_changes(family: Model, top: bool, left: bool) -> None:
    """The corner changes each layer's maps most in that quarter: nothing is turned or mirrored."""
    size = family.preprocessing.size
    names = [layer.name for layer in family.layers]
    bright, dark = (
        family.record(family.preprocess(image), names)[1]
        for image in (bright_corner(size, top, left), black(size))
    )
    for layer in family.layers:
        gap = layer.as_maps((bright[layer.name] - dark[layer.name]).detach())[0]
        if gap.any():  # XCiT's position encoding is a layer that no picture changes
            assert is_in_corner(gap.abs().sum(dim=0), top, left), layer.name


def test_grad_cam_is_finite_and_not_zero(family: Model) -> None:
    image = bright_corner(family.preprocessing.size, True, False)
    saliency = xc.explain(family, image, method="grad-cam", target=0, signed=True)
    assert saliency.values.shape == family.preprocessing.size
    assert np.isfinite(saliency.values).all()
    assert np.ptp(saliency.values) > 0
