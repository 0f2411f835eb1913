"""How well maps find where the evidence lies, with the truth on the original picture.

All functions take maps (M, H0, W0) on the original picture, as `SaliencyMap.on_original` gives
them, with one truth, and return (M,) float64. NaN, where the model never looked, counts as 0, and
so does what is negative: evidence that the model could not see or took for counter-evidence has
been missed. Where a metric needs a scale, a map is divided by its maximum.

All raise InputError for what is no stack of maps, infinity, a map that is NaN everywhere or has no
positive evidence (where no value would mean anything), and a truth that does not fit, see
`Truth.area`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explain_core.errors import InputError
from explain_core.maps import normalise, relu
from explain_core.parameters import Parameter
from explain_core.truth import Truth
from explain_core.types import Array

TOLERANCE_PX = Parameter(
    name="tolerance_px",
    label="Tolerance (pointing game)",
    default=0.0,
    phase="prepare",
    help="How far outside the maximum may lie; the pointing game's authors take 15.",
    min=0.0,
    max=10_000.0,
    step=1.0,
    unit="px",
)
FRACTION = Parameter(
    name="fraction",
    label="Threshold (IoU at a fraction)",
    default=0.2,
    phase="prepare",
    help="Share of the map's maximum from which pixels count as marked.",
    min=0.001,
    max=1.0,
    step=0.05,
)

OTSU_BINS = 256
_CONSTANT = 1e-9


def energy_inside(maps: Array, truth: Truth) -> Array:
    """Return `Σ_in M / Σ M`, the share of a map's evidence that lies inside (Wang et al., 2020).

    Higher is better, in [0, 1]; a map without knowledge gets the truth's share of the picture. A
    single bright pixel inside gets 1 too: look at it beside the others.
    """
    return _measured(
        maps, truth, lambda evidence, area: float(evidence[area].sum() / evidence.sum())
    )


def pointing_game(maps: Array, truth: Truth, *, tolerance_px: float = 0.0) -> Array:
    """Return whether a map's maximum lies inside (Zhang et al., 2018).

    Higher is better, 0 or 1; in between only where several pixels share the maximum: then the
    share of them that lies inside, which is the expectation over which of them is pointed at.

    Args:
        tolerance_px: how far outside the maximum may lie, in pixels of the original, from centre
            to centre; the paper takes 15 for pictures of about 500.
    """
    if not 0 <= tolerance_px < np.inf:
        raise InputError(f"tolerance_px must be 0 or a positive number (got {tolerance_px:g})")

    def share_of_peaks(evidence: Array, area: Array) -> float:
        return float(_dilated(area, tolerance_px)[evidence == evidence.max()].mean())

    return _measured(maps, truth, share_of_peaks)


def iou_otsu(maps: Array, truth: Truth) -> Array:
    """Return the IoU with the pixels above Otsu's threshold of a map, which no one has to choose.

    Higher is better, in [0, 1]. The threshold (Otsu, 1979) is that of scikit-image: over 256 bins
    from the smallest to the largest value. A map that is the same everywhere marks everything.
    """
    return _measured(
        maps, truth, lambda evidence, area: _iou(evidence > otsu_threshold(evidence), area)
    )


def iou_at_fraction(maps: Array, truth: Truth, *, fraction: float = 0.2) -> Array:
    """Return the IoU with the pixels of at least a fixed fraction of a map's maximum.

    Higher is better, in [0, 1].

    Args:
        fraction: of the maximum, 0 < fraction <= 1; 0.2 as in Zhou et al., CAM, 2016.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction must be above 0 and at most 1 (got {fraction:g}); try 0.2")
    return _measured(
        maps, truth, lambda evidence, area: _iou(evidence >= fraction * evidence.max(), area)
    )


def iou_best_threshold(maps: Array, truth: Truth) -> Array:
    """Return the largest IoU over all thresholds above 0.

    Higher is better, in [0, 1]. The truth itself chooses the threshold, for every map anew: an
    upper bound of what any rule for choosing it can reach, not what a user would see.
    """

    def best(evidence: Array, area: Array) -> float:
        thresholds, found, marked, _ = _counts_at_inside_values(evidence, area)
        ious = found / (marked + np.count_nonzero(area) - found)
        return float(np.max(ious, where=thresholds > 0, initial=0.0))

    return _measured(maps, truth, best)


def auprc(maps: Array, truth: Truth) -> Array:
    """Return the area under the precision-recall curve of pixels, as average precision.

    `AP = Σ_t (R_t - R_{t-1}) P_t` over a map's distinct values t from the largest down, as
    scikit-learn has it. Higher is better, in (0, 1]; a map without knowledge gets about the
    truth's share of the picture, and so do pixels inside without evidence.
    """

    def average_precision(evidence: Array, area: Array) -> float:
        _, found, marked, steps = _counts_at_inside_values(evidence, area)
        return float(np.sum(steps * (found / marked)) / steps.sum())

    return _measured(maps, truth, average_precision)


def log_cosh_dice(maps: Array, truth: Truth) -> Array:
    """Return `log cosh(1 - Dice)`, `Dice = 2 Σ M T / (Σ M + Σ T)` (Jadon, 2020).

    Lower is better, in [0, log cosh 1 = 0.434]; M is divided by its maximum, T is 0 or 1, and
    nothing is added to smooth the quotient.
    """

    def loss(evidence: Array, area: Array) -> float:
        scaled = normalise(evidence)
        dice = 2 * scaled[area].sum() / (scaled.sum() + np.count_nonzero(area))
        return float(np.log(np.cosh(1 - dice)))

    return _measured(maps, truth, loss)


def mean_absolute_error(maps: Array, truth: Truth) -> Array:
    """Return the mean of `|M - T|` over the picture, M divided by its maximum, T 0 or 1.

    Lower is better, in [0, 1]. A nearly empty map scores the truth's share of the picture, which
    for small truths is low: look at it beside the others.
    """
    return _measured(
        maps, truth, lambda evidence, area: float(np.abs(normalise(evidence) - area).mean())
    )


def positive_evidence(values: Array) -> Array:
    """Return the positive part of a map (H0, W0), float64, with NaN as 0.

    Raises:
        InputError: infinity, NaN everywhere, or no positive evidence.
    """
    if np.isnan(values).all():
        raise InputError("the map is NaN everywhere, so it says nothing; leave it out")
    if np.isinf(values).any():
        raise InputError(
            "the map holds infinity: its network's numbers overflowed; use float32 weights, or "
            "leave it out"
        )
    evidence = relu(np.nan_to_num(values.astype(np.float64)))
    if not evidence.any():
        raise InputError(
            "the map has no positive evidence, so there is nothing to hold against the truth"
        )
    return evidence


def otsu_threshold(values: Array) -> float:
    """Return the value that splits a map (H, W) with the largest variance between the two sides.

    `w_0 w_1 (m_0 - m_1)²` over the centres of 256 bins; just below the smallest value of a map
    that is the same everywhere, up to a relative 1e-9.
    """
    low, high = float(values.min()), float(values.max())
    if high - low <= _CONSTANT * max(abs(low), abs(high)):
        return float(np.nextafter(low, -np.inf))
    counts, edges = np.histogram(values, OTSU_BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sums_below = np.cumsum(counts), np.cumsum(counts * centres)
    above = values.size - below
    means_below = sums_below[:-1] / below[:-1]
    means_above = (sums_below[-1] - sums_below[:-1]) / above[:-1]
    between = below[:-1] * above[:-1].astype(np.float64) * (means_below - means_above) ** 2
    return float(centres[np.argmax(between)])


def _measured(maps: Array, truth: Truth, measure: Callable[[Array, Array], float]) -> Array:
    """Return (M,): the measure of each map's evidence and the truth's area, both (H0, W0).

    One map at a time: they may be as large as a chest X-ray, and together gain no speed.
    """
    if maps.ndim != 3:
        raise InputError(
            f"maps must be (number, height, width), not {maps.shape}; put one map alone in a stack"
        )
    area = truth.area((maps.shape[1], maps.shape[2]))
    return np.array([measure(positive_evidence(values), area) for values in maps])


def _iou(marked: Array, area: Array) -> float:
    return np.count_nonzero(marked & area) / np.count_nonzero(marked | area)


def _counts_at_inside_values(evidence: Array, area: Array) -> tuple[Array, Array, Array, Array]:
    """Return what a threshold at each distinct value inside finds, marks and newly finds.

    Between two of them a threshold only marks more pixels outside, so that no other matters for
    recall, nor for the best IoU.

    Returns:
        (T,) thresholds, pixels found inside, pixels marked in all, pixels of just this value.
    """
    thresholds, steps = np.unique(evidence[area], return_counts=True)
    found = np.cumsum(steps[::-1])[::-1]
    marked = evidence.size - np.searchsorted(np.sort(evidence, axis=None), thresholds)
    return thresholds, found, marked, steps


def _dilated(area: Array, radius_px: float) -> Array:
    """Return the pixels whose centre lies within a radius of the centre of one inside (H0, W0)."""
    height, width = area.shape
    reach = min(int(radius_px), height)
    near = np.zeros_like(area)
    for offset in range(-reach, reach + 1):
        half = min(int(np.sqrt(radius_px**2 - offset**2)), width)
        counts = np.pad(np.cumsum(area, axis=1), ((0, 0), (half + 1, half)), mode="edge")
        counts[:, : half + 1] = 0
        widened = counts[:, 2 * half + 1 :] > counts[:, :width]
        source = slice(max(0, -offset), min(height, height - offset))
        place = slice(max(0, offset), min(height, height + offset))
        near[place] |= widened[source]
    return near
