"""Networks with random weights, and the files that tests of loading find them in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

import explain_core as xc
from explain_core.images.reading import image_from_pixels

PHOTO = image_from_pixels(np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8))


def random_network(architecture: str, **options: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.get_model(architecture, weights=None, **options)
        for module in network.modules():  # buffers, too, differ from those of a new network
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.1, 0.1)
    return network.eval()


def published_file(architecture: str) -> str:
    return Path(torchvision.models.get_model_weights(architecture).DEFAULT.url).name


def put_into_cache(folder: Path, architecture: str, state: dict[str, Tensor]) -> Path:
    path = folder / "torch" / "hub" / "checkpoints" / published_file(architecture)
    path.parent.mkdir(parents=True)
    torch.save(state, path)
    return path


def list_model(folder: Path, name: str, /, **values: object) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    with (folder / "models.toml").open("a", encoding="utf-8") as file:
        file.write("\n".join([f'["{name}"]', *lines, ""]))


def assert_same_logits(model: xc.Model, network: nn.Module) -> None:
    x = model.preprocess(PHOTO)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), network(x), rtol=1e-4, atol=1e-4)


class Hostile:
    """Leave a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)
