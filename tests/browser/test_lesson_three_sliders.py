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
LETTERS = {"gamma": "γ", "p": "p", "lam": "λ"}
BAR_PX = 60  # the page's own, above what is scrolled
METHODS = {"gamma": "finer-grad-cam", "p": "guided-absolute-grad", "lam": "diffcam"}
Opener = Callable[..., Dashboard]


def opened(open_window: Opener, path: str = PATH, name: str = "gamma", **size: int) -> Dashboard:
    window = open_window(path=path, **size)
    expect(window.panel(METHODS[name])).to_be_visible()
    window.settle()
    return window


def words(window: Dashboard) -> Locator:
    """Return what stands below the guess: formula and verdict."""
    return window.widget("three-sliders-told")


def choose(window: Dashboard, name: str) -> None:
    window.press(LETTERS[name])
    expect(window.panel(METHODS[name])).to_be_visible()
    window.settle()


def guess(window: Dashboard, name: str, verb: str) -> None:
    window.press(verb)
    expect(window.slider(name)).to_be_visible()
    window.settle()


def link_of(window: Dashboard) -> dict[str, str]:
    query = parse_qs(urlsplit(window.page.url).query)
    return {name: texts[0] for name, texts in query.items()}


def expect_lit(window: Dashboard, *, is_lit: bool) -> None:
    expect(words(window).locator(".katex-html .underline")).to_have_count(int(is_lit))


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
    expect(words(window)).to_contain_text("Now slide γ to the right")
    passes = window.page.get_by_text("Network passes so far").inner_text()

    before = window.drawn()
    box = window.slider("gamma").bounding_box()
    assert box is not None
    at_left = (box["x"] + 8, box["y"] + box["height"] / 2)
    window.page.mouse.move(*at_left)
    window.page.mouse.down()
    num_sent = window.num_frames_sent
    for share in (0.3, 0.5, 0.7):
        window.page.mouse.move(box["x"] + share * box["width"], at_left[1], steps=3)
    assert window.drawn()["finer-grad-cam"] != before["finer-grad-cam"]
    assert window.num_frames_sent == num_sent
    window.page.mouse.up()

    expect_lit(window, is_lit=True)
    gamma = float(link_of(window)["three-sliders-gamma"])
    assert 1 < gamma < 2
    first, now = (lesson_maps["gamma"](value) for value in (0.0, gamma))
    told = f"The bright part was {half_area(first)} of the picture, now it is {half_area(now)}"
    expect(words(window)).to_contain_text(f"{told}: it shrank.")
    expect(words(window)).to_contain_text("Your guess holds")
    left = f"{100 * now.sum() / first.sum():.0f} % of its strength"
    expect(words(window)).to_contain_text(left)

    choose(window, "lam")
    expect_lit(window, is_lit=False)
    guess(window, "lam", "shrink")
    window.slider("lam").focus()
    window.page.keyboard.press("End")
    expect_lit(window, is_lit=True)
    expect(words(window)).to_contain_text("it grew")
    expect(words(window)).to_contain_text("You guessed otherwise")
    expect(words(window)).to_contain_text(half_area(lesson_maps["lam"](100.0)))
    expect(window.page.get_by_text(passes, exact=True)).to_be_visible()

    choose(window, "gamma")
    expect(window.slider("gamma")).to_have_attribute("aria-valuetext", f"{gamma:.2f}")
    expect(words(window)).to_contain_text(told)

    query = urlsplit(window.page.url).query
    other = opened(open_window, path=f"/classroom?{query}")
    expect(words(other)).to_contain_text(told)
    expect(other.slider("gamma")).to_have_attribute("aria-valuetext", f"{gamma:.2f}")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
@pytest.mark.parametrize("type_size", ["", "&large-type=true"])
def test_slider_map_and_lit_formula_are_on_one_screen(
    open_window: Opener, width: int, height: int, type_size: str
) -> None:
    moved = "three-sliders-slider=p&three-sliders-guess-p=shrink&three-sliders-p=85"
    path = f"{PATH}&{moved}{type_size}"
    window = opened(open_window, path=path, name="p", width=width, height=height)
    expect(window.slider("p")).to_be_visible()
    expect_lit(window, is_lit=True)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width + 1
    formula = words(window).locator(".katex-display .base").last
    slider, drawn = window.slider("p"), window.panel(METHODS["p"]).locator(".stage")
    boxes = [each.bounding_box() for each in (formula, slider, drawn)]
    tops = [box["y"] for box in boxes if box is not None]
    ends = [box["y"] + box["height"] for box in boxes if box is not None]
    assert len(tops) == 3
    assert max(ends) - min(tops) < height - BAR_PX
    if width > height:
        assert max(ends) < height
    box, outer = boxes[0], words(window).bounding_box()
    assert box is not None
    assert outer is not None
    assert box["x"] + box["width"] <= outer["x"] + outer["width"]
