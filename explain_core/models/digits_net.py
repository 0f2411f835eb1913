"""The bundled network: small enough to ship, good enough on handwritten digits to ask why of."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from explain_core.models.bundled_weights import load_bundled

DIGITS_SIZE_PX = 28
DIGITS_MEAN = 0.1307
DIGITS_STD = 0.3081
DIGITS_LAYER = "features.5"
NUM_DIGITS = 10

# (channels in, channels out, stride) of each block
_BLOCKS = ((1, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1), (64, 64, 1))


def _block(num_in: int, num_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(num_in, num_out, 3, stride=stride, padding=1, bias=False),
            norm=nn.BatchNorm2d(num_out),
            relu=nn.ReLU(inplace=False),
        )
    )


class DigitsNet(nn.Module):
    """Classify handwritten digits: six convolution blocks, average pooling, one linear layer.

    Every block `features.0` to `features.5` has the parts `conv`, `norm` and `relu`; the head is
    `classifier`, which reads the mean of `features.5` over its 14 x 14 places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_block(*block) for block in _BLOCKS))
        self.classifier = nn.Linear(_BLOCKS[-1][1], NUM_DIGITS)

    def pool(self, images: Tensor) -> Tensor:
        """Return (N, 64), non-negative: the last block's activations averaged over their places.

        Args:
            images: (N, 1, 28, 28), light strokes on dark, normalised.
        """
        pooled: Tensor = self.features(images).mean(dim=(2, 3))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 10) logits of `images` (N, 1, 28, 28)."""
        logits: Tensor = self.classifier(self.pool(images))
        return logits


def normalise_digits(pixels: Tensor) -> Tensor:
    """Scale gray values 0 to 255, of any shape, to what the network was trained on; float32."""
    return (pixels.to(torch.float32) / 255 - DIGITS_MEAN) / DIGITS_STD


def load_digits_net(weights: Path) -> DigitsNet:
    """Return the network with `weights` (a safetensors file), in eval mode, without gradients.

    Raises:
        ModelError: the file is missing, cannot be read or does not fit the network.
    """
    return load_bundled(lambda _: DigitsNet(), weights, "digits")[0]
