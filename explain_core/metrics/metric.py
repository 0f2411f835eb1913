"""What a metric is: what it needs, which pictures it wants predicted, what it makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain_core.metrics.removals import Removal
from explain_core.parameters import Parameter
from explain_core.types import Array

NO_EVIDENCE = "no positive evidence"
NOT_FINITE = "the map holds NaN or infinity"

Needs = Literal["score", "references", "truth", "parts"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Hold what a score was averaged from.

    Attributes:
        shares: (n,) of the picture's pixels, in [0, 1], rising.
        values: (n,) float64.
    """

    shares: Array
    values: Array


@dataclass(frozen=True, eq=False)
class Score:
    """Hold what one metric says of one map.

    Attributes:
        value: None where the metric is undefined.
        reason: why there is no value; empty where there is one.
        curve: where the metric has one.
    """

    value: float | None
    reason: str = ""
    curve: Curve | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """State which pictures a metric wants predicted for one map, and how it reads the answers.

    Attributes:
        removals: the pictures; the same one may be wanted by many plans and is predicted once.
        read: from (len(removals), 1 + R) float64, the probabilities of the target and then of the
            reference classes, to the score.
    """

    removals: tuple[Removal, ...]
    read: Callable[[Array], Score]


# From a map's positive part (H, W) float64, some of it above 0, and the metric's parameters.
Planner = Callable[..., Plan]
# From the maps on the original picture (M, H0, W0), >= 0 and 0 where the model never looked, the
# truth (of parts: all of them, and the names of those that differ), and the metric's parameters, to
# (M,) float64, NaN where the metric is undefined.
TruthMeasure = Callable[..., Array]


@dataclass(frozen=True, eq=False)
class Metric:
    """Describe a metric.

    Attributes:
        name: kebab-case.
        title: as people read it.
        is_higher_better: how to read it.
        summary: one sentence.
        paper: the source.
        needs: "score": the model's answers for the target; "references": for reference classes
            too; "truth": a mask or boxes; "parts": keypoints.
        measure: a `Planner` where the model is asked, else a `TruthMeasure`.
        parameters: what can be set, by name.
        shares: what the curve's horizontal axis counts; empty where there is no curve.
        values: what its vertical axis shows.
    """

    name: str
    title: str
    is_higher_better: bool
    summary: str
    paper: str
    needs: Needs
    measure: Planner | TruthMeasure
    parameters: tuple[Parameter, ...] = ()
    shares: str = ""
    values: str = ""

    @property
    def asks_model(self) -> bool:
        """Return whether the model runs for this metric."""
        return self.needs in ("score", "references")


def why_undefined(values: Array) -> str:
    """Return why no metric tells anything of a map; empty where they do."""
    if not np.isfinite(values).all():
        return NOT_FINITE
    return "" if (values > 0).any() else NO_EVIDENCE


def positive_part(values: Array) -> Array:
    """Return a map's positive part, float64: the only part of a signed map that counts."""
    part: Array = np.maximum(values.astype(np.float64), 0)
    return part
