"""What fits into the window, in both themes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

SIZES = ((1280, 900), (1920, 1080))
# Elements that stick out of the window or of the scrolled part of the page.
STICKING_OUT = """() => {
  const main = document.querySelector('[data-testid=stMain]');
  const sides = [document.documentElement, document.body, main];
  return sides.filter(each => each.scrollWidth > each.clientWidth + 1)
    .map(each => `${each.tagName} ${each.scrollWidth} > ${each.clientWidth}`);
}"""


def test_nothing_scrolls_sideways(window: Dashboard) -> None:
    for heading in ("", "References", "Evaluate", "Models"):
        if heading:
            window.page.get_by_role("link", name=heading).click()
            expect(window.page.get_by_role("heading", name=heading, level=1)).to_be_visible()
            window.settle()
        for scheme, (width, height) in itertools.product(("light", "dark"), SIZES):
            window.page.emulate_media(color_scheme=scheme)
            window.page.set_viewport_size({"width": width, "height": height})
            window.until(lambda: window.page.evaluate(STICKING_OUT) == [], f"{heading} fits")


def test_the_theme_follows_the_system(open_window: Callable[..., Dashboard]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        window = open_window(scheme=scheme, path="/models")
        colour = window.page.get_by_test_id("stApp").evaluate(
            "each => getComputedStyle(each).backgroundColor"
        )
        grounds[scheme] = int(colour.removeprefix("rgb(").split(",")[0])
    assert grounds["light"] > 200
    assert grounds["dark"] < 60


def test_a_request_that_would_leave_this_machine_is_noticed_and_fails(
    open_window: Callable[..., Dashboard],
) -> None:
    window = open_window(path="/models")
    address = "http://192.0.2.1/outside"  # an address for documentation
    asked = "address => fetch(address).then(() => 'answered', () => 'failed')"
    assert window.page.evaluate(asked, address) == "failed"
    assert window.outside == [address]
    window.outside.clear()


def test_the_models_page_opens_at_its_own_address(open_window: Callable[..., Dashboard]) -> None:
    window = open_window(path="/models")
    expect(window.page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(window.page.get_by_text("Layers that can be explained")).to_be_visible()


def test_a_page_opened_first_by_its_own_address_is_in_the_navigation(
    open_fresh_window: Callable[..., Dashboard],
) -> None:
    window = open_fresh_window(path="/references")
    expect(window.page.get_by_role("heading", name="References")).to_be_visible()
    expect(window.page.get_by_role("link", name="Explain")).to_be_visible()
    assert window.page.url.endswith("/references")
