"""A canvas in the page on which a digit is drawn."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import numpy as np
import streamlit as st

from components import state
from explain_core.errors import ImageError
from explain_core.images.display import to_display
from explain_core.images.drawing import centre_drawing
from explain_core.images.reading import read_image

_HERE = Path(__file__).parent
_PREFIX = "data:image/png;base64,"
_MAX_CHARS = 1_000_000
_SIDE_PX = 280

_canvas = st.components.v2.component(
    "whynot_draw_canvas",
    html=(_HERE / "canvas.html").read_text(encoding="utf-8"),
    css=(_HERE / "canvas.css").read_text(encoding="utf-8"),
    js=(_HERE / "canvas.js").read_text(encoding="utf-8"),
)


def draw_canvas() -> state.Drawing | None:
    """Show the canvas with the session's drawing, and return the drawing; None while it is empty.

    Raises:
        ImageError: what came from the page is not a drawing.
    """
    kept = state.kept_drawing()
    result = _canvas(
        key=state.CANVAS,
        data={"drawing": kept.data_url if kept else ""},
        default={"drawing": None},
        on_drawing_change=lambda: None,
    )
    data_url = result.drawing
    if data_url is None or (kept is not None and data_url == kept.data_url):
        return kept
    drawing = None if data_url == "" else _decode(data_url)
    state.keep_drawing(drawing)
    return drawing


def _decode(data_url: str) -> state.Drawing:
    try:
        if not data_url.startswith(_PREFIX) or len(data_url) > _MAX_CHARS:
            raise ImageError("not a small PNG")
        picture = read_image(base64.b64decode(data_url.removeprefix(_PREFIX), validate=True))
        if picture.size != (_SIDE_PX, _SIDE_PX) or picture.pixels.dtype != np.uint8:
            raise ImageError("not of the canvas's size")
    except (ImageError, binascii.Error) as error:
        raise ImageError(
            "the drawing did not arrive whole; clear the canvas and draw again"
        ) from error
    return state.Drawing(data_url, centre_drawing(to_display(picture)[:, :, 0]))
