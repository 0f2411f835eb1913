"""Reports: what is put in is read back from the PDF, on one page, without overlaps."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import PIL.Image
import pypdfium2
import pytest

from components import fonts
from components.colours import lookup_table
from components.report import Report, ReportMap, report_pdf, report_png
from components.report.blocks import ColourBar, Frame, Item, Picture, Rule, Words
from components.report.columns import Section, two_columns
from components.report.page import HEIGHT, WIDTH, page_of
from components.report.pictures import legend_number
from components.report.sections import PATIENT_HEAD, RESEARCH_USE
from components.report.texts import CLIPPED, UNKNOWN, paragraph
from components.report.typography import BODY, lines_of, width_of
from explain_core.errors import InputError
from explain_core.images.film import film_of_image
from explain_core.regions import Region
from explain_core.truth import Box, Truth
from explain_core.types import Contrast, Geometry, Image, Provenance, SaliencyMap

SIZE = (60, 48)
FINGERPRINT = "0123456789abcdef" * 4
MADE = datetime(2025, 11, 21, 19, 57)
WHOLE = Geometry(SIZE, (30, 24), (0.5, 0.5), (0.0, 0.0))


def map_of(title: str = "DiffCAM", high: float = 0.5, **more: Any) -> ReportMap:
    values = np.full((30, 24), -0.25, np.float32)
    values[10, 12] = high
    made = Provenance(
        *("diffcam", "films", FINGERPRINT, "features.6", "0" * 64, Contrast(0)),
        (("lam", 0.001), ("pooling", "mean")),
    )
    smap = SaliencyMap(values, True, made, WHOLE)
    told = {"subtitle": "unlike healthy films", "settings": "λ = 10⁻³", "meaning": ("none", "most")}
    return ReportMap(**{"title": title, "smap": smap, "is_signed": False, **told, **more})


def report_of(**more: Any) -> Report:
    codes = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE)
    standard: dict[str, Any] = {
        "question": "What made the model say opacity, compared with healthy films?",
        "film": film_of_image(Image(codes, "gray", "0" * 64, 4095)),
        "voi": None,
        "is_inverted": False,
        "window_text": "Window: file, centre 2048",
        "maps": (map_of(scores=(("RCAP ↑", "0.412"), ("Deletion ↓", "0.231"))),),
        "model": "films of phantoms",
        "fingerprint": FINGERPRINT,
        "made": MADE,
        "findings": (("opacity", "97.1 %", "called"), ("nodule", "0.9 %", "not called")),
        "score_heads": ("RCAP ↑", "Deletion ↓"),
        "control_scores": (("Random map", ("0.201", "0.334")),),
        "cautions": ("A side marker lies near the peak.",),
        "free_text": "Größe ≥ 3 cm; Δ = −2.\n\nSeen by Łukasz, Жанна and Παύλος.",
        "regions": (Region("box", ((5, 5), (20, 20))),),
        "region_shares": (("61 % of the map",),),
        "annotation": Truth(boxes=(Box(10, 10, 30, 30),)),
        "mark": "SYNTHETIC PHANTOM",
        "facts": (("Laterality", "R"), ("Pixel spacing", "0.14 × 0.14 mm")),
    }
    return Report(**(standard | more))


LONG = {
    "maps": tuple(map_of(f"Method {number}", is_signed=number > 1) for number in range(4)),
    "region_shares": (("1 %", "2 %", "3 %", "4 %"),),
    "findings": tuple((f"finding {number}", "50.0 %", "not called") for number in range(14)),
    "cautions": tuple(f"Caution number {n} is a sentence of some length. " * 4 for n in range(20)),
    "free_text": "word " * 400,
    "patient": (("Name", "Doe, Jane"), ("Identifier", "123 456")),
}


@pytest.fixture(scope="module")
def short() -> Report:
    return report_of()


@pytest.fixture(scope="module")
def short_pdf(short: Report) -> bytes:
    return report_pdf(short)


@pytest.fixture(scope="module")
def long_pdf() -> bytes:
    return report_pdf(report_of(**LONG))


def text_of(pdf: bytes) -> str:
    """All text of the only page, with single blanks."""
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1
        return " ".join(document[0].get_textpage().get_text_range().split())


def words_of(report: Report) -> str:
    return " ".join(item.text for item in page_of(report) if isinstance(item, Words))


def test_all_that_was_put_in_is_read_back_as_text(short: Report, short_pdf: bytes) -> None:
    text = text_of(short_pdf)
    shown = short.maps[0]
    parts: list[str] = [short.question, RESEARCH_USE, short.window_text, short.model, short.mark]
    parts += [shown.title, shown.subtitle, shown.settings, *shown.meaning, "2025-11-21 19:57"]
    parts += ["opacity 97.1 %", "called", "nodule 0.9 %", "not called"]
    parts += ["RCAP ↑ Deletion ↓ DiffCAM 0.412 0.231 Random map 0.201 0.334"]
    parts += ["1 · box 61 % of the map", *short.cautions, FINGERPRINT[:12]]
    parts += ["diffcam, layer features.6; lam = 0.001; pooling = mean"]
    parts += ["Laterality R", "Pixel spacing 0.14 × 0.14 mm", *short.free_text.split("\n\n")]
    for part in parts:
        assert part in text
    assert FINGERPRINT in text.replace(" ", "")
    assert CLIPPED not in text
    assert UNKNOWN not in text


def test_it_is_read_from_the_question_to_the_remarks(short_pdf: bytes) -> None:
    text = text_of(short_pdf)
    order = ["What made", "Research use", "Film Window", "Findings", "Scores against controls"]
    order += ["In the drawn regions", "Cautions", "Model, parameters and film", "Remarks"]
    places = [text.index(each) for each in order]
    assert places == sorted(places)


def test_it_is_one_a4_page_and_names_nobody(short_pdf: bytes) -> None:
    with pypdfium2.PdfDocument(short_pdf) as document:
        assert document[0].get_size() == pytest.approx((595.28, 841.89), abs=0.01)
        told = document.get_metadata_dict()
    assert told["Title"] == "WhyNot report"
    assert (told["Author"], told["Subject"], told["Keywords"]) == ("WhyNot", "", "")
    assert told["CreationDate"] == "D:20251121195700"


def test_equal_reports_give_equal_bytes(short: Report, short_pdf: bytes) -> None:
    assert report_pdf(report_of()) == short_pdf
    assert report_pdf(dataclasses.replace(short, made=datetime(2025, 11, 22))) != short_pdf


def test_the_png_is_the_page_at_150_dpi(short: Report) -> None:
    with PIL.Image.open(io.BytesIO(report_png(short))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (1241, 1754))
        pixels = np.asarray(picture)
    assert (pixels[:20] == 255).all()
    # The legend's upper end.
    most = lookup_table("Cividis")[-1].astype(int)
    assert (np.abs(pixels - most).max(axis=-1) < 24).sum() > 20


def pictures_in(pdf: bytes) -> list[np.ndarray]:
    with pypdfium2.PdfDocument(pdf) as document:
        found = document[0].get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
        return [np.asarray(each.get_bitmap().to_pil().convert("RGB")) for each in found]


def test_film_and_map_are_embedded_with_the_mark_on_each(short_pdf: bytes) -> None:
    film, shown, bar = pictures_in(short_pdf)
    assert film.shape == shown.shape == (60, 48, 3)
    assert bar.shape == (1, 256, 3)
    plain = pictures_in(report_pdf(report_of(mark="")))
    for marked, bare in zip((film, shown), plain[:2], strict=True):
        changed = (marked != bare).any(axis=-1)
        assert changed[-12:].any()
        assert not changed[:40].any()


def test_patient_details_are_there_only_where_they_were_given() -> None:
    assert PATIENT_HEAD not in words_of(report_of())
    text = words_of(report_of(patient=(("Name", "Doe, Jane"),)))
    assert f"{PATIENT_HEAD} Name Doe, Jane" in text


def test_a_long_report_stays_on_its_page_and_tells_what_was_left_out(long_pdf: bytes) -> None:
    text = text_of(long_pdf)
    shown, whole = re.search(r"Clipped: ([\d,]+) of ([\d,]+) characters are shown", text).groups()
    assert whole == "1,999"
    num_words = text.count("word ")
    assert int(shown.replace(",", "")) == 5 * num_words - 1
    left_out = int(re.search(r"and (\d+) more cautions: no room on this page", text).group(1))
    assert 0 < left_out < 20
    assert len(re.findall(r"Caution number \d+", text)) == 4 * (20 - left_out)
    assert all(f"finding {number} " in text for number in range(14))
    assert len(pictures_in(long_pdf)) == 1 + 2 * 4


NO_TEXT = {"cautions": (), "free_text": "", "regions": (), "region_shares": (), "findings": ()}
HUGE = {
    **LONG,
    "question": "Why " * 200,
    "window_text": "w" * 200,
    "model": "m" * 500,
    "mark": "SYNTHETIC " * 20,
    "maps": tuple(map_of("T" * 90, settings="s " * 300, notes=("n " * 900,)) for _ in range(4)),
    "findings": (("f" * 200, "p" * 60, "called"),) * 40,
    "control_scores": (("c" * 90, ("0." + "1" * 60,) * 2),) * 6,
    "cautions": ("c " * 900,) * 60,
    "free_text": "x" * 20_000 + "\n" * 400 + "患" * 2_000,
    "patient": (("k" * 200, "v" * 800),) * 30,
    "facts": (("k" * 200, "v" * 800),) * 30,
    "regions": (Region("box", ((5, 5), (20, 20))),) * 30,
    "region_shares": (("1 %",) * 4,) * 30,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        LONG,
        {"maps": (map_of(), map_of("Grad-CAM", is_signed=True)), "region_shares": (("1", "2"),)},
        {"maps": (map_of(),) * 3, "region_shares": (("1 %",) * 3,)},
        {"maps": (map_of("M"),) * 4, "region_shares": (("1 %",) * 4,)},
        {"maps": (map_of(),), **NO_TEXT},
        {"maps": (), **NO_TEXT, "score_heads": (), "control_scores": (), "mark": ""},
        HUGE,
    ],
    ids=["short", "long", "two", "three", "four", "bare", "no map", "huge"],
)
def test_nothing_overlaps_and_nothing_leaves_the_page(more: dict[str, Any]) -> None:
    items = page_of(report_of(**more))
    for item in items:
        assert item.left >= 42 - 0.01
        assert item.left + item.width <= WIDTH - 42 + 0.01
        assert 30 < item.top <= item.top + item.height < HEIGHT - 20
    solid = [item for item in items if not isinstance(item, Frame)]
    for one, other in itertools.combinations(solid, 2):
        assert not overlap(one, other), (one, other)
    for frame in (item for item in items if isinstance(item, Frame)):
        inside = [item for item in solid if overlap(frame, item)]
        assert inside
        for item in inside:
            assert frame.left <= item.left
            assert item.left + item.width < frame.left + frame.width
            assert frame.top < item.top
            assert item.top + item.height < frame.top + frame.height


def overlap(one: Item, other: Item) -> bool:
    slack = 0.02
    return (
        one.left + slack < other.left + other.width
        and other.left + slack < one.left + one.width
        and one.top + slack < other.top + max(other.height, 3 * slack)
        and other.top + slack < one.top + max(one.height, 3 * slack)
    )


def test_what_is_clipped_ends_in_an_ellipsis_and_the_foot_says_so() -> None:
    text = words_of(report_of(model="A name without end " * 40))
    assert "…" in text
    assert CLIPPED in text


def test_characters_that_the_font_lacks_are_marked_and_told() -> None:
    text = words_of(report_of(free_text="患者 left", cautions=("Why? 患",)))
    assert "?? left" in text
    assert "Why? ?" in text
    assert text.count(UNKNOWN) == 1
    assert UNKNOWN not in words_of(report_of(cautions=("Why?",)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A\u0308ther\tund\u00a0A", "Äther und A"),
        ("left\u202eright\x00", "leftright"),
        ("one\ntwo", "one\ntwo"),
        ("λ² ≥ 10⁻³ → ½", "λ² ≥ 10⁻³ → ½"),
        ("😀", "?"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert fonts.printable(text) == shown


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_empty_map_says_so_instead_of_a_legend(is_signed: bool) -> None:
    empty = map_of(high=-0.25, is_signed=is_signed)
    if is_signed:
        nothing = dataclasses.replace(empty.smap, values=np.zeros((30, 24), np.float32))
        empty = dataclasses.replace(empty, smap=nothing)
    items = page_of(report_of(maps=(empty,)))
    assert not [item for item in items if isinstance(item, ColourBar)]
    told = "No evidence" if is_signed else "No positive evidence"
    assert [item for item in items if isinstance(item, Words) and item.text == told]


def test_the_legend_ends_where_the_map_does() -> None:
    assert "0 0.500 none most" in words_of(report_of())
    signed = map_of(is_signed=True, meaning=("less", "more"))
    assert "−0.500 0 0.500 less more" in words_of(report_of(maps=(signed,)))


# As elements.js writes them: toPrecision(3) below 1000, no decimals above, else scientific.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.4917, "0.492"),
        (-3, "−3.00"),
        (123.4, "123"),
        (5731.6, "5732"),
        (1e-4, "10⁻⁴"),
        (-2.5e6, "−2.5 · 10⁶"),
    ],
)
def test_numbers_are_written_as_in_the_viewer(value: float, text: str) -> None:
    assert legend_number(value) == text


def test_pictures_grow_smaller_from_three_maps_on_and_keep_their_shape() -> None:
    areas = []
    for count in (1, 2, 3):
        maps, shares = (map_of(),) * count, (("1 %",) * count,)
        items = page_of(report_of(maps=maps, region_shares=shares))
        sizes = {(item.width, item.height) for item in items if isinstance(item, Picture)}
        ((width, height),) = sizes
        assert height / width == pytest.approx(60 / 48)
        areas.append(width * height)
    assert areas == sorted(areas, reverse=True)


def test_lines_break_between_words_and_only_too_long_words_inside() -> None:
    width = width_of("one two", BODY)
    assert lines_of("one two three", BODY, width) == ["one two", "three"]
    broken = lines_of("a " + "w" * 40, BODY, width)
    assert "".join(broken[1:]) == "w" * 40
    assert all(width_of(line, BODY) <= width for line in broken)


def words(items: tuple[Item, ...]) -> Iterator[tuple[str, float]]:
    return ((item.text, item.left) for item in items if isinstance(item, Words))


def test_a_section_is_broken_between_its_pieces_and_named_again() -> None:
    pieces = tuple(paragraph(str(number), BODY, 100) for number in range(10))
    block = two_columns([Section("List", pieces)], 100, 20, 1.0)
    left = [text for text, at in words(block.items) if at < 100]
    right = [text for text, at in words(block.items) if at >= 120]
    assert left == ["List", *"01234"]
    assert right == ["List, continued", *"56789"]
    assert len([item for item in block.items if isinstance(item, Rule)]) == 2


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(InputError, match=r"at most 4 maps \(got 5\)"):
        report_of(maps=(map_of(),) * 5)
    with pytest.raises(InputError, match="2 columns; give one for each of score_heads"):
        report_of(control_scores=(("Random map", ("0.2",)),))
    with pytest.raises(InputError, match="region_shares needs one row for each of the 1 regions"):
        report_of(region_shares=())
    other = dataclasses.replace(WHOLE, original_size=(9, 9))
    smap = dataclasses.replace(map_of().smap, geometry=other)
    with pytest.raises(InputError, match=r"picture of \(9, 9\), but the film is \(60, 48\)"):
        report_of(maps=(map_of(smap=smap),))
