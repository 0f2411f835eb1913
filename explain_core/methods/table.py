"""`METHODS`: every method by name, with what it needs, its parameters, its paper and its basis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

import numpy as np

from explain_core.methods import cam, diffcam, finer_cam
from explain_core.methods.evidence import ClassEvidence, GradientEvidence
from explain_core.parameters import Parameter
from explain_core.references.spectrum import Spectrum
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    Geometry,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    ParameterValue,
    Pooling,
    Provenance,
    SpectralBasis,
    StaticBasis,
    read_only,
)


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
        compares_with: nothing, reference classes, or a set of reference pictures.
        needs_class: whether it explains a class's score, which models without a head have not.
        is_signed: whether its negative values carry meaning and are kept by default.
        can_be_signed: whether a signed view exists.
        parameters: of both phases.
    """

    name: str
    title: str
    evidence: Literal["classes", "clean gradient", "noisy gradients"]
    summary: str
    paper: str
    build: Callable[..., Basis]
    compares_with: Literal["nothing", "classes", "pictures"] = "nothing"
    needs_class: bool = True
    is_signed: bool = False
    can_be_signed: bool = False
    parameters: tuple[Parameter, ...] = ()

    def parameters_of(self, phase: str) -> tuple[Parameter, ...]:
        """Return the parameters that act in "prepare" or in "render"."""
        return tuple(parameter for parameter in self.parameters if parameter.phase == phase)


GAMMA = Parameter(
    name="gamma",
    label="γ — comparison strength",
    default=0.6,
    phase="render",
    help="How much of the reference classes' evidence is subtracted. 0 is the plain method; "
    "above 1 extrapolates.",
    min=0.0,
    max=2.0,
    step=0.05,
)
REVERSE = Parameter(
    name="reverse",
    label="Reverse",
    default=False,
    phase="render",
    help="Show what speaks for the reference classes rather than for the target (Finer-CAM).",
)
LAM = Parameter(
    name="lam",
    label="λ — regularisation",
    default=1e-3,
    phase="render",
    help="In units of the mean variance direction of the reference set. Small: directions in "
    "which references hardly vary count most. Large: plain difference of means.",
    min=1e-6,
    max=1e2,
    step=0.25,
    scale="log",
)
P = Parameter(
    name="p",
    label="p — guide percentile",
    default=85.0,
    phase="render",
    help="Where the gradient's variance is below its p-th percentile, the map is damped by it. "
    "0 is AbsoluteGrad.",
    min=0.0,
    max=100.0,
    step=1.0,
    unit="%",
)
REFERENCE_WEIGHTS = Parameter(
    name="weights",
    label="Weight of each reference class",
    default="uniform",
    phase="prepare",
    help="uniform: the paper's mean. softmax: by the references' logits. released: as the "
    "authors' code, whose gradient also passes through the softmax.",
    choices=("uniform", "softmax", "released"),
)
NUM_SAMPLES = Parameter(
    name="num_samples",
    label="Noisy copies",
    default=20,
    phase="prepare",
    help="How many noisy copies of the picture the gradients are taken at.",
    min=2,
    max=500,
    step=1,
)
SPREAD = Parameter(
    name="spread",
    label="Noise spread",
    default=0.15,
    phase="prepare",
    help="Standard deviation of the noise, as a share of the input's range.",
    min=0.0,
    max=1.0,
    step=0.01,
)
SEED = Parameter(
    name="seed",
    label="Seed",
    default=0,
    phase="prepare",
    help="Of the noise: the same seed gives the same map.",
    min=0,
    max=2**31 - 1,
    step=1,
)
_NOISE = (NUM_SAMPLES, SPREAD, SEED)


def _single_class(formula: Callable[[Array, Array], Array]) -> Callable[..., Basis]:
    def build(
        request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
    ) -> Basis:
        values_map = formula(evidence.activations, evidence.gradients[request.target])
        return StaticBasis(request.provenance, request.geometry, read_only(values_map))

    return build


def _finer_grad_cam(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    classes = (request.target, *request.contrast.references)
    maps = [cam.grad_cam(evidence.activations, evidence.gradients[index]) for index in classes]
    weights = finer_cam.reference_weights(
        evidence.logits, request.contrast.references, str(values["weights"])
    )
    return LinearBasis(
        request.provenance,
        request.geometry,
        maps=read_only(np.stack(maps)),
        weights=read_only(weights.astype(maps[0].dtype)),
    )


def _finer_layer_cam(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    references = request.contrast.references
    weights = finer_cam.reference_weights(evidence.logits, references, str(values["weights"]))
    return LayerBasis(
        request.provenance,
        request.geometry,
        activations=evidence.activations,
        target_gradient=evidence.gradients[request.target],
        reference_gradient=read_only(
            finer_cam.mean_gradient([evidence.gradients[index] for index in references], weights)
        ),
    )


def _diffcam(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    references = request.references
    assert references is not None
    spectrum = references.spectrum
    pooled = evidence.pooled(references.pooling, references.layer)
    parts = diffcam.spectral_parts(evidence.activations, pooled, spectrum)
    return SpectralBasis(
        request.provenance,
        request.geometry,
        eigenvalues=parts.eigenvalues,
        coefficients=read_only(parts.coefficients),
        projections=read_only(parts.projections),
        rest=read_only(parts.rest),
        lam_unit=spectrum.lam_unit,
        num_references=spectrum.count,
        num_features=len(spectrum.mean),
    )


def _channel_sum(pick: Callable[[GradientEvidence], Array | None]) -> Callable[..., Basis]:
    def build(
        request: Request, evidence: GradientEvidence, values: Mapping[str, ParameterValue]
    ) -> Basis:
        gradients = cast(Array, pick(evidence))
        return StaticBasis(
            request.provenance, request.geometry, read_only(np.abs(gradients).sum(axis=0))
        )

    return build


def _guided_absolute_grad(
    request: Request, evidence: GradientEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    assert evidence.mean_absolute is not None
    assert evidence.variance is not None
    return GuidedBasis(
        request.provenance, request.geometry, evidence.mean_absolute, evidence.variance
    )


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(
                name="grad-cam",
                title="Grad-CAM",
                evidence="classes",
                can_be_signed=True,
                summary="Where the layer's channels raise the target's score.",
                paper="Selvaraju et al., ICCV 2017",
                build=_single_class(cam.grad_cam),
            ),
            Method(
                name="grad-cam++",
                title="Grad-CAM++",
                evidence="classes",
                can_be_signed=True,
                summary="Grad-CAM with positive gradients only, so that several objects count.",
                paper="Chattopadhay et al., WACV 2018",
                build=_single_class(cam.grad_cam_plus_plus),
            ),
            Method(
                name="xgrad-cam",
                title="XGrad-CAM",
                evidence="classes",
                can_be_signed=True,
                summary="Grad-CAM with gradients weighted by where each channel is active.",
                paper="Fu et al., BMVC 2020",
                build=_single_class(cam.xgrad_cam),
            ),
            Method(
                name="layer-cam",
                title="Layer-CAM",
                evidence="classes",
                summary="Each position weighted by its own positive gradient: sharper.",
                paper="Jiang et al., IEEE TIP 2021",
                build=_single_class(cam.layer_cam),
            ),
            Method(
                name="finer-grad-cam",
                title="Finer-CAM (Grad-CAM)",
                evidence="classes",
                compares_with="classes",
                can_be_signed=True,
                parameters=(GAMMA, REVERSE, REFERENCE_WEIGHTS),
                summary="What speaks for the target rather than for the reference classes.",
                paper="Zhang et al., Finer-CAM, CVPR 2025",
                build=_finer_grad_cam,
            ),
            Method(
                name="finer-layer-cam",
                title="Finer-CAM (Layer-CAM)",
                evidence="classes",
                compares_with="classes",
                parameters=(GAMMA, REVERSE, REFERENCE_WEIGHTS),
                summary="Finer-CAM position by position: sharper.",
                paper="Zhang et al., Finer-CAM, CVPR 2025",
                build=_finer_layer_cam,
            ),
            Method(
                name="diffcam",
                title="DiffCAM",
                evidence="classes",
                compares_with="pictures",
                needs_class=False,
                is_signed=True,
                can_be_signed=True,
                parameters=(LAM,),
                summary="What the picture has that the reference pictures lack.",
                paper="Li et al., DiffCAM, CVPR 2025",
                build=_diffcam,
            ),
            Method(
                name="guided-absolute-grad",
                title="Guided AbsoluteGrad",
                evidence="noisy gradients",
                parameters=(P, *_NOISE),
                summary="Pixels with a large gradient, kept where it varies most under noise.",
                paper="Huang & Liu, Guided AbsoluteGrad, 2024",
                build=_guided_absolute_grad,
            ),
            Method(
                name="absolute-grad",
                title="AbsoluteGrad",
                evidence="noisy gradients",
                parameters=_NOISE,
                summary="Mean size of the gradient over noisy copies.",
                paper="Huang & Liu, Guided AbsoluteGrad, 2024",
                build=_channel_sum(lambda evidence: evidence.mean_absolute),
            ),
            Method(
                name="vanilla-gradient",
                title="Vanilla gradient",
                evidence="clean gradient",
                summary="Pixels to which the target's score is most sensitive.",
                paper="Simonyan et al., ICLR workshop 2014",
                build=_channel_sum(lambda evidence: evidence.clean),
            ),
            Method(
                name="smooth-grad",
                title="SmoothGrad",
                evidence="noisy gradients",
                parameters=_NOISE,
                summary="Size of the mean gradient over noisy copies.",
                paper="Smilkov et al., 2017",
                build=_channel_sum(lambda evidence: evidence.mean),
            ),
            Method(
                name="var-grad",
                title="VarGrad",
                evidence="noisy gradients",
                parameters=_NOISE,
                summary="How much the gradient varies over noisy copies.",
                paper="Adebayo et al., ICLR workshop 2018",
                build=_channel_sum(lambda evidence: evidence.variance),
            ),
        )
    }
)
