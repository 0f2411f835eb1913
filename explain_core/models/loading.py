"""From a name to a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch

from explain_core.errors import ModelError
from explain_core.models import (
    huggingface_models,
    open_clip_models,
    own_code,
    timm_models,
    torchvision_models,
    torchxrayvision_models,
)
from explain_core.models.bundled import BUNDLED_LOADERS
from explain_core.models.catalogue import Entry, read_catalogue, read_folder
from explain_core.models.device import pick_device
from explain_core.models.model import Model
from explain_core.models.probes import read_probe, with_probe

FOLDER_PREFIX = "file:"
_PROGRAMS = (".pt2", ".ep")

Loader = Callable[[str, Entry | None, str | None, torch.device | None], Model]

# What an architecture's name begins with, and what loads it: as name (shown to people), entry (the
# operator's; None takes what is published), layer (explained by default) and device.
LOADERS: Mapping[str, Loader] = MappingProxyType(
    {
        torchvision_models.PREFIX: torchvision_models.load_torchvision,
        timm_models.PREFIX: timm_models.load_timm,
        huggingface_models.PREFIX: huggingface_models.load_huggingface,
        torchxrayvision_models.PREFIX: torchxrayvision_models.load_torchxrayvision,
        open_clip_models.PREFIX: open_clip_models.load_open_clip,
    }
)


def available_models() -> dict[str, bool]:
    """Return the name of every model, and whether it loads without a download.

    The bundled models come first, then the operator's, then those of timm, transformers and
    open_clip whose weights lie in Hugging Face's cache, then torchvision's.
    """
    published = {
        name: torchvision_models.is_cached(name) for name in torchvision_models.torchvision_names()
    }
    published = dict.fromkeys(open_clip_models.cached_names(), True) | published
    published = dict.fromkeys(huggingface_models.cached_names(), True) | published
    published = dict.fromkeys(timm_models.cached_names(), True) | published
    catalogue = read_catalogue()

    def is_ready(entry: Entry) -> bool:
        encoder = None if entry.encoder is None else catalogue.get(entry.encoder)
        if encoder is not None:
            return _is_here(encoder) or published.get(encoder.architecture, False)
        if entry.encoder in BUNDLED_LOADERS:
            return True
        return _is_here(entry) or published.get(entry.architecture, False)

    own = {name: is_ready(entry) for name, entry in catalogue.items()}
    others = {name: there for name, there in published.items() if name not in own}
    return dict.fromkeys(BUNDLED_LOADERS, True) | own | others


def load_model(
    name: str, *, layer: str | None = None, device: str | torch.device | None = None
) -> Model:
    """Load a model by name.

    Args:
        name: a bundled one such as "digits", "torchvision/<architecture>", "timm/<name>",
            "hf/<repository>", a name in `models.toml`, or "file:<folder>" of a folder with
            `model.toml` and safetensors weights. A folder may name code to run: never take its
            path from a stranger.
        layer: the layer to explain by default; None takes the last stage.
        device: None takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: an unknown name, weights that are missing, broken or do not fit, an optional
            package that is not installed, or a layer that gives no maps.
    """
    where = pick_device() if device is None else torch.device(device)
    if name in BUNDLED_LOADERS:
        return BUNDLED_LOADERS[name](layer, where)
    if name.startswith(FOLDER_PREFIX):
        entry: Entry | None = _from_folder(Path(name.removeprefix(FOLDER_PREFIX)), name)
    else:
        entry = read_catalogue().get(name)
    if entry is not None and entry.probe is not None:
        return _load_probed(name, entry, entry.probe, layer, where)
    return _load(name, entry, layer, where)


def _load(name: str, entry: Entry | None, layer: str | None, where: torch.device) -> Model:
    architecture = name if entry is None else entry.architecture
    for prefix, load in LOADERS.items():
        if architecture.startswith(prefix):
            return load(name, entry, layer, where)
    if entry is not None and own_code.is_own_code(architecture):
        return own_code.load_own_code(name, entry, layer, where)
    if entry is not None:
        return torchvision_models.load_torchvision(name, entry, layer, where)
    raise ModelError(
        f"there is no model '{name}'; use 'digits', 'torchvision/resnet50', 'timm/resnet50' and "
        "the like, or a name that models.toml lists"
    )


def _load_probed(
    name: str, entry: Entry, file: Path, layer: str | None, where: torch.device
) -> Model:
    probe = read_probe(file)
    inside = read_catalogue().get(entry.encoder) if entry.encoder is not None else None
    if inside is not None and inside.probe is not None:
        raise ModelError(
            f"'{name}': its encoder '{entry.encoder}' has a probe itself; name the encoder alone"
        )

    def load_encoder(layer: str | None) -> Model:
        if entry.encoder is not None:
            return load_model(entry.encoder, layer=layer, device=where)
        return _load(name, replace(entry, probe=None, layer=None), layer, where)

    encoder = load_encoder(None)
    has_layer = probe.layer in [each.name for each in encoder.layers]
    if encoder.fingerprint == probe.fingerprint and not has_layer:
        encoder = load_encoder(probe.layer)  # one that is tapped only where it is asked for
    model = with_probe(encoder, probe, name)
    chosen = layer or entry.layer
    return model if chosen is None else replace(model, layer=model.layer_named(chosen).name)


def _is_here(entry: Entry) -> bool:
    return (
        entry.weights is not None
        or own_code.is_own_code(entry.architecture)
        or huggingface_models.is_at_hand(entry)
    )


def _from_folder(folder: Path, name: str) -> Entry:
    if folder.suffix in _PROGRAMS:
        raise ModelError(
            f"{folder.name}: programs of torch.export are refused, because torch.export.load falls "
            "back on unpickling, which runs code from the file; put the weights as safetensors "
            "into a folder with model.toml that names the architecture"
        )
    return read_folder(folder.expanduser(), name)
