"""Lesson 2, first part: a digit that is drawn and erased, and what the network reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from components import caching, state
from components.draw_canvas import sketch_canvas
from components.lessons.lesson import link_key
from components.lessons.not_eight_maps import NAMES, against_chips, maps_against
from components.lessons.probability_bars import probability_bars
from components.notices import shown_errors
from components.wording import percent
from explain_core import Image, Model, read_image
from explain_core.references.bank import Bank

_SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "digits"
_FIRST_SAMPLE = "eight"  # it holds a 3: docs/lessons.md says how often rubbing out leaves one
_EMPTY = "empty"
_MAX_BYTES = 4 * 2**20
# On a phone canvas and bars stay side by side, above a small map: all are on one screen.
_SIDE_BY_SIDE = """
<style>
@media (max-width: 640px) {
  .st-key-not-eight-sketch [data-testid="stHorizontalBlock"] { flex-wrap: nowrap; gap: 0.75rem; }
  .st-key-not-eight-sketch [data-testid="stColumn"] { min-width: 0; flex: 1 1 0; }
  .st-key-not-eight-maps { max-width: 208px; }
}
</style>
"""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Hold what stands on the canvas; None where nothing does.

    Attributes:
        now: as it stands, also while a stroke is drawn.
        finished: when a stroke ended last.
        before: before the eraser took the last strokes; None where the last was another one.
    """

    now: Image | None
    finished: Image | None
    before: Image | None


def samples() -> Mapping[str, str]:
    """Return name -> title of the bundled digits."""
    listing = json.loads(caching.file_bytes(str(_SAMPLES / "samples.json")))
    return {each["file"].removesuffix(".png"): each["title"] for each in listing}


def sample_bytes(name: str) -> bytes:
    """Return the file of a bundled digit."""
    return caching.file_bytes(str(_SAMPLES / f"{name}.png"))


def digits() -> tuple[Model, Bank]:
    """Return the bundled digits network and its bank of real handwriting."""
    model = caching.model_named("digits")
    bank, *_ = caching.banks_of(model)
    return model, bank


def a_digit(digit: int) -> str:
    """Return a digit with its article: "a 3", "an 8"."""
    return f"an {digit}" if digit == 8 else f"a {digit}"


@st.fragment
def show_drawing(lesson: str) -> None:
    """Show the part's screen; a stroke runs only this again."""
    model, bank = digits()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        start = _ask_for_start(lesson)
        chips = st.container(width="content")
        method: str = st.segmented_control(
            "Method",
            list(NAMES),
            format_func=NAMES.__getitem__,
            default="diffcam",
            required=True,
            key=link_key(lesson, "method"),
            bind="query-params",
        )
    left, right = st.columns([2.4, 3.3], gap="medium")
    with left:
        pictures = _sketch(model, start)
    with right, st.container(key="not-eight-maps"):
        subject = _subject(model, pictures)
        with chips:
            against = against_chips(model, subject, lesson, method)
        if subject is not None:
            maps_against(model, bank, subject, against, method, lesson)
    if pictures.before is not None and pictures.now is not None:
        with left:
            _say_what_erasing_did(model, pictures.now, pictures.before, against)
    caching.shrink_session(_MAX_BYTES)  # thirty students, a new picture with every stroke


def _ask_for_start(lesson: str) -> str:
    titles = {**samples(), _EMPTY: "An empty canvas"}
    start: str = st.selectbox(
        "Begin with",
        list(titles),
        index=list(titles).index(_FIRST_SAMPLE),
        format_func=titles.__getitem__,
        key=link_key(lesson, "sample"),
        bind="query-params",
        width=260,
    )
    return start


def _sketch(model: Model, start: str) -> Pictures:
    """Show the canvas and the bars beside it; return what stands there."""
    begin = None if start == _EMPTY else sample_bytes(start)
    st.html(_SIDE_BY_SIDE)
    with st.container(key="not-eight-sketch"):
        drawing, answer = st.columns([1.15, 1.25])
    sketch = state.kept_sketch(start)
    with drawing, shown_errors():
        sketch = sketch_canvas(state.LESSON_CANVAS, start, begin)
    if sketch is not None:
        pictures = Pictures(sketch.image, sketch.finished, sketch.image_before)
    else:
        image = None if begin is None else read_image(begin)
        pictures = Pictures(image, image, None)
    with answer:
        if pictures.now is None:
            st.info("Nothing stands on the canvas. Draw a digit.", icon=":material/arrow_back:")
        else:
            _answer(model, pictures.now, pictures.before)
    return pictures


def _subject(model: Model, pictures: Pictures) -> Image | None:
    """Return what the maps are of: while one erases what stood before, so that they stay."""
    if pictures.before is None:
        return pictures.finished
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        is_of_rest = st.toggle("Maps of what is left")
        if not is_of_rest:
            read = model.classes[int(np.argmax(caching.logits_of(model, pictures.before)))]
            st.caption(f"Maps of the {read} that it read before you erased.")
    return pictures.finished if is_of_rest else pictures.before


def _answer(model: Model, image: Image, image_before: Image | None) -> None:
    probabilities = model.probabilities(caching.logits_of(model, image))
    digit = int(np.argmax(probabilities))
    st.markdown(f"**It reads {a_digit(digit)}** — {percent(probabilities[digit])}")
    before = None
    if image_before is not None:
        before = model.probabilities(caching.logits_of(model, image_before))
    probability_bars(model.classes, probabilities, before)


def _say_what_erasing_did(
    model: Model, image: Image, image_before: Image, against: tuple[int, ...]
) -> None:
    """Say what happened, which need not be what a map made one expect."""
    now, before = (
        model.probabilities(caching.logits_of(model, each)) for each in (image, image_before)
    )
    digit, was = int(now.argmax()), int(before.argmax())
    if digit == was:
        verdict = f"The answer stays {a_digit(digit)}."
    elif digit in against:
        verdict = f"**The answer flips to {a_digit(digit)}**, which you compared it with."
    else:
        verdict = (
            f"**The answer flips to {a_digit(digit)}**, which you did not compare it with. "
            "Rubbing out takes away; it cannot add what another digit has more of."
        )
    st.markdown(
        f"{verdict} Before erasing (dark ticks): {model.classes[was]}, {percent(before[was])}. "
        f"Now: {model.classes[digit]}, {percent(now[digit])}."
    )
