"""The classroom: which lesson is shown, what its frame says, and the worked example of the docs."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from streamlit.testing.v1 import AppTest

from components.lessons.exam_scores import ALL_FAIL
from components.lessons.lesson import Answer, Lesson
from components.lessons.table import LESSONS
from explain_core.errors import InputError
from tests.conftest import REPO
from tests.ui.steps import TIMEOUT_S, keyed, open_app, run

GUIDE = REPO / "docs" / "lessons.md"


def lines(at: AppTest) -> str:
    return "\n".join(each.value for each in at.markdown)


def page_at(lesson: str | None = None, **others: str) -> AppTest:
    """Open the classroom by a link."""
    at = open_app()
    at.switch_page("pages/classroom.py")
    for name, text in ({"lesson": lesson} if lesson else {}).items():
        at.query_params[name] = text
    for name, text in others.items():
        at.query_params[name] = text
    return run(at)


def in_link(at: AppTest, name: str) -> str | None:
    found = at.query_params.get(name)
    return found[0] if isinstance(found, list) else found


# ---- the table -----------------------------------------------------------------------------


def test_lessons_come_in_the_order_in_which_they_are_taught() -> None:
    planned = ["exam-scores", "not-eight", "three-sliders", "can-it-lie", "scoring-maps"]
    assert list(LESSONS) == planned


@pytest.mark.parametrize("name", LESSONS)
def test_each_lesson_is_complete(name: str) -> None:
    lesson = LESSONS[name]
    assert lesson.name == name
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
    assert len(lesson.answers) >= 2
    assert sum(answer.is_right for answer in lesson.answers) == 1
    assert len({answer.text for answer in lesson.answers}) == len(lesson.answers)
    texts = (lesson.title, lesson.source, lesson.do, lesson.see, lesson.question)
    assert all((*texts, *(answer.because for answer in lesson.answers)))
    assert lesson.question.endswith("?")


# ---- the page ------------------------------------------------------------------------------


def test_the_page_begins_with_the_first_lesson() -> None:
    at = page_at()
    assert at.title[0].value == "Classroom"
    assert at.subheader[0].value == "1 · Two exam scores"
    assert in_link(at, "lesson") == "exam-scores"


def test_a_link_opens_its_lesson_and_another_choice_changes_it() -> None:
    at = page_at("scoring-maps")
    number = list(LESSONS).index("scoring-maps") + 1
    assert at.subheader[0].value == f"{number} · Scoring maps"
    assert in_link(at, "lesson") == "scoring-maps"
    keyed(at.button_group, "lesson").set_value("exam-scores")
    run(at)
    assert at.subheader[0].value == "1 · Two exam scores"
    assert in_link(at, "lesson") == "exam-scores"


@pytest.mark.parametrize("lesson", ["", "scoring maps", "../secret"])
def test_a_broken_link_opens_the_first_lesson(lesson: str) -> None:
    at = page_at(**{"lesson": lesson})
    assert at.subheader[0].value == "1 · Two exam scores"
    assert in_link(at, "lesson") == "exam-scores"


def test_the_lesson_survives_switching_pages() -> None:
    at = page_at("scoring-maps")
    at.switch_page("pages/models.py")
    run(at)
    at.switch_page("pages/classroom.py")
    run(at)
    assert at.subheader[0].value.endswith("Scoring maps")


SCORES_LINK = {"exam-scores-x": "70,30.5", "exam-scores-lam": "0.1778"}
MAPS_LINK = {"scoring-maps-maps": "50-50-12_50-50-25_80-80-12_80-80-25"}


def go_to(at: AppTest, lesson: str) -> dict[str, str]:
    """Choose a lesson; return what the link says but for the lesson itself."""
    keyed(at.button_group, "lesson").set_value(lesson)
    run(at)
    run(at)  # a bound parameter leaves after the run in which its widget is gone
    return {name: in_link(at, name) or "" for name in at.query_params if name != "lesson"}


def test_the_link_holds_the_shown_lesson_only_and_each_comes_back_with_its_own() -> None:
    at = page_at("exam-scores", **SCORES_LINK, **MAPS_LINK, other="kept")
    assert "scoring-maps-maps" not in at.query_params
    assert go_to(at, "scoring-maps") == {**MAPS_LINK, "other": "kept"}
    assert at.success[0].value.startswith("**You found a pair: M1 and M2.**")
    assert go_to(at, "exam-scores") == {**SCORES_LINK, "other": "kept"}
    assert go_to(at, "scoring-maps") == {**MAPS_LINK, "other": "kept"}


def test_a_lesson_s_widgets_keep_what_was_chosen() -> None:
    at = page_at("exam-scores")
    at.selectbox[0].set_value(ALL_FAIL)
    run(at)
    assert "exam-scores-group" not in go_to(at, "scoring-maps")
    go_to(at, "exam-scores")
    assert at.selectbox[0].value == ALL_FAIL
    assert in_link(at, "exam-scores-group") == ALL_FAIL


def _put() -> None:
    import streamlit as st

    from components.lessons.link import put

    put("demo", "vote", st.session_state.get("vote"))


def test_what_is_put_in_the_link_is_taken_out_again() -> None:
    at = run(AppTest.from_function(_put, default_timeout=TIMEOUT_S))
    for vote, link in (("A", "A"), ("B", "B"), (None, None)):
        at.session_state["vote"] = vote
        assert in_link(run(at), "demo-vote") == link


def test_large_type_comes_by_the_link() -> None:
    def styles(at: AppTest) -> str:
        return "\n".join(each.proto.body for each in at.get("html"))

    assert "html { font-size" not in styles(page_at("scoring-maps"))
    assert "html { font-size" in styles(page_at("scoring-maps", **{"large-type": "true"}))


# ---- the frame -----------------------------------------------------------------------------


def _framed() -> None:
    from components.lessons.frame import show_lesson
    from tests.ui.test_classroom import BROKEN

    show_lesson(BROKEN, 7, is_large=False)


def _fail() -> None:
    raise InputError("the boundary has no students; draw a loop around some")


BROKEN = Lesson(
    name="broken",
    title="Broken",
    source="nowhere",
    do="Press.",
    see="Nothing.",
    question="Why?",
    answers=(Answer("So.", True, "Because."), Answer("No.", False, "Look again.")),
    show=_fail,
)


def test_a_failing_lesson_says_what_to_do_and_keeps_its_question() -> None:
    at = run(AppTest.from_function(_framed, default_timeout=TIMEOUT_S))
    assert at.error[0].value == "The boundary has no students; draw a loop around some."
    assert at.subheader[0].value == "7 · Broken"
    assert "**Do:** Press." in lines(at)
    assert "**See:** Nothing." in lines(at)
    at.radio[0].set_value("No.")
    assert run(at).warning[0].value == "Look again."
    at.radio[0].set_value("So.")
    assert run(at).success[0].value == "Because."


# ---- the guide's worked example ------------------------------------------------------------


def example(path: str) -> str:
    """Return the guide's block that begins with the path as a comment."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(f"# {path}\n")]
    assert isinstance(found, str)
    return found


def written(path: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a block of the guide as the module that it is a file of."""
    file = folder / Path(path).name
    file.write_text(example(path), encoding="utf-8")
    name = path.removesuffix(".py").replace("/", ".")
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_guide_s_lesson_passes_the_guide_s_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson = written("components/lessons/half_a_digit.py", tmp_path, monkeypatch).LESSON
    assert isinstance(lesson, Lesson)
    tests = written("tests/ui/test_lesson_half_a_digit.py", tmp_path, monkeypatch)
    facts = [each for name, each in vars(tests).items() if name.startswith("test_")]
    assert len(facts) == 2
    for fact in facts:
        fact()


def test_the_guide_names_every_lesson_with_its_question_and_answer() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for lesson in LESSONS.values():
        (right,) = [answer.text for answer in lesson.answers if answer.is_right]
        for named in (lesson.title, f"lesson={lesson.name}`", lesson.question, right):
            assert named in text, lesson.name
