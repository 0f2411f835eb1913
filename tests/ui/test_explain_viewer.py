"""What Explain sends its viewer, and what the viewer tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components import map_viewer
from components.map_viewer import Settings
from explain_core.models.digits_net import DigitsNet
from tests.ui import steps

DEFAULT_METHODS = ["diffcam", "finer-grad-cam", "grad-cam", "guided-absolute-grad"]
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples" / "digits"


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
