"""What a method is, and what it is given to build a basis from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from explain_core.methods.evidence import EvidenceKind
from explain_core.models.model import Model
from explain_core.models.silent_layers import is_silent
from explain_core.parameters import Parameter
from explain_core.references.spectrum import Spectrum
from explain_core.types import Basis, Contrast, Geometry, ParameterValue, Pooling, Provenance

Values = Mapping[str, ParameterValue]


@dataclass(frozen=True)
class Passes:
    """Count the pictures that a network processes.

    Attributes:
        forward: without a gradient, or with one that ends at the tapped layer.
        gradient: forward, and backward as far as the input.
    """

    forward: int = 0
    gradient: int = 0

    @property
    def total(self) -> int:
        """Return all of them, as `count_passes` counts."""
        return self.forward + self.gradient


# From model, layer and the values of all prepare parameters.
Cost = Callable[[Model, str, Values], Passes]


def forward_passes(count: int | str) -> Cost:
    """Return the cost of a number of pictures, or of what a prepare parameter names."""
    return lambda model, layer, values: Passes(forward=_count(count, values))


def gradient_passes(count: int | str) -> Cost:
    """Return the cost of as many pictures with a gradient at the input."""
    return lambda model, layer, values: Passes(gradient=_count(count, values))


def _count(count: int | str, values: Values) -> int:
    return int(values[count]) if isinstance(count, str) else count


@dataclass(frozen=True, eq=False)
class KnownReferences:
    """Hold a reference set as methods take it.

    Attributes:
        spectrum: of its scatter.
        pooling, layer: how its features came about.
    """

    spectrum: Spectrum
    pooling: Pooling
    layer: str


@dataclass(frozen=True, eq=False)
class Request:
    """Hold what a basis is built for, apart from the network's evidence.

    Attributes:
        provenance: complete, the contrast included.
        geometry: where the map lies on the original.
        references: what is known of the reference pictures, without the image itself; None for
            methods that compare with none.
    """

    provenance: Provenance
    geometry: Geometry
    references: KnownReferences | None

    @property
    def contrast(self) -> Contrast:
        """Return the question."""
        return self.provenance.contrast

    @property
    def target(self) -> int:
        """Return the target class of a method that needs one."""
        target = self.contrast.target
        assert target is not None
        return target


@dataclass(frozen=True)
class Method:
    """Describe a method.

    Attributes:
        name: kebab-case, as in the field.
        title: as people read it.
        evidence: what it asks of the network.
        summary: one sentence on what the map shows.
        paper: the source.
        build: from request, evidence and the values of all prepare parameters to the basis.
        cost: the pictures that the network processes at most, nothing being kept from before.
        compares_with: nothing, reference classes, or a set of reference pictures.
        needs_class: whether it explains a class's score, which models without a head have not.
        is_signed: whether its negative values carry meaning and are kept by default.
        can_be_signed: whether a signed view exists.
        is_control: whether it knows nothing of the model, and is there to hold others against.
        parameters: of both phases.
        needs_gradient: of what it takes the gradient of a class's score: nothing, the layer's
            output, or the input.
        counted_by: the prepare parameter that counts its steps; empty where they are few.
        grows: whether a map of few steps is a coarse one, and gathering goes on from there.
        least_steps: fewer of them say nothing.
    """

    name: str
    title: str
    evidence: EvidenceKind[Any]
    summary: str
    paper: str
    build: Callable[..., Basis]
    cost: Cost
    compares_with: Literal["nothing", "classes", "pictures"] = "nothing"
    needs_class: bool = True
    is_signed: bool = False
    can_be_signed: bool = False
    is_control: bool = False
    parameters: tuple[Parameter, ...] = ()
    needs_gradient: Literal["", "layer", "input"] = ""
    counted_by: str = ""
    grows: bool = False
    least_steps: int = 2

    @property
    def grows_with(self) -> str:
        """Return the parameter that counts the steps of a method that grows; else nothing."""
        return self.counted_by if self.grows else ""

    def parameters_of(self, phase: str) -> tuple[Parameter, ...]:
        """Return the parameters that act in "prepare" or in "render"."""
        return tuple(parameter for parameter in self.parameters if parameter.phase == phase)


def why_not_at(method: Method, model: Model, layer: str) -> str | None:
    """Return why a method cannot explain a model at a layer, and what to do; None if it can.

    The text goes on where a sentence began with the method's name: "… left out: ".

    Args:
        layer: a tapped layer.

    Raises:
        ModelError: a layer without a tap.
    """
    if method.needs_class and not model.has_head:
        return f"it explains a class, and {model.name} has none."
    if method.needs_gradient != "layer" or not is_silent(model, layer):
        return None
    instead = model.gradient_layer
    return (
        f"it takes a gradient at the layer, and no score of {model.name} depends on the maps of "
        f"{layer}. Choose {'an earlier layer' if instead is None else f'layer {instead}'}."
    )
