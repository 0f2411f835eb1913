"""Models, shared by all sessions; the probes and texts on them are of one session alone."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import streamlit as st

import explain_core as xc
from components.caching import session
from explain_core.models.text_classes import checked_texts, text_vectors, with_text_vectors
from explain_core.types import Array

MAX_MODELS = 4
MAX_PROBES = 4
MAX_TEXT_MODELS = 4


@st.cache_resource(max_entries=MAX_MODELS, show_spinner="Loading the model …")
def model_named(name: str) -> xc.Model:
    """Return a loaded model, shared by all sessions; it never changes."""
    return xc.load_model(name)


@st.cache_data(ttl="1m", show_spinner=False)
def model_names() -> dict[str, bool]:
    """Return every model's name, and whether it loads without a download."""
    return xc.available_models()


def unload(model: xc.Model) -> None:
    """Forget a loaded model for all sessions; it is loaded again when one asks for it.

    What stands on it in this session, its texts and its probe, is put on it anew then.
    """
    model_named.clear(encoder_name(model))
    _with_texts.clear()
    session.session_memory().probed.clear()


def probed_name(encoder: str) -> str:
    """Return what the model of an encoder and its probe is called."""
    return f"{encoder} + probe"


def keep_probe(model: xc.Model, probe: xc.LinearProbe) -> None:
    """Remember a model's probe for this session, in place of an earlier one; the last few count.

    Raises:
        ModelError: it does not fit the model.
    """
    memory, name = session.session_memory(), probed_name(model.name)
    made = xc.with_probe(model, probe, name)
    forget_probe(name)
    memory.probes[name], memory.probed[name] = probe, made
    for oldest in list(memory.probes)[:-MAX_PROBES]:
        forget_probe(oldest)


def forget_probe(name: str) -> None:
    """Forget a probe of this session by the name of its model."""
    memory = session.session_memory()
    memory.probes.pop(name, None)
    memory.probed.pop(name, None)


def kept_probe(model: xc.Model) -> xc.LinearProbe | None:
    """Return the probe on a model, or in one, that this session fitted; None without."""
    probes = session.session_memory().probes
    kept = probes.get(model.name) or probes.get(probed_name(model.name))
    return kept if kept is not None and kept.fingerprint == model.fingerprint else None


def encoder_name(model: xc.Model) -> str:
    """Return the name of what this session put a probe on, else the model's own."""
    kept = session.session_memory().probes.get(model.name)
    return model.name if kept is None else kept.encoder


def probes() -> dict[str, xc.LinearProbe]:
    """Return this session's probes, by the name of the model that each makes."""
    return dict(session.session_memory().probes)


def probed_model(name: str) -> xc.Model:
    """Return the model that a probe of this session makes.

    Raises:
        ModelError: its encoder cannot be loaded any more.
    """
    memory = session.session_memory()
    if name not in memory.probed:
        probe = memory.probes[name]
        memory.probed[name] = xc.with_probe(model_named(probe.encoder), probe, name)
    return memory.probed[name]


def with_texts(model: xc.Model, texts: tuple[str, ...]) -> xc.Model:
    """Return a model whose classes are texts, which are of this session alone.

    Raises:
        InputError: a text that the model cannot take.
    """
    return _with_texts((model.name, model.key, texts), model, texts)


@st.cache_resource(scope="session", max_entries=MAX_TEXT_MODELS, show_spinner="Reading the texts …")
def _with_texts(key: Hashable, _model: xc.Model, _texts: tuple[str, ...]) -> xc.Model:
    names = checked_texts(_model, _texts)
    vectors = [_text_vector(_model, name) for name in names]
    return with_text_vectors(_model, names, np.stack(vectors))


def _text_vector(model: xc.Model, text: str) -> Array:
    memory, side = session.session_memory(), model.text_side
    assert side is not None
    key = (side.fingerprint, text)
    return session.kept(memory, memory.texts, key, lambda: text_vectors(model, [text])[0])
