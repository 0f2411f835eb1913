"""Scores below the maps: on demand, of the settings that the maps have, never outdated unsaid."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from torch import Tensor

import explain_core as xc
from components import caching
from components.caching import pace, scores
from components.score_strip import settings_text
from components.wording import literal
from explain_core.metrics.metric import Score
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps
from tests.ui.test_models import write_list, write_weights

SAMPLE = Path(__file__).resolve().parents[2] / "assets/samples/digits/three-almost-eight.png"
METHODS = ("finer-grad-cam", "grad-cam")
TITLES = {"finer-grad-cam": "Finer-CAM (Grad-CAM)", "grad-cam": "Grad-CAM"}

pytestmark = pytest.mark.usefixtures("no_memory")


def cards(at: AppTest) -> dict[str, str]:
    """Return what is said of each map's scores, by its title."""
    found = {}
    for each in at.markdown:
        head, _, rest = each.value.partition("  \n")
        title = re.fullmatch(r":small\[\*\*(.+)\*\*(.*)\]", head)
        if title is not None:
            found[title.group(1)] = title.group(2) + rest
    return found


def labels(at: AppTest) -> list[str]:
    return [each.label for each in at.button if "cor" in each.label]


@pytest.fixture
def two(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Give the page with two maps, of which γ moves the first, on a machine that is fast."""
    monkeypatch.setattr(caching, "pass_seconds", lambda _model: 0.0)
    return steps.choose_methods(at, *METHODS)


@pytest.fixture
def scored(two: AppTest) -> AppTest:
    return steps.press(two, "Score these maps")


class Stopping:
    """Stop the page, as a person's press of a widget does, after a number of pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: float = math.inf
        forward = DigitsNet.forward

        def stop(network: DigitsNet, x: Tensor) -> Tensor:
            self.left -= len(x)
            if self.left < 0:
                st.stop()
            return forward(network, x)

        monkeypatch.setattr(DigitsNet, "forward", stop)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    return Stopping(monkeypatch)


def test_nothing_is_scored_unasked(two: AppTest) -> None:
    assert cards(two) == {}
    assert "Scores" not in steps.texts(two)
    assert labels(two) == ["Score these maps"]


def test_scores_are_those_of_the_notebook(scored: AppTest) -> None:
    model, image = xc.load_model("digits"), xc.read_image(SAMPLE)
    references = [int(each) for each in steps.references(scored).value]
    assert "γ = 0.60" in cards(scored)[TITLES["finer-grad-cam"]]
    for method, title in TITLES.items():
        smap = xc.explain(model, image, method=method, target=3, references=references)
        rcap = xc.metrics.rcap(model, image, smap, target=3)
        drop = xc.metrics.relative_drop(model, image, smap, target=3, references=references)
        assert f"RCAP ↑ **{rcap:.3f}**" in cards(scored)[title]
        assert f"Relative drop ↑ **{drop:.3f}**" in cards(scored)[title]
    assert labels(scored) == []


def test_controls_are_of_the_same_picture_and_have_a_fixed_seed(
    two: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, score = [], caching.score

    def noted(*arguments: Any, **values: Any) -> Any:
        scored.append(dict(arguments[2]))
        return score(*arguments, **values)

    monkeypatch.setattr(caching, "score", noted)
    steps.press(two, "Score these maps")
    model, image = xc.load_model("digits"), xc.read_image(SAMPLE)
    (maps,) = scored  # one call
    found = {smap.provenance.method: smap.values for smap in maps.values()}
    assert list(found) == [*METHODS, "random", "center-gaussian", "edges"]
    for name in list(found)[2:]:
        np.testing.assert_array_equal(found[name], xc.explain(model, image, method=name).values)
    assert "seed 0" in steps.texts(two)


def test_a_moved_slider_outdates_only_its_own_map_and_says_what_was_scored(
    scored: AppTest,
) -> None:
    before = cards(scored)
    steps.tell(scored, {"values": {"gamma": 0.9}})
    now = cards(scored)
    assert now["Grad-CAM"] == before["Grad-CAM"]
    outdated = now[TITLES["finer-grad-cam"]]
    assert "scored at γ = 0.60" in outdated
    assert "**" not in outdated
    assert "Beats" not in outdated
    assert labels(scored) == ["Score again"]


def test_scoring_again_scores_what_is_outdated_and_no_more(scored: AppTest) -> None:
    steps.tell(scored, {"values": {"gamma": 0.9}})
    before = steps.passes(scored)
    steps.press(scored, "Score again")
    assert "scored at" not in str(cards(scored))
    # the picture itself, RCAP's five and the relative drop's one
    assert steps.passes(scored) - before == 7


def test_moved_back_the_scores_are_there_again(scored: AppTest) -> None:
    before = cards(scored)
    num_passes = steps.passes(scored)
    steps.tell(scored, {"values": {"gamma": 0.9}})
    steps.tell(scored, {"values": {"gamma": 0.6}})
    assert cards(scored) == before
    assert steps.passes(scored) == num_passes


def test_a_reversed_map_is_not_scored_for_the_target(two: AppTest) -> None:
    steps.tell(two, {"values": {"reverse": True}})
    steps.press(two, "Score these maps")
    assert "Not scored: reversed" in cards(two)[TITLES["finer-grad-cam"]]
    assert "RCAP" in cards(two)["Grad-CAM"]


def test_without_reference_classes_it_is_deletion(two: AppTest) -> None:
    steps.keyed(two.button_group, "question-").set_value("what varies")
    steps.run(two)
    steps.press(two, "Score this map")
    assert "Deletion AUC ↓" in cards(two)["Grad-CAM"]
    assert "Relative drop" not in str(cards(two))


def test_an_undefined_score_says_why_and_a_control_is_named_one(
    two: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*arguments: object, **_values: object) -> dict[object, dict[str, Score]]:
        return {key: {"rcap": Score(None, "no positive evidence")} for key in arguments[2]}

    monkeypatch.setattr(caching, "score", nothing)
    steps.choose_methods(two, "grad-cam", "edges")
    steps.press(two, "Score these maps")
    assert "RCAP ↑ – :gray[no positive evidence]" in cards(two)["Grad-CAM"]
    assert "Beats the controls: –" in cards(two)["Grad-CAM"]
    assert "a control itself" in cards(two)["edges"]


@pytest.mark.parametrize(("pass_s", "told"), [(0.01, ""), (0.1, ", about 3 s")])
def test_what_takes_long_says_so_before(
    two: AppTest, monkeypatch: pytest.MonkeyPatch, pass_s: float, told: str
) -> None:
    monkeypatch.setattr(caching, "pass_seconds", lambda _model: pass_s)
    assert labels(steps.run(two)) == [f"Score these maps{told}"]


def test_a_disturbed_measurement_is_outvoted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = caching.model_named("digits")
    pace.recent_passes.clear()
    pace.first_passes().pop(model, None)
    assert caching.pass_seconds(model) == 0
    clock = iter([0.0, 19.0, 0.0, 0.1])
    monkeypatch.setattr(scores, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    image = xc.read_image(SAMPLE)
    smap = xc.explain(model, image, method="edges")
    known = []
    for metrics in (("rcap",), ("rcap", "deletion")):
        caching.score(model, image, {"": smap}, metrics, target=3, references=(), progress=None)
        known.append(caching.is_pace_known(model))
    assert known == [False, True]
    assert caching.pass_seconds(model) < 0.01
    pace.recent_passes.clear()


def test_a_verdict_says_by_which_measures(two: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(*arguments: object, **_values: object) -> dict[object, dict[str, Score]]:
        return {
            key: {"rcap": Score(0.9 - 0.1 * i), "relative-drop": Score(0.3 if i else 0.6)}
            for i, key in enumerate(arguments[2])
        }

    monkeypatch.setattr(caching, "score", ahead)
    steps.press(two, "Score these maps")
    found = cards(two)
    assert "Beats the controls: **yes** :gray[by both measures]" in found[TITLES["finer-grad-cam"]]
    told = "**no** :gray[(no better than random, centre or edges by Relative drop)]"
    assert f"Beats the controls: {told}" in found["Grad-CAM"]
    help_text = next(each.help for each in two.markdown if each.value.startswith("**Scores**"))
    assert "judges by RCAP, Deletion AUC, Insertion AUC and ROAD" in help_text


def test_scoring_can_be_cancelled(two: AppTest, stopping: Stopping) -> None:
    stopping.left = 0
    steps.press(two, "Score these maps")
    assert labels(two) == ["Cancel scoring"]
    stopping.left = math.inf
    steps.press(two, "Cancel scoring")
    assert cards(two) == {}
    assert labels(two) == ["Score these maps"]


def test_what_was_left_does_not_start_on_coming_back(two: AppTest, stopping: Stopping) -> None:
    stopping.left = 0
    steps.press(two, "Score these maps")
    stopping.left = math.inf
    for sample in ("seven.png", SAMPLE.name):
        two.selectbox(key="sample").set_value(sample)
        assert labels(steps.run(two)) == ["Score these maps"]


def test_a_model_without_classes_cannot_be_scored(
    at: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / "other.safetensors", "squeezenet1_1")
    text = '[featured]\narchitecture = "torchvision/squeezenet1_1"\nweights = "other.safetensors"\n'
    write_list(tmp_path, text + 'size = 64\nresize_px = 64\noutput = "none"\n', monkeypatch)
    caching.model_names.clear()
    steps.run(at)
    at.selectbox(key="model").set_value("featured")
    given = ("three.png", SAMPLE.read_bytes(), "image/png")
    steps.run(at).file_uploader[0].set_value(given)
    steps.run(at)
    assert steps.button(at, "Score these maps").disabled
    assert "no classes" in steps.button(at, "Score these maps").help


@pytest.mark.parametrize(
    ("then", "now", "text"),
    [
        ({"gamma": 0.6}, {"gamma": 0.9}, "γ = 0.60"),
        ({"lam": 1e-3}, {"lam": 1.0}, "λ = 10⁻³"),
        ({"lam": 10**-2.75}, {"lam": 1.0}, "λ = 1.8 · 10⁻³"),
        ({"lam": 1.0}, {"lam": 0.1}, "λ = 1.00"),
        ({"p": 85.0}, {"p": 20.0}, "p = 85 %"),
        ({"gamma": 0.6, "reverse": False}, {"gamma": 0.6, "reverse": True}, "not reversed"),
    ],
)
def test_settings_name_what_was_otherwise(
    then: dict[str, float], now: dict[str, float], text: str
) -> None:
    assert settings_text(then, now) == text


def test_a_typed_text_is_shown_as_it_is() -> None:
    assert literal("a [red] *bird*, 3:4") == r"a \[red\] \*bird\*\, 3\:4"
