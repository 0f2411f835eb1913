"""Lesson "γ, p, λ" as a student does it: guess, slide, see whether the guess held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import explain_core as xc
from components.wording import percent
from explain_core.references.banks import banks_of
from explain_core.types import Array
from tests.browser.dashboard import Dashboard

SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "digits"
PATH = "/classroom?lesson=three-sliders"
METHODS = {"gamma": "finer-grad-cam", "p": "guided-absolute-grad", "lam": "diffcam"}
Opener = Callable[..., Dashboard]


def opened(open_window: Opener, path: str = PATH, **size: int) -> Dashboard:
    window = open_window(path=path, **size)
    expect(window.panel("diffcam")).to_be_visible()
    window.settle()
    return window


def card(window: Dashboard, name: str) -> Locator:
    return window.widget(f"three-sliders-card-{name}")


def guess(window: Dashboard, name: str, verb: str) -> None:
    card(window, name).get_by_role("radio", name=verb, exact=True).click()
    expect(window.slider(name)).to_be_visible()
    window.settle()


def link_of(window: Dashboard) -> dict[str, str]:
    query = parse_qs(urlsplit(window.page.url).query)
    return {name: texts[0] for name, texts in query.items()}


def expect_lit(window: Dashboard, name: str) -> None:
    """Wait until the term of one slider alone is lit."""
    for each in METHODS:
        expect(card(window, each).locator(".katex-html .underline")).to_have_count(
            int(each == name)
        )


@pytest.fixture(scope="module")
def lesson_maps() -> dict[str, Callable[[float], Array]]:
    """Give each slider's map of the first picture, rendered by the core."""
    model = xc.load_model("digits")
    bank = banks_of(model)[0]
    image = xc.read_image(SAMPLES / "seven-like-one.png")
    references = {"gamma": [1], "p": None, "lam": bank.reference_set((1,))}

    def drawn(name: str) -> Callable[[float], Array]:
        basis = xc.prepare(
            model,
            image,
            method=METHODS[name],
            target=7,
            references=references[name],
            layer=bank.layer,
        )
        return lambda value: np.maximum(xc.render(basis, **{name: value}).values, 0)  # type: ignore[arg-type]

    return {name: drawn(name) for name in METHODS}


def half_area(values: Array) -> str:
    falling = np.sort(values, axis=None)[::-1].astype(np.float64)
    return percent(float(np.sum(np.cumsum(falling) < falling.sum() / 2) + 1) / falling.size)


def test_guess_then_slide(
    open_window: Opener, lesson_maps: dict[str, Callable[[float], Array]]
) -> None:
    window = opened(open_window)
    expect(window.page.locator(".controls input")).to_have_count(0)
    guess(window, "gamma", "shrink")
    expect(window.page.locator(".controls input")).to_have_count(1)
    expect(card(window, "gamma")).to_contain_text("Now slide γ to the right")

    before = window.drawn()
    box = window.slider("gamma").bounding_box()
    assert box is not None
    at_left = (box["x"] + 8, box["y"] + box["height"] / 2)
    window.page.mouse.move(*at_left)
    window.page.mouse.down()
    num_sent = window.num_frames_sent
    for share in (0.3, 0.5, 0.7):
        window.page.mouse.move(box["x"] + share * box["width"], at_left[1], steps=3)
    moved = window.drawn()
    assert moved["finer-grad-cam"] != before["finer-grad-cam"]
    assert moved["diffcam"] == before["diffcam"]
    assert window.num_frames_sent == num_sent
    window.page.mouse.up()

    expect_lit(window, "gamma")
    gamma = float(link_of(window)["three-sliders-gamma"])
    assert 1 < gamma < 2
    first, now = (lesson_maps["gamma"](value) for value in (0.0, gamma))
    told = f"Half of it lay on {half_area(first)} of the picture, now on {half_area(now)}"
    expect(card(window, "gamma")).to_contain_text(f"{told}: it shrank.")
    expect(card(window, "gamma")).to_contain_text("Your guess holds")
    left = f"{100 * now.sum() / first.sum():.0f} % of its strength"
    expect(card(window, "gamma")).to_contain_text(left)

    guess(window, "lam", "shrink")
    window.slider("lam").focus()
    window.page.keyboard.press("End")
    expect_lit(window, "lam")
    expect(card(window, "lam")).to_contain_text("it grew")
    expect(card(window, "lam")).to_contain_text("You guessed otherwise")
    expect(card(window, "lam")).to_contain_text(half_area(lesson_maps["lam"](100.0)))

    query = urlsplit(window.page.url).query
    other = opened(open_window, path=f"/classroom?{query}")
    expect_lit(other, "lam")
    expect(other.slider("gamma")).to_have_attribute("aria-valuetext", f"{gamma:.2f}")
    expect(card(other, "gamma")).to_contain_text(told)
    expect(other.slider("p")).to_have_count(0)


def test_a_phone_shows_all_of_it(open_window: Opener) -> None:
    path = f"{PATH}&three-sliders-guess-p=shrink"
    window = opened(open_window, path=path, width=390, height=844)
    expect(window.slider("p")).to_be_visible()
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width == pytest.approx(390, abs=1)
    for name in METHODS:
        formula = card(window, name).locator(".katex-display .base").last
        box, outer = formula.bounding_box(), card(window, name).bounding_box()
        assert box is not None
        assert outer is not None
        assert box["x"] + box["width"] <= outer["x"] + outer["width"]
