"""Bounded memories, so that a question asked twice runs the network once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

from explain_core.methods.evidence import (
    ClassEvidence,
    GradientEvidence,
    Progress,
    gather_class_evidence,
    gather_clean_gradient,
    gather_noisy_gradients,
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
        self._kept: BoundedMemory[ClassEvidence | GradientEvidence] = BoundedMemory(max_bytes)

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._kept.num_bytes

    def class_evidence(
        self, model: Model, image: Image, layer: str, classes: Sequence[int]
    ) -> ClassEvidence:
        """Return evidence that covers `classes`, running the network where it is not kept."""
        key = (*_common_key(model, image), "classes", layer)
        kept = self._kept.get(key)
        known = kept.gradients if isinstance(kept, ClassEvidence) else {}
        missing = [index for index in classes if index not in known]
        if isinstance(kept, ClassEvidence) and not missing:
            return kept
        fresh = gather_class_evidence(model, image, layer, missing)
        evidence = ClassEvidence(
            logits=fresh.logits,
            activations=fresh.activations,
            gradients={**known, **fresh.gradients},
        )
        self._kept.put(key, evidence)
        return evidence

    def clean_gradient(self, model: Model, image: Image, target: int) -> GradientEvidence:
        """Return the gradient at the picture itself."""

        def gather() -> GradientEvidence:
            return gather_clean_gradient(model, image, target)

        return self._gradient_evidence((*_common_key(model, image), "clean", target), gather)

    def noisy_gradients(
        self,
        model: Model,
        image: Image,
        target: int,
        *,
        num_samples: int,
        spread: float,
        seed: int,
        progress: Progress | None,
    ) -> GradientEvidence:
        """Return the gradients' statistics over noisy copies."""

        def gather() -> GradientEvidence:
            return gather_noisy_gradients(
                model,
                image,
                target,
                num_samples=num_samples,
                spread=spread,
                seed=seed,
                progress=progress,
            )

        key = (*_common_key(model, image), "noisy", target, num_samples, spread, seed)
        return self._gradient_evidence(key, gather)

    def _gradient_evidence(
        self, key: Hashable, gather: Callable[[], GradientEvidence]
    ) -> GradientEvidence:
        kept = self._kept.get(key)
        if isinstance(kept, GradientEvidence):
            return kept
        evidence = gather()
        self._kept.put(key, evidence)
        return evidence


def _common_key(model: Model, image: Image) -> tuple[Hashable, ...]:
    # The model's identity too: networks of other shape can hold the same weights.
    return id(model), model.fingerprint, model.preprocessing, image.digest


def _num_bytes(value: object) -> int:
    """Return the bytes in an array, or in all arrays that an object or a mapping holds."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_num_bytes(each) for each in value.values())
    return sum(_num_bytes(each) for each in getattr(value, "__dict__", {}).values())
