"""Side markers and burned-in text on films, and maps that peak at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from explain_core.datasets.film_drawing import draw_film, picture
from explain_core.datasets.film_findings import FINDINGS
from explain_core.honesty.marks import Mark, marks, marks_near_peak
from explain_core.images.film import film_of_image
from explain_core.images.reading import image_from_pixels, read_image
from explain_core.truth import Box
from explain_core.types import Array, Contrast, Geometry, Provenance, SaliencyMap

SIZE = (400, 360)


def found_on(pixels: Array) -> tuple[Mark, ...]:
    return marks(film_of_image(picture(pixels)))


def overlaps(box: Box, mask: Array) -> bool:
    rows, columns = slice(int(box.top), int(box.bottom)), slice(int(box.left), int(box.right))
    return bool(mask[rows, columns].any())


@pytest.fixture(scope="module")
def healthy() -> list[Array]:
    return [draw_film(900 + index, (), SIZE).pixels for index in range(4)]


def test_a_healthy_film_has_its_letter_and_nothing_else(healthy: list[Array]) -> None:
    assert [len(found_on(pixels)) for pixels in healthy] == [1] * 4


def test_findings_are_no_marks() -> None:
    for index in range(2):
        film = draw_film(900 + index, tuple(FINDINGS), SIZE)
        assert len(found_on(film.pixels)) == 1


def test_most_markers_in_corners_are_found() -> None:
    num_found = 0
    for index in range(4):
        film = draw_film(900 + index, (), SIZE, tuple(FINDINGS))
        found = found_on(film.pixels)
        num_found += sum(
            any(overlaps(mark.box, truth.mask) for mark in found)
            for truth in film.markers.values()
            if truth.mask is not None
        )
    assert num_found >= 12  # of 16; those on bright soft tissue hardly stand out


@pytest.mark.parametrize("is_bright", [True, False])
def test_text_is_one_mark(healthy: list[Array], is_bright: bool) -> None:
    top, left = (8, 120) if is_bright else (180, 130)
    canvas = Pillow.new("L", (SIZE[1], SIZE[0]))
    ImageDraw.Draw(canvas).text(
        (left, top), "PORTABLE 14:32", fill=255, font=ImageFont.load_default(16)
    )
    ink = np.asarray(canvas) > 100
    pixels = np.where(ink, 65535 if is_bright else 0, healthy[0])
    if not is_bright:
        pixels[170:210, 120:260] = np.where(ink[170:210, 120:260], 0, 60000)
    found = [mark for mark in found_on(pixels.astype(np.uint16)) if overlaps(mark.box, ink)]
    assert len(found) == 1
    rows, columns = np.nonzero(ink)
    box = found[0].box
    assert box.left <= columns.min() + 8
    assert box.right >= columns.max() - 8
    assert box.top >= rows.min() - 8
    assert box.bottom <= rows.max() + 12


def test_a_large_film_is_measured_in_its_own_pixels(healthy: list[Array]) -> None:
    (small,) = found_on(healthy[0])
    (large,) = found_on(np.kron(healthy[0], np.ones((4, 4), np.uint16)))
    for edge in ("top", "left", "bottom", "right"):
        assert getattr(large.box, edge) == pytest.approx(4 * getattr(small.box, edge), abs=24)


def test_an_even_film_has_no_marks() -> None:
    assert marks(film_of_image(image_from_pixels(np.full((40, 50), 9, np.uint8)))) == ()


# ---- maps and marks --------------------------------------------------------------------------


def map_of(values: Array) -> SaliencyMap:
    """Return a map at half the size of a film of (200, 100)."""
    return SaliencyMap(
        values.astype(np.float32),
        True,
        Provenance("made-up", "", "", "", "", Contrast(None)),
        Geometry((200, 100), (100, 50), (0.5, 0.5), (0.0, 0.0)),
    )


def peaked(row: int, column: int) -> SaliencyMap:
    values = np.full((100, 50), -1.0)
    values[40:60, 20:30] = 0.01
    values[row, column] = 6.0
    return map_of(values)


LETTER = Mark(Box(10, 70, 30, 90))


def test_a_peak_on_a_mark_is_told_with_the_share_on_it() -> None:
    found = marks_near_peak(peaked(10, 40), (LETTER,))  # the pixel's middle lies at (21, 81)
    assert found.beside == (LETTER,)
    assert found.share == pytest.approx(6 / 8)
    assert found.text.startswith("The peak of this map lies on what looks like a side marker or")
    assert "75 % of the map lies on such marks" in found.text


@pytest.mark.parametrize(("row", "is_beside"), [(17, True), (18, False)])
def test_beside_is_three_percent_of_the_longer_side(row: int, is_beside: bool) -> None:
    found = marks_near_peak(peaked(row, 40), (LETTER,))  # 2 row + 1 - 30 pixels below; 6 count
    assert bool(found.beside) is bool(found.text) is is_beside
    assert ("lies beside" in found.text) is is_beside
    assert found.share == 0


def test_the_nearest_mark_comes_first() -> None:
    other = Mark(Box(34, 70, 40, 90))
    found = marks_near_peak(peaked(16, 40), (LETTER, other))
    assert found.beside == (other, LETTER)


def test_overlapping_marks_count_once() -> None:
    found = marks_near_peak(peaked(10, 40), (LETTER, Mark(Box(0, 60, 40, 100))))
    assert found.share == pytest.approx(6 / 8)


@pytest.mark.parametrize("values", [np.zeros((100, 50)), -np.ones((100, 50))])
def test_a_map_without_evidence_peaks_nowhere(values: Array) -> None:
    found = marks_near_peak(map_of(values), (LETTER,))
    assert (found.beside, found.share, found.text) == ((), 0.0, "")


# ---- real films ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("lancet-case2a.jpg", Box(27, 27, 54, 245)),  # a line of text
        ("covid-19-pneumonia-7-PA.jpg", Box(116, 551, 147, 581)),  # S in a ring
        ("pneumocystis-jirovecii-pneumonia-2.jpg", Box(38, 570, 75, 607)),
        ("gr1_lrg-b.jpg", Box(20, 22, 59, 62)),
    ],
)
def test_the_one_mark_of_a_real_film_is_found(name: str, box: Box, data_dir: Path) -> None:
    path = data_dir / "xray" / "cxr_covid" / "images" / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the real material")
    (found,) = marks(film_of_image(read_image(path)))
    for edge in ("top", "left", "bottom", "right"):  # as seen on the film
        assert getattr(found.box, edge) == pytest.approx(getattr(box, edge), abs=12)
