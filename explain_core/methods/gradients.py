"""Methods on the input's gradient: plain, over modified inputs, along paths, and guided.

All show sizes: what is summed over the channels is the absolute value of the aggregate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from explain_core.methods.evidence import CLEAN_GRADIENT, GradientEvidence
from explain_core.methods.method import Method, Passes, Request, gradient_passes
from explain_core.methods.modifications import BASELINES, MAX_SIGMA_PX
from explain_core.methods.sampling import (
    BLUR_PATH,
    GUIDED_GRADIENTS,
    GUIDED_PATH,
    MODIFICATIONS,
    MODIFIED_GRADIENTS,
    NOISY_GRADIENTS,
    STRAIGHT_PATH,
    GuidedGradients,
    SampledGradients,
)
from explain_core.methods.settings import NOISE, P
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Basis, GuidedBasis, ParameterValue, StaticBasis, read_only

Values = Mapping[str, ParameterValue]

PROCESSING = Parameter(
    name="processing",
    label="Gradients taken",
    default="plain",
    phase="prepare",
    help="Which part of the gradients is aggregated: plain: all; +: positive ones only; -: "
    "negative ones only; A: their sizes. G guides the plain aggregate by the gradients' variance, "
    "GA that of the sizes; p acts with these two only.",
    choices=("plain", "+", "-", "A", "G", "GA"),
)
MODIFICATION = Parameter(
    name="modification",
    label="Input modified by",
    default="noise",
    phase="prepare",
    help="Where Guided AbsoluteGrad takes its gradients: at noisy copies (the paper's choice), or "
    "at as many points on the way from black or from a blurred picture.",
    choices=tuple(MODIFICATIONS),
)
NUM_STEPS = Parameter(
    name="num_steps",
    label="Steps on the path",
    default=50,
    phase="prepare",
    help="At how many points of the path the gradients are taken.",
    min=2,
    max=500,
    step=1,
)
BASELINE = Parameter(
    name="baseline",
    label="Path begins at",
    default="black",
    phase="prepare",
    help="The picture without information. What has the baseline's own colour gets no attribution.",
    choices=BASELINES,
)
MAX_SIGMA = Parameter(
    name="max_sigma",
    label="Strongest blur",
    default=MAX_SIGMA_PX,
    phase="prepare",
    help="Standard deviation of the blur at which BlurIG's path begins.",
    min=1.0,
    max=200.0,
    step=1.0,
    unit="px",
)
FRACTION = Parameter(
    name="fraction",
    label="Share moved at once",
    default=0.25,
    phase="prepare",
    help="Guided IG moves this share of the pixels at once, those of smallest gradient first.",
    min=0.01,
    max=1.0,
    step=0.01,
)
MAX_DIST = Parameter(
    name="max_dist",
    label="Distance from the straight path",
    default=0.02,
    phase="prepare",
    help="How far Guided IG's path may deviate. 0 is the straight path of Integrated Gradients.",
    min=0.0,
    max=1.0,
    step=0.01,
)


def processed(plain: Array, absolute: Array, processing: str) -> Array:
    """Return (C, H, W): the aggregate of the part of the gradients that `processing` names.

    Guided AbsoluteGrad, Table 3. An aggregate `F` is linear, so `F(relu(g)) = (F(|g|) + F(g)) / 2`
    and `F(relu(-g)) = (F(|g|) - F(g)) / 2`. The guide of "G" and "GA" comes on top.

    Args:
        plain: `F(g)`.
        absolute: `F(|g|)`.
    """
    if processing == "+":
        return (absolute + plain) / 2
    if processing == "-":
        return (absolute - plain) / 2
    return absolute if processing in ("A", "GA") else plain


def _sizes(pick: Callable[[SampledGradients], Array]) -> Callable[..., Basis]:
    def build(request: Request, evidence: SampledGradients, values: Values) -> Basis:
        return _channel_sum(request, pick(evidence))

    return build


def _channel_sum(request: Request, aggregate: Array) -> Basis:
    values = read_only(np.abs(aggregate).sum(axis=0))
    return StaticBasis(request.provenance, request.geometry, values)


def _vanilla(request: Request, evidence: GradientEvidence, values: Values) -> Basis:
    return _channel_sum(request, evidence.clean)


def _guided_absolute_grad(request: Request, evidence: SampledGradients, values: Values) -> Basis:
    return GuidedBasis(
        request.provenance, request.geometry, evidence.mean_absolute, evidence.variance
    )


def _with_processing(request: Request, evidence: SampledGradients, values: Values) -> Basis:
    return _processed_basis(
        request, evidence.attribution, evidence.attribution_absolute, evidence.variance, values
    )


def _guided_backprop(request: Request, evidence: GuidedGradients, values: Values) -> Basis:
    absolute = np.abs(evidence.clean)
    return _processed_basis(request, evidence.clean, absolute, evidence.variance, values)


def _processed_basis(
    request: Request, plain: Array, absolute: Array, variance: Array | None, values: Values
) -> Basis:
    """Return a guided basis for "G" and "GA", a finished map for the others."""
    processing = str(values["processing"])
    aggregate = processed(plain, absolute, processing)
    if "G" not in processing:
        return _channel_sum(request, aggregate)
    assert variance is not None
    return GuidedBasis(request.provenance, request.geometry, read_only(np.abs(aggregate)), variance)


def _guided_backprop_cost(model: Model, layer: str, values: Values) -> Passes:
    guide = int(values["num_samples"]) if "G" in str(values["processing"]) else 0
    return Passes(gradient=1 + guide)


GRADIENT_FAMILY = (
    Method(
        name="guided-absolute-grad",
        title="Guided AbsoluteGrad",
        evidence=MODIFIED_GRADIENTS,
        parameters=(P, MODIFICATION, *NOISE),
        summary="Pixels with a large gradient, kept where it varies most under noise.",
        paper="Huang & Liu, Guided AbsoluteGrad, 2024",
        build=_guided_absolute_grad,
        cost=gradient_passes("num_samples"),
        needs_gradient="input",
        counted_by="num_samples",
    ),
    Method(
        name="absolute-grad",
        title="AbsoluteGrad",
        evidence=NOISY_GRADIENTS,
        parameters=NOISE,
        summary="Mean size of the gradient over noisy copies.",
        paper="Huang & Liu, Guided AbsoluteGrad, 2024",
        build=_sizes(lambda evidence: evidence.mean_absolute),
        cost=gradient_passes("num_samples"),
        needs_gradient="input",
        counted_by="num_samples",
    ),
    Method(
        name="vanilla-gradient",
        title="Vanilla gradient",
        evidence=CLEAN_GRADIENT,
        summary="Pixels to which the target's score is most sensitive.",
        paper="Simonyan et al., ICLR workshop 2014",
        build=_vanilla,
        cost=gradient_passes(1),
        needs_gradient="input",
    ),
    Method(
        name="smooth-grad",
        title="SmoothGrad",
        evidence=NOISY_GRADIENTS,
        parameters=(P, PROCESSING, *NOISE),
        summary="Size of the mean gradient over noisy copies.",
        paper="Smilkov et al., 2017",
        build=_with_processing,
        cost=gradient_passes("num_samples"),
        needs_gradient="input",
        counted_by="num_samples",
    ),
    Method(
        name="var-grad",
        title="VarGrad",
        evidence=NOISY_GRADIENTS,
        parameters=NOISE,
        summary="How much the gradient varies over noisy copies.",
        paper="Adebayo et al., ICLR workshop 2018",
        build=_sizes(lambda evidence: evidence.variance),
        cost=gradient_passes("num_samples"),
        needs_gradient="input",
        counted_by="num_samples",
    ),
    Method(
        name="integrated-gradients",
        title="Integrated Gradients",
        evidence=STRAIGHT_PATH,
        parameters=(P, PROCESSING, NUM_STEPS, BASELINE),
        summary="How each pixel adds to the score on the straight way from a blank picture.",
        paper="Sundararajan et al., ICML 2017",
        build=_with_processing,
        cost=gradient_passes("num_steps"),
        needs_gradient="input",
        counted_by="num_steps",
    ),
    Method(
        name="guided-ig",
        title="Guided IG",
        evidence=GUIDED_PATH,
        parameters=(P, PROCESSING, NUM_STEPS, BASELINE, FRACTION, MAX_DIST),
        summary="Integrated Gradients on a way that changes the least decisive pixels first.",
        paper="Kapishnikov et al., CVPR 2021",
        build=_with_processing,
        cost=gradient_passes("num_steps"),
        needs_gradient="input",
        counted_by="num_steps",
    ),
    Method(
        name="blur-ig",
        title="BlurIG",
        evidence=BLUR_PATH,
        parameters=(P, PROCESSING, NUM_STEPS, MAX_SIGMA),
        summary="How each pixel adds to the score while a blurred picture becomes sharp.",
        paper="Xu et al., CVPR 2020",
        build=_with_processing,
        cost=gradient_passes("num_steps"),
        needs_gradient="input",
        counted_by="num_steps",
    ),
    Method(
        name="guided-backprop",
        title="Guided Backprop",
        evidence=GUIDED_GRADIENTS,
        parameters=(P, PROCESSING, *NOISE),
        summary="The gradient, with only positive parts passed back through each ReLU.",
        paper="Springenberg et al., ICLR workshop 2015",
        build=_guided_backprop,
        cost=_guided_backprop_cost,
        needs_gradient="input",
        counted_by="num_samples",
    ),
)
