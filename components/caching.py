"""What is kept between reruns: models for everyone, evidence and bases for one session only."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import streamlit as st

import explain_core as xc
from explain_core.memory import BoundedMemory
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from explain_core.references.bank import Bank
from explain_core.references.bank import bank_of as find_bank
from explain_core.types import Array, Basis, ParameterValue

Value = TypeVar("Value")

MAX_MODELS = 4


@dataclass(eq=False)
class SessionMemory:
    """Hold what one session computed; it goes when the session goes.

    Attributes:
        store: evidence.
        bases: by question.
        logits: predictions by picture.
        messages: what the viewer was sent.
        passes: pictures that networks processed for this session.
    """

    store: EvidenceStore = field(default_factory=EvidenceStore)
    bases: BoundedMemory[Basis] = field(default_factory=BoundedMemory)
    logits: BoundedMemory[Array] = field(default_factory=BoundedMemory)
    messages: BoundedMemory[bytes] = field(default_factory=BoundedMemory)
    passes: int = 0


@st.cache_resource(scope="session", show_spinner=False)
def session_memory() -> SessionMemory:
    """Return this session's memory."""
    return SessionMemory()


@st.cache_resource(max_entries=MAX_MODELS, show_spinner="Loading the model …")
def model_named(name: str) -> xc.Model:
    """Return a loaded model, shared by all sessions; it never changes."""
    return xc.load_model(name)


@st.cache_data(ttl="1m", show_spinner=False)
def model_names() -> dict[str, bool]:
    """Return every model's name, and whether it loads without a download."""
    return xc.available_models()


def bank_of(model: xc.Model) -> Bank | None:
    """Return the reference bank made with a model's weights, shared by all sessions."""
    return _bank_of_weights(model.fingerprint, model)


@st.cache_resource(max_entries=MAX_MODELS, show_spinner=False)
def _bank_of_weights(fingerprint: str, _model: xc.Model) -> Bank | None:
    return find_bank(_model)


@st.cache_data(max_entries=64, show_spinner=False)
def file_bytes(path: str) -> bytes:
    """Return a bundled file."""
    with open(path, "rb") as file:
        return file.read()


def logits_of(model: xc.Model, image: xc.Image) -> Array:
    """Return the logits (num_classes,) of a picture."""
    memory = session_memory()
    key = (model.fingerprint, model.preprocessing, image.digest)
    return _kept(memory, memory.logits, key, lambda: model.predict(image))


def basis_of(
    model: xc.Model,
    image: xc.Image,
    method: str,
    *,
    target: int,
    references: tuple[int, ...],
    reference_set: xc.ReferenceSet | None,
    layer: str,
    parameters: Mapping[str, ParameterValue],
    progress: Callable[[float], None],
) -> Basis:
    """Return a method's basis, running the network only for what this session never asked."""
    memory = session_memory()
    uses = xc.METHODS[method].compares_with
    known = {p.name for p in xc.METHODS[method].parameters_of("prepare")}
    mine = {name: value for name, value in parameters.items() if name in known}
    key = (
        model.fingerprint,
        model.preprocessing,
        image.digest,
        method,
        target,
        references if uses != "nothing" else (),
        reference_set.key if reference_set is not None and uses == "pictures" else None,
        layer,
        tuple(sorted(mine.items())),
    )

    def prepare() -> Basis:
        return xc.prepare_many(
            model,
            image,
            [method],
            target=target,
            references=references or None,
            reference_set=reference_set,
            layer=layer,
            progress=progress,
            parameters=mine,
            store=memory.store,
        )[method]

    return _kept(memory, memory.bases, key, prepare)


def message_of(key: Hashable, make: Callable[[], bytes]) -> bytes:
    """Return the viewer's message for a set of bases, made once."""
    memory = session_memory()
    return _kept(memory, memory.messages, key, make)


def _kept(
    memory: SessionMemory,
    kept: BoundedMemory[Value],
    key: Hashable,
    make: Callable[[], Value],
) -> Value:
    """Return what is kept under a key, else make it, counting the network's passes."""
    value = kept.get(key)
    if value is None:
        with count_passes() as counter:
            try:
                value = make()
            finally:
                memory.passes += counter.passes
        kept.put(key, value)
    return value
