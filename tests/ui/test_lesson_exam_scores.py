"""Lesson "Two exam scores": what the page is sent is the core's, and the link brings it back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.exam_plane.setting import Setting, setting_from, texts_of
from components.lessons.exam_scores import (
    ALL_FAIL,
    ALL_PASS,
    GROUPS,
    LAMS,
    LESSON,
    LOOP,
    NUM_CLASSES,
    PASS_READING,
    PASS_WRITING,
    PLANE,
    members_of,
)
from explain_core import METHODS
from explain_core.datasets.exam_scores import ExamScores, exam_scores, fit_boundary, weak_reader
from explain_core.types import Array
from tests.ui.steps import TIMEOUT_S, run

STUDENTS = exam_scores(4)
START = Setting((28.0, 58.0), 1e-3)


def _page() -> None:
    from components.lessons.exam_scores import LESSON
    from components.lessons.frame import show_lesson

    show_lesson(LESSON, 1, is_large=False)


def opened(**link: str) -> AppTest:
    """Open the lesson by a link."""
    at = AppTest.from_function(_page, default_timeout=TIMEOUT_S)
    for name, text in link.items():
        at.query_params[f"exam-scores-{name.replace('_', '-')}"] = text
    return run(at)


def sent(at: AppTest) -> dict[str, Any]:
    (plane,) = at.get("bidi_component")
    data: dict[str, Any] = json.loads(plane.proto.json)
    return data


def in_link(at: AppTest) -> dict[str, str]:
    return {
        name.removeprefix("exam-scores-"): text[0] if isinstance(text, list) else text
        for name, text in at.query_params.items()
    }


def tell(at: AppTest, told: Mapping[str, object]) -> AppTest:
    """Let the plane tell what is set in it."""
    at.session_state[PLANE] = {"told": told}
    return run(at)


def scatter_of(rows: Array) -> Array:
    mean = rows.mean(axis=0)
    return np.sum([np.outer(row - mean, row - mean) for row in rows], axis=0)


def test_page_is_sent_the_core_s_numbers() -> None:
    data = sent(opened())
    students = exam_scores(1)
    boundary = fit_boundary(students)
    passed = students.scores[students.has_passed]
    assert data["scores"] == students.scores.tolist()
    assert data["hasPassed"] == students.has_passed.tolist()
    assert data["boundary"] == {"weight": boundary.weight.tolist(), "bias": boundary.bias}
    reading, writing = weak_reader(students, boundary)
    assert (
        data["setting"]
        == data["start"]
        == {"x": f"{reading:g},{writing:g}", "lam": "0.001", "loop": ""}
    )
    assert data["members"] == np.flatnonzero(students.has_passed).tolist()
    np.testing.assert_allclose(data["spectrum"]["mean"], passed.mean(axis=0))


@pytest.mark.parametrize("group", [ALL_PASS, ALL_FAIL, PASS_READING, PASS_WRITING])
def test_eigenpairs_make_up_the_group_s_scatter(group: str) -> None:
    data = sent(opened(group=group, **{"class": "4"}))
    rows = STUDENTS.scores[data["members"]]
    vectors = np.array(data["spectrum"]["vectors"])
    made = vectors.T @ np.diag(data["spectrum"]["eigenvalues"]) @ vectors
    np.testing.assert_allclose(made, scatter_of(rows), rtol=1e-9)
    assert data["spectrum"]["lamUnit"] == pytest.approx(np.trace(scatter_of(rows)) / 2)


def test_groups_hold_whom_they_name() -> None:
    reading, writing = STUDENTS.scores.T
    passed = STUDENTS.has_passed
    assert members_of(ALL_PASS, STUDENTS, ()).tolist() == list(range(40, 80))
    assert members_of(ALL_FAIL, STUDENTS, ()).tolist() == list(range(40))
    for group, scores in ((PASS_READING, reading), (PASS_WRITING, writing)):
        members = members_of(group, STUDENTS, ())
        others = sorted(set(range(40, 80)) - set(members.tolist()))
        assert passed[members].all()
        assert scores[members].min() > scores[others].max()
        assert 10 <= len(members) <= 20
    assert members_of(LOOP, STUDENTS, (3, 50)).tolist() == [3, 50]


def test_link_restores_what_was_set() -> None:
    loop = "8" + "0" * 18 + "3"  # students 0, 78 and 79
    data = sent(opened(x="70,30.5", lam="0.1778", loop=loop, group=LOOP, **{"class": "4"}))
    assert data["class"] == 4
    assert data["setting"] == {"x": "70,30.5", "lam": "0.1778", "loop": loop}
    assert data["members"] == [0, 78, 79]
    assert data["isLooping"] is True


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("x", text) for text in ("101,3", "-1,3", "nan,3", "1e1,3", "3", "٣,3", "3,4\n", "")],
        *[("lam", text) for text in ("0", "0.0001", "101", "inf", "-1", "a")],
        *[("loop", text) for text in ("f", "g" * 20, "F" * 20, "f" * 21)],
        *[("class", text) for text in ("0", "100", "x")],
        ("group", "Everybody"),
    ],
)
def test_broken_link_begins_at_the_start(name: str, text: str) -> None:
    data = sent(opened(**{name: text}))
    assert data["class"] == 1
    assert data["setting"] == data["start"]
    assert len(data["members"]) == 40


def test_what_is_told_stands_in_the_link() -> None:
    at = opened()
    loop = "f" + "0" * 19
    tell(at, {"x": "44.5,50", "lam": "100", "loop": loop, "class": 1})
    assert in_link(at) == {"x": "44.5,50", "lam": "100", "loop": loop}
    tell(at, {**sent(at)["start"], "class": 1})
    assert in_link(at) == {}


@pytest.mark.parametrize("told", [None, 3, {"x": 3, "lam": None, "loop": [1]}, {"x": "1,1,1"}])
def test_broken_message_begins_at_the_start(told: Any) -> None:
    data = sent(tell(opened(), told))
    assert data["setting"] == data["start"]


def test_loop_of_another_class_is_dropped() -> None:
    at = opened(group=LOOP)
    tell(at, {"x": "44,50", "lam": "1", "loop": "f" + "0" * 19, "class": 1})
    assert sent(at)["members"] == [0, 1, 2, 3]
    at.number_input[0].increment()
    data = sent(run(at))
    assert data["class"] == 2
    assert data["setting"]["x"] == "44,50"
    assert data["members"] == []
    assert data["spectrum"] is None


def test_loop_of_one_student_has_no_spread() -> None:
    at = opened(group=LOOP, loop="8" + "0" * 19)
    assert sent(at)["spectrum"] == {
        "mean": sent(at)["scores"][0],
        "eigenvalues": [],
        "vectors": [],
        "lamUnit": 1.0,
    }


def test_texts_and_settings_are_each_other_s_inverse() -> None:
    for setting in (START, Setting((0.0, 100.0), 0.001778, (0, 5, 79)), Setting((3.1, 2.5), 100.0)):
        assert setting_from(texts_of(setting), START, LAMS) == setting


def test_lams_are_within_the_method_s_range() -> None:
    (lam,) = METHODS["diffcam"].parameters
    assert lam.min is not None
    assert lam.max is not None
    assert lam.min <= LAMS[0] < LAMS[1] <= lam.max
    assert LAMS[0] == lam.default


# ---- what the answers say, in the classes that may be chosen ---------------------------------

CLASSES = range(1, NUM_CLASSES + 1, 7)
OFFERED = [group for group in GROUPS if group != LOOP]
AGREE = 10  # degrees, as the plane says it
Met = list[tuple[ExamScores, Array, float]]


def towards(place: Array, rows: Array, lam: float) -> Array:
    """Return DiffCAM's arrow, (S + λI)^-1 (mean - x), with λ in units of the mean eigenvalue."""
    scatter = scatter_of(rows)
    ridge = lam * np.trace(scatter) / 2 * np.eye(2)
    return np.linalg.solve(scatter + ridge, rows.mean(axis=0) - place)


def degrees_between(one: Array, other: Array) -> float:
    cross = one[0] * other[1] - one[1] * other[0]
    return float(np.degrees(np.arctan2(abs(cross), one @ other)))


@pytest.fixture(scope="module")
def met() -> Met:
    """Return some classes, each with its boundary's weight and bias."""
    drawn = [exam_scores(number) for number in CLASSES]
    fitted = [fit_boundary(students) for students in drawn]
    return [
        (students, boundary.weight, boundary.bias)
        for students, boundary in zip(drawn, fitted, strict=True)
    ]


def test_places_of_agreement_lie_on_a_line_from_the_middle_of_the_group(met: Met) -> None:
    for students, weight, _ in met:
        for group in OFFERED:
            rows = students.scores[members_of(group, students, ())]
            for lam in (LAMS[0], 0.32, LAMS[1]):
                ridge = lam * np.trace(scatter_of(rows)) / 2 * np.eye(2)
                line = -(scatter_of(rows) + ridge) @ weight
                line /= np.linalg.norm(line)
                for away in (1, 25):
                    place = rows.mean(axis=0) + away * line
                    assert degrees_between(towards(place, rows, lam), weight) < 1e-6
                    beside = place + away * np.array([-line[1], line[0]])
                    assert degrees_between(towards(beside, rows, lam), weight) > AGREE
                    beyond = rows.mean(axis=0) - away * line
                    assert degrees_between(towards(beyond, rows, lam), weight) > 170


def test_with_a_small_lambda_the_middle_of_fail_is_near_the_line_and_the_line_turns(
    met: Met,
) -> None:
    for students, weight, _ in met:
        passed = students.scores[students.has_passed]
        middle = students.fail_mean
        assert degrees_between(towards(middle, passed, LAMS[0]), weight) < AGREE
        assert degrees_between(towards(middle, passed, LAMS[1]), weight) > AGREE


def test_arrow_turns_along_the_boundary(met: Met) -> None:
    for students, weight, bias in met:
        nearest = -bias / (weight @ weight) * weight
        steps = np.arange(-200, 201, 5)[:, None] * np.array([-weight[1], weight[0]])
        along = nearest + steps / np.linalg.norm(weight)
        inside = along[((along >= 0) & (along <= 100)).all(axis=1)]
        for group in OFFERED:
            rows = students.scores[members_of(group, students, ())]
            for lam in LAMS:
                first, last = (towards(each, rows, lam) for each in inside[[0, -1]])
                assert degrees_between(first, last) > 45


def test_with_a_large_lambda_the_arrow_points_at_the_middle_of_the_group(met: Met) -> None:
    for students, _, _ in met:
        for group in OFFERED:
            rows = students.scores[members_of(group, students, ())]
            for place in np.array([(0.0, 0), (0, 100), (100, 0), (100, 100), (40, 60)]):
                straight = rows.mean(axis=0) - place
                assert degrees_between(towards(place, rows, LAMS[1]), straight) < 1


def test_each_answer_explains_itself() -> None:
    at = opened()
    for answer in LESSON.answers:
        at.radio[0].set_value(answer.text)
        run(at)
        (shown,) = at.success if answer.is_right else at.warning
        assert shown.value == answer.because
    assert sum(answer.is_right for answer in LESSON.answers) == 1
