"""What one session computed: it goes when the session goes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

import explain_core as xc
from explain_core.images.film import Film
from explain_core.memory import BoundedMemory
from explain_core.methods.store import EvidenceStore
from explain_core.metrics.metric import Score
from explain_core.models.tap import count_passes
from explain_core.types import Array, Basis, ParameterValue

Value = TypeVar("Value")

MAX_TEXTS_BYTES = 2**22
MAX_SCORES_BYTES = 2**22


@dataclass(frozen=True, eq=False)
class Scored:
    """Hold a map's scores by metric, and the values of its sliders that they belong to."""

    values: Mapping[str, ParameterValue]
    scores: Mapping[str, Score]


@dataclass(eq=False)
class SessionMemory:
    """Hold what one session computed; it goes when the session goes.

    Attributes:
        store: evidence.
        bases: by question.
        logits: predictions by picture.
        messages: what the viewer was sent.
        judgements: what was found out about reference sets.
        scores: of maps.
        findings: what became of maps that were put to the test.
        texts: their vectors, by text side and text.
        films: decoded frames.
        probes: fitted in this session, by the name of the model that each makes.
        probed: those models, as far as they were asked for.
        passes: pictures that networks processed for this session.
    """

    store: EvidenceStore = field(default_factory=EvidenceStore)
    bases: BoundedMemory[Basis] = field(default_factory=BoundedMemory)
    logits: BoundedMemory[Array] = field(default_factory=BoundedMemory)
    messages: BoundedMemory[bytes] = field(default_factory=BoundedMemory)
    judgements: BoundedMemory[Any] = field(default_factory=BoundedMemory)
    scores: BoundedMemory[Scored] = field(default_factory=lambda: BoundedMemory(MAX_SCORES_BYTES))
    findings: BoundedMemory[Any] = field(default_factory=BoundedMemory)
    texts: BoundedMemory[Array] = field(default_factory=lambda: BoundedMemory(MAX_TEXTS_BYTES))
    films: BoundedMemory[Film] = field(default_factory=BoundedMemory)
    probes: dict[str, xc.LinearProbe] = field(default_factory=dict)
    probed: dict[str, xc.Model] = field(default_factory=dict)
    passes: int = 0


@st.cache_resource(scope="session", show_spinner=False)
def session_memory() -> SessionMemory:
    """Return this session's memory."""
    return SessionMemory()


def shrink_session(max_bytes: int) -> None:
    """Forget what maps were made of, the longest unused first, down to so many bytes of each kind.

    For pages where many people come and every stroke is another picture.
    """
    memory = session_memory()
    for each in (memory.store, memory.bases, memory.messages):
        each.shrink(max_bytes)


@contextmanager
def counted_passes() -> Iterator[None]:
    """Add the network's passes inside the block to this session's."""
    memory = session_memory()
    with count_passes() as counter:
        try:
            yield
        finally:
            memory.passes += counter.passes


def kept(
    memory: SessionMemory,
    found: BoundedMemory[Value],
    key: Hashable,
    make: Callable[[], Value],
) -> Value:
    """Return what is kept under a key, else make it, counting the network's passes."""
    value = found.get(key)
    if value is None:
        with count_passes() as counter:
            try:
                value = make()
            finally:
                memory.passes += counter.passes
        found.put(key, value)
    return value
