"""Drawn regions, against loops over single points."""

import math

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.metrics import region_share
from explain_core.regions import Region
from explain_core.types import Contrast, Geometry, Provenance, SaliencyMap

# A crop of the upper left corner, unequal scales, and a letterbox border on the left.
GEOMETRY = Geometry((40, 50), (9, 12), (0.3, 0.25), (1.5, -2.0))
STAR = ((3.0, 20.0), (38.5, 31.0), (12.0, 6.0), (14.0, 38.0), (33.0, 3.5))
REGIONS = [
    Region("box", ((8.0, 30.0), (22.5, 4.3))),
    Region("box", ((-9.0, -9.0), (99.0, 99.0))),
    Region("ellipse", ((7.0, 3.0), (31.0, 41.0))),
    Region("polygon", ((5.0, 5.0), (30.0, 9.0), (6.0, 44.0))),
    Region("polygon", STAR),
]
IDS = ["box", "box-around-all", "ellipse", "triangle", "star"]


def holds(region, y, x):
    """Ray casting and the two inequalities, one point at a time."""
    rows, columns = [p[0] for p in region.points], [p[1] for p in region.points]
    if region.kind == "box":
        return min(rows) <= y < max(rows) and min(columns) <= x < max(columns)
    if region.kind == "ellipse":
        middle = sum(rows) / 2, sum(columns) / 2
        half = abs(rows[0] - rows[1]) / 2, abs(columns[0] - columns[1]) / 2
        return math.hypot((y - middle[0]) / half[0], (x - middle[1]) / half[1]) <= 1
    is_inside = False
    for index in range(len(rows)):
        y1, x1, y2, x2 = rows[index - 1], columns[index - 1], rows[index], columns[index]
        if min(y1, y2) <= y < max(y1, y2) and x1 + (x2 - x1) * (y - y1) / (y2 - y1) > x:
            is_inside = not is_inside
    return is_inside


def slow_coverage(region, geometry):
    covered = np.zeros(geometry.input_size)
    for i, j in np.ndindex(covered.shape):
        for k in range(4):
            for m in range(4):
                y = (i + (2 * k + 1) / 8 + geometry.offset_px[0]) / geometry.scale[0]
                x = (j + (2 * m + 1) / 8 + geometry.offset_px[1]) / geometry.scale[1]
                covered[i, j] += holds(region, y, x) / 16
    return covered


def map_of(values, geometry=GEOMETRY):
    provenance = Provenance("grad-cam", "m", "f", "layer", "i", Contrast(0))
    return SaliencyMap(np.asarray(values, np.float32), True, provenance, geometry)


@pytest.mark.parametrize("region", REGIONS, ids=IDS)
def test_coverage_counts_sixteen_points_a_pixel(region):
    covered = region.coverage(GEOMETRY)
    assert covered.dtype == np.float64
    assert 0 < covered.sum() <= covered.size
    np.testing.assert_array_equal(covered, slow_coverage(region, GEOMETRY))


@pytest.mark.parametrize("region", REGIONS, ids=IDS)
def test_points_are_asked_in_any_shape(region):
    rng = np.random.default_rng(0)
    rows, columns = rng.uniform(0, 40, (2, 3, 5)), rng.uniform(0, 50, (3, 5))
    asked = region.contains(rows, columns)
    slow = [
        holds(region, y, x)
        for y, x in zip(rows.ravel(), np.broadcast_to(columns, rows.shape).ravel(), strict=True)
    ]
    np.testing.assert_array_equal(asked.ravel(), slow)
    assert asked.shape == rows.shape
    line = region.contains(rows[0, 0], np.float64(7.0))
    np.testing.assert_array_equal(line, [holds(region, y, 7.0) for y in rows[0, 0]])
    one = region.contains(np.float64(20.0), np.float64(20.0))
    assert one.shape == ()
    assert one == holds(region, 20.0, 20.0)


def test_where_a_polygon_crosses_itself_its_middle_is_outside():
    middle = np.mean(STAR, axis=0)
    assert not Region("polygon", STAR).contains(*middle)
    assert not holds(Region("polygon", STAR), *middle)


def test_the_share_weighs_positive_evidence_by_coverage():
    values = np.random.default_rng(1).normal(size=GEOMETRY.input_size)
    covered = slow_coverage(REGIONS[2], GEOMETRY)
    inside = total = 0.0
    for place in np.ndindex(values.shape):
        total += max(float(np.float32(values[place])), 0.0)
        inside += max(float(np.float32(values[place])), 0.0) * covered[place]
    share = region_share(map_of(values), REGIONS[2])
    assert share == pytest.approx(inside / total, rel=1e-12)


def test_a_region_around_everything_holds_everything():
    values = np.ones(GEOMETRY.input_size)
    assert region_share(map_of(values), REGIONS[1]) == 1.0


def test_without_positive_evidence_there_is_no_share():
    assert region_share(map_of(-np.ones(GEOMETRY.input_size)), REGIONS[0]) is None


@pytest.mark.parametrize(
    ("kind", "points", "message"),
    [
        ("circle", ((0, 0), (1, 1)), "not 'circle'; choose one"),
        ("box", ((0, 0), (1, 1), (2, 2)), r"a box needs 2 opposite corners \(got 3\)"),
        ("polygon", ((0, 0), (1, 1)), r"3 points or more \(got 2\)"),
        ("ellipse", ((0, 0), (1, math.nan)), "must be finite"),
        ("box", ((1, 1), (1, 5)), "must enclose an area"),
        ("polygon", ((1, 1), (2, 1), (5, 1)), "must enclose an area"),
    ],
)
def test_what_bounds_nothing_is_refused(kind, points, message):
    with pytest.raises(InputError, match=message):
        Region(kind, points)
