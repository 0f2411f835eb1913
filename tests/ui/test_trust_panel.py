"""Can a map be trusted: tests on demand, step by step, and the words for what they found."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import explain_core as xc
from components import caching, trust_steps
from components.caching import pace
from components.trust_charts import short_stage
from components.trust_panel import _coarsely
from explain_core import InputError
from explain_core.metrics.verdicts import ONE_PICTURE, noise_verdict, weights_verdict
from tests.ui import steps
from tests.ui.test_score_strip import SAMPLE, Stopping, stopping

__all__ = ["stopping"]

TITLES = {
    "curves": "Against the controls",
    "weights": "When the network forgets",
    "noise": "With a little noise",
    "seed": "With another seed",
}

pytestmark = pytest.mark.usefixtures("no_memory")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one metric's curve stand for all."""
    monkeypatch.setattr(trust_steps, "CURVES", ("rcap",))


def opened(at: AppTest, *methods: str) -> AppTest:
    """Choose methods and open the panel."""
    steps.choose_methods(at, *methods)
    at.toggle(key="trust").set_value(True)
    return steps.run(at)


def verdicts(at: AppTest) -> dict[str, str]:
    """Return what is said of each step, by its title."""
    found = {}
    for each in at.markdown:
        said = re.match(r":\w+\[:material/\w+:\] \*\*(.+?)\*\* — (.+)", each.value, re.DOTALL)
        if said is not None:
            found[said.group(1)] = said.group(2)
    return found


def charts(at: AppTest) -> list[str]:
    return [each.proto.alt for each in at.get("plotly_chart") if "trust-" in each.proto.id]


def weights_of(model: xc.Model) -> list[np.ndarray]:
    return [each.detach().cpu().numpy().copy() for each in model.network.parameters()]


def test_opening_says_what_it_asks_and_costs_and_tests_nothing(at: AppTest) -> None:
    pace.recent_passes.clear()
    opened(at, "grad-cam")
    assert "Four questions to one map" in steps.texts(at)
    # 3 shared, 4 maps of 5 + 49 + 49 + 6, 9 as stages are found and randomised, 6 with noise
    assert "454 passes, time not known yet: it is told after the first step" in steps.texts(at)
    assert "Grad-CAM draws nothing at random: the same map with any seed." in steps.texts(at)
    assert verdicts(at) == {}


def test_verdicts_and_figures_are_those_of_the_notebook(at: AppTest) -> None:
    model, image = xc.load_model("digits"), xc.read_image(SAMPLE)
    steps.press(opened(at, "grad-cam"), "Test it")

    def explain(model: xc.Model, image: xc.Image, seed: int) -> xc.SaliencyMap:
        return xc.explain(model, image, method="grad-cam", target=3)

    forgotten = weights_verdict(xc.metrics.cascading_randomisation(model, image, explain))
    noisy = noise_verdict(xc.metrics.noise_agreement(model, image, explain), 0.02)
    found = verdicts(at)
    assert list(found) == list(TITLES.values())
    for title, verdict in ((TITLES["weights"], forgotten), (TITLES["noise"], noisy)):
        assert found[title].startswith(verdict.text)
        assert verdict.figures[1:].replace("-", "−") in found[title]
    smap = explain(model, image, 0)
    assert f"RCAP {xc.metrics.rcap(model, image, smap, target=3):.3f} (" in found[TITLES["curves"]]
    assert found[TITLES["seed"]].startswith("Grad-CAM draws nothing at random")
    assert ONE_PICTURE in steps.texts(at)
    assert "does not look at the classifier" not in steps.texts(at)
    assert len(charts(at)) == 5  # four of the curves, one of the stages


def test_the_model_stays_as_it_is(at: AppTest, few: None) -> None:
    model = caching.model_named("digits")
    before = weights_of(model)
    answer = model.predict(xc.read_image(SAMPLE))
    steps.press(opened(at, "grad-cam"), "Test it")
    for one, other in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model.predict(xc.read_image(SAMPLE)), answer)


@pytest.mark.usefixtures("few")
def test_a_method_with_a_seed_is_asked_for_another_one(at: AppTest) -> None:
    steps.press(opened(at, "guided-absolute-grad"), "Test it")
    assert TITLES["seed"] in verdicts(at)
    assert "5 maps with other seeds" in verdicts(at)[TITLES["seed"]]


@pytest.mark.usefixtures("few")
def test_diffcams_pictures_are_seen_anew_and_named(at: AppTest) -> None:
    steps.press(opened(at, "diffcam"), "Test it")
    assert "does not look at the classifier, so randomising it alone" in steps.texts(at)
    assert "50 pictures of the same classes, of “drawn-digits”" in steps.texts(at)
    assert "Not tested" not in verdicts(at)[TITLES["weights"]]


@pytest.mark.usefixtures("few")
def test_findings_go_with_a_moved_slider_and_come_back(at: AppTest) -> None:
    steps.press(opened(at, "finer-grad-cam"), "Test it")
    before, num_passes = verdicts(at), steps.passes(at)
    steps.tell(at, {"values": {"gamma": 0.9}})
    assert verdicts(at) == {}
    assert charts(at) == []
    assert "Tested at γ = 0.60" in steps.texts(at)
    steps.tell(at, {"values": {"gamma": 0.6}})
    assert verdicts(at) == before
    assert steps.passes(at) == num_passes


@pytest.mark.usefixtures("few")
def test_a_step_that_fails_says_why_and_the_others_go_on(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_values: object) -> None:
        raise InputError("the map is the same everywhere")

    monkeypatch.setattr(trust_steps, "cascading_randomisation", refuse)
    steps.press(opened(at, "grad-cam"), "Test it")
    assert verdicts(at)[TITLES["weights"]] == "Not tested: The map is the same everywhere."
    assert TITLES["noise"] in verdicts(at)


@pytest.mark.usefixtures("few")
def test_cancelling_keeps_the_steps_that_were_taken(at: AppTest, stopping: Stopping) -> None:
    opened(at, "grad-cam")
    stopping.left = 22  # of the curves: one for the picture, five for each map; then one
    steps.press(at, "Test it")
    stopping.left = math.inf
    steps.press(at, "Cancel testing Grad-CAM")
    assert list(verdicts(at)) == [TITLES["curves"]]
    assert ONE_PICTURE not in steps.texts(at)
    before = steps.passes(at)
    steps.press(at, "Go on")
    assert list(verdicts(at)) == list(TITLES.values())
    assert steps.passes(at) - before == 9 + 6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "10 s"), (11, "20 s"), (55, "1 min"), (89, "1 min"), (100, "2 min"), (3300, "55 min")],
)
def test_the_time_is_told_in_round_figures(seconds: float, text: str) -> None:
    assert _coarsely(seconds) == text


def test_what_is_on_is_said_stage_by_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_steps.Tested, "_num_stages", lambda _tested: 7)
    tested = trust_steps.Tested(None, None)  # type: ignore[arg-type]
    said = [tested.doing("weights", number / 8) for number in range(9)]
    assert said[0] == "the map as it is"
    assert said[1:8] == [f"the network without its last {n} of 7 stages" for n in range(1, 8)]
    assert said[8] == said[7]
    assert tested.doing("noise", 0.5) == "noise 3 of 5"
    assert tested.doing("curves", 0.5) == "against the controls"


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("fc", "fc"),
        ("features.5.norm to features.5.conv", "features.5"),
        ("features.17 to features.15", "features.17–15"),
        ("layer2.0 to layer1", "layer2.0 to layer1"),
        ("bn1 to conv1", "bn1 to conv1"),
    ],
)
def test_stages_are_named_in_few_letters(stage: str, text: str) -> None:
    assert short_stage(stage) == text


@pytest.mark.usefixtures("few")
def test_another_map_is_tested_by_itself(at: AppTest) -> None:
    steps.press(opened(at, "edges", "grad-cam"), "Test it")
    chosen = steps.keyed(at.selectbox, "trust-of-")
    assert chosen.value == "grad-cam"  # rather than the control
    chosen.set_value("edges")
    steps.run(at)
    assert verdicts(at) == {}
    steps.press(at, "Test it")
    assert verdicts(at)[TITLES["weights"]].startswith("Much of this map stays")
