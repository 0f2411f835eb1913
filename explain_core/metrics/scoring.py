"""Many maps of one picture, methods and controls alike, scored by many metrics in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.asking import require_others
from explain_core.metrics.metric import (
    NO_EVIDENCE,
    Metric,
    Plan,
    Planner,
    Score,
    TruthMeasure,
    positive_part,
    why_undefined,
)
from explain_core.metrics.relative_drop import NO_REFERENCES
from explain_core.metrics.removals import Progress, answers
from explain_core.metrics.scorer import Scorer
from explain_core.metrics.table import METRICS
from explain_core.parameters import fill_in
from explain_core.truth import Part, Truth
from explain_core.types import Array, ParameterValue, SaliencyMap

NO_SCORER = "the model has no classes"
NO_TRUTH = "the truth is not known for this picture"
NO_PARTS = "the parts are not known for this picture"
UNDEFINED = "undefined for this map"

Asked = Mapping[str, Mapping[str, ParameterValue]]


def score_maps(
    scorer: Scorer | None,
    maps: Mapping[str, SaliencyMap],
    metrics: Asked | Iterable[str],
    *,
    target: int | None = None,
    references: Sequence[int] = (),
    truth: Truth | None = None,
    parts: Sequence[Part] = (),
    progress: Progress | None = None,
) -> dict[str, dict[str, Score]]:
    """Score maps of one picture; pictures that several of them ask about are predicted once.

    What a metric cannot tell of a map is a score without a value, with the reason: a map without
    positive evidence, with NaN, no reference class, no truth. The other scores stand.

    Args:
        scorer: of the picture; None for a model without classes, of which only the truth tells.
        maps: by a name of choice, all of this picture, at the model's input; of signed maps the
            positive part counts.
        metrics: names in `METRICS`, or their parameters by name. "relative-drop@10" is
            relative-drop too: what follows the @ tells several settings of a metric apart.
        target: class that the maps explain.
        references: classes that it is compared with.
        truth: where the evidence lies; its parts are those that differ from the other class.
        parts: all parts of the picture, those that differ among them.
        progress: told the share of the predictions that is done; may raise to stop.

    Returns:
        Scores by map, then by metric, in the order given.

    Raises:
        InputError: an unknown metric, a parameter out of its range, a map of another size than the
            model's input, a class out of range, or references among which the target is.
    """
    wanted = {key: (_metric(key), values) for key, values in _with_values(metrics).items()}
    complete = {
        key: fill_in(metric.parameters, values, f"metric '{metric.name}'")
        for key, (metric, values) in wanted.items()
    }
    known, reasons = _positive_parts(maps, None if scorer is None else scorer.size)
    scores = {
        name: {key: Score(None, reason) for key in wanted} for name, reason in reasons.items()
    }
    plans: list[tuple[str, str, Plan]] = []
    for key, (metric, _) in wanted.items():
        if not metric.asks_model:
            found = _by_truth(metric, [maps[name] for name in known], truth, parts, complete[key])
            for name, score in zip(known, found, strict=True):
                scores[name][key] = score
            continue
        missing = _missing(metric, scorer, target, references)
        for name, values in known.items():
            if missing:
                scores[name][key] = Score(None, missing)
            else:
                planner = cast(Planner, metric.measure)
                plans.append((name, key, planner(values, **complete[key])))
    if not plans:
        return scores
    assert scorer is not None
    assert target is not None
    require_others(target, references)
    names = list(known)
    rows = answers(
        scorer,
        np.stack(list(known.values())),
        [(names.index(name), plan.removals) for name, _, plan in plans],
        [target, *references],
        progress,
    )
    for (name, key, plan), found_row in zip(plans, rows, strict=True):
        scores[name][key] = plan.read(found_row)
    return scores


def _with_values(metrics: Asked | Iterable[str]) -> Asked:
    return metrics if isinstance(metrics, Mapping) else {key: {} for key in metrics}


def _metric(key: str) -> Metric:
    name = key.partition("@")[0]
    if name not in METRICS:
        raise InputError(f"there is no metric '{name}'; choose from {sorted(METRICS)}")
    return METRICS[name]


def _positive_parts(
    maps: Mapping[str, SaliencyMap], size: tuple[int, int] | None
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the positive parts (H, W) of maps that have one, and why the others have none."""
    known, reasons = {}, {}
    for name, smap in maps.items():
        if size is not None and smap.values.shape != size:
            raise InputError(
                f"the map '{name}' is {smap.values.shape}, but the model looks at {size}; make "
                "the map with this model"
            )
        reasons[name] = why_undefined(smap.values)
        if not reasons[name]:
            known[name] = positive_part(smap.values)
    return known, reasons


def _missing(
    metric: Metric, scorer: Scorer | None, target: int | None, references: Sequence[int]
) -> str:
    """Return what a metric lacks here; empty where it lacks nothing."""
    if scorer is None or target is None:
        return NO_SCORER
    return NO_REFERENCES if metric.needs == "references" and not references else ""


def _by_truth(
    metric: Metric,
    maps: Sequence[SaliencyMap],
    truth: Truth | None,
    parts: Sequence[Part],
    values: Mapping[str, ParameterValue],
) -> list[Score]:
    if truth is None:
        return [Score(None, NO_TRUTH)] * len(maps)
    if metric.needs == "parts" and not parts:
        return [Score(None, NO_PARTS)] * len(maps)
    if not maps:
        return []
    measure = cast(TruthMeasure, metric.measure)
    placed = [np.maximum(np.nan_to_num(smap.on_original()), 0) for smap in maps]
    seen = [values for values in placed if values.any()]
    try:
        needs_parts = metric.needs == "parts"
        known = (parts, {part.name for part in truth.parts}) if needs_parts else (truth,)
        found = iter(measure(np.stack(seen), *known, **values) if seen else ())
    except InputError as error:
        return [Score(None, str(error))] * len(maps)
    return [_defined(next(found)) if each.any() else Score(None, NO_EVIDENCE) for each in placed]


def _defined(value: float) -> Score:
    return Score(float(value)) if np.isfinite(value) else Score(None, UNDEFINED)
