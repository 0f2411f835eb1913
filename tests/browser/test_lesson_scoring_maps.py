"""Lesson "Scoring maps" as a student does it; the maps and scores are the core's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import explain_core as xc
from components import colours
from components.gauss_maps import text_of
from explain_core.datasets.gaussian_maps import Gaussian, gaussian_map, object_scorer
from tests.browser.dashboard import Dashboard

PATH = "/classroom?lesson=scoring-maps"
BEGUN = (Gaussian(30, 30, 12), Gaussian(62, 50, 30), Gaussian(80, 80, 20), Gaussian(10, 70, 40))
OPACITY = 0.6
READ_PIXELS = """canvas => {
  const { width, height } = canvas;
  return [width, height, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
}"""
Opener = Callable[..., Dashboard]


def figure(window: Dashboard, index: int) -> Locator:
    return window.page.locator(".gauss-maps figure").nth(index)


def link_of(window: Dashboard) -> str:
    return parse_qs(urlsplit(window.page.url).query).get("scoring-maps-maps", [""])[0]


def opened(open_window: Opener, gaussians: Sequence[Gaussian] = BEGUN, **size: int) -> Dashboard:
    window = open_window(path=f"{PATH}&scoring-maps-maps={text_of(gaussians)}", **size)
    expect(figure(window, 3)).to_be_visible()
    window.settle()
    figure(window, 0).scroll_into_view_if_needed()
    return window


def expect_maps(window: Dashboard, gaussians: Sequence[Gaussian]) -> None:
    """Compare every map's pixels with the core's map in the table's colours over the picture."""
    table = colours.lookup_table("Cividis").astype(float)
    picture = np.rint(object_scorer().pixels[0].numpy() * 255)[..., None]
    for index, gaussian in enumerate(gaussians):
        levels = np.rint(gaussian_map(gaussian).values * 255).astype(int)
        wanted = (1 - OPACITY) * picture + OPACITY * table[levels]
        width, height, data = figure(window, index).locator("canvas").evaluate(READ_PIXELS)
        drawn = np.array(data).reshape(height, width, 4)[..., :3]
        assert np.abs(drawn - wanted).max() <= 2.5, f"M{index + 1}"  # a level more or less


def expect_scores(window: Dashboard, gaussians: Sequence[Gaussian]) -> None:
    asked = {"rcap": {"lower_bound": 60.0, "interval": 20.0}, "deletion": {}, "insertion": {}}
    maps = {str(index): gaussian_map(each) for index, each in enumerate(gaussians)}
    found = xc.metrics.score_maps(object_scorer(), maps, asked, target=0)
    wanted = [[f"{score.value:.3f}" for score in row.values()] for row in found.values()]

    def shown() -> list[list[str]]:
        cells = [figure(window, index).locator("td").all_inner_texts() for index in range(4)]
        return [[each.removeprefix("● ") for each in row] for row in cells]

    window.until(lambda: shown() == wanted, f"scores {wanted}, not {shown()}")
    expect(window.page.locator(".gauss-maps")).not_to_have_class(re.compile("is-waiting"))


def drag(window: Dashboard, index: int, across: float, down: float) -> None:
    """Drag a map's centre to a place, and keep holding it."""
    box = figure(window, index).locator(".picture").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    window.page.mouse.move(*middle)
    window.page.mouse.down()
    place = (box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100)
    window.page.mouse.move(*place, steps=4)


def test_a_student_drags_a_map_until_it_makes_a_pair(open_window: Opener) -> None:
    window = opened(open_window)
    expect_maps(window, BEGUN)
    expect_scores(window, BEGUN)
    expect(window.page.get_by_text("No pair yet")).to_be_visible()
    expect(window.page.get_by_role("button", name="The paper’s four maps")).to_be_hidden()

    drag(window, 0, 62, 50)
    found = (Gaussian(62, 50, 12), *BEGUN[1:])
    expect_maps(window, found)
    expect_scores(window, found)  # while it is held
    assert link_of(window) == text_of(BEGUN)
    window.page.mouse.up()
    window.until(lambda: link_of(window) == text_of(found), "the pair in the link")
    expect(window.page.get_by_text("You found a pair: M1 and M2.")).to_be_visible()
    for index, is_in in enumerate((True, True, False, False)):
        shown = figure(window, index)
        assert ("in-pair" in (shown.get_attribute("class") or "")) == is_in

    window.page.get_by_text("Deletion uses only the order of the pixels.").click()
    expect(window.page.get_by_text("Yes. Both maps hide the pixels")).to_be_visible()
    expect_maps(window, found)
    window.page.get_by_role("button", name="The paper’s four maps").click()
    expect(figure(window, 3).locator(".where")).to_have_text("at 80, 80 · width 25")
    window.until(lambda: link_of(window).startswith("50-50-12_50-50-25"), "the paper's in the link")


def test_scores_that_read_the_same_are_best_together(open_window: Opener) -> None:
    maps = (Gaussian(29, 22, 39), Gaussian(78, 71, 20), Gaussian(95, 95, 12), Gaussian(95, 95, 20))
    window = opened(open_window, maps)
    deletions = [figure(window, index).locator("td").nth(1) for index in range(4)]
    expect(deletions[0]).to_have_text("● 0.346")
    expect(deletions[1]).to_have_text("● 0.346")
    for each in deletions[2:]:
        expect(each).not_to_contain_text("●")


def test_keys_and_slider_and_link(open_window: Opener) -> None:
    window = opened(open_window)
    figure(window, 2).locator(".picture").focus()
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown"):
        window.page.keyboard.press(key)
    window.page.keyboard.press("Tab")
    window.page.keyboard.press("End")
    moved = (*BEGUN[:2], Gaussian(84, 83, 40), BEGUN[3])
    expect_maps(window, moved)
    expect_scores(window, moved)
    window.until(lambda: link_of(window) == text_of(moved), "the maps in the link")
    other = opened(open_window, moved)
    expect_maps(other, moved)
    expect_scores(other, moved)


def test_a_finger_drags_a_map_on_a_phone(open_window: Opener) -> None:
    window = opened(open_window, width=390, height=844)
    client = window.page.context.new_cdp_session(window.page)
    client.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    picture = figure(window, 1).locator(".picture")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    scrolled = window.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [
            {"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y} for x, y in places
        ]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0.5, 0.5))
    for share in (0.4, 0.3, 0.2):
        touch("touchMove", (share, share))
    touch("touchEnd")
    window.until(lambda: link_of(window) != text_of(BEGUN), "the map in the link")
    across, down, width = (int(each) for each in link_of(window).split("_")[1].split("-"))
    assert (across, down, width) == (pytest.approx(20, abs=1), pytest.approx(20, abs=1), 30)
    now = window.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    assert now == scrolled
