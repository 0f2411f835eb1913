"""Files of weights: how they are read, and where in them an encoder lies."""

from __future__ import annotations

import textwrap
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from explain_core.errors import ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.model import TWO_SIDES, OutputKind

# What MoCo, MoCo v3 and BYOL call the copy that follows the encoder slowly.
_SLOW_COPIES = ("encoder_k", "momentum_encoder", "target_encoder")

NOT_PLAIN = (
    "is no file of plain tensors; anything else is refused because it could run code; save the "
    "weights as safetensors or as a plain state_dict"
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
        raise ModelError(f"{path.name} {NOT_PLAIN}") from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelError(f"{path.name} cannot be read as weights: {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ModelError(f"{path.name} is not a state_dict; save model.state_dict()")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def encoder_part(
    state: Mapping[str, Tensor],
    network: nn.Module,
    heads: Sequence[str],
    whose: str,
    architecture: str,
) -> OrderedDict[str, Tensor]:
    """Return the weights of an encoder out of a checkpoint that may hold more.

    Self-supervised training keeps the encoder under a prefix ("encoder_q.", "backbone."), beside
    projectors, queues and a slowly following copy. A prefix counts where everything below it is
    there; of an encoder and its copy the encoder is taken, of equals the first.

    Args:
        network: without its classifier.
        heads: names of the children that held the classifier.
        architecture: in words.

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
            f"{whose} do not fit {architecture}: they lack {some(lacking)}, and "
            f"hold {some(list(state))}; give an encoder of this architecture under its "
            "library's names"
        )
    own = OrderedDict(
        (name.removeprefix(prefix), tensor)
        for name, tensor in state.items()
        if name.startswith(prefix)
    )
    parts = {child for child, _ in network.named_children()} - {*heads}
    known = {*network.state_dict()}
    surplus = [name for name in own if name.split(".")[0] in parts and name not in known]
    if surplus:
        raise ModelError(
            f"{whose} do not fit {architecture}, which has no {some(surplus)}; give "
            "weights of this architecture"
        )
    return OrderedDict((name, tensor) for name, tensor in own.items() if name in known)


def _is_copy(prefix: str) -> bool:
    return any(part in _SLOW_COPIES for part in prefix.split("."))


def some(names: Sequence[str]) -> str:
    """Return the first three names, quoted, and how many more there are."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + rest


def class_names(
    entry: Entry | None, output: OutputKind, num_outputs: int, published: Sequence[str]
) -> tuple[str, ...]:
    """Return the operator's names, else the published ones where they fit, else numbers."""
    if entry is not None and entry.classes is not None:
        return entry.classes
    if output == "none":
        return ()
    if output == "single-logit":
        return TWO_SIDES
    if len(published) == num_outputs:
        return tuple(published)
    return tuple(str(index) for index in range(num_outputs))


def download_failed(whose: str, error: Exception, way_out: str) -> ModelError:
    """Return what to say where weights are neither at hand nor to be had.

    Args:
        whose: the model's name.
        way_out: what to do without a network, a whole sentence.
    """
    reason = getattr(error, "reason", error)
    reason = getattr(reason, "strerror", None) or reason
    return ModelError(
        f"the weights of {whose} are not on this machine and could not be downloaded ({reason}). "
        f"{way_out}"
    )


def does_not_fit(whose: str, architecture: str, error: RuntimeError) -> ModelError:
    """Return what to say where a state dict does not fit, with the first of torch's reasons."""
    details = [line.strip() for line in str(error).splitlines()[1:3]] or [str(error)]
    summary = " ".join(textwrap.shorten(line, 150, placeholder=" …") for line in details)
    return ModelError(
        f"the weights for '{whose}' do not fit {architecture}: {summary}; give weights of this "
        "architecture"
    )
