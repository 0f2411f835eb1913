"""What the papers claim, and what an evaluation says of it: never without its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain_core.evaluation.intervals import (
    Interval,
    paired_differences,
    quantile_interval,
    resampled_means,
)
from explain_core.evaluation.plan import Variant, variant
from explain_core.evaluation.results import Results
from explain_core.metrics.table import METRICS
from explain_core.types import Array

Answer = Literal["holds", "does not hold", "cannot be told", "not tried"]

_GAG = variant("guided-absolute-grad")
_PLAIN = variant("absolute-grad")  # Guided AbsoluteGrad with p = 0
_FINER = (
    ("finer-grad-cam", "grad-cam"),
    ("finer-layer-cam", "layer-cam"),
    ("finer-score-cam", "score-cam"),
)
_GAG_PAPER = "Huang & Liu, Guided AbsoluteGrad, 2024"
_FINER_PAPER = "Zhang et al., Finer-CAM, 2025"
_DIFFCAM_PAPER = "DiffCAM, 2025"


@dataclass(frozen=True)
class Comparison:
    """Say that one method scores better than another.

    Attributes:
        better, worse: methods of the plan.
        metric: of the plan.
    """

    better: Variant
    worse: Variant
    metric: Variant

    @property
    def text(self) -> str:
        """Return it in words."""
        return f"{self.better.label} above {self.worse.label}, {self.metric.label}"


@dataclass(frozen=True)
class Contrast:
    """Say that one metric's mean changes by a larger share than another's between two methods.

    The share is `|mean(new) - mean(old)| / |mean(old)|`.

    Attributes:
        old, new: methods of the plan.
        metric, other: of the plan; the first is said to see more.
    """

    old: Variant
    new: Variant
    metric: Variant
    other: Variant

    @property
    def text(self) -> str:
        """Return it in words."""
        return (
            f"{self.metric.label} changes more than {self.other.label} from {self.old.label} to "
            f"{self.new.label}"
        )


@dataclass(frozen=True)
class Claim:
    """State what a paper claims, in comparisons that can be made here.

    Attributes:
        title: one sentence.
        paper: where it is claimed.
        parts: each has an answer of its own.
    """

    title: str
    paper: str
    parts: tuple[Comparison | Contrast, ...]


@dataclass(frozen=True)
class Finding:
    """Hold what an evaluation says of one part of a claim.

    Attributes:
        claim: of which it is a part.
        text: what is compared.
        effect: how much it speaks for the claim; positive supports it.
        answer: "holds" where all of the interval is positive, "does not hold" where all of it is
            negative, "cannot be told" where it holds zero, "not tried" where a method or metric
            is not in the plan or has no values.
    """

    claim: Claim
    text: str
    effect: Interval
    answer: Answer


CLAIMS = (
    Claim(
        "Guided AbsoluteGrad is above SmoothGrad, Integrated Gradients and VarGrad in RCAP",
        f"{_GAG_PAPER}, Table 2",
        tuple(
            Comparison(_GAG, variant(name), variant("rcap"))
            for name in ("smooth-grad", "integrated-gradients", "var-grad")
        ),
    ),
    Claim(
        "The variance guide raises RCAP (p = 85 against p = 0)",
        f"{_GAG_PAPER}, Table 1",
        (Comparison(_GAG, _PLAIN, variant("rcap")),),
    ),
    Claim(
        "RCAP sees the visual noise that the guide takes away; deletion and insertion hardly do",
        f"{_GAG_PAPER}, Table 1 and Proposition 2",
        tuple(
            Contrast(_PLAIN, _GAG, variant("rcap"), variant(other))
            for other in ("deletion", "insertion")
        ),
    ),
    Claim(
        "Finer-CAM is above its base in relative drop",
        f"{_FINER_PAPER}, Table 1 and 4",
        tuple(
            Comparison(variant(finer), variant(base), metric)
            for metric in (variant("relative-drop"), variant("relative-drop", share=0.1))
            for finer, base in _FINER
        ),
    ),
    Claim(
        "Finer-CAM localises better than its base",
        f"{_FINER_PAPER}, Table 1 and 4",
        tuple(
            Comparison(variant(finer), variant(base), variant("energy-inside"))
            for finer, base in _FINER
        ),
    ),
    Claim(
        "DiffCAM localises as well as or better than the CAMs it was compared with",
        f"{_DIFFCAM_PAPER}, Table 1",
        tuple(
            Comparison(variant("diffcam"), variant(base), variant(metric))
            for metric in ("iou-otsu", "auprc")
            for base in ("grad-cam", "score-cam", "layer-cam", "xgrad-cam")
        ),
    ),
)


def find(claim: Claim, results: Results, seed: int = 0) -> list[Finding]:
    """Return what an evaluation says of each part of a claim.

    Args:
        seed: of the bootstrap.
    """
    return [_finding(claim, part, results, seed) for part in claim.parts]


def answer_of(effect: Interval) -> Answer:
    """Return what an interval of an effect means for the claim."""
    if effect.is_above_zero:
        return "holds"
    if effect.is_below_zero:
        return "does not hold"
    return "not tried" if np.isnan(effect.low) else "cannot be told"


def _finding(claim: Claim, part: Comparison | Contrast, results: Results, seed: int) -> Finding:
    effect = Interval(np.nan, np.nan, np.nan, 0)
    if isinstance(part, Comparison):
        columns = _columns(results, [(part.better, part.metric), (part.worse, part.metric)])
        if columns is not None:
            sign = 1 if METRICS[part.metric.name].is_higher_better else -1
            pair = sign * columns
            (effect,) = paired_differences(pair[:, :1], pair[:, 1:], results.groups, seed=seed)
    else:
        columns = _columns(
            results,
            [
                (method, metric)
                for metric in (part.metric, part.other)
                for method in (part.old, part.new)
            ],
        )
        if columns is not None:
            effect = _changes_more(columns, results, seed)
    return Finding(claim, part.text, effect, answer_of(effect))


def _columns(results: Results, wanted: Sequence[tuple[Variant, Variant]]) -> Array | None:
    """Return (n, len(wanted)) the columns of methods and metrics; None where one is missing."""
    methods, metrics = results.plan.methods, results.plan.metrics
    if any(method not in methods or metric not in metrics for method, metric in wanted):
        return None
    return np.stack(
        [results.column(methods.index(method), metrics.index(metric)) for method, metric in wanted],
        axis=1,
    )


def _changes_more(columns: Array, results: Results, seed: int) -> Interval:
    """Return by how much more the first two columns' means differ than the last two, in shares.

    Only pictures where all four are defined count.
    """
    is_known = np.isfinite(columns).all(axis=1)
    known, groups = columns[is_known], results.groups[is_known]
    if len(np.unique(groups)) < 2:
        return Interval(np.nan, np.nan, np.nan, len(known))

    def gap(means: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.abs(means[..., 1] - means[..., 0]) / np.abs(means[..., 0])
            second = np.abs(means[..., 3] - means[..., 2]) / np.abs(means[..., 2])
            difference: Array = first - second
        return difference

    low, high = quantile_interval(gap(resampled_means(known, groups, seed=seed)))
    return Interval(float(gap(known.mean(axis=0))), low, high, len(known))
