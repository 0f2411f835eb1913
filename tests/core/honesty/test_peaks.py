"""Where a map is highest, and its other hot spots, on the original."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.honesty.marks import Mark, marks_near_peak
from explain_core.honesty.peaks import hot_spots, peak_on_original
from explain_core.truth import Box
from explain_core.types import Array, Contrast, Geometry, Provenance, SaliencyMap

# The original has 120 x 60 pixels; the model sees a tenth of each side.
GEOMETRY = Geometry((120, 60), (12, 6), (0.1, 0.1), (0.0, 0.0))
ABOUT = Provenance("grad-cam", "model", "0" * 8, "layer", "0" * 8, Contrast(0))


def map_of(**values: float) -> SaliencyMap:
    """Return a map of zeros but at "rROWcCOLUMN"."""
    array = np.zeros(GEOMETRY.input_size, np.float32)
    for place, value in values.items():
        row, column = place.removeprefix("r").split("c")
        array[int(row), int(column)] = value
    return SaliencyMap(array, False, ABOUT, GEOMETRY)


def slow_hot_spots(values: Array) -> set[tuple[int, int]]:
    """Return the places that reach half of the maximum and are above all their neighbours."""
    found = set()
    for row, column in np.ndindex(values.shape):
        around = values[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        is_alone = int((around >= values[row, column]).sum()) == 1
        if is_alone and values[row, column] >= 0.5 * values.max():
            found.add((row, column))
    return found


def test_hot_spots_are_the_local_maxima_that_a_slow_search_finds() -> None:
    values = np.random.default_rng(0).random(GEOMETRY.input_size).astype(np.float32)
    spots = hot_spots(SaliencyMap(values, False, ABOUT, GEOMETRY))
    places = {(int(row // 10), int(column // 10)) for row, column in spots}
    assert places == slow_hot_spots(values)
    assert len(places) == len(spots) > 3


def test_the_highest_comes_first_and_is_the_peak() -> None:
    smap = map_of(r2c1=0.6, r9c4=1.0, r5c5=0.4)
    assert hot_spots(smap) == ((95.0, 45.0), (25.0, 15.0))
    assert peak_on_original(smap) == hot_spots(smap)[0]


def test_a_flat_rectangle_counts_once() -> None:
    assert len(hot_spots(map_of(r2c1=1.0, r2c2=1.0, r3c1=1.0, r3c2=1.0))) == 1


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_without_positive_evidence_there_is_none(value: float) -> None:
    values = np.full(GEOMETRY.input_size, value, np.float32)
    assert hot_spots(SaliencyMap(values, True, ABOUT, GEOMETRY)) == ()


def test_a_mark_is_told_beside_another_hot_spot_than_the_peak() -> None:
    mark = Mark(Box(20, 10, 30, 20))
    near = marks_near_peak(map_of(r2c1=0.6, r9c4=1.0), [mark])
    assert near.beside == (mark,)
    assert near.text.startswith("A hot spot of this map lies on what looks like")
    assert marks_near_peak(map_of(r2c1=0.4, r9c4=1.0), [mark]).text == ""
    assert marks_near_peak(map_of(r2c1=1.0), [mark]).text.startswith("The peak of this map lies on")
