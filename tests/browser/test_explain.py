"""The Explain page as a person uses it, in Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from playwright.sync_api import FilePayload, expect

if TYPE_CHECKING:
    from tests.browser.conftest import Dashboard

METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]


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


def expect_changed(window: Dashboard, method: str, before: str) -> None:
    expect(window.picture(method)).not_to_have_attribute("src", before)


# ---- the first picture ---------------------------------------------------------------------


def test_the_first_picture_has_four_maps_with_title_and_legend(window: Dashboard) -> None:
    window.expect_prediction("3")
    titles = ["DiffCAM", "Finer-CAM (Grad-CAM)", "Grad-CAM", "Guided AbsoluteGrad"]
    for method, title in zip(METHODS, titles, strict=True):
        panel = window.widget(f"panel-{method}")
        expect(panel.get_by_text(title, exact=True)).to_be_visible()
        expect(panel.locator(".legend-bar")).to_be_visible()
        picture = window.picture(method)
        assert picture.evaluate("each => each.complete && each.naturalWidth") == 280
        assert picture.bounding_box()["width"] > 150


# ---- uploads -------------------------------------------------------------------------------


def test_an_uploaded_jpeg_is_predicted_and_explained(window: Dashboard) -> None:
    before = window.source("grad-cam")
    window.press("Upload")
    upload(window, "seven.jpg", jpeg())
    window.expect_prediction("7")
    expect(window.page.get_by_text("In use: 300 × 420 px")).to_be_visible()
    expect_changed(window, "grad-cam", before)
    window.settle()
    for method in METHODS:
        sides = window.picture(method).evaluate("each => [each.naturalWidth, each.naturalHeight]")
        assert sides == [300, 420]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.jpg", jpeg()[:3000], "looks like JPEG but cannot be read"),
        ("letter.png", b"This is a letter, not a picture.\n" * 9, "is not a picture"),
    ],
    ids=["truncated JPEG", "text named .png"],
)
def test_a_broken_file_gives_a_message_and_the_former_picture_stays(
    window: Dashboard, name: str, content: bytes, message: str
) -> None:
    window.press("Upload")
    upload(window, "seven.jpg", jpeg(300, 300))
    window.expect_prediction("7")
    window.settle()
    before = window.source("grad-cam")
    upload(window, name, content)
    expect(window.page.get_by_test_id("stAlert").filter(has_text=message)).to_be_visible()
    window.settle()
    window.expect_prediction("7")
    assert window.source("grad-cam") == before


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
    window: Dashboard, strokes: list[list[tuple[float, float]]], digit: str
) -> None:
    window.press("Draw")
    draw(window, strokes)
    window.expect_prediction(digit)
    expect(window.page.locator("[class*=st-key-panel-] img")).to_have_count(4)


def test_clearing_the_canvas_leaves_no_picture(window: Dashboard) -> None:
    window.press("Draw")
    draw(window, SEVEN)
    window.expect_prediction("7")
    window.page.get_by_role("button", name="Clear", exact=True).click()
    expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
    expect(window.page.get_by_text("Draw a digit here")).to_be_visible()
    expect(window.page.locator("[class*=st-key-panel-] img")).to_have_count(0)


def test_an_emptied_canvas_can_be_drawn_on_again(window: Dashboard) -> None:
    window.press("Draw")
    draw(window, SEVEN)
    window.expect_prediction("7")
    window.page.get_by_role("button", name="Undo stroke").click()
    expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
    draw(window, ONE)
    window.expect_prediction("1")


def test_a_drawing_is_still_there_after_looking_at_a_sample(window: Dashboard) -> None:
    window.press("Draw")
    draw(window, SEVEN)
    window.expect_prediction("7")
    window.press("Sample")
    window.expect_prediction("3")
    window.press("Draw")
    window.expect_prediction("7")
    canvas = window.page.get_by_role("img", name="Drawing area")
    expect(canvas).to_be_visible()
    window.page.wait_for_function(
        """each => each.getContext("2d").getImageData(0, 0, 280, 280).data
             .some((value, index) => index % 4 === 0 && value > 128)""",
        arg=canvas.element_handle(),
    )


# ---- sliders -------------------------------------------------------------------------------

SLIDERS = [
    ("parameter-gamma", "finer-grad-cam"),
    ("parameter-lam", "diffcam"),
    ("parameter-p", "guided-absolute-grad"),
]


@pytest.mark.parametrize(("key", "moved"), SLIDERS)
def test_a_slider_moved_by_keyboard_changes_its_own_map_without_the_network(
    window: Dashboard, key: str, moved: str
) -> None:
    before = {method: window.source(method) for method in METHODS}
    num_passes = window.passes()
    window.slider(key).focus()
    window.page.keyboard.press("ArrowRight")
    expect_changed(window, moved, before[moved])
    window.settle()
    after = {method: window.source(method) for method in METHODS}
    assert [method for method in METHODS if after[method] != before[method]] == [moved]
    assert window.passes() == num_passes


def test_reverse_changes_the_finer_map(window: Dashboard) -> None:
    before = window.source("finer-grad-cam")
    num_passes = window.passes()
    window.page.get_by_text("Reverse", exact=True).click()
    expect_changed(window, "finer-grad-cam", before)
    expect(window.widget("panel-finer-grad-cam").get_by_text("reversed")).to_be_visible()
    assert window.passes() == num_passes


def test_for_and_against_changes_picture_and_legend(window: Dashboard) -> None:
    before = window.source("diffcam")
    window.press("For and against")
    expect_changed(window, "diffcam", before)
    legend = window.widget("panel-diffcam").locator(".legend")
    expect(legend).to_contain_text("−")
    expect(legend).to_contain_text("has less")


def test_sliders_can_be_reached_by_tab(window: Dashboard) -> None:
    window.widget("methods").get_by_role("combobox").focus()
    wanted = {"parameter-lam", "parameter-gamma", "parameter-p", "opacity"}
    reached = set()
    for _ in range(30):
        window.page.keyboard.press("Tab")
        for key in wanted - reached:
            if window.slider(key).evaluate("each => each === document.activeElement"):
                reached.add(key)
        if reached == wanted:
            break
    assert reached == wanted


# ---- downloads -----------------------------------------------------------------------------


def test_a_downloaded_png_opens_and_holds_the_map(window: Dashboard) -> None:
    with window.page.expect_download() as caught:
        window.widget("png-diffcam").get_by_role("button").click()
    assert caught.value.suggested_filename == "whynot-diffcam.png"
    with PIL.Image.open(caught.value.path()) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width >= 280
        assert picture.height > 280


def test_a_downloaded_npy_is_the_map_in_float32(window: Dashboard) -> None:
    with window.page.expect_download() as caught:
        window.widget("npy-finer-grad-cam").get_by_role("button").click()
    assert caught.value.suggested_filename == "whynot-finer-grad-cam.npy"
    values = np.load(Path(caught.value.path()))
    assert (values.shape, values.dtype) == ((280, 280), np.float32)
    assert np.isfinite(values).all()
    assert values.max() > 0


def test_a_download_follows_the_slider(window: Dashboard) -> None:
    def download() -> np.ndarray:
        with window.page.expect_download() as caught:
            window.widget("npy-finer-grad-cam").get_by_role("button").click()
        return np.load(Path(caught.value.path()))

    before, source = download(), window.source("finer-grad-cam")
    window.slider("parameter-gamma").focus()
    window.page.keyboard.press("Home")
    expect_changed(window, "finer-grad-cam", source)
    window.settle()
    assert not np.array_equal(download(), before)


# ---- sessions and pages --------------------------------------------------------------------


def test_two_sessions_at_once_do_not_mix(
    window: Dashboard, open_window: Callable[..., Dashboard]
) -> None:
    other = open_window()
    expect(other.page.get_by_text("Network passes in this session")).to_be_visible()
    start = window.source("finer-grad-cam")
    window.choose("sample", "A plain 7")
    other.slider("parameter-gamma").focus()
    other.page.keyboard.press("Home")
    window.expect_prediction("7")
    expect(other.widget("panel-finer-grad-cam").get_by_text("γ = 0.00")).to_be_visible()
    other.expect_prediction("3")
    expect(window.widget("panel-finer-grad-cam").get_by_text("γ = 0.60")).to_be_visible()
    expect_changed(window, "finer-grad-cam", start)
    window.settle()
    other.settle()
    assert window.passes() == 2 * other.passes()


def test_switching_pages_keeps_what_was_chosen(window: Dashboard) -> None:
    window.choose("sample", "A 4 like a 9")
    window.expect_prediction("4")
    window.press("Why not")
    expect(window.page.get_by_role("heading", name="Why 4 and not")).to_be_visible()
    window.slider("parameter-gamma").focus()
    window.page.keyboard.press("End")
    expect(window.widget("panel-finer-grad-cam").get_by_text("γ = 2.00")).to_be_visible()
    window.settle()
    title = window.page.get_by_role("heading", level=1).inner_text()
    before, num_passes = window.source("finer-grad-cam"), window.passes()
    window.page.get_by_role("link", name="Models").click()
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    window.page.get_by_role("link", name="Explain").click()
    expect(window.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(window.picture("finer-grad-cam")).to_have_attribute("src", before)
    expect(window.slider("parameter-gamma")).to_have_value("2")
    assert window.passes() == num_passes


def test_a_drawing_survives_switching_pages(window: Dashboard) -> None:
    window.press("Draw")
    draw(window, SEVEN)
    window.expect_prediction("7")
    window.page.get_by_role("link", name="Models").click()
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    window.page.get_by_role("link", name="Explain").click()
    window.expect_prediction("7")


def test_the_chosen_model_is_shown_on_the_models_page(window: Dashboard) -> None:
    window.choose("model", "thousand")
    expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
    window.page.get_by_role("link", name="Models").click()
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(window.page.get_by_text("1,000", exact=True)).to_be_visible()
    window.page.get_by_role("link", name="Explain").click()
    expect(window.page.get_by_role("combobox", name="Model")).to_have_value("thousand")


def test_a_thousand_classes_are_searched_by_name(window: Dashboard) -> None:
    window.choose("model", "thousand")
    upload(window, "photo.jpg", jpeg())
    expect(window.page.get_by_text("Network passes in this session")).to_be_visible()
    window.settle()
    target = window.page.get_by_role("combobox", name="Class to explain")
    target.click()
    target.fill("zebra")
    window.page.get_by_role("option").filter(has_text="zebra").click()
    expect(window.page.get_by_role("heading", name="Why zebra")).to_be_visible()


def test_weights_that_are_missing_are_explained_and_digits_works_again(window: Dashboard) -> None:
    model = window.page.get_by_role("combobox", name="Model")
    model.click()
    model.fill("torchvision/resnet18")
    window.page.get_by_role("option").filter(has_text="torchvision/resnet18").first.click()
    message = window.page.get_by_test_id("stAlert").filter(has_text="resnet18-f37072fd.pth")
    expect(message).to_be_visible()
    window.choose("model", "digits")
    expect(window.page.locator("[class*=st-key-panel-] img")).to_have_count(4)
    expect(message).to_have_count(0)
