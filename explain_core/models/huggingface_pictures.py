"""What a Hugging Face image processor does to a picture, in terms of `Preprocessing`.

Processors differ in more than their settings: one crops by a share of its own, another scales
twice. So mean and deviation are measured, and the geometry is that of a few known ones which gives
what the processor itself gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models import preprocessing as prep
from explain_core.models.hub import first_line
from explain_core.models.preprocessing import Preprocessing
from explain_core.types import Array

_INTERPOLATIONS = {2: "bilinear", 3: "bicubic"}  # by PIL's numbers
_PROBE_SIZE = (300, 420)
_EVEN_SIZE = (320, 320)
_TOLERANCE = 0.01  # of pixels in [0, 1]: processors round in their own ways
_LEVIT_SHARE = 224 / 256


def published_preprocessing(
    transformers: Any, folder: Path, num_channels: int, whose: str
) -> dict[str, Any]:
    """Return the arguments of `Preprocessing` that do what a folder's image processor does.

    Args:
        folder: with preprocessor_config.json.
        num_channels: of the pictures that the network takes, 1 or 3.
        whose: the model's name.

    Raises:
        ModelError: no image processor in the folder, or one that does something else.
    """
    processor = _processor(transformers, folder, whose)
    kind = type(processor).__name__
    if num_channels not in (1, 3):
        raise _not_expressed(whose, kind, f"prepares pictures of {num_channels} channels")
    resample = int(getattr(processor, "resample", None) or 0)
    if resample not in _INTERPOLATIONS:
        raise _not_expressed(whose, kind, f"resamples by PIL's method {resample}")
    black, white = (
        _processed(processor, np.full((*_EVEN_SIZE, num_channels), level, np.uint8), whose)
        for level in (0, 255)
    )
    if black.shape != (1, num_channels, *black.shape[2:]):
        raise _not_expressed(whose, kind, f"gives {tuple(black.shape)} for one picture")
    offset, full = (  # in the middle, which no border reaches
        each[0, :, each.shape[2] // 2, each.shape[3] // 2] for each in (black, white)
    )
    gain = full - offset
    if gain.min() <= 0:
        raise _not_expressed(whose, kind, "does not keep bright pixels bright")
    common: dict[str, Any] = {
        "size": (int(black.shape[2]), int(black.shape[3])),
        "mean": tuple(round(float(value), 6) for value in -offset / gain),
        "std": tuple(round(float(value), 6) for value in 1 / gain),
        "interpolation": _INTERPOLATIONS[resample],
    }
    probe = _probe(num_channels)
    expected = _processed(processor, probe, whose)
    if expected.shape != black.shape:
        raise _not_expressed(whose, kind, "gives inputs of a size that depends on the picture")

    def gap(geometry: dict[str, Any]) -> float:
        ours = Preprocessing(**common, **geometry)
        pixels = prep.to_pixels(ours, image_from_pixels(_squeezed(probe)))
        difference = (prep.normalise(ours, pixels) - expected) / gain[:, None, None]
        return float(difference.abs().mean())

    gaps = [(gap(geometry), index) for index, geometry in enumerate(_geometries(processor))]
    smallest, index = min(gaps)
    if smallest > _TOLERANCE:
        raise _not_expressed(whose, kind, "does more than resize, crop and normalise")
    return common | list(_geometries(processor))[index]


def _geometries(processor: Any) -> Iterator[dict[str, Any]]:
    """Give what processors are known to do, as arguments of `Preprocessing`."""
    yield {"fit": "stretch"}
    size = dict(getattr(processor, "size", None) or {})
    given = [size[key] for key in ("shortest_edge", "height", "width") if size.get(key)]
    if not given:
        return
    side = min(given)
    cut: dict[str, Any] = {"halves": "truncate"}
    yield {"fit": "stretch", "resize_px": side, **cut}  # DeiT's, before the centre is cut out
    share = getattr(processor, "crop_pct", None) or 1.0
    for short in dict.fromkeys((side, int(side / share), int(side / _LEVIT_SHARE))):
        yield {"fit": "crop", "resize_px": short, "border": 0.0, **cut}


def _processor(transformers: Any, folder: Path, whose: str) -> Any:
    try:
        return transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise ModelError(
            f"{whose} comes without an image processor that can be used ({first_line(error)}); add "
            "its preprocessor_config.json, or write size, mean, std and fit in models.toml"
        ) from error


def _processed(processor: Any, pixels: Array, whose: str) -> Tensor:
    """Return what the processor makes of (H, W, C) uint8."""
    try:
        output = processor(
            pixels.transpose(2, 0, 1), input_data_format="channels_first", return_tensors="pt"
        )
        return torch.as_tensor(output["pixel_values"]).float()
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        kind = type(processor).__name__
        raise _not_expressed(whose, kind, f"fails on a picture: {first_line(error)}") from error


def _probe(num_channels: int) -> Array:
    """Return (H, W, C) uint8, smooth, with another pattern in each channel."""
    rows, columns = (np.linspace(0, 2 * np.pi, side) for side in _PROBE_SIZE)
    waves = (np.sin(rows[:, None] + shift) * np.cos(columns / 2 + shift) for shift in (0, 1, 2))
    patterns = np.stack([127.5 + 120 * wave for wave in waves], axis=-1)
    return patterns[..., :num_channels].round().astype(np.uint8)


def _squeezed(pixels: Array) -> Array:
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _not_expressed(whose: str, kind: str, what: str) -> ModelError:
    return ModelError(
        f"the preprocessing of {whose} cannot be expressed here: its {kind} {what}; write size, "
        "mean, std and fit in models.toml, as close to it as they come"
    )
