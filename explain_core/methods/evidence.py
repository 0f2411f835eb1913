"""What methods ask of the network: activations with class gradients, and the input gradient.

Evidence is gathered once per picture and question; every method of a family builds its basis from
the same evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from explain_core.maps import require_finite
from explain_core.models.layers import pooled_from
from explain_core.models.model import Model
from explain_core.types import Array, Image, ParameterValue, Pooling, read_only

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class ClassEvidence:
    """Hold one pass's activations and the gradients of some classes' logits.

    Attributes:
        logits: (num_classes,) float64; empty without a head.
        activations: (K, h, w), of the tapped layer.
        class_token: (K,), None where the layer has none.
        gradients: per class index (K, h, w), `∂y^c/∂A`.
    """

    logits: Array
    activations: Array
    class_token: Array | None
    gradients: Mapping[int, Array]

    def pooled(self, pooling: Pooling, layer: str) -> Array:
        """Return (K,) float64: the feature `z`, by default `GAP(A)`."""
        mean: Array = self.activations.mean(axis=(1, 2), dtype=np.float64)
        return pooled_from(mean, self.class_token, pooling, layer).astype(np.float64)


@dataclass(frozen=True, eq=False)
class GradientEvidence:
    """Hold the gradient of a logit at the picture itself.

    Attributes:
        clean: (C, H, W), `∂y^c/∂x`.
    """

    clean: Array


@dataclass(frozen=True, eq=False)
class Asked:
    """Hold what evidence is gathered for.

    Attributes:
        layer: a tapped layer.
        target: class index; None without a head.
        classes: whose gradients at the layer are needed.
        values: of the method's prepare parameters.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.
    """

    model: Model
    image: Image
    layer: str
    target: int | None
    classes: tuple[int, ...] = ()
    values: Mapping[str, ParameterValue] = field(default_factory=dict)
    progress: Progress | None = None

    @property
    def target_class(self) -> int:
        """Return the target of a method that needs one."""
        assert self.target is not None
        return self.target


Evidence = TypeVar("Evidence")


@dataclass(frozen=True, eq=False)
class EvidenceKind(Generic[Evidence]):
    """Describe one thing that methods ask of the network.

    Attributes:
        name: unique.
        gather: runs the network, given what was kept before, or None.
        at: where it looks; evidence at the input is the same for every layer.
        needs_target: whether it differs from target to target.
        parameters: names of the prepare parameters that it depends on.
        covers: whether what was kept answers what is asked now.
        variant: another kind that some parameter values ask for instead; None keeps this one.
    """

    name: str
    gather: Callable[[Asked, Evidence | None], Evidence]
    at: Literal["layer", "input"] = "input"
    needs_target: bool = True
    parameters: tuple[str, ...] = ()
    covers: Callable[[Evidence, Asked], bool] = lambda kept, asked: True
    variant: Callable[[Mapping[str, ParameterValue]], EvidenceKind[Evidence] | None] = (
        lambda values: None
    )

    def for_values(self, values: Mapping[str, ParameterValue]) -> EvidenceKind[Evidence]:
        """Return the kind that these values of the prepare parameters ask for."""
        return self.variant(values) or self


def gather_class_evidence(
    model: Model, image: Image, layer: str, classes: Sequence[int]
) -> ClassEvidence:
    """Run the network once and take the gradient of each class's logit at `layer`.

    Args:
        layer: a tapped layer.
        classes: class indices; may be empty.

    Raises:
        InputError: classes of a model without a head.
        NumericsError: NaN or infinity in activations, logits or gradients.
    """
    if classes:
        model.require_head()
    tapped = model.layer_named(layer)
    gradients = {}
    with gradients_on():
        logits, outputs = model.record(model.preprocess(image), [layer])
        output = outputs[layer]
        for index in classes:
            (gradient,) = torch.autograd.grad(
                logits[0, index],
                output,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            gradients[index] = as_array(tapped.as_maps(gradient)[0], f"gradient of class {index}")
    token = tapped.class_token(output)
    return ClassEvidence(
        logits=(
            as_array(logits[0].detach().cpu().double(), "network's output")
            if model.has_head
            else np.empty(0)
        ),
        activations=as_array(tapped.as_maps(output)[0], f"output of layer '{layer}'"),
        class_token=None if token is None else as_array(token[0], f"token of layer '{layer}'"),
        gradients=gradients,
    )


def gather_clean_gradient(model: Model, image: Image, target: int) -> GradientEvidence:
    """Take the gradient of the target's logit at the picture itself.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in the gradient.
    """
    with gradients_on():
        gradient = input_gradients(model, model.preprocess(image), target)[0]
    return GradientEvidence(clean=as_array(gradient, "input gradient"))


@contextmanager
def gradients_on() -> Iterator[None]:
    """Let gradients be taken whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def input_gradients(model: Model, x: Tensor, target: int) -> Tensor:
    """Return (N, C, H, W): the gradient of each picture's target logit at its own input."""
    model.require_head()
    leaf = x.detach().requires_grad_()
    logits = model.network(leaf.clone())  # a network may write into its input
    (gradients,) = torch.autograd.grad(logits[:, target].sum(), leaf)
    return gradients


def as_array(values: Tensor, what: str) -> Array:
    """Return a read-only array on the CPU.

    Raises:
        NumericsError: NaN or infinity in it.
    """
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    array = values.detach().cpu().numpy()
    require_finite(array, f"the {what}")
    return read_only(array)


def _add_classes(asked: Asked, kept: ClassEvidence | None) -> ClassEvidence:
    known = {} if kept is None else kept.gradients
    missing = [index for index in asked.classes if index not in known]
    fresh = gather_class_evidence(asked.model, asked.image, asked.layer, missing)
    return replace(fresh, gradients={**known, **fresh.gradients})


def _has_classes(kept: ClassEvidence, asked: Asked) -> bool:
    return all(index in kept.gradients for index in asked.classes)


def _clean(asked: Asked, _kept: GradientEvidence | None) -> GradientEvidence:
    return gather_clean_gradient(asked.model, asked.image, asked.target_class)


CLASS_GRADIENTS = EvidenceKind(
    name="class gradients",
    gather=_add_classes,
    at="layer",
    needs_target=False,
    covers=_has_classes,
)
CLEAN_GRADIENT = EvidenceKind(name="clean gradient", gather=_clean)
