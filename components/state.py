"""What a session remembers between reruns and pages; the only file that names session keys.

Widgets that carry a key from here are given `persist_state="session"`, so that they survive
switching pages. Keys that end in a digest begin afresh with every picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explain_core import Image, Model

MODEL = "model"
LAYER = "layer"
SOURCE = "source"
SAMPLE = "sample"
METHODS = "methods"
QUESTION = "question"
SUGGEST_BY = "suggest-by"
VIEWER = "viewer"
VALUES_OF = "values-of"
CANVAS = "canvas"

_UPLOAD = "kept-upload"
_UPLOAD_ROUND = "upload-round"
_DRAWING = "kept-drawing"


@dataclass(frozen=True, eq=False)
class Upload:
    """Hold an uploaded picture, the widget's id of its file and its name, for this page only."""

    file_id: str
    name: str
    image: Image


@dataclass(frozen=True, eq=False)
class Drawing:
    """Hold a drawing as the canvas gave it, so that it can be put back, and as a picture."""

    data_url: str
    image: Image


def per_question(name: str, model: Model, image: Image, *parts: object) -> str:
    """Return a widget key that belongs to one model, one picture and whatever else is given."""
    return "-".join([name, model.name, image.digest[:16], *(str(part) for part in parts)])


def parameter_key(name: str) -> str:
    """Return the widget key of a method parameter, shared by all methods that know it."""
    return f"parameter-{name}"


def kept_upload() -> Upload | None:
    """Return the picture uploaded last in this session."""
    upload: Upload | None = st.session_state.get(_UPLOAD)
    return upload


def keep_upload(upload: Upload) -> None:
    """Remember an uploaded picture until it is replaced or forgotten."""
    st.session_state[_UPLOAD] = upload


def forget_upload() -> None:
    """Forget the uploaded picture and empty the upload widget."""
    st.session_state.pop(_UPLOAD, None)
    st.session_state[_UPLOAD_ROUND] = st.session_state.get(_UPLOAD_ROUND, 0) + 1


def upload_key() -> str:
    """Return the upload widget's key; it changes when the upload is forgotten."""
    return f"upload-{st.session_state.get(_UPLOAD_ROUND, 0)}"


def kept_drawing() -> Drawing | None:
    """Return the drawing made last in this session."""
    drawing: Drawing | None = st.session_state.get(_DRAWING)
    return drawing


def keep_drawing(drawing: Drawing | None) -> None:
    """Remember a drawing; None forgets it."""
    st.session_state[_DRAWING] = drawing
