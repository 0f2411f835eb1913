"""Random bases of every kind, and positions of their sliders."""

from __future__ import annotations

from typing import Any

import numpy as np

from explain_core import Geometry
from explain_core.methods.settings import AGGREGATION
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    GuidedBasis,
    LayerBasis,
    LinearBasis,
    ParameterValue,
    Provenance,
    ScoreBasis,
    SpectralBasis,
    StaticBasis,
)

NUM_POSITIONS = 20

Values = dict[str, ParameterValue]

FINER: Values = {
    "gamma": 0.5,
    "reverse": False,
    "aggregation": AGGREGATION.default,
    "softmax": True,
}


def common(input_size: tuple[int, int]) -> dict[str, Any]:
    """Return what all bases have; renderers do not ask which method made them."""
    return {
        "provenance": Provenance("grad-cam", "m", "0" * 8, "layer", "0" * 8, Contrast(0)),
        "geometry": Geometry(input_size, input_size, (1.0, 1.0), (0.0, 0.0)),
    }


def static(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    return StaticBasis(**common(input_size), map=normal(rng, *size) - 1)


def linear(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    weights = rng.dirichlet(np.ones(5)).astype(np.float32)
    maps = normal(rng, 6, *size)
    return LinearBasis(**common(input_size), maps=maps, weights=weights)


def layer(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    num_channels = int(rng.integers(64, 513))
    target = normal(rng, num_channels, *size) * 1e-4
    num_references = int(rng.integers(1, 5))
    references = 0.9 * target + normal(rng, num_references, num_channels, *size) * 3e-5
    references[:, ::7] = references[
        :, ::7, :1, :1
    ]  # as below a global average: the same everywhere
    if rng.integers(2):
        references[:] = references[..., :1, :1]
    return LayerBasis(
        **common(input_size),
        activations=normal(rng, num_channels, *size) + 0.5,  # some are negative
        target_gradient=target,
        reference_gradients=references.astype(np.float32),
        weights=rng.dirichlet(np.ones(num_references)).astype(np.float32),
    )


def score(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    num_channels, num_references = int(rng.integers(64, 513)), int(rng.integers(0, 5))
    return ScoreBasis(
        **common(input_size),
        activations=normal(rng, num_channels, *size),
        scores=rng.normal(0, 3, (1 + num_references, num_channels)),
        baselines=rng.normal(0, 3, 1 + num_references),
        weights=rng.dirichlet(np.ones(num_references)) if num_references else np.empty(0),
    )


def spectral(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    """As of few references: the rest is large, and eigenvalues fall over ten decades."""
    num_channels, num_references = 256, 60
    eigenvalues = np.logspace(2, -8, num_references - 1)
    return SpectralBasis(
        **common(input_size),
        eigenvalues=eigenvalues,
        coefficients=rng.normal(size=len(eigenvalues)) * np.sqrt(eigenvalues),
        projections=rng.normal(0, 3, (len(eigenvalues), *size)),
        rest=rng.normal(0.2, 1, size) * rng.choice([0.0, 1e-3, 1.0]),
        lam_unit=float(eigenvalues.sum() / num_channels),
        num_references=num_references,
        num_features=num_channels,
    )


def guided(rng: np.random.Generator, size: tuple[int, int], input_size: tuple[int, int]) -> Basis:
    """Basis of one or three channels; one channel's variances take few values, so many tie."""
    num_channels = int(rng.choice([1, 3]))
    variance = rng.lognormal(-6, 2, (num_channels, *input_size)).astype(np.float32)
    variance[0] = np.round(np.log(variance[0])) / 50 + 1
    return GuidedBasis(
        **common(input_size),
        mean_absolute=rng.lognormal(-3, 1, variance.shape).astype(np.float32),
        variance=np.abs(variance),
    )


def normal(rng: np.random.Generator, *size: int) -> Array:
    return rng.normal(size=size).astype(np.float32)


MAKERS = {
    "static": static,
    "linear": linear,
    "layer": layer,
    "score": score,
    "spectral": spectral,
    "guided": guided,
}
SIZES = {  # of the layer, of the model's input
    "square": ((7, 7), (56, 56)),
    "wide": ((5, 11), (60, 121)),
    "tall": ((14, 6), (41, 26)),
    "one row": ((1, 9), (16, 101)),
}


def positions(kind: str, basis: Basis, rng: np.random.Generator) -> list[tuple[Values, bool]]:
    """Return slider positions: both ends, the defaults, and what lies between, signed and not."""
    if kind in ("linear", "layer", "score"):
        gammas = [0.0, 2.0, 0.6, 1.0, 0.05, *rng.uniform(0, 2, NUM_POSITIONS - 5)]
        values = [
            {
                "gamma": float(gamma),
                "reverse": bool(i % 2),
                "aggregation": AGGREGATION.choices[i % 3],
                "softmax": i % 4 < 2,
            }
            for i, gamma in enumerate(rng.permutation(gammas))
        ]
        values += [{**each, "reverse": not each["reverse"]} for each in values]
    elif kind == "spectral":
        values = [{"lam": float(lam)} for lam in np.logspace(-6, 2, NUM_POSITIONS)]
    elif kind == "guided":
        assert isinstance(basis, GuidedBasis)
        last = basis.variance[0].size - 1
        # On a sample, just beside it, in the middle of two, and on round percentages.
        exact = [100 * place / last for place in (1, last // 3, last - 1)]
        beside = [exact[1] - 1e-3 / last, exact[1] + 1e-3 / last, exact[1] + 50 / last]
        whole = [4, 10, 20, 25, 50, 70, 75, 85, 90, 95, 99, 99.9]
        values = [{"p": float(p)} for p in [0, 100, *exact, *beside, *whole]]
    else:
        values = [{}]
    return [(each, is_signed) for each in values for is_signed in (False, True)]
