"""Films painted with maps: places and colours by closed forms and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components import colours
from components.film_picture import AGAINST, ANNOTATION, REGION, paint_film, peak
from explain_core.errors import InputError
from explain_core.images.display import window_film
from explain_core.images.film import Film, Window, film_of_image
from explain_core.regions import Region
from explain_core.truth import Box, Truth
from explain_core.types import Array, Contrast, Geometry, Image, Provenance, SaliencyMap

SIZE = (300, 400)
# The middle 300 x 300 of the film at half its size: columns 50 to 350 are seen.
CROPPED = Geometry(SIZE, (150, 150), (0.5, 0.5), (0.0, 25.0))


def film_of(pixels: Array) -> Film:
    return film_of_image(Image(pixels, "gray", "0" * 64, 255))


def map_of(values: Array, geometry: Geometry = CROPPED) -> SaliencyMap:
    made = Provenance("grad-cam", "films", "0" * 64, "features.6", "0" * 64, Contrast(0))
    return SaliencyMap(values.astype(np.float32), bool((values < 0).any()), made, geometry)


def bump(row: float, column: float, sigma: float) -> Array:
    """A Gaussian at a point of the input, as (150, 150)."""
    rows, columns = np.mgrid[:150, :150] + 0.5
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))


def near(picture: Array, colour: str) -> Array:
    """Where the picture has this colour, up to smoothing."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    found: Array = (np.abs(picture.astype(int) - wanted) < 60).all(axis=-1)
    return found


@pytest.fixture(scope="module")
def black() -> Film:
    return film_of(np.zeros(SIZE, np.uint8))


@pytest.fixture(scope="module")
def gray() -> Film:
    return film_of(np.full(SIZE, 100, np.uint8))


@pytest.mark.parametrize("max_side_px", [None, 800, 200])
def test_contours_run_where_a_gaussian_has_a_quarter_a_half_and_three_quarters(
    black: Film, max_side_px: int | None
) -> None:
    peaked = map_of(bump(60, 90, 20))
    picture = paint_film(
        black, None, smap=peaked, drawing="Contours", max_side_px=max_side_px, enlarged=3
    )
    shrunk = picture.shape[0] / SIZE[0]
    # Of the film, the input's point (60, 90) is (120, 230): behind the crop, at twice the size.
    y, x = (np.argwhere(near(picture, "#ffffff")) + 0.5).T / shrunk
    distance = np.hypot(y - 120, x - 230)
    rings = 2 * 20 * np.sqrt(-2 * np.log([0.25, 0.5, 0.75]))
    gap = np.abs(distance[:, None] - rings)
    # A white pixel lies within half the line's width and a pixel of one of the rings.
    assert gap.min(axis=1).max() < (1.3 * 3 * max(picture.shape) / 700 / 2 + 1) / shrunk
    assert (np.bincount(gap.argmin(axis=1), minlength=3) > rings * shrunk).all()


def test_without_a_map_it_is_the_film_through_its_window() -> None:
    film = film_of(np.arange(120_000, dtype=np.uint32).reshape(SIZE).astype(np.uint8))
    window = Window(90, 120, "LINEAR_EXACT")
    picture = paint_film(film, window, is_inverted=True, max_side_px=100)
    expected = window_film(film, window, is_inverted=True, max_side_px=100)
    assert (picture.shape, picture.dtype) == ((75, 100, 3), np.uint8)
    np.testing.assert_array_equal(picture, np.repeat(expected[..., None], 3, axis=2))


def test_the_first_preset_is_the_files_own_window(gray: Film) -> None:
    assert (paint_film(gray, None) == 100).all()


def test_the_heat_map_is_mixed_in_and_what_was_not_looked_at_is_dimmed(gray: Film) -> None:
    picture = paint_film(gray, None, smap=map_of(np.ones((150, 150))), drawing="Heat map")
    most = colours.lookup_table("Cividis")[255].astype(float)
    np.testing.assert_allclose(picture[150, 200], 0.4 * 100 + 0.6 * most, atol=1)
    assert (picture[:, :50] == 35).all()
    assert (picture[:, 350:] == 35).all()
    assert (picture[:, 50:350] != 35).any(axis=-1).all()


def test_a_signed_map_is_clear_at_zero_and_blue_where_it_speaks_against(gray: Film) -> None:
    signed = bump(40, 40, 10) - bump(110, 110, 10)
    picture = paint_film(
        gray, None, smap=map_of(signed), is_signed=True, drawing="Heat map"
    ).astype(int)
    np.testing.assert_allclose(picture[150, 200], 100, atol=1)
    for_it, against = picture[80, 130], picture[220, 270]
    assert for_it[0] > for_it[2] + 40
    assert against[2] > against[0] + 40


def test_lines_against_are_dashed_and_only_in_a_signed_map(black: Film) -> None:
    against = map_of(bump(40, 40, 10) - bump(110, 110, 20))
    only_for = paint_film(black, None, smap=against, drawing="Contours")
    assert not near(only_for, AGAINST.colour).any()
    both = paint_film(black, None, smap=against, is_signed=True, drawing="Contours", enlarged=3)
    place = np.argwhere(near(both, AGAINST.colour)) + 0.5
    distance = np.hypot(*(place - (220, 270)).T)
    ring = 2 * 20 * np.sqrt(-2 * np.log(0.25))
    on_ring = place[np.abs(distance - ring) < 3]
    angles = np.unique(np.round(np.degrees(np.arctan2(*(on_ring - (220, 270)).T))))
    # 5 of 9 units are drawn; smoothing takes off a little.
    assert 0.3 < len(angles) / 360 < 0.75


def test_a_map_without_evidence_says_so_and_is_not_blown_up(gray: Film) -> None:
    nothing = map_of(np.full((150, 150), -1e-9))
    picture = paint_film(gray, None, smap=nothing)
    assert peak(nothing, is_signed=False) == 0
    assert (picture[60:, 50:350] == 100).all()
    assert near(picture[:60], "#ffffff").any()


def test_regions_are_outlined_where_they_were_drawn(gray: Film) -> None:
    regions = [
        Region("box", ((100, 40), (200, 140))),
        Region("ellipse", ((100, 240), (200, 300))),
        Region("polygon", ((220, 150), (280, 150), (280, 250))),
    ]
    picture = paint_film(gray, None, regions=regions, enlarged=2)
    drawn = near(picture, REGION.colour)
    on_lines = [(100, 90), (150, 40), (150, 139), (199, 90), (150, 240), (199, 270), (280, 200)]
    for row, column in [*on_lines, (250, 200)]:
        assert drawn[row - 2 : row + 3, column - 2 : column + 3].any()
    for row, column in [(150, 90), (150, 270), (265, 170), (106, 245)]:
        assert (picture[row - 2 : row + 3, column - 2 : column + 3] == 100).all()
    # The numbers, over the upper left corners.
    assert drawn[80:97, 40:60].any()
    assert drawn[200:217, 150:170].any()


@pytest.mark.parametrize("is_mask", [True, False])
def test_a_known_annotation_is_outlined_even_at_the_edge(gray: Film, is_mask: bool) -> None:
    mask = np.zeros(SIZE, bool)
    mask[100:300, 0:200] = True
    known = Truth(mask=mask) if is_mask else Truth(boxes=(Box(100, 0, 300, 200),))
    picture = paint_film(gray, None, annotation=known, enlarged=2.5)
    drawn = near(picture, ANNOTATION.colour)
    assert drawn[98:103].sum() > 60
    assert drawn[:, 197:203].sum() > 60
    assert drawn[:, :3].sum() > 60
    assert (picture[120:280, 20:180] == 100).all()
    assert (picture[:90] == 100).all()


def test_the_mark_stands_in_the_lower_left_corner_and_on_the_picture(gray: Film) -> None:
    picture = paint_film(gray, None, mark="SYNTHETIC PHANTOM")
    changed = (picture != 100).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 270
    assert columns.max() < 200
    assert near(picture[rows.min() :], "#ffffff").any()
    tiny = paint_film(gray, None, mark="SYNTHETIC PHANTOM", max_side_px=120, enlarged=4)
    assert (tiny[:, -2:] == 100).all()


def test_what_does_not_fit_is_refused(gray: Film) -> None:
    elsewhere = Geometry((10, 10), (150, 150), (15.0, 15.0), (0.0, 0.0))
    with pytest.raises(InputError, match=r"picture of \(10, 10\), but the film is \(300, 400\)"):
        paint_film(gray, None, smap=map_of(bump(1, 1, 1), elsewhere))
    with pytest.raises(InputError, match="opacity runs from 0 to 1"):
        paint_film(gray, None, opacity=60)
    with pytest.raises(InputError, match="colours are one of"):
        paint_film(gray, None, colours="Rainbow")
    with pytest.raises(InputError, match="drawing is 'Heat map', 'Contours' or 'Both'"):
        paint_film(gray, None, drawing="Lines")  # type: ignore[arg-type]  # what is refused
