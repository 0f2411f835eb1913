"""Widgets drawn from the parameters that methods declare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import streamlit as st

from components import state
from components.wording import scientific
from explain_core import METHODS
from explain_core.parameters import Parameter
from explain_core.types import ParameterValue

Values = dict[str, ParameterValue]


def parameters_of(methods: Iterable[str], phase: str) -> list[Parameter]:
    """Return the parameters of a phase that any of the methods knows, each once."""
    known = {p.name: p for name in methods for p in METHODS[name].parameters_of(phase)}
    return list(known.values())


def parameter_widgets(parameters: Sequence[Parameter], per_row: int = 4) -> Values:
    """Show a widget for each parameter in a grid, switches last; return the values by name."""
    values: Values = {}
    ordered = sorted(parameters, key=lambda parameter: isinstance(parameter.default, bool))
    for start in range(0, len(ordered), per_row):
        columns = st.columns(per_row, gap="medium", vertical_alignment="center")
        for column, parameter in zip(columns, ordered[start : start + per_row], strict=False):
            with column:
                values[parameter.name] = _widget(parameter)
    return values


def _widget(parameter: Parameter) -> ParameterValue:
    key = state.parameter_key(parameter.name)
    if isinstance(parameter.default, bool):
        is_on: bool = st.toggle(
            parameter.label,
            value=parameter.default,
            key=key,
            persist_state="session",
            help=parameter.help,
        )
        return is_on
    if parameter.choices:
        chosen: str = st.selectbox(
            parameter.label,
            parameter.choices,
            index=parameter.choices.index(str(parameter.default)),
            key=key,
            persist_state="session",
            help=parameter.help,
        )
        return chosen
    if parameter.scale == "log":
        steps = log_steps(parameter)
        place: float = st.select_slider(
            parameter.label,
            steps,
            value=min(steps, key=lambda step: abs(math.log(step / float(parameter.default)))),
            format_func=scientific,
            key=key,
            persist_state="session",
            help=parameter.help,
        )
        return place
    if isinstance(parameter.default, int):
        whole: int = st.number_input(
            parameter.label,
            min_value=int(parameter.min),
            max_value=int(parameter.max),
            value=parameter.default,
            step=max(1, int(parameter.step)),
            key=key,
            persist_state="session",
            help=parameter.help,
        )
        return whole
    value: float = st.slider(
        parameter.label,
        min_value=float(parameter.min),
        max_value=float(parameter.max),
        value=float(parameter.default),
        step=float(parameter.step),
        format=_format(parameter),
        key=key,
        persist_state="session",
        help=parameter.help,
    )
    return value


def _format(parameter: Parameter) -> str:
    digits = max(0, -math.floor(math.log10(parameter.step)))
    unit = parameter.unit.replace("%", "%%")
    return f"%.{digits}f {unit}".rstrip()


def log_steps(parameter: Parameter) -> list[float]:
    """Return the slider positions of a parameter whose `step` is in decades."""
    low, high = math.log10(parameter.min), math.log10(parameter.max)
    num_steps = round((high - low) / parameter.step)
    return [10.0 ** (low + parameter.step * step) for step in range(num_steps)] + [parameter.max]
