"""Side markers and burned-in text: small, sharp-edged, flat spots far from what is around them.

Nothing is read (no OCR) and nothing is learnt: a mark is what a threshold finds. Implants,
electrodes and wires have sharp edges too, and may be taken for marks; a letter that is soft, or no
brighter than what it lies on, is not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.honesty.peaks import hot_spots, peak_on_original
from explain_core.honesty.shapes import components, rim, slope, top_hat
from explain_core.images.display import window_film
from explain_core.images.film import Film, Window
from explain_core.regions import Region
from explain_core.truth import Box
from explain_core.types import Array, SaliencyMap

MARK = "side marker or burned-in text"
BESIDE = 0.03
"""A peak so near to a mark, as a share of the film's longer side, lies beside it."""

# At this size letters of 5 mm on a chest film still have strokes of a pixel or more.
_WORK_PX = 768
_RANGE = (0.0005, 0.9995)  # of the film's values: a few hot pixels set no scale
# As shares of the longer side: wider spots are anatomy, longer ones edges of the field.
_MAX_STROKE = 0.05
_MAX_SIDE = 0.15
_MIN_SIDE_PX = 3
_MIN_AREA_PX = 6
_MAX_MARKS = 60
# How far a mark stands out, as a share of the film's range, and which part of that its edge loses
# from pixel to pixel, on average.
_CONTRAST = 0.45
_SHARPNESS = 0.2
_GAP = 0.02  # letters so near to each other are one text

_Edges = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass(frozen=True)
class Mark:
    """Say where something like a letter was burned into a film.

    Attributes:
        box: in pixels of the original film.
        kind: what it may be.
    """

    box: Box
    kind: str = MARK


@dataclass(frozen=True)
class NearMarks:
    """Say how a map and the marks on its film lie to each other.

    Attributes:
        beside: the marks on or beside which a hot spot of the map lies, the nearest first.
        share: of the map's positive evidence that lies on any mark, 0 to 1.
        text: a sentence for the reader of the map; empty where no mark is near a hot spot.
    """

    beside: tuple[Mark, ...]
    share: float
    text: str


def marks(film: Film) -> tuple[Mark, ...]:
    """Return what looks like side markers and burned-in text, from the top down.

    On the film scaled down to 768 px: what is narrower than 5 % of the longer side and stands out
    from what is around it, brighter or darker, by 45 % of the range of the film's values; of that,
    what hangs together, is no longer than 15 % of that side, and loses a fifth of its height
    from pixel to pixel across its edge. Letters that lie side by side are one mark.
    Where there are more than 60, it is no film with marks on it, and none is returned.
    """
    low, high = film.range_of(*_RANGE)
    if not high > low:
        return ()
    window = Window((low + high) / 2, high - low, "LINEAR_EXACT")
    shown = window_film(film, window, max_side_px=_WORK_PX).astype(np.float32) / np.float32(255)
    longer = max(shown.shape)
    found = [box for values in (shown, 1 - shown) for box in _spots(values, longer)]
    boxes = _merged(found, _GAP * longer)
    scales = [film.codes.shape[axis] / shown.shape[axis] for axis in (0, 1)]
    found_marks = [
        Mark(
            Box(
                top=float(top * scales[0]),
                left=float(left * scales[1]),
                bottom=float(bottom * scales[0]),
                right=float(right * scales[1]),
            )
        )
        for top, left, bottom, right in sorted(boxes)
    ]
    return tuple(found_marks) if len(found_marks) <= _MAX_MARKS else ()


def marks_near_peak(smap: SaliencyMap, found: Sequence[Mark]) -> NearMarks:
    """Return which marks a map's hot spots lie on or beside, and how much of it on all marks.

    Args:
        found: of the same film; beside is within 3 % of its longer side.
    """
    evidence = np.maximum(smap.values, 0).astype(np.float64)
    total = float(evidence.sum())
    if total == 0 or not found:
        return NearMarks((), 0.0, "")
    reach = BESIDE * max(smap.geometry.original_size)
    spots = [peak_on_original(smap), *hot_spots(smap)]
    distances = np.array([[_distance(mark.box, *spot) for mark in found] for spot in spots])
    covered = np.max([_coverage(mark.box, smap) for mark in found], axis=0)
    share = float((evidence * covered).sum() / total)
    nearest = distances.min(axis=0)
    order = [place for place in np.argsort(nearest, kind="stable") if nearest[place] <= reach]
    if not order:
        return NearMarks((), share, "")
    of_peak = distances[0].min()
    what, distance = ("The peak", of_peak) if of_peak <= reach else ("A hot spot", nearest.min())
    where = "on" if distance == 0 else "beside"
    text = (
        f"{what} of this map lies {where} what looks like a {MARK}, and {100 * share:.0f} % of "
        "the map lies on such marks: the model may have read the mark instead of the film."
    )
    return NearMarks(tuple(found[place] for place in order), share, text)


def _coverage(box: Box, smap: SaliencyMap) -> Array:
    region = Region("box", ((box.top, box.left), (box.bottom, box.right)))
    return region.coverage(smap.geometry)


def _distance(box: Box, row: float, column: float) -> float:
    """Return how far a point lies from a box, 0 inside."""
    down = max(box.top - row, 0.0, row - box.bottom)
    right = max(box.left - column, 0.0, column - box.right)
    return float(np.hypot(down, right))


def _spots(values: Array, longer: int) -> list[_Edges]:
    """Return top, left, bottom and right of what stands out, is small, and has sharp edges."""
    hat = top_hat(values, round(_MAX_STROKE * longer))
    stands_out = hat > _CONTRAST / 2
    labels, count = components(stands_out)
    if count == 0:
        return []
    rows, columns = np.nonzero(labels)
    owner = labels[rows, columns] - 1
    boxes = np.full((4, count), longer)
    np.minimum.at(boxes[0], owner, rows)
    np.minimum.at(boxes[1], owner, columns)
    boxes[2:] = 0
    np.maximum.at(boxes[2], owner, rows + 1)
    np.maximum.at(boxes[3], owner, columns + 1)
    sizes = np.bincount(owner, minlength=count)
    heights = np.zeros(count)
    np.maximum.at(heights, owner, hat[rows, columns])
    edge = rim(stands_out)
    own = labels[edge] - 1
    falls = np.bincount(own, slope(values)[edge], count) / np.bincount(own, minlength=count)
    longest = (boxes[2:] - boxes[:2]).max(axis=0)
    is_mark = (
        (sizes >= _MIN_AREA_PX)
        & (longest >= _MIN_SIDE_PX)
        & (longest <= _MAX_SIDE * longer)
        & (heights >= _CONTRAST)
        & (falls >= _SHARPNESS * heights)
    )
    return [(top, left, bottom, right) for top, left, bottom, right in boxes.T[is_mark].tolist()]


def _merged(boxes: list[_Edges], gap: float) -> list[_Edges]:
    """Return boxes such that none lies within `gap` of another."""
    merged: list[_Edges] = []
    for box in boxes:
        grown = box
        while True:
            near = [other for other in merged if _are_near(grown, other, gap)]
            if not near:
                break
            merged = [other for other in merged if other not in near]
            tops, lefts, bottoms, rights = zip(grown, *near, strict=True)
            grown = (min(tops), min(lefts), max(bottoms), max(rights))
        merged.append(grown)
    return merged


def _are_near(one: _Edges, other: _Edges, gap: float) -> bool:
    return all(
        one[axis] <= other[axis + 2] + gap and other[axis] <= one[axis + 2] + gap for axis in (0, 1)
    )
