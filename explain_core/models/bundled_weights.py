"""Weights that come with the project, put into a network of the project's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import safetensors
import torch
from torch import nn

from explain_core.errors import ModelError

Network = TypeVar("Network", bound=nn.Module)


def load_bundled(
    make: Callable[[dict[str, str]], Network], weights: Path, family: str
) -> tuple[Network, dict[str, str]]:
    """Return a network with `weights` (a safetensors file), and what the file says of itself.

    The network is in eval mode and without gradients.

    Args:
        make: from the file's metadata to the network, whose initial weights do not count.
        family: whose generator trains it, a module of `explain_core.datasets`.

    Raises:
        ModelError: the file is missing, cannot be read or does not fit the network.
    """
    command = f"`python -m explain_core.datasets.{family} train`"
    try:
        with safetensors.safe_open(weights, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        with torch.device("meta"):  # no initial weights, which would draw from the global generator
            network = make(metadata)
        network.load_state_dict(tensors, assign=True)
    except FileNotFoundError as error:
        raise ModelError(f"weights '{weights}' are missing; make them with {command}") from error
    except (safetensors.SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise ModelError(
            f"weights '{weights}' do not fit the {family} network ({error}); "
            f"make them again with {command}"
        ) from error
    return network.eval().requires_grad_(False), metadata
