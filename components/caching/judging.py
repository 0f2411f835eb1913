"""What this session found out about reference sets."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

import explain_core as xc
from components.caching import session
from components.caching.session import Value
from explain_core.memory import BoundedMemory
from explain_core.methods.stability import Kind, Stability, question_change, stability
from explain_core.references.bank import Bank
from explain_core.references.judging import (
    Distances,
    Judgement,
    LamCurve,
    distances,
    judge,
    lam_curve,
    outliers,
)
from explain_core.types import Array, Pooling, ReferenceSet

MAX_WHOLE = 20_000


def alternative_to(references: ReferenceSet, bank: Bank | None) -> ReferenceSet | None:
    """Return the whole bank, to hold a set against, or of a large one pictures evenly spread.

    None where there is none, or it is the set itself.
    """
    if bank is None or bank.layer != references.layer:
        return None
    rows = np.linspace(0, len(bank) - 1, min(len(bank), MAX_WHOLE)).astype(np.int64)
    key = ("whole", bank.name, bank.fingerprint, len(bank), bank.classes)
    whole: ReferenceSet = _judged(key, lambda: bank.rows(rows, bank.name))
    return whole if set(whole.ids.tolist()) != set(references.ids.tolist()) else None


def feature_of(model: xc.Model, image: xc.Image, layer: str, pooling: Pooling) -> Array:
    """Return the feature (d,) of a picture, as reference sets hold it."""
    memory = session.session_memory()
    key = ("feature", model.fingerprint, model.preprocessing, image.digest, layer, pooling)

    def pool() -> Array:
        evidence = memory.store.class_evidence(model, image, layer, ())
        return evidence.pooled(pooling, layer)

    return session.kept(memory, memory.judgements, key, pool)


def distances_of(model: xc.Model, references: ReferenceSet, image: xc.Image | None) -> Distances:
    """Return how far a set's members lie from their mean, and where a picture falls."""
    feature = None
    if image is not None:
        feature = feature_of(model, image, references.layer, references.pooling)
    key = ("distances", references.digest, image.digest if image is not None else None)
    return _judged(key, lambda: distances(references, feature))


def judgement_of(references: ReferenceSet) -> Judgement:
    """Return a set's figures and findings."""
    store = session.session_memory().store
    key = ("judgement", references.digest)
    return _judged(key, lambda: judge(references, store.spectrum(references)))


def outliers_of(references: ReferenceSet) -> Array:
    """Return the rows of a set's outliers, the farthest first."""
    store = session.session_memory().store
    key = ("outliers", references.digest)
    return _judged(key, lambda: outliers(references, store.spectrum(references)))


def lam_curve_of(model: xc.Model, references: ReferenceSet, image: xc.Image) -> LamCurve:
    """Return what λ does for a set and a picture."""
    store = session.session_memory().store
    feature = feature_of(model, image, references.layer, references.pooling)
    key = ("lam", references.digest, image.digest)
    return _judged(key, lambda: lam_curve(store.spectrum(references), feature))


def stability_of(
    model: xc.Model,
    image: xc.Image,
    references: ReferenceSet,
    alternative: ReferenceSet | None,
    *,
    epsilon: float,
    kind: Kind,
    progress: Callable[[float], None] | None,
) -> tuple[Stability, float | None] | None:
    """Return the map's stability and its agreement with the map for an alternative set.

    Args:
        progress: None returns only what this session has found out before.
    """
    memory = session.session_memory()
    other = alternative.digest if alternative is not None else None
    key = ("stability", references.digest, other, image.digest, epsilon, kind)
    if progress is None:
        found: tuple[Stability, float | None] | None = memory.judgements.get(key)
        return found

    def test() -> tuple[Stability, float | None]:
        shared: dict[str, Any] = {
            "layer": references.layer,
            "epsilon": epsilon,
            "store": memory.store,
        }
        found = stability(model, image, references, kind=kind, progress=progress, **shared)
        if alternative is None:
            return found, None
        return found, question_change(model, image, references, alternative, **shared)

    return _judged(key, test)


def _judged(key: Hashable, make: Callable[[], Value]) -> Value:
    memory = session.session_memory()
    judgements: BoundedMemory[Value] = memory.judgements
    return session.kept(memory, judgements, key, make)
