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
    """Return `m_c - γ Σ_d π_d m_d` (Finer-CAM before the ReLU), reversed: `Σ_d π_d m_d - γ m_c`."""
    target = basis.maps[0]
    reference = np.tensordot(basis.weights, basis.maps[1:], axes=1)
    return _contrast(target, reference, values)


def render_layer(basis: LayerBasis, values: Values) -> Array:
    """Return `Σ_k relu(g_c - γ g_d)_k A_k`; reversed with the two gradients exchanged."""
    mixed = _contrast(basis.target_gradient, basis.reference_gradient, values)
    return cast(Array, np.einsum("khw,khw->hw", np.maximum(mixed, 0), basis.activations))


def render_score(basis: ScoreBasis, values: Values) -> Array:
    """Return `Σ_k α_k A_k` with `α = f^c - γ f^d` (Finer-CAM on Score-CAM), through a softmax."""
    weights = _contrast(basis.target_scores, basis.reference_scores, values)
    if basis.is_softmax:
        weights = np.exp(weights - weights.max())
        weights = weights / weights.sum()
    return np.tensordot(weights, basis.activations, axes=1)


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
