"""The mean map over reference films: what a method shows on any film is not about this one.

`m = (1/n) sum_i relu(m_i) / sum(relu(m_i))`: each map counts by its shape alone, so that no film
dominates. Maps lie at the model's input, which all films fill alike but for their borders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.honesty.peaks import peak_on_original
from explain_core.maps import relu
from explain_core.metrics.agreement import rank_correlation, top_area_iou
from explain_core.models.model import Model
from explain_core.types import Array, Geometry, Image, SaliencyMap, read_only

MAX_REFERENCES = 48
TOP_SHARE = 0.05
ALIKE = 0.4
"""From this overlap of the top areas on, a map looks like the mean map.

Measured on the bundled films, see docs/honesty-films.md: of honest maps hardly any reach it,
of maps that show one and the same corner nearly all.
"""
BORDER = 0.1
_CORNER = 0.2  # a peak in the border, so near to two edges, lies in their corner

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class MeanMap:
    """Hold the mean map of reference films.

    Attributes:
        values: (H, W) float64, non-negative, sum 1; at the size of the model's input.
        peaks: (row, column) of each film's highest point, as shares of that film, 0 to 1.
        num_empty: films left out because their map has no positive evidence.
    """

    values: Array
    peaks: tuple[tuple[float, float], ...]
    num_empty: int

    @property
    def count(self) -> int:
        """Return the number of films that the mean is of."""
        return len(self.peaks)


@dataclass(frozen=True)
class Alikeness:
    """Say how like a film's map is to the mean map of the reference films.

    Attributes:
        rho: Spearman's rank correlation of the positive parts, where the film lies; NaN where the
            map is the same everywhere.
        overlap: of the two top 5 %, `|a and b| / |a or b|`; 0 without positive evidence.
        is_alike: whether `overlap` reaches `ALIKE`.
        text: the verdict, a sentence.
        figures: what it rests on.
    """

    rho: float
    overlap: float
    is_alike: bool
    text: str
    figures: str


def mean_map(
    model: Model,
    images: Sequence[Image],
    make: Callable[[Image], SaliencyMap],
    progress: Progress | None = None,
) -> MeanMap:
    """Return the mean of the maps of some reference films.

    Args:
        model: whose maps they are.
        images: `MAX_REFERENCES` tell enough.
        make: one film's map, of the same method and question as the map to be judged.
        progress: told the share that is done; may raise to stop.

    Raises:
        InputError: no film, no map with positive evidence, or maps of another model.
    """
    total = np.zeros(())
    peaks = []
    for done, image in enumerate(images):
        smap = make(image)
        if smap.provenance.fingerprint != model.fingerprint:
            raise InputError(
                f"the reference films' maps are not of '{model.name}'; make them with this model"
            )
        evidence = relu(smap.values).astype(np.float64)
        if evidence.any():
            total = total + evidence / evidence.sum()
            height, width = smap.geometry.original_size
            row, column = peak_on_original(smap)
            peaks.append((row / height, column / width))
        if progress is not None:
            progress((done + 1) / len(images))
    if not peaks:
        raise InputError(
            f"none of the {len(images)} reference films has a map with positive evidence, so there "
            "is no mean map; choose other reference films"
        )
    return MeanMap(read_only(total / len(peaks)), tuple(peaks), len(images) - len(peaks))


def alikeness(smap: SaliencyMap, mean: MeanMap) -> Alikeness:
    """Return whether a map looks like the mean map; both are compared where the film lies.

    Raises:
        InputError: maps of different sizes.
    """
    if smap.values.shape != mean.values.shape:
        raise InputError(
            f"the map is {smap.values.shape}, the mean map {mean.values.shape}; make both with one "
            "model"
        )
    inside = _film(smap.geometry)
    own, others = relu(smap.values)[inside], mean.values[inside]
    rho = rank_correlation(own, others)
    overlap = float(np.nan_to_num(top_area_iou(own, others, TOP_SHARE))) if own.any() else 0.0
    is_alike = overlap >= ALIKE
    if is_alike:
        text = (
            "This film's map looks like the mean map of the reference films: what it shows is "
            "likely not about this film."
        )
    else:
        text = "This film's map does not look like the mean map of the reference films."
    films = f"{mean.count} reference film{'' if mean.count == 1 else 's'}"
    if mean.num_empty:
        films += f" ({mean.num_empty} more have an empty map)"
    figures = (
        f"with the mean map of {films}: the top {100 * TOP_SHARE:.0f} % overlap by "
        f"{100 * overlap:.0f} % (alike from {100 * ALIKE:.0f} %), ρ = {rho:.2f}"
    )
    return Alikeness(rho, overlap, is_alike, text, figures)


def border_peaks(mean: MeanMap) -> str:
    """Return a sentence where most reference films' peaks lie in the outer tenth, else nothing.

    A peak in one corner of most films comes from what all films have there, or from the network's
    own borders. Corners and edges are named as they are seen on the screen.
    """
    places = Counter(name for name in map(_place, mean.peaks) if name)
    if 2 * places.total() <= mean.count:
        return ""
    name, most = places.most_common(1)[0]
    if 2 * most > mean.count:
        where = f"a peak in the {name} of {most} of {mean.count} reference films"
    else:
        parts = ", ".join(f"{each} {count}" for each, count in places.most_common())
        where = (
            f"a peak in the outer tenth of the film in {places.total()} of {mean.count} reference "
            f"films ({parts})"
        )
    return f"This method has {where}: what it shows there is likely an artefact, or a marker."


def _place(peak: tuple[float, float]) -> str:
    """Return the name of a peak's place in the film's border; empty inside."""
    if all(BORDER <= part <= 1 - BORDER for part in peak):
        return ""
    row, column = ((part > 1 - _CORNER) - (part < _CORNER) for part in peak)
    vertical = {-1: "upper", 0: "", 1: "lower"}[row]
    sideways = {-1: "left", 0: "", 1: "right"}[column]
    if vertical and sideways:
        return f"{vertical} {sideways} corner"
    return f"{vertical or sideways} edge"


def _film(geometry: Geometry) -> tuple[slice, slice]:
    """Return the rows and columns of the model's input that the film fills."""
    parts = []
    for axis in (0, 1):
        start = -geometry.offset_px[axis]
        stop = start + geometry.original_size[axis] * geometry.scale[axis]
        length = geometry.input_size[axis]
        parts.append(slice(max(0, round(start)), min(length, max(1, round(stop)))))
    return parts[0], parts[1]
