"""Where networks run, and how many pictures fit into one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")

_PIXELS_PER_BATCH = {"cuda": 64 * 224 * 224, "mps": 16 * 224 * 224, "cpu": 10 * 224 * 224}


def pick_device() -> torch.device:
    """Return CUDA where there is one, then MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def batch_size(device: torch.device, input_size: tuple[int, int]) -> int:
    """Return how many pictures of `input_size` (H, W) go through the network at once."""
    pixels = input_size[0] * input_size[1]
    return max(1, _PIXELS_PER_BATCH.get(device.type, _PIXELS_PER_BATCH["cpu"]) // pixels)


def halve_on_out_of_memory(run: Callable[[int], Result], size: int) -> Result:
    """Return `run(size)`, with the size halved as often as memory runs out.

    `run` must give the same result for every size, and start afresh when called again.
    """
    while True:
        try:
            return run(size)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
        torch.cuda.empty_cache()
        size //= 2
