"""Probes with made-up weights."""

from __future__ import annotations

from typing import Any

import numpy as np

import explain_core as xc
from explain_core.models.probes import LinearProbe

CLASSES = ("wren", "robin", "dunnock", "Zaunkönig")


def made_probe(model: xc.Model, layer: str | None = None, **changes: Any) -> LinearProbe:
    """Return a probe of four classes for a layer of a model, with random weights."""
    tapped = model.layer_named(layer)
    rng = np.random.default_rng(0)
    facts: dict[str, Any] = {
        "weight": rng.normal(size=(len(CLASSES), tapped.num_channels)).astype(np.float32),
        "bias": rng.normal(size=len(CLASSES)).astype(np.float32),
        "classes": CLASSES,
        "encoder": model.name,
        "fingerprint": model.fingerprint,
        "layer": tapped.name,
        "pooling": tapped.pooling,
        "preprocessing": model.preprocessing,
        "bank": "birds",
        "num_train": 80,
        "num_held_out": 20,
        "accuracy": 0.95,
        "commonest": 0.3,
        "l2": 1e-3,
        "seed": 0,
    }
    return LinearProbe(**(facts | changes))
