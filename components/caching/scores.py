"""Scores of maps, and what became of maps that were put to the test."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import explain_core as xc
from components.caching import session
from components.caching.pace import MAX_RECENT, recent_passes
from components.caching.session import Scored, Value
from explain_core.memory import BoundedMemory
from explain_core.metrics.metric import Score
from explain_core.models.tap import count_passes


def kept_scores(key: Hashable) -> Scored | None:
    """Return what this session keeps of a map's scores."""
    return session.session_memory().scores.get(key)


def keep_scores(key: Hashable, scored: Scored) -> None:
    """Keep a map's scores in this session."""
    session.session_memory().scores.put(key, scored)


def score(
    model: xc.Model,
    image: xc.Image,
    maps: Mapping[Hashable, xc.SaliencyMap],
    metrics: Sequence[str],
    *,
    target: int | None,
    references: tuple[int, ...],
    progress: Callable[[float], None] | None,
) -> dict[Hashable, dict[str, Score]]:
    """Return the scores of maps by many metrics, in one call with shared passes.

    The caller counts them for the session.
    """
    named = {str(place): smap for place, smap in enumerate(maps.values())}
    with count_passes() as counter:
        begin = time.perf_counter()
        found = xc.metrics.score_maps(
            xc.metrics.scorer_of(model, image),
            named,
            metrics,
            target=target,
            references=references,
            progress=progress,
        )
        taken = time.perf_counter() - begin
    if counter.passes:
        recent = recent_passes().setdefault(model, deque(maxlen=MAX_RECENT))
        recent.append((counter.passes, taken / counter.passes))
    return dict(zip(maps, found.values(), strict=True))


def kept_finding(key: Hashable) -> Any:
    """Return what this session found out about a map; None where it never asked."""
    return session.session_memory().findings.get(key)


def keep_finding(key: Hashable, value: Any) -> None:
    """Keep what was found out about a map, in place of what was found before."""
    session.session_memory().findings.put(key, value)


def find_out(key: Hashable, make: Callable[[], Value]) -> Value:
    """Return what a test finds out about a map, made once."""
    memory = session.session_memory()
    findings: BoundedMemory[Value] = memory.findings
    return session.kept(memory, findings, key, make)
