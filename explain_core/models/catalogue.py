"""`models.toml`: the file in which the operator lists models and local weights.

    ["torchvision/resnet50"]                 # local weights for a name that exists
    weights = "weights/resnet50.safetensors"

    [birds]                                  # a new name
    architecture = "torchvision/mobilenet_v2"
    weights = "weights/birds.safetensors"    # .safetensors, or .pth of plain tensors
    classes = "weights/birds.txt"            # one name per line; .json; or the names themselves
    size = 224                               # or [height, width]
    resize_px = 256                          # the shorter side before the crop
    mean = [0.5, 0.5, 0.5]
    std = [0.5, 0.5, 0.5]
    fit = "crop"                             # or letterbox, stretch
    interpolation = "bilinear"               # or bicubic
    layer = "features.16"                    # explained by default
    output = "sigmoid"                       # labels, of which several may be present; see Model

    [moco]                                   # self-supervised: features without classes
    architecture = "torchvision/resnet50"    # its classifier is taken off
    weights = "weights/moco.pth"             # the encoder, alone or inside a larger checkpoint
    output = "none"

    [lungs]                                  # timm instead of torchvision
    architecture = "timm/resnet18"
    weights = "weights/lungs.safetensors"
    output = "sigmoid"

    [birds-by-name]                          # pictures against texts
    architecture = "open_clip/ViT-B-32"
    weights = "weights/clip.safetensors"
    classes = ["wren", "robin"]              # may be left out: then visitors type texts
    prompt = "a photo of a {}, a bird"       # what a class is put into

    [skin]                                   # a model of Hugging Face's transformers: a repository,
    architecture = "hf/models/skin"          # or a folder that save_pretrained wrote

    [ours]                                   # a folder with model.toml and safetensors weights
    folder = "models/ours"

    [moco-birds]                             # a linear probe on a model that goes by another name
    encoder = "moco"
    probe = "weights/moco-birds.safetensors" # see the command 'probe'; also beside an architecture

In a folder's `model.toml` the same keys stand at the top level; `weights` may be left out where
the folder holds one safetensors file. The architecture may also be "package.module:function", the
operator's own code: a function without arguments that returns the module. Whoever may write
these files decides which code runs.

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
from explain_core.models.bundled import BUNDLED_LOADERS
from explain_core.models.model import OUTPUT_KINDS, OutputKind

CATALOGUE_VARIABLE = "WHYNOT_MODELS"
FOLDER_FILE = "model.toml"
_WITH_TEXTS = "open_clip/"
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
    "output",
    "prompt",
    "probe",
}
_PROBED_KEYS = {"encoder", "probe", "layer"}
_TEXTS = ("architecture", "weights", "layer", "output", "prompt", "probe")


@dataclass(frozen=True)
class Entry:
    """Hold what the operator says about one model; None leaves the architecture's own value.

    Attributes:
        output: what the logits mean, see `Model`; "none" takes the classifier off, and None leaves
            the architecture's own kind.
        prompt: the text that a class is put into for "{}", for networks that compare with texts.
        folder: of the file that says it, where relative names start.
        probe: the file of a linear probe, whose classes the model then has.
        encoder: name of another model that the probe is for, instead of an architecture; the same.
    """

    name: str
    architecture: str
    weights: Path | None
    classes: tuple[str, ...] | None
    preprocessing: dict[str, Any]
    layer: str | None
    output: OutputKind | None = None
    prompt: str | None = None
    folder: Path | None = None
    probe: Path | None = None
    encoder: str | None = None


def read_catalogue(path: Path | None = None) -> dict[str, Entry]:
    """Return the operator's models by name; none where the file does not exist.

    Args:
        path: None takes the environment's `WHYNOT_MODELS`, else `models.toml` where we run.

    Raises:
        ModelError: `WHYNOT_MODELS` names no file, the file is not TOML, or an entry has unknown
            keys or lacks what it needs.
    """
    named = os.environ.get(CATALOGUE_VARIABLE)
    if path is None and named and not Path(named).is_file():
        raise ModelError(
            f"{CATALOGUE_VARIABLE} names '{named}', which is no file; correct it, or unset it to "
            "read models.toml where we run"
        )
    path = path or Path(named or "models.toml")
    if not path.is_file():
        return {}
    return {name: _entry(name, table, path) for name, table in _read(path).items()}


def read_folder(folder: Path, name: str) -> Entry:
    """Return what a folder's `model.toml` says about the model in it.

    Args:
        name: under which the model is shown.

    Raises:
        ModelError: no such folder or file, or one that lacks what it needs; weights that are no
            safetensors.
    """
    path = folder / FOLDER_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no {FOLDER_FILE}; a model's folder has one, and safetensors weights"
        )
    table = _read(path)
    if "architecture" not in table or "folder" in table:
        raise ModelError(
            f'{path}: name the architecture: "torchvision/...", "timm/..." or '
            '"package.module:function"'
        )
    files = sorted(
        file.name for file in folder.glob("*.safetensors") if file.name != table.get("probe")
    )
    if "weights" not in table and len(files) == 1:
        table = {**table, "weights": files[0]}
    entry = _entry(name, table, path)
    if entry.weights is None or entry.weights.suffix != ".safetensors":
        raise ModelError(
            f"{path}: weights must name a safetensors file in the folder (got "
            f"{table.get('weights')!r}; there are {files})"
        )
    return entry


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} is not valid TOML: {error}") from error


def _entry(name: str, table: object, path: Path) -> Entry:
    if not isinstance(table, dict):
        raise ModelError(f"{path.name}: '{name}' must be a table: [\"{name}\"] and its lines")
    if name in BUNDLED_LOADERS:
        raise ModelError(f"{path.name}: '{name}' is the name of a bundled model; choose another")
    if "folder" in table:
        if len(table) > 1 or not isinstance(table["folder"], str):
            raise ModelError(
                f"{path.name}, '{name}': folder names a folder and stands alone; all else is in "
                f"its {FOLDER_FILE}"
            )
        return read_folder(path.parent / table["folder"], name)
    if "encoder" in table:
        return _probed_entry(name, table, path)
    unknown = sorted(table.keys() - _KEYS)
    if unknown:
        raise ModelError(
            f"{path.name}, '{name}': unknown keys {unknown}; known: {sorted(_KEYS)}, or folder, "
            "or encoder with probe"
        )
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise ModelError(f"{path.name}, '{name}': {key} must be a text (got {table[key]!r})")
    output = table.get("output")
    if output is not None and output not in OUTPUT_KINDS:
        raise ModelError(
            f"{path.name}, '{name}': output must be one of {list(OUTPUT_KINDS)} (got {output!r})"
        )
    if output == "none" and "classes" in table:
        raise ModelError(
            f"{path.name}, '{name}': output = \"none\" takes the classifier off, so there can be "
            "no classes; leave one of the two out"
        )
    prompt = table.get("prompt")
    if prompt is not None and (
        prompt.count("{}") != 1
        or "classes" not in table
        or not str(table.get("architecture", name)).startswith(_WITH_TEXTS)
    ):
        raise ModelError(
            f"{path.name}, '{name}': prompt is the text that each of the classes of an "
            f'{_WITH_TEXTS}... network is put into, with one {{}} for the class: "a photo of a '
            f'{{}}" (got {prompt!r})'
        )
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
        output=output,
        prompt=prompt,
        folder=path.parent,
        probe=_probe_file(name, table, path),
    )


def _probed_entry(name: str, table: dict[str, Any], path: Path) -> Entry:
    if not table.keys() <= _PROBED_KEYS or "probe" not in table:
        raise ModelError(
            f"{path.name}, '{name}': encoder names another model and goes with probe, and layer "
            f"where it is not the default (got {sorted(table)})"
        )
    for key in table:
        if not isinstance(table[key], str):
            raise ModelError(f"{path.name}, '{name}': {key} must be a text (got {table[key]!r})")
    return Entry(
        name=name,
        architecture=table["encoder"],
        weights=None,
        classes=None,
        preprocessing={},
        layer=table.get("layer"),
        folder=path.parent,
        probe=_probe_file(name, table, path),
        encoder=table["encoder"],
    )


def _probe_file(name: str, table: dict[str, Any], path: Path) -> Path | None:
    if "probe" not in table:
        return None
    file: Path = path.parent / table["probe"]
    if not file.is_file():
        raise ModelError(f"{path.name}, '{name}': the probe's file {table['probe']} is missing")
    return file


def _classes(given: object, name: str, path: Path) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        file = path.parent / given
        if not file.is_file():
            raise ModelError(f"{path.name}, '{name}': the class file {given} is missing")
        try:
            text = file.read_text(encoding="utf-8-sig")  # Windows' editors begin with a mark
            given = json.loads(text) if file.suffix == ".json" else text.rstrip().splitlines()
        except ValueError as error:
            raise ModelError(
                f"{path.name}, '{name}': the class file {file.name} cannot be read ({error}); "
                "write one name per line in UTF-8, or a JSON list"
            ) from error
    if isinstance(given, dict) and all(key.isdecimal() for key in given):
        given = [given[key] for key in sorted(given, key=int)]  # {"0": "tench", ...}
    if not isinstance(given, list) or not given:
        raise ModelError(f"{path.name}, '{name}': classes must be a list of names or a file")
    # ImageNet's usual index holds [WordNet's number, name] for each class
    names = [label[-1] if isinstance(label, list) and label else label for label in given]
    for label in names:
        if not isinstance(label, str):
            raise ModelError(f"{path.name}, '{name}': {label!r} is no class name; give texts")
    return tuple(label.strip() for label in names)
