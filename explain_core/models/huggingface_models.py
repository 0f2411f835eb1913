"""Image classifiers and image encoders of Hugging Face's transformers, from safetensors alone.

transformers is optional and imported where it is used: it takes seconds.
"""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.hub import cached_snapshots, first_line, require_hub, where_to_put
from explain_core.models.huggingface_pictures import published_preprocessing
from explain_core.models.model import Model, OutputKind, build_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.weights import class_names, download_failed

PREFIX = "hf/"

_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_SHARDS = "model.safetensors.index.json"
_WANTED = (_CONFIG, "preprocessor_config.json", _WEIGHTS, _SHARDS, "model-*.safetensors")
_REPOSITORY = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_CLASSIFIER = "ForImageClassification"


def cached_names() -> tuple[str, ...]:
    """Return "hf/<repository>" of each image model that lies complete in Hugging Face's cache.

    Nothing where transformers is not installed. transformers itself is not imported.
    """
    if importlib.util.find_spec("transformers") is None:
        return ()
    return tuple(
        PREFIX + repository
        for repository, snapshots in cached_snapshots().items()
        if any(_is_complete(folder) and _is_image_model(folder) for folder in snapshots)
    )


def is_at_hand(entry: Entry) -> bool:
    """Return whether an entry names a model of this kind that loads without a download."""
    return (
        entry.architecture.startswith(PREFIX)
        and importlib.util.find_spec("transformers") is not None
        and _find(entry.architecture.removeprefix(PREFIX), entry) is not None
    )


def load_huggingface(
    name: str,
    entry: Entry | None = None,
    layer: str | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load `hf/<repository>`, or `hf/<folder>` where the operator's file names one.

    A classifier, or where it was published without a head or the entry's output is "none" the
    encoder, whose output is the last hidden state. Class names, what the logits mean and the
    preprocessing are those of the repository; no code of a repository runs.

    Args:
        name: under which the model is shown.
        entry: the operator's classes, preprocessing and output; a folder starts at its file.
        layer: explained by default.

    Raises:
        ModelError: transformers is not installed; no such repository or folder; weights that are
            no safetensors or that do not fit; a regression, a model of something else than
            pictures, or preprocessing that cannot be expressed.
    """
    transformers = _transformers()
    wanted = (entry.architecture if entry else name).removeprefix(PREFIX)
    folder = _find(wanted, entry) or _downloaded(wanted)
    if not _is_complete(folder):
        raise _no_safetensors(wanted)
    if entry is not None and entry.weights not in (None, folder / _WEIGHTS):
        raise ModelError(
            f"models.toml, '{entry.name}': {PREFIX}{wanted} holds its own weights; leave out "
            "weights, or name a folder that holds yours"
        )
    config = _config(transformers, folder, wanted)
    published = _published_output(config, wanted)
    output = (entry.output if entry else None) or published
    if published == "none" and output != "none":
        raise ModelError(
            f"models.toml, '{entry and entry.name}': {PREFIX}{wanted} was published without a "
            f'classifier, so its output cannot be "{output}"; write output = "none"'
        )
    network = _network(transformers, folder, config, wanted, published, output)
    network.register_forward_hook(_features if output == "none" else take_logits)
    return build_model(
        network,
        name=name,
        classes=class_names(entry, output, config.num_labels, _labels(config)),
        preprocessing=_preprocessing(transformers, folder, config, wanted, entry),
        layer=layer or (entry.layer if entry else None),
        output=output,
        device=device,
    )


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            "models from Hugging Face need the package transformers, which is not installed; "
            'install it with pip install "transformers>=5.0"'
        ) from error
    return transformers


# ---- where the files are --------------------------------------------------------------------


def _find(wanted: str, entry: Entry | None) -> Path | None:
    """Return the operator's folder, or the cache's where it holds the whole repository."""
    if entry is not None and entry.folder is not None:
        local = entry.folder / Path(wanted).expanduser()
        if (local / _CONFIG).is_file():
            return local
    return next(filter(_is_complete, cached_snapshots().get(wanted, ())), None)


def _is_complete(folder: Path) -> bool:
    if not (folder / _CONFIG).is_file():
        return False
    if (folder / _WEIGHTS).is_file():
        return True
    try:
        shards = json.loads((folder / _SHARDS).read_text(encoding="utf-8"))["weight_map"].values()
    except (OSError, ValueError, KeyError, AttributeError):
        return False
    return all((folder / shard).is_file() for shard in shards)


def _is_image_model(folder: Path) -> bool:
    """Return whether a repository holds a classifier or an encoder of pictures, by its config."""
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    is_encoder = {"image_size", "num_channels"} & config.keys() and "num_frames" not in config
    return any(_CLASSIFIER in name or (is_encoder and name.endswith("Model")) for name in names)


def _downloaded(repository: str) -> Path:
    """Return the folder of a repository that is fetched from the hub now, its weights included."""
    import huggingface_hub

    whose = PREFIX + repository
    way_out = (
        f"{where_to_put(repository)}, or name its folder in models.toml: "
        f'architecture = "{PREFIX}FOLDER"'
    )
    if not _REPOSITORY.fullmatch(repository):
        raise ModelError(
            f"'{whose}' names no repository of Hugging Face, and no folder with {_CONFIG} beside "
            f'models.toml; write "{PREFIX}google/vit-base-patch16-224" or correct the folder'
        )
    try:
        require_hub()
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=list(_WANTED)))
    except (OSError, ValueError) as error:  # the hub's own errors are either
        raise download_failed(whose, first_line(error), way_out) from error


def _no_safetensors(wanted: str) -> ModelError:
    return ModelError(
        f"{PREFIX}{wanted} holds no {_WEIGHTS}; pickled weights are refused because they could run "
        'code. If you trust it, convert it once: python -c "from transformers import '
        "AutoModelForImageClassification as M, AutoImageProcessor as P; "
        f"M.from_pretrained('{wanted}').save_pretrained('FOLDER'); "
        f"P.from_pretrained('{wanted}').save_pretrained('FOLDER')\", and write "
        f'architecture = "{PREFIX}FOLDER" in models.toml'
    )


# ---- the network ----------------------------------------------------------------------------


def _config(transformers: Any, folder: Path, wanted: str) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            output_hidden_states=False,  # would have hooks installed later on
            output_attentions=False,
            return_dict=True,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{PREFIX}{wanted} is no model that transformers {transformers.__version__} knows "
            f"({first_line(error)}); code that a repository brings along is not run"
        ) from error


def _published_output(config: Any, wanted: str) -> OutputKind:
    is_classifier = any(_CLASSIFIER in name for name in config.architectures or ())
    if not is_classifier or config.num_labels < 1:
        return "none"
    if config.problem_type == "regression":
        raise ModelError(
            f"{PREFIX}{wanted} is a regression, which has no classes to ask about; use it as an "
            'encoder with output = "none" in a copy whose config.json has no problem_type'
        )
    if config.num_labels == 1:
        return "single-logit"
    return "sigmoid" if config.problem_type == "multi_label_classification" else "softmax"


def _network(
    transformers: Any,
    folder: Path,
    config: Any,
    wanted: str,
    published: OutputKind,
    output: OutputKind,
) -> nn.Module:
    has_head = published != "none"
    kind = transformers.AutoModelForImageClassification if has_head else transformers.AutoModel
    try:
        with torch.random.fork_rng(devices=[]):
            network, report = kind.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                # else a config may name code on the hub that computes attention
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        raise ModelError(
            f"{PREFIX}{wanted} cannot be loaded by transformers {transformers.__version__} "
            f"({first_line(error)}); give an image classifier or an image encoder of transformers"
        ) from error
    if network.main_input_name != "pixel_values":
        raise ModelError(
            f"{PREFIX}{wanted} is a {type(network).__name__}, which takes "
            f"{network.main_input_name} and no picture alone; give an image classifier or an image "
            "encoder"
        )
    missing = sorted(report["missing_keys"])
    if any(not key.startswith("pooler.") for key in missing):
        raise ModelError(
            f"the weights of {PREFIX}{wanted} do not fit its {_CONFIG}: they lack {missing[:3]}; "
            "save network and weights together with save_pretrained"
        )
    if missing:
        network.pooler = None  # untrained, and no part of the last hidden state
    wanted_part: nn.Module = network.base_model if has_head and output == "none" else network
    return wanted_part


def take_logits(_module: nn.Module, _args: object, output: Any) -> Tensor:
    """Return the logits of what a classifier of transformers gives; a forward hook."""
    return cast(Tensor, output.logits)


def _features(_module: nn.Module, _args: object, output: Any) -> Tensor:
    return cast(Tensor, output.last_hidden_state)


def _labels(config: Any) -> tuple[str, ...]:
    return tuple(str(config.id2label[index]) for index in sorted(config.id2label))


def _preprocessing(
    transformers: Any, folder: Path, config: Any, wanted: str, entry: Entry | None
) -> Preprocessing:
    given = dict(entry.preprocessing) if entry else {}
    if {"size", "mean", "std", "fit"} <= given.keys():
        published: dict[str, Any] = {}
    else:
        num_channels = getattr(config, "num_channels", 3)
        published = published_preprocessing(transformers, folder, num_channels, PREFIX + wanted)
    if "size" in given and "resize_px" in published:  # the same share of the picture
        short_px = published["resize_px"] * min(given["size"]) / min(published["size"])
        published["resize_px"] = round(short_px)
    if "fit" in given:
        published.pop("resize_px", None)
    try:
        return Preprocessing(**(published | given))
    except InputError as error:
        raise ModelError(f"models.toml, '{entry and entry.name}': {error}") from error
