"""DiffCAM: what the image has that a reference group lacks, whatever the model predicts.

`w = (S_v + λI)^-1 δ` with `δ = z - mean(z_i)` (eq. 6), `M = Σ_k w_k A_k` (eq. 7). In the
eigenbasis of the scatter every λ is one weighted sum, so the slider never solves a system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explain_core.methods.evidence import CLASS_GRADIENTS, ClassEvidence
from explain_core.methods.method import Method, Request, forward_passes
from explain_core.methods.settings import LAM
from explain_core.references.spectrum import Spectrum
from explain_core.types import Array, Basis, ParameterValue, SpectralBasis, read_only


@dataclass(frozen=True, eq=False)
class SpectralParts:
    """Hold the parts of `SpectralBasis` that depend on image and group."""

    eigenvalues: Array
    coefficients: Array
    projections: Array
    rest: Array


def spectral_parts(activations: Array, pooled: Array, spectrum: Spectrum) -> SpectralParts:
    """Project activations and difference onto the group's eigenvectors.

    `M(λ) = Σ_i a_i/(s_i+λ) B_i + (1/λ) (Σ_k δ_k A_k - Σ_i a_i B_i)` with `a_i = u_i^T δ`,
    `B_i = Σ_k u_ik A_k`.

    Args:
        activations: (K, h, w).
        pooled: (K,), the image's feature `z`.
        spectrum: of the references' features, K-dimensional.
    """
    num_channels, height, width = activations.shape
    flat = activations.reshape(num_channels, -1).astype(np.float64)
    delta = pooled - spectrum.mean
    both = spectrum.project(np.concatenate([flat, delta[:, None]], axis=1))
    projections, coefficients = both[:, :-1], both[:, -1]
    # δ is made orthogonal before it meets A: the difference of two full sums would cancel
    rest = (delta - spectrum.expand(coefficients)) @ flat
    return SpectralParts(
        eigenvalues=spectrum.eigenvalues,
        coefficients=coefficients,
        projections=projections.reshape(-1, height, width),
        rest=rest.reshape(height, width),
    )


def _diffcam(
    request: Request, evidence: ClassEvidence, values: Mapping[str, ParameterValue]
) -> Basis:
    references = request.references
    assert references is not None
    spectrum = references.spectrum
    pooled = evidence.pooled(references.pooling, references.layer)
    parts = spectral_parts(evidence.activations, pooled, spectrum)
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


DIFFCAM_FAMILY = (
    Method(
        name="diffcam",
        title="DiffCAM",
        evidence=CLASS_GRADIENTS,
        compares_with="pictures",
        needs_class=False,
        is_signed=True,
        can_be_signed=True,
        parameters=(LAM,),
        summary="What the picture has that the reference pictures lack.",
        paper="Li et al., DiffCAM, CVPR 2025",
        build=_diffcam,
        cost=forward_passes(1),
    ),
)
