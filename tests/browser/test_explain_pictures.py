"""Pictures of one's own on the Explain page, in Chromium: uploads and drawings."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import PIL.Image
import PIL.ImageDraw
import pytest
from playwright.sync_api import FilePayload, expect

from tests.browser.viewing import SHOWN

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender
    from tests.browser.dashboard import Dashboard


@pytest.fixture(scope="module")
def lasting_source(lasting: Lender) -> LastingWindow:
    return lasting(lambda window: window.expect_panels(4))


@pytest.fixture
def sampled(lasting_source: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    """Give a window that shows the first sample, whatever pictures it was given before."""
    with lasting_source.lent(request.node) as window:
        window.press("Sample")
        window.expect_prediction("3")
        window.expect_panels(4)
        yield window


@pytest.fixture
def drawing(sampled: Dashboard) -> Dashboard:
    """Give a window with an empty canvas."""
    sampled.press("Draw")
    hint = sampled.page.get_by_text("Draw a digit here")
    clear = sampled.page.get_by_role("button", name="Clear", exact=True)
    expect(clear).to_be_visible()
    sampled.settle()
    if clear.is_enabled():
        clear.click()
    expect(sampled.page.get_by_text("Give a picture on the left")).to_be_visible()
    expect(hint).to_be_visible()
    return sampled


def jpeg(width: int = 300, height: int = 420) -> bytes:
    """Return a light 7 on dark, H ≠ W."""
    picture = PIL.Image.new("RGB", (width, height), (12, 10, 14))
    pen = PIL.ImageDraw.Draw(picture)
    stroke = [(0.3, 0.28), (0.72, 0.28), (0.45, 0.74)]
    pen.line([(x * width, y * height) for x, y in stroke], (240, 240, 235), 32, joint="curve")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def upload(window: Dashboard, name: str, content: bytes) -> None:
    window.page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(
        payload(name, content)
    )


# ---- uploads -------------------------------------------------------------------------------


def test_an_uploaded_jpeg_is_predicted_and_explained(sampled: Dashboard) -> None:
    before = sampled.drawn()["grad-cam"]
    sampled.press("Upload")
    upload(sampled, "seven.jpg", jpeg())
    sampled.expect_prediction("7")
    expect(sampled.page.get_by_text("300 × 420 px")).to_be_visible()
    sampled.expect_changed("grad-cam", before)
    sampled.expect_panels(4)
    for method in SHOWN:
        assert sampled.pixels(method, "picture").shape[:2] == (420, 300)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.jpg", jpeg()[:3000], "looks like JPEG but cannot be read"),
        ("letter.png", b"This is a letter, not a picture.\n" * 9, "is not a picture"),
    ],
    ids=["truncated JPEG", "text named .png"],
)
def test_a_broken_file_gives_a_message_and_the_former_picture_stays(
    sampled: Dashboard, name: str, content: bytes, message: str
) -> None:
    sampled.press("Upload")
    upload(sampled, f"before-{name}.jpg", jpeg(300, 300))
    expect(sampled.page.get_by_text(f"In use: before-{name}.jpg")).to_be_visible()
    sampled.expect_prediction("7")
    sampled.expect_panels(4)
    before = sampled.drawn()
    upload(sampled, name, content)
    expect(sampled.page.get_by_test_id("stAlert").filter(has_text=message)).to_be_visible()
    sampled.settle()
    sampled.expect_prediction("7")
    assert sampled.drawn() == before


# ---- the canvas ----------------------------------------------------------------------------


def draw(window: Dashboard, strokes: list[list[tuple[float, float]]]) -> None:
    """Draw with the mouse; points are shares of the canvas."""
    canvas = window.page.get_by_role("img", name="Drawing area")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    mouse = window.page.mouse
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=8)
        mouse.up()


SEVEN = [[(0.25, 0.22), (0.75, 0.22), (0.48, 0.82)]]
ONE = [[(0.52, 0.15), (0.48, 0.85)]]


@pytest.mark.parametrize(("strokes", "digit"), [(SEVEN, "7"), (ONE, "1")], ids=["7", "1"])
def test_a_drawn_digit_is_read_right(
    drawing: Dashboard, strokes: list[list[tuple[float, float]]], digit: str
) -> None:
    draw(drawing, strokes)
    drawing.expect_prediction(digit)
    drawing.expect_panels(4)


def test_clearing_the_canvas_leaves_no_picture(drawing: Dashboard) -> None:
    draw(drawing, SEVEN)
    drawing.expect_prediction("7")
    drawing.page.get_by_role("button", name="Clear", exact=True).click()
    expect(drawing.page.get_by_text("Give a picture on the left")).to_be_visible()
    expect(drawing.page.get_by_text("Draw a digit here")).to_be_visible()
    expect(drawing.page.locator("figure[data-panel]")).to_have_count(0)


def test_an_emptied_canvas_can_be_drawn_on_again(drawing: Dashboard) -> None:
    draw(drawing, SEVEN)
    drawing.expect_prediction("7")
    drawing.page.get_by_role("button", name="Undo stroke").click()
    expect(drawing.page.get_by_text("Give a picture on the left")).to_be_visible()
    draw(drawing, ONE)
    drawing.expect_prediction("1")


def test_a_drawing_is_still_there_after_looking_at_a_sample(drawing: Dashboard) -> None:
    draw(drawing, SEVEN)
    drawing.expect_prediction("7")
    drawing.press("Sample")
    drawing.expect_prediction("3")
    drawing.press("Draw")
    drawing.expect_prediction("7")
    canvas = drawing.page.get_by_role("img", name="Drawing area")
    expect(canvas).to_be_visible()
    drawing.page.wait_for_function(
        """each => each.getContext("2d").getImageData(0, 0, 280, 280).data
             .some((value, index) => index % 4 === 0 && value > 128)""",
        arg=canvas.element_handle(),
    )


def test_a_drawing_survives_switching_pages(drawing: Dashboard) -> None:
    draw(drawing, SEVEN)
    drawing.expect_prediction("7")
    drawing.page.get_by_role("link", name="Models").click()
    expect(drawing.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    drawing.page.get_by_role("link", name="Explain").click()
    drawing.expect_prediction("7")
