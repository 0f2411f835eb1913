"""What methods share, kept so that a question asked twice runs the network once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from explain_core.memory import DEFAULT_MAX_BYTES, BoundedMemory
from explain_core.methods.evidence import (
    CLASS_GRADIENTS,
    Asked,
    ClassEvidence,
    Evidence,
    EvidenceKind,
)
from explain_core.models.model import Model
from explain_core.references.spectrum import Spectrum, spectrum_of
from explain_core.types import Image, ReferenceSet


class EvidenceStore:
    """Keep evidence, and gather what is missing.

    It lives as long as its owner: one call of `prepare_many`, or a session of the dashboard.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._kept: BoundedMemory[Any] = BoundedMemory(max_bytes)

    @property
    def num_bytes(self) -> int:
        """Return how many bytes are kept."""
        return self._kept.num_bytes

    def shrink(self, max_bytes: int) -> None:
        """Forget what was unused longest until no more bytes than these are kept."""
        self._kept.shrink(max_bytes)

    def evidence(self, kind: EvidenceKind[Evidence], asked: Asked) -> Evidence:
        """Return evidence of a kind, running the network where it is not kept."""
        key = (
            kind.name,
            # The model's identity too: networks of other shape can hold the same weights.
            id(asked.model),
            asked.model.key,
            asked.image.digest,
            asked.layer if kind.at == "layer" else None,
            asked.target if kind.needs_target else None,
            tuple(asked.values[name] for name in kind.parameters),
        )
        kept: Evidence | None = self._kept.get(key)
        if kept is not None and kind.covers(kept, asked):
            return kept
        fresh = kind.gather(asked, kept)
        self._kept.put(key, fresh)
        return fresh

    def class_evidence(
        self, model: Model, image: Image, layer: str, classes: Sequence[int]
    ) -> ClassEvidence:
        """Return activations, and gradients that cover `classes`."""
        return self.evidence(CLASS_GRADIENTS, Asked(model, image, layer, None, tuple(classes)))

    def spectrum(self, references: ReferenceSet) -> Spectrum:
        """Return the eigenpairs of a set's scatter; the same for every picture compared with it."""
        key = _spectrum_key(references)
        kept: Spectrum | None = self._kept.get(key)
        if kept is not None:
            return kept
        spectrum = spectrum_of(references)
        self._kept.put(key, spectrum)
        return spectrum


def _spectrum_key(references: ReferenceSet) -> tuple[Hashable, ...]:
    # One row's numbers too: the digest tells pictures apart, but not how they were preprocessed.
    return "spectrum", references.digest, references.features[0].tobytes()
