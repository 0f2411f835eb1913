"""The live viewer in Chromium: sliders: what they drive, and what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.viewing import choose_methods, num_draws, quiet

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender
    from tests.browser.dashboard import Dashboard

STEP_OF = {
    "ArrowRight": "0.65",
    "ArrowUp": "0.65",
    "ArrowLeft": "0.55",
    "ArrowDown": "0.55",
    "Home": "0.00",
    "End": "2.00",
}


@pytest.fixture(scope="module")
def lasting_two_finer(lasting: Lender) -> LastingWindow:
    """Give a module a window with two panels that know γ, and two that do not."""

    def prepare(window: Dashboard) -> None:
        window.expect_panels(4)
        choose_methods(window, ["diffcam", "finer-grad-cam", "grad-cam", "finer-layer-cam"])

    return lasting(prepare)


@pytest.fixture
def two_finer(
    lasting_two_finer: LastingWindow, request: pytest.FixtureRequest
) -> Iterator[Dashboard]:
    with lasting_two_finer.lent(request.node) as window:
        window.restore()
        yield window


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
