"""A loaded network with all that is needed to explain it; immutable, shared by every session."""

from __future__ import annotations

import copy
import operator
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from explain_core.errors import InputError, ModelError
from explain_core.maps import require_finite
from explain_core.models import preprocessing as prep
from explain_core.models.fingerprint import fingerprint
from explain_core.models.heads import class_weights
from explain_core.models.layers import Layer, find_layer, find_layers
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.tap import install_taps, observe, read_both_sides, record
from explain_core.models.text_side import TextHead, TextSide
from explain_core.types import Array, Geometry, Image, Pooling, read_only

OutputKind = Literal["softmax", "sigmoid", "single-logit", "none"]
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
TWO_SIDES = ("negative", "positive")

DEFAULT_THRESHOLD = 0.5
"""The probability from which a label counts as found, where nobody published another."""


@dataclass(frozen=True, eq=False)
class Model:
    """Hold a network in `eval()` mode, without parameter gradients, with a tap at every layer.

    Attributes:
        name: as `load_model` takes it.
        network: the module; nothing on it changes after loading.
        layers: those that can be explained, in the order in which they run.
        layer: name of the one taken where none is chosen.
        gradient_layer: name of the last whose maps the output depends on: later ones, such as a
            vision transformer's last block, have no gradient. None where there is none.
        classes: a name for each output; empty without a head.
        output: what the logits mean. "softmax": one of the classes. "sigmoid": labels, of which
            several may be present. "single-logit": the network's one output `y`, read as the two
            logits `(-y / 2, y / 2)` of negative and positive. "none": a network without a
            classifier, whose output is never looked at.
        preprocessing: from picture to input.
        fingerprint: SHA-256 of the weights; features of equal fingerprints can be compared.
        class_weights: (num_classes, d) of the head, None where it is not linear.
        head: SHA-256 of a head that was put on after loading; empty where `fingerprint` covers it.
        text_side: what turns texts into classes, see `with_texts`; None for most networks.
        operating_points: (num_classes,) in [0, 1], the probability from which each label counts as
            found; None where nobody published any.
    """

    name: str
    network: nn.Module
    layers: tuple[Layer, ...]
    layer: str
    gradient_layer: str | None
    classes: tuple[str, ...]
    output: OutputKind
    preprocessing: Preprocessing
    fingerprint: str
    class_weights: Array | None
    head: str = ""
    text_side: TextSide | None = None
    operating_points: Array | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Return what tells this model's answers from those of others."""
        return self.fingerprint, self.head, self.preprocessing

    @property
    def has_head(self) -> bool:
        """Return whether the network classifies; else there are features only."""
        return self.output != "none"

    def require_head(self) -> None:
        """Raise `InputError` where there are no classes to ask about."""
        if not self.has_head:
            raise InputError(
                f"model '{self.name}' has no classes, only features; ask without a target, and "
                "compare with a reference set"
            )

    @property
    def has_texts(self) -> bool:
        """Return whether the classes are texts, see `with_texts`."""
        return isinstance(self.network, TextHead)

    @property
    def is_multi_label(self) -> bool:
        """Return whether several classes may be present at once, each with its own probability."""
        return self.output == "sigmoid"

    @property
    def num_classes(self) -> int:
        """Return the number of outputs."""
        return len(self.classes)

    @property
    def num_bytes(self) -> int:
        """Return how much memory weights and buffers take; shared ones count once."""
        tensors = {id(each): each for each in (*self.network.parameters(), *self.network.buffers())}
        beside = 0 if self.text_side is None else self.text_side.num_bytes
        return beside + sum(each.nbytes for each in tensors.values())

    @property
    def device(self) -> torch.device:
        """Return where the network lives."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Return the weights' number type."""
        return next(self.network.parameters()).dtype

    def layer_named(self, name: str | None) -> Layer:
        """Return a layer by name, the default one for None.

        Raises:
            ModelError: no layer of this name has a tap.
        """
        name = self.layer if name is None else name
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ModelError(
            f"model '{self.name}' has no tap at layer '{name}'; choose one of "
            f"{[layer.name for layer in self.layers]}, or load the model with layer='{name}'"
        )

    def class_index(self, name_or_index: str | int) -> int:
        """Return the index of a class given by index or by its exact name.

        Raises:
            InputError: no such class, a name that several classes share, or a model without a head.
        """
        self.require_head()
        if isinstance(name_or_index, str):
            matches = [i for i, name in enumerate(self.classes) if name == name_or_index]
            if len(matches) == 1:
                return matches[0]
            if len(matches) > 1:
                raise InputError(f"'{name_or_index}' names {len(matches)} classes; give the index")
        try:
            index = int(name_or_index) if isinstance(name_or_index, str) else name_or_index
            is_known = 0 <= operator.index(index) < self.num_classes
        except (ValueError, TypeError):
            is_known = False
        if isinstance(name_or_index, bool) or not is_known:
            raise InputError(
                f"model '{self.name}' has no class {name_or_index!r}; give an index from 0 to "
                f"{self.num_classes - 1} or a class name such as '{self.classes[0]}'"
            )
        return operator.index(index)

    def geometry(self, image: Image) -> Geometry:
        """Return where the picture lands on the network's input."""
        return prep.geometry(self.preprocessing, image.size)

    def to_pixels(self, image: Image) -> Tensor:
        """Return (1, C, H, W) in [0, 1] on the model's device: the input as a person sees it."""
        return prep.to_pixels(self.preprocessing, image).to(self.device, self.dtype)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Return (N, C, H, W), the network's input from pixels in [0, 1]."""
        return prep.normalise(self.preprocessing, pixels)

    def preprocess(self, image: Image) -> Tensor:
        """Return (1, C, H, W), the network's input."""
        return self.normalise(self.to_pixels(image))

    def logits(self, x: Tensor) -> Tensor:
        """Return (N, num_classes) for normalised input (N, C, H, W), without a graph.

        Raises:
            InputError: a model without a head.
        """
        self.require_head()
        with torch.no_grad():
            return cast(Tensor, self.network(x))

    def record(self, x: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the network once, keeping the raw outputs of `layers`; see `tap.record`."""
        return record(self.network, x, [self.layer_named(layer).name for layer in layers])

    def predict(self, image: Image) -> Array:
        """Return the logits (num_classes,) of one picture, float64.

        Raises:
            InputError: a model without a head.
            NumericsError: the network gave NaN or infinity.
        """
        logits = self.logits(self.preprocess(image))[0].cpu().double().numpy()
        require_finite(logits, f"the output of '{self.name}'")
        return read_only(logits)

    def pooled(self, x: Tensor, layer: str, pooling: Pooling | None = None) -> Tensor:
        """Return the features (N, K) of normalised input (N, C, H, W), without a graph.

        Args:
            layer: a tapped layer.
            pooling: None takes the layer's own.

        Raises:
            ModelError: a layer without a tap.
            InputError: "class-token" or "both" at a layer without a class token.
        """
        tapped = self.layer_named(layer)
        tapped.require_pooling(pooling or tapped.pooling)
        with torch.no_grad():
            output = observe(self.network, x, layer)
            return tapped.pool(output, pooling or tapped.pooling)

    def probabilities(self, logits: Array) -> Array:
        """Return (..., num_classes) in [0, 1].

        The softmax over the last axis, which for two sides of one logit `y` is `sigmoid(y)`; of a
        multi-label head each logit's own sigmoid.

        Raises:
            InputError: a model without a head.
        """
        self.require_head()
        if self.is_multi_label:
            return cast(Array, (1 + np.tanh(logits / 2)) / 2)  # the sigmoid, without overflow
        shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return cast(Array, shifted / shifted.sum(axis=-1, keepdims=True))

    @property
    def thresholds(self) -> Array | None:
        """Return (num_classes,), the probability from which each label counts as found.

        The operating points, or `DEFAULT_THRESHOLD` where nobody published any. None where the
        classes compete.
        """
        if not self.is_multi_label:
            return None
        if self.operating_points is not None:
            return self.operating_points
        return np.full(self.num_classes, DEFAULT_THRESHOLD)

    def finds(self, probabilities: Array) -> Array:
        """Return (num_classes,) bool: the labels at or above their threshold, or the one class.

        Args:
            probabilities: (num_classes,) of one picture.
        """
        if self.thresholds is not None:
            return cast(Array, probabilities >= self.thresholds)
        return cast(Array, np.arange(self.num_classes) == np.argmax(probabilities))


def build_model(
    network: nn.Module,
    *,
    name: str,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    layer: str | None = None,
    output: OutputKind = "softmax",
    device: torch.device | None = None,
    inner_layers: Sequence[str] = (),
    no_maps: Sequence[str] = (),
) -> Model:
    """Make a model of a module that is ours to change; `wrap_model` is for modules that are not.

    Args:
        layer: explained by default; None takes the last stage that the output depends on.
        inner_layers: to be tapped besides the stages.
        no_maps: children whose tokens lie on no grid, though their number might say so.
        output: what the logits mean, see `Model`. "none": `classes` is empty. "single-logit":
            `classes` names two, the negative first.
        device: None leaves the network where it is.

    Raises:
        ModelError: the network does not fit the input size, the class names or the output kind,
            or has no layer to explain.
    """
    if output not in OUTPUT_KINDS:
        raise ModelError(f"output must be one of {list(OUTPUT_KINDS)} (got {output!r})")
    if output == "single-logit" and len(classes) != 2:
        raise ModelError(
            f"model '{name}' has one logit, so it needs two class names, the negative first (got "
            f"{list(classes)}); or none, for {list(TWO_SIDES)}"
        )
    if output == "none" and classes:
        raise ModelError(f"model '{name}' has no head, so it cannot have class names; drop them")
    network = network.to(device) if device is not None else network
    network.eval().requires_grad_(False)
    parameter = next(network.parameters(), None)
    if parameter is None:
        raise ModelError(f"model '{name}' has no weights; give a trained network")
    example = torch.zeros(
        (1, preprocessing.num_channels, *preprocessing.size),
        device=parameter.device,
        dtype=parameter.dtype,
    )
    found_layers = find_layers(network, example)
    layers = tuple(each for each in found_layers if each.name.split(".")[0] not in no_maps)
    for inner in (*inner_layers, *([layer] if layer is not None else [])):
        if inner not in [found.name for found in layers]:
            layers = _inserted(layers, find_layer(network, example, inner))
    if output != "none":
        with torch.no_grad():
            logits = network(example)
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if output == "single-logit":
            if given not in ((1,), (1, 1)):
                raise ModelError(
                    f"model '{name}' gives {given} for one picture, which is not one logit; use "
                    "output 'softmax' or 'sigmoid'"
                )
            read_both_sides(network)
        elif given != (1, len(classes)):
            raise ModelError(
                f"model '{name}' gives {given} for one picture, but there are {len(classes)} class "
                "names; give one name per output of a network that returns (N, num_classes)"
            )
    install_taps(network, [found.name for found in layers])
    is_two_sided = output == "single-logit"
    num_outputs = 1 if is_two_sided else len(classes)
    weights = class_weights(network, len(classes), is_two_sided) if classes else None
    with_gradient = last_with_gradient(network, layers, example, num_outputs)
    return Model(
        name=name,
        network=network,
        layers=layers,
        layer=layer or _required(network, with_gradient),
        gradient_layer=with_gradient,
        classes=tuple(classes),
        output=output,
        preprocessing=preprocessing,
        fingerprint=fingerprint(network),
        class_weights=weights,
    )


def wrap_model(
    module: nn.Module,
    *,
    layer: str | None = None,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    output: OutputKind = "softmax",
    name: str = "module",
) -> Model:
    """Make a model of a module in hand, without changing it.

    The module's structure is copied and its weights are shared, so that its mode, hooks and
    `requires_grad` stay as they are and no memory is spent. Its own hooks go along, for they may
    be part of what it computes. Wrap again after training further.

    Args:
        module: returns logits (N, num_classes) for (N, C, H, W); with output="single-logit" (N,)
            or (N, 1), with output="none" anything.
        layer: path of the layer to explain by default, at any depth.
        classes: a name per output, two for a single logit; None numbers them.
        preprocessing: None takes 224 x 224 and ImageNet's mean and deviation.
        output: "sigmoid" for labels, "single-logit" for yes or no, "none" for an encoder without a
            classifier.
        name: shown to people.

    Raises:
        ModelError: as `build_model`.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError("TorchScript modules cannot be tapped; give the module it was made from")
    preprocessing = preprocessing or Preprocessing()
    network = copy_sharing_weights(module)
    if classes is None and output == "none":
        classes = ()
    if classes is None and output == "single-logit":
        classes = TWO_SIDES
    if classes is None:
        parameter = next(network.parameters(), None)
        if parameter is None:
            raise ModelError(f"model '{name}' has no weights; give a trained network")
        network.eval()
        example = parameter.new_zeros((1, preprocessing.num_channels, *preprocessing.size))
        find_layers(network, example)  # says clearly where the input does not fit
        with torch.no_grad():
            logits = network(example)
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ModelError(
                f"model '{name}' gives {given} for one picture; wrap a module that returns logits "
                "(N, num_classes)"
            )
        classes = [str(index) for index in range(logits.shape[1])]
    return build_model(
        network,
        name=name,
        classes=classes,
        preprocessing=preprocessing,
        layer=layer,
        output=output,
    )


def copy_sharing_weights(module: nn.Module) -> nn.Module:
    """Return a copy with hooks and a mode of its own, whose weights and buffers are the module's.

    Raises:
        ModelError: a module that cannot be copied.
    """
    shared: dict[int, object] = {
        id(tensor): nn.Parameter(tensor.detach(), requires_grad=False)
        for tensor in module.parameters()
    }
    shared.update({id(tensor): tensor.detach() for tensor in module.buffers()})
    try:
        return copy.deepcopy(module, shared)
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"{type(module).__name__} cannot be copied ({error}); remove hooks that keep outputs "
            "and the old weight_norm or spectral_norm first"
        ) from error


def _required(network: nn.Module, layer: str | None) -> str:
    if layer is None:
        raise ModelError(
            f"{type(network).__name__} has no layer with maps that its output depends on, so there "
            "is nothing to lay over the picture; use a convolutional network or a vision "
            "transformer"
        )
    return layer


def _inserted(layers: tuple[Layer, ...], inner: Layer) -> tuple[Layer, ...]:
    """Return the layers with one more, before the one that it is a part of."""
    whole = [index for index, each in enumerate(layers) if inner.name.startswith(f"{each.name}.")]
    index = whole[0] if whole else len(layers)
    return (*layers[:index], inner, *layers[index:])


def last_with_gradient(
    network: nn.Module, layers: tuple[Layer, ...], example: Tensor, num_classes: int
) -> str | None:
    """Return the last layer that the output depends on, before any per-class maps; None without.

    Without a head the class token counts as well as the maps: an encoder's final norm is the layer
    to take, though only its class token is handed on.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(example.shape, generator=generator).to(example)
    is_blind = True
    for layer in reversed(layers):
        try:
            output, outputs = record(network, noise, [layer.name])
        except ModelError:  # not every input reaches it
            continue
        # the largest logit: another may be silent, where a ReLU comes last
        largest = int(output[0].argmax()) if num_classes else 0
        score = output[0, largest] if num_classes else _mixture(output, generator)
        if not score.requires_grad:  # what comes of this layer is not handed on
            continue
        is_blind = False
        (gradient,) = torch.autograd.grad(
            score, outputs[layer.name], allow_unused=True, materialize_grads=True
        )
        if not num_classes:
            if gradient.any():
                return layer.name
            continue
        is_used = (layer.as_maps(gradient)[0] != 0).any(dim=2).any(dim=1)
        is_map_per_class = layer.num_channels == num_classes and is_used.sum() == 1
        if is_used.any() and not is_map_per_class:
            return layer.name
    if is_blind and layers and not num_classes:  # an encoder that runs itself without gradients
        return layers[-1].name
    return None


def _mixture(output: object, generator: torch.Generator) -> Tensor:
    """Return a random mixture of all that a network without a head gives, whatever its form.

    A plain sum would not do: after a layer norm it is the same for every input.
    """
    tensors = list(_tensors_in(output))
    if not tensors:
        raise ModelError(
            f"the network returns {type(output).__name__} without a tensor of numbers; give a "
            "module that returns its features"
        )
    parts = [
        (tensor * torch.randn(tensor.shape, generator=generator).to(tensor)).sum()
        for tensor in tensors
    ]
    return torch.stack([part.to(parts[0]) for part in parts]).sum()


def _tensors_in(output: object) -> Iterator[Tensor]:
    """Give the floating-point tensors in nested tuples, lists and dicts."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for part in output.values():
            yield from _tensors_in(part)
    elif isinstance(output, Sequence) and not isinstance(output, str | bytes):
        for part in output:
            yield from _tensors_in(part)
