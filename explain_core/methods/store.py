"""A bounded store of evidence, so that a question asked twice runs the network once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence

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


class EvidenceStore:
    """Keep the latest evidence up to a number of bytes; safe to share between threads.

    It lives as long as its owner: one call of `prepare_many`, or a session of the dashboard.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, ClassEvidence | GradientEvidence] = OrderedDict()
        self._lock = threading.Lock()

    def class_evidence(
        self, model: Model, image: Image, layer: str, classes: Sequence[int]
    ) -> ClassEvidence:
        """Return evidence that covers `classes`, running the network where it is not kept."""
        key = ("classes", model.fingerprint, model.preprocessing, image.digest, layer)
        kept = self._get(key)
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
        self._put(key, evidence)
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
        """Return gradient evidence, clean and noisy parts kept apart."""
        common = (model.fingerprint, model.preprocessing, image.digest, target)
        clean_key = ("clean", *common)
        noisy_key = ("noisy", *common, num_samples, spread, seed)
        clean, noisy = self._get(clean_key), self._get(noisy_key)
        needs_clean = is_clean_wanted and clean is None
        needs_noise = num_samples > 0 and noisy is None
        if needs_clean or needs_noise:
            fresh = gather_gradient_evidence(
                model,
                image,
                target,
                is_clean_wanted=needs_clean,
                num_samples=num_samples if needs_noise else 0,
                spread=spread,
                seed=seed,
                progress=progress,
            )
            if needs_clean:
                clean = GradientEvidence(clean=fresh.clean)
                self._put(clean_key, clean)
            if needs_noise:
                noisy = GradientEvidence(None, fresh.mean, fresh.mean_absolute, fresh.variance)
                self._put(noisy_key, noisy)
        return GradientEvidence(
            clean=clean.clean if isinstance(clean, GradientEvidence) else None,
            mean=noisy.mean if isinstance(noisy, GradientEvidence) else None,
            mean_absolute=noisy.mean_absolute if isinstance(noisy, GradientEvidence) else None,
            variance=noisy.variance if isinstance(noisy, GradientEvidence) else None,
        )

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        with self._lock:
            return sum(_num_bytes(evidence) for evidence in self._kept.values())

    def _get(self, key: Hashable) -> ClassEvidence | GradientEvidence | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: Hashable, evidence: ClassEvidence | GradientEvidence) -> None:
        with self._lock:
            self._kept[key] = evidence
            self._kept.move_to_end(key)
            total = sum(_num_bytes(each) for each in self._kept.values())
            while total > self._max_bytes and self._kept:
                _, dropped = self._kept.popitem(last=False)
                total -= _num_bytes(dropped)


def _num_bytes(evidence: ClassEvidence | GradientEvidence) -> int:
    if isinstance(evidence, ClassEvidence):
        gradients = sum(gradient.nbytes for gradient in evidence.gradients.values())
        return evidence.activations.nbytes + evidence.logits.nbytes + gradients
    parts = (evidence.clean, evidence.mean, evidence.mean_absolute, evidence.variance)
    return sum(part.nbytes for part in parts if part is not None)
