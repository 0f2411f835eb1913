"""Every classification model of torchvision, with its published weights or the operator's own."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.heads import classifier, take_head_off_
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.weights import (
    NOT_PLAIN,
    class_names,
    does_not_fit,
    download_failed,
    encoder_part,
    read_weights,
)

PREFIX = "torchvision/"

# The published DenseNets still name their layers `norm.1`, which modules may no longer be called.
_OLD_DENSENET_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
# Heads that only training uses; an operator's file has them or not.
_TRAINING_ONLY = ("aux1.", "aux2.", "AuxLogits.")


def torchvision_names() -> tuple[str, ...]:
    """Return "torchvision/<architecture>" for every classification model."""
    return tuple(
        PREFIX + name for name in torchvision.models.list_models(module=torchvision.models)
    )


def is_cached(name: str) -> bool:
    """Return whether the published weights lie in torch's cache."""
    weights = _published(name.removeprefix(PREFIX))
    return _cache_file(weights).is_file()


def load_torchvision(
    name: str,
    entry: Entry | None = None,
    layer: str | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load `torchvision/<architecture>`.

    Args:
        name: under which the model is shown.
        entry: the operator's weights, classes and preprocessing; None takes what is published.
        layer: explained by default.

    Raises:
        ModelError: unknown architecture; weights that are neither at hand nor to be had, or that
            do not fit the architecture.
    """
    architecture = (entry.architecture if entry else name).removeprefix(PREFIX)
    if PREFIX + architecture not in torchvision_names():
        raise ModelError(
            f"torchvision has no classification model '{architecture}'; see the list with "
            "python -m explain_core models"
        )
    published = _published(architecture)
    preprocessing = _preprocessing(published, entry)
    if entry is not None and entry.weights is not None:
        state = read_weights(entry.weights)
    else:
        state = _published_state(published, architecture)
    output = (entry.output if entry else None) or "softmax"
    has_head = output != "none"
    num_classes = _num_classes(architecture, state, preprocessing.size) if has_head else 0
    network = _network(architecture, num_classes or 1, preprocessing.size)
    loadable = _loadable(state)
    if not has_head:
        head = take_head_off_(network)
        loadable = encoder_part(
            loadable, network, (head,), f"the weights for '{name}'", f"torchvision's {architecture}"
        )
    if architecture.startswith("mnasnet"):
        # MNASNet asks which version of itself wrote the file; safetensors cannot say.
        loadable._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]  # torch's own place
    try:
        network.load_state_dict(loadable, assign=True)
    except RuntimeError as error:
        raise does_not_fit(name, f"torchvision's {architecture}", error) from error

    return build_model(
        network,
        name=name,
        classes=class_names(entry, output, num_classes, published.meta["categories"]),
        preprocessing=preprocessing,
        layer=layer or (entry.layer if entry else None),
        output=output,
        device=device,
    )


def _published(architecture: str) -> Any:
    try:
        return torchvision.models.get_model_weights(architecture).DEFAULT
    except ValueError as error:
        raise ModelError(f"torchvision has no classification model '{architecture}'") from error


def _cache_file(weights: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name


def _published_state(weights: Any, architecture: str) -> dict[str, Tensor]:
    file = _cache_file(weights)
    try:
        if file.is_file():
            return read_weights(file)
    except ModelError as error:
        raise ModelError(
            f"{error}; delete it from torch's cache {file.parent}, so that it is fetched again"
        ) from error
    try:
        state: dict[str, Tensor] = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
        return state
    except UnpicklingError as error:
        raise ModelError(f"{file.name} {NOT_PLAIN}") from error
    except (OSError, HTTPException, RuntimeError) as error:  # URLError is an OSError
        raise download_failed(
            f"torchvision/{architecture}",
            error,
            f"Put the file {file.name} into torch's cache ($TORCH_HOME/hub/checkpoints, by default "
            "~/.cache/torch/hub/checkpoints), or name a local file in models.toml: "
            f'["torchvision/{architecture}"] weights = "FILE"',
        ) from error


def _network(architecture: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    """Return the architecture without weights: drawing some takes time and global randomness."""
    extra: dict[str, Any] = {}
    if architecture in ("googlenet", "inception_v3"):
        # the published weights expect TensorFlow's input scaling, which the network then applies
        extra = {"init_weights": False, "aux_logits": False, "transform_input": True}
    if architecture.startswith("vit_"):
        extra = {"image_size": size[0]}
    if architecture.startswith("maxvit_"):
        extra = {"input_size": size}
    # a RegNet works its widths out with tensors, which need real numbers
    device = "cpu" if architecture.startswith("regnet_") else "meta"
    try:
        with torch.device(device):
            network: nn.Module = torchvision.models.get_model(
                architecture, weights=None, num_classes=num_classes, **extra
            )
    except (AssertionError, ValueError) as error:
        raise ModelError(
            f"torchvision's {architecture} cannot take inputs of {size[0]} x {size[1]} ({error}); "
            "set the size that it was trained with"
        ) from error
    return network


def _num_classes(architecture: str, state: dict[str, Tensor], size: tuple[int, int]) -> int:
    head = classifier(_network(architecture, 2, size))
    if head is None or f"{head[0]}.weight" not in state:
        raise ModelError(
            f"the weights do not fit torchvision's {architecture}: they lack "
            f"'{head[0] if head else 'a classifier'}.weight'; give weights of this architecture"
        )
    return int(state[f"{head[0]}.weight"].shape[0])


def _loadable(state: Mapping[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Return the weights in float32, under the names that `load_state_dict` expects today."""
    return OrderedDict(
        (
            _OLD_DENSENET_NAME.sub(r"\1\2", name),
            tensor.float() if tensor.is_floating_point() else tensor,
        )
        for name, tensor in state.items()
        if not name.startswith(_TRAINING_ONLY)
    )


def _preprocessing(weights: Any, entry: Entry | None) -> Preprocessing:
    preset = weights.transforms()
    given = entry.preprocessing if entry else {}
    crop_px, resize_px = preset.crop_size[0], preset.resize_size[0]
    values: dict[str, Any] = {
        "size": (crop_px, crop_px),
        "mean": tuple(preset.mean),
        "std": tuple(preset.std),
        "interpolation": preset.interpolation.value,
    }
    try:
        preprocessing = Preprocessing(**(values | given))
    except InputError as error:
        raise ModelError(f"models.toml, '{entry and entry.name}': {error}") from error
    if preprocessing.resize_px is not None or preprocessing.fit != "crop":
        return preprocessing
    # another size keeps the published share of the picture
    short_px = round(resize_px * min(preprocessing.size) / crop_px)
    return replace(preprocessing, resize_px=short_px)
