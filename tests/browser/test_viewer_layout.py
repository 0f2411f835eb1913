"""The live viewer in Chromium: panels in narrow windows, contrast, and screen readers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from explain_core import METHODS
from tests.browser.viewing import SHOWN, choose_methods, quiet, viewer

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

# ---- layout ---------------------------------------------------------------------------------


PANELS = [
    ["diffcam"],
    ["diffcam", "finer-grad-cam"],
    SHOWN,
    [*SHOWN, "layer-cam", "finer-layer-cam", "vanilla-gradient", "smooth-grad"],
]


def test_panels_fit_side_by_side(window: Dashboard) -> None:
    chosen = SHOWN
    for wanted in PANELS:
        choose_methods(window, wanted, chosen)
        chosen = wanted
        for width, height in ((1280, 900), (1920, 1080)):
            window.page.set_viewport_size({"width": width, "height": height})
            window.until(
                lambda names=wanted, size=(width, height): fits(window, names, *size),
                f"{len(wanted)} panels fit into {width} × {height}",
            )


def fits(window: Dashboard, methods: list[str], width: int, height: int) -> bool:
    """Return whether panels are of one size, wholly in view, in as few rows as can be."""
    boxes = [window.panel(method).locator(".stage").bounding_box() for method in methods]
    out = window.page.get_by_test_id("stMain").evaluate(
        "each => each.scrollWidth - each.clientWidth"
    )
    return (
        len({round(box["width"]) for box in boxes}) == 1
        and boxes[0]["width"] >= 180
        and max(box["x"] + box["width"] for box in boxes) <= width - 10
        and max(box["height"] for box in boxes) <= height - 150
        and len({round(box["y"]) for box in boxes}) <= (1 if len(methods) <= 4 else 2)
        and out <= 1
    )


CONTRAST = """element => {
  const parse = (text) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], a: a / 255 };
  };
  let ground = [255, 255, 255];
  let alpha = 1;
  for (let at = element; at; at = at.parentElement ?? at.getRootNode().host ?? null) {
    alpha *= Number(getComputedStyle(at).opacity);
  }
  for (let at = element; at; at = at.parentElement ?? at.getRootNode().host ?? null) {
    const { rgb, a } = parse(getComputedStyle(at).backgroundColor);
    if (a === 1) { ground = rgb; break; }
  }
  const text = parse(getComputedStyle(element).color);
  const share = alpha * text.a;
  const mixed = text.rgb.map((each, i) => share * each + (1 - share) * ground[i]);
  const light = (rgb) => rgb.map((each) => {
    const s = each / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);
  const [low, high] = [light(mixed), light(ground)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""


PARTS = (
    ".legend .row:nth-of-type(2) span",
    ".legend .row:last-child span",
    ".foot",
    ".subtitle",
    "figcaption strong",
    ".tools button",
    ".buttons button",
    ".controls .name",
    ".controls .value",
    ".choice legend",
    ".choice input:checked + span",
    ".choice input:not(:checked) + span",
    ".looks select",
)


def is_dark(window: Dashboard) -> bool:
    colour = window.page.get_by_test_id("stApp").evaluate(
        "each => getComputedStyle(each).backgroundColor"
    )
    return int(colour.removeprefix("rgb(").split(",")[0]) < 128


def weak_parts(window: Dashboard) -> dict[str, float]:
    """Return the contrast of each part whose text stands out less than WCAG's AA asks."""
    contrasts = {
        part: window.page.locator(f".viewer {part}").first.evaluate(CONTRAST) for part in PARTS
    }
    return {part: round(each, 2) for part, each in contrasts.items() if each < 4.5}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_ground(same_window: Dashboard, scheme: str) -> None:
    same_window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    same_window.until(lambda: is_dark(same_window) == (scheme == "dark"), f"the page is {scheme}")
    quiet(same_window)
    weak = weak_parts(same_window)
    same_window.page.emulate_media(color_scheme="light")
    assert weak == {}


# ---- screen readers -------------------------------------------------------------------------


def test_every_control_has_a_name(same_window: Dashboard) -> None:
    same_window.page.get_by_role("button", name="Swipe two").click()
    nameless = viewer(same_window).evaluate(
        """root => [...root.querySelectorAll("input, select, button")].filter((each) => {
          const label = [...each.labels].map((one) => one.textContent).join("");
          return !(each.getAttribute("aria-label") || label || each.textContent).trim();
        }).map((each) => each.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize("name", ["Drawing", "Scale", "Evidence", "View"])
def test_choices_are_named_groups(same_window: Dashboard, name: str) -> None:
    expect(same_window.page.get_by_role("group", name=name, exact=True)).to_be_visible()


def test_a_map_says_what_it_shows(same_window: Dashboard) -> None:
    for method in SHOWN:
        stage = same_window.panel(method).locator(".stage")
        expect(stage).to_have_attribute("aria-label", re.compile(METHODS[method].title[:4]))
        expect(stage).to_have_attribute("aria-label", re.compile("values up to"))


def test_a_legend_is_read_out(same_window: Dashboard) -> None:
    legend = same_window.panel("diffcam").locator(".legend")
    expect(legend).to_have_attribute("aria-label", re.compile(r"Colours from 0, none, to .+ scale"))


def test_the_sliders_are_a_named_group_with_values_in_words(same_window: Dashboard) -> None:
    group = same_window.page.get_by_role("group", name="Sliders")
    expect(group).to_be_visible()
    expect(same_window.slider("lam")).to_have_attribute("aria-valuetext", "10⁻³")


def test_panels_can_be_reached_by_tab(same_window: Dashboard) -> None:
    for method in SHOWN:
        expect(same_window.panel(method).locator(".stage")).to_have_attribute("tabindex", "0")
