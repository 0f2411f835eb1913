"""Lesson "Scoring maps": its scores are the formulas', it notices a pair, the link restores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components.gauss_maps import gaussians_from, text_of
from components.lessons.scoring_maps import (
    APART,
    ASKED,
    LESSON,
    MAPS,
    SAME,
    START,
    pairs_in,
    scores_of,
)
from explain_core.datasets.gaussian_maps import FIGURE_4, SIDE_PX, Gaussian, object_box
from explain_core.types import Array
from tests.ui.steps import TIMEOUT_S, run

COMPONENT = "scoring-maps-figures"
SHARES = np.arange(51) / 50
TOP, LEFT, BOTTOM, RIGHT = object_box()


def _page() -> None:
    from components.lessons.frame import show_lesson
    from components.lessons.scoring_maps import LESSON

    show_lesson(LESSON, 5, is_large=False)


def opened(text: str | None = None) -> AppTest:
    at = AppTest.from_function(_page, default_timeout=TIMEOUT_S)
    if text is not None:
        at.query_params[MAPS] = text
    return run(at)


def sent(at: AppTest) -> dict[str, Any]:
    (maps,) = at.get("bidi_component")
    data: dict[str, Any] = json.loads(maps.proto.json)
    return data


def link_of(at: AppTest) -> str | None:
    found = at.query_params.get(MAPS)
    return found[0] if isinstance(found, list) else found


def tell(at: AppTest, told: object) -> AppTest:
    at.session_state[COMPONENT] = {"told": told}
    return run(at)


# ---- the scores, written from the papers ---------------------------------------------------


def bell(gaussian: Gaussian) -> Array:
    rows, columns = (np.mgrid[:SIDE_PX, :SIDE_PX] + 0.5) / SIDE_PX
    away_sq = (rows - gaussian.down / 100) ** 2 + (columns - gaussian.across / 100) ** 2
    # rounded, so that places at the same distance are equal
    return np.round(np.exp(-away_sq / (2 * (gaussian.width / 100) ** 2)), 12)


def seen(shown: Array) -> float:
    return float(shown[TOP:BOTTOM, LEFT:RIGHT].mean())


def shown_top(values: Array, share: float) -> Array:
    order = np.argsort(-values, axis=None, kind="stable")
    shown = np.zeros(values.size, bool)
    shown[order[: round(share * values.size)]] = True
    return shown.reshape(values.shape)


def area(heights: Sequence[float]) -> float:
    return float(np.trapezoid(heights, SHARES))


def rcap(values: Array) -> float:
    """Sum up what two steps of a fifth of the pixels recover, each weighed by its saliency."""
    values = values - values.min()
    terms = []
    for percentile in (80, 60):
        kept = values >= np.percentile(values, percentile)
        terms.append(values[kept].sum() / values.sum() * seen(kept))
    return float(np.mean(terms))


def formulas(gaussian: Gaussian) -> list[float]:
    values = bell(gaussian)
    deletion = area([seen(~shown_top(values, share)) for share in SHARES])
    insertion = area([seen(shown_top(values, share)) for share in SHARES])
    return [rcap(values), deletion, insertion]


@pytest.mark.parametrize("gaussians", [START, FIGURE_4])
def test_scores_are_the_formulas(gaussians: tuple[Gaussian, ...]) -> None:
    data = sent(opened(text_of(gaussians)))
    found, wanted = np.array(data["scores"]), np.array([formulas(each) for each in gaussians])
    np.testing.assert_allclose(found[:, 0], wanted[:, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 1:], wanted[:, 1:], atol=2e-3)  # ties are drawn at random
    assert [each["title"] for each in data["metrics"]] == ["RCAP", "Deletion AUC", "Insertion AUC"]
    assert [each["isHigherBetter"] for each in data["metrics"]] == [True, False, True]


# ---- the challenge -------------------------------------------------------------------------


def test_begins_without_a_pair_and_without_a_link() -> None:
    at = opened()
    assert sent(at)["maps"] == text_of(START)
    assert sent(at)["pair"] == []
    assert at.info[0].value.startswith("No pair yet")
    assert link_of(at) is None


def test_the_figure_s_maps_are_a_pair() -> None:
    at = opened(text_of(FIGURE_4))
    scores = sent(at)["scores"]
    assert sent(at)["pair"] == [0, 1]
    assert scores[0][1:] == scores[1][1:]
    assert scores[2][1:] == scores[3][1:]
    said = at.success[0].value
    assert "M1 and M2" in said
    assert f"Deletion is {scores[0][1]:.3f} for both" in said
    assert f"RCAP {scores[0][0]:.3f} for M1 and {scores[1][0]:.3f} for M2" in said
    assert "Same centre" in said
    assert said.endswith("M3 and M4 are a pair, too.")


def test_pair_at_different_places_is_found_too() -> None:
    at = opened("29-22-39_78-71-20_50-50-12_60-50-12")
    (first, second, *_) = sent(at)["scores"]
    assert sent(at)["pair"] == [0, 1]
    assert 0 < abs(first[1] - second[1]) <= 0.001
    assert "Deletion is the same to within 0.001" in at.success[0].value
    assert "different places" in at.success[0].value


# Of the places every tenth, and of an eighth of the picture only: it is the same in the others.
@pytest.mark.parametrize(
    ("across", "down"), [(a, d) for a in range(0, 51, 10) for d in range(a, 51, 10)]
)
def test_one_centre_and_twice_the_width_always_count(across: int, down: int) -> None:
    for width in (12, 16, 20):
        pair = [scores_of(Gaussian(across, down, each)) for each in (width, 2 * width)]
        assert pairs_in(pair) == [(0, 1)]
        assert pair[0]["rcap"] > pair[1]["rcap"]


def test_one_centre_and_much_the_same_width_is_nearly_a_pair() -> None:
    at = opened("0-0-12_0-0-14_50-50-12_80-50-12")
    assert sent(at)["pair"] == []
    assert at.info[0].value.startswith("Nearly: deletion and insertion cannot tell M1 and M2 apart")


@pytest.mark.parametrize(
    ("rcaps", "deletions", "insertions", "pairs"),
    [
        ((0.5, 0.501 + APART), (0.25, 0.25), (0.75, 0.75), [(0, 1)]),
        ((0.5, 0.499 + APART), (0.25, 0.25), (0.75, 0.75), []),
        ((0.5, 0.7), (0.25, 0.251 + SAME), (0.75, 0.75), []),
        ((0.5, 0.7), (0.25, 0.25), (0.75, 0.751 + SAME), []),
        ((0.5, 0.6, 0.9), (0.25, 0.25, 0.25), (0.75, 0.75, 0.75), [(0, 2)]),
        ((0.5, 0.6, 0.9, 0.7), (0.25, 0.3, 0.25, 0.3), (0.75,) * 4, [(0, 2), (1, 3)]),
    ],
)
def test_what_counts_as_a_pair(
    rcaps: tuple[float, ...],
    deletions: tuple[float, ...],
    insertions: tuple[float, ...],
    pairs: list[tuple[int, int]],
) -> None:
    columns = zip(rcaps, deletions, insertions, strict=True)
    assert pairs_in([dict(zip(ASKED, each, strict=True)) for each in columns]) == pairs


# ---- what the page tells, and the link -----------------------------------------------------


def test_what_is_told_stands_in_the_link_once_it_is_let_go() -> None:
    at, moved = opened(), text_of((Gaussian(60, 44, 12), *START[1:]))
    tell(at, {"maps": moved, "number": 1, "moving": True})
    assert link_of(at) is None
    assert sent(at)["maps"] == moved
    assert sent(at)["pair"] == [0, 1]
    assert sent(at)["answered"] == 1
    tell(at, {"maps": moved, "number": 2, "moving": False})
    assert link_of(at) == moved
    assert sent(opened(moved))["maps"] == moved
    tell(at, {"maps": text_of(START), "number": 3, "moving": False})
    assert link_of(at) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "50-50-12", "50-50-12_" * 4, "50-50-12_50-50-25_80-80-12_80-80-41"),
        *("101-50-12_50-50-25_80-80-12_80-80-25", "٥-50-12_50-50-25_80-80-12_80-80-25"),
        "50-50-12_50-50-25_80-80-12_80-80-25\n",
    ],
)
def test_broken_link_begins_at_the_start(text: str) -> None:
    assert sent(opened(text))["maps"] == text_of(START)


@pytest.mark.parametrize("told", [None, 3, {"maps": 3, "number": "x"}, {"maps": ["50-50-12"]}])
def test_broken_message_begins_at_the_start(told: Any) -> None:
    data = sent(tell(opened(), told))
    assert (data["maps"], data["answered"]) == (text_of(START), 0)


def test_texts_and_maps_are_each_other_s_inverse() -> None:
    for gaussians in (START, FIGURE_4, (Gaussian(0, 100, 40), *START[1:])):
        assert gaussians_from(text_of(gaussians)) == gaussians


def test_each_answer_explains_itself() -> None:
    at = opened()
    for answer in LESSON.answers:
        at.radio[0].set_value(answer.text)
        run(at)
        (shown,) = at.success if answer.is_right else at.warning
        assert shown.value == answer.because
    assert sum(answer.is_right for answer in LESSON.answers) == 1
