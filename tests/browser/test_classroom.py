"""The classroom as a class meets it: every lesson, a link, a projector, a phone, a keyboard."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from components.lessons.exam_scores import PASS_READING
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


def query(window: Dashboard) -> dict[str, str]:
    """Return what the link says, by name."""
    said = parse_qs(urlsplit(window.page.url).query)
    return {name: texts[0] for name, texts in said.items()}


def lesson_in_link(window: Dashboard) -> str:
    return query(window).get("lesson", "")


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


def test_the_link_holds_all_of_one_lesson_and_nothing_of_the_others(open_window: Opener) -> None:
    begun = "lesson=exam-scores&exam-scores-group=All+Fail+students&exam-scores-class=3"
    window = open_window(path=f"/classroom?{begun}")
    expect_lesson(window, "exam-scores")
    window.choose("exam-scores-group", PASS_READING)
    window.settle()
    x = window.page.locator(".exam-plane .x")
    x.focus()
    window.page.keyboard.press("Shift+ArrowUp")
    window.until(lambda: "exam-scores-x" in query(window), "x in the link")
    scores = query(window)
    names = {"lesson", *(f"exam-scores-{name}" for name in ("group", "class", "x"))}
    assert set(scores) == names
    assert scores["exam-scores-group"] == PASS_READING
    place = x.get_attribute("transform") or ""

    window.press(label("scoring-maps"))
    expect_lesson(window, "scoring-maps")
    window.until(lambda: query(window) == {"lesson": "scoring-maps"}, "nothing of lesson 1")
    window.page.locator(".gauss-maps .picture").first.focus()
    window.page.keyboard.press("Shift+ArrowUp")
    window.until(lambda: "scoring-maps-maps" in query(window), "the maps in the link")
    assert set(query(window)) == {"lesson", "scoring-maps-maps"}

    window.press(label("exam-scores"))
    expect_lesson(window, "exam-scores")
    window.until(lambda: query(window) == scores, f"{scores}, not {query(window)}")
    expect(x).to_have_attribute("transform", place)


def test_the_first_visitor_s_link_is_kept(open_fresh_window: Opener) -> None:
    window = open_fresh_window(path="/classroom?lesson=scoring-maps")
    expect_lesson(window, "scoring-maps")
    assert lesson_in_link(window) == "scoring-maps"
