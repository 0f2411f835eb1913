"""Widgets drawn from the parameters that methods declare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from components import state
from explain_core import METHODS
from explain_core.parameters import Parameter
from explain_core.types import ParameterValue

Values = dict[str, ParameterValue]


def parameters_of(methods: Iterable[str], phase: str) -> list[Parameter]:
    """Return the parameters of a phase that any of the methods knows, each once."""
    known = {p.name: p for name in methods for p in METHODS[name].parameters_of(phase)}
    return list(known.values())


def parameter_widgets(parameters: Sequence[Parameter]) -> Values:
    """Show a widget for each number or choice, one below the other; return the values by name.

    Switches and logarithmic sliders act after the network, so they live in the viewer.
    """
    return {parameter.name: _widget(parameter) for parameter in parameters}


def _widget(parameter: Parameter) -> ParameterValue:
    shared: dict[str, Any] = {
        "label": parameter.label,
        "key": state.parameter_key(parameter.name),
        "persist_state": "session",
        "help": parameter.help,
    }
    if parameter.choices:
        chosen: str = st.selectbox(
            options=parameter.choices,
            index=parameter.choices.index(str(parameter.default)),
            **shared,
        )
        return chosen
    kind = type(parameter.default)
    number: float = st.number_input(
        min_value=kind(parameter.min),
        max_value=kind(parameter.max),
        value=parameter.default,
        step=kind(parameter.step),
        **shared,
    )
    return number
