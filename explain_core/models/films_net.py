"""The bundled network for phantom films: four findings, any number of which may be present."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from torch import Tensor, nn

from explain_core.models.bundled_weights import load_bundled

FILMS_CLASSES = ("opacity", "pneumothorax", "nodule", "enlarged heart")
FILMS_SIZE_PX = 144
FILMS_MEAN = 0.38
FILMS_STD = 0.31
FILMS_LAYER = "features.6"

# (channels in, channels out, stride, dilation) of each block
_BLOCKS = (
    (1, 16, 2, 1),
    (16, 32, 2, 1),
    (32, 32, 1, 1),
    (32, 64, 2, 1),
    (64, 64, 1, 1),
    (64, 64, 1, 2),
    (64, 96, 1, 3),
)


def _block(num_in: int, num_out: int, stride: int, dilation: int) -> nn.Sequential:
    convolution = nn.Conv2d(
        num_in, num_out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )
    return nn.Sequential(
        OrderedDict(conv=convolution, norm=nn.BatchNorm2d(num_out), relu=nn.ReLU(inplace=False))
    )


class FilmsNet(nn.Module):
    """Find labels in a film: seven convolution blocks, average pooling, one linear layer.

    Every block `features.0` to `features.6` has the parts `conv`, `norm` and `relu`; the last two
    are dilated, so that one place of the 18 x 18 sees most of the heart. The head is `classifier`,
    which reads the mean of `features.6` over its places.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*(_block(*block) for block in _BLOCKS))
        self.classifier = nn.Linear(_BLOCKS[-1][1], len(FILMS_CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 4) logits, a sigmoid each, of normalised `images` (N, 1, 144, 144)."""
        logits: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return logits


def load_films_net(weights: Path) -> FilmsNet:
    """Return the network with `weights` (a safetensors file), in eval mode, without gradients.

    Raises:
        ModelError: the file is missing, cannot be read or does not fit the network.
    """
    return load_bundled(lambda _: FilmsNet(), weights, "films")[0]
