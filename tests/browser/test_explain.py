"""The Explain page as a person uses it, in Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable
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


# ---- the first picture ---------------------------------------------------------------------


def test_the_first_picture_has_four_maps_with_title_legend_and_foot(same_window: Dashboard) -> None:
    same_window.expect_prediction("3")
    titles = ["DiffCAM", "Finer-CAM (Grad-CAM)", "Grad-CAM", "Guided AbsoluteGrad"]
    feet = ["λ = 10⁻³", "γ = 0.60", "layer features.5", "p = 85"]
    for method, title, foot in zip(METHODS, titles, feet, strict=True):
        panel = same_window.panel(method)
        expect(panel.get_by_text(title, exact=True)).to_be_visible()
        expect(panel.locator(".legend .bar")).to_be_visible()
        expect(panel.locator(".foot")).to_contain_text(foot)
        assert panel.locator(".stage").bounding_box()["width"] > 150
        assert same_window.pixels(method, "picture").shape == (280, 280, 4)
        assert same_window.pixels(method)[..., 3].any()


# ---- uploads -------------------------------------------------------------------------------


def test_an_uploaded_jpeg_is_predicted_and_explained(window: Dashboard) -> None:
    before = window.drawn()["grad-cam"]
    window.press("Upload")
    upload(window, "seven.jpg", jpeg())
    window.expect_prediction("7")
    expect(window.page.get_by_text("300 × 420 px")).to_be_visible()
    window.expect_changed("grad-cam", before)
    window.expect_panels(4)
    for method in METHODS:
        assert window.pixels(method, "picture").shape[:2] == (420, 300)


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
    window.expect_panels(4)
    before = window.drawn()
    upload(window, name, content)
    expect(window.page.get_by_test_id("stAlert").filter(has_text=message)).to_be_visible()
    window.settle()
    window.expect_prediction("7")
    assert window.drawn() == before


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
    window.expect_panels(4)


def test_clearing_the_canvas_leaves_no_picture(window: Dashboard) -> None:
    window.press("Draw")
    draw(window, SEVEN)
    window.expect_prediction("7")
    window.page.get_by_role("button", name="Clear", exact=True).click()
    expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
    expect(window.page.get_by_text("Draw a digit here")).to_be_visible()
    expect(window.page.locator("figure[data-panel]")).to_have_count(0)


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

SLIDERS = [("gamma", "finer-grad-cam"), ("lam", "diffcam"), ("p", "guided-absolute-grad")]


@pytest.mark.parametrize(("parameter", "moved"), SLIDERS)
def test_a_slider_moved_by_keyboard_changes_its_own_map_without_the_network(
    window: Dashboard, parameter: str, moved: str
) -> None:
    before, num_passes = window.drawn(), window.passes()
    window.slider(parameter).focus()
    window.page.keyboard.press("PageUp")
    window.expect_changed(moved, before[moved])
    window.page.wait_for_timeout(300)
    window.settle()
    after = window.drawn()
    assert [method for method in METHODS if after[method] != before[method]] == [moved]
    assert window.passes() == num_passes


def test_reverse_changes_the_finer_map(same_window: Dashboard) -> None:
    before, num_passes = same_window.drawn(), same_window.passes()
    same_window.page.get_by_role("checkbox", name="Reverse").click()
    same_window.expect_changed("finer-grad-cam", before["finer-grad-cam"])
    expect(same_window.panel("finer-grad-cam").locator(".foot")).to_contain_text("reverse")
    same_window.settle()
    assert same_window.passes() == num_passes


def test_for_and_against_changes_picture_and_legend(same_window: Dashboard) -> None:
    before = same_window.drawn()
    same_window.press("For and against")
    same_window.expect_changed("diffcam", before["diffcam"])
    legend = same_window.panel("diffcam").locator(".legend")
    expect(legend).to_contain_text("−")
    expect(legend).to_contain_text("has less")
    assert same_window.drawn()["guided-absolute-grad"] == before["guided-absolute-grad"]


def test_sliders_can_be_reached_by_tab(window: Dashboard) -> None:
    window.widget("methods-bank").get_by_role("combobox").focus()
    wanted = {"lam", "gamma", "p", "opacity", "top"}
    reached = set()
    for _ in range(40):
        window.page.keyboard.press("Tab")
        focused = window.page.evaluate(
            """() => {
              let at = document.activeElement;
              while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
              return at?.dataset?.parameter ?? null;
            }"""
        )
        reached |= {focused} & wanted
        if reached == wanted:
            break
    assert reached == wanted


# ---- downloads -----------------------------------------------------------------------------


def test_a_downloaded_png_opens_and_holds_the_map(same_window: Dashboard) -> None:
    with same_window.page.expect_download() as caught:
        same_window.panel("diffcam").get_by_role("button", name="PNG").click()
    assert caught.value.suggested_filename == "whynot-diffcam.png"
    with PIL.Image.open(caught.value.path()) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.width >= 280
        assert picture.height > picture.width


def test_a_downloaded_npy_is_the_map_in_float32(same_window: Dashboard) -> None:
    values = same_window.values("finer-grad-cam")
    assert (values.shape, values.dtype) == ((280, 280), np.float32)
    assert np.isfinite(values).all()
    assert values.max() > 0


def test_a_downloaded_npy_has_the_values_of_the_slider_as_released(window: Dashboard) -> None:
    """At γ = 0 Finer-CAM is its base."""
    before = window.values("finer-grad-cam")
    base = window.values("grad-cam")
    assert not np.allclose(before, base)
    window.slider("gamma").focus()
    window.page.keyboard.press("Home")
    expect(window.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 0.00")
    window.page.wait_for_timeout(300)
    window.settle()
    np.testing.assert_allclose(window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


def test_a_downloaded_npy_has_the_values_of_the_panels_own_slider(window: Dashboard) -> None:
    panel = window.panel("finer-grad-cam")
    panel.get_by_role("button", name="Own sliders").click()
    panel.get_by_role("slider").first.focus()
    window.page.keyboard.press("Home")
    expect(panel.locator(".foot")).to_contain_text("γ = 0.00")
    window.page.wait_for_timeout(300)
    window.settle()
    base = window.values("grad-cam")
    np.testing.assert_allclose(window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


def test_a_downloaded_npy_is_signed_where_the_map_is(window: Dashboard) -> None:
    window.press("For and against")
    expect(window.panel("diffcam").locator(".legend")).to_contain_text("has less")
    window.page.wait_for_timeout(300)
    window.settle()
    assert window.values("diffcam").min() < 0
    assert window.values("guided-absolute-grad").min() >= 0


# ---- sessions and pages --------------------------------------------------------------------


def test_two_sessions_at_once_do_not_mix(
    window: Dashboard, open_window: Callable[..., Dashboard]
) -> None:
    other = open_window()
    other.expect_panels(4)
    start = window.drawn()["finer-grad-cam"]
    assert other.drawn()["finer-grad-cam"] == start
    window.choose("sample", "A plain 7")
    other.slider("gamma").focus()
    other.page.keyboard.press("Home")
    window.expect_prediction("7")
    expect(other.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 0.00")
    other.expect_prediction("3")
    window.expect_changed("finer-grad-cam", start)
    expect(window.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 0.60")
    window.settle()
    other.settle()
    assert window.passes() == 2 * other.passes()


def there_and_back(window: Dashboard, num_panels: int = 4) -> None:
    window.page.get_by_role("link", name="Models").click()
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    window.page.get_by_role("link", name="Explain").click()
    window.expect_panels(num_panels)


def test_switching_pages_keeps_question_and_values(window: Dashboard) -> None:
    window.choose("sample", "A 4 like a 9")
    window.expect_prediction("4")
    window.press("Why not")
    expect(window.page.get_by_role("heading", name="Why 4 and not")).to_be_visible()
    window.expect_panels(4)
    window.slider("gamma").focus()
    window.page.keyboard.press("End")
    expect(window.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 2.00")
    window.settle()
    title = window.page.get_by_role("heading", level=1).inner_text()
    before, num_passes = window.drawn(), window.passes()
    there_and_back(window)
    expect(window.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    assert window.drawn() == before
    expect(window.slider("gamma")).to_have_attribute("aria-valuetext", "2.00")
    assert window.passes() == num_passes


def test_switching_pages_keeps_the_looks(window: Dashboard) -> None:
    window.look("opacity").focus()
    window.page.keyboard.press("End")
    window.page.get_by_role("combobox", name="Colours").select_option("Inferno")
    for each in ("Both", "Shared", "For and against"):
        window.press(each)
    window.settle()
    before = window.drawn()
    there_and_back(window)
    assert window.drawn() == before
    expect(window.look("opacity")).to_have_value("100")
    for each in ("Both", "Shared", "For and against"):
        expect(window.page.get_by_role("radio", name=each, exact=True)).to_be_checked()


def test_switching_pages_keeps_a_panels_own_sliders(window: Dashboard) -> None:
    panel = window.panel("finer-grad-cam")
    panel.get_by_role("button", name="Own sliders").click()
    panel.get_by_role("slider").first.focus()
    window.page.keyboard.press("End")
    expect(panel.locator(".foot")).to_contain_text("γ = 2.00")
    window.settle()
    there_and_back(window)
    expect(panel.locator(".foot")).to_contain_text("γ = 2.00")
    expect(window.slider("gamma")).to_have_attribute("aria-valuetext", "0.60")


def test_downloads_agree_with_the_page_after_switching_pages(window: Dashboard) -> None:
    window.slider("gamma").focus()
    window.page.keyboard.press("Home")
    window.settle()
    there_and_back(window)
    window.page.wait_for_timeout(300)
    window.settle()
    base = window.values("grad-cam")
    np.testing.assert_allclose(window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


def test_a_value_survives_leaving_out_its_method(window: Dashboard) -> None:
    window.slider("gamma").focus()
    window.page.keyboard.press("End")
    window.settle()
    window.widget("methods-bank").get_by_role("button", name="Remove Finer-CAM (Grad-CAM)").click()
    window.expect_panels(3)
    expect(window.slider("gamma")).to_have_count(0)
    window.choose("methods-bank", "Finer-CAM (Grad-CAM)")
    window.expect_panels(4)
    expect(window.slider("gamma")).to_have_attribute("aria-valuetext", "2.00")


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
    window.expect_panels(4)
    expect(message).to_have_count(0)
