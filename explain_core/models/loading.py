"""From a name to a model."""

from __future__ import annotations

from pathlib import Path

import torch

from explain_core.errors import ModelError
from explain_core.models import own_code, timm_models, torchvision_models
from explain_core.models.bundled import load_digits
from explain_core.models.catalogue import Entry, read_catalogue, read_folder
from explain_core.models.device import pick_device
from explain_core.models.model import Model

FOLDER_PREFIX = "file:"
_PROGRAMS = (".pt2", ".ep")


def available_models() -> dict[str, bool]:
    """Return the name of every model, and whether it loads without a download.

    The bundled models come first, then the operator's, then timm's whose weights lie in Hugging
    Face's cache, then torchvision's.
    """
    published = {
        name: torchvision_models.is_cached(name) for name in torchvision_models.torchvision_names()
    }
    published = dict.fromkeys(timm_models.cached_names(), True) | published
    own = {
        name: _is_here(entry) or published.get(entry.architecture, False)
        for name, entry in read_catalogue().items()
    }
    others = {name: there for name, there in published.items() if name not in own}
    return {"digits": True} | own | others


def load_model(
    name: str, *, layer: str | None = None, device: str | torch.device | None = None
) -> Model:
    """Load a model by name.

    Args:
        name: "digits", "torchvision/<architecture>", "timm/<name>", a name in `models.toml`, or
            "file:<folder>" of a folder with `model.toml` and safetensors weights. A folder may
            name code to run: never take its path from a stranger.
        layer: the layer to explain by default; None takes the last stage.
        device: None takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: an unknown name, weights that are missing, broken or do not fit, an optional
            package that is not installed, or a layer that gives no maps.
    """
    where = pick_device() if device is None else torch.device(device)
    if name == "digits":
        return load_digits(layer, where)
    if name.startswith(FOLDER_PREFIX):
        entry: Entry | None = _from_folder(Path(name.removeprefix(FOLDER_PREFIX)), name)
    else:
        entry = read_catalogue().get(name)
    architecture = name if entry is None else entry.architecture
    if architecture.startswith(timm_models.PREFIX):
        return timm_models.load_timm(name, entry, layer, where)
    if entry is not None and own_code.is_own_code(architecture):
        return own_code.load_own_code(name, entry, layer, where)
    if entry is not None or name.startswith(torchvision_models.PREFIX):
        return torchvision_models.load_torchvision(name, entry, layer, where)
    raise ModelError(
        f"there is no model '{name}'; use 'digits', 'torchvision/resnet50', 'timm/resnet50' and "
        "the like, or a name that models.toml lists"
    )


def _is_here(entry: Entry) -> bool:
    return entry.weights is not None or own_code.is_own_code(entry.architecture)


def _from_folder(folder: Path, name: str) -> Entry:
    if folder.suffix in _PROGRAMS:
        raise ModelError(
            f"{folder.name}: programs of torch.export are refused, because torch.export.load falls "
            "back on unpickling, which runs code from the file; put the weights as safetensors "
            "into a folder with model.toml that names the architecture"
        )
    return read_folder(folder.expanduser(), name)
