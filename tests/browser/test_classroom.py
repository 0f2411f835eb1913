"""The classroom as a class meets it: every lesson, a link, a projector, a phone, a keyboard."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from components.lessons.table import LESSONS
from tests.browser.dashboard import Dashboard
from tests.browser.test_layout import STICKING_OUT

NAMES = list(LESSONS)
PHONE = {"width": 390, "height": 844}
Opener = Callable[..., Dashboard]


def label(name: str) -> str:
    return f"{NAMES.index(name) + 1} · {LESSONS[name].title}"


def expect_lesson(window: Dashboard, name: str) -> None:
    """Wait until a lesson stands there with its question."""
    expect(window.page.get_by_role("heading", name=label(name), exact=True)).to_be_visible()
    expect(window.page.get_by_text(LESSONS[name].question)).to_be_visible()
    window.settle()


def lesson_in_link(window: Dashboard) -> str:
    return parse_qs(urlsplit(window.page.url).query).get("lesson", [""])[0]


@pytest.fixture
def expect_fits() -> Callable[[Dashboard, str], None]:
    def check(window: Dashboard, what: str) -> None:
        window.until(lambda: window.page.evaluate(STICKING_OUT) == [], f"{what} fits")

    return check


def test_every_lesson_is_there_on_a_projector(
    open_window: Opener, expect_fits: Callable[[Dashboard, str], None]
) -> None:
    window = open_window(path="/classroom?large-type=true")
    sizes = []
    for name in NAMES:
        window.press(label(name))
        expect_lesson(window, name)
        window.until(lambda name=name: lesson_in_link(window) == name, f"{name} in the link")
        assert "large-type=true" in window.page.url
        question = window.page.get_by_text(LESSONS[name].question)
        sizes.append(question.evaluate("each => parseFloat(getComputedStyle(each).fontSize)"))
        expect_fits(window, name)
    assert min(sizes) >= 20
    window.page.get_by_text("Large type").click()
    window.until(
        lambda: question.evaluate("each => parseFloat(getComputedStyle(each).fontSize)") < 18,
        "small type",
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_link_opens_its_lesson_on_a_phone(
    open_window: Opener, expect_fits: Callable[[Dashboard, str], None], name: str
) -> None:
    window = open_window(path=f"/classroom?lesson={name}", **PHONE)
    expect_lesson(window, name)
    expect_fits(window, name)


def test_lessons_and_answers_are_chosen_with_the_keyboard(open_window: Opener) -> None:
    window = open_window(path="/classroom")
    expect_lesson(window, NAMES[0])
    window.page.get_by_role("radio", name=label(NAMES[0]), exact=True).focus()
    for _ in NAMES[1:]:
        window.page.keyboard.press("ArrowRight")
    window.page.keyboard.press("Space")
    expect_lesson(window, NAMES[-1])
    answers = LESSONS[NAMES[-1]].answers
    window.page.get_by_role("radio", name=answers[0].text, exact=True).focus()
    window.page.keyboard.press("Space")
    expect(window.page.get_by_text(answers[0].because)).to_be_visible()


def test_the_first_visitor_s_link_is_kept(open_fresh_window: Opener) -> None:
    window = open_fresh_window(path="/classroom?lesson=scoring-maps")
    expect_lesson(window, "scoring-maps")
    assert lesson_in_link(window) == "scoring-maps"
