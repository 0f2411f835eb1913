"""Lesson "Why a 3 and not an 8?" as a student does it; the numbers are the core's."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
from playwright.sync_api import expect

import explain_core as xc
from components.wording import percent
from explain_core.images.drawing import centre_drawing
from explain_core.types import Array
from tests.browser.dashboard import READ_CANVAS, Dashboard

PATH = "/classroom?lesson=not-eight"
GAPS = [(0.33, 0.28), (0.33, 0.42), (0.45, 0.5), (0.3, 0.62), (0.32, 0.75)]
# Where "8 against 3" glows: the ink left of the waist.
GLOW = [(0.55, 0.46), (0.44, 0.47), (0.36, 0.55), (0.44, 0.44), (0.36, 0.4)]
PHONE = {"width": 390, "height": 844}
Opener = Callable[..., Dashboard]


def canvas_pixels(window: Dashboard) -> Array:
    canvas = window.page.get_by_role("img", name="Drawing area")
    width, height, data = canvas.evaluate(READ_CANVAS)
    flat = np.frombuffer(base64.b64decode(data), np.uint8)
    return flat.reshape(height, width, 4)[:, :, 0].copy()


def drag(window: Dashboard, points: list[tuple[float, float]], *, is_released: bool = True) -> None:
    """Drag over the canvas; points are shares of it."""
    box = window.page.get_by_role("img", name="Drawing area").bounding_box()
    assert box is not None
    mouse = window.page.mouse
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    mouse.move(*places[0])
    mouse.down()
    for place in places[1:]:
        mouse.move(*place, steps=8)
    if is_released:
        mouse.up()


def is_read_while_drawing(window: Dashboard, digit: str) -> bool:
    """Hold the pen where the gaps end, as a hand does, never quite still."""
    box = window.page.get_by_role("img", name="Drawing area").bounding_box()
    assert box is not None
    x, y = GAPS[-1]
    for step in (0, 1):
        window.page.mouse.move(box["x"] + x * box["width"] + step, box["y"] + y * box["height"])
    return window.page.get_by_text(f"It reads {digit}").is_visible()


def read(pixels: Array, like: Array | None = None) -> tuple[str, str]:
    """Return the digit that the network reads, and its probability."""
    model = xc.load_model("digits")
    probabilities = model.probabilities(model.predict(centre_drawing(pixels, like)))
    digit = int(probabilities.argmax())
    return model.classes[digit], percent(float(probabilities[digit]))


def test_a_student_rubs_out_draws_and_looks_at_zeros(open_window: Opener) -> None:
    window = open_window(path=PATH)
    page = window.page
    expect(page.get_by_text("It reads an 8")).to_be_visible()
    panels = page.locator("figure[data-panel]")
    expect(panels).to_have_count(3)
    expect(panels.first).to_contain_text("8 against 3")
    whole = canvas_pixels(window)

    # What the first map shows is rubbed out: a 3 is left, and the maps stay those of the 8.
    page.get_by_role("button", name="Eraser").click()
    drag(window, GLOW)
    was, now = read(whole), read(canvas_pixels(window), whole)
    assert (was[0], now[0]) == ("8", "3")
    expect(page.get_by_text("The answer flips to a 3")).to_be_visible()
    line = f"Before erasing (dark ticks): {', '.join(was)}. Now: {', '.join(now)}."
    expect(page.get_by_text(line)).to_be_visible()
    expect(page.get_by_text("Maps of the 8 that it read before you erased.")).to_be_visible()
    expect(panels.first).to_contain_text("8 against 3")
    page.get_by_text("Maps of what is left").click()
    expect(panels.first).to_contain_text("3 against 8")
    expect(panels).to_have_count(3)
    page.get_by_role("button", name="Undo stroke").click()
    expect(page.get_by_text("Before erasing")).to_have_count(0)
    np.testing.assert_array_equal(canvas_pixels(window), whole)

    page.get_by_role("radio", name="Which zeros are strange?").click()
    expect(panels).to_have_count(1)
    expect(panels.first).to_contain_text("apart from other zeros")
    expect(page.get_by_text("farther out than 99 % of the zeros")).to_be_visible()
    page.get_by_role("radio", name="My drawing").click()
    expect(page.get_by_text("It reads an 8")).to_be_visible()
    assert "not-eight-picked=My+drawing" in page.url


def test_the_bars_follow_the_pen_and_a_phone_shows_canvas_and_map(open_window: Opener) -> None:
    window = open_window(path=f"{PATH}&not-eight-sample=A+3+that+is+almost+an+8")
    page = window.page
    panels = page.locator("figure[data-panel]")
    expect(panels.first).to_contain_text("3 against 8")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    canvas = page.get_by_role("img", name="Drawing area")

    def height() -> float:
        """Return how far it is from the canvas's top to the first map's bottom."""
        boxes = canvas.bounding_box(), panels.first.locator(".stage").bounding_box()
        assert boxes[0] is not None
        assert boxes[1] is not None
        return boxes[1]["y"] + boxes[1]["height"] - boxes[0]["y"]

    window.until(lambda: height() <= PHONE["height"], "canvas and map on one screen")
    canvas.scroll_into_view_if_needed()

    # The bars follow while the gaps are closed, the maps when the stroke ends.
    drag(window, GAPS, is_released=False)
    window.until(lambda: is_read_while_drawing(window, "an 8"), "the bars follow the pen")
    expect(panels.first).to_contain_text("3 against 8")
    page.mouse.up()
    expect(panels.first).to_contain_text("8 against 3")
    expect(page.get_by_text(" — ".join(read(canvas_pixels(window)))).first).to_be_visible()
