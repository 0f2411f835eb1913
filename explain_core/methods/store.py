"""Bounded memories, so that a question asked twice runs the network once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from explain_core.methods.evidence import (
    ClassEvidence,
    GradientEvidence,
    Progress,
    gather_class_evidence,
    gather_gradient_evidence,
)
from explain_core.models.model import Model
from explain_core.types import Image

DEFAULT_MAX_BYTES = 256 * 2**20

Value = TypeVar("Value")


class BoundedMemory(Generic[Value]):
    """Keep the values used last, up to a number of bytes in their arrays; safe between threads."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """Return what is kept under a key, None where it is gone."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value, forgetting the ones unused longest where there is no room."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            total = sum(_num_bytes(each) for each in self._kept.values())
            while total > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                total -= _num_bytes(dropped)

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        with self._lock:
            return sum(_num_bytes(value) for value in self._kept.values())


class EvidenceStore:
    """Keep evidence, and gather what is missing.

    It lives as long as its owner: one call of `prepare_many`, or a session of the dashboard.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._classes: BoundedMemory[ClassEvidence] = BoundedMemory(max_bytes // 2)
        self._gradients: BoundedMemory[GradientEvidence] = BoundedMemory(max_bytes // 2)

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._classes.num_bytes + self._gradients.num_bytes

    def class_evidence(
        self, model: Model, image: Image, layer: str, classes: Sequence[int]
    ) -> ClassEvidence:
        """Return evidence that covers `classes`, running the network where it is not kept."""
        key = (model.fingerprint, model.preprocessing, image.digest, layer)
        kept = self._classes.get(key)
        known = {} if kept is None else kept.gradients
        missing = [index for index in classes if index not in known]
        if kept is not None and not missing:
            return kept
        fresh = gather_class_evidence(model, image, layer, missing)
        evidence = ClassEvidence(
            logits=fresh.logits,
            activations=fresh.activations,
            gradients={**known, **fresh.gradients},
        )
        self._classes.put(key, evidence)
        return evidence

    def gradient_evidence(
        self,
        model: Model,
        image: Image,
        target: int,
        *,
        is_clean_wanted: bool,
        num_samples: int,
        spread: float,
        seed: int,
        progress: Progress | None,
    ) -> GradientEvidence:
        """Return gradient evidence; the clean and the noisy part are kept apart."""
        common = (model.fingerprint, model.preprocessing, image.digest, target)
        clean_key, noisy_key = (*common, "clean"), (*common, num_samples, spread, seed)
        nothing = GradientEvidence(clean=None)
        clean = self._gradients.get(clean_key) if is_clean_wanted else nothing
        noisy = self._gradients.get(noisy_key) if num_samples > 0 else nothing
        if clean is None or noisy is None:
            fresh = gather_gradient_evidence(
                model,
                image,
                target,
                is_clean_wanted=clean is None,
                num_samples=num_samples if noisy is None else 0,
                spread=spread,
                seed=seed,
                progress=progress,
            )
            if clean is None:
                clean = GradientEvidence(clean=fresh.clean)
                self._gradients.put(clean_key, clean)
            if noisy is None:
                noisy = GradientEvidence(None, fresh.mean, fresh.mean_absolute, fresh.variance)
                self._gradients.put(noisy_key, noisy)
        return GradientEvidence(clean.clean, noisy.mean, noisy.mean_absolute, noisy.variance)


def _num_bytes(value: object) -> int:
    """Return the bytes in an array, or in all arrays that an object or a mapping holds."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(_num_bytes(each) for each in value.values())
    return sum(_num_bytes(each) for each in getattr(value, "__dict__", {}).values())
