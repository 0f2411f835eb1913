"""Controls: maps that know nothing of the model, to hold the others against.

A method that does no better than these on a picture has shown nothing about the model. None of
them runs a network, so they work for models without a head too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from explain_core.methods.evidence import Asked, EvidenceKind
from explain_core.methods.method import Method, Request, forward_passes
from explain_core.methods.settings import SEED
from explain_core.parameters import Parameter
from explain_core.types import Array, Basis, ParameterValue, StaticBasis, read_only

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

SIGMA_SHARE = Parameter(
    name="sigma_share",
    label="Width (centred Gaussian)",
    default=0.25,
    phase="prepare",
    help="Standard deviation of the Gaussian, as a share of the input's shorter side.",
    min=0.01,
    max=2.0,
    step=0.05,
)

Values = Mapping[str, ParameterValue]


def random_map(size: tuple[int, int], seed: int) -> Array:
    """Return (H, W) in [0, 1): independent uniform numbers."""
    return np.random.default_rng(seed).random(size)


def center_gaussian(size: tuple[int, int], sigma_share: float) -> Array:
    """Return (H, W) in (0, 1]: `exp(-r² / (2 σ²))`, r from the centre, σ of the shorter side."""
    sigma_px = sigma_share * min(size)
    rows, columns = ((np.arange(side) - (side - 1) / 2) / sigma_px for side in size)
    gaussian: Array = np.exp(-0.5 * np.add.outer(rows**2, columns**2))
    return gaussian


def edges(pixels: Array) -> Array:
    """Return (H, W): the size of the luminance's gradient by Sobel's operator, edges repeated.

    Args:
        pixels: (C, H, W) in [0, 1], of one or three channels.
    """
    luminance = pixels[0] if len(pixels) == 1 else np.tensordot(_LUMINANCE, pixels, axes=1)
    padded = np.pad(luminance.astype(np.float64), 1, mode="edge")
    smooth_down = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_right = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = smooth_down[:, 2:] - smooth_down[:, :-2]
    down = smooth_right[2:] - smooth_right[:-2]
    strength: Array = np.hypot(across, down) / 8
    return strength


def _displayed(asked: Asked, _kept: Array | None) -> Array:
    pixels: Array = asked.model.to_pixels(asked.image)[0].double().cpu().numpy()
    return read_only(pixels)


DISPLAYED_PIXELS = EvidenceKind(name="displayed pixels", gather=_displayed, needs_target=False)


def _control(formula: Callable[[Array, Values], Array]) -> Callable[..., Basis]:
    def build(request: Request, pixels: Array, values: Values) -> Basis:
        return StaticBasis(request.provenance, request.geometry, read_only(formula(pixels, values)))

    return build


CONTROLS = (
    Method(
        name="random",
        title="random",
        evidence=DISPLAYED_PIXELS,
        needs_class=False,
        is_control=True,
        parameters=(SEED,),
        summary="Noise that knows neither model nor picture: a control to compare with.",
        paper="a control: chance",
        build=_control(lambda pixels, values: random_map(_size(pixels), int(values["seed"]))),
        cost=forward_passes(0),
    ),
    Method(
        name="center-gaussian",
        title="centre",
        evidence=DISPLAYED_PIXELS,
        needs_class=False,
        is_control=True,
        parameters=(SIGMA_SHARE,),
        summary="A spot in the middle, whatever the picture shows: a control to compare with.",
        paper="a control; Judd et al., MIT-CSAIL-TR-2012-001",
        build=_control(
            lambda pixels, values: center_gaussian(_size(pixels), float(values["sigma_share"]))
        ),
        cost=forward_passes(0),
    ),
    Method(
        name="edges",
        title="edges",
        evidence=DISPLAYED_PIXELS,
        needs_class=False,
        is_control=True,
        summary="Edges of the picture, whatever the model sees in it: a control to compare with.",
        paper="a control; Adebayo et al., Sanity Checks, NeurIPS 2018",
        build=_control(lambda pixels, values: edges(pixels)),
        cost=forward_passes(0),
    ),
)


def _size(pixels: Array) -> tuple[int, int]:
    return pixels.shape[1], pixels.shape[2]
