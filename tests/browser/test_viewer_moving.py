"""The live viewer in Chromium: zoom, cross-hair, hiding, swiping, enlarging."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import expect

from tests.browser.viewing import (
    SHOWN,
    SIDE,
    choose_first_sample,
    expect_linked,
    middle,
    number,
    point,
    quiet,
    views,
)

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

# ---- zoom, pan, pinch -----------------------------------------------------------------------


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
    same_window.page.mouse.dblclick(*middle(same_window, "grad-cam"))
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


Touch = Callable[..., None]


@contextmanager
def fingers(window: Dashboard) -> Iterator[Touch]:
    """Give a function that touches the window with real touch events."""
    session = window.page.context.new_cdp_session(window.page)
    emulate = "Emulation.setTouchEmulationEnabled"
    session.send(emulate, {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    yield touch
    session.send(emulate, {"enabled": False})
    session.detach()


def test_two_fingers_zoom_all_panels(same_window: Dashboard) -> None:
    x, y = middle(same_window, "diffcam")
    with fingers(same_window) as touch:
        touch("touchStart", (x - 20, y), (x + 20, y))
        for apart in (30, 40, 50, 60):
            touch("touchMove", (x - apart, y), (x + apart, y))
        touch("touchEnd")
    assert expect_linked(same_window)[0] == pytest.approx(3, rel=0.15)


def test_one_finger_pans_and_shows_the_cross(same_window: Dashboard) -> None:
    zoom(same_window)
    before = expect_linked(same_window)
    x, y = middle(same_window, "diffcam")
    with fingers(same_window) as touch:
        touch("touchStart", (x, y))
        for step in (10, 20, 30):
            touch("touchMove", (x + step, y))
        touch("touchEnd")
    assert expect_linked(same_window)[4] - before[4] == pytest.approx(30, abs=3)
    expect(same_window.panel("grad-cam").locator(".readout")).to_contain_text("x ")


def test_a_slider_follows_a_finger(same_window: Dashboard) -> None:
    slider = same_window.slider("gamma")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    before = same_window.drawn()["finer-grad-cam"]
    y = box["y"] + box["height"] / 2
    with fingers(same_window) as touch:
        touch("touchStart", (box["x"] + 0.3 * box["width"], y))
        for share in (0.5, 0.7, 0.9):
            touch("touchMove", (box["x"] + share * box["width"], y))
        touch("touchEnd")
    same_window.expect_changed("finer-grad-cam", before)
    assert int(slider.input_value()) > 30


# ---- the cross-hair -------------------------------------------------------------------------


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


def test_the_key_h_still_hides_with_another_picture(same_window: Dashboard) -> None:
    same_window.choose("sample", "A plain 7")
    same_window.expect_prediction("7")
    same_window.expect_panels(4)
    same_window.panel("diffcam").locator(".stage").focus()
    same_window.page.keyboard.down("h")
    assert is_bare(same_window)
    same_window.page.keyboard.up("h")
    choose_first_sample(same_window)


# ---- hiding, swiping, enlarging -------------------------------------------------------------


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


def test_an_h_that_is_typed_hides_nothing(same_window: Dashboard) -> None:
    same_window.page.get_by_role("combobox", name="Class to explain").click()
    same_window.page.keyboard.down("h")
    assert not is_bare(same_window)
    same_window.page.keyboard.up("h")
    same_window.page.keyboard.press("Escape")


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


def test_swiping_goes_on_with_another_picture(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Swipe two").click()
    before = set_divider(same_window, 100)
    same_window.choose("sample", "A plain 7")
    same_window.expect_prediction("7")
    same_window.expect_panels(4)
    quiet(same_window)
    swipe = same_window.page.get_by_role("button", name="Swipe two")
    is_on = swipe.get_attribute("aria-pressed") == "true"
    assert same_window.page.locator("figure.swipe").count() == int(is_on)
    if is_on:
        assert np.abs(swiped(same_window) - before).max() > 30
    choose_first_sample(same_window)


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
