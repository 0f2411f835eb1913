"""A canvas in the page on which a digit is drawn, and as a sketch erased in part."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from components import state
from explain_core.errors import ImageError
from explain_core.images.display import to_display
from explain_core.images.drawing import centre_drawing
from explain_core.images.reading import image_from_pixels, read_image
from explain_core.types import Array, Image

_HERE = Path(__file__).parent
_PREFIX = "data:image/png;base64,"
_MAX_CHARS = 1_000_000
_SIDE_PX = 280
_FAINTEST_INK = 16

_NOT_WHOLE = "the drawing did not arrive whole; clear the canvas and draw again"

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


def sketch_canvas(key: str, start: str, picture: bytes | None) -> state.Sketch | None:
    """Show a canvas that may begin with a picture, with an eraser; it tells while one draws.

    Args:
        key: of the widget.
        start: name of what the canvas begins with; another name begins anew.
        picture: PNG of 280 x 280 pixels that it begins with; None for an empty canvas.

    Returns:
        What stands there; None while nobody has touched it.

    Raises:
        ImageError: what came from the page is not a drawing.
    """
    kept = state.kept_sketch(start)
    told = state.told(key, "sketch")
    number = told.get("number") if isinstance(told, Mapping) else None
    result = _canvas(
        key=key,
        data={
            "sketch": {
                "start": start,
                "picture": "" if picture is None else _PREFIX + base64.b64encode(picture).decode(),
                "kept": None
                if kept is None
                else {"now": kept.now, "before": kept.before, "is_drawn": kept.is_drawn},
                "answered": number if isinstance(number, int) else 0,
            }
        },
        default={"sketch": None},
        on_sketch_change=lambda: None,
    )
    told = result.sketch
    if not isinstance(told, Mapping) or told.get("start") != start:
        return kept
    sketch = _sketch(told, start, picture, kept)
    state.keep_sketch(sketch)
    return sketch


def _sketch(
    told: Mapping[str, object], start: str, picture: bytes | None, kept: state.Sketch | None
) -> state.Sketch:
    now, before = str(told.get("now", "")), str(told.get("before", ""))
    is_drawn = told.get("is_drawn") is True
    is_drawing = told.get("is_drawing") is True
    if kept is not None and (now, before, is_drawn) == (kept.now, kept.before, kept.is_drawn):
        image, image_before = kept.image, kept.image_before
    else:
        pixels = _pixels(now) if now else None
        pixels_before = _pixels(before) if before else None
        image = _laid_out(pixels, pixels_before, is_drawn)
        image_before = _laid_out(pixels_before, None, is_drawn)
    finished = image
    if is_drawing and kept is not None:
        finished = kept.finished
    elif is_drawing:
        finished = None if picture is None else read_image(picture)
    return state.Sketch(
        start=start,
        now=now,
        before=before,
        is_drawn=is_drawn,
        image=image,
        image_before=image_before,
        finished=finished,
    )


def _laid_out(pixels: Array | None, like: Array | None, is_drawn: bool) -> Image | None:
    """Return a picture as the network is to see it; None where no ink is left.

    The pictures that a canvas begins with are laid out already.
    """
    if pixels is None or pixels.max() < _FAINTEST_INK:
        return None
    return centre_drawing(pixels, like) if is_drawn else image_from_pixels(pixels)


def _decode(data_url: str) -> state.Drawing:
    pixels = _pixels(data_url)
    try:
        return state.Drawing(data_url, centre_drawing(pixels))
    except ImageError as error:
        raise ImageError(_NOT_WHOLE) from error


def _pixels(data_url: str) -> Array:
    """Return (280, 280) uint8, light strokes on dark."""
    try:
        if not data_url.startswith(_PREFIX) or len(data_url) > _MAX_CHARS:
            raise ImageError("not a small PNG")
        picture = read_image(base64.b64decode(data_url.removeprefix(_PREFIX), validate=True))
        if picture.size != (_SIDE_PX, _SIDE_PX) or picture.pixels.dtype != np.uint8:
            raise ImageError("not of the canvas's size")
    except (ImageError, binascii.Error) as error:
        raise ImageError(_NOT_WHOLE) from error
    pixels: Array = to_display(picture)[:, :, 0]
    return pixels
