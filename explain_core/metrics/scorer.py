"""What metrics see of a model: the displayed picture, and probabilities of changed ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explain_core.maps import require_finite
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.model import Model
from explain_core.types import Array, Image, as_size

# Many small pictures at once leave a CPU's cache: 640 of 28 x 28 took 1.5 times as long as 32.
_MOST_AT_ONCE_ON_CPU = 32


@dataclass(frozen=True, eq=False)
class Scorer:
    """Hold a picture and the function that scores changed versions of it.

    Attributes:
        pixels: (C, H, W) in [0, 1], as displayed: the model's input before it is normalised.
        probabilities: from displayed pixels (N, C, H, W) to (N, num_classes) float64.
        num_at_once: how many pictures `probabilities` is best given at once.
    """

    pixels: Tensor
    probabilities: Callable[[Tensor], Array]
    num_at_once: int = 32

    @property
    def size(self) -> tuple[int, int]:
        """Return (H, W)."""
        return as_size(self.pixels.shape[1:])


def scorer_of(model: Model, image: Image) -> Scorer:
    """Return what scores changed versions of a picture, in batches that the device can hold.

    Raises:
        InputError: a model without a head.
    """
    model.require_head()
    pixels = model.to_pixels(image)[0]
    num_at_once = batch_size(model.device, as_size(pixels.shape[1:]))
    if model.device.type == "cpu":
        num_at_once = min(num_at_once, _MOST_AT_ONCE_ON_CPU)

    def probabilities(pictures: Tensor) -> Array:
        def run(size: int) -> Array:
            parts = [
                model.logits(model.normalise(part)).cpu().double().numpy()
                for part in torch.split(pictures, size)
            ]
            return np.concatenate(parts)

        logits = halve_on_out_of_memory(run, num_at_once)
        require_finite(logits, f"the output of '{model.name}' for a changed picture")
        return model.probabilities(logits)

    return Scorer(pixels, probabilities, num_at_once)
