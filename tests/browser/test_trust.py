"""Scores and tests of maps as a person asks for them, in Chromium: one window, one walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

FINER, GRAD = "Finer-CAM (Grad-CAM)", "Grad-CAM"


def test_scores_and_verdicts_are_those_of_the_maps_as_they_are_set(window: Dashboard) -> None:
    page = window.page
    expect(page.get_by_text("Scores", exact=True)).to_have_count(0)

    # scored on demand
    page.get_by_role("button", name="Score these maps").click()
    window.settle()
    scores = page.locator("[data-testid=stMarkdownContainer]", has_text="RCAP ↑")
    expect(scores).to_have_count(4)
    expect(page.get_by_role("button", name="Score these maps")).to_have_count(0)
    finer, grad = scores.filter(has_text=FINER), scores.nth(2)
    expect(grad).to_contain_text("Beats the controls")
    first, other = finer.inner_text(), grad.inner_text()

    # a slider outdates what it moves, and nothing else
    window.slider("gamma").focus()
    page.keyboard.press("End")
    expect(finer).to_contain_text("scored at γ = 0.60")
    expect(finer).not_to_contain_text("Beats the controls")
    assert grad.inner_text() == other

    # one click, and they are those of the map again
    page.get_by_role("button", name="Score again").click()
    expect(finer).to_contain_text("Beats the controls")
    expect(finer).not_to_contain_text("scored at")
    assert finer.inner_text() != first
    window.settle()

    # the test of one map, in steps
    before = window.drawn()
    page.get_by_text("Can a map be trusted?").click()
    panel = window.widget("trust-panel")
    expect(panel.get_by_text("Four questions to one map")).to_be_visible()
    window.settle()
    box = panel.get_by_role("combobox")
    window.pick(box, page.get_by_role("option", name=GRAD, exact=True))
    expect(box).to_have_value(GRAD)
    window.settle()
    panel.get_by_role("button", name="Test it").click()
    expect(panel.get_by_text("With a little noise —")).to_be_visible()
    window.settle()
    expect(panel.get_by_text("Against the controls —")).to_be_visible()
    expect(panel.get_by_text("it depends on what the network learned")).to_be_visible()
    expect(panel.get_by_text("All of this is of one picture")).to_be_visible()
    plots = panel.locator(".js-plotly-plot")
    expect(plots).to_have_count(5)
    expect(plots.first.locator(".legend")).to_contain_text("edges")
    stages = window.widget("gallery-trust-weights-maps").locator("img")
    expect(stages).to_have_count(8)
    assert stages.evaluate_all("all => all.every(each => each.naturalWidth > 0)")

    # it has changed nothing above
    assert window.drawn() == before
