"""What the viewer is sent of a film, and what it may tell of it: it speaks from a browser."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.map_viewer import FilmView
from components.map_viewer.film_view import film_header, film_picture
from components.map_viewer.message import Message
from components.map_viewer.settings import (
    MAX_REGIONS,
    MAX_RULERS,
    MAX_VERTICES,
    Settings,
    Values,
    film_settings,
)
from explain_core.images.film import Film, Lookup, Spacing, Window, film_of_image, presets
from explain_core.images.reading import image_from_pixels
from explain_core.regions import Region
from explain_core.truth import Box, Truth
from tests.ui.test_packing import unpacked

PIXELS = np.random.default_rng(0).integers(0, 4000, (30, 50)).astype(np.uint16)
LOOKUP = Lookup(100.0, np.arange(200.0), 199.0)
FILM = replace(film_of_image(image_from_pixels(PIXELS)), windows=(Window(900.0, 700.0), LOOKUP))
VIEW = FilmView(FILM)
BOX = {"kind": "box", "points": [[1, 2], [20.5, 40]]}


def told(**parts: Any) -> dict[str, Any]:
    return {"film": {"name": VIEW.name, **parts}}


# ---- what is told ----------------------------------------------------------------------------


def test_regions_window_and_inversion_are_taken() -> None:
    polygon = {"kind": "polygon", "points": [[0, 0], [30, 0], [30, 50]]}
    window = {"center": 12.5, "width": 3, "function": "SIGMOID", "known": "x"}
    found = film_settings(told(regions=[BOX, polygon], window=window, is_inverted=True), VIEW)
    settings = replace(Settings({}), **found)
    assert settings.regions == (
        Region("box", ((1.0, 2.0), (20.5, 40.0))),
        Region("polygon", ((0.0, 0.0), (30.0, 0.0), (30.0, 50.0))),
    )
    assert settings.window == Window(12.5, 3.0, "SIGMOID")
    assert settings.is_inverted


def test_a_preset_is_told_by_its_place() -> None:
    for place, preset in enumerate(presets(FILM)):
        voi = film_settings(told(window={"preset": place}), VIEW)["window"]
        assert voi is LOOKUP if isinstance(preset.voi, Lookup) else voi == preset.voi


def test_what_was_set_on_another_film_does_not_count() -> None:
    other = FilmView(film_of_image(image_from_pixels(PIXELS[::-1].copy())))
    assert film_settings(told(regions=[BOX], is_inverted=True), other) == {}
    next_frame = FilmView(replace(FILM, frame=1))
    assert film_settings(told(regions=[BOX], is_inverted=True), next_frame) == {}


WRONG_REGIONS: dict[str, Any] = {
    "no list": "box",
    "no region": [3, None, "box", []],
    "another kind": [{**BOX, "kind": "circle"}],
    "a kind that is a list": [{**BOX, "kind": ["box"]}],
    "no points": [{"kind": "box"}],
    "one point": [{**BOX, "points": [[1, 2]]}],
    "points of three": [{**BOX, "points": [[1, 2, 3], [4, 5, 6]]}],
    "texts": [{**BOX, "points": [["1", "2"], [3, 4]]}],
    "truths": [{**BOX, "points": [[True, False], [3, 4]]}],
    "NaN": [{**BOX, "points": [[math.nan, 2], [3, 4]]}],
    "huge": [{**BOX, "points": [[10**400, 2], [3, 4]]}],
    "outside the film": [
        {**BOX, "points": [[1, 2], [31, 4]]},
        {**BOX, "points": [[-1, 2], [3, 4]]},
    ],
    "without an area": [{**BOX, "points": [[1, 2], [1, 4]]}],
    "too many vertices": [{"kind": "polygon", "points": [[1, 2], [3, 4], [5, 6]] * MAX_VERTICES}],
}


@pytest.mark.parametrize("fault", WRONG_REGIONS)
def test_a_wrong_region_is_left_out(fault: str) -> None:
    assert film_settings(told(regions=WRONG_REGIONS[fault]), VIEW)["regions"] == ()


def test_only_so_many_regions_are_taken() -> None:
    found = film_settings(told(regions=[BOX] * (MAX_REGIONS + 5)), VIEW)
    assert len(found["regions"]) == MAX_REGIONS


RULER = [[1, 2], [20.5, 40]]
WRONG_RULERS: dict[str, Any] = {
    "no list": "ruler",
    "no ruler": [3, None, "ab", [], {}, {"points": RULER}],
    "one end": [[[1, 2]]],
    "three ends": [[*RULER, [3, 4]]],
    "texts": [[["1", "2"], [3, 4]]],
    "NaN": [[[math.nan, 2], [3, 4]]],
    "outside the film": [[[1, 2], [31, 4]], [[1, -2], [3, 4]]],
    "without a length": [[[1, 2], [1, 2]]],
}


def test_rulers_are_taken_in_their_order() -> None:
    found = film_settings(told(rulers=[RULER, [[0, 0], [0, 50]]]), VIEW)
    assert found["rulers"] == (((1.0, 2.0), (20.5, 40.0)), ((0.0, 0.0), (0.0, 50.0)))
    assert film_settings(told(), VIEW)["rulers"] == ()


@pytest.mark.parametrize("fault", WRONG_RULERS)
def test_a_wrong_ruler_is_left_out(fault: str) -> None:
    assert film_settings(told(rulers=WRONG_RULERS[fault]), VIEW)["rulers"] == ()


def test_only_so_many_rulers_are_taken() -> None:
    assert MAX_RULERS >= 5
    found = film_settings(told(rulers=[RULER] * (MAX_RULERS + 5)), VIEW)
    assert len(found["rulers"]) == MAX_RULERS


WRONG_WINDOWS: list[Any] = [
    3,
    {},
    {"preset": 99},
    {"preset": -1},
    {"preset": True},
    {"preset": "file"},
    {"center": 1, "width": 0, "function": "LINEAR"},
    {"center": math.inf, "width": 3, "function": "LINEAR"},
    {"center": 1, "width": 3, "function": "CUBIC"},
    {"center": 1, "width": 3, "function": ["LINEAR"]},
    {"center": "1", "width": 3, "function": "LINEAR"},
]


@pytest.mark.parametrize("window", WRONG_WINDOWS, ids=str)
def test_a_wrong_window_leaves_the_first(window: Any) -> None:
    found = film_settings(told(window=window, is_inverted="yes"), VIEW)
    assert found["window"] is None
    assert found["is_inverted"] is False


@pytest.mark.parametrize("wrong", [None, 3, [], {}, {"film": 3}, {"film": {"name": None}}])
def test_a_film_that_is_told_wrongly_sets_nothing(wrong: Any) -> None:
    assert film_settings(wrong, VIEW) == {}


def test_a_panel_is_known_by_its_name_and_follows_its_method() -> None:
    values: Values = {
        "gamma": 1.0,
        "reverse": False,
        "aggregation": "a",
        "softmax": True,
        "lam": 0.5,
    }
    settings = Settings(values, own={"diffcam-2": {"lam": 2.0}}, methods={"diffcam-2": "diffcam"})
    assert settings.of("diffcam-2") == {"lam": 2.0}
    assert settings.of("diffcam") == {"lam": 0.5}


# ---- what is sent ----------------------------------------------------------------------------


def sent(view: FilmView) -> tuple[dict[str, Any], list[Any]]:
    message = Message()
    picture = film_picture(message, view.film)
    raw = message.packed({"picture": picture, "film": film_header(message, view)})
    return unpacked(raw)


def test_codes_stand_for_the_films_values() -> None:
    values = np.linspace(-5, 5, 65536)  # fractions
    film = replace(FILM, values=values, unit="OD")
    header, arrays = sent(FilmView(film))
    gray = header["picture"]["gray"]
    codes = arrays[gray["codes"]].astype(float)
    found = gray["low"] + (codes - gray["first"]) * gray["step"]
    np.testing.assert_allclose(found, values[film.codes], atol=gray["step"])
    assert not header["film"]["is_whole"]
    assert [each["name"] for each in gray["presets"]] == [each.name for each in presets(film)]


def test_the_entries_of_a_voi_lut_are_sent() -> None:
    header, arrays = sent(VIEW)
    preset = header["picture"]["gray"]["presets"][1]
    np.testing.assert_array_equal(arrays[preset["entries"]], LOOKUP.entries)
    assert (preset["first"], preset["white"]) == (100, 199)


def test_spacing_and_annotation_are_sent() -> None:
    film = replace(FILM, spacing=Spacing(0.5, 0.25, "detector"))
    mask = np.zeros(PIXELS.shape, bool)
    mask[5:9, 7:20] = True
    header, arrays = sent(FilmView(film, annotation=Truth(mask=mask)))
    about = header["film"]
    assert (about["spacing"]["rows_mm"], about["spacing"]["columns_mm"]) == (0.5, 0.25)
    assert about["spacing"]["unit"] == "mm"
    assert about["spacing"]["plane_in_words"] == "in the detector plane"
    (known,) = about["annotations"]
    assert known["label"] == "known annotation"
    np.testing.assert_array_equal(arrays[known["mask"]], mask * 255)
    boxes = Truth(boxes=(Box(1, 2, 3, 4),))
    header, _ = sent(FilmView(film, annotation=boxes))
    (known,) = header["film"]["annotations"]
    assert (known["boxes"], known["mask"]) == ([[1, 2, 3, 4]], None)


def test_several_annotations_are_sent_by_name() -> None:
    named = {"nodule": Truth(boxes=(Box(1, 2, 3, 4),)), "mass": Truth(boxes=(Box(5, 6, 7, 8),))}
    header, _ = sent(FilmView(FILM, annotation=named))
    found = {each["label"]: each["boxes"] for each in header["film"]["annotations"]}
    assert found == {"nodule": [[1, 2, 3, 4]], "mass": [[5, 6, 7, 8]]}
    assert sent(FilmView(FILM, annotation={}))[0]["film"]["annotations"] == []


def test_another_name_of_an_annotation_is_another_message() -> None:
    truth = Truth(boxes=(Box(1, 2, 3, 4),))
    views = [FilmView(FILM, annotation=each) for each in (truth, {"mass": truth}, {"cyst": truth})]
    assert len({view.key for view in views}) == len(views)


def test_lengths_of_the_patient_name_no_plane() -> None:
    film = replace(FILM, spacing=Spacing(0.5, 0.5, "patient"))
    spacing = sent(FilmView(film))[0]["film"]["spacing"]
    assert (spacing["unit"], spacing["plane_in_words"]) == ("mm", "")


def test_another_annotation_or_spacing_is_another_message() -> None:
    def view(film: Film = FILM, mask: int = 0) -> FilmView:
        area = np.zeros(PIXELS.shape, bool)
        area[: mask + 1] = True
        return FilmView(film, annotation=Truth(mask=area))

    assert view().key == view().key
    assert view().key != view(mask=1).key
    assert view().key != view(replace(FILM, spacing=Spacing(1.0, 1.0, "patient"))).key
