"""The live viewer in Chromium: a parameter with choices, here how several references combine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from playwright.sync_api import Locator, expect

from explain_core.methods.settings import AGGREGATION
from tests.browser.viewing import num_draws, quiet

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

AVERAGE, MAXIMUM, AFTER = AGGREGATION.choices
METHOD = "finer-grad-cam"


def control(window: Dashboard) -> Locator:
    return window.page.locator(".controls [data-parameter=aggregation]")


def option(window: Dashboard, name: str) -> Locator:
    return control(window).get_by_role("radio", name=name, exact=True)


def test_every_choice_is_offered_and_the_default_is_set(same_window: Dashboard) -> None:
    radios = control(same_window).get_by_role("radio")
    assert [each.get_attribute("value") for each in radios.all()] == list(AGGREGATION.choices)
    expect(option(same_window, AVERAGE)).to_be_checked()


def test_a_choice_drives_only_the_panels_that_know_it(same_window: Dashboard) -> None:
    before, draws = same_window.drawn(), num_draws(same_window)
    option(same_window, MAXIMUM).check(force=True)
    after = same_window.drawn()
    assert num_draws(same_window) > draws
    assert {name for name in after if after[name] != before[name]} == {METHOD}


def test_arrow_keys_move_the_choice(same_window: Dashboard) -> None:
    option(same_window, AVERAGE).focus()
    same_window.page.keyboard.press("ArrowRight")
    expect(option(same_window, MAXIMUM)).to_be_checked()
    same_window.page.keyboard.press("ArrowRight")
    expect(option(same_window, AFTER)).to_be_checked()


def test_the_choice_is_told_to_python(same_window: Dashboard) -> None:
    before = same_window.values(METHOD)
    option(same_window, AVERAGE).focus()
    same_window.page.keyboard.press("ArrowRight")
    after = same_window.values(METHOD)
    assert (after >= before - 1e-6 * np.nanmax(before))[np.isfinite(before)].all()
    assert not np.array_equal(after, before, equal_nan=True)


def test_the_choice_stands_below_the_map(same_window: Dashboard) -> None:
    foot = same_window.panel(METHOD).locator(".foot")
    expect(foot).to_contain_text(AVERAGE)
    option(same_window, AFTER).check(force=True)
    expect(foot).to_contain_text(AFTER)
    quiet(same_window)


def test_a_choice_that_no_panel_follows_is_off(same_window: Dashboard) -> None:
    same_window.panel(METHOD).get_by_role("button", name="Own sliders").click()
    expect(option(same_window, AVERAGE)).to_be_disabled()
    own = same_window.panel(METHOD).locator(".own [data-parameter=aggregation]")
    own.get_by_role("radio", name=AFTER, exact=True).check(force=True)
    expect(option(same_window, AVERAGE)).to_be_checked()
