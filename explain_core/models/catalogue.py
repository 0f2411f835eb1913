"""`models.toml`: the file in which the operator lists models and local weights.

    ["torchvision/resnet50"]                 # local weights for a name that exists
    weights = "weights/resnet50.safetensors"

    [birds]                                  # a new name
    architecture = "torchvision/mobilenet_v2"
    weights = "weights/birds.safetensors"    # .safetensors, or .pth of plain tensors
    classes = "weights/birds.txt"            # one name per line, or a JSON list
    size = 224
    resize_px = 256
    mean = [0.5, 0.5, 0.5]
    std = [0.5, 0.5, 0.5]
    fit = "crop"                             # or letterbox, stretch
    layer = "features.16"

Relative paths start at the file's folder. Only the operator names files: visitors cannot.
"""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain_core.errors import ModelError

CATALOGUE_VARIABLE = "WHYNOT_MODELS"
_KEYS = {
    "architecture",
    "weights",
    "classes",
    "size",
    "resize_px",
    "mean",
    "std",
    "fit",
    "interpolation",
    "layer",
}


@dataclass(frozen=True)
class Entry:
    """Hold what the operator says about one model; None leaves the architecture's own value."""

    name: str
    architecture: str
    weights: Path | None
    classes: tuple[str, ...] | None
    preprocessing: dict[str, Any]
    layer: str | None


def read_catalogue(path: Path | None = None) -> dict[str, Entry]:
    """Return the operator's models by name; none where the file does not exist.

    Args:
        path: None takes the environment's `WHYNOT_MODELS`, else `models.toml` where we run.

    Raises:
        ModelError: the file is not TOML, or an entry has unknown keys or lacks what it needs.
    """
    path = path or Path(os.environ.get(CATALOGUE_VARIABLE, "models.toml"))
    if not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} is not valid TOML: {error}") from error
    return {name: _entry(name, table, path) for name, table in tables.items()}


def _entry(name: str, table: object, path: Path) -> Entry:
    if not isinstance(table, dict):
        raise ModelError(f'{path.name}: \'{name}\' must be a table: ["{name}"] and its lines')
    unknown = sorted(table.keys() - _KEYS)
    if unknown:
        raise ModelError(f"{path.name}, '{name}': unknown keys {unknown}; known: {sorted(_KEYS)}")
    preprocessing = {
        key: tuple(table[key]) if isinstance(table[key], list) else table[key]
        for key in ("size", "resize_px", "mean", "std", "fit", "interpolation")
        if key in table
    }
    if isinstance(preprocessing.get("size"), int):
        preprocessing["size"] = (preprocessing["size"], preprocessing["size"])
    weights = path.parent / table["weights"] if "weights" in table else None
    if weights is not None and not weights.is_file():
        raise ModelError(f"{path.name}, '{name}': the weights file {table['weights']} is missing")
    return Entry(
        name=name,
        architecture=table.get("architecture", name),
        weights=weights,
        classes=_classes(table.get("classes"), name, path),
        preprocessing=preprocessing,
        layer=table.get("layer"),
    )


def _classes(given: object, name: str, path: Path) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        file = path.parent / given
        if not file.is_file():
            raise ModelError(f"{path.name}, '{name}': the class file {given} is missing")
        text = file.read_text(encoding="utf-8")
        given = json.loads(text) if file.suffix == ".json" else text.splitlines()
    if isinstance(given, dict):  # ImageNet's usual index: {"0": "tench", ...}
        given = [given[key] for key in sorted(given, key=int)]
    if not isinstance(given, list) or not given:
        raise ModelError(f"{path.name}, '{name}': classes must be a list of names or a file")
    return tuple(str(label) for label in given)
