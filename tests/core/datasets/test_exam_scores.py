"""Classes of students with two exam scores: what the lesson says of them is true in each class."""

import numpy as np
import pytest

from explain_core.datasets.exam_scores import (
    ExamScores,
    PassBoundary,
    exam_scores,
    fit_boundary,
    weak_reader,
)
from explain_core.errors import InputError
from explain_core.types import Array

CLASSES = range(1, 100, 3)  # of those that the lesson offers
SMALL, LARGE = 1e-3, 1e2


@pytest.fixture(scope="module")
def fitted() -> list[tuple[ExamScores, PassBoundary]]:
    drawn = [exam_scores(seed) for seed in CLASSES]
    return [(students, fit_boundary(students)) for students in drawn]


def towards_pass(students: ExamScores, place: Array, lam: float) -> Array:
    """DiffCAM's direction turned to the Pass group, by a solve: (S + λI)^-1 (mean - x)."""
    passed = students.scores[students.has_passed]
    centred = passed - passed.mean(axis=0)
    scatter = centred.T @ centred
    unit = np.trace(scatter) / 2
    return np.linalg.solve(scatter + lam * unit * np.eye(2), passed.mean(axis=0) - place)


def angle(a: Array, b: Array) -> float:
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


def newton(scores: Array, has_passed: Array, l2: float) -> Array:
    """Logistic regression on standardised scores: weights of the raw scores, and the bias."""
    mean, deviation = scores.mean(axis=0), scores.std(axis=0)
    design = np.column_stack([(scores - mean) / deviation, np.ones(len(scores))])
    # two classes' weights ±v/2 are penalised by l2/2 |±v/2|^2 each
    ridge = np.diag([l2 / 2, l2 / 2, 0.0])
    solution = np.zeros(3)
    for _ in range(30):
        share = 1 / (1 + np.exp(-design @ solution))
        gradient = design.T @ (share - has_passed) / len(scores) + ridge @ solution
        curvature = (design * (share * (1 - share))[:, None]).T @ design / len(scores) + ridge
        solution -= np.linalg.solve(curvature, gradient)
    weight = solution[:2] / deviation
    return np.append(weight, solution[2] - weight @ mean)


def test_groups_have_the_moments_they_promise() -> None:
    for seed in CLASSES[::3]:
        students = exam_scores(seed)
        assert students.scores.shape == (80, 2)
        assert students.has_passed.sum() == 40
        assert 0 <= students.scores.min() <= students.scores.max() <= 100
        for group, mean in ((~students.has_passed, (50, 44)), (students.has_passed, (66, 64))):
            rows = students.scores[group]
            np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.5)
            np.testing.assert_allclose(rows.std(axis=0), (14, 12), atol=0.8)
            assert np.corrcoef(rows.T)[0, 1] == pytest.approx(0.4, abs=0.06)


def test_a_seed_gives_one_class() -> None:
    np.testing.assert_array_equal(exam_scores(5).scores, exam_scores(5).scores)
    assert (exam_scores(5).scores != exam_scores(6).scores).any()


def test_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match=r"seed must be 0 or more \(got -1\)"):
        exam_scores(-1)


def test_boundary_is_logistic_regression(
    fitted: list[tuple[ExamScores, PassBoundary]],
) -> None:
    for students, boundary in fitted[:5]:
        wanted = newton(students.scores, students.has_passed, l2=1e-3)
        got = np.append(boundary.weight, boundary.bias)
        np.testing.assert_allclose(got, wanted, rtol=5e-3)


def test_weak_reader_writes_well_and_fails(
    fitted: list[tuple[ExamScores, PassBoundary]],
) -> None:
    for students, boundary in fitted:
        place = weak_reader(students, boundary)
        assert place @ boundary.weight + boundary.bias == pytest.approx(-1, abs=0.1)
        assert place[1] > students.fail_mean[1] + 10
        assert 0 < place[0] < students.fail_mean[0] - 10
        # Figure 1: Grad-CAM names writing, DiffCAM reading
        assert boundary.weight[1] > 1.9 * boundary.weight[0] > 0
        reading, writing = towards_pass(students, place, SMALL)
        assert reading > 3 * abs(writing)


# ---- what the answers to the lesson's question claim ------------------------------------------


def test_small_lam_agrees_with_the_boundary_at_the_typical_fail(
    fitted: list[tuple[ExamScores, PassBoundary]],
) -> None:
    for students, boundary in fitted:
        small, large = (
            angle(towards_pass(students, students.fail_mean, lam), boundary.weight)
            for lam in (SMALL, LARGE)
        )
        assert small < 10
        assert large > small + 2
        away = weak_reader(students, boundary)
        assert angle(towards_pass(students, away, SMALL), boundary.weight) > 50


def test_on_the_boundary_they_may_differ_by_far(
    fitted: list[tuple[ExamScores, PassBoundary]],
) -> None:
    for students, boundary in fitted:
        writing = np.linspace(0, 100, 41)
        reading = (-boundary.bias - boundary.weight[1] * writing) / boundary.weight[0]
        places = np.column_stack([reading, writing])[(reading >= 0) & (reading <= 100)]
        angles = [angle(towards_pass(students, each, SMALL), boundary.weight) for each in places]
        assert max(angles) > 80
        assert max(angles) - min(angles) > 50


def test_large_lam_points_at_the_middle_wherever_that_is(
    fitted: list[tuple[ExamScores, PassBoundary]],
) -> None:
    for students, boundary in fitted:
        place = weak_reader(students, boundary)
        towards = towards_pass(students, place, LARGE)
        assert angle(towards, students.pass_mean - place) < 3
        assert angle(towards, boundary.weight) > 40
