"""Does a map come out again: with noise in the picture, with another seed, of another model?

Repeatability asks one model twice, reproducibility asks two models that were trained alike (Arun
et al., Radiology: Artificial Intelligence, 2021). A map that changes with the seed shows chance.
Only the positive part of a map counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.maps import relu
from explain_core.metrics.agreement import (
    rank_correlation,
    structural_similarity,
    top_area_iou,
)
from explain_core.metrics.randomisation import Explain, Progress
from explain_core.models.model import Model
from explain_core.types import Array, Image, read_only

NUM_REPEATS = 5
SIGMA = 0.02


@dataclass(frozen=True, eq=False)
class Agreement:
    """Hold how far repeated maps agree with the first one.

    Attributes:
        maps: (n, H, W) float32, the repeated maps; on the original picture, NaN where the model
            never looked, for two models.
        rank_correlations: (n,) Spearman's ρ in [-1, 1]; NaN where a map has no positive evidence,
            or is the same everywhere.
        top_area_ious: (n,) of the top 20 % of pixels, in [0, 1].
        similarities: (n,) SSIM, in [-1, 1].
    """

    maps: Array
    rank_correlations: Array
    top_area_ious: Array
    similarities: Array


def noise_agreement(
    model: Model,
    image: Image,
    explain: Explain,
    *,
    sigma: float = SIGMA,
    num_repeats: int = NUM_REPEATS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Agreement:
    """Compare a map with those of the same picture with noise that a person hardly sees.

    Args:
        explain: called 1 + n times, with the same seed; it must name its target.
        sigma: deviation of the Gaussian noise, as a share of white, see `noisy`.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        InputError: a number out of its range, or a first map without positive evidence. What
            `explain` raises.
    """
    _require_repeats(num_repeats)
    if not 0 < sigma <= 1:
        raise InputError(f"sigma must be above 0 and at most 1 (got {sigma:g}); try {SIGMA:g}")
    rng = np.random.default_rng(seed)
    first = explain(model, image, seed).values
    repeated = []
    for index in range(num_repeats):
        _tell(progress, index, num_repeats)
        repeated.append(explain(model, noisy(model, image, sigma, rng), seed).values)
    _tell(progress, num_repeats, num_repeats)
    return _agreement(first, repeated)


def seed_agreement(
    model: Model,
    image: Image,
    explain: Explain,
    *,
    num_repeats: int = NUM_REPEATS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Agreement:
    """Compare a map with those of other seeds; methods without chance agree by 1.

    Args:
        explain: called with `seed` first, and then with each of the next n.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        InputError: a number out of its range, or a first map without positive evidence. What
            `explain` raises.
    """
    _require_repeats(num_repeats)
    first = explain(model, image, seed).values
    repeated = []
    for index in range(num_repeats):
        _tell(progress, index, num_repeats)
        repeated.append(explain(model, image, seed + 1 + index).values)
    _tell(progress, num_repeats, num_repeats)
    return _agreement(first, repeated)


def model_agreement(
    model: Model, other: Model, image: Image, explain: Explain, *, seed: int = 0
) -> Agreement:
    """Compare the maps of two models, on the original picture where both looked.

    Args:
        other: may take another input size, and see another part of the picture.

    Raises:
        InputError: the first model's map has no positive evidence. What `explain` raises.
    """
    one, two = (explain(each, image, seed).on_original() for each in (model, other))
    return _agreement(one, [two])


def noisy(model: Model, image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """Return the picture with Gaussian noise of the deviation `sigma`, as a share of white.

    The noise has one number for each pixel of the model's input and colour, and is stretched onto
    the original: drawn for each pixel of a large picture, it would vanish where that is shrunk
    to the input. Stretching and shrinking smooth it: of a picture larger than the input about half
    of the deviation is left. Values are rounded to the picture's own depth and kept within black
    and white.
    """
    geometry = model.geometry(image)
    num_colours = 1 if image.pixels.ndim == 2 else image.pixels.shape[2]
    noise = np.stack(
        [
            np.nan_to_num(geometry.place_on_original(rng.normal(0, sigma, geometry.input_size)))
            for _ in range(num_colours)
        ],
        axis=-1,
    ).reshape(image.pixels.shape)
    changed = np.clip(np.rint(image.pixels + noise * image.white), 0, image.white)
    drawn = image_from_pixels(changed.astype(image.pixels.dtype), white=image.white)
    return replace(image, pixels=drawn.pixels, digest=drawn.digest)


def _require_repeats(num_repeats: int) -> None:
    if num_repeats < 1:
        raise InputError(f"num_repeats must be at least 1 (got {num_repeats}); 5 are usual")


def _tell(progress: Progress | None, num_done: int, num_repeats: int) -> None:
    """The first map has been made, and `num_done` of the others."""
    if progress is not None:
        progress((1 + num_done) / (1 + num_repeats))


def _agreement(first: Array, repeated: Sequence[Array]) -> Agreement:
    one = relu(first)
    if not np.nan_to_num(one).any():
        raise InputError(
            "the map has no positive evidence, so there is nothing that could come out again"
        )
    others = [relu(each) for each in repeated]
    return Agreement(
        maps=read_only(np.stack(repeated)),
        rank_correlations=read_only(np.array([rank_correlation(one, each) for each in others])),
        top_area_ious=read_only(np.array([top_area_iou(one, each) for each in others])),
        similarities=read_only(np.array([structural_similarity(one, each) for each in others])),
    )
