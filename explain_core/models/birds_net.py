"""The bundled network for drawn birds: depthwise-separable, with maps as fine as their parts."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

from torch import Tensor, nn

from explain_core.models.bundled_weights import load_bundled

BIRDS_SIZE_PX = 128
BIRDS_MEAN = (0.63, 0.62, 0.58)
BIRDS_STD = (0.22, 0.22, 0.22)
BIRDS_LAYER = "features.6"
CLASSES_KEY = "classes"

_NUM_STEM = 16
# (channels in, channels out, stride) of each depthwise-separable block
_BLOCKS = ((16, 32, 2), (32, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1))


def _block(num_in: int, num_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(
                num_in, num_in, 3, stride=stride, padding=1, groups=num_in, bias=False
            ),
            depthwise_norm=nn.BatchNorm2d(num_in),
            depthwise_relu=nn.ReLU(inplace=False),
            pointwise=nn.Conv2d(num_in, num_out, 1, bias=False),
            norm=nn.BatchNorm2d(num_out),
            relu=nn.ReLU(inplace=False),
        )
    )


class BirdsNet(nn.Module):
    """Classify drawn birds: a stem, six depthwise-separable blocks, pooling, one linear layer.

    The head, `classifier`, reads the mean of `features.6` over its 16 x 16 places.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        stem = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, _NUM_STEM, 3, stride=2, padding=1, bias=False),
                norm=nn.BatchNorm2d(_NUM_STEM),
                relu=nn.ReLU(inplace=False),
            )
        )
        self.features = nn.Sequential(stem, *(_block(*block) for block in _BLOCKS))
        self.classifier = nn.Linear(_BLOCKS[-1][1], num_classes)

    def pool(self, pictures: Tensor) -> Tensor:
        """Return (N, 128), non-negative: the last block's activations averaged over their places.

        Args:
            pictures: (N, 3, 128, 128), normalised.
        """
        pooled: Tensor = self.features(pictures).mean(dim=(2, 3))
        return pooled

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, num_classes) logits of `pictures` (N, 3, 128, 128)."""
        logits: Tensor = self.classifier(self.pool(pictures))
        return logits


def load_birds_net(weights: Path) -> tuple[BirdsNet, tuple[str, ...]]:
    """Return the network with `weights` (a safetensors file) and the names of its classes.

    The network is in eval mode and without gradients.

    Raises:
        ModelError: the file is missing, cannot be read or does not fit the network.
    """
    network, metadata = load_bundled(
        lambda metadata: BirdsNet(len(_classes(metadata))), weights, "birds"
    )
    return network, _classes(metadata)


def _classes(metadata: dict[str, str]) -> tuple[str, ...]:
    return tuple(json.loads(metadata[CLASSES_KEY]))
