"""Every classification model of torchvision, with its published weights or the operator's own."""

from __future__ import annotations

import re
import textwrap
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.heads import classifier, take_head_off_
from explain_core.models.model import Model, build_model
from explain_core.models.preprocessing import Preprocessing

PREFIX = "torchvision/"

# The published DenseNets still name their layers `norm.1`, which modules may no longer be called.
_OLD_DENSENET_NAME = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")
# Heads that only training uses; an operator's file has them or not.
_TRAINING_ONLY = ("aux1.", "aux2.", "AuxLogits.")

# What MoCo, MoCo v3 and BYOL call the copy that follows the encoder slowly.
_SLOW_COPIES = ("encoder_k", "momentum_encoder", "target_encoder")

_NOT_PLAIN = (
    "is no file of plain tensors; anything else is refused because it could run code; save the "
    "weights as safetensors or as a plain state_dict"
)


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
    has_head = entry is None or entry.output != "none"
    num_classes = _num_classes(architecture, state, preprocessing.size) if has_head else 0
    network = _network(architecture, num_classes or 1, preprocessing.size)
    loadable = _loadable(state)
    if not has_head:
        head = take_head_off_(network)
        loadable = _encoder_part(loadable, network, head, f"the weights for '{name}'", architecture)
    if architecture.startswith("mnasnet"):
        # MNASNet asks which version of itself wrote the file; safetensors cannot say.
        loadable._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]  # torch's own place
    try:
        network.load_state_dict(loadable, assign=True)
    except RuntimeError as error:
        details = [line.strip() for line in str(error).splitlines()[1:3]]
        summary = " ".join(textwrap.shorten(line, 150, placeholder=" …") for line in details)
        raise ModelError(
            f"the weights for '{name}' do not fit torchvision's {architecture}: {summary}; "
            "give weights of this architecture"
        ) from error

    categories = tuple(published.meta["categories"]) if has_head else ()
    if entry is not None and entry.classes is not None:
        categories = entry.classes
    elif num_classes != len(categories):
        categories = tuple(str(index) for index in range(num_classes))
    return build_model(
        network,
        name=name,
        classes=categories,
        preprocessing=preprocessing,
        layer=layer or (entry.layer if entry else None),
        output="softmax" if has_head else "none",
        device=device,
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return a state dict from safetensors, or from `torch.load` restricted to plain tensors.

    Raises:
        ModelError: not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ModelError(f"{path.name} {_NOT_PLAIN}") from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path.name} cannot be read as weights: {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ModelError(f"{path.name} is not a state_dict; save model.state_dict()")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


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
        raise ModelError(f"{file.name} {_NOT_PLAIN}") from error
    except (OSError, HTTPException, RuntimeError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise ModelError(
            f"the weights of torchvision/{architecture} are not on this machine and could not be "
            f"downloaded ({reason}). Put the file {file.name} into torch's cache "
            "($TORCH_HOME/hub/checkpoints, by default ~/.cache/torch/hub/checkpoints), or name a "
            f'local file in models.toml: ["torchvision/{architecture}"] weights = "FILE"'
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


def _encoder_part(
    state: Mapping[str, Tensor], network: nn.Module, head: str, whose: str, architecture: str
) -> OrderedDict[str, Tensor]:
    """Return the weights of an encoder out of a checkpoint that may hold more.

    Self-supervised training keeps the encoder under a prefix ("encoder_q.", "backbone."), beside
    projectors, queues and a slowly following copy. A prefix counts where everything below it is
    there; of an encoder and its copy the encoder is taken, of equals the first.

    Args:
        network: without its classifier.
        head: the name of the child that held the classifier.

    Raises:
        ModelError: no prefix has all that the encoder needs.
    """
    needed = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    prefixes = dict.fromkeys(
        name.removesuffix(needed[0])
        for name in state
        if name == needed[0] or name.endswith(f".{needed[0]}")
    )
    by_rank = sorted(["", *prefixes], key=lambda prefix: (bool(prefix), _is_copy(prefix)))
    missing = {
        prefix: [name for name in needed if prefix + name not in state] for prefix in by_rank
    }
    prefix = min(by_rank, key=lambda prefix: len(missing[prefix]))
    lacking = [prefix + name for name in missing[prefix]]
    if lacking:
        raise ModelError(
            f"{whose} do not fit torchvision's {architecture}: they lack {_some(lacking)}, and "
            f"hold {_some(list(state))}; give an encoder of this architecture under torchvision's "
            "names"
        )
    own = OrderedDict(
        (name.removeprefix(prefix), tensor)
        for name, tensor in state.items()
        if name.startswith(prefix)
    )
    parts = {child for child, _ in network.named_children()} - {head}
    known = {*network.state_dict()}
    surplus = [name for name in own if name.split(".")[0] in parts and name not in known]
    if surplus:
        raise ModelError(
            f"{whose} do not fit torchvision's {architecture}, which has no {_some(surplus)}; give "
            "weights of this architecture"
        )
    return OrderedDict((name, tensor) for name, tensor in own.items() if name in known)


def _is_copy(prefix: str) -> bool:
    return any(part in _SLOW_COPIES for part in prefix.split("."))


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + rest


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
    if preprocessing.resize_px is not None:
        return preprocessing
    # another size keeps the published share of the picture
    short_px = round(resize_px * min(preprocessing.size) / crop_px)
    return replace(preprocessing, resize_px=short_px)
