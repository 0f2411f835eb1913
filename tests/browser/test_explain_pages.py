"""Sessions of the Explain page in Chromium: what they keep, on other pages and of other models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.viewing import choose_first_sample, upload

if TYPE_CHECKING:
    from tests.browser.conftest import LastingWindow, Lender
    from tests.browser.dashboard import Dashboard


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


# ---- other pages ----------------------------------------------------------------------------


def there_and_back(window: Dashboard, num_panels: int = 4) -> None:
    window.page.get_by_role("link", name="Models").click()
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    window.page.get_by_role("link", name="Explain").click()
    window.expect_panels(num_panels)


def test_switching_pages_keeps_question_and_values(same_window: Dashboard) -> None:
    same_window.choose("sample", "A 4 like a 9")
    same_window.expect_prediction("4")
    same_window.press("Why not")
    expect(same_window.page.get_by_role("heading", name="Why 4 and not")).to_be_visible()
    same_window.expect_panels(4)
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    expect(same_window.panel("finer-grad-cam").locator(".foot")).to_contain_text("γ = 2.00")
    same_window.settle()
    title = same_window.page.get_by_role("heading", level=1).inner_text()
    before, num_passes = same_window.drawn(), same_window.passes()
    there_and_back(same_window)
    expect(same_window.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    assert same_window.drawn() == before
    expect(same_window.slider("gamma")).to_have_attribute("aria-valuetext", "2.00")
    assert same_window.passes() == num_passes
    same_window.press("Why this")
    choose_first_sample(same_window)


def test_switching_pages_keeps_the_looks(same_window: Dashboard) -> None:
    same_window.look("opacity").focus()
    same_window.page.keyboard.press("End")
    same_window.page.get_by_role("combobox", name="Colours").select_option("Inferno")
    for each in ("Both", "Shared", "For and against"):
        same_window.press(each)
    same_window.settle()
    before = same_window.drawn()
    there_and_back(same_window)
    assert same_window.drawn() == before
    expect(same_window.look("opacity")).to_have_value("100")
    for each in ("Both", "Shared", "For and against"):
        expect(same_window.page.get_by_role("radio", name=each, exact=True)).to_be_checked()


def test_switching_pages_keeps_a_panels_own_sliders(same_window: Dashboard) -> None:
    panel = same_window.panel("finer-grad-cam")
    panel.get_by_role("button", name="Own sliders").click()
    panel.get_by_role("slider").first.focus()
    same_window.page.keyboard.press("End")
    expect(panel.locator(".foot")).to_contain_text("γ = 2.00")
    same_window.settle()
    there_and_back(same_window)
    expect(panel.locator(".foot")).to_contain_text("γ = 2.00")
    expect(same_window.slider("gamma")).to_have_attribute("aria-valuetext", "0.60")


def test_downloads_agree_with_the_page_after_switching_pages(same_window: Dashboard) -> None:
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("Home")
    same_window.settle()
    there_and_back(same_window)
    same_window.page.wait_for_timeout(300)
    same_window.settle()
    base = same_window.values("grad-cam")
    np.testing.assert_allclose(same_window.values("finer-grad-cam"), base, atol=1e-6 * base.max())


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


# ---- other models ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lasting_chooser(lasting: Lender) -> LastingWindow:
    return lasting(lambda window: window.expect_panels(4))


@pytest.fixture
def chooser(lasting_chooser: LastingWindow, request: pytest.FixtureRequest) -> Iterator[Dashboard]:
    """Give a window in which models are chosen, the digits model at first."""
    with lasting_chooser.lent(request.node) as window:
        window.choose("model", "digits")
        window.expect_panels(4)
        yield window


def test_the_chosen_model_is_shown_on_the_models_page(chooser: Dashboard) -> None:
    chooser.choose("model", "thousand")
    expect(chooser.page.get_by_text("Give a picture on the left")).to_be_visible()
    chooser.page.get_by_role("link", name="Models").click()
    expect(chooser.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(chooser.page.get_by_text("1,000", exact=True)).to_be_visible()
    chooser.page.get_by_role("link", name="Explain").click()
    expect(chooser.page.get_by_role("combobox", name="Model")).to_have_value("thousand")


def test_a_thousand_classes_are_searched_by_name(chooser: Dashboard) -> None:
    chooser.choose("model", "thousand")
    upload(chooser, "photo.png", np.full((420, 300, 3), 90, np.uint8))
    expect(chooser.page.get_by_text("Network passes in this session")).to_be_visible()
    chooser.settle()
    target = chooser.page.get_by_role("combobox", name="Class to explain")
    target.click()
    target.fill("zebra")
    chooser.page.get_by_role("option").filter(has_text="zebra").click()
    expect(chooser.page.get_by_role("heading", name="Why zebra")).to_be_visible()


def test_weights_that_are_missing_are_explained_and_digits_works_again(chooser: Dashboard) -> None:
    model = chooser.page.get_by_role("combobox", name="Model")
    model.click()
    model.fill("torchvision/resnet18")
    chooser.page.get_by_role("option").filter(has_text="torchvision/resnet18").first.click()
    message = chooser.page.get_by_test_id("stAlert").filter(has_text="resnet18-f37072fd.pth")
    expect(message).to_be_visible()
    chooser.choose("model", "digits")
    chooser.expect_panels(4)
    expect(message).to_have_count(0)
