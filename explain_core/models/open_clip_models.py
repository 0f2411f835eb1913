"""CLIP and its kin through open_clip: networks that were trained on pictures and texts.

open_clip is optional and imported where it is used: it takes seconds.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.fingerprint import fingerprint
from explain_core.models.hub import (
    cached_snapshots,
    first_line,
    require_hub,
    where_to_put,
)
from explain_core.models.model import Model, build_model, last_with_gradient
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.text_classes import checked_texts, text_vectors, with_text_vectors
from explain_core.models.text_side import TextSide
from explain_core.models.weights import does_not_fit, download_failed, read_weights

PREFIX = "open_clip/"

_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_FITS = {"shortest": "crop", "squash": "stretch", "longest": "letterbox"}
_PREPARED_BY = ("mean", "std", "interpolation", "resize_mode")
# What Finer-CAM's released code explains of a vision transformer: the last maps that its class
# token still looks at.
_LAST_LOOKED_AT = "transformer.resblocks.{}.ln_1"
# Of CoCa's towers: what was pooled by attention is ordered by queries, no longer by places.
_QUERIES = ("attn_pool", "attn_pool_contrastive", "ln_post")


def cached_names() -> tuple[str, ...]:
    """Return "open_clip/<architecture>/<tag>" for published weights in Hugging Face's cache.

    Nothing where open_clip is not installed; it is not imported where nothing of its kind is there.
    """
    if importlib.util.find_spec("open_clip") is None:
        return ()
    there = {
        repository
        for repository, snapshots in cached_snapshots().items()
        if any((snapshot / file).is_file() for snapshot in snapshots for file in _FILES)
    }
    if not there:
        return ()
    open_clip = _open_clip()
    return tuple(
        f"{PREFIX}{architecture}/{tag}"
        for architecture, tag in open_clip.list_pretrained()
        if not architecture.endswith("-quickgelu")  # the same weights, listed twice
        and _repository(open_clip.get_pretrained_cfg(architecture, tag)) in there
    )


def load_open_clip(
    name: str,
    entry: Entry | None = None,
    layer: str | None = None,
    device: torch.device | None = None,
) -> Model:
    """Load `open_clip/<architecture>/<tag>`, or `open_clip/<architecture>` with own weights.

    The model is an encoder with a text side, see `with_texts`; where the entry names classes they
    are its texts. Preprocessing is what open_clip tells of the tag, or of the architecture where
    all its tags agree.

    Departure: a tag that was trained with QuickGELU gets it, where open_clip only warns.

    Args:
        name: under which the model is shown.
        entry: the operator's weights, classes and preprocessing; None takes what is published.
        layer: explained by default.

    Raises:
        ModelError: open_clip is not installed; an unknown architecture or tag; weights that are
            neither at hand nor to be had, or that do not fit; classes that make no texts.
    """
    open_clip = _open_clip()
    architecture, _, tag = (entry.architecture if entry else name)[len(PREFIX) :].partition("/")
    published = _published(open_clip, architecture, tag)
    _check(entry)
    if entry is not None and entry.weights is not None:
        state = read_weights(entry.weights)
    else:
        state = _published_state(open_clip, architecture, tag, published)
    given = dict(entry.preprocessing) if entry else {}
    network = _network(open_clip, architecture, published, given.get("size"))
    _fill(network, state, name, architecture)
    network.to(device)
    try:
        preprocessing = _preprocessing(network, given)
    except InputError as error:
        raise ModelError(f"models.toml, '{entry and entry.name}': {error}") from error
    model = model_of(
        network,
        _tokeniser(open_clip, architecture),
        name=name,
        preprocessing=preprocessing,
        layer=layer or (entry.layer if entry else None),
    )
    return model if entry is None or entry.classes is None else _with_classes(model, entry)


def model_of(
    network: Any,
    tokeniser: Any,
    *,
    name: str,
    preprocessing: Preprocessing,
    layer: str | None = None,
) -> Model:
    """Make an encoder with a text side of an open_clip network that is ours to change.

    Args:
        network: with `visual` and `encode_text`.
        tokeniser: of open_clip's.
        layer: explained by default; None takes the last that the features depend on, and with
            texts the last that their logits depend on.

    Raises:
        ModelError: as `build_model`.
    """
    network.eval().requires_grad_(False)
    encoder = build_model(
        network.visual,
        name=name,
        classes=(),
        preprocessing=preprocessing,
        layer=layer,
        output="none",
        inner_layers=_inner_layers(network.visual),
        no_maps=_QUERIES if getattr(network.visual, "attn_pool", None) is not None else (),
    )
    return replace(encoder, text_side=_text_side(network, tokeniser, encoder, layer))


def _open_clip() -> Any:
    try:
        import open_clip
    except ImportError as error:
        raise ModelError(
            "models from open_clip need the package open_clip_torch, which is not installed; "
            'install it with pip install "open_clip_torch>=3.3"'
        ) from error
    return open_clip


def _published(open_clip: Any, architecture: str, tag: str) -> Mapping[str, Any]:
    """Return what open_clip tells about a tag; without one, what all tags have in common."""
    if architecture not in open_clip.list_models():
        raise ModelError(
            f"open_clip has no architecture '{architecture}'; see the list with "
            'python -c "import open_clip; print(*open_clip.list_models())"'
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag and not open_clip.pretrained.is_pretrained_cfg(architecture, tag):
        raise ModelError(
            f"open_clip has no weights '{tag}' for {architecture}; it has {tags or 'none'}"
        )
    configs: list[Mapping[str, Any]] = [
        open_clip.get_pretrained_cfg(architecture, each) for each in ([tag] if tag else tags)
    ]
    if tag:
        return configs[0]
    return {
        key: configs[0][key]
        for key in _PREPARED_BY
        if configs and all(config[key] == configs[0][key] for config in configs)
    }


def _check(entry: Entry | None) -> None:
    if entry is not None and entry.output not in (None, "none"):
        raise ModelError(
            f"'{entry.name}': the texts' logits are read as open_clip's network was trained; "
            'leave output out, or say "none"'
        )


def _network(
    open_clip: Any, architecture: str, published: Mapping[str, Any], size: Sequence[int] | None
) -> Any:
    """Return the network with random weights, leaving the global generator as it was."""
    try:
        _reach(open_clip.get_model_config(architecture)["text_cfg"].get("hf_model_name"))
        with torch.random.fork_rng(devices=[]), _without_alarm():
            return open_clip.create_model(
                architecture,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=bool(published.get("quick_gelu")),
                force_image_size=None if size is None else tuple(size),
                force_preprocess_cfg={
                    key: published[key] for key in _PREPARED_BY if key in published
                },
            )
    except (RuntimeError, OSError, ImportError, ValueError, TypeError, AssertionError) as error:
        raise ModelError(
            f"open_clip's {architecture} cannot be made ({first_line(error)}); it may need the "
            "package timm or transformers, or another size"
        ) from error


def _reach(repository: str | None) -> bool:
    """Return whether a repository's files are on this machine.

    Raises:
        OSError: they are not, and Hugging Face's hub cannot be reached.
    """
    if not repository or cached_snapshots().get(repository):
        return True
    require_hub()
    return False


@contextmanager
def _without_alarm() -> Iterator[None]:
    """Drop open_clip's warning that its weights are random: they are filled in afterwards."""
    logger = logging.getLogger()

    def is_wanted(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    logger.addFilter(is_wanted)
    try:
        yield
    finally:
        logger.removeFilter(is_wanted)


def _fill(network: nn.Module, state: dict[str, Tensor], name: str, architecture: str) -> None:
    """Load weights in any of the forms that open_clip itself reads."""
    from open_clip.convert import convert_state_dict
    from open_clip.factory import resize_pos_embed, resize_text_pos_embed
    from open_clip.model import convert_to_custom_text_state_dict

    try:
        state = convert_state_dict(network, state)
        if "positional_embedding" in state and not hasattr(network, "positional_embedding"):
            state = convert_to_custom_text_state_dict(state)
        for number in ("logit_scale", "logit_bias"):
            own = getattr(network, number, None)
            if own is not None and number in state:
                state[number] = state[number].reshape(own.shape)
        state.pop("text.transformer.embeddings.position_ids", None)
        resize_pos_embed(state, network)
        resize_text_pos_embed(state, network)
        network.load_state_dict(state)
    except (RuntimeError, KeyError) as error:
        raise does_not_fit(name, f"open_clip's {architecture}", RuntimeError(str(error))) from error


def _inner_layers(visual: nn.Module) -> tuple[str, ...]:
    try:
        blocks = visual.get_submodule("transformer.resblocks")
    except AttributeError:  # a convolutional tower, or one of timm's
        return ()
    assert isinstance(blocks, nn.ModuleList)
    return (_LAST_LOOKED_AT.format(len(blocks) - 1),)


def _tokeniser(open_clip: Any, architecture: str) -> Any:
    repository = open_clip.get_model_config(architecture)["text_cfg"].get("hf_tokenizer_name")
    try:
        is_here = _reach(repository)
        options = {"local_files_only": True} if repository and is_here else {}
        return open_clip.get_tokenizer(architecture, **options)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"the tokenizer of open_clip's {architecture} is not at hand ({first_line(error)}); "
            "install transformers, and load the model once where there is a network, so that the "
            "tokenizer lies in Hugging Face's cache ($HF_HOME/hub)"
        ) from error


def _text_side(network: Any, tokeniser: Any, encoder: Model, layer: str | None) -> TextSide:
    lock = Lock()  # Hugging Face's tokenizers change while they work

    def tokenise(texts: Sequence[str], length: int) -> Tensor:
        with lock:
            tokens: Tensor = tokeniser(list(texts), context_length=length)
        return tokens

    def encode(tokens: Tensor) -> Tensor:
        vectors: Tensor = network.encode_text(tokens, normalize=True)
        return vectors

    bias = getattr(network, "logit_bias", None)
    side = TextSide(
        image_network=network.visual,
        tokenise=tokenise,
        encode=encode,
        context_length=tokeniser.context_length,
        scale=float(network.logit_scale.exp()),
        bias=None if bias is None else float(bias),
        layer=encoder.layer,
        gradient_layer=None,
        fingerprint=fingerprint(network),
        num_bytes=_num_bytes(network) - _num_bytes(network.visual),
    )
    # which layers a text's logit depends on is the same for any two texts
    with torch.no_grad():
        texts = encode(tokenise(["a", "b"], side.context_length).to(encoder.device))
    size = (1, encoder.preprocessing.num_channels, *encoder.preprocessing.size)
    example = torch.zeros(size, device=encoder.device, dtype=encoder.dtype)
    last = last_with_gradient(side.head(texts), encoder.layers, example, len(texts))
    return replace(side, layer=layer or last or encoder.layer, gradient_layer=last)


def _with_classes(model: Model, entry: Entry) -> Model:
    """Return the model with the operator's classes for texts, each put into the entry's prompt."""
    classes = entry.classes or ()
    texts = [(entry.prompt or "{}").replace("{}", name) for name in classes]
    try:
        checked_texts(model, texts)
    except InputError as error:
        raise ModelError(f"'{entry.name}', classes: {error}") from error
    return with_text_vectors(model, classes, text_vectors(model, texts))


def _num_bytes(network: nn.Module) -> int:
    return sum(each.nbytes for each in (*network.parameters(), *network.buffers()))


def _published_state(
    open_clip: Any, architecture: str, tag: str, published: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return a tag's weights, from where open_clip's downloads lie or from the network.

    Raises:
        ModelError: no tag; weights that are not to be had, or that are no plain tensors.
    """
    whose = f"{PREFIX}{architecture}/{tag}"
    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        raise ModelError(
            f"'{PREFIX}{architecture}' says no weights; name published ones "
            f"({PREFIX}{architecture}/{tags[0] if tags else 'TAG'}), or a local file in "
            f'models.toml: architecture = "{PREFIX}{architecture}", weights = "FILE"'
        )
    repository = _repository(published)
    cached = _cached_file(published)
    if cached is not None:
        return read_weights(cached)
    try:
        if repository:
            require_hub()
        path = open_clip.pretrained.download_pretrained(dict(published))
    except (OSError, HTTPException, RuntimeError) as error:
        where = (
            where_to_put(repository) if repository else f"Put {published['url']} into ~/.cache/clip"
        )
        raise download_failed(
            whose,
            first_line(error),
            f'{where}, or name a local file in models.toml: ["{whose}"] weights = "FILE"',
        ) from error
    return read_weights(Path(path))


def _repository(published: Mapping[str, Any]) -> str:
    """Return a tag's repository on Hugging Face's hub, empty without one."""
    return str(published.get("hf_hub", "")).rpartition("/")[0]


def _cached_file(published: Mapping[str, Any]) -> Path | None:
    """Return where a tag's weights lie on this machine, None where they do not."""
    repository = _repository(published)
    if not repository:
        file = Path("~/.cache/clip").expanduser() / Path(published["url"]).name
        return file if file.is_file() else None
    named = published["hf_hub"].rpartition("/")[2]
    files = (named.removesuffix(".bin") + ".safetensors", named) if named else _FILES
    there = [
        snapshot / file
        for file in files
        for snapshot in cached_snapshots().get(repository, ())
        if (snapshot / file).is_file()
    ]
    return there[0] if there else None


def _preprocessing(network: Any, given: Mapping[str, Any]) -> Preprocessing:
    """Return open_clip's evaluation transform, and what the operator says instead."""
    config = network.visual.preprocess_cfg
    size = config["size"]
    values: dict[str, Any] = {
        "size": (size, size) if isinstance(size, int) else tuple(size),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "fit": _FITS[config["resize_mode"]],
        "interpolation": "bicubic" if config["interpolation"] == "bicubic" else "bilinear",
    }
    if values["fit"] == "letterbox":
        values["border"] = config["fill_color"] / 255
    values |= given
    if values["fit"] == "crop" and "resize_px" not in values:
        values["resize_px"] = min(values["size"])
    return Preprocessing(**values)
