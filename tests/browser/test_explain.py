"""The Explain page as a person uses it, in Chromium: the first maps, sliders, downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import expect

from tests.browser.viewing import SHOWN

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

# ---- the first picture ---------------------------------------------------------------------


def test_the_first_picture_has_four_maps_with_title_legend_and_foot(same_window: Dashboard) -> None:
    same_window.expect_prediction("3")
    titles = ["DiffCAM", "Finer-CAM (Grad-CAM)", "Grad-CAM", "Guided AbsoluteGrad"]
    feet = ["λ = 10⁻³", "γ = 0.60", "layer features.5", "p = 85"]
    for method, title, foot in zip(SHOWN, titles, feet, strict=True):
        panel = same_window.panel(method)
        expect(panel.get_by_text(title, exact=True)).to_be_visible()
        expect(panel.locator(".legend .bar")).to_be_visible()
        expect(panel.locator(".foot")).to_contain_text(foot)
        assert panel.locator(".stage").bounding_box()["width"] > 150
        assert same_window.pixels(method, "picture").shape == (280, 280, 4)
        assert same_window.pixels(method)[..., 3].any()


# ---- sliders -------------------------------------------------------------------------------

SLIDERS = [("gamma", "finer-grad-cam"), ("lam", "diffcam"), ("p", "guided-absolute-grad")]


@pytest.mark.parametrize(("parameter", "moved"), SLIDERS)
def test_a_slider_moved_by_keyboard_changes_its_own_map_without_the_network(
    same_window: Dashboard, parameter: str, moved: str
) -> None:
    before, num_passes = same_window.drawn(), same_window.passes()
    same_window.slider(parameter).focus()
    same_window.page.keyboard.press("PageUp")
    same_window.expect_changed(moved, before[moved])
    same_window.page.wait_for_timeout(300)
    same_window.settle()
    after = same_window.drawn()
    assert [method for method in SHOWN if after[method] != before[method]] == [moved]
    assert same_window.passes() == num_passes


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


def test_sliders_can_be_reached_by_tab(same_window: Dashboard) -> None:
    same_window.widget("methods-bank").get_by_role("combobox").focus()
    wanted = {"lam", "gamma", "p", "opacity", "top"}
    reached = set()
    for _ in range(40):
        same_window.page.keyboard.press("Tab")
        focused = same_window.page.evaluate(
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


def test_a_downloaded_npy_has_the_values_of_the_slider_as_released(same_window: Dashboard) -> None:
    """At γ = 0 Finer-CAM is its base."""
    before = same_window.values("finer-grad-cam")
    base = same_window.values("grad-cam")
    assert not np.allclose(before, base)
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("Home")
    expect(same_window.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 0.00")
    same_window.page.wait_for_timeout(300)
    same_window.settle()
    np.testing.assert_allclose(same_window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


def test_a_downloaded_npy_has_the_values_of_the_panels_own_slider(same_window: Dashboard) -> None:
    panel = same_window.panel("finer-grad-cam")
    panel.get_by_role("button", name="Own sliders").click()
    panel.get_by_role("slider").first.focus()
    same_window.page.keyboard.press("Home")
    expect(panel.locator(".foot")).to_contain_text("γ = 0.00")
    same_window.page.wait_for_timeout(300)
    same_window.settle()
    base = same_window.values("grad-cam")
    np.testing.assert_allclose(same_window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


def test_a_downloaded_npy_is_signed_where_the_map_is(same_window: Dashboard) -> None:
    same_window.press("For and against")
    expect(same_window.panel("diffcam").locator(".legend")).to_contain_text("has less")
    same_window.page.wait_for_timeout(300)
    same_window.settle()
    assert same_window.values("diffcam").min() < 0
    assert same_window.values("guided-absolute-grad").min() >= 0
