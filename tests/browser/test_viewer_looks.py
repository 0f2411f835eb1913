"""The live viewer in Chromium: colours, contours and scales, and the pictures that are saved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from components import colours
from tests.browser.viewing import SHOWN, number, saved

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

# ---- looks ----------------------------------------------------------------------------------


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
    window.page.get_by_text("Layer, bank and method settings").click()
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


# ---- export ---------------------------------------------------------------------------------


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
