"""Where the evidence lies: masks, boxes counted pixel by pixel, and what is refused."""

import math

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.truth import Box, Part, Truth

SIZE = (5, 7)


def slow_area(boxes, size):
    """A pixel is in where its centre is in one of the boxes."""
    return np.array(
        [
            [
                any(
                    box.top <= row + 0.5 < box.bottom and box.left <= column + 0.5 < box.right
                    for box in boxes
                )
                for column in range(size[1])
            ]
            for row in range(size[0])
        ]
    )


def test_the_mask_is_the_area_whatever_the_boxes():
    mask = np.zeros(SIZE, np.uint8)
    mask[1, 2:5] = 255
    area = Truth(mask=mask, boxes=(Box(0, 0, 5, 7),)).area(SIZE)
    assert area.dtype == bool
    np.testing.assert_array_equal(area, mask > 0)


@pytest.mark.parametrize(
    "boxes",
    [
        [Box(1, 2, 3, 6)],
        [Box(0.4, 0.6, 2.5, 3.4), Box(2, 3, 5, 4)],
        [Box(-3, -2, 1.2, 99)],
    ],
)
def test_boxes_hold_the_pixels_whose_centre_they_hold(boxes):
    np.testing.assert_array_equal(Truth(boxes=tuple(boxes)).area(SIZE), slow_area(boxes, SIZE))


def test_the_callers_mask_is_neither_changed_nor_frozen():
    mask = np.ones(SIZE, bool)
    truth = Truth(mask=mask)
    mask[0, 0] = True
    with pytest.raises(ValueError, match="read-only"):
        truth.mask[0, 0] = False


def test_a_part_is_visible_unless_said_otherwise():
    assert Part("crown", 3, 4).is_visible


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (Truth(), "there is no mask and no box for this picture"),
        (Truth(parts=(Part("bill", 1, 1),)), "there is no mask and no box"),
        (Truth(mask=np.zeros(SIZE)), "empty inside the picture, so there is no evidence"),
        (Truth(boxes=(Box(9, 9, 12, 12),)), "empty inside the picture"),
        (Truth(mask=np.ones((7, 5))), "the mask is 7 x 5, but the picture is 5 x 7"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(truth, message):
    with pytest.raises(InputError, match=message):
        truth.area(SIZE)


def test_a_mask_of_several_channels_is_refused():
    with pytest.raises(InputError, match=r"a mask must be \(height, width\), not \(5, 7, 3\)"):
        Truth(mask=np.ones((*SIZE, 3)))


@pytest.mark.parametrize("edges", [(3, 0, 3, 4), (0, 4, 2, 1), (0, 0, math.nan, 1)])
def test_a_box_that_encloses_nothing_is_refused(edges):
    with pytest.raises(InputError, match="a box must have top < bottom and left < right"):
        Box(*edges)
