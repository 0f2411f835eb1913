"""Every image model of timm: classifiers, and encoders such as DINO's, DINOv2's and MoCo v3's.

timm is optional and imported where it is used: it takes seconds.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.hub import cached_snapshots, first_line, require_hub, where_to_put
from explain_core.models.model import Model, OutputKind, build_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.weights import (
    NOT_PLAIN,
    class_names,
    does_not_fit,
    download_failed,
    encoder_part,
    read_weights,
)

PREFIX = "timm/"

_FILES = ("model.safetensors", "pytorch_model.bin")
_KINDS = ("*.safetensors", "*.bin")
_FITS = {"center": "crop", "squash": "stretch", "border": "letterbox"}


def cached_names() -> tuple[str, ...]:
    """Return "timm/<name>" for the published weights that lie in Hugging Face's cache.

    Nothing where timm is not installed. timm itself is not imported.
    """
    if importlib.util.find_spec("timm") is None:
        return ()
    return tuple(
        repository  # timm's own, which begin as its names do here
        for repository, snapshots in cached_snapshots("timm").items()
        if any(any(snapshot.glob(file)) for snapshot in snapshots for file in _KINDS)
    )


def load_timm(
    name: str,
    entry: Entry | None = None,
    layer: str | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load `timm/<name>`, or the same without its classifier where the entry's output is "none".

    A network that is published without a classifier is an encoder by itself. Preprocessing is what
    timm resolves for the network; classes are ImageNet's where their number is.

    Args:
        name: under which the model is shown.
        entry: the operator's weights, classes and preprocessing; None takes what is published.
        layer: explained by default.

    Raises:
        ModelError: timm is not installed; an unknown name; weights that are neither at hand nor to
            be had, or that do not fit.
    """
    timm = _timm()
    architecture = (entry.architecture if entry else name).removeprefix(PREFIX)
    config = _published_config(timm, architecture)
    output: OutputKind = (entry.output if entry else None) or (
        "softmax" if config.num_classes or (entry and entry.weights) else "none"
    )
    given = dict(entry.preprocessing) if entry else {}
    options: dict[str, Any] = {}
    if output == "none":
        options["num_classes"] = 0
    if "mean" in given and len(given["mean"]) != config.input_size[0]:
        options["in_chans"] = len(given["mean"])
    if "size" in given and config.fixed_input_size:
        options["img_size"] = given["size"]
    if entry is not None and entry.weights is not None:
        network = _with_weights(timm, architecture, entry.weights, options, name)
    else:
        network = _with_published_weights(timm, architecture, options)
    try:
        preprocessing = _preprocessing(timm, network, given)
    except InputError as error:
        raise ModelError(f"models.toml, '{entry and entry.name}': {error}") from error
    num_classes = cast(int, network.num_classes)
    return build_model(
        network,
        name=name,
        classes=class_names(entry, output, num_classes, _imagenet_names(timm, num_classes)),
        preprocessing=preprocessing,
        layer=layer or (entry.layer if entry else None),
        output=output,
        device=device,
    )


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise ModelError(
            "models from timm need the package timm, which is not installed; install it with "
            'pip install "timm>=1.0"'
        ) from error
    return timm


def _published_config(timm: Any, architecture: str) -> Any:
    """Return what timm publishes about a name, "resnet18" or "resnet18.a1_in1k"."""
    config = None
    with suppress(RuntimeError):  # a tag that is not known
        config = timm.get_pretrained_cfg(architecture)
    if config is None:
        raise ModelError(
            f"timm has no model '{architecture}'; see the list with "
            'python -c "import timm; print(*timm.list_models(pretrained=True))"'
        )
    return config


def _create(timm: Any, architecture: str, options: Mapping[str, Any]) -> nn.Module:
    """Return the network, leaving the global generator, which timm draws from, as it was."""
    try:
        with torch.random.fork_rng(devices=[]):
            network: nn.Module = timm.create_model(architecture, **options)
    except (TypeError, AssertionError, ValueError) as error:
        sizes = {key: options[key] for key in ("img_size", "in_chans") if key in options}
        raise ModelError(
            f"timm's {architecture} cannot be made with {sizes or 'these options'} ({error}); "
            "leave out the size and the mean that models.toml names, or choose another network"
        ) from error
    return network


def _with_weights(
    timm: Any, architecture: str, path: Path, options: Mapping[str, Any], name: str
) -> nn.Module:
    """Return the network with the operator's weights, brought into timm's form by timm itself."""
    state = {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in read_weights(path).items()
    }
    config = _published_config(timm, architecture)
    heads = _head_names(config)
    num_classes = options.get("num_classes", _num_outputs(state, heads))
    if num_classes is None:
        raise ModelError(
            f"the weights for '{name}' do not fit timm's {architecture}: they lack "
            f"'{heads[0]}.weight'; give weights of this architecture, or output = \"none\""
        )
    if num_classes == 0:
        state = _encoder(timm, architecture, options, state, heads, name)
    try:
        return _create(
            timm,
            architecture,
            {
                **options,
                "num_classes": num_classes,
                "pretrained": True,
                # timm's own way of passing weights by; as many classes, so that it keeps all
                "pretrained_cfg_overlay": {
                    "state_dict": state,
                    "num_classes": num_classes,
                    "label_offset": 0,
                    "custom_load": False,
                },
            },
        )
    except (RuntimeError, KeyError) as error:
        raise does_not_fit(name, f"timm's {architecture}", RuntimeError(str(error))) from error


def _encoder(
    timm: Any,
    architecture: str,
    options: Mapping[str, Any],
    state: dict[str, Tensor],
    heads: tuple[str, ...],
    name: str,
) -> dict[str, Tensor]:
    """Return an encoder's weights out of a checkpoint that may hold more.

    A checkpoint in its authors' names, which timm translates, is passed on as it is.
    """
    network = _create(timm, architecture, {**options, "num_classes": 0})
    whose, words = f"the weights for '{name}'", f"timm's {architecture}"
    children = [head.split(".")[0] for head in heads]
    try:
        return dict(encoder_part(state, network, children, whose, words))
    except ModelError:
        return {
            key: tensor
            for key, tensor in state.items()
            if not any(key.startswith(f"{head}.") for head in heads)
        }


def _with_published_weights(timm: Any, architecture: str, options: Mapping[str, Any]) -> nn.Module:
    whose = PREFIX + architecture
    config = _published_config(timm, architecture)
    wanted = {**options, "pretrained": True}
    cached = _cached_file(config)
    if cached is not None and not config.custom_load:
        # without asking the hub whether there is a newer one, for which it is asked again and again
        wanted["pretrained_cfg_overlay"] = {"state_dict": read_weights(cached)}
    try:
        if cached is None and config.hf_hub_id:
            require_hub()
        return _create(timm, architecture, wanted)
    except UnpicklingError as error:
        raise ModelError(f"the published file of {whose} {NOT_PLAIN}") from error
    except (OSError, RuntimeError) as error:
        where = (
            where_to_put(config.hf_hub_id)
            if config.hf_hub_id
            else f"timm publishes no weights for it under {config.url or 'any address'}"
        )
        raise download_failed(
            whose,
            first_line(error),
            f'{where}, or name a local file in models.toml: ["{whose}"] weights = "FILE"',
        ) from error


def _cached_file(config: Any) -> Path | None:
    """Return where Hugging Face's cache holds a network's weights, None where it does not."""
    import huggingface_hub

    if not config.hf_hub_id:
        return None
    repository, _, revision = config.hf_hub_id.partition("@")
    names = (config.hf_hub_filename,) if config.hf_hub_filename else _FILES
    for name in names:
        found = huggingface_hub.try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def _head_names(config: Any) -> tuple[str, ...]:
    named = config.classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


def _num_outputs(state: Mapping[str, Tensor], heads: tuple[str, ...]) -> int | None:
    for head in heads:
        if f"{head}.weight" in state:
            return int(state[f"{head}.weight"].shape[0])
    return None


def _preprocessing(timm: Any, network: nn.Module, given: Mapping[str, Any]) -> Preprocessing:
    """Return timm's evaluation transform for the network, and what the operator says instead."""
    config = timm.data.resolve_model_data_config(network)
    _, height, width = config["input_size"]
    values: dict[str, Any] = {
        "size": (height, width),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "fit": _FITS[config["crop_mode"]],
        "interpolation": "bicubic" if config["interpolation"] == "bicubic" else "bilinear",
    } | dict(given)
    if values["fit"] == "crop" and "resize_px" not in values:
        short_px = min(values["size"])
        values["resize_px"] = math.floor(short_px / config["crop_pct"])
    return Preprocessing(**values)


def _imagenet_names(timm: Any, num_classes: int) -> tuple[str, ...]:
    subset = timm.data.infer_imagenet_subset({"num_classes": num_classes})
    if subset is None:
        return ()
    info = timm.data.ImageNetInfo(subset)
    lemmas = [info.index_to_description(index, detailed=False) for index in range(num_classes)]
    return tuple(lemma.split(",")[0].strip() for lemma in lemmas)
