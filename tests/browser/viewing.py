"""What tests of the live viewer share: where things are, and how they are moved."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Locator

from explain_core import METHODS
from tests.browser.dashboard import TRIES

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard

SHOWN = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SIDE = 280  # of a sample
FIRST_SAMPLE = "A 3 that is almost an 8"
DEBOUNCE_MS = 400
SUPERSCRIPTS = {
    ord(raised): plain for raised, plain in zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True)
}


def number(text: str) -> float:
    """Read a number as legends write it: "0.0123", "−3", "1.8 · 10⁻³"."""
    text = text.strip().replace("−", "-")
    found = re.fullmatch(r"(?:(-?[\d.]+) · )?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
    if found is None:
        return float(text)
    return float(found[1] or 1) * 10 ** int(found[2].translate(SUPERSCRIPTS))


def box_of(stage: Locator) -> dict[str, float]:
    """Bring a stage wholly into view and return where it lies in the window."""
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    return dict(box)


def point(window: Dashboard, method: str, x: float, y: float) -> None:
    """Put the mouse at a share of a panel's picture."""
    box = box_of(window.panel(method).locator(".stage"))
    window.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def middle(window: Dashboard, method: str) -> tuple[float, float]:
    """Return where the middle of a panel's picture lies in the window."""
    box = box_of(window.panel(method).locator(".stage"))
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def views(window: Dashboard) -> list[list[float]]:
    """Return each panel's zoom and pan as (a, b, c, d, e, f) of its transform."""
    found = window.page.locator("figure[data-panel] .world").evaluate_all(
        "all => all.map(each => getComputedStyle(each).transform)"
    )
    return [
        [float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", text.partition("(")[2])]
        or [1, 0, 0, 1, 0, 0]
        for text in found
    ]


def expect_linked(window: Dashboard) -> list[float]:
    first, *others = views(window)
    for other in others:
        assert other == pytest.approx(first, abs=0.5)
    return first


def quiet(window: Dashboard) -> None:
    """Wait until what was released has been answered."""
    window.page.wait_for_timeout(DEBOUNCE_MS)
    window.settle()


def viewer(window: Dashboard) -> Locator:
    return window.page.locator(".viewer")


def num_draws(window: Dashboard) -> int:
    return int(viewer(window).get_attribute("data-draws") or 0)


def choose_methods(window: Dashboard, names: list[str], before: Sequence[str] = SHOWN) -> None:
    """Show these methods, and only these, in the place of those shown before."""
    area = window.widget("methods-bank")
    for name in names:
        if name not in before:
            title = METHODS[name].title
            for _ in range(TRIES):  # a rerun that is under way may drop what was clicked
                window.choose("methods-bank", title)
                window.page.keyboard.press("Escape")
                window.settle()
                if area.get_by_role("button", name=f"Remove {title}", exact=True).count():
                    break
            window.panel(name).wait_for()
    for name in before:
        if name not in names:
            title = METHODS[name].title
            area.get_by_role("button", name=f"Remove {title}", exact=True).click()
            window.panel(name).wait_for(state="detached")
    window.expect_panels(len(names))


def choose_first_sample(window: Dashboard) -> None:
    """Put back the picture of the first maps, after another one of its own session."""
    window.choose("sample", FIRST_SAMPLE)
    window.expect_prediction("3")
    window.expect_panels(4)


def held(path: Any) -> PIL.Image.Image:
    picture = PIL.Image.open(path)
    picture.load()
    return picture


def upload(window: Dashboard, name: str, pixels: np.ndarray) -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    window.page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
    )


def saved(window: Dashboard, button: Locator) -> tuple[str, np.ndarray]:
    with window.page.expect_download() as caught:
        button.click()
    return caught.value.suggested_filename, np.asarray(
        held(caught.value.path()).convert("RGB")
    ).astype(int)
