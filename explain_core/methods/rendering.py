"""The renderers: from a basis and slider values to a map, without a network.

Each returns the signed map (h, w) at the basis's own resolution. The viewer in the browser
repeats exactly these formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from explain_core.maps import relu, require_finite, upsample
from explain_core.methods.settings import AVERAGE_BEFORE, MAXIMUM_BEFORE
from explain_core.types import (
    Array,
    Basis,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    ParameterValue,
    SaliencyMap,
    ScoreBasis,
    SpectralBasis,
    StaticBasis,
    read_only,
)

Values = Mapping[str, ParameterValue]


def render_static(basis: StaticBasis, values: Values) -> Array:
    """Return the finished map."""
    return basis.map


def render_linear(basis: LinearBasis, values: Values) -> Array:
    """Return `m_c - γ Σ_d π_d m_d` (Finer-CAM before the ReLU), reversed: `Σ_d π_d m_d - γ m_c`.

    See `aggregated` for several references.
    """

    def mix(weights: Array) -> Array:
        return _contrast(basis.maps[0], np.tensordot(weights, basis.maps[1:], axes=1), values)

    return aggregated(basis.weights, mix, values)


def render_layer(basis: LayerBasis, values: Values) -> Array:
    """Return `Σ_k relu(g_c - γ Σ_d π_d g_d)_k A_k`; reversed with the two gradients exchanged.

    See `aggregated` for several references.
    """

    def mix(weights: Array) -> Array:
        reference = np.tensordot(weights, basis.reference_gradients, axes=1)
        gradient = np.maximum(_contrast(basis.target_gradient, reference, values), 0)
        return cast(Array, np.einsum("khw,khw->hw", gradient, basis.activations))

    return aggregated(basis.weights, mix, values)


def render_score(basis: ScoreBasis, values: Values) -> Array:
    """Return `Σ_k α_k A_k` with `α_k = f^c(x∘H_k) - γ Σ_d π_d f^d(x∘H_k) - f^c(x_b)`.

    Finer-CAM on Score-CAM, by default with a softmax over `α`; reversed with the classes
    exchanged. Without references it is Score-CAM. See `aggregated` for several references.
    """

    def mix(weights: Array) -> Array:
        scores, baseline = basis.scores[0], basis.baselines[0]
        if len(weights):
            scores = _contrast(scores, weights @ basis.scores[1:], values)
            baseline = weights @ basis.baselines[1:] if values["reverse"] else baseline
        alpha = scores - baseline
        if values["softmax"]:
            alpha = np.exp(alpha - alpha.max())
            alpha = alpha / alpha.sum()
        return np.tensordot(alpha, basis.activations, axes=1)

    return aggregated(basis.weights, mix, values) if len(basis.weights) else mix(basis.weights)


def aggregated(weights: Array, mix: Callable[[Array], Array], values: Values) -> Array:
    """Return one map of several references (Finer-CAM, Table 7).

    "average before ReLU": `mix(π)`. "maximum before ReLU": `max_d mix(e_d)`, position by position.
    "average after ReLU": `Σ_d π_d relu(mix(e_d))`. `e_d` weighs reference d alone.

    Args:
        weights: `π`, (R,).
        mix: from weights of the references to the map (h, w) before its ReLU.
    """
    if values["aggregation"] == AVERAGE_BEFORE:
        return mix(weights)
    singles = np.stack([mix(alone) for alone in np.eye(len(weights), dtype=weights.dtype)])
    if values["aggregation"] == MAXIMUM_BEFORE:
        return cast(Array, singles.max(axis=0))
    return np.tensordot(weights, relu(singles), axes=1)


def render_spectral(basis: SpectralBasis, values: Values) -> Array:
    """Return `Σ_i a_i/(s_i+λ) B_i + B_rest/λ` (DiffCAM, eq. 6-7) for `λ = lam * lam_unit`."""
    lam = float(values["lam"]) * basis.lam_unit
    weights = basis.coefficients / (basis.eigenvalues + lam)
    mixed: Array = np.tensordot(weights, basis.projections, axes=1) + basis.rest / lam
    return mixed


def render_guided(basis: GuidedBasis, values: Values) -> Array:
    """Return `Σ_channels M_AG ⊙ G` with `G = 1 where V >= its p-th percentile, else V` (eq. 4).

    The percentile is taken per channel, interpolated linearly.
    """
    variance = basis.variance
    threshold = np.percentile(variance, float(values["p"]), axis=(1, 2), keepdims=True)
    guide = np.where(variance >= threshold.astype(variance.dtype), 1, variance)
    return cast(Array, (basis.mean_absolute * guide).sum(axis=0))


RENDERERS: Mapping[type[Basis], Callable[[Any, Values], Array]] = {
    StaticBasis: render_static,
    LinearBasis: render_linear,
    LayerBasis: render_layer,
    ScoreBasis: render_score,
    SpectralBasis: render_spectral,
    GuidedBasis: render_guided,
}


def render_map(basis: Basis, values: Values, *, is_signed: bool, recorded: Values) -> SaliencyMap:
    """Render a basis: mix, ReLU unless signed, upsample to the model's input.

    Args:
        values: of the method's render parameters, complete.
        is_signed: keep negative values.
        recorded: what the provenance says of them.

    Raises:
        NumericsError: NaN or infinity in the map.
    """
    mixed = RENDERERS[type(basis)](basis, values)
    shown = upsample(mixed if is_signed else relu(mixed), basis.geometry.input_size)
    with np.errstate(over="ignore"):  # told as infinity on the next line
        shown = shown.astype(np.float32, copy=False)
    require_finite(shown, f"the {basis.provenance.method} map")
    provenance = basis.provenance
    return SaliencyMap(
        values=read_only(shown),
        is_signed=is_signed,
        provenance=replace(provenance, parameters=(*provenance.parameters, *recorded.items())),
        geometry=basis.geometry,
    )


def _contrast(target: Array, reference: Array, values: Values) -> Array:
    gamma = float(values["gamma"])
    if values["reverse"]:
        return reference - gamma * target
    return target - gamma * reference
