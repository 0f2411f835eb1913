"""What methods share, kept so that a question asked twice runs the network once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from explain_core.memory import DEFAULT_MAX_BYTES, BoundedMemory
from explain_core.methods.evidence import (
    ClassEvidence,
    GradientEvidence,
    Progress,
    gather_class_evidence,
    gather_clean_gradient,
    gather_noisy_gradients,
)
from explain_core.models.model import Model
from explain_core.references.spectrum import Spectrum, spectrum_of
from explain_core.types import Image, ReferenceSet


class EvidenceStore:
    """Keep evidence, and gather what is missing.

    It lives as long as its owner: one call of `prepare_many`, or a session of the dashboard.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._kept: BoundedMemory[ClassEvidence | GradientEvidence | Spectrum] = BoundedMemory(
            max_bytes
        )

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
            class_token=fresh.class_token,
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

    def spectrum(self, references: ReferenceSet) -> Spectrum:
        """Return the eigenpairs of a set's scatter; the same for every picture compared with it."""
        key = _spectrum_key(references)
        kept = self._kept.get(key)
        if isinstance(kept, Spectrum):
            return kept
        spectrum = spectrum_of(references)
        self._kept.put(key, spectrum)
        return spectrum

    def _gradient_evidence(
        self, key: Hashable, gather: Callable[[], GradientEvidence]
    ) -> GradientEvidence:
        kept = self._kept.get(key)
        if isinstance(kept, GradientEvidence):
            return kept
        evidence = gather()
        self._kept.put(key, evidence)
        return evidence


def _spectrum_key(references: ReferenceSet) -> tuple[Hashable, ...]:
    # One row's numbers too: the digest tells pictures apart, but not how they were preprocessed.
    return "spectrum", references.digest, references.features[0].tobytes()


def _common_key(model: Model, image: Image) -> tuple[Hashable, ...]:
    # The model's identity too: networks of other shape can hold the same weights.
    return id(model), model.fingerprint, model.preprocessing, image.digest
