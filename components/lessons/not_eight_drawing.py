"""Lesson 2, first part: a digit that is drawn and erased, and its maps against other digits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from components import caching, state
from components.draw_canvas import sketch_canvas
from components.lessons.lesson import link_key
from components.lessons.probability_bars import probability_bars
from components.map_viewer import Panel, meaning, show_maps
from components.notices import shown_errors
from components.parameter_panel import parameters_of
from components.wording import percent, took_effect
from explain_core import METHODS, Image, Model, read_image
from explain_core.references.bank import Bank
from explain_core.types import Array

_SAMPLES = Path(__file__).parents[2] / "assets" / "samples" / "digits"
_FIRST_SAMPLE = "three-almost-eight"
_EMPTY = "empty"
_METHODS = {"diffcam": "DiffCAM", "finer-grad-cam": "Finer-CAM", "grad-cam": "Grad-CAM"}
_AGAINST = (8, 5, 2)
_MAX_AGAINST = 3
_MAX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Asked:
    """Hold what the widgets above the canvas say.

    Attributes:
        start: name of the sample that the canvas begins with, or "empty".
        method: name in `METHODS`.
        against: digits to compare with.
    """

    start: str
    method: str
    against: tuple[int, ...]


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


def show_drawing(lesson: str) -> None:
    """Show the part's screen."""
    _sketch_and_maps(_ask(lesson), lesson)


def _ask(lesson: str) -> Asked:
    titles = {**samples(), _EMPTY: "An empty canvas"}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        start = st.selectbox(
            "Begin with",
            list(titles),
            index=list(titles).index(_FIRST_SAMPLE),
            format_func=titles.__getitem__,
            key=link_key(lesson, "sample"),
            bind="query-params",
            width=260,
        )
        against = st.pills(
            "Maps against",
            list(range(10)),
            selection_mode="multi",
            default=list(_AGAINST),
            wrap=True,
            key=link_key(lesson, "against"),
            bind="query-params",
        )
        method = st.segmented_control(
            "Method",
            list(_METHODS),
            format_func=_METHODS.__getitem__,
            default="diffcam",
            required=True,
            key=link_key(lesson, "method"),
            bind="query-params",
        )
    return Asked(start, method, tuple(against))


@st.fragment
def _sketch_and_maps(asked: Asked, lesson: str) -> None:
    """Show canvas, bars and maps; a stroke runs only this part again."""
    model, bank = digits()
    begin = None if asked.start == _EMPTY else sample_bytes(asked.start)
    drawing, answer, maps = st.columns([1.15, 1.25, 3.3], gap="medium")
    sketch = state.kept_sketch(asked.start)
    with drawing, shown_errors():
        sketch = sketch_canvas(state.LESSON_CANVAS, asked.start, begin)
    image, finished, before = _pictures(sketch, begin)
    with answer:
        if image is None:
            st.info("Nothing stands on the canvas. Draw a digit.", icon=":material/arrow_back:")
        else:
            _answer(model, image, before)
    with maps:
        if finished is not None:
            _maps(model, bank, finished, asked, lesson)
    caching.shrink_session(_MAX_BYTES)  # thirty students, a new picture with every stroke


def _pictures(
    sketch: state.Sketch | None, begin: bytes | None
) -> tuple[Image | None, Image | None, Image | None]:
    """Return what stands on the canvas, when the last stroke ended, and before the eraser."""
    if sketch is not None:
        return sketch.image, sketch.finished, sketch.image_before
    image = None if begin is None else read_image(begin)
    return image, image, None


def _answer(model: Model, image: Image, image_before: Image | None) -> None:
    probabilities = model.probabilities(caching.logits_of(model, image))
    digit = int(np.argmax(probabilities))
    st.markdown(f"**It reads {a_digit(digit)}** — {percent(probabilities[digit])}")
    before = None
    if image_before is not None:
        before = model.probabilities(caching.logits_of(model, image_before))
    probability_bars(model.classes, probabilities, before)
    if before is None:
        return
    was = int(np.argmax(before))
    verdict = "**The answer flips.**" if was != digit else "The answer stays."
    st.markdown(
        f"Before erasing: {model.classes[was]}, {percent(before[was])}. "
        f"Now: {model.classes[digit]}, {percent(probabilities[digit])}. {verdict}"
    )
    st.caption("The dark ticks are the bars before you erased.")


def _maps(model: Model, bank: Bank, image: Image, asked: Asked, lesson: str) -> None:
    logits = caching.logits_of(model, image)
    target = int(np.argmax(logits))
    against = compared_with(asked.against, logits)
    if not against:
        st.info("Choose digits to compare with.", icon=":material/arrow_upward:")
        return
    show_maps(
        model,
        image,
        _panels(model, bank, image, target, against, asked.method),
        parameters_of([asked.method], "render"),
        question=f"Why {model.classes[target]} and not {_listed(model, against)}?",
        source=f"Model {model.name}",
        viewer=f"lesson-{lesson}",
        is_plain=True,
    )
    if len(asked.against) > _MAX_AGAINST:
        st.caption(f"The first {_MAX_AGAINST} of the digits are shown.")


def compared_with(chosen: Sequence[int], logits: Array) -> tuple[int, ...]:
    """Return the digits that maps are drawn against, at most three.

    Args:
        chosen: the digits that a student chose; for the one that the network reads the next
            best one stands, or none where that was chosen too.
        logits: (num_classes,).
    """
    target, second = (int(digit) for digit in np.argsort(-logits, kind="stable")[:2])
    digits = (second if digit == target else digit for digit in chosen)
    return tuple(dict.fromkeys(digits))[:_MAX_AGAINST]


def _panels(
    model: Model, bank: Bank, image: Image, target: int, against: Sequence[int], method: str
) -> list[Panel]:
    compares_with = METHODS[method].compares_with
    if compares_with == "nothing":
        against = against[:1]
    name = model.classes[target]
    panels = []
    for digit in against:
        basis = caching.basis_of(
            model,
            image,
            method,
            target=target,
            references=(digit,),
            reference_set=caching.bank_set(bank, (digit,)),
            layer=bank.layer,
            parameters={},
            progress=lambda share: None,
        )
        other = model.classes[digit]
        is_alone = compares_with == "nothing"
        panels.append(
            Panel(
                name=method if is_alone else f"against-{digit}",
                method=method,
                title=f"Why {name}?" if is_alone else f"{name} against {other}",
                basis=basis,
                subtitle="compared with nothing" if is_alone else _METHODS[method],
                reversed_subtitle=f"{other} against {name}",
                foot=took_effect(basis),
                meaning=meaning(method),
            )
        )
    return panels


def _listed(model: Model, digits: Sequence[int]) -> str:
    return " or ".join(model.classes[digit] for digit in digits)
