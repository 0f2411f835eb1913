"""From a picture to the network's input, remembering where every input pixel came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from explain_core.errors import ImageError, InputError
from explain_core.images.reading import MAX_PIXELS
from explain_core.types import Geometry, Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Describe how a picture becomes the network's input.

    Attributes:
        size: (H, W) of the input.
        mean, std: per channel, of pixels in [0, 1]; their length is the number of channels.
        fit: "crop" resizes the shorter side to `resize_px` and cuts out the centre; "letterbox"
            shows the whole picture inside a border; "stretch" distorts.
        resize_px: the shorter side before a crop, or of a stretched picture whose centre is then
            cut out; None just covers the input.
        interpolation: "bilinear" or "bicubic", antialiased.
        border: of a letterbox, in [0, 1]; None takes the mean colour.
        halves: where the centre begins between two pixels, "round" takes the one that torchvision
            takes, "truncate" that of transformers.
        polarity: "light-on-dark" turns a picture over whose border is brighter than its middle
            grey, for networks that only know light strokes on a dark ground.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    fit: Literal["crop", "letterbox", "stretch"] = "crop"
    resize_px: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    polarity: Literal["as-is", "light-on-dark"] = "as-is"
    border: float | None = None
    halves: Literal["round", "truncate"] = "round"

    def __post_init__(self) -> None:
        for name in ("size", "mean", "std"):  # lists become tuples, which can be keys
            value = getattr(self, name)
            is_sequence = isinstance(value, Sequence) and not isinstance(value, str)
            if not is_sequence or not all(isinstance(part, (int, float)) for part in value):
                raise InputError(f"{name} must be a sequence of numbers (got {value!r})")
            object.__setattr__(self, name, tuple(value))
        whole = [side for side in self.size if isinstance(side, int)]
        if len(self.size) != 2 or len(whole) != 2 or min(whole) < 1:
            raise InputError(f"size must be two positive whole numbers (got {self.size})")
        if self.resize_px is not None and (
            not isinstance(self.resize_px, int) or self.resize_px < 1
        ):
            raise InputError(f"resize_px must be a positive whole number (got {self.resize_px!r})")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise InputError(
                "mean and std need one value per channel, 1 or 3 channels "
                f"(got {len(self.mean)} and {len(self.std)})"
            )
        if min(self.std) <= 0:
            raise InputError(f"std must be above zero (got {self.std})")
        if self.fit not in ("crop", "letterbox", "stretch"):
            raise InputError(f"fit must be crop, letterbox or stretch (got {self.fit!r})")
        if self.interpolation not in ("bilinear", "bicubic"):
            raise InputError(
                f"interpolation must be bilinear or bicubic (got {self.interpolation!r})"
            )
        if self.polarity not in ("as-is", "light-on-dark"):
            raise InputError(f"polarity must be as-is or light-on-dark (got {self.polarity!r})")
        if self.halves not in ("round", "truncate"):
            raise InputError(f"halves must be round or truncate (got {self.halves!r})")

    @property
    def num_channels(self) -> int:
        """Return the number of channels of the input."""
        return len(self.mean)


def geometry(preprocessing: Preprocessing, original_size: tuple[int, int]) -> Geometry:
    """Return where a picture of `original_size` (H0, W0) lands on the network's input."""
    size = preprocessing.size
    resized = _resized(preprocessing, original_size)
    if preprocessing.fit != "letterbox":
        whole = round if preprocessing.halves == "round" else int
        offset = tuple(float(whole((r - s) / 2.0)) for r, s in zip(resized, size, strict=True))
    else:
        offset = tuple(float(-((s - r) // 2)) for r, s in zip(resized, size, strict=True))
    return Geometry(
        original_size=original_size,
        input_size=size,
        scale=(resized[0] / original_size[0], resized[1] / original_size[1]),
        offset_px=(offset[0], offset[1]),
    )


def to_pixels(preprocessing: Preprocessing, image: Image) -> Tensor:
    """Return the network's input before normalisation, as a person would see it.

    Returns:
        (1, C, H, W) float32 in [0, 1], on the CPU. Outside the picture: the border's colour.

    Raises:
        ImageError: a strip so narrow that its shorter side, scaled up, makes the longer endless.
    """
    where = geometry(preprocessing, image.size)
    rows, columns = _resized(preprocessing, image.size)
    if rows * columns > MAX_PIXELS:
        raise ImageError(
            f"a picture of {image.size[0]} x {image.size[1]} pixels is too narrow to be scaled to "
            "the network's input; cut it to a usual shape"
        )
    resized = transforms.resize(
        _as_tensor(image),
        [rows, columns],
        interpolation=InterpolationMode(preprocessing.interpolation),
        antialias=True,
    )
    resized = (resized.to(torch.float32) / image.white).clamp_(0, 1)
    if preprocessing.polarity == "light-on-dark" and _has_bright_border(resized):
        resized = 1 - resized
    if preprocessing.num_channels == 1 and resized.shape[1] == 3:
        resized = transforms.rgb_to_grayscale(resized)
    resized = resized.expand(1, preprocessing.num_channels, -1, -1)

    height, width = preprocessing.size
    border = preprocessing.border
    colour = preprocessing.mean if border is None else (border,) * preprocessing.num_channels
    canvas = (
        torch.tensor(colour, dtype=torch.float32)[:, None, None]
        .expand(-1, height, width)[None]
        .clone()
    )
    top, left = (int(offset) for offset in where.offset_px)
    cut = resized[:, :, max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width]
    row, column = max(-top, 0), max(-left, 0)
    canvas[:, :, row : row + cut.shape[2], column : column + cut.shape[3]] = cut
    return canvas


def normalise(preprocessing: Preprocessing, pixels: Tensor) -> Tensor:
    """Return `(pixels - mean) / std`, (N, C, H, W), on the device of `pixels`."""
    mean = pixels.new_tensor(preprocessing.mean)[:, None, None]
    std = pixels.new_tensor(preprocessing.std)[:, None, None]
    return (pixels - mean) / std


def _resized(preprocessing: Preprocessing, original_size: tuple[int, int]) -> tuple[int, int]:
    height, width = original_size
    if preprocessing.fit == "stretch":
        enlarged = (preprocessing.resize_px or min(preprocessing.size)) / min(preprocessing.size)
        return round(preprocessing.size[0] * enlarged), round(preprocessing.size[1] * enlarged)
    if preprocessing.fit == "letterbox":
        ratio = min(preprocessing.size[0] / height, preprocessing.size[1] / width)
        return max(1, round(height * ratio)), max(1, round(width * ratio))
    short = preprocessing.resize_px
    if short is None:
        rows, columns = preprocessing.size
        if rows * width >= columns * height:
            return rows, rows * width // height
        return columns * height // width, columns
    if height <= width:
        return short, int(short * width / height)
    return int(short * height / width), short


def _as_tensor(image: Image) -> Tensor:
    """Return (1, 1 or 3, H, W), uint8 as it is, deeper pictures as float32."""
    pixels = image.pixels if image.pixels.dtype == "uint8" else image.pixels.astype("float32")
    channels_last = torch.tensor(pixels)
    if channels_last.ndim == 2:
        return channels_last[None, None]
    return channels_last.permute(2, 0, 1)[None]


def _has_bright_border(pixels: Tensor) -> bool:
    border = torch.cat(
        [pixels[..., 0, :], pixels[..., -1, :], pixels[..., :, 0], pixels[..., :, -1]], dim=-1
    )
    return bool(border.median() > 0.5)
