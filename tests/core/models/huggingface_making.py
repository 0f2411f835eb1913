"""Tiny networks of transformers with random weights, saved as folders that `hf/` can load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

TOKENS = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "patch_size": 16,
}
DINO = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 14,
    "image_size": 98,
}
SWIN = {
    "embed_dim": 16,
    "depths": [1, 1, 2],
    "num_heads": [2, 2, 2],
    "window_size": 4,
    "image_size": (52, 68),
    "patch_size": 4,
}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}

# Class, configuration, image processor and its settings. Sizes are odd where they may be.
FAMILIES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "vit": (
        "ViTForImageClassification",
        {**TOKENS, "image_size": (96, 64)},
        "ViTImageProcessor",
        {"size": {"height": 96, "width": 64}},
    ),
    "deit": (
        "DeiTForImageClassificationWithTeacher",
        {**TOKENS, "image_size": (64, 96)},
        "DeiTImageProcessor",
        {"size": {"height": 72, "width": 108}, "crop_size": {"height": 64, "width": 96}},
    ),
    "beit": (
        "BeitForImageClassification",
        {**TOKENS, "image_size": 64},
        "BeitImageProcessor",
        {"size": {"height": 64, "width": 64}},
    ),
    "swin": (
        "SwinForImageClassification",
        SWIN,
        "ViTImageProcessor",
        {"size": {"height": 52, "width": 68}},
    ),
    "swinv2": (
        "Swinv2ForImageClassification",
        SWIN,
        "ViTImageProcessor",
        {"size": {"height": 52, "width": 68}},
    ),
    "convnext": (
        "ConvNextForImageClassification",
        STAGES,
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 96}},
    ),
    "convnextv2": (
        "ConvNextV2ForImageClassification",
        STAGES,
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 96}, "crop_pct": 0.95},
    ),
    "resnet": (
        "ResNetForImageClassification",
        {**STAGES, "embedding_size": 8, "layer_type": "basic"},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 96}},
    ),
    "dinov2": (
        "Dinov2ForImageClassification",
        DINO,
        "BitImageProcessor",
        {"size": {"shortest_edge": 112}, "crop_size": {"height": 98, "width": 84}},
    ),
    "dinov2-registers": (
        "Dinov2WithRegistersForImageClassification",
        DINO,
        "BitImageProcessor",
        {"size": {"shortest_edge": 112}, "crop_size": {"height": 98, "width": 84}},
    ),
}


def random_classifier(family: str, **options: Any) -> Any:
    """Give the classifier of a family, the same weights each time."""
    import transformers

    kind = getattr(transformers, FAMILIES[family][0])
    config = kind.config_class(**{"num_labels": 3, **FAMILIES[family][1], **options})
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network: nn.Module = kind(config)
        for parameter in network.parameters():  # far from zero, where all gradients vanish
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.1)
    return network.eval()


def save(folder: Path, family: str, network: Any) -> None:
    """Save network and image processor as `save_pretrained` does."""
    network.save_pretrained(folder)
    processor(family).save_pretrained(folder)


def processor(family: str) -> Any:
    """Give the image processor of a family."""
    import transformers

    _, _, kind, settings = FAMILIES[family]
    return getattr(transformers, kind)(**settings)
