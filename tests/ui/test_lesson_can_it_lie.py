"""Lesson "Can a picture lie?": votes, scores, verdicts and flips are the core's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components.lessons.can_it_lie import LESSON, WHAT
from components.lessons.lie_maps import best_by, round_of, scores_of, verdict_of
from components.wording import percent
from explain_core.datasets.film_drawing import draw_pixels, picture
from explain_core.metrics.metric import Score
from tests.ui.steps import TIMEOUT_S, header_of, run, sent, texts

SCRIPT = """
from components.lessons.can_it_lie import LESSON
from components.lessons.frame import show_lesson

show_lesson(LESSON, 4, is_large=False)
"""
STEPS = {"vote": "1 Vote", "reveal": "2 Reveal", "forget": "3 Forget", "catch": "4 Catch it"}
ROUND = 3


def opened(step: str, **link: str) -> AppTest:
    """Open a step by a link."""
    at = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT_S)
    at.query_params["can-it-lie-step"] = STEPS[step]
    at.query_params["can-it-lie-round"] = str(ROUND)
    for name, text in link.items():
        at.query_params[f"can-it-lie-{name.replace('_', '-')}"] = text
    return run(at)


def header(at: AppTest) -> dict[str, Any]:
    message = sent(at)
    assert message is not None
    return header_of(message)


def film(findings: tuple[str, ...], markers: tuple[str, ...]) -> xc.Image:
    return picture(draw_pixels(ROUND, findings, (256, 256), markers))


@pytest.fixture(scope="module")
def letters() -> dict[str, str]:
    """Give each map's letter in the round."""
    return {name: letter for letter, name in round_of(ROUND).order.items()}


def test_order_is_settled_by_the_round() -> None:
    orders = [tuple(round_of(number).order.values()) for number in (1, 2, 3, 4)]
    assert {name for order in orders for name in order} == set(WHAT)
    assert all("layer-cam" in order and len(order) == 3 for order in orders)
    assert {"edges", "center-gaussian"} < set(orders[0])  # at once one that may fool people
    assert set(orders[0]) == set(orders[3])
    wanted = np.random.default_rng(4).permutation(["layer-cam", "edges", "center-gaussian"])
    assert orders[3] == tuple(wanted)


def test_nothing_tells_the_maps_apart_before_the_vote() -> None:
    at = opened("vote")
    panels = header(at)["panels"]
    assert [panel["name"] for panel in panels] == ["map-a", "map-b", "map-c"]
    assert [panel["title"] for panel in panels] == ["Map A", "Map B", "Map C"]
    hidden = ("size", "kind", "knows", "subtitle", "foot", "meaning", "can_be_signed")
    assert all(panel[name] == panels[0][name] for panel in panels for name in hidden)
    sizes = [header(at)["arrays"][panel["fields"]["map"]]["shape"] for panel in panels]
    assert sizes[0] == sizes[1] == sizes[2]
    assert not re.search(
        "edge|random|spot|gauss|layer-cam", f"{panels} {header(at)['question']}".lower()
    )


def test_reveal_waits_for_the_vote() -> None:
    at = opened("reveal")
    assert [each.value for each in at.info] == ["Vote first, then see."]
    assert header(at)["panels"][0]["title"] == "Map A"
    assert "RCAP" not in texts(at)


def test_reveal_names_the_maps_and_their_scores(letters: dict[str, str]) -> None:
    at = opened("reveal", **{f"vote_{ROUND}": letters["random"]})
    titles = [panel["title"] for panel in header(at)["panels"]]
    assert sorted(titles) == sorted(f"{letter} · {WHAT[name]}" for name, letter in letters.items())
    assert [each.value for each in at.warning] == [
        f"{letters['random']} is random dots. It never asked the network."
    ]
    (table,) = [each.value for each in at.markdown if each.value.startswith("|")]
    (row,) = [line for line in table.splitlines() if "Deletion" in line]
    cells = [each.strip(" *") for each in row.strip("|").split("|")][1:]
    model, image = xc.load_model("films"), film(("opacity",), ())
    target = model.classes.index("opacity")
    found = {
        name: xc.explain(model, image, method=name, target=target)
        for name in ("center-gaussian", "random")
    }
    scored = xc.metrics.score_maps(
        xc.metrics.scorer_of(model, image), found, ["deletion"], target=target
    )
    for name, scores in scored.items():
        value = scores["deletion"].value
        assert cells["ABC".index(letters[name])] == f"{value:.2f}"
    assert "Layer-CAM does better than both maps that never asked the network." in texts(at)
    assert "**Deletion** ↓: cover the film" in texts(at)
    assert "**RCAP** ↑: show only" in texts(at)


@pytest.mark.parametrize("number", [1, 2])
def test_the_network_s_map_wins_a_round_with_either_finding(number: int) -> None:
    assert verdict_of(scores_of(round_of(number))).is_good


def test_a_verdict_that_is_not_good_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {name: {"deletion": Score(0.5), "rcap": Score(-0.001)} for name in round_of(1).maps}
    monkeypatch.setattr("components.lessons.can_it_lie.scores_of", lambda _asked: scores)
    at = opened("reveal", round="1", vote_1="A")
    assert "Layer-CAM: It does not beat every control" in texts(at)
    assert "0.00" in texts(at)
    assert not re.search("[-−]0.00", texts(at))


def test_right_vote_is_told(letters: dict[str, str]) -> None:
    at = opened("reveal", **{f"vote_{ROUND}": letters["layer-cam"]})
    assert [each.value for each in at.success] == [
        f"{letters['layer-cam']} is Layer-CAM, made from the network."
    ]


def test_vote_of_another_round_does_not_count() -> None:
    assert opened("reveal", **{f"vote_{ROUND + 1}": "A"}).info


def test_best_is_by_the_metric_s_direction() -> None:
    scores = {
        name: {"deletion": Score(value), "rcap": Score(value), "road": Score(None, reason="flat")}
        for name, value in (("one", 0.2), ("other", 0.7))
    }
    assert best_by(scores, "deletion") == "one"
    assert best_by(scores, "rcap") == "other"
    assert best_by(scores, "road") is None


def test_maps_that_do_not_care_stay_as_they_are() -> None:
    at = opened("forget", forgotten="8")
    feet = [panel["foot"] for panel in header(at)["panels"]]
    assert [foot.startswith("like the first map: 1.00") for foot in feet] == [False, True, True]
    told = texts(at)
    assert "**Layer-CAM:** changes" in told
    assert "**Spot in the middle:** does not care" in told
    assert "**Random dots:** does not care" in told
    assert header(opened("forget"))["panels"][0]["foot"] == "the map as it is"
    assert "The last 2 of 8 layers" in texts(opened("forget", forgotten="2"))


@pytest.mark.parametrize("has_finding", [True, False])
@pytest.mark.parametrize("has_marker", [True, False])
def test_networks_answer_and_flip(has_finding: bool, has_marker: bool) -> None:
    link = {"marker": str(has_marker).lower(), "finding": str(has_finding).lower()}
    at = opened("catch", **link)
    told = texts(at)
    shown = film(("opacity",) * has_finding, ("opacity",) * has_marker)
    found = []
    for number, name in enumerate(("films", "films-confounded"), 1):
        model = xc.load_model(name)
        target = model.classes.index("opacity")
        probability = model.probabilities(model.predict(shown))[target]
        found.append(bool(probability >= model.thresholds[target]))  # type: ignore[index]
        said = f"**Network {number}:** shadow in the lung {percent(float(probability))}"
        assert said in told
    assert found == [has_finding, has_marker]  # the first reads the film, the second the corner
    assert told.count("reports it") == sum(found)
    flips = re.findall(r"answer flips:\*\* (.*)\.", told)
    assert [f"Network {number}" in " ".join(flips) for number in (1, 2)] == [
        not has_finding,
        not has_marker,
    ]
    assert [panel["title"] for panel in header(at)["panels"]] == ["Network 1", "Network 2"]
    assert [panel["doubt"] == "" for panel in header(at)["panels"]] == found
    assert header(at)["look"] == {"scale": "Shared"}
    happened = (
        "Network 1 looks for the shadow in the lung itself. "
        "Network 2 reads the mark: with it, it always says “shadow in the lung”"
    )
    assert (happened in told) == (not (has_finding and has_marker))


def test_diffcam_has_its_slider() -> None:
    at = opened("catch", method="DiffCAM")
    assert [each["name"] for each in header(at)["parameters"]] == ["lam"]
    assert header(at)["look"] == {}  # how far two networks' films are apart is not comparable
    assert [panel["kind"] for panel in header(at)["panels"]] == ["spectral", "spectral"]


def test_broken_link_begins_at_the_vote() -> None:
    at = AppTest.from_string(SCRIPT, default_timeout=TIMEOUT_S)
    for name, text in (("step", "5 Win"), ("round", "0"), ("vote-1", "D"), ("forgotten", "99")):
        at.query_params[f"can-it-lie-{name}"] = text
    run(at)
    assert header(at)["panels"][0]["title"] == "Map A"
    assert "Your vote is in" not in texts(at)
    assert at.number_input[0].value == 1


def test_one_answer_is_right() -> None:
    assert sum(answer.is_right for answer in LESSON.answers) == 1
