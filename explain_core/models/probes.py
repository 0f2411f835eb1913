"""Linear probes: a classifier on an encoder's pooled features, and the model that the two make."""

from __future__ import annotations

import hashlib
import json
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional

from explain_core.errors import InputError, ModelError
from explain_core.models.layers import Layer
from explain_core.models.model import Model, copy_sharing_weights, last_with_gradient
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.tap import maps_in
from explain_core.types import Array, Pooling, read_only

_FACTS = "whynot-probe"
_TENSORS = ("weight", "bias")

_answer: ContextVar[Tensor | None] = ContextVar("explain_core_probe", default=None)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """Hold a softmax classifier of pooled features, `y = W z + b`, and how it came about.

    Attributes:
        weight: (C, d) float32, `W`.
        bias: (C,) float32, `b`.
        classes: C names.
        encoder: name of the model whose features these are.
        fingerprint: of its weights.
        layer, pooling, preprocessing: how `z` comes from a picture.
        bank: name of the bank that it was fitted on.
        num_train: pictures that it was fitted to.
        num_held_out: pictures that were kept apart, and that `accuracy` is measured on.
        accuracy: share of those whose class it finds, in [0, 1].
        commonest: share of those that are of the commonest class: what guessing it would reach.
        l2: the penalty it was fitted with.
        seed: of what was kept apart.
    """

    weight: Array
    bias: Array
    classes: tuple[str, ...]
    encoder: str
    fingerprint: str
    layer: str
    pooling: Pooling
    preprocessing: Preprocessing
    bank: str
    num_train: int
    num_held_out: int
    accuracy: float
    commonest: float
    l2: float
    seed: int


def probe_bytes(probe: LinearProbe) -> bytes:
    """Return a probe as a safetensors file, with all but the numbers in its metadata."""
    facts = {name: value for name, value in asdict(probe).items() if name not in _TENSORS}
    tensors = {name: np.ascontiguousarray(getattr(probe, name)) for name in _TENSORS}
    return save(tensors, metadata={_FACTS: json.dumps(facts, ensure_ascii=False)})


def save_probe(probe: LinearProbe, path: Path | str) -> None:
    """Write a probe to a safetensors file.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        Path(path).write_bytes(probe_bytes(probe))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); name another file") from (
            error
        )


def read_probe(path: Path | str) -> LinearProbe:
    """Return the probe in a safetensors file.

    Raises:
        ModelError: no such file, or one that `save_probe` did not write.
    """
    name = Path(path).name
    try:
        with safe_open(path, framework="numpy") as file:
            written = (file.metadata() or {}).get(_FACTS)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{name} cannot be read as a probe ({error}); give a file that 'probe fit' wrote"
        ) from error
    if written is None or set(tensors) != set(_TENSORS):
        raise ModelError(
            f"{name} is a safetensors file, but no linear probe; give a file that 'probe fit' wrote"
        )
    try:
        return _as_probe(json.loads(written), tensors)
    except (ValueError, TypeError, KeyError, AttributeError, InputError) as error:
        raise ModelError(f"{name} is a damaged probe ({error}); fit it again") from error


def _as_probe(facts: dict[str, Any], tensors: dict[str, Array]) -> LinearProbe:
    known = {field.name for field in fields(LinearProbe)} - set(_TENSORS)
    if set(facts) != known:
        raise ValueError(f"it should tell {sorted(known)}")
    if facts["pooling"] not in get_args(Pooling):
        raise ValueError(f"pooling {facts['pooling']!r} is unknown")
    classes = tuple(str(each) for each in facts["classes"])
    weight, bias = (tensors[each].astype(np.float32) for each in _TENSORS)
    if weight.ndim != 2 or bias.shape != (len(classes),) or len(weight) != len(classes):
        raise ValueError(
            f"weight {weight.shape} and bias {bias.shape} do not fit {len(classes)} classes"
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError("it holds NaN or infinity")
    return LinearProbe(
        weight=read_only(weight),
        bias=read_only(bias),
        classes=classes,
        preprocessing=Preprocessing(**facts["preprocessing"]),
        **{name: facts[name] for name in known - {"classes", "preprocessing"}},
    )


def with_probe(model: Model, probe: LinearProbe, name: str | None = None) -> Model:
    """Return the classifier that an encoder and a probe make; the encoder's weights are shared.

    Its logits are `W z + b`, with `z` pooled at the probe's layer in the same pass, whatever the
    network itself returns. Gradients reach that layer and all below it; where `z` is the mean over
    positions they are the same everywhere at that layer, so that Grad-CAM is CAM there:
    `sum_k W_ck A_k / (h w)` (Zhou et al., CVPR 2016).

    Args:
        model: the encoder, or any other model that the probe was fitted on; it is not changed.
        name: shown to people; None names the encoder, "+ probe".

    Returns:
        A model of the probe's classes with output "softmax", whose layers end at the probe's.
        Features and fingerprint are the encoder's, so that its reference banks serve.

    Raises:
        ModelError: another encoder, other preprocessing, or a layer that is not there.
    """
    layer = _fitting_layer(model, probe)
    dtype = torch.promote_types(model.dtype, torch.float32)
    weight = torch.tensor(probe.weight, device=model.device, dtype=dtype)
    bias = torch.tensor(probe.bias, device=model.device, dtype=dtype)
    network = copy_sharing_weights(model.network)
    _put_on(network, layer, probe.pooling, weight, bias)
    example = torch.zeros(
        (1, model.preprocessing.num_channels, *model.preprocessing.size),
        device=model.device,
        dtype=model.dtype,
    )
    layers = model.layers[: model.layers.index(layer) + 1]
    gradient_layer = last_with_gradient(network, layers, example, len(probe.classes))
    if gradient_layer is None:
        raise ModelError(
            f"no layer's maps reach the probe at '{layer.name}' of '{model.name}', so nothing "
            "could be explained; fit it on a bank with pooling 'mean' or 'both'"
        )
    return replace(
        model,
        name=name or f"{model.name} + probe",
        network=network,
        layers=layers,
        layer=gradient_layer,
        gradient_layer=gradient_layer,
        classes=probe.classes,
        output="softmax",
        class_weights=probe.weight,
        head=hashlib.sha256(probe_bytes(probe)).hexdigest(),
        text_side=None,
        operating_points=None,
    )


def _fitting_layer(model: Model, probe: LinearProbe) -> Layer:
    """Return the probe's layer of the model.

    Raises:
        ModelError: the probe was fitted on something else.
    """
    if model.head:
        raise ModelError(f"'{model.name}' has a head put on already; give the encoder itself")
    if probe.fingerprint != model.fingerprint:
        raise ModelError(
            f"the probe was fitted on features of '{probe.encoder}' (weights "
            f"{probe.fingerprint[:8]}), but '{model.name}' has other weights "
            f"({model.fingerprint[:8]}); give that encoder, or fit a probe on a bank of this one"
        )
    if probe.preprocessing != model.preprocessing:
        raise ModelError(
            f"the probe was fitted on pictures prepared in another way ({probe.preprocessing}) "
            f"than '{model.name}' does now ({model.preprocessing}); set the model's preprocessing "
            "back, or fit it again"
        )
    layer = next((each for each in model.layers if each.name == probe.layer), None)
    if layer is None:
        raise ModelError(
            f"the probe looks at layer '{probe.layer}', and '{model.name}' has no tap there; load "
            f"the encoder with layer='{probe.layer}'"
        )
    if layer.num_channels != probe.weight.shape[1]:
        raise ModelError(
            f"the probe takes {probe.weight.shape[1]:,} features, but layer '{layer.name}' of "
            f"'{model.name}' gives {layer.num_channels:,}; fit it again"
        )
    try:
        layer.require_pooling(probe.pooling)
    except InputError as error:
        raise ModelError(f"the probe does not fit '{model.name}': {error}") from error
    return layer


def _put_on(
    network: nn.Module, layer: Layer, pooling: Pooling, weight: Tensor, bias: Tensor
) -> None:
    """Let a network return the probe's logits from now on.

    The answer is computed where the layer is, for what follows may write into the layer's output.
    The hook comes after the layer's tap, and so sees what the tap hands on.
    """

    def look(_module: nn.Module, _args: object, output: object) -> None:
        maps = maps_in(output)
        assert maps is not None, "tapped layers return a tensor"
        _answer.set(functional.linear(layer.pool(maps, pooling).to(weight), weight, bias))

    def answer(_module: nn.Module, _args: object, _output: object) -> Tensor:
        logits = _answer.get()
        _answer.set(None)
        if logits is None:
            raise ModelError(f"the network never reached the probe's layer '{layer.name}'")
        return logits

    network.get_submodule(layer.name).register_forward_hook(look)
    network.register_forward_hook(answer)
