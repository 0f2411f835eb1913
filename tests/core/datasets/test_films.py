"""Phantom films: what is drawn, and that every finding's place is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.datasets.film_anatomy import draw_body
from explain_core.datasets.film_drawing import Film, draw_film, draw_pixels
from explain_core.datasets.film_findings import FINDINGS
from explain_core.datasets.film_marks import letter
from explain_core.datasets.film_space import lay_grid
from explain_core.errors import InputError
from explain_core.truth import Truth
from explain_core.types import Array

SIZE = (150, 120)
ALL = tuple(FINDINGS)


@pytest.fixture(scope="module")
def crowded() -> Film:
    """Return a film with all findings and markers."""
    return draw_film(5, ALL, SIZE, ALL)


def bounds(mask: Array) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


@pytest.mark.parametrize("size", [(96, 96), (140, 180)])
def test_seed_settles_the_film(size: tuple[int, int]) -> None:
    first, again = draw_film(3, ALL, size, ALL), draw_film(3, ALL, size, ALL)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    for name in ALL:
        np.testing.assert_array_equal(first.findings[name].mask, again.findings[name].mask)
    assert (draw_pixels(4, ALL, size, ALL) != first.pixels).mean() > 0.9


def test_pixels_alone_are_those_of_the_film(crowded: Film) -> None:
    np.testing.assert_array_equal(draw_pixels(5, ALL, SIZE, ALL), crowded.pixels)


def test_order_of_the_findings_is_of_no_matter(crowded: Film) -> None:
    np.testing.assert_array_equal(draw_pixels(5, ALL[::-1], SIZE, ALL[::-1]), crowded.pixels)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("finding", ALL)
def test_film_differs_from_the_healthy_one_exactly_inside_the_mask(finding: str, seed: int) -> None:
    film = draw_film(seed, (finding,), SIZE)
    changed = film.pixels != draw_pixels(seed, (), SIZE)
    np.testing.assert_array_equal(changed, film.findings[finding].mask)
    assert 0.001 < changed.mean() < 0.25


@pytest.mark.parametrize("finding", ALL)
def test_film_without_one_of_many_findings_differs_exactly_inside_its_mask(
    finding: str, crowded: Film
) -> None:
    others = [name for name in ALL if name != finding]
    changed = crowded.pixels != draw_pixels(5, others, SIZE, ALL)
    np.testing.assert_array_equal(changed, crowded.findings[finding].mask)
    changed = crowded.pixels != draw_pixels(5, ALL, SIZE, others)
    np.testing.assert_array_equal(changed, crowded.markers[finding].mask)


def test_film_holds_the_truth_of_what_it_shows_and_no_more() -> None:
    film = draw_film(0, ("nodule",), SIZE, ("opacity",))
    assert (list(film.findings), list(film.markers)) == (["nodule"], ["opacity"])
    assert draw_film(0, (), SIZE).findings == {}


def test_findings_look_as_they_do_in_medicine() -> None:
    """Fluid, tissue and heart are brighter than the lung; air is darker, but for its fine line."""
    for seed in range(4):
        healthy = draw_pixels(seed, (), SIZE).astype(int)
        for finding in ALL:
            film = draw_film(seed, (finding,), SIZE)
            change = (film.pixels - healthy)[film.findings[finding].mask]
            share = (change < 0).mean()
            assert (share > 0.5) if finding == "pneumothorax" else (share == 0), (seed, finding)


def test_pneumothorax_lies_in_one_lung_beyond_its_border() -> None:
    sides = set()
    for seed in range(8):
        _, left, _, right = bounds(
            draw_film(seed, ("pneumothorax",), SIZE).findings["pneumothorax"].mask
        )
        assert right <= 65 or left >= 55
        sides.add(left >= 55)
    assert sides == {False, True}


def test_enlarged_heart_reaches_more_than_half_across_the_chest() -> None:
    for seed in range(4):
        film = draw_film(seed, ("enlarged heart",), (200, 200))
        (box,) = film.findings["enlarged heart"].boxes
        assert 0.40 * 200 < box.right - box.left < 0.72 * 200
        assert box.left + box.right > 200  # mostly to the patient's left, the film's right


def test_boxes_bound_the_masks(crowded: Film) -> None:
    for truth in (*crowded.findings.values(), *crowded.markers.values()):
        inside = Truth(boxes=truth.boxes).area(SIZE)
        assert truth.mask is not None
        assert inside[truth.mask].all()
        edges = np.array([(b.top, b.left, b.bottom, b.right) for b in truth.boxes])
        outer = (*edges[:, :2].min(axis=0), *edges[:, 2:].max(axis=0))
        assert outer == bounds(truth.mask)


def test_each_nodule_has_a_box_of_its_own_that_is_square() -> None:
    nums = set()
    for seed in range(8):
        boxes = draw_film(seed, ("nodule",), (200, 200)).findings["nodule"].boxes
        nums.add(len(boxes))
        for box in boxes:
            assert abs((box.bottom - box.top) - (box.right - box.left)) <= 2
    assert nums == {1, 2, 3}


def test_same_film_at_another_size_has_its_findings_at_the_same_places() -> None:
    small, large = (draw_film(7, ALL, (side, side)) for side in (100, 300))
    for name in ALL:
        shrunk = large.findings[name].mask.reshape(100, 3, 100, 3).mean(axis=(1, 3)) > 0.5
        mask = small.findings[name].mask
        assert (shrunk & mask).sum() / (shrunk | mask).sum() > 0.75, name
    pixels = large.pixels.reshape(100, 3, 100, 3).mean(axis=(1, 3))
    assert np.corrcoef(pixels.ravel(), small.pixels.ravel())[0, 1] > 0.99


def test_films_use_the_range_of_sixteen_bits() -> None:
    pixels = draw_pixels(1, (), (256, 256))
    assert pixels.dtype == np.uint16
    assert len(np.unique(pixels)) > 15_000
    assert pixels.min() < 6_000
    assert pixels.max() > 50_000
    assert not np.isin(pixels, (0, 65535)).any()  # nothing is lost at either end


def test_exposures_vary() -> None:
    means = [draw_pixels(seed, (), (80, 80)).mean() for seed in range(8)]
    assert np.std(means) > 1500


def test_film_may_be_larger_than_the_canvas_of_its_vessels() -> None:
    film = draw_film(5, ("nodule",), (790, 900))
    assert film.pixels.shape == (790, 900)
    assert 0.001 < film.findings["nodule"].mask.mean() < 0.03


def test_picture_says_that_it_is_no_patient(crowded: Film) -> None:
    image = crowded.image()
    assert image.notes == ("synthetic phantom, not a patient",)
    assert (image.kind, image.white, image.size) == ("gray", 65535, SIZE)
    assert image.spacing_mm == pytest.approx((380 / 120, 380 / 120))


def test_letter_stands_on_the_side_that_it_names() -> None:
    """An R on the film's left, where the patient's right is, or an L on its right."""
    sides = set()
    for seed in range(5):
        pixels = draw_pixels(seed, (), (200, 200))[7:32]
        is_right, *_ = draw_body(np.random.default_rng([seed, 0])).letter
        assert (pixels[:, 20:50].max() > pixels[:, 150:180].max()) == is_right
        sides.add(is_right)
    assert sides == {False, True}


def test_letters_read_as_such() -> None:
    """Two strokes cross the upper part of an R, one that of an L."""
    grid = lay_grid((200, 200), (0, 0), 1.0, 0.0)
    for name, num_strokes in (("R", 2), ("L", 1)):
        ink = letter(grid, name, 0.0, 0.0, 0.1).change > 0.6
        assert (np.diff(ink[12].astype(int), prepend=0) == 1).sum() == num_strokes


def test_markers_stand_in_four_corners_apart_from_each_other(crowded: Film) -> None:
    corners = set()
    for truth in crowded.markers.values():
        top, left, bottom, right = bounds(truth.mask)
        assert max(bottom - top, right - left) <= 0.11 * 120
        corners.add((top > 75, left > 60))
    assert len(corners) == 4


def test_markers_change_their_corner_from_film_to_film() -> None:
    places = {
        bounds(draw_film(seed, (), SIZE, ("nodule",)).markers["nodule"].mask)[0] > 75
        for seed in range(6)
    }
    assert places == {False, True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "seed must be at least 0"),
        ((0, ("fracture",)), r"no finding \['fracture'\]; choose among \['opacity'"),
        ((0, (), (63, 500)), "between 64 and 4000 pixels .got 63 x 500"),
        ((0, (), (500, 4001)), "between 64 and 4000 pixels"),
        ((0, (), (100, 100), ("fracture",)), "no finding"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_film(*arguments)


@pytest.mark.parametrize("size", [(64, 64), (64, 200), (200, 64)])
def test_smallest_films_hold_every_finding(size: tuple[int, int]) -> None:
    film = draw_film(2, ALL, size, ALL)
    for truth in (*film.findings.values(), *film.markers.values()):
        assert truth.area(size).any()
