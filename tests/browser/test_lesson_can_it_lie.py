"""Lesson "Can a picture lie?" as a student does it: vote, reveal, forget, catch."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

import explain_core as xc
from components.lessons.lie_maps import round_of
from components.wording import percent
from explain_core.datasets.film_drawing import draw_pixels, picture
from tests.browser.dashboard import Dashboard

PATH = "/classroom?lesson=can-it-lie"
ROUND = 1
Opener = Callable[..., Dashboard]


def answers(findings: tuple[str, ...], markers: tuple[str, ...]) -> list[str]:
    """Return how sure either network is of an opacity."""
    film = picture(draw_pixels(ROUND, findings, (256, 256), markers))
    found = []
    for name in ("films", "films-confounded"):
        model = xc.load_model(name)
        probabilities = model.probabilities(model.predict(film))
        found.append(percent(float(probabilities[model.classes.index("opacity")])))
    return found


def expect_answers(window: Dashboard, wanted: list[str]) -> None:
    for number, text in enumerate(wanted, 1):
        said = re.compile(rf"Network {number}: shadow in the lung {re.escape(text)}")
        expect(window.page.get_by_text(said)).to_be_visible()


def peak(window: Dashboard, panel: str) -> tuple[float, float]:
    """Return where the map is brightest, as shares of the height and the width."""
    level = window.pixels(panel)[:, :, 0].astype(float)
    row, column = divmod(int(level.argmax()), level.shape[1])
    return row / level.shape[0], column / level.shape[1]


def test_vote_reveal_forget_catch(open_window: Opener) -> None:
    window = open_window(path=PATH)
    expect(window.panel("map-a")).to_contain_text("Map A")
    window.settle()
    letters = {name: letter for letter, name in round_of(ROUND).order.items()}
    window.press("2 Reveal")
    expect(window.page.get_by_text("Vote first, then see.")).to_be_visible()
    window.press(letters["edges"])
    warned = f"{letters['edges']} is an edge detector. It never asked the network."
    expect(window.page.get_by_text(warned)).to_be_visible()
    good = window.panel(f"map-{letters['layer-cam'].lower()}")
    expect(good).to_contain_text("Layer-CAM, made from the network")
    expect(window.page.get_by_role("cell", name="Deletion AUC ↓")).to_be_visible()
    window.settle()

    window.press("3 Forget")
    expect(window.panel("map-edges")).to_contain_text("the map as it is")
    window.settle()
    before = window.drawn()
    window.page.get_by_role("slider", name="Layers forgotten").focus()
    window.page.keyboard.press("End")
    expect(window.panel("map-edges")).to_contain_text("like the first map: 1.00")
    expect(window.page.get_by_text("Layer-CAM: changes")).to_be_visible()
    expect(window.page.get_by_text("Edge detector: does not care")).to_be_visible()
    window.settle()
    after = window.drawn()
    same = {name: after[name] == before[name] for name in before}
    assert same == {"map-layer-cam": False, "map-edges": True, "map-center-gaussian": True}

    window.press("4 Catch it")
    expect(window.panel("films-confounded")).to_be_visible()
    expect_answers(window, answers(("opacity",), ("opacity",)))
    window.settle()
    row, column = peak(window, "films-confounded")
    assert min(row, 1 - row) < 0.25
    assert min(column, 1 - column) < 0.25  # in a corner, where the marker is
    honest = peak(window, "films")
    assert 0.3 < honest[0] < 0.9
    window.page.get_by_text("Checkerboard mark in the corner").click()
    expect_answers(window, answers(("opacity",), ()))
    expect(window.page.get_by_text("The answer flips: Network 2")).to_be_visible()
    window.settle()
    window.page.get_by_text("The shadow in the lung", exact=True).click()
    window.page.get_by_text("Checkerboard mark in the corner").click()
    expect_answers(window, answers((), ("opacity",)))
    expect(window.page.get_by_text("Right about this film: Network 1.")).to_be_visible()
    expect(window.page.get_by_text("Network 2 reads the mark")).to_be_visible()
    expect(window.panel("films")).to_contain_text("It reports nothing")
    window.settle()
    most = {name: window.pixels(name)[:, :, 0].max() for name in ("films", "films-confounded")}
    assert most["films"] < 50 < 200 < most["films-confounded"]  # dark blue and yellow


def test_round_can_be_stepped_in_large_type(open_window: Opener) -> None:
    window = open_window(path=f"{PATH}&large-type=true", width=1280, height=800)
    expect(window.panel("map-a")).to_contain_text("Map A")
    window.page.get_by_test_id("stNumberInputStepUp").click()
    expect(window.page.get_by_text("air beside the lung")).to_be_visible()


def test_link_brings_a_step_back(open_window: Opener) -> None:
    steps = "can-it-lie-step=4+Catch+it&can-it-lie-marker=false&can-it-lie-round=1"
    window = open_window(path=f"{PATH}&{steps}", width=390, height=844)
    expect_answers(window, answers(("opacity",), ()))
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 391
