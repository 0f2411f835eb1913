"""Small networks, pictures and reference sets that tests are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import explain_core as xc
from explain_core.images.reading import image_from_pixels

SIZE = (20, 28)
MEANS = {1: (0.3,), 3: (0.45, 0.5, 0.4)}
STDS = {1: (0.25,), 3: (0.2, 0.25, 0.3)}


class Calls:
    """Count forward passes of a network and of all its copies."""

    def __init__(self) -> None:
        self.count = 0

    def __deepcopy__(self, memo: object) -> Calls:
        return self


class TinyNet(nn.Module):
    """Three stages of convolution, batch norm and activation, a mean and a linear head.

    What follows `stage2` is not linear, so that gradients there differ from place to place; those
    at `stage3` do not. `stage2.0` gives both signs and is followed by in-place operations.
    """

    def __init__(
        self,
        num_channels: int = 3,
        num_classes: int = 5,
        strides: tuple[int, int, int] = (1, 2, 2),
        is_smooth: bool = False,
        width: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = ((num_channels, 6), (6, width), (width, width))

        def stage(index: int) -> nn.Sequential:
            num_in, num_out = sizes[index]
            return nn.Sequential(
                nn.Conv2d(num_in, num_out, 3, stride=strides[index], padding=1, bias=False),
                nn.BatchNorm2d(num_out),
                nn.Softplus() if is_smooth else nn.ReLU(inplace=True),
            )

        self.stage1, self.stage2, self.stage3 = stage(0), stage(1), stage(2)
        self.head = nn.Linear(width, num_classes)
        self.calls = Calls()
        rng = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4, generator=rng)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2, generator=rng)
                module.running_var.uniform_(0.5, 1.5, generator=rng)
                nn.init.uniform_(module.weight, 0.7, 1.3, generator=rng)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.calls.count += 1
        maps = self.stage3(self.stage2(self.stage1(x)))
        return self.head(maps.mean(dim=(2, 3)))


class Mixer(nn.Module):
    """Mix tokens (N, T, K) by attention of one head, so that each depends on all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        seen = self.norm(tokens)
        shares = (seen @ seen.transpose(1, 2) / seen.shape[2] ** 0.5).softmax(dim=2)
        return tokens + self.mix(shares @ seen)


class TinyVit(nn.Module):
    """Cut into patches of 4 x 4, put tokens before them, mix, normalise.

    Without classes it returns the class token's features, where there is one, else the mean.
    """

    def __init__(
        self, num_prefix: int = 1, num_classes: int = 0, size: tuple[int, int] = SIZE
    ) -> None:
        super().__init__()
        width = 8
        self.num_prefix = num_prefix
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.prefix = nn.Parameter(torch.zeros(1, num_prefix, width))
        num_tokens = num_prefix + size[0] // 4 * (size[1] // 4)
        self.places = nn.Parameter(torch.zeros(1, num_tokens, width))
        self.blocks = nn.Sequential(Mixer(width), Mixer(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes) if num_classes else nn.Identity()
        rng = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4, generator=rng)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.prefix.expand(len(x), -1, -1), patches], dim=1)
        tokens = self.norm(self.blocks(tokens + self.places))
        return self.head(tokens[:, 0] if self.num_prefix else tokens.mean(dim=1))


class Headless(nn.Module):
    """Give a TinyNet's last maps in a form of choice, and no logits."""

    def __init__(self, form: Callable[[Tensor], object] = lambda maps: maps) -> None:
        super().__init__()
        network = TinyNet()
        self.stage1, self.stage2, self.stage3 = network.stage1, network.stage2, network.stage3
        self.form = form

    def forward(self, x: Tensor) -> object:
        return self.form(self.stage3(self.stage2(self.stage1(x))))


def preprocessing(num_channels: int = 3, size: tuple[int, int] = SIZE) -> xc.Preprocessing:
    return xc.Preprocessing(size=size, mean=MEANS[num_channels], std=STDS[num_channels])


def wrap(network: TinyNet, layer: str = "stage2", size: tuple[int, int] = SIZE) -> xc.Model:
    num_channels = network.stage1[0].in_channels
    return xc.wrap_model(network, layer=layer, preprocessing=preprocessing(num_channels, size))


def wrap_headless(network: nn.Module, layer: str | None = None) -> xc.Model:
    return xc.wrap_model(network, layer=layer, preprocessing=preprocessing(), output="none")


def picture(
    num_channels: int = 3, size: tuple[int, int] = SIZE, seed: int = 0, dtype: type = np.uint8
) -> xc.Image:
    """Make a picture of random pixels of the network's own size, so that nothing is resampled."""
    shape = size if num_channels == 1 else (*size, num_channels)
    top = np.iinfo(dtype).max
    rng = np.random.default_rng(seed)
    return image_from_pixels(rng.integers(0, top, shape, dtype=dtype, endpoint=True))


def network_input(image: xc.Image) -> Tensor:
    """Return (1, C, H, W) float64, `(pixels / white - mean) / std` for a picture not resampled."""
    pixels = image.pixels.astype(np.float64) / image.white
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    num_channels = pixels.shape[2]
    scaled = (pixels - np.array(MEANS[num_channels])) / np.array(STDS[num_channels])
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))[None]


def reference_features(count: int, dim: int, seed: int = 0) -> NDArray[np.float64]:
    """Return (count, dim), non-negative like pooled features, with a falling spectrum."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dim, dim)) * 0.8 ** np.arange(dim)[:, None]
    return np.abs(rng.normal(size=(count, dim)) @ mixing + 0.5)


def reference_set(
    model: xc.Model,
    features: NDArray[np.floating] | None = None,
    layer: str | None = None,
    labels: Sequence[int] | None = None,
    **values: Any,
) -> xc.ReferenceSet:
    layer = model.layer if layer is None else layer
    if features is None:
        features = reference_features(12, model.layer_named(layer).num_channels)
        features = features.astype(np.float32)
    return xc.ReferenceSet(
        features=features,
        labels=np.full(len(features), -1) if labels is None else np.array(labels),
        layer=layer,
        fingerprint=model.fingerprint,
        **({"key": "made-up"} | values),
    )


def references_for(method: str, model: xc.Model, layer: str | None = None) -> object:
    """Return references that fit a method: classes, pictures or none."""
    compares_with = xc.METHODS[method].compares_with
    if compares_with == "pictures":
        return reference_set(model, layer=layer)
    return (1, 2) if compares_with == "classes" else None
