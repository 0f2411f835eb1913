"""Pictures: the bundled files, what a network sees of them and what it answers."""

from __future__ import annotations

import time

import streamlit as st

import explain_core as xc
from components.caching import session
from components.caching.pace import first_passes
from explain_core.types import Array


@st.cache_data(max_entries=64, show_spinner=False)
def file_bytes(path: str) -> bytes:
    """Return a bundled file."""
    with open(path, "rb") as file:
        return file.read()


def logits_of(model: xc.Model, image: xc.Image) -> Array:
    """Return the logits (num_classes,) of a picture."""
    memory = session.session_memory()
    key = (model.key, image.digest)

    def predict() -> Array:
        begin = time.perf_counter()
        logits = model.predict(image)
        first_passes().setdefault(model, time.perf_counter() - begin)
        return logits

    return session.kept(memory, memory.logits, key, predict)


def seen_by(model: xc.Model, image: xc.Image) -> Array:
    """Return (H, W, 3) uint8: the picture as the network sees it."""
    pixels = model.to_pixels(image)[0].permute(1, 2, 0).float().cpu().numpy()
    shown: Array = (pixels * 255).round().astype("uint8")
    return shown if shown.shape[2] == 3 else shown.repeat(3, axis=2)
