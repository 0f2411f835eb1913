"""The live viewer in Chromium: pictures wide, large or deep, and where the network looked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.viewing import box_of, middle, point, quiet, upload

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender
    from tests.browser.dashboard import Dashboard

# ---- whole picture, network's input, crop ---------------------------------------------------


WIDE = (160, 320)


@pytest.fixture(scope="module")
def cropped_window(lasting: Lender) -> LastingWindow:
    """Give one window with a wide gray photo, of which the model sees the middle."""

    def prepare(window: Dashboard) -> None:
        window.expect_panels(4)
        window.choose("model", "thousand")
        expect(window.page.get_by_text("Give a picture on the left")).to_be_visible()
        upload(window, "wide.png", np.full((*WIDE, 3), 200, np.uint8))
        window.expect_panels(4)

    return lasting(prepare)


@pytest.fixture
def cropped(cropped_window: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    with cropped_window.lent(request.node) as window:
        window.restore()
        yield window


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


# ---- 16-bit gray ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep_window(lasting: Lender) -> LastingWindow:
    """Give one window with a 16-bit ramp from 0 to 65,535."""

    def prepare(window: Dashboard) -> None:
        window.expect_panels(4)
        window.press("Upload")
        ramp = np.broadcast_to(np.linspace(0, 65535, 280).astype(np.uint16), (280, 280)).copy()
        upload(window, "deep.png", ramp)
        expect(window.page.get_by_text("280 × 280 px")).to_be_visible()
        window.expect_panels(4)

    return lasting(prepare)


@pytest.fixture
def deep(deep_window: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    with deep_window.lent(request.node) as window:
        window.restore()
        yield window


def shift_drag(window: Dashboard, dx: float, dy: float) -> None:
    x, y = middle(window, "grad-cam")
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
    x, y = middle(deep, "grad-cam")
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
    x, y = middle(deep, "grad-cam")
    deep.page.mouse.move(x, y)
    deep.page.mouse.down()
    deep.page.mouse.move(x - 60, y + 30, steps=4)
    deep.page.mouse.up()
    np.testing.assert_array_equal(deep.pixels("grad-cam", "picture"), before)
