"""Lesson "Can a picture lie?": votes, scores, verdicts and flips are the core's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components.lessons.can_it_lie import LESSON, WHAT
from components.lessons.lie_maps import best_by, round_of
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
    assert {frozenset(order) for order in orders} == {frozenset(WHAT)}
    assert len(set(orders)) > 1
    wanted = np.random.default_rng(ROUND).permutation(["layer-cam", "edges", "random"])
    assert orders[2] == tuple(wanted)


def test_nothing_tells_the_maps_apart_before_the_vote() -> None:
    at = opened("vote")
    panels = header(at)["panels"]
    assert [panel["name"] for panel in panels] == ["map-a", "map-b", "map-c"]
    assert [panel["title"] for panel in panels] == ["Map A", "Map B", "Map C"]
    hidden = ("size", "kind", "knows", "subtitle", "foot", "meaning", "can_be_signed")
    assert all(panel[name] == panels[0][name] for panel in panels for name in hidden)
    sizes = [header(at)["arrays"][panel["fields"]["map"]]["shape"] for panel in panels]
    assert sizes[0] == sizes[1] == sizes[2]
    assert not re.search("edge|random|layer-cam", f"{panels} {header(at)['question']}".lower())


def test_reveal_waits_for_the_vote() -> None:
    at = opened("reveal")
    assert [each.value for each in at.info] == ["Vote first, then see."]
    assert header(at)["panels"][0]["title"] == "Map A"
    assert "RCAP" not in texts(at)


def test_reveal_names_the_maps_and_their_scores(letters: dict[str, str]) -> None:
    at = opened("reveal", **{f"vote_{ROUND}": letters["edges"]})
    titles = [panel["title"] for panel in header(at)["panels"]]
    assert sorted(titles) == sorted(f"{letters[name]} · {what}" for name, what in WHAT.items())
    assert [each.value for each in at.warning] == [
        f"{letters['edges']} is an edge detector. It never asked the network."
    ]
    (table,) = [each.value for each in at.markdown if each.value.startswith("|")]
    (row,) = [line for line in table.splitlines() if "Insertion" in line]
    cells = [each.strip(" *") for each in row.strip("|").split("|")][1:]
    model, image = xc.load_model("films"), film(("opacity",), ())
    target = model.classes.index("opacity")
    found = {
        name: xc.explain(model, image, method=name, target=target) for name in ("edges", "random")
    }
    scored = xc.metrics.score_maps(
        xc.metrics.scorer_of(model, image), found, ["insertion"], target=target
    )
    for name, scores in scored.items():
        value = scores["insertion"].value
        assert cells["ABC".index(letters[name])] == f"{value:.2f}"
    assert "Layer-CAM: It beats edges and random by" in texts(at)


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
    assert "**Edge detector:** does not care" in told
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
        assert f"**Network {number}:** opacity {percent(float(probability))}" in told
    assert found == [has_finding, has_marker]  # the first reads the film, the second the corner
    assert told.count("reports it") == sum(found)
    flips = re.findall(r"answer flips:\*\* (.*)\.", told)
    assert [f"Network {number}" in " ".join(flips) for number in (1, 2)] == [
        not has_finding,
        not has_marker,
    ]
    assert [panel["title"] for panel in header(at)["panels"]] == ["Network 1", "Network 2"]


def test_diffcam_has_its_slider() -> None:
    at = opened("catch", method="DiffCAM")
    assert [each["name"] for each in header(at)["parameters"]] == ["lam"]
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
