"""What tables and plots of scores mark: what beats the controls, and what is best."""

from __future__ import annotations

import numpy as np

from components.evaluation_words import number
from explain_core.evaluation.intervals import paired_differences
from explain_core.evaluation.results import Results
from explain_core.evaluation.tables import MIN_COMPARED
from explain_core.metrics.table import METRICS

_NEAR_ZERO = 1e-6


def best_methods(results: Results) -> tuple[int | None, ...]:
    """Return for each metric the method, controls included, that is ahead of every other one.

    None where two are shown with the same number or cannot be told apart on the same pictures,
    and for too few pictures.
    """
    return tuple(_best(results, metric) for metric in range(len(results.plan.metrics)))


def _best(results: Results, metric: int) -> int | None:
    values = results.values[:, :, metric]
    counts = np.isfinite(values).sum(axis=0)
    compared = np.flatnonzero(counts)
    if len(compared) < 2 or counts[compared].min() < MIN_COMPARED:
        return None
    values = values[:, compared]
    means = np.nanmean(values, axis=0)
    is_higher_better = METRICS[results.plan.metrics[metric].name].is_higher_better
    best = int(means.argmax() if is_higher_better else means.argmin())
    shown = [number(mean) for mean in means]
    differences = paired_differences(values, values[:, best : best + 1], results.groups)
    is_ahead = all(
        shown[i] != shown[best] and (each.is_below_zero if is_higher_better else each.is_above_zero)
        for i, each in enumerate(differences)
        if i != best
    )
    return int(compared[best]) if is_ahead else None


def is_all_but_zero(results: Results, metric: str) -> bool:
    """Return whether a metric was asked for and is next to nothing for every map."""
    places = [i for i, each in enumerate(results.plan.metrics) if each.name == metric]
    values = results.values[:, :, places]
    known = values[np.isfinite(values)]
    return bool(known.size) and bool((np.abs(known) < _NEAR_ZERO).all())
