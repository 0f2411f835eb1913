"""How fast models and methods are on this machine, shared by all sessions."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median_low
from weakref import WeakKeyDictionary

import streamlit as st

import explain_core as xc
from components.caching import session
from components.caching.bases import prepare_values
from explain_core.methods.cost import Pace, SpeedMeter
from explain_core.types import ParameterValue

MAX_RECENT = 5
MIN_TIMED_PASSES = 32


@st.cache_resource(show_spinner=False)
def first_passes() -> WeakKeyDictionary[xc.Model, float]:
    """Return how long models took for their first picture, shared by all sessions."""
    return WeakKeyDictionary()


@st.cache_resource(show_spinner=False)
def recent_passes() -> WeakKeyDictionary[xc.Model, deque[tuple[int, float]]]:
    """Return the pictures of models' last scores and the seconds for each of them."""
    return WeakKeyDictionary()


def pass_seconds(model: xc.Model) -> float:
    """Return about how long a picture takes, by the first prediction and the latest scores.

    It is their lower median: what else the machine does only makes them slower.
    """
    known = [seconds for _, seconds in recent_passes().get(model, ())]
    if model in first_passes():
        known.append(first_passes()[model])
    return median_low(known) if known else 0.0


def is_pace_known(model: xc.Model) -> bool:
    """Return whether scores took enough pictures to tell how long many more will take."""
    return sum(count for count, _ in recent_passes().get(model, ())) >= MIN_TIMED_PASSES


@st.cache_resource(show_spinner=False)
def speed_meter() -> SpeedMeter:
    """Return what measures models, shared by all sessions."""
    return SpeedMeter()


def pace_of(
    model: xc.Model, method: str, layer: str, parameters: Mapping[str, ParameterValue]
) -> Pace:
    """Return how fast a method is on this machine, measured once for all sessions."""
    values = prepare_values(method, parameters)
    with session.counted_passes():
        return speed_meter().pace(xc.METHODS[method], model, layer, values)
