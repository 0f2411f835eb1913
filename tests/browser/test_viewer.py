"""The live viewer, in Chromium: what moves, what is read, what is saved, what breaks."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Locator, expect

from components import colours
from components.map_viewer.packing import pack
from components.parameter_panel import parameters_of
from explain_core import METHODS, load_model, prepare_many, read_image
from tests.conftest import REPO

if TYPE_CHECKING:
    from tests.browser.conftest import Dashboard

SHOWN = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SIDE = 280  # of a sample
DEBOUNCE_MS = 400
SUPERSCRIPTS = {
    ord(raised): plain for raised, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)
}


def number(text: str) -> float:
    """Read a number as legends write it: "0.0123", "−3", "1.8 · 10⁻³"."""
    text = text.strip().replace("−", "-")
    found = re.fullmatch(r"(?:(-?[\d.]+) · )?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if found is None:
        return float(text)
    return float(found[1] or 1) * 10 ** int(found[2].translate(SUPERSCRIPTS))


def box_of(stage: Locator) -> dict[str, float]:
    """Bring a stage wholly into view and return where it lies in the window."""
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    return dict(box)


def point(window: Dashboard, method: str, x: float, y: float) -> None:
    """Put the mouse at a share of a panel's picture."""
    box = box_of(window.panel(method).locator(".stage"))
    window.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def views(window: Dashboard) -> list[list[float]]:
    """Return each panel's zoom and pan as (a, b, c, d, e, f) of its transform."""
    found = window.page.locator("figure[data-panel] .world").evaluate_all(
        "all => all.map(each => getComputedStyle(each).transform)"
    )
    return [
        [float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", text.partition("(")[2])]
        or [1, 0, 0, 1, 0, 0]
        for text in found
    ]


def expect_linked(window: Dashboard) -> list[float]:
    first, *others = views(window)
    for other in others:
        assert other == pytest.approx(first, abs=0.5)
    return first


def quiet(window: Dashboard) -> None:
    """Wait until what was released has been answered."""
    window.page.wait_for_timeout(DEBOUNCE_MS)
    window.settle()


def viewer(window: Dashboard) -> Locator:
    return window.page.locator(".viewer")


def num_draws(window: Dashboard) -> int:
    return int(viewer(window).get_attribute("data-draws") or 0)


def choose_methods(window: Dashboard, names: list[str]) -> None:
    """Show these methods, and only these."""
    titles = [METHODS[name].title for name in names]
    area = window.widget("methods-bank")
    first = {METHODS[name].title for name in SHOWN}
    for title in titles:
        if title not in first:
            window.choose("methods-bank", title)
            window.page.keyboard.press("Escape")
    for title in first - set(titles):
        area.get_by_role("button", name=f"Remove {title}", exact=True).click()
    window.expect_panels(len(names))


def held(path: Any) -> PIL.Image.Image:
    picture = PIL.Image.open(path)
    picture.load()
    return picture


def upload(window: Dashboard, name: str, pixels: np.ndarray) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    window.page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
    )


# ---- sliders -------------------------------------------------------------------------------

STEP_OF = {
    "ArrowRight": "0.65",
    "ArrowUp": "0.65",
    "ArrowLeft": "0.55",
    "ArrowDown": "0.55",
    "Home": "0.00",
    "End": "2.00",
}


@pytest.fixture
def two_finer(window: Dashboard) -> Dashboard:
    """Give a window with two panels that know γ, and two that do not."""
    choose_methods(window, ["diffcam", "finer-grad-cam", "grad-cam", "finer-layer-cam"])
    return window


def test_one_slider_drives_every_panel_that_knows_it(two_finer: Dashboard) -> None:
    before = two_finer.drawn()
    two_finer.slider("gamma").focus()
    two_finer.page.keyboard.press("End")
    after = two_finer.drawn()
    moved = {method for method in after if after[method] != before[method]}
    assert moved == {"finer-grad-cam", "finer-layer-cam"}


def test_own_sliders_unlink_a_panel(two_finer: Dashboard) -> None:
    two_finer.panel("finer-grad-cam").get_by_role("button", name="Own sliders").click()
    before = two_finer.drawn()
    two_finer.slider("gamma").focus()
    two_finer.page.keyboard.press("End")
    after = two_finer.drawn()
    assert {name for name in after if after[name] != before[name]} == {"finer-layer-cam"}


def test_a_panels_own_slider_drives_it_alone(two_finer: Dashboard) -> None:
    panel = two_finer.panel("finer-grad-cam")
    panel.get_by_role("button", name="Own sliders").click()
    before = two_finer.drawn()
    panel.locator("input[data-parameter=gamma]").focus()
    two_finer.page.keyboard.press("End")
    after = two_finer.drawn()
    assert {name for name in after if after[name] != before[name]} == {"finer-grad-cam"}


def test_linking_a_panel_again_brings_back_the_shared_value(two_finer: Dashboard) -> None:
    before = two_finer.drawn()
    panel = two_finer.panel("finer-grad-cam")
    own = panel.get_by_role("button", name="Own sliders")
    own.click()
    expect(own).to_have_attribute("aria-pressed", "true")
    panel.locator("input[data-parameter=gamma]").focus()
    two_finer.page.keyboard.press("End")
    own.click()
    expect(own).to_have_attribute("aria-pressed", "false")
    assert two_finer.drawn() == before


@pytest.mark.parametrize("key", STEP_OF)
def test_a_key_moves_the_slider(same_window: Dashboard, key: str) -> None:
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press(key)
    expect(same_window.slider("gamma")).to_have_attribute("aria-valuetext", STEP_OF[key])


def test_page_up_and_down_move_the_slider_further_than_an_arrow(same_window: Dashboard) -> None:
    slider = same_window.slider("gamma")
    slider.focus()
    start = int(slider.input_value())
    same_window.page.keyboard.press("PageUp")
    assert int(slider.input_value()) > start + 1
    same_window.page.keyboard.press("PageDown")
    assert int(slider.input_value()) == start


def test_the_focus_of_a_slider_is_seen(same_window: Dashboard) -> None:
    same_window.slider("lam").focus()
    same_window.page.keyboard.press("ArrowRight")
    style = same_window.slider("lam").evaluate(
        "each => [getComputedStyle(each).outlineStyle, getComputedStyle(each).outlineWidth]"
    )
    assert style == ["solid", "2px"]


def test_gamma_zero_is_drawn_as_grad_cam(same_window: Dashboard) -> None:
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("Home")
    finer, base = (same_window.pixels(each).astype(int) for each in ("finer-grad-cam", "grad-cam"))
    assert np.abs(finer - base).max() <= 1


def test_nothing_is_sent_while_a_slider_is_dragged_and_one_message_after(
    same_window: Dashboard,
) -> None:
    slider = same_window.slider("gamma")
    slider.scroll_into_view_if_needed()
    quiet(same_window)
    box = slider.bounding_box()
    mouse = same_window.page.mouse
    draws, sent = num_draws(same_window), same_window.num_frames_sent
    y = box["y"] + box["height"] / 2
    mouse.move(box["x"] + 0.3 * box["width"], y)
    mouse.down()
    for step in range(20):
        mouse.move(box["x"] + (0.3 + 0.03 * step) * box["width"], y)
        same_window.page.wait_for_timeout(25)
    assert num_draws(same_window) >= draws + 10
    assert same_window.num_frames_sent == sent
    mouse.up()
    quiet(same_window)
    assert same_window.num_frames_sent == sent + 1


def test_after_a_release_the_page_is_not_built_anew(same_window: Dashboard) -> None:
    figure = same_window.panel("finer-grad-cam").element_handle()
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    quiet(same_window)
    assert figure.evaluate("each => each.isConnected")


# ---- zoom, pan, pinch ----------------------------------------------------------------------


def zoom(window: Dashboard, method: str = "diffcam") -> None:
    point(window, method, 0.5, 0.5)
    window.page.mouse.wheel(0, -300)
    window.until(lambda: views(window)[0][0] > 1.5, "zoomed in")


def test_the_wheel_zooms_all_panels(same_window: Dashboard) -> None:
    zoom(same_window)
    expect_linked(same_window)


def test_the_wheel_zooms_about_the_mouse(same_window: Dashboard) -> None:
    """What is under the mouse stays there: so say the cross-hairs before and after."""
    point(same_window, "diffcam", 0.25, 0.75)
    readout = same_window.panel("diffcam").locator(".readout")
    before = re.findall(r"[xy] (\d+)", readout.inner_text())
    same_window.page.mouse.wheel(0, -300)
    same_window.until(lambda: views(same_window)[0][0] > 1.5, "zoomed in")
    point(same_window, "diffcam", 0.25, 0.75)
    after = re.findall(r"[xy] (\d+)", readout.inner_text())
    assert np.abs(np.array(before, int) - np.array(after, int)).max() <= 1


def test_the_wheel_over_a_zoomed_panel_does_not_scroll_the_page(same_window: Dashboard) -> None:
    zoom(same_window)
    main = same_window.page.get_by_test_id("stMain")
    before = main.evaluate("each => each.scrollTop")
    same_window.page.mouse.wheel(0, 50)
    same_window.page.wait_for_timeout(200)
    assert main.evaluate("each => each.scrollTop") == before


def test_dragging_pans_all_panels(same_window: Dashboard) -> None:
    zoom(same_window)
    before = expect_linked(same_window)
    same_window.page.mouse.down()
    box = same_window.panel("diffcam").locator(".stage").bounding_box()
    same_window.page.mouse.move(
        box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"], steps=4
    )
    same_window.page.mouse.up()
    after = expect_linked(same_window)
    assert after[4] - before[4] == pytest.approx(0.1 * box["width"], abs=2)
    assert after[5] - before[5] == pytest.approx(-0.1 * box["height"], abs=2)


def test_panning_stops_at_the_pictures_edge(same_window: Dashboard) -> None:
    zoom(same_window)
    same_window.page.mouse.down()
    box = same_window.panel("diffcam").locator(".stage").bounding_box()
    same_window.page.mouse.move(
        box["x"] + 40 * box["width"], box["y"] + 40 * box["height"], steps=4
    )
    same_window.page.mouse.up()
    assert expect_linked(same_window)[4:] == pytest.approx([0, 0], abs=0.5)


def test_a_double_click_resets_the_zoom(same_window: Dashboard) -> None:
    zoom(same_window)
    same_window.page.mouse.dblclick(*_middle(same_window, "grad-cam"))
    assert expect_linked(same_window) == [1, 0, 0, 1, 0, 0]


def test_a_button_resets_the_zoom(same_window: Dashboard) -> None:
    zoom(same_window)
    same_window.page.get_by_role("button", name="Reset zoom").click()
    assert expect_linked(same_window) == [1, 0, 0, 1, 0, 0]


def test_the_keyboard_zooms_and_pans(same_window: Dashboard) -> None:
    same_window.panel("diffcam").locator(".stage").focus()
    same_window.page.keyboard.press("+")
    zoomed = expect_linked(same_window)
    assert zoomed[0] > 1
    same_window.page.keyboard.press("ArrowRight")
    assert expect_linked(same_window)[4] < zoomed[4]
    same_window.page.keyboard.press("0")
    assert expect_linked(same_window)[0] == 1


def _middle(window: Dashboard, method: str) -> tuple[float, float]:
    box = box_of(window.panel(method).locator(".stage"))
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Fingers:
    """Touch the window with real touch events."""

    def __init__(self, window: Dashboard) -> None:
        self.session = window.page.context.new_cdp_session(window.page)
        self.session.send(
            "Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2}
        )

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_two_fingers_zoom_all_panels(window: Dashboard) -> None:
    x, y = _middle(window, "diffcam")
    fingers = Fingers(window)
    fingers.touch("touchStart", (x - 20, y), (x + 20, y))
    for apart in (30, 40, 50, 60):
        fingers.touch("touchMove", (x - apart, y), (x + apart, y))
    fingers.touch("touchEnd")
    assert expect_linked(window)[0] == pytest.approx(3, rel=0.15)


def test_one_finger_pans_and_shows_the_cross(window: Dashboard) -> None:
    zoom(window)
    before = expect_linked(window)
    x, y = _middle(window, "diffcam")
    fingers = Fingers(window)
    fingers.touch("touchStart", (x, y))
    for step in (10, 20, 30):
        fingers.touch("touchMove", (x + step, y))
    fingers.touch("touchEnd")
    assert expect_linked(window)[4] - before[4] == pytest.approx(30, abs=3)
    expect(window.panel("grad-cam").locator(".readout")).to_contain_text("x ")


def test_a_slider_follows_a_finger(window: Dashboard) -> None:
    slider = window.slider("gamma")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    before = window.drawn()["finer-grad-cam"]
    y = box["y"] + box["height"] / 2
    fingers = Fingers(window)
    fingers.touch("touchStart", (box["x"] + 0.3 * box["width"], y))
    for share in (0.5, 0.7, 0.9):
        fingers.touch("touchMove", (box["x"] + share * box["width"], y))
    fingers.touch("touchEnd")
    window.expect_changed("finer-grad-cam", before)
    assert int(slider.input_value()) > 30


# ---- the cross-hair ------------------------------------------------------------------------

PLACES = [(0.31, 0.42), (0.55, 0.63), (0.72, 0.2)]


def _exact(window: Dashboard, method: str) -> tuple[float, float]:
    """Return where the cross is, as shares of the picture."""
    return (
        window.panel(method)
        .locator(".cross")
        .evaluate("each => [parseFloat(each.style.left) / 100, parseFloat(each.style.top) / 100]")
    )


def test_the_cross_hair_is_at_the_same_place_in_every_panel(same_window: Dashboard) -> None:
    point(same_window, "diffcam", 0.31, 0.42)
    places = {tuple(_exact(same_window, method)) for method in SHOWN}
    assert len(places) == 1
    texts = {
        same_window.panel(method).locator(".readout").inner_text().partition(":")[0]
        for method in SHOWN
    }
    (x, y), (text,) = places.pop(), texts
    assert text == f"x {int(x * SIDE)}, y {int(y * SIDE)}"


@pytest.mark.parametrize("method", SHOWN)
def test_the_cross_hair_reads_the_downloaded_values(same_window: Dashboard, method: str) -> None:
    values = same_window.values(method)
    for place in PLACES:
        point(same_window, "diffcam", *place)
        x, y = _exact(same_window, method)
        row, column = y * SIDE - 0.5, x * SIDE - 0.5
        top, left = int(row), int(column)
        around = values[top : top + 2, left : left + 2]
        down, across = row - top, column - left
        expected = np.array([1 - down, down]) @ around @ np.array([1 - across, across])
        text = same_window.panel(method).locator(".readout").inner_text()
        read = number(text.partition(": ")[2])
        assert read == pytest.approx(expected, rel=0.006, abs=2e-3 * float(values.max()))


def test_the_cross_hair_reads_the_value_as_set(same_window: Dashboard) -> None:
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("Home")
    point(same_window, "diffcam", 0.5, 0.4)
    finer, base = (
        number(same_window.panel(each).locator(".readout").inner_text().partition(": ")[2])
        for each in ("finer-grad-cam", "grad-cam")
    )
    assert finer == pytest.approx(base, rel=0.01)


def test_the_key_h_still_hides_after_a_release(same_window: Dashboard) -> None:
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    quiet(same_window)
    same_window.page.keyboard.down("h")
    assert is_bare(same_window)
    same_window.page.keyboard.up("h")


def test_the_key_h_still_hides_with_another_picture(window: Dashboard) -> None:
    window.choose("sample", "A plain 7")
    window.expect_prediction("7")
    window.expect_panels(4)
    window.panel("diffcam").locator(".stage").focus()
    window.page.keyboard.down("h")
    assert is_bare(window)
    window.page.keyboard.up("h")


# ---- hiding, swiping, enlarging ------------------------------------------------------------


def is_bare(window: Dashboard) -> bool:
    kinds = window.page.locator("figure[data-panel] .overlay").evaluate_all(
        "all => all.map(each => getComputedStyle(each).visibility)"
    )
    assert len(set(kinds)) == 1
    return kinds[0] == "hidden"


def test_the_key_h_hides_the_maps_while_it_is_held(same_window: Dashboard) -> None:
    same_window.panel("diffcam").locator(".stage").focus()
    same_window.page.keyboard.down("h")
    assert is_bare(same_window)
    same_window.page.keyboard.up("h")
    assert not is_bare(same_window)


def test_an_h_that_is_typed_hides_nothing(window: Dashboard) -> None:
    window.page.get_by_role("combobox", name="Class to explain").click()
    window.page.keyboard.down("h")
    assert not is_bare(window)
    window.page.keyboard.up("h")


def test_a_button_hides_the_maps_while_it_is_held(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Hold to hide").hover()
    same_window.page.mouse.down()
    assert is_bare(same_window)
    same_window.page.mouse.up()
    assert not is_bare(same_window)


def test_the_button_hides_the_maps_by_keyboard_too(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Hold to hide").focus()
    same_window.page.keyboard.down(" ")
    assert is_bare(same_window)
    same_window.page.keyboard.up(" ")
    assert not is_bare(same_window)


def swiped(window: Dashboard) -> np.ndarray:
    canvas = window.page.locator("figure.swipe canvas.whole")
    data = canvas.evaluate('each => each.toDataURL("image/png").split(",")[1]')
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def set_divider(window: Dashboard, share: int) -> np.ndarray:
    window.page.get_by_label("Divider between the two maps").fill(str(share))
    return swiped(window)


def test_swiping_shows_one_map_on_the_left_and_the_other_on_the_right(
    same_window: Dashboard,
) -> None:
    swipe = same_window.page.get_by_role("button", name="Swipe two")
    swipe.click()
    expect(swipe).to_have_attribute("aria-pressed", "true")
    only_right, only_left = set_divider(same_window, 0), set_divider(same_window, 100)
    assert np.abs(only_right - only_left).max() > 30
    both = set_divider(same_window, 40)
    cut = round(0.4 * both.shape[1])
    np.testing.assert_allclose(both[:, : cut - 3], only_left[:, : cut - 3], atol=3)
    np.testing.assert_allclose(both[:, cut + 3 :], only_right[:, cut + 3 :], atol=3)


def test_the_two_maps_to_swipe_can_be_chosen(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Swipe two").click()
    before = set_divider(same_window, 100)
    same_window.page.get_by_label("Left map").select_option("Guided AbsoluteGrad")
    assert np.abs(swiped(same_window) - before).max() > 30


def test_swiping_follows_the_sliders(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Swipe two").click()
    before = set_divider(same_window, 0)
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    assert np.abs(swiped(same_window) - before).max() > 30


def test_swiping_ends_with_the_same_button(same_window: Dashboard) -> None:
    swipe = same_window.page.get_by_role("button", name="Swipe two")
    swipe.click()
    swipe.click()
    expect(same_window.page.locator("figure.swipe")).to_have_count(0)


def test_swiping_goes_on_with_another_picture(window: Dashboard) -> None:
    window.page.get_by_role("button", name="Swipe two").click()
    before = set_divider(window, 100)
    window.choose("sample", "A plain 7")
    window.expect_prediction("7")
    window.expect_panels(4)
    quiet(window)
    swipe = window.page.get_by_role("button", name="Swipe two")
    is_on = swipe.get_attribute("aria-pressed") == "true"
    assert window.page.locator("figure.swipe").count() == int(is_on)
    if is_on:
        assert np.abs(swiped(window) - before).max() > 30


def test_a_panel_is_enlarged_and_made_small_again(same_window: Dashboard) -> None:
    panel = same_window.panel("grad-cam")
    small = panel.locator(".stage").bounding_box()["width"]
    panel.get_by_role("button", name="Larger").click()
    assert panel.locator(".stage").bounding_box()["width"] > 1.5 * small
    expect(same_window.panel("diffcam")).not_to_be_visible()
    panel.get_by_role("button", name="Smaller").click()
    assert panel.locator(".stage").bounding_box()["width"] == pytest.approx(small, abs=1)
    expect(same_window.panel("diffcam")).to_be_visible()


def test_an_enlarged_panel_fits_the_window(same_window: Dashboard) -> None:
    panel = same_window.panel("grad-cam")
    panel.get_by_role("button", name="Larger").click()
    assert panel.locator(".stage").bounding_box()["height"] < 900


# ---- looks ---------------------------------------------------------------------------------


def opacity(window: Dashboard, method: str = "diffcam") -> float:
    return float(
        window.panel(method).locator(".overlay").evaluate("each => getComputedStyle(each).opacity")
    )


def lines(window: Dashboard, method: str = "diffcam") -> int:
    return int(
        window.panel(method)
        .locator(".lines path")
        .evaluate_all("all => all.reduce((sum, each) => sum + each.getAttribute('d').length, 0)")
    )


def test_opacity_is_that_of_every_map(same_window: Dashboard) -> None:
    assert opacity(same_window) == pytest.approx(0.6)
    same_window.look("opacity").focus()
    same_window.page.keyboard.press("Home")
    assert {opacity(same_window, method) for method in SHOWN} == {0}


def test_contours_are_lines_without_a_heat_map(same_window: Dashboard) -> None:
    same_window.press("Contours")
    assert lines(same_window) > 100
    assert not same_window.pixels("diffcam")[..., 3].any()


def test_more_levels_can_be_chosen(same_window: Dashboard) -> None:
    same_window.press("Contours")
    before = lines(same_window)
    same_window.page.get_by_label("Contours").last.select_option("every 10 %")
    assert lines(same_window) > 2 * before
    same_window.page.get_by_label("Contours").last.select_option("at 25, 50, 75 %")


def test_a_heat_map_has_no_lines(same_window: Dashboard) -> None:
    assert lines(same_window) == 0
    assert same_window.pixels("diffcam")[..., 3].all()


def test_both_are_lines_over_a_heat_map(same_window: Dashboard) -> None:
    before = same_window.drawn()["diffcam"]
    same_window.press("Both")
    assert lines(same_window) > 100
    assert same_window.drawn()["diffcam"] == before


@pytest.mark.parametrize("share", [1, 5, 40])
def test_only_the_top_share_of_pixels_is_shown(same_window: Dashboard, share: int) -> None:
    same_window.look("top").fill(str(share - 1))  # places start at 1 %
    shown = (same_window.pixels("diffcam")[..., 3] > 0).mean()
    assert shown == pytest.approx(share / 100, rel=0.25, abs=0.005)


@pytest.mark.parametrize("name", colours.SEQUENTIAL)
def test_a_map_has_the_colours_of_the_table(same_window: Dashboard, name: str) -> None:
    same_window.page.get_by_role("combobox", name="Colours").select_option(name)
    drawn = same_window.pixels("diffcam")[..., :3].reshape(-1, 3)
    table = {tuple(colour) for colour in colours.lookup_table(name).tolist()}
    found = {tuple(colour) for colour in np.unique(drawn, axis=0).tolist()}
    assert found <= table
    lightest = {tuple(colour) for colour in colours.lookup_table(name)[-10:].tolist()}
    assert found & lightest


def test_jet_is_marked_as_misleading(same_window: Dashboard) -> None:
    options = (
        same_window.page.get_by_role("combobox", name="Colours").locator("option").all_inner_texts()
    )
    assert [each for each in options if "misleading" in each] == ["Jet (misleading)"]


def test_a_signed_map_is_blue_and_orange(same_window: Dashboard) -> None:
    same_window.press("For and against")
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    names = ("diffcam", "finer-grad-cam")
    drawn = np.concatenate([same_window.pixels(name).reshape(-1, 4) for name in names])
    clear = drawn[drawn[:, 3] > 20][:, :3].astype(int)
    assert (clear[:, 2] > clear[:, 0] + 10).any()
    assert (clear[:, 0] > clear[:, 2] + 50).any()


def legend(window: Dashboard, method: str) -> str:
    return window.panel(method).locator(".legend").inner_text()


def test_each_map_says_that_its_scale_is_its_own(same_window: Dashboard) -> None:
    assert all("own scale" in legend(same_window, method) for method in SHOWN)
    assert len({legend(same_window, method) for method in SHOWN}) > 1


def test_a_shared_scale_is_the_same_in_every_legend(same_window: Dashboard) -> None:
    same_window.press("Shared")
    texts = [legend(same_window, method) for method in SHOWN]
    assert all("one scale for all, here up to" in text for text in texts)
    assert len({text.splitlines()[1] for text in texts}) == 1


def test_a_shared_scale_ends_at_the_largest_of_all(same_window: Dashboard) -> None:
    highest = max(float(same_window.values(method).max()) for method in SHOWN)
    same_window.press("Shared")
    rows = same_window.panel("diffcam").locator(".legend .row").first.locator("span")
    assert number(rows.last.inner_text()) == pytest.approx(highest, rel=0.15)


def test_a_legend_ends_at_the_maps_largest_value(same_window: Dashboard) -> None:
    for method in SHOWN:
        rows = same_window.panel(method).locator(".legend .row").first.locator("span")
        largest = float(same_window.values(method).max())
        assert number(rows.last.inner_text()) == pytest.approx(largest, rel=0.15)


def test_a_panel_without_positive_evidence_says_so(window: Dashboard) -> None:
    """At this layer nothing in the picture speaks for a 1 rather than for what is like it."""
    window.page.get_by_text("Layer and method settings").click()
    layer = window.page.get_by_role("combobox", name="Layer", exact=True)
    options = window.page.get_by_role("option")
    window.pick(layer, options.filter(has_text="features.4.conv"), typed="features.4.conv")
    window.expect_panels(3)
    target = window.page.get_by_role("combobox", name="Class to explain")
    window.pick(target, options.filter(has_text=re.compile(r"^1 \(")), typed="1")
    expect(window.page.get_by_role("heading", name="Why 1")).to_be_visible()
    window.expect_panels(3)
    expect(window.panel("finer-grad-cam").locator(".legend")).to_have_text("No positive evidence")
    assert not window.pixels("finer-grad-cam")[..., 3].any()
    expect(window.panel("grad-cam").locator(".legend .bar")).to_be_visible()


# ---- whole picture, network's input, crop --------------------------------------------------

WIDE = (160, 320)


@pytest.fixture
def cropped(window: Dashboard) -> Dashboard:
    """Give a window with a wide gray photo, of which the model sees the middle."""
    window.choose("model", "thousand")
    expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
    upload(window, "wide.png", np.full((*WIDE, 3), 200, np.uint8))
    window.expect_panels(4)
    return window


def seen() -> tuple[int, int, int, int]:
    """Return top, left, bottom, right: the shorter side is 110, of which the middle 96 are seen."""
    side = 96 * WIDE[0] / 110
    top, left = (WIDE[0] - side) / 2, (WIDE[1] - side) / 2
    return round(top), round(left), round(top + side), round(left + side)


def test_the_picture_is_dimmed_where_the_network_did_not_look(cropped: Dashboard) -> None:
    picture = cropped.pixels("grad-cam", "picture")[..., 0].astype(int)
    top, left, bottom, right = seen()
    assert picture.shape == WIDE
    assert (picture[top + 2 : bottom - 2, left + 2 : right - 2] == 200).all()
    outside = np.ones(WIDE, bool)
    outside[top - 2 : bottom + 2, left - 2 : right + 2] = False
    np.testing.assert_allclose(picture[outside], 0.35 * 200, atol=2)


def test_the_map_lies_where_the_network_looked(cropped: Dashboard) -> None:
    panel = cropped.panel("grad-cam")
    stage, overlay = (panel.locator(each).bounding_box() for each in (".stage", "canvas.overlay"))
    scale = stage["width"] / WIDE[1]
    top, left, bottom, right = (each * scale for each in seen())
    assert overlay["x"] - stage["x"] == pytest.approx(left, abs=2)
    assert overlay["y"] - stage["y"] == pytest.approx(top, abs=2)
    assert overlay["width"] == pytest.approx(right - left, abs=2)
    assert overlay["height"] == pytest.approx(bottom - top, abs=2)


def test_the_whole_picture_keeps_its_shape(cropped: Dashboard) -> None:
    stage = cropped.panel("grad-cam").locator(".stage").bounding_box()
    assert stage["width"] / stage["height"] == pytest.approx(2, rel=0.02)


def test_the_networks_input_is_square_and_not_dimmed(cropped: Dashboard) -> None:
    cropped.press("Network's input")
    cropped.until(
        lambda: cropped.pixels("grad-cam", "picture").shape[:2] == (96, 96), "the input is shown"
    )
    assert (np.abs(cropped.pixels("grad-cam", "picture")[..., :3].astype(int) - 200) <= 2).all()
    stage = cropped.panel("grad-cam").locator(".stage").bounding_box()
    assert stage["width"] == pytest.approx(stage["height"], abs=1)


def test_the_map_covers_the_networks_input(cropped: Dashboard) -> None:
    cropped.press("Network's input")
    cropped.until(
        lambda: cropped.pixels("grad-cam", "picture").shape[:2] == (96, 96), "the input is shown"
    )
    panel = cropped.panel("grad-cam")
    stage, overlay = (panel.locator(each).bounding_box() for each in (".stage", "canvas.overlay"))
    for side in ("x", "y", "width", "height"):
        assert overlay[side] == pytest.approx(stage[side], abs=1)


def test_the_cross_hair_says_where_the_network_did_not_look(cropped: Dashboard) -> None:
    point(cropped, "grad-cam", 0.05, 0.5)
    readout = cropped.panel("grad-cam").locator(".readout")
    expect(readout).to_contain_text("not looked at")
    point(cropped, "grad-cam", 0.5, 0.5)
    expect(readout).not_to_contain_text("not looked at")


def test_a_large_picture_is_sent_smaller_and_read_in_its_own_pixels(window: Dashboard) -> None:
    window.press("Upload")
    upload(window, "large.png", np.full((1500, 2400), 90, np.uint8))
    expect(window.page.get_by_text("2400 × 1500 px")).to_be_visible()
    window.expect_panels(4)
    assert window.pixels("grad-cam", "picture").shape[:2] == (640, 1024)
    point(window, "grad-cam", 0.9, 0.9)
    text = window.panel("grad-cam").locator(".readout").inner_text()
    x, y = (int(each) for each in re.findall(r"[xy] (\d+)", text))
    assert (x, y) == (pytest.approx(2160, abs=12), pytest.approx(1350, abs=12))


# ---- 16-bit gray ---------------------------------------------------------------------------


@pytest.fixture
def deep(window: Dashboard) -> Dashboard:
    """Give a window with a 16-bit ramp from 0 to 65,535."""
    window.press("Upload")
    ramp = np.broadcast_to(np.linspace(0, 65535, 280).astype(np.uint16), (280, 280)).copy()
    upload(window, "deep.png", ramp)
    expect(window.page.get_by_text("280 × 280 px")).to_be_visible()
    window.expect_panels(4)
    return window


def shift_drag(window: Dashboard, dx: float, dy: float) -> None:
    x, y = _middle(window, "grad-cam")
    box = box_of(window.panel("grad-cam").locator(".stage"))
    window.page.keyboard.down("Shift")
    window.page.mouse.move(x, y)
    window.page.mouse.down()
    window.page.mouse.move(x + dx * box["width"], y + dy * box["height"], steps=4)
    window.page.mouse.up()
    window.page.keyboard.up("Shift")


def test_a_deep_picture_starts_with_its_whole_range(deep: Dashboard) -> None:
    row = deep.pixels("grad-cam", "picture")[140, :, 0].astype(int)
    np.testing.assert_allclose(row, np.linspace(0, 255, 280), atol=2)


def test_dragging_with_shift_down_narrows_the_window(deep: Dashboard) -> None:
    shift_drag(deep, -0.4, 0)
    row = deep.pixels("grad-cam", "picture")[140, :, 0].astype(int)
    assert (row == 0).sum() > 30
    assert (row == 255).sum() > 30
    assert 100 < row[140] < 155


def test_dragging_with_shift_moves_the_level(deep: Dashboard) -> None:
    before = deep.pixels("grad-cam", "picture").astype(int).mean()
    shift_drag(deep, 0, 0.3)
    assert deep.pixels("grad-cam", "picture").astype(int).mean() < before - 20


def test_the_window_button_lets_dragging_move_it_and_reset_puts_it_back(deep: Dashboard) -> None:
    before = deep.pixels("grad-cam", "picture").astype(int)
    deep.page.get_by_role("button", name="Window by dragging").click()
    x, y = _middle(deep, "grad-cam")
    deep.page.mouse.move(x, y)
    deep.page.mouse.down()
    deep.page.mouse.move(x, y + 60, steps=4)
    deep.page.mouse.up()
    assert deep.pixels("grad-cam", "picture").astype(int).mean() < before.mean() - 10
    deep.page.get_by_role("button", name="Reset window").click()
    np.testing.assert_allclose(deep.pixels("grad-cam", "picture").astype(int), before, atol=1)


def test_moving_the_window_never_changes_a_map(deep: Dashboard) -> None:
    before, values = deep.drawn(), deep.values("grad-cam")
    shift_drag(deep, -0.4, 0.2)
    quiet(deep)
    assert deep.drawn() == before
    np.testing.assert_array_equal(deep.values("grad-cam"), values)


def test_moving_the_window_sends_nothing(deep: Dashboard) -> None:
    quiet(deep)
    sent = deep.num_frames_sent
    shift_drag(deep, -0.4, 0.2)
    quiet(deep)
    assert deep.num_frames_sent == sent


def test_dragging_without_shift_leaves_the_window(deep: Dashboard) -> None:
    before = deep.pixels("grad-cam", "picture")
    x, y = _middle(deep, "grad-cam")
    deep.page.mouse.move(x, y)
    deep.page.mouse.down()
    deep.page.mouse.move(x - 60, y + 30, steps=4)
    deep.page.mouse.up()
    np.testing.assert_array_equal(deep.pixels("grad-cam", "picture"), before)


# ---- export --------------------------------------------------------------------------------


def saved(window: Dashboard, button: Locator) -> tuple[str, np.ndarray]:
    with window.page.expect_download() as caught:
        button.click()
    return caught.value.suggested_filename, np.asarray(
        held(caught.value.path()).convert("RGB")
    ).astype(int)


def num_inked(pixels: np.ndarray) -> int:
    return int((pixels.min(axis=2) < 128).sum())


def test_the_png_of_one_map_has_a_legend_below(same_window: Dashboard) -> None:
    name, pixels = saved(
        same_window, same_window.panel("diffcam").get_by_role("button", name="PNG")
    )
    assert name == "whynot-diffcam.png"
    width = pixels.shape[1]
    below = pixels[width:]  # a square picture as wide as the sheet
    assert len(below) > 60
    assert num_inked(below) > 500
    bar = colours.lookup_table("Cividis").astype(int)
    ends = [bar[2], bar[-3]]
    for colour in ends:
        assert (np.abs(below - colour).max(axis=2) < 12).any()


def test_the_png_of_all_maps_has_all_of_them(same_window: Dashboard) -> None:
    name, pixels = saved(same_window, same_window.page.get_by_role("button", name="PNG of all"))
    assert name == "whynot-maps.png"
    quarters = np.array_split(pixels, 4, axis=1)
    for quarter in quarters:
        assert num_inked(quarter) > 10_000
    assert len({quarter[100:400].tobytes() for quarter in quarters}) == 4


def test_nothing_is_cut_off_at_the_margin_of_a_png(same_window: Dashboard) -> None:
    for button in ("PNG of all",):
        _, pixels = saved(same_window, same_window.page.get_by_role("button", name=button))
        for margin in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
            assert (margin == 255).all()


def test_the_png_follows_the_looks(same_window: Dashboard) -> None:
    button = same_window.panel("diffcam").get_by_role("button", name="PNG")
    _, before = saved(same_window, button)
    same_window.press("Contours")
    _, after = saved(same_window, button)
    assert before.shape == after.shape
    assert np.abs(before - after).max() > 50


def test_the_png_names_what_the_sliders_say(same_window: Dashboard) -> None:
    """Text is compared as drawn: only γ's line of the margin may differ below the legend."""
    button = same_window.panel("guided-absolute-grad").get_by_role("button", name="PNG")
    same_window.look("opacity").focus()
    same_window.page.keyboard.press("Home")
    _, before = saved(same_window, button)
    same_window.slider("p").focus()
    same_window.page.keyboard.press("Home")
    _, after = saved(same_window, button)
    width = before.shape[1]
    changed = np.flatnonzero(np.abs(before - after).max(axis=(1, 2)) > 50)
    assert changed.size
    assert changed.min() > width - 48


# ---- layout --------------------------------------------------------------------------------

PANELS = {
    1: ["diffcam"],
    2: ["diffcam", "finer-grad-cam"],
    4: SHOWN,
    8: [*SHOWN, "layer-cam", "finer-layer-cam", "vanilla-gradient", "smooth-grad"],
}


@pytest.mark.parametrize("count", PANELS)
def test_panels_fit_side_by_side(open_window: Callable[..., Dashboard], count: int) -> None:
    window = open_window()
    window.expect_panels(4)
    choose_methods(window, PANELS[count])
    for width, height in ((1280, 900), (1920, 1080)):
        window.page.set_viewport_size({"width": width, "height": height})
        window.page.wait_for_timeout(300)
        boxes = [window.panel(method).locator(".stage").bounding_box() for method in PANELS[count]]
        assert {round(box["width"]) for box in boxes} == {round(boxes[0]["width"])}
        assert min(box["width"] for box in boxes) >= 180
        assert max(box["x"] + box["width"] for box in boxes) <= width - 10
        assert max(box["height"] for box in boxes) <= height - 150
        rows = {round(box["y"]) for box in boxes}
        assert len(rows) <= (1 if count <= 4 else 2)
        out = window.page.get_by_test_id("stMain").evaluate(
            "each => each.scrollWidth - each.clientWidth"
        )
        assert out <= 1


CONTRAST = """element => {
  const parse = (text) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], a: a / 255 };
  };
  let ground = [255, 255, 255];
  let alpha = 1;
  for (let at = element; at; at = at.parentElement ?? at.getRootNode().host ?? null) {
    alpha *= Number(getComputedStyle(at).opacity);
  }
  for (let at = element; at; at = at.parentElement ?? at.getRootNode().host ?? null) {
    const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
    if (a === 1) { ground = rgb; break; }
  }
  const text = parse(getComputedStyle(element).color);
  const share = alpha * text.a;
  const mixed = text.rgb.map((each, i) => share * each + (1 - share) * ground[i]);
  const light = (rgb) => rgb.map((each) => {
    const s = each / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);
  const [low, high] = [light(mixed), light(ground)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_ground(
    open_window: Callable[..., Dashboard], scheme: str
) -> None:
    window = open_window(scheme=scheme)
    window.expect_panels(4)
    weak = {}
    for part in (
        ".legend .row:nth-of-type(2) span",
        ".legend .row:last-child span",
        ".foot",
        ".subtitle",
        "figcaption strong",
        ".tools button",
        ".buttons button",
        ".controls .name",
        ".controls .value",
        ".choice legend",
        ".choice input:checked + span",
        ".choice input:not(:checked) + span",
        ".looks select",
    ):
        contrast = window.page.locator(f".viewer {part}").first.evaluate(CONTRAST)
        if contrast < 4.5:
            weak[part] = round(contrast, 2)
    assert weak == {}


# ---- screen readers ------------------------------------------------------------------------


def test_every_control_has_a_name(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Swipe two").click()
    nameless = viewer(same_window).evaluate(
        """root => [...root.querySelectorAll("input, select, button")].filter((each) => {
          const label = [...each.labels].map((one) => one.textContent).join("");
          return !(each.getAttribute("aria-label") || label || each.textContent).trim();
        }).map((each) => each.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize("name", ["Drawing", "Scale", "Evidence", "View"])
def test_choices_are_named_groups(same_window: Dashboard, name: str) -> None:
    expect(same_window.page.get_by_role("group", name=name, exact=True)).to_be_visible()


def test_a_map_says_what_it_shows(same_window: Dashboard) -> None:
    for method in SHOWN:
        stage = same_window.panel(method).locator(".stage")
        expect(stage).to_have_attribute("aria-label", re.compile(METHODS[method].title[:4]))
        expect(stage).to_have_attribute("aria-label", re.compile("values up to"))


def test_a_legend_is_read_out(same_window: Dashboard) -> None:
    legend = same_window.panel("diffcam").locator(".legend")
    expect(legend).to_have_attribute("aria-label", re.compile(r"Colours from 0, none, to .+ scale"))


def test_the_sliders_are_a_named_group_with_values_in_words(same_window: Dashboard) -> None:
    group = same_window.page.get_by_role("group", name="Sliders")
    expect(group).to_be_visible()
    expect(same_window.slider("lam")).to_have_attribute("aria-valuetext", "10⁻³")


def test_panels_can_be_reached_by_tab(same_window: Dashboard) -> None:
    for method in SHOWN:
        expect(same_window.panel(method).locator(".stage")).to_have_attribute("tabindex", "0")


# ---- broken data ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def message() -> bytes:
    """Give the message of the four first panels."""
    model = load_model("digits")
    image = read_image(REPO / "assets" / "samples" / "digits" / "three.png")
    names = ["finer-grad-cam", "grad-cam", "finer-layer-cam", "guided-absolute-grad"]
    bases = prepare_many(model, image, names, target=3, references=(8,))
    meaning = {"unsigned": ("none", "most"), "signed": ("against", "for")}
    panels = [
        {
            "name": name,
            "title": name,
            "subtitle": "",
            "reversed_subtitle": "",
            "foot": "",
            "meaning": meaning,
        }
        for name in names
    ]
    return pack(
        panels,
        [bases[name] for name in names],
        image=image,
        seen=np.zeros((28, 28), np.uint8),
        parameters=parameters_of(names, "render"),
        viewer="viewer",
        question="Why 3?",
        source="three.png",
    )


def opened(message: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", message)
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def closed(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + rest


def filled(message: bytes, field: str, number: float) -> bytes:
    """Fill a float array of the first panel."""
    header, rest = opened(message)
    array = header["arrays"][header["panels"][0]["fields"][field]]
    kind = np.dtype("<" + array["type"])
    start = array["offset"]
    new = np.full(array["num_bytes"] // kind.itemsize, number, kind).tobytes()
    return closed(header, rest[:start] + new + rest[start + len(new) :])


def changed(message: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    header, rest = opened(message)
    change(header)
    return closed(header, rest)


def _other_shape(header: dict[str, Any]) -> None:
    header["arrays"][header["panels"][0]["fields"]["maps"]]["shape"] = [3, 5, 7]


def _other_arrays(header: dict[str, Any]) -> None:
    fields = header["panels"][2]["fields"]
    fields["target_gradient"] = header["panels"][0]["fields"]["maps"]


def _without_field(header: dict[str, Any]) -> None:
    del header["panels"][0]["fields"]["maps"]


def _unknown_array(header: dict[str, Any]) -> None:
    header["panels"][0]["fields"]["maps"] = 999


def _unknown_kind(header: dict[str, Any]) -> None:
    header["panels"][0]["kind"] = "cubic"


def _no_weights(header: dict[str, Any]) -> None:
    del header["panels"][0]["fields"]["weights"]


def _no_numbers(header: dict[str, Any]) -> None:
    header["panels"][0]["size"] = [0, 0]


def take(window: Dashboard, message: bytes) -> None:
    """Hand the viewer a message, as Streamlit does."""
    viewer(window).evaluate(
        """(root, text) => root.viewer.take(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))""",
        base64.b64encode(message).decode(),
    )
    window.page.wait_for_timeout(200)


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "three bytes": lambda message: message[:3],
    "header cut short": lambda message: message[:200],
    "arrays cut short": lambda message: message[: len(message) // 2],
    "one byte missing": lambda message: message[:-1],
    "no JSON": lambda message: struct.pack("<I", 20) + b"this is not a header" + message,
    "length beyond the end": lambda message: b"\xff\xff\xff\x7f" + message[4:],
    "shape that does not fit": lambda message: changed(message, _other_shape),
    "empty header": lambda _: closed({}, b""),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_message_is_said(same_window: Dashboard, message: bytes, fault: str) -> None:
    take(same_window, UNREADABLE[fault](message))
    expect(viewer(same_window).get_by_role("alert")).to_contain_text("did not arrive whole")


def test_after_an_unreadable_message_a_good_one_is_drawn(
    same_window: Dashboard, message: bytes
) -> None:
    take(same_window, message[:100])
    take(same_window, message)
    expect(viewer(same_window).get_by_role("alert")).not_to_be_visible()
    assert same_window.pixels("grad-cam")[..., 3].all()


BROKEN_PANEL: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "NaN": (lambda message: filled(message, "maps", np.nan), "finer-grad-cam"),
    "infinity": (lambda message: filled(message, "maps", np.inf), "finer-grad-cam"),
    "NaN weights": (lambda message: filled(message, "weights", np.nan), "finer-grad-cam"),
    "a field missing": (lambda message: changed(message, _without_field), "finer-grad-cam"),
    "weights missing": (lambda message: changed(message, _no_weights), "finer-grad-cam"),
    "an array missing": (lambda message: changed(message, _unknown_array), "finer-grad-cam"),
    "an unknown kind": (lambda message: changed(message, _unknown_kind), "finer-grad-cam"),
    "shapes that differ": (lambda message: changed(message, _other_arrays), "finer-layer-cam"),
    "an empty map": (lambda message: changed(message, _no_numbers), "finer-grad-cam"),
}


@pytest.mark.parametrize("fault", BROKEN_PANEL)
def test_a_broken_panel_says_so_and_the_others_are_drawn(
    same_window: Dashboard, message: bytes, fault: str
) -> None:
    spoil, name = BROKEN_PANEL[fault]
    take(same_window, spoil(message))
    expect(same_window.panel(name).locator(".legend")).to_contain_text("cannot be drawn")
    for other in {"finer-grad-cam", "grad-cam", "guided-absolute-grad"} - {name}:
        assert same_window.pixels(other)[..., 3].all()
    expect(viewer(same_window).get_by_role("alert")).not_to_be_visible()


def test_beside_a_broken_panel_everything_still_works(
    same_window: Dashboard, message: bytes
) -> None:
    """The window's end checks that nothing was thrown."""
    take(same_window, filled(message, "maps", np.nan))
    for each in ("Both", "Shared", "For and against"):
        same_window.press(each)
    point(same_window, "grad-cam", 0.5, 0.5)
    same_window.page.mouse.wheel(0, -200)
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    same_window.page.get_by_role("button", name="Swipe two").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Own sliders").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Larger").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Smaller").click()
    saved(same_window, same_window.panel("finer-grad-cam").get_by_role("button", name="PNG"))
    name, _ = saved(same_window, same_window.page.get_by_role("button", name="PNG of all"))
    assert name == "whynot-maps.png"


def test_a_map_of_zeros_has_no_positive_evidence(same_window: Dashboard, message: bytes) -> None:
    take(same_window, filled(message, "maps", 0.0))
    expect(same_window.panel("finer-grad-cam").locator(".legend")).to_have_text(
        "No positive evidence"
    )


def test_a_picture_that_cannot_be_read_is_said_and_the_maps_stay(
    same_window: Dashboard, message: bytes
) -> None:
    header, rest = opened(message)
    array = header["arrays"][header["picture"]["file"]]
    start = array["offset"]
    broken = (
        rest[: start + 8] + b"\0" * (array["num_bytes"] - 8) + rest[start + array["num_bytes"] :]
    )
    take(same_window, closed(header, broken))
    expect(viewer(same_window).get_by_role("alert")).to_contain_text("picture did not arrive whole")
    assert same_window.pixels("grad-cam")[..., 3].all()
