"""Lesson 2: the numbers on the page are the core's, and the link brings back where one was."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components import state
from components.lessons.not_eight import LESSON
from components.lessons.not_eight_maps import compared_with
from components.wording import percent
from explain_core.images.drawing import centre_drawing
from explain_core.references.banks import banks_of
from tests.ui.steps import TIMEOUT_S, header_of, run

SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "digits"
SCRIPT = """
from components.lessons.frame import show_lesson
from components.lessons.not_eight import LESSON

show_lesson(LESSON, 2, is_large=False)
"""
START = "eight"
AGAINST_FIRST = ["8 against 3", "8 against 2", "8 against 0"]


def open_lesson(**link: str) -> AppTest:
    at = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT_S)
    for name, value in link.items():
        at.query_params[f"not-eight-{name}"] = value
    return run(at)


def pixels_of(name: str) -> np.ndarray:
    return np.array(PIL.Image.open(SAMPLES / f"{name}.png"))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).convert("RGBA").save(file, "PNG")
    return file.getvalue()


def data_url(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def sketch(at: AppTest, now: np.ndarray, before: np.ndarray | None = None, **told: Any) -> AppTest:
    """Let the canvas tell what stands on it."""
    at.session_state[state.LESSON_CANVAS] = {
        "sketch": {
            "start": START,
            "now": data_url(now),
            "before": "" if before is None else data_url(before),
            "is_drawn": False,
            "is_drawing": False,
            "number": 1,
            **told,
        }
    }
    return run(at)


def sent(at: AppTest, name: str) -> list[Any]:
    return [
        each.proto for each in at.get("bidi_component") if each.proto.component_name.endswith(name)
    ]


def titles(at: AppTest) -> list[str]:
    (viewer,) = sent(at, "map_viewer")
    return [panel["title"] for panel in header_of(viewer.bytes)["panels"]]


def canvas_data(at: AppTest) -> Any:
    (canvas,) = sent(at, "draw_canvas")
    return json.loads(canvas.json or canvas.mixed.json)["sketch"]


def texts(at: AppTest) -> str:
    return "\n".join(each.value for each in (*at.markdown, *at.caption, *at.info))


def bars(at: AppTest) -> list[str]:
    """Return the probabilities as they stand beside the bars."""
    (html,) = [each.proto.body for each in at.get("html") if "Probabilities" in each.proto.body]
    return [unescape(text) for text in re.findall(r"text-align:right[^>]*>([^<]*)<", html)]


def probabilities_of(image: xc.Image) -> np.ndarray:
    model = xc.load_model("digits")
    return model.probabilities(model.predict(image))


@pytest.fixture(scope="module")
def sample() -> np.ndarray:
    return pixels_of(START)


@pytest.fixture(scope="module")
def sample_image() -> xc.Image:
    return xc.read_image((SAMPLES / f"{START}.png").read_bytes())


def test_one_answer_is_right() -> None:
    assert [answer.is_right for answer in LESSON.answers].count(True) == 1


def test_the_bars_are_the_network_s_probabilities(sample_image: xc.Image) -> None:
    at = open_lesson()
    assert bars(at) == [percent(each) for each in probabilities_of(sample_image)]
    assert titles(at) == AGAINST_FIRST


def test_erasing_is_compared_with_what_stood_there(sample: np.ndarray) -> None:
    """Half the 3 is rubbed out of a drawing that is not laid out yet: its place stays."""
    drawn = np.zeros_like(sample)
    drawn[:200, :200] = sample[60:260, 40:240]
    left = drawn.copy()
    left[100:] = 0
    at = sketch(open_lesson(), left, before=drawn, is_drawn=True)
    was, now = (probabilities_of(centre_drawing(each, drawn)) for each in (drawn, left))
    line = (
        f"Before erasing (dark ticks): {was.argmax()}, {percent(was.max())}. Now: {now.argmax()}, "
    )
    assert line + percent(now.max()) in texts(at)
    flips = was.argmax() != now.argmax()
    assert ("The answer flips" in texts(at)) == flips


def test_maps_wait_for_the_end_of_a_stroke(sample: np.ndarray) -> None:
    at = open_lesson()
    seven = pixels_of("seven")
    sketch(at, seven, is_drawing=True)
    assert "It reads a 7" in texts(at)
    assert titles(at) == AGAINST_FIRST
    sketch(at, seven, number=2)
    assert titles(at) == ["7 against 3", "7 against 2", "7 against 0"]
    assert canvas_data(at)["answered"] == 2


def test_a_rubbed_out_canvas_asks_for_a_digit(sample: np.ndarray) -> None:
    at = sketch(open_lesson(), np.zeros_like(sample), before=sample)
    assert "Nothing stands on the canvas" in texts(at)
    assert titles(at) == AGAINST_FIRST
    sketch(at, np.zeros_like(sample), number=2)
    assert not sent(at, "map_viewer")


def rubbed_out(pixels: np.ndarray, against: int) -> np.ndarray:
    """Return a picture without the ink where an eraser passed over the brightest of the map."""
    model = xc.load_model("digits")
    handwriting = banks_of(model)[0]
    image = xc.read_image(png(pixels))
    basis = xc.prepare_many(
        model,
        image,
        ["diffcam"],
        target=8,
        reference_set=handwriting.reference_set((against,)),
        layer=handwriting.layer,
    )["diffcam"]
    marked = np.where(pixels > 60, xc.render(basis).on_original(), 0)
    left = pixels.copy()
    y, x = np.mgrid[:280, :280]
    for row, column in np.argwhere(marked >= 0.8 * marked.max())[::37]:
        left[(y - row) ** 2 + (x - column) ** 2 <= 15**2] = 0
    return left


def test_without_what_an_8_has_more_than_a_3_a_3_is_left(sample: np.ndarray) -> None:
    """As docs/lessons.md says of the sample that the lesson begins with."""
    assert probabilities_of(xc.read_image(png(sample))).argmax() == 8
    assert probabilities_of(xc.read_image(png(rubbed_out(sample, 3)))).argmax() == 3
    assert probabilities_of(xc.read_image(png(rubbed_out(sample, 0)))).argmax() == 2


def test_the_page_says_what_erasing_did_and_keeps_the_maps(sample: np.ndarray) -> None:
    at = sketch(open_lesson(), rubbed_out(sample, 3), before=sample)
    assert "The answer flips to a 3**, which you compared it with" in texts(at)
    assert "Maps of the 8 that it read before you erased." in texts(at)
    assert titles(at) == AGAINST_FIRST
    sketch(at, rubbed_out(sample, 0), before=sample, number=2)
    assert "The answer flips to a 2**, which you compared it with" in texts(at)
    at.button_group(key="not-eight-against").set_value([3, 9])
    run(at)
    assert "The answer flips to a 2**, which you did not compare it with" in texts(at)
    assert titles(at) == ["8 against 3", "8 against 9"]
    at.toggle[0].set_value(True)
    run(at)
    assert titles(at) == ["2 against 3", "2 against 9"]


def test_the_digit_that_is_read_is_no_chip(sample: np.ndarray) -> None:
    at = open_lesson(against="3-8")
    chips = at.button_group(key="not-eight-against")
    assert [int(each) for each in chips.options] == [0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert titles(at) == [f"8 against {digit}" for digit in chips.value]
    assert chips.value[0] == 3
    assert len(chips.value) == 2
    sketch(at, pixels_of("three"))
    chips = at.button_group(key="not-eight-against")
    assert "3" not in chips.options
    assert titles(at) == [f"3 against {digit}" for digit in chips.value]
    assert len(chips.value) == 2


def test_a_fourth_digit_takes_the_place_of_the_first() -> None:
    at = open_lesson()
    at.button_group(key="not-eight-against").set_value([3, 2, 0, 9])
    run(at)
    assert at.button_group(key="not-eight-against").value == [2, 0, 9]
    assert titles(at) == ["8 against 2", "8 against 0", "8 against 9"]


def test_finer_cam_asks_for_no_way_to_join_maps_of_one_digit_each() -> None:
    at = open_lesson(method="Finer-CAM")
    (viewer,) = sent(at, "map_viewer")
    names = [each["name"] for each in header_of(viewer.bytes)["parameters"]]
    assert "gamma" in names
    assert "aggregation" not in names


def test_another_sample_begins_anew(sample: np.ndarray) -> None:
    at = sketch(open_lesson(), pixels_of("seven"))
    at.selectbox(key="not-eight-sample").set_value("three")
    run(at)
    assert "It reads a 3" in texts(at)
    assert canvas_data(at)["kept"] is None


def test_a_broken_drawing_is_told_and_what_stood_there_stays() -> None:
    at = sketch(open_lesson(), pixels_of("seven"))
    sketch(at, np.zeros((10, 10), np.uint8), number=2)
    assert "did not arrive whole" in at.error[0].value
    assert "It reads a 7" in texts(at)
    assert sent(at, "draw_canvas")


def test_the_link_brings_back_where_one_was() -> None:
    at = open_lesson(sample="A plain 7", method="Grad-CAM", against="1")
    assert titles(at) == ["Why 7?"]
    assert "It reads a 7" in texts(at)


def test_a_broken_link_falls_back_to_the_start() -> None:
    at = open_lesson(sample="../../etc/passwd", method="magic", against="12-x", part="?")
    assert titles(at) == AGAINST_FIRST


def test_for_the_digit_that_is_read_stands_the_next_best() -> None:
    logits = np.array([0.0, 1, 2, 9, 0, 0, 0, 0, 5, 0])
    assert compared_with((8, 5, 2), logits) == (8, 5, 2)
    assert compared_with((3, 5), logits) == (8, 5)
    assert compared_with((8, 3), logits) == (8, 2)
    assert compared_with((), logits) == ()


def test_strange_zeros_lie_farthest_from_the_mean_of_real_ones() -> None:
    at = open_lesson(part="Which zeros are strange?")
    model = xc.load_model("digits")
    handwriting, drawn = banks_of(model)
    mean = handwriting.reference_set((0,)).features.astype(np.float64).mean(axis=0)
    members = drawn.reference_set((0,)).features
    far = np.sort([np.sqrt(((each - mean) ** 2).sum()) for each in members])
    tiles = [each.value for each in at.caption if " · " in each.value]
    told = [float(tile.partition(" · ")[2]) for tile in tiles]
    assert [tile[0] for tile in tiles] == list("ABCDEFG")
    np.testing.assert_allclose(told[1:4], far[::-1][:3], atol=0.006)  # A is the 0 like a 6
    np.testing.assert_allclose(told[4:], far[:3][::-1], atol=0.006)
    assert told[0] > told[1]
    assert titles(at) == ["What sets it apart from other zeros"]
