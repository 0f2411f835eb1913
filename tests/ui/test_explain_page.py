"""The Explain page: what is asked, what is shown, and what runs the network."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from torch import Tensor

from components import caching, map_viewer
from components.map_viewer import Settings
from components.slow_methods import about
from explain_core import METHODS, NumericsError
from explain_core.methods import perturbation
from explain_core.methods.cost import Pace
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps

DEFAULT_METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits"


def test_it_starts_with_the_bundled_model_and_four_maps(at: AppTest) -> None:
    assert at.selectbox(key="model").value == "digits"
    assert steps.prediction(at) == "3"
    assert list(steps.shown_panels(at)) == DEFAULT_METHODS
    assert not at.error


def test_every_map_has_title_contrast_and_foot(at: AppTest) -> None:
    panels = steps.shown_panels(at)
    for method, panel in panels.items():
        assert METHODS[method].title in panel.head
        assert "3" in panel.head
    assert "layer features.5" in panels["diffcam"].foot
    assert "n = " in panels["guided-absolute-grad"].foot


def test_every_map_follows_its_own_sliders(at: AppTest) -> None:
    assert {name: panel.knows for name, panel in steps.shown_panels(at).items()} == {
        "diffcam": ("lam",),
        "finer-grad-cam": ("gamma", "reverse", "aggregation"),
        "grad-cam": (),
        "guided-absolute-grad": ("p",),
    }


def test_each_sample_is_read_right(at: AppTest) -> None:
    at.multiselect(key="methods-bank").set_value([])
    for sample in json.loads((SAMPLES / "samples.json").read_text("utf-8")):
        at.selectbox(key="sample").set_value(sample["file"])
        steps.run(at)
        assert steps.prediction(at) == str(sample["digit"])
        assert steps.target(at).value == sample["digit"]


def test_another_sample_gives_other_maps(at: AppTest) -> None:
    before = steps.shown_panels(at)
    at.selectbox(key="sample").set_value("seven.png")
    after = steps.shown_panels(steps.run(at))
    assert all(before[method].data != after[method].data for method in DEFAULT_METHODS)


# ---- the question --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["why is", "why not"])
def test_the_target_is_never_among_the_references(at: AppTest, kind: str) -> None:
    at.multiselect(key="methods-bank").set_value([])
    at.button_group(key="question-4").set_value(kind)
    steps.run(at)
    for target in range(10):
        steps.target(at).set_value(target)
        steps.run(at)
        chosen = steps.references(at)
        assert target not in chosen.value
        assert chosen.value
        assert not any(option.startswith(f"{target} ") for option in chosen.options)
        assert len(chosen.options) == 9


def test_the_question_is_the_title(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8, 0])
    assert steps.run(at).title[0].value == "Why 3 and not 8 or 0?"


@pytest.mark.parametrize(
    ("kind", "compared"),
    [
        ("why is", "3 against all other classes (4,500 pictures)"),
        ("why not", "3 against 8 (500 pictures)"),
        ("what varies", "3 against its own class (500 pictures)"),
    ],
)
def test_diffcams_references_follow_the_question(at: AppTest, kind: str, compared: str) -> None:
    before = steps.shown_panels(at)["diffcam"]
    at.button_group(key="question-4").set_value(kind)
    after = steps.shown_panels(steps.run(at))["diffcam"]
    assert compared in after.head
    assert (after.data == before.data) == (kind == "why is")


def test_diffcam_compares_with_all_chosen_classes(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([8, 5])
    assert "8, 5 (1,000 pictures)" in steps.shown_panels(steps.run(at))["diffcam"].head


def test_what_varies_explains_finer_cam_away_and_keeps_the_others(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("what varies")
    panels = steps.shown_panels(steps.run(at))
    assert list(panels) == ["diffcam", "grad-cam", "guided-absolute-grad"]
    (info,) = at.info
    assert info.value.startswith("Finer-CAM (Grad-CAM)")
    assert "this question stays within one" in info.value
    assert not [each for each in at.multiselect if each.key.startswith("references-")]


def test_the_suggestions_reason_is_shown(at: AppTest) -> None:
    assert "weight cosine" in steps.texts(at)
    steps.keyed(at.button_group, "suggest-by-").set_value("logits")
    steps.run(at)
    assert "rank 1" in steps.texts(at)
    assert "weight cosine" not in steps.texts(at)


def test_a_class_chosen_beside_the_suggestions_is_counted(at: AppTest) -> None:
    chosen = steps.references(at)
    chosen.set_value([*chosen.value, 0])
    assert "1 class chosen by you" in steps.texts(steps.run(at))


def test_a_class_that_did_not_win_is_cautioned_against(at: AppTest) -> None:
    steps.target(at).set_value(0)
    steps.run(at)
    assert any("The model predicts “3”, not “0”" in each.value for each in at.warning)


def test_class_zero_can_be_explained_and_compared_with(at: AppTest) -> None:
    at.selectbox(key="sample").set_value("zero-like-six.png")
    steps.run(at)
    assert steps.target(at).value == 0
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.target(at).set_value(6)
    steps.run(at)
    steps.references(at).set_value([0])
    panels = steps.shown_panels(steps.run(at))
    assert "6 against 0" in panels["finer-grad-cam"].head
    assert at.title[0].value == "Why 6 and not 0?"


# ---- nothing chosen ------------------------------------------------------------------------


def test_without_a_method_it_says_what_to_do(at: AppTest) -> None:
    at.multiselect(key="methods-bank").set_value([])
    steps.run(at)
    assert not steps.shown_panels(at)
    assert any("at least one method" in each.value for each in at.info)


def test_without_a_reference_it_says_what_to_do_and_shows_the_rest(at: AppTest) -> None:
    at.button_group(key="question-4").set_value("why not")
    steps.run(at)
    steps.references(at).set_value([])
    panels = steps.shown_panels(steps.run(at))
    assert list(panels) == ["grad-cam", "guided-absolute-grad"]
    assert "choose at least one class to compare with" in steps.texts(at)
    (info,) = at.info
    assert info.value.startswith("DiffCAM, Finer-CAM (Grad-CAM)")


def test_without_a_picture_it_says_where_to_get_one(at: AppTest) -> None:
    steps.keyed(at.button_group, "source").set_value("Upload")
    steps.run(at)
    assert not steps.shown_panels(at)
    assert any("Give a picture" in each.value for each in at.info)


def test_every_method_has_a_map(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "pace_of", lambda *_: Pace(0.0, 0.0))
    assert len(at.multiselect(key="methods-bank").options) == len(METHODS)
    for first in range(0, len(METHODS), 6):
        names = list(METHODS)[first : first + 6]
        at.multiselect(key="methods-bank").set_value(names)
        assert list(steps.shown_panels(steps.run(at))) == names
        assert not at.error


# ---- what the viewer is sent and tells -----------------------------------------------------

DEFAULTS = {
    "gamma": 0.6,
    "reverse": False,
    "aggregation": "average before ReLU",
    "lam": 1e-3,
    "p": 85.0,
}
SET = {
    "gamma": 1.4,
    "reverse": True,
    "aggregation": "maximum before ReLU",
    "lam": 1.0,
    "p": 20.0,
}
SIGNED = {"evidence": "For and against"}


@dataclass
class Set:
    """Record the settings that maps are rendered with for numbers and downloads."""

    last: Settings | None = None


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Record what `show_maps` returns to the page."""
    record, check = Set(), map_viewer._settings

    def recorded(told: Any, parameters: Any) -> Settings:
        record.last = check(told, parameters)
        return record.last

    monkeypatch.setattr(map_viewer, "_settings", recorded)
    return record


def test_a_rerun_sends_the_same_message(at: AppTest) -> None:
    before = steps.sent(at)
    assert steps.sent(steps.run(at)) == before


def test_a_rerun_does_not_pack_again(at: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> bytes:
        raise AssertionError("packed again")

    monkeypatch.setattr(map_viewer, "pack", refuse)
    steps.run(at)


def test_what_is_set_in_the_viewer_sends_the_same_message(at: AppTest) -> None:
    before = steps.sent(at)
    steps.tell(at, {"values": SET, "own": {}, "look": SIGNED})
    assert steps.sent(at) == before


def test_what_is_set_in_the_viewer_runs_no_network(
    at: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_passes = steps.passes(at)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("the network ran")

    monkeypatch.setattr(DigitsNet, "forward", refuse)
    steps.tell(at, {"values": SET, "own": {}, "look": SIGNED})
    assert steps.passes(at) == num_passes


def test_each_question_has_a_message_of_its_own(at: AppTest) -> None:
    before = steps.sent(at)
    at.button_group(key="question-4").set_value("why not")
    assert steps.sent(steps.run(at)) != before


def test_python_renders_with_what_was_told(at: AppTest, rendered: Set) -> None:
    steps.tell(at, {"values": SET, "own": {}, "look": SIGNED})
    assert rendered.last is not None
    assert rendered.last.shared == SET
    assert rendered.last.is_signed


def test_a_panel_with_sliders_of_its_own_has_its_own_values(at: AppTest, rendered: Set) -> None:
    own = {"finer-grad-cam": {**SET, "gamma": 0.1}}
    steps.tell(at, {"values": SET, "own": own, "look": {}})
    assert rendered.last is not None
    assert rendered.last.of("finer-grad-cam") == {
        "gamma": 0.1,
        "reverse": True,
        "aggregation": "maximum before ReLU",
    }
    assert rendered.last.of("diffcam") == {"lam": 1.0}


TOLD_WRONGLY: dict[str, object] = {
    "nothing": None,
    "a list": [1, 2],
    "a text": "gamma",
    "empty": {},
    "values that are a list": {"values": [1.4]},
    "a text for a number": {"values": {"gamma": "1.4"}},
    "None for a number": {"values": {"gamma": None, "lam": None}},
    "a list for a number": {"values": {"gamma": [1.4]}},
    "true for a number": {"values": {"gamma": True}},
    "a number for a switch": {"values": {"reverse": 1}},
    "too large": {"values": {"gamma": 2.5, "p": 101, "lam": 1e9}},
    "too small": {"values": {"gamma": -0.1, "p": -1, "lam": 0}},
    "NaN": {"values": {"gamma": math.nan, "lam": math.inf}},
    "huge": {"values": {"gamma": 10**400}},
    "an unknown parameter": {"values": {"delta": 3}},
    "own that is a number": {"values": {}, "own": 3},
    "own values of an unknown panel": {"own": {"no-method": {"gamma": 1.0}}},
    "own values that are a list": {"own": {"finer-grad-cam": [1.0]}},
    "own values out of range": {"own": {"finer-grad-cam": {"gamma": 7}}},
    "a look that is a text": {"look": "For and against"},
    "an unknown evidence": {"look": {"evidence": ["For and against"]}},
}


@pytest.mark.parametrize("fault", TOLD_WRONGLY)
def test_what_is_told_wrongly_leaves_the_defaults(at: AppTest, rendered: Set, fault: str) -> None:
    steps.tell(at, TOLD_WRONGLY[fault])
    assert rendered.last is not None
    for method in DEFAULT_METHODS:
        known = rendered.last.of(method)
        assert known == {name: DEFAULTS[name] for name in known}
    assert not rendered.last.is_signed
    assert len(steps.shown_panels(at)) == 4


def test_a_wrong_value_leaves_the_others_as_told(at: AppTest, rendered: Set) -> None:
    steps.tell(at, {"values": {**SET, "gamma": "much"}})
    assert rendered.last is not None
    assert rendered.last.shared == {**SET, "gamma": DEFAULTS["gamma"]}


# ---- slow methods --------------------------------------------------------------------------


SLOW = Pace(fixed_s=0.0, pass_s=0.02)


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch, no_memory: None) -> None:
    """Let every pass be said to take long, and nothing be kept from before."""
    monkeypatch.setattr(caching, "pace_of", lambda *_: SLOW)


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
        monkeypatch.setattr(perturbation, "batch_size", lambda device, size: 20)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    return Stopping(monkeypatch)


def choose(at: AppTest, *methods: str) -> AppTest:
    at.multiselect(key="methods-bank").set_value(list(methods))
    return steps.run(at)


def choose_rise(at: AppTest, num_masks: int = 400) -> AppTest:
    choose(at, "grad-cam", "rise")
    at.number_input(key="parameter-num_masks").set_value(num_masks)
    return steps.run(at)


def labels(at: AppTest) -> list[str]:
    return [each.label for each in at.button if "RISE" in each.label]


def test_a_slow_method_says_what_it_costs_before_it_starts(slow_machine: None, at: AppTest) -> None:
    choose(at, "grad-cam", "rise")
    assert "RISE: at most 2,000 passes, about 40 s" in steps.texts(at)
    assert labels(at) == ["Start RISE"]
    assert list(steps.shown_panels(at)) == ["grad-cam"]


def test_an_offer_runs_nothing(slow_machine: None, at: AppTest) -> None:
    before = steps.passes(at)
    assert steps.passes(choose(at, "grad-cam", "rise", "mask")) == before


def test_a_slow_method_alone_is_offered_too(slow_machine: None, at: AppTest) -> None:
    choose(at, "rise")
    assert labels(at) == ["Start RISE"]
    assert not steps.shown_panels(at)


def test_a_slow_method_starts_on_demand(slow_machine: None, at: AppTest) -> None:
    before = steps.passes(choose_rise(at))
    steps.press(at, "Start RISE")
    assert list(steps.shown_panels(at)) == ["grad-cam", "rise"]
    assert "400 masks of 7 × 7" in steps.shown_panels(at)["rise"].foot
    assert not labels(at)
    assert steps.passes(at) - before == 400


def test_a_map_that_was_made_needs_no_second_start(slow_machine: None, at: AppTest) -> None:
    steps.press(choose_rise(at), "Start RISE")
    choose(at, "grad-cam")
    assert list(steps.shown_panels(choose(at, "grad-cam", "rise"))) == ["grad-cam", "rise"]


def test_a_quick_method_starts_at_once(
    monkeypatch: pytest.MonkeyPatch, no_memory: None, at: AppTest
) -> None:
    monkeypatch.setattr(caching, "pace_of", lambda *_: Pace(0.0, 1e-4))
    assert list(steps.shown_panels(choose_rise(at))) == ["grad-cam", "rise"]


def test_the_other_maps_are_there_while_a_slow_one_runs(
    slow_machine: None, stopping: Stopping, at: AppTest
) -> None:
    before = steps.shown_panels(choose_rise(at))
    stopping.left = 0
    steps.press(at, "Start RISE")
    assert steps.shown_panels(at) == before
    assert labels(at) == ["Cancel RISE"]


def test_a_coarse_map_comes_first(slow_machine: None, stopping: Stopping, at: AppTest) -> None:
    choose_rise(at)
    stopping.left = 100
    steps.press(at, "Start RISE")
    assert steps.shown_panels(at)["rise"].foot.startswith("coarse: the first 40 of 400 passes")


@pytest.mark.parametrize(
    ("num_pictures", "is_coarse_there"), [(20, False), (100, True)], ids=["coarse", "whole"]
)
def test_cancelling_brings_the_offer_back_and_keeps_the_coarse_map(
    slow_machine: None, stopping: Stopping, at: AppTest, num_pictures: int, is_coarse_there: bool
) -> None:
    choose_rise(at)
    stopping.left = num_pictures
    steps.press(at, "Start RISE")
    stopping.left = math.inf
    steps.press(at, "Cancel RISE")
    assert list(steps.shown_panels(at)) == ["grad-cam", *(["rise"] if is_coarse_there else [])]
    assert labels(at) == ["Start RISE"]


def test_another_press_goes_on_from_the_coarse_map(
    slow_machine: None, stopping: Stopping, at: AppTest
) -> None:
    choose_rise(at)
    stopping.left = 100
    before = steps.passes(steps.press(at, "Start RISE"))
    stopping.left = math.inf
    assert "rise" in steps.shown_panels(steps.run(at))
    assert steps.passes(at) - before == 60 + 360  # of the stage that was ended, of the whole


def test_another_question_is_not_started(
    slow_machine: None, stopping: Stopping, at: AppTest
) -> None:
    choose_rise(at)
    stopping.left = 100
    steps.press(at, "Start RISE")
    stopping.left = math.inf
    for sample in ("seven.png", "three.png"):
        at.selectbox(key="sample").set_value(sample)
        assert labels(steps.run(at)) == ["Start RISE"]


def test_a_slow_method_that_fails_says_so_once(
    slow_machine: None, monkeypatch: pytest.MonkeyPatch, at: AppTest
) -> None:
    choose_rise(at)

    def fail(*_args: object, **_values: object) -> None:
        raise NumericsError("the masks overflowed")

    monkeypatch.setattr(perturbation, "draw_masks", fail)
    steps.press(at, "Start RISE")
    assert "The masks overflowed" in steps.errors(at)
    assert list(steps.shown_panels(at)) == ["grad-cam"]
    steps.run(at)
    assert not steps.errors(at)
    assert labels(at) == ["Start RISE"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (3.4, "3 s"), (38, "40 s"), (100, "2 min"), (1700, "30 min"), (9000, "2 h")],
)
def test_durations_are_said_roughly(seconds: float, text: str) -> None:
    assert about(seconds) == text


def test_settings_are_those_of_the_chosen_methods(at: AppTest) -> None:
    choose(at, "grad-cam", "edges")
    assert not [each.key for each in at.number_input if (each.key or "").startswith("parameter-")]
    choose(at, "grad-cam", "random")
    assert at.number_input(key="parameter-seed").value == 0


def test_a_setting_is_kept_while_its_method_is_away(at: AppTest) -> None:
    at.number_input(key="parameter-num_samples").set_value(7)
    steps.run(at)
    choose(at, "grad-cam")
    choose(at, "grad-cam", "smooth-grad")
    assert at.number_input(key="parameter-num_samples").value == 7


def test_a_control_says_what_it_is(at: AppTest) -> None:
    panels = steps.shown_panels(choose(at, "random", "center-gaussian", "edges"))
    assert all("Control" in each.head for each in panels.values())
    assert all("knows nothing of the model" in each.head for each in panels.values())


# ---- passes --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_memory")
def test_the_passes_on_the_page_are_those_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    forward = DigitsNet.forward

    def count(self: DigitsNet, x: Tensor) -> Tensor:
        nonlocal counted
        counted += len(x)
        return forward(self, x)

    monkeypatch.setattr(DigitsNet, "forward", count)
    at = steps.open_app()
    assert steps.passes(at) == counted > 20


def test_a_question_asked_before_runs_nothing(at: AppTest) -> None:
    def ask(kind: str) -> int:
        at.button_group(key="question-4").set_value(kind)
        return steps.passes(steps.run(at))

    once = [ask(kind) for kind in ("what varies", "why is")]
    assert [ask(kind) for kind in ("what varies", "why is")] == [once[-1]] * 2


@pytest.mark.parametrize("layer_idx", [0, 2])
def test_another_layer_changes_the_cam_family(at: AppTest, layer_idx: int) -> None:
    layers = at.selectbox(key="layer-digits")
    before = steps.shown_panels(at)
    layers.select_index(layer_idx)
    after = steps.shown_panels(steps.run(at))
    assert before["grad-cam"].data != after["grad-cam"].data
    assert before["guided-absolute-grad"].data == after["guided-absolute-grad"].data


def test_two_sessions_do_not_share_what_they_chose(rendered: Set) -> None:
    first, second = steps.open_app(), steps.open_app()
    first.selectbox(key="sample").set_value("seven.png")
    steps.run(first)
    steps.tell(second, {"values": {"gamma": 0.1}})
    assert steps.prediction(second) == "3"
    steps.run(first)
    assert steps.prediction(first) == "7"
    assert rendered.last is not None
    assert rendered.last.shared == DEFAULTS
