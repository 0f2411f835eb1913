"""Two exam scores of students who passed or failed: DiffCAM's Figure 1, as data.

A student is a point (reading, writing). Writing is harder than reading and so tells Pass from Fail
better; who reads well tends to write well. That is why the direction across a fitted boundary and
the direction that sets one student apart from a group are not the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.errors import InputError
from explain_core.references.softmax_regression import fit_softmax
from explain_core.types import Array, read_only

NUM_STUDENTS = 80
LOWEST, HIGHEST = 0.0, 100.0

_FAIL_MEAN, _PASS_MEAN = (50.0, 44.0), (66.0, 64.0)
_DEVIATIONS = (14.0, 12.0)
_CORRELATION = 0.4
_L2 = 1e-3
# The student that the lesson begins with: points of writing below the average Pass, log-odds.
_BELOW_PASS, _FAILED = 8.0, -1.0


@dataclass(frozen=True, eq=False)
class ExamScores:
    """Hold one class of students.

    Attributes:
        scores: (n, 2) float64, whole points of reading and writing in [0, 100].
        has_passed: (n,) bool; the first half failed.
    """

    scores: Array
    has_passed: Array

    @property
    def pass_mean(self) -> Array:
        """Return (2,): the middle of the students who passed."""
        mean: Array = self.scores[self.has_passed].mean(axis=0)
        return mean

    @property
    def fail_mean(self) -> Array:
        """Return (2,): the middle of the students who failed."""
        mean: Array = self.scores[~self.has_passed].mean(axis=0)
        return mean


@dataclass(frozen=True, eq=False)
class PassBoundary:
    """Hold a linear boundary: Pass where `weight . x + bias > 0`, the log-odds of Pass.

    Attributes:
        weight: (2,) float64, per point of reading and of writing: the gradient of the log-odds,
            which is Grad-CAM's weight of each of the two features, wherever x is.
        bias: of the log-odds.
    """

    weight: Array
    bias: float


def exam_scores(seed: int) -> ExamScores:
    """Draw a class of 40 students who failed and 40 who passed.

    Every class has the same means, deviations and correlation within its groups (up to rounding
    to whole points): other students, the same story.

    Raises:
        InputError: a negative seed.
    """
    if seed < 0:
        raise InputError(f"seed must be 0 or more (got {seed}); give another number")
    rng = np.random.default_rng(seed)
    covariance = _CORRELATION * np.prod(_DEVIATIONS)
    spread = np.array([[_DEVIATIONS[0] ** 2, covariance], [covariance, _DEVIATIONS[1] ** 2]])
    groups = [
        mean + _standard(rng, NUM_STUDENTS // 2) @ np.linalg.cholesky(spread).T
        for mean in (_FAIL_MEAN, _PASS_MEAN)
    ]
    scores = np.clip(np.rint(np.concatenate(groups)), LOWEST, HIGHEST)
    has_passed = np.arange(NUM_STUDENTS) >= NUM_STUDENTS // 2
    return ExamScores(read_only(scores), read_only(has_passed))


def fit_boundary(students: ExamScores) -> PassBoundary:
    """Return the boundary of logistic regression on the two scores."""
    rows = np.arange(len(students.scores))
    weight, bias = fit_softmax(
        students.scores, rows, students.has_passed.astype(np.int64), 2, l2=_L2
    )
    towards_pass = (weight[1] - weight[0]).astype(np.float64)
    return PassBoundary(read_only(towards_pass), float(bias[1] - bias[0]))


def weak_reader(students: ExamScores, boundary: PassBoundary) -> Array:
    """Return (2,): who writes nearly like the average Pass but reads so badly that it is a Fail.

    The student x of DiffCAM's Figure 1: writing 8 points below the average Pass, and the reading
    that makes the log-odds -1, in whole points.
    """
    writing = students.pass_mean[1] - _BELOW_PASS
    reading = (_FAILED - boundary.bias - boundary.weight[1] * writing) / boundary.weight[0]
    return read_only(np.clip(np.rint([reading, writing]), LOWEST, HIGHEST))


def _standard(rng: np.random.Generator, count: int) -> Array:
    """Return (count, 2) normal draws moved and stretched to mean 0 and covariance I exactly."""
    draws = rng.standard_normal((count, 2))
    draws -= draws.mean(axis=0)
    factor = np.linalg.cholesky(draws.T @ draws / count)
    standard: Array = np.linalg.solve(factor, draws.T).T
    return standard
