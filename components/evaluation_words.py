"""Methods, metrics and their numbers as the Evaluate page writes them."""

from __future__ import annotations

import math

from components.wording import minus
from explain_core import METHODS
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.plan import Variant
from explain_core.metrics.table import METRICS
from explain_core.types import ParameterValue

_SYMBOLS = {"gamma": "γ = ", "lam": "λ = ", "p": "p = ", "aggregation": ""}
SMALL = 0.0005  # less would be shown as 0.000


def value_text(value: ParameterValue) -> str:
    """Return a setting's value: "0.6", "1e-03", "average before ReLU"."""
    return minus(f"{value:g}") if isinstance(value, float) else str(value)


def method_text(method: Variant) -> str:
    """Return a method with the values that were given: "Finer-Grad-CAM, γ = 1.2", "edges"."""
    return _text(METHODS[method.name].title, method)


def metric_text(metric: Variant) -> str:
    """Return a metric with the values that were given."""
    return _text(METRICS[metric.name].title, metric)


def arrow(metric: Variant) -> str:
    """Return an arrow up where more is better, else down."""
    return "↑" if METRICS[metric.name].is_higher_better else "↓"


def is_control(method: Variant) -> bool:
    """Return whether a method knows nothing of the model."""
    return METHODS[method.name].is_control


def number(value: float, *, is_signed: bool = False) -> str:
    """Return a score: "0.412", "+0.030", "4e−05"; an en dash where it is not defined."""
    if math.isnan(value):
        return "–"
    digits = ".0e" if 0 < abs(value) < SMALL else ".3f"
    return minus(f"{value:{'+' if is_signed else ''}{digits}}")


def ends(interval: Interval, *, is_signed: bool = False) -> str:
    """Return an interval's ends: "[0.391, 0.434]"; empty where one picture gives none."""
    if math.isnan(interval.low):
        return ""
    low, high = (number(end, is_signed=is_signed) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def _text(title: str, given: Variant) -> str:
    values = [
        f"{_SYMBOLS.get(name, f'{name} = ')}{value_text(value)}" for name, value in given.values
    ]
    return ", ".join([title, *values])
