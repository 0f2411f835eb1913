"""From a name to a model."""

from __future__ import annotations

import torch

from explain_core.errors import ModelError
from explain_core.models.bundled import load_digits
from explain_core.models.catalogue import read_catalogue
from explain_core.models.device import pick_device
from explain_core.models.model import Model
from explain_core.models.torchvision_models import (
    PREFIX,
    is_cached,
    load_torchvision,
    torchvision_names,
)


def available_models() -> dict[str, bool]:
    """Return the name of every model, and whether it loads without a download.

    The bundled models come first, then the operator's, then torchvision's.
    """
    published = {name: is_cached(name) for name in torchvision_names()}
    own = {
        name: entry.weights is not None or published.get(entry.architecture, False)
        for name, entry in read_catalogue().items()
    }
    others = {name: there for name, there in published.items() if name not in own}
    return {"digits": True} | own | others


def load_model(
    name: str, *, layer: str | None = None, device: str | torch.device | None = None
) -> Model:
    """Load a model by name: "digits", "torchvision/<architecture>", or a name in `models.toml`.

    Args:
        layer: the layer to explain by default; None takes the last stage.
        device: None takes CUDA, then MPS, then the CPU.

    Raises:
        ModelError: an unknown name, weights that are missing, broken or do not fit, or a layer
            that gives no maps.
    """
    where = pick_device() if device is None else torch.device(device)
    if name == "digits":
        return load_digits(layer, where)
    entry = read_catalogue().get(name)
    if entry is not None or name.startswith(PREFIX):
        return load_torchvision(name, entry, layer, where)
    raise ModelError(
        f"there is no model '{name}'; use 'digits', 'torchvision/resnet50' and the like, or a "
        "name that models.toml lists"
    )
