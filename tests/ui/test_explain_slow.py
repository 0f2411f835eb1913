"""Slow methods on Explain: offered, started, coarse first, cancelled."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from torch import Tensor

from components import caching
from components.slow_methods import about
from explain_core import NumericsError
from explain_core.methods import perturbation
from explain_core.methods.cost import Pace
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps

DEFAULT_METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits"


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


def choose_rise(at: AppTest, num_masks: int = 400) -> AppTest:
    steps.choose_methods(at, "grad-cam", "rise")
    at.number_input(key="parameter-num_masks").set_value(num_masks)
    return steps.run(at)


def labels(at: AppTest) -> list[str]:
    return [each.label for each in at.button if "RISE" in each.label]


def test_a_slow_method_says_what_it_costs_before_it_starts(slow_machine: None, at: AppTest) -> None:
    steps.choose_methods(at, "grad-cam", "rise")
    assert "RISE: at most 2,000 passes, about 40 s" in steps.texts(at)
    assert labels(at) == ["Start RISE"]
    assert list(steps.shown_panels(at)) == ["grad-cam"]


def test_an_offer_runs_nothing(slow_machine: None, at: AppTest) -> None:
    before = steps.passes(at)
    assert steps.passes(steps.choose_methods(at, "grad-cam", "rise", "mask")) == before


def test_a_slow_method_alone_is_offered_too(slow_machine: None, at: AppTest) -> None:
    steps.choose_methods(at, "rise")
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
    steps.choose_methods(at, "grad-cam")
    assert list(steps.shown_panels(steps.choose_methods(at, "grad-cam", "rise"))) == [
        "grad-cam",
        "rise",
    ]


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
