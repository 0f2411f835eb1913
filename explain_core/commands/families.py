"""One small network with random weights for each family that people use; a row makes another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explain_core.models import torchxrayvision_models
from explain_core.models.huggingface_models import take_logits
from explain_core.models.loading import load_model
from explain_core.models.model import Model, OutputKind, wrap_model
from explain_core.models.open_clip_models import model_of
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.text_classes import with_texts

NAME = "the network"
_SIDE_PX = 64
_NUM_CLASSES = 5
_WIDTH = 32
_NUM_HEADS = 2
_DEPTH = 3
_PATCH_PX = 16
_TEXTS = ("a red bird", "a bird", "a ship", "a house", "a hand")
_BIAS_STD = 0.1


@dataclass(frozen=True)
class Family:
    """Describe a family by one network.

    Attributes:
        name: short, a table's column.
        stands_for: which network it is.
        load: returns it; raises ImportError where an optional package is missing.
    """

    name: str
    stands_for: str
    load: Callable[[], Model]


def small(make: Callable[[], nn.Module], output: OutputKind = "softmax") -> Callable[[], Model]:
    """Return what makes a model of a network with weights drawn from seed 0."""

    def load() -> Model:
        return wrap_model(
            drawn(make()),
            preprocessing=Preprocessing(size=(_SIDE_PX, _SIDE_PX)),
            output=output,
            name=NAME,
        )

    return load


def drawn(network: nn.Module) -> nn.Module:
    """Return a new network with all weights drawn again from seed 0, for they came from anywhere.

    Also those that some builders leave at zero until training, where no score says anything.
    """
    rng = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        values = parameter.data
        if values.ndim > 1:
            values.normal_(0, (2 * len(values) / values.numel()) ** 0.5, generator=rng)
        elif values.numel() > 1 and values.min() < values.max():
            values.normal_(0, _BIAS_STD, generator=rng)
    return network


def _torchvision(name: str, num_classes: int = _NUM_CLASSES) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from torchvision import models

        network: nn.Module = models.get_model(name, weights=None, num_classes=num_classes)
        return network

    return make


def _squeezenet() -> nn.Module:
    network = _torchvision("squeezenet1_1")()
    scores = network.get_submodule("classifier.1")
    assert isinstance(scores, nn.Conv2d)
    assert scores.bias is not None
    nn.init.constant_(scores.bias, 10.0)  # its scores pass a ReLU, which would silence half
    return network


def _densenet() -> nn.Module:
    from torchvision.models import DenseNet

    network: nn.Module = DenseNet(
        growth_rate=8, block_config=(2, 2, 2), num_init_features=_WIDTH, num_classes=_NUM_CLASSES
    )
    return network


def _convnext() -> nn.Module:
    from torchvision.models import ConvNeXt
    from torchvision.models.convnext import CNBlockConfig

    blocks = [
        CNBlockConfig(_WIDTH, 2 * _WIDTH, _DEPTH),
        CNBlockConfig(2 * _WIDTH, None, _DEPTH),
    ]
    network: nn.Module = ConvNeXt(blocks, layer_scale=1.0, num_classes=_NUM_CLASSES)
    return network


def _vision_transformer() -> nn.Module:
    from torchvision.models import VisionTransformer

    network: nn.Module = VisionTransformer(
        image_size=_SIDE_PX,
        patch_size=_PATCH_PX,
        num_layers=_DEPTH,
        num_heads=_NUM_HEADS,
        hidden_dim=_WIDTH,
        mlp_dim=2 * _WIDTH,
        num_classes=_NUM_CLASSES,
    )
    return network


def _swin() -> nn.Module:
    from torchvision.models import SwinTransformer

    network: nn.Module = SwinTransformer(
        patch_size=[4, 4],
        embed_dim=_WIDTH,
        depths=[2, 2],
        num_heads=[_NUM_HEADS, _NUM_HEADS],
        window_size=[4, 4],
        num_classes=_NUM_CLASSES,
    )
    return network


class _Encoder(nn.Module):
    """Give a ResNet's last maps, and no logits."""

    def __init__(self) -> None:
        super().__init__()
        network = _torchvision("resnet18")()
        self.layers = nn.Sequential(*list(network.children())[:-2])

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


def _timm(make: Callable[[Any, dict[str, int]], nn.Module]) -> Callable[[], nn.Module]:
    sizes = {"img_size": _SIDE_PX, "patch_size": _PATCH_PX, "embed_dim": _WIDTH}

    def network() -> nn.Module:
        import timm

        return make(timm.models, {**sizes, "num_classes": _NUM_CLASSES})

    return network


def _hugging_face() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes: dict[str, Any] = {
        "hidden_size": _WIDTH,
        "num_hidden_layers": _DEPTH,
        "num_attention_heads": _NUM_HEADS,
        "intermediate_size": 2 * _WIDTH,
        "image_size": _SIDE_PX,
        "patch_size": _PATCH_PX,
        "num_labels": _NUM_CLASSES,
    }
    network: nn.Module = ViTForImageClassification(ViTConfig(**sizes))
    network.register_forward_hook(take_logits)
    return network


def _chest() -> Model:
    import torchxrayvision

    network = torchxrayvision.models.DenseNet(
        growth_rate=8, block_config=(2, 2), num_init_features=_WIDTH, num_classes=_NUM_CLASSES
    )
    network.op_threshs = None  # raw logits, as its loader gives them
    drawn(network)
    next(network.parameters()).data.mul_(torchxrayvision_models.STD)  # its input is that large
    return wrap_model(
        network,
        preprocessing=Preprocessing(
            size=(_SIDE_PX, _SIDE_PX),
            mean=(torchxrayvision_models.MEAN,),
            std=(torchxrayvision_models.STD,),
        ),
        output="sigmoid",
        name=NAME,
    )


def _clip() -> Model:
    import open_clip

    network = open_clip.CLIP(
        embed_dim=_WIDTH,
        vision_cfg={
            "image_size": _SIDE_PX,
            "patch_size": _PATCH_PX,
            "width": _WIDTH,
            "head_width": _WIDTH // _NUM_HEADS,
            "layers": _DEPTH,
        },
        text_cfg={"width": _WIDTH, "heads": _NUM_HEADS, "layers": _DEPTH},
    )
    encoder = model_of(
        drawn(network),
        open_clip.SimpleTokenizer(),
        name=NAME,
        preprocessing=Preprocessing(size=(_SIDE_PX, _SIDE_PX)),
    )
    return with_texts(encoder, _TEXTS)


FAMILIES = (
    Family("Digits", "the bundled network", lambda: load_model("digits")),
    Family("SqueezeNet", "SqueezeNet 1.1 of torchvision, as VGG without norms", small(_squeezenet)),
    Family("ResNet", "ResNet-18 of torchvision", small(_torchvision("resnet18"))),
    Family("MobileNet", "MobileNetV2 of torchvision", small(_torchvision("mobilenet_v2"))),
    Family("DenseNet", "a small DenseNet of torchvision", small(_densenet)),
    Family(
        "EfficientNet", "EfficientNet-B0 of torchvision", small(_torchvision("efficientnet_b0"))
    ),
    Family("ConvNeXt", "a small ConvNeXt of torchvision", small(_convnext)),
    Family("ViT", "a small VisionTransformer of torchvision", small(_vision_transformer)),
    Family("Swin", "a small SwinTransformer of torchvision", small(_swin)),
    Family(
        "One logit", "ResNet-18 for yes or no", small(_torchvision("resnet18", 1), "single-logit")
    ),
    Family("Multi-label", "ResNet-18 for labels", small(_torchvision("resnet18"), "sigmoid")),
    Family("Encoder", "ResNet-18 without its head", small(_Encoder, "none")),
    Family(
        "ViT, registers",
        "a small VisionTransformer of timm with four register tokens",
        small(
            _timm(
                lambda models, sizes: models.VisionTransformer(
                    **sizes, depth=_DEPTH, num_heads=_NUM_HEADS, reg_tokens=4
                )
            )
        ),
    ),
    Family(
        "MLP-Mixer",
        "a small MlpMixer of timm",
        small(_timm(lambda models, sizes: models.MlpMixer(**sizes, num_blocks=_DEPTH))),
    ),
    Family(
        "ViT of Hugging Face",
        "a small ViTForImageClassification of transformers",
        small(_hugging_face),
    ),
    Family("X-ray", "a small DenseNet of torchxrayvision, for labels", _chest),
    Family("CLIP", "a small CLIP of open_clip, text against text", _clip),
)
