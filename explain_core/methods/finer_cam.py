"""Finer-CAM: what speaks for the target rather than for classes like it.

The target's gradient is replaced by that of `y^c - γ Σ_d π_d y^d`. Gradients are linear, so γ is
left to the renderer: Grad-CAM mixes finished maps, Layer-CAM mixes gradients before its ReLU, and
Score-CAM mixes the channels' scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from explain_core.methods.cam import grad_cam, masking_passes, score_basis
from explain_core.methods.evidence import CLASS_GRADIENTS, ClassEvidence
from explain_core.methods.masking import CHANNEL_SCORES, MaskedLogits
from explain_core.methods.method import Method, Request, forward_passes
from explain_core.methods.settings import (
    AGGREGATION,
    GAMMA,
    LEAST_CHANNELS,
    REFERENCE_WEIGHTS,
    REVERSE,
    SOFTMAX,
    TOP_CHANNELS,
)
from explain_core.types import Array, Basis, LayerBasis, LinearBasis, ParameterValue, read_only


def reference_weights(logits: Array, references: tuple[int, ...], kind: str) -> Array:
    """Return (R,), what each reference class counts.

    Args:
        logits: (num_classes,).
        kind: "uniform" is the paper's mean, 1/R. "softmax" is `π_d`, the softmax over the
            references' logits. "released" is what the released code's gradient amounts to: there
            the softmax is inside the graph, and `c_d = π_d (1 + y^d - Σ_j π_j y^j)`.

    Departure: the released code uses the last of these; the paper's formula is the first. It also
    adds 1e-9 to the references' joint probability, which shows where they are all but impossible.
    """
    if kind == "uniform":
        return np.full(len(references), 1 / len(references))
    chosen = logits[list(references)].astype(np.float64)
    shares = np.exp(chosen - chosen.max())
    shares /= shares.sum()
    if kind == "softmax":
        return cast(Array, shares)
    return cast(Array, shares * (1 + chosen - shares @ chosen))


def _finer_grad_cam(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    classes = (request.target, *request.contrast.references)
    maps = [grad_cam(evidence.activations, evidence.gradients[index]) for index in classes]
    weights = reference_weights(
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
    weights = reference_weights(evidence.logits, references, str(values["weights"]))
    gradients = np.stack([evidence.gradients[index] for index in references])
    return LayerBasis(
        request.provenance,
        request.geometry,
        activations=evidence.activations,
        target_gradient=evidence.gradients[request.target],
        reference_gradients=read_only(gradients),
        weights=read_only(weights.astype(gradients.dtype)),
    )


def _finer_score_cam(
    request: Request, evidence: MaskedLogits, values: Mapping[str, ParameterValue]
) -> Basis:
    references = request.contrast.references
    weights = reference_weights(evidence.logits, references, str(values["weights"]))
    return score_basis(request, evidence, values, weights)


FINER_FAMILY = (
    Method(
        name="finer-grad-cam",
        title="Finer-CAM (Grad-CAM)",
        evidence=CLASS_GRADIENTS,
        compares_with="classes",
        can_be_signed=True,
        parameters=(GAMMA, REVERSE, AGGREGATION, REFERENCE_WEIGHTS),
        summary="What speaks for the target rather than for the reference classes.",
        paper="Zhang et al., Finer-CAM, CVPR 2025",
        build=_finer_grad_cam,
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="finer-layer-cam",
        title="Finer-CAM (Layer-CAM)",
        evidence=CLASS_GRADIENTS,
        compares_with="classes",
        parameters=(GAMMA, REVERSE, AGGREGATION, REFERENCE_WEIGHTS),
        summary="Finer-CAM position by position: sharper.",
        paper="Zhang et al., Finer-CAM, CVPR 2025",
        build=_finer_layer_cam,
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="finer-score-cam",
        title="Finer-CAM (Score-CAM)",
        evidence=CHANNEL_SCORES,
        compares_with="classes",
        can_be_signed=True,
        parameters=(GAMMA, REVERSE, AGGREGATION, SOFTMAX, REFERENCE_WEIGHTS, TOP_CHANNELS),
        summary="Finer-CAM on the scores of single channels, without gradients.",
        paper="Zhang et al., Finer-CAM, CVPR 2025",
        cost=masking_passes(2),
        build=_finer_score_cam,
        counted_by="top_channels",
        grows=True,
        least_steps=LEAST_CHANNELS,
    ),
)
