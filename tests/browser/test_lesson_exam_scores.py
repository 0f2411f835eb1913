"""Lesson "Two exam scores" as a student does it; the arrows are the closed forms, in numpy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from explain_core.datasets.exam_scores import exam_scores, fit_boundary
from explain_core.types import Array
from tests.browser.dashboard import Dashboard

CLASS = 4
STUDENTS = exam_scores(CLASS)
BOUNDARY = fit_boundary(STUDENTS)
PASSED = STUDENTS.scores[STUDENTS.has_passed]
PATH = f"/classroom?exam-scores-class={CLASS}"
LENGTH = 20
Opener = Callable[..., Dashboard]


def plane(window: Dashboard) -> Locator:
    return window.page.locator(".exam-plane")


def place_of_x(window: Dashboard) -> Array:
    """Return where x is drawn, as (reading, writing)."""
    text = window.page.locator(".exam-plane .x").get_attribute("transform") or ""
    left, top = (float(each) for each in re.findall(r"-?[\d.]+", text))
    return np.array([100 - top, left])


def arrow(window: Dashboard, name: str) -> tuple[Array, Array, Array]:
    """Return an arrow's start, its step and the numbers that it stands for."""
    found = window.page.locator(f".exam-plane .arrow.{name}")
    start = [float(found.locator("line").get_attribute(each) or 0) for each in ("x1", "y1")]
    points = found.locator("polygon").get_attribute("points") or ""
    tip = [float(each) for each in points.split(" ")[0].split(",")]
    step = np.array([start[1] - tip[1], tip[0] - start[0]])
    vector = np.array(json.loads(found.get_attribute("data-vector") or "[]"))
    return np.array([100 - start[1], start[0]]), step, vector


def diffcam(place: Array, group: Array, lam: float) -> Array:
    """Solve (S + λI) w = x - mean, eq. 6, with λ in units of the scatter's mean eigenvalue."""
    centred = group - group.mean(axis=0)
    scatter = centred.T @ centred
    unit = np.trace(scatter) / 2
    return np.linalg.solve(scatter + lam * unit * np.eye(2), place - group.mean(axis=0))


def unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def expect_closed_forms(window: Dashboard, place: Array, group: Array, lam: float) -> None:
    """Compare all three arrows, their numbers and what is said of them."""
    weight, bias = BOUNDARY.weight, BOUNDARY.bias
    nearest = -(weight @ place + bias) / (weight @ weight) * weight
    against = diffcam(place, group, lam)
    wanted = {
        "grad-cam": (weight, LENGTH * unit(weight)),
        "counterfactual": (nearest, nearest),
        "diffcam": (against, -LENGTH * unit(against)),
    }
    np.testing.assert_allclose(place_of_x(window), place, atol=1e-6)
    for name, (numbers, step) in wanted.items():
        start, drawn, vector = arrow(window, name)
        np.testing.assert_allclose(start, place, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(vector, numbers, rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(drawn, step, atol=1e-5, err_msg=name)
    apart = np.degrees(np.arccos(unit(weight) @ unit(-against)))
    said = window.page.locator(".exam-plane .angle").inner_text()
    assert re.findall(r"(\d+)°", said) == [f"{apart:.0f}"]
    assert ("nearly agree" in said) == (apart < 10)
    words = window.page.locator(".exam-plane .counterfactual-words").inner_text()
    assert words.startswith(f"{np.linalg.norm(nearest):.1f} points")


def on_screen(window: Dashboard, place: Array) -> tuple[float, float]:
    """Return where a place of the plane lies in the window."""
    corner = "svg => { const m = svg.getScreenCTM(); return [m.a, m.e, m.f]; }"
    scale, left, top = window.page.locator(".exam-plane > svg").evaluate(corner)
    return left + scale * place[1], top + scale * (100 - place[0])


def link_of(window: Dashboard) -> dict[str, str]:
    query = parse_qs(urlsplit(window.page.url).query)
    return {name: texts[0] for name, texts in query.items()}


def expect_link(window: Dashboard, name: str, text: str) -> None:
    window.until(lambda: link_of(window).get(f"exam-scores-{name}") == text, f"{name} in the link")


def opened(open_window: Opener, path: str = PATH, **size: int) -> Dashboard:
    window = open_window(path=path, **size)
    expect(plane(window).locator(".x")).to_be_visible()
    window.settle()
    plane(window).scroll_into_view_if_needed()
    return window


def test_arrows_turn_while_x_is_dragged(open_window: Opener) -> None:
    window = opened(open_window)
    begun = place_of_x(window)
    expect_closed_forms(window, begun, PASSED, 1e-3)
    window.page.mouse.move(*on_screen(window, begun))
    window.page.mouse.down()
    num_sent = window.num_frames_sent
    for there in ((40.0, 30.0), (75.0, 75.0), tuple(STUDENTS.fail_mean)):
        window.page.mouse.move(*on_screen(window, np.array(there)), steps=3)
        place = place_of_x(window)
        np.testing.assert_allclose(place, there, atol=0.3)
        expect_closed_forms(window, place, PASSED, 1e-3)
    assert window.num_frames_sent == num_sent
    expect(plane(window).locator(".angle")).to_contain_text("nearly agree")
    window.page.mouse.up()
    expect_link(window, "x", ",".join(f"{each:g}" for each in place_of_x(window)))

    window.page.get_by_text("When x falls short of the group").click()
    expect(window.page.get_by_text("Yes. Such places lie on one line")).to_be_visible()
    expect_closed_forms(window, place, PASSED, 1e-3)


def test_keys_and_slider_and_link(open_window: Opener) -> None:
    window = opened(open_window)
    begun = place_of_x(window)
    plane(window).locator(".x").focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowDown"):
        window.page.keyboard.press(key)
    place = begun + np.array([2.0 - 5.0, -1.0 + 5.0])
    expect_closed_forms(window, place, PASSED, 1e-3)
    plane(window).locator("input[type=range]").focus()
    window.page.keyboard.press("End")
    expect_closed_forms(window, place, PASSED, 1e2)
    window.page.keyboard.press("ArrowLeft")
    expect_closed_forms(window, place, PASSED, 56.23)
    expect_link(window, "x", ",".join(f"{each:g}" for each in place))
    expect_link(window, "lam", "56.23")
    other = opened(open_window, path=f"/classroom?{urlsplit(window.page.url).query}")
    expect_closed_forms(other, place, PASSED, 56.23)
    plane(window).get_by_role("button", name="Back to start").click()
    expect_closed_forms(window, begun, PASSED, 1e-3)
    window.until(lambda: set(link_of(window)) == {"lesson", "exam-scores-class"}, "clean link")


def test_loop_is_the_group(open_window: Opener) -> None:
    window = opened(open_window)
    window.choose("exam-scores-group", "A loop that you draw")
    expect(plane(window)).to_have_class(re.compile("is-looping"))
    expect(plane(window).locator(".diffcam-words")).to_contain_text("draw a loop")
    window.settle()
    corners = [(99.0, 55.0), (99.0, 99.0), (70.2, 99.0), (70.2, 55.0)]
    window.page.mouse.move(*on_screen(window, np.array(corners[0])))
    window.page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        window.page.mouse.move(*on_screen(window, np.array(corner)), steps=4)
    window.page.mouse.up()
    reading, writing = STUDENTS.scores.T
    inside = (reading > 70.2) & (reading < 99) & (writing > 55) & (writing < 99)
    assert 3 <= inside.sum() < 40
    expect(plane(window).locator(".student.member")).to_have_count(int(inside.sum()))
    expect_closed_forms(window, place_of_x(window), STUDENTS.scores[inside], 1e-3)
    window.until(lambda: "exam-scores-loop" in link_of(window), "the loop in the link")
    other = opened(open_window, path=f"/classroom?{urlsplit(window.page.url).query}")
    expect(plane(other).locator(".student.member")).to_have_count(int(inside.sum()))
    expect_closed_forms(other, place_of_x(window), STUDENTS.scores[inside], 1e-3)


def test_a_finger_drags_x_on_a_phone(open_window: Opener) -> None:
    window = opened(open_window, width=390, height=844)
    client = window.page.context.new_cdp_session(window.page)
    client.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y} for x, y in places]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    begun = place_of_x(window)
    touch("touchStart", on_screen(window, begun))
    for share in (0.3, 0.6, 1.0):
        there = (1 - share) * begun + share * np.array([80.0, 20.0])
        touch("touchMove", on_screen(window, there))
    touch("touchEnd")
    place = place_of_x(window)
    np.testing.assert_allclose(place, (80, 20), atol=1.0)
    expect_closed_forms(window, place, PASSED, 1e-3)
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width == pytest.approx(390, abs=1)


def test_another_class_is_fitted_anew(open_window: Opener) -> None:
    window = opened(open_window)
    before = plane(window).locator(".boundary").get_attribute("x1")
    window.widget("exam-scores-class").get_by_role(
        "button", name=re.compile("increment|Increment")
    ).click()
    expect(plane(window).locator(".boundary")).not_to_have_attribute("x1", before or "")
    weight = fit_boundary(exam_scores(CLASS + 1)).weight
    np.testing.assert_allclose(arrow(window, "grad-cam")[2], weight, rtol=1e-6)
