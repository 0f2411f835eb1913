"""`METRICS`: every metric by name, with what it measures and its paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from explain_core.metrics.rcap import rcap


@dataclass(frozen=True)
class Metric:
    """Describe a metric.

    Attributes:
        name: kebab-case.
        title: as people read it.
        is_higher_better: how to read it.
        summary: one sentence.
        paper: the source.
        measure: from model, image, map and the metric's own arguments to a number.
    """

    name: str
    title: str
    is_higher_better: bool
    summary: str
    paper: str
    measure: Callable[..., float]


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "rcap": Metric(
            name="rcap",
            title="RCAP",
            is_higher_better=True,
            summary="How well the most salient pixels alone bring the prediction back, weighted "
            "by their share of the map.",
            paper="Huang & Liu, Guided AbsoluteGrad, 2024",
            measure=rcap,
        )
    }
)
