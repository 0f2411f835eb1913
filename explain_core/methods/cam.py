"""The CAM family on one class: by gradients, by masking channels, and by neither (Eigen-CAM).

`A` are the tapped activations (K, h, w), `g = ∂y^c/∂A` the gradient of the class's logit.
Each function returns the signed map (h, w); the ReLU of the papers comes at rendering.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from explain_core.methods.derivatives import NOISY_DERIVATIVES, NoisyDerivatives
from explain_core.methods.evidence import CLASS_GRADIENTS, ClassEvidence
from explain_core.methods.masking import (
    ABLATIONS,
    CHANNEL_SCORES,
    MaskedLogits,
    num_channels_taken,
)
from explain_core.methods.method import Cost, Method, Passes, Request, forward_passes
from explain_core.methods.settings import LEAST_CHANNELS, NOISE, SOFTMAX, TOP_CHANNELS
from explain_core.models.model import Model
from explain_core.types import (
    Array,
    Basis,
    ParameterValue,
    ScoreBasis,
    StaticBasis,
    read_only,
)


def grad_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its mean gradient: `sum_k mean(g_k) A_k` (Selvaraju et al., eq. 1)."""
    flat = gradient.reshape(len(gradient), -1)
    mean = np.full(flat.shape[1], 1 / flat.shape[1], flat.dtype)  # a product beats .mean()
    return weighted_sum(flat @ mean, activations)


def grad_cam_plus_plus(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its positive gradients' shares (Chattopadhay et al., eq. 19).

    `w_k = sum_ij relu(g_ij) g_ij^2 / (2 g_ij^2 + S_k g_ij^3)` with `S_k = sum_ij A_k`, which is
    `sum_ij relu(g_ij) / (2 + S_k g_ij)`.

    Departure: pytorch-grad-cam adds 1e-6 to the uncancelled denominator. Gradients at a 7 x 7
    layer are of the order 1e-3, so that 1e-6 outweighs their squares and changes the map; here
    the share is exact. Where it has a pole (`2 + S g <= 0`, possible only for activations that
    can be negative) the position is left out.
    """
    sums = activations.sum(axis=(1, 2))[:, None, None]
    positive = np.maximum(gradient, 0)
    denominator = 2 + sums * positive
    shares = np.divide(positive, denominator, out=np.zeros_like(positive), where=denominator > 0)
    return weighted_sum(shares.sum(axis=(1, 2)), activations)


def xgrad_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each channel by its gradient where it is active (Fu et al., eq. 8).

    `w_k = sum_ij (A_k,ij / sum_ab A_k,ab) g_k,ij`; a channel that sums to zero weighs nothing.
    """
    sums = activations.sum(axis=(1, 2))
    weighted = (activations * gradient).sum(axis=(1, 2))
    weights = np.divide(weighted, sums, out=np.zeros_like(weighted), where=sums != 0)
    return weighted_sum(weights, activations)


def layer_cam(activations: Array, gradient: Array) -> Array:
    """Weigh each position by its positive gradient, `sum_k relu(g_k) A_k` (Jiang et al., eq. 6)."""
    return cast(Array, np.einsum("khw,khw->hw", np.maximum(gradient, 0), activations))


def smooth_grad_cam_plus_plus(activations: Array, powers: Array) -> Array:
    """Weigh each channel as Grad-CAM++, by derivatives averaged over noisy copies (Omeiza et al.).

    `w_k = sum_ij relu(D1_ij) D2_ij / (2 D2_ij + S_k D3_ij)` with `S_k = sum_ij A_k` of the picture
    itself; `D1`, `D2`, `D3` are the means of `g`, `g^2` and `g^3`. Positions with a pole are left
    out, as in `grad_cam_plus_plus`.

    Departure: the third derivatives of the paper are those of `exp(y)`, whose factor `exp(y)`
    differs from copy to copy; it is dropped there as in Grad-CAM++, lest one copy outweigh all.

    Args:
        powers: (3, K, h, w).
    """
    first, second, third = powers
    sums = activations.sum(axis=(1, 2), dtype=powers.dtype)[:, None, None]
    denominator = 2 * second + sums * third
    shares = np.divide(second, denominator, out=np.zeros_like(second), where=denominator > 0)
    weights = (np.maximum(first, 0) * shares).sum(axis=(1, 2))
    return weighted_sum(weights.astype(activations.dtype), activations)


def eigen_cam(activations: Array) -> Array:
    """Project each position onto the activations' first principal component.

    `(A - mean_ij A) · v`, `v` the eigenvector of the channels' covariance over the positions with
    the largest eigenvalue (Muhammad & Yeasin, IJCNN 2020). Its sign is that with which the map
    correlates with the channels' mean.

    Departure: the paper does not subtract the mean first. Without that the component is about the
    mean itself; pytorch-grad-cam subtracts it too, and leaves the sign to chance.
    """
    flat = activations.reshape(len(activations), -1).astype(np.float64)
    centred = flat - flat.mean(axis=1, keepdims=True)
    if len(centred) < centred.shape[1]:
        _, vectors = np.linalg.eigh(centred @ centred.T)
        projection = vectors[:, -1] @ centred
    else:
        values, vectors = np.linalg.eigh(centred.T @ centred)
        projection = np.sqrt(max(values[-1], 0.0)) * vectors[:, -1]
    if projection @ centred.sum(axis=0) < 0:
        projection = -projection
    return cast(Array, projection.reshape(activations.shape[1:]).astype(activations.dtype))


def ablation_cam(activations: Array, score: float, ablated: Array) -> Array:
    """Weigh each channel by the share of the score that is lost without it.

    `w_k = (y - y_k) / |y|` (Desai & Ramaswamy, eq. 2), `y_k` the logit with channel k set to zero.

    Departure: the paper divides by `y`, which turns the map round for a class whose logit is
    negative; for a positive logit both are the same.

    Args:
        ablated: (K,), `y_k`.
    """
    weights = (score - ablated.astype(np.float64)) / (abs(score) or 1.0)
    return weighted_sum(weights.astype(activations.dtype), activations)


def weighted_sum(weights: Array, activations: Array) -> Array:
    """Return (h, w): `sum_k weights_k activations_k`."""
    return np.tensordot(weights, activations, axes=1)


def _single_class(formula: Callable[[Array, Array], Array]) -> Callable[..., Basis]:
    def build(
        request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
    ) -> Basis:
        values_map = formula(evidence.activations, evidence.gradients[request.target])
        return StaticBasis(request.provenance, request.geometry, read_only(values_map))

    return build


def _smooth(
    request: Request, evidence: NoisyDerivatives, values: Mapping[str, ParameterValue]
) -> Basis:
    found = smooth_grad_cam_plus_plus(evidence.activations, evidence.powers)
    return StaticBasis(request.provenance, request.geometry, read_only(found))


def _eigen(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    found = eigen_cam(evidence.activations)
    return StaticBasis(request.provenance, request.geometry, read_only(found))


def _ablation(
    request: Request, evidence: MaskedLogits, values: Mapping[str, ParameterValue]
) -> Basis:
    activations, ablated = evidence.strongest(int(values["top_channels"]))
    found = ablation_cam(
        activations, float(evidence.logits[request.target]), ablated[:, request.target]
    )
    return StaticBasis(request.provenance, request.geometry, read_only(found))


def _score(request: Request, evidence: MaskedLogits, values: Mapping[str, ParameterValue]) -> Basis:
    return score_basis(request, evidence, values, np.empty(0))


def score_basis(
    request: Request,
    evidence: MaskedLogits,
    values: Mapping[str, ParameterValue],
    weights: Array,
) -> ScoreBasis:
    """Return the channel scores of the target and of the references, weighted by `weights`."""
    assert evidence.baseline is not None
    activations, masked = evidence.strongest(int(values["top_channels"]))
    classes = [request.target, *request.contrast.references]
    return ScoreBasis(
        request.provenance,
        request.geometry,
        activations=activations,
        scores=read_only(masked[:, classes].T),
        baselines=read_only(evidence.baseline[classes]),
        weights=read_only(weights.astype(masked.dtype)),
    )


def masking_passes(extra: int) -> Cost:
    """Return the cost of one pass per channel taken, and some more."""

    def cost(model: Model, layer: str, values: Mapping[str, ParameterValue]) -> Passes:
        return Passes(num_channels_taken(model, layer, int(values["top_channels"])) + extra)

    return cost


def _copies_and_the_picture(
    model: Model, layer: str, values: Mapping[str, ParameterValue]
) -> Passes:
    return Passes(int(values["num_samples"]) + 1)


CAM_FAMILY = (
    Method(
        name="grad-cam",
        title="Grad-CAM",
        evidence=CLASS_GRADIENTS,
        can_be_signed=True,
        summary="Where the layer's channels raise the target's score.",
        paper="Selvaraju et al., ICCV 2017",
        build=_single_class(grad_cam),
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="grad-cam++",
        title="Grad-CAM++",
        evidence=CLASS_GRADIENTS,
        can_be_signed=True,
        summary="Grad-CAM with positive gradients only, so that several objects count.",
        paper="Chattopadhay et al., WACV 2018",
        build=_single_class(grad_cam_plus_plus),
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="xgrad-cam",
        title="XGrad-CAM",
        evidence=CLASS_GRADIENTS,
        can_be_signed=True,
        summary="Grad-CAM with gradients weighted by where each channel is active.",
        paper="Fu et al., BMVC 2020",
        build=_single_class(xgrad_cam),
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="layer-cam",
        title="Layer-CAM",
        evidence=CLASS_GRADIENTS,
        summary="Each position weighted by its own positive gradient: sharper.",
        paper="Jiang et al., IEEE TIP 2021",
        build=_single_class(layer_cam),
        needs_gradient="layer",
        cost=forward_passes(1),
    ),
    Method(
        name="smooth-grad-cam++",
        title="Smooth Grad-CAM++",
        evidence=NOISY_DERIVATIVES,
        can_be_signed=True,
        parameters=NOISE,
        summary="Grad-CAM++ with derivatives averaged over noisy copies.",
        paper="Omeiza et al., 2019",
        cost=_copies_and_the_picture,
        build=_smooth,
        needs_gradient="layer",
        counted_by="num_samples",
    ),
    Method(
        name="score-cam",
        title="Score-CAM",
        evidence=CHANNEL_SCORES,
        can_be_signed=True,
        parameters=(SOFTMAX, TOP_CHANNELS),
        summary="Channels weighted by the target's score when only they let the picture through.",
        paper="Wang et al., CVPR workshop 2020",
        cost=masking_passes(2),
        build=_score,
        counted_by="top_channels",
        grows=True,
        least_steps=LEAST_CHANNELS,
    ),
    Method(
        name="ablation-cam",
        title="Ablation-CAM",
        evidence=ABLATIONS,
        can_be_signed=True,
        parameters=(TOP_CHANNELS,),
        summary="Channels weighted by how much the target's score falls without them.",
        paper="Desai & Ramaswamy, WACV 2020",
        cost=masking_passes(3),
        build=_ablation,
        counted_by="top_channels",
        grows=True,
        least_steps=LEAST_CHANNELS,
    ),
    Method(
        name="eigen-cam",
        title="Eigen-CAM",
        evidence=CLASS_GRADIENTS,
        needs_class=False,
        can_be_signed=True,
        summary="What varies most across the picture in the layer, whatever the class.",
        paper="Muhammad & Yeasin, IJCNN 2020",
        build=_eigen,
        cost=forward_passes(1),
    ),
)
