"""Tiny networks of open_clip's with random weights, and text against text written out slowly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

CONTEXT_LENGTH = 12

_TEXT = {
    "context_length": CONTEXT_LENGTH,
    "vocab_size": 49408,
    "width": 32,
    "heads": 2,
    "layers": 2,
}
_VIT = {"image_size": 64, "layers": 3, "width": 64, "head_width": 32, "patch_size": 16}
_RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32}

# Each with: the rest of open_clip's configuration, besides the text side.
TOWERS: dict[str, dict[str, Any]] = {
    "tiny-vit": {"vision_cfg": _VIT},
    "tiny-vit-avg": {"vision_cfg": {**_VIT, "pool_type": "avg"}},
    "tiny-resnet": {"vision_cfg": _RESNET},
    "tiny-coca": {
        "vision_cfg": {
            **_VIT,
            "attentional_pool": True,
            "attn_pooler_queries": 17,  # as many as patches with a class token
            "attn_pooler_heads": 2,
        }
    },
    "tiny-sigmoid": {"vision_cfg": _VIT, "custom_text": True, "init_logit_bias": -2.0},
}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let open_clip know the tiny architectures, until the test ends."""
    from open_clip import factory

    for name, config in TOWERS.items():
        whole = {"embed_dim": 24, "text_cfg": _TEXT, **config}
        monkeypatch.setitem(factory._MODEL_CONFIGS, name, whole)


def tiny_clip(name: str, seed: int = 0, **options: Any) -> Any:
    """Return a registered network, in `eval()` mode."""
    import open_clip

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = open_clip.create_model(name, **options)
        with torch.no_grad():  # else texts are so alike that float32 hardly tells them apart
            for each in network.parameters():
                if each.ndim > 1:
                    each.mul_(2)
    return network.eval()


def save(network: nn.Module, path: Path) -> None:
    """Write weights as safetensors."""
    save_file({key: each.contiguous() for key, each in network.state_dict().items()}, path)


def logits_of_texts(network: Any, x: Tensor, texts: Sequence[str]) -> Tensor:
    """Return (N, num_texts) by open_clip's own words, `exp(logit_scale) * cos`."""
    import open_clip

    tokens = open_clip.tokenize(list(texts), context_length=CONTEXT_LENGTH)
    pictures, read = network.encode_image(x), network.encode_text(tokens)
    rows = [
        torch.stack([torch.cosine_similarity(picture, each, dim=0) for each in read])
        for picture in pictures
    ]
    return network.logit_scale.exp() * torch.stack(rows)


def finer_cam_of_texts(
    network: Any, x: Tensor, layer: str, texts: tuple[str, str], gamma: float, grid: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return (grid, grid): `ReLU(sum_k alpha_k A_k)`, alpha the mean gradient of `y - gamma y'`.

    Args:
        layer: of the image tower; tokens with a class token first, or channels-first maps.
        texts: the target's and the one it is compared with.
    """
    kept: list[Tensor] = []
    handle = network.visual.get_submodule(layer).register_forward_hook(
        lambda _module, _args, output: kept.append(output)
    )
    try:
        logits = logits_of_texts(network, x, texts)[0]
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(logits[0] - gamma * logits[1], kept[0])
    maps, slopes = kept[0][0].detach().double(), gradient[0].double()
    if maps.ndim == 2:
        maps, slopes = (each[1:].T.reshape(each.shape[1], grid, grid) for each in (maps, slopes))
    total = torch.zeros(grid, grid, dtype=torch.float64)
    for channel, slope in zip(maps, slopes, strict=True):
        total += slope.mean() * channel
    return total.clamp(min=0).numpy()
