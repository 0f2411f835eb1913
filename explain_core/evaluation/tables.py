"""Tables of an evaluation: means with intervals, differences, verdicts over the controls."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from explain_core.errors import InputError
from explain_core.evaluation.intervals import Interval, mean_intervals, paired_differences
from explain_core.evaluation.results import Results
from explain_core.methods.table import METHODS
from explain_core.metrics.table import METRICS

Verdict = Literal["better", "worse", "not told apart", ""]
Cell = TypeVar("Cell")

# Of two pictures, the bootstrap knows four draws: their interval holds nothing like 95 %.
MIN_COMPARED = 3

_VERDICT_SIGNS: dict[Verdict, str] = {"better": " ✓", "worse": " ✗", "not told apart": " ~", "": ""}
LEGEND = (
    "Mean over pictures [95 % bootstrap interval]. ✓ beats every control on the same pictures, "
    "✗ is beaten by one, ~ cannot be told apart from one: the interval of the paired difference "
    f"holds zero. No sign: fewer than {MIN_COMPARED} pictures, or undefined."
)


@dataclass(frozen=True, eq=False)
class Summary:
    """Hold what the tables and plots of an evaluation are made of.

    Attributes:
        results: what it was made of.
        means: by method and metric, in the plan's order.
        baseline: index of the method that others are compared with; None for none.
        differences: by method and metric: paired, `method - baseline`; None without a baseline
            and for itself.
        over_controls: by method and metric: "better" where every control is beaten, "worse" where
            one is better; empty for controls, see `verdict`.
    """

    results: Results
    means: tuple[tuple[Interval, ...], ...]
    baseline: int | None
    differences: tuple[tuple[Interval | None, ...], ...]
    over_controls: tuple[tuple[Verdict, ...], ...]


def summarise(results: Results, baseline: int | None = None, seed: int = 0) -> Summary:
    """Return the means of all scored pictures, with what they are compared with.

    Args:
        baseline: index of a method in the plan; None compares with the controls only.
        seed: of the bootstrap.

    Raises:
        InputError: a baseline that is not in the plan.
    """
    plan = results.plan
    num_methods, num_metrics = len(plan.methods), len(plan.metrics)
    if baseline is not None and not 0 <= baseline < num_methods:
        raise InputError(
            f"baseline must be the index of one of {num_methods} methods (got {baseline})"
        )
    values, groups = results.values, results.groups
    flat = values.reshape(len(values), num_methods * num_metrics)
    means = mean_intervals(flat, groups, seed=seed)

    def against(method: int) -> list[Interval]:
        other = np.broadcast_to(values[:, method : method + 1], values.shape)
        return paired_differences(flat, other.reshape(flat.shape), groups, seed=seed)

    differences: list[Interval | None] = [None] * len(means)
    if baseline is not None:
        differences = list(against(baseline))
        differences[baseline * num_metrics : (baseline + 1) * num_metrics] = [None] * num_metrics
    controls = [i for i, each in enumerate(plan.methods) if METHODS[each.name].is_control]
    over = {control: against(control) for control in controls}
    verdicts: list[Verdict] = []
    for place in range(len(means)):
        method, metric = divmod(place, num_metrics)
        if method in over:
            verdicts.append("")
            continue
        is_higher_better = METRICS[plan.metrics[metric].name].is_higher_better
        verdicts.append(verdict([over[each][place] for each in controls], is_higher_better))

    return Summary(
        results=results,
        means=_by_method(means, num_metrics),
        baseline=baseline,
        differences=_by_method(differences, num_metrics),
        over_controls=_by_method(verdicts, num_metrics),
    )


def _by_method(cells: Sequence[Cell], num_metrics: int) -> tuple[tuple[Cell, ...], ...]:
    begins = range(0, len(cells), num_metrics)
    return tuple(tuple(cells[begin : begin + num_metrics]) for begin in begins)


def verdict(differences: Sequence[Interval], is_higher_better: bool) -> Verdict:
    """Return what paired differences `method - other` to several others say together.

    Empty where one is not defined or rests on fewer than `MIN_COMPARED` pictures.
    """
    if not differences or any(math.isnan(each.low) for each in differences):
        return ""
    if min(each.count for each in differences) < MIN_COMPARED:
        return ""
    better = [
        each.is_above_zero if is_higher_better else each.is_below_zero for each in differences
    ]
    worse = [each.is_below_zero if is_higher_better else each.is_above_zero for each in differences]
    if any(worse):
        return "worse"
    return "better" if all(better) else "not told apart"


def verdict_sign(said: Verdict) -> str:
    """Return what stands behind a mean for a verdict, see `LEGEND`."""
    return _VERDICT_SIGNS[said]


def interval_text(interval: Interval, is_signed: bool = False) -> str:
    """Return `0.412 [0.391, 0.434]`; an en dash where nothing is defined."""
    if math.isnan(interval.mean):
        return "–"
    sign = "+" if is_signed else ""
    mean = f"{interval.mean:{sign}.3f}"
    if math.isnan(interval.low):
        return mean
    return f"{mean} [{interval.low:{sign}.3f}, {interval.high:{sign}.3f}]"


def markdown_table(summary: Summary) -> str:
    """Return the means with their verdicts as a Markdown table, and the differences below."""
    plan = summary.results.plan
    heads = [f"{each.label} {_arrow(each.name)}" for each in plan.metrics]
    rows = [
        [
            _method_text(summary, method),
            *(
                interval_text(mean) + verdict_sign(said)
                for mean, said in zip(
                    summary.means[method], summary.over_controls[method], strict=True
                )
            ),
        ]
        for method in range(len(plan.methods))
    ]
    parts = [markdown(["method", *heads], rows), LEGEND, _counts(summary.results)]
    if summary.baseline is not None:
        name = plan.methods[summary.baseline].label
        rows = [
            [plan.methods[method].label, *(interval_text(each, True) for each in cells if each)]
            for method, cells in enumerate(summary.differences)
            if method != summary.baseline
        ]
        parts += [f"Paired differences to {name}:", markdown(["method", *heads], rows)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def csv_table(summary: Summary) -> str:
    """Return a line per method and metric: mean, interval, count, difference, verdict."""
    plan = summary.results.plan
    lines: list[tuple[str, ...]] = [
        (
            *("method", "is_control", "metric", "is_higher_better", "mean", "low", "high"),
            *("count", "difference", "difference_low", "difference_high", "over_controls"),
        )
    ]
    for i, method in enumerate(plan.methods):
        for j, metric in enumerate(plan.metrics):
            mean, difference = summary.means[i][j], summary.differences[i][j]
            told = difference or Interval(math.nan, math.nan, math.nan, 0)
            lines.append(
                (
                    method.label,
                    str(METHODS[method.name].is_control),
                    metric.label,
                    str(METRICS[metric.name].is_higher_better),
                    *map(_number, (mean.mean, mean.low, mean.high)),
                    str(mean.count),
                    *map(_number, (told.mean, told.low, told.high)),
                    summary.over_controls[i][j],
                )
            )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


def _method_text(summary: Summary, method: int) -> str:
    each = summary.results.plan.methods[method]
    return f"*{each.label}* (control)" if METHODS[each.name].is_control else each.label


def _arrow(metric: str) -> str:
    return "↑" if METRICS[metric].is_higher_better else "↓"


def _counts(results: Results) -> str:
    text = f"{len(results.scored):,} pictures of '{results.plan.dataset}', {results.plan.model}."
    if results.failed:
        text += f" {len(results.failed):,} more have no scores; rows.jsonl says why."
    return text


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))
