"""Lesson 2, first part: maps of a digit against the digits that a student chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from components import caching, state
from components.lessons.lesson import link_key
from components.map_viewer import Panel, meaning, show_maps
from components.parameter_panel import parameters_of
from components.wording import took_effect
from explain_core import METHODS, Image, Model
from explain_core.methods.settings import AGGREGATION
from explain_core.references.bank import Bank
from explain_core.types import Array

NAMES = {"diffcam": "DiffCAM", "finer-grad-cam": "Finer-CAM", "grad-cam": "Grad-CAM"}
_AGAINST = (3, 2, 0)
_MAX_AGAINST = 3
_DIGITS = tuple("0123456789")


def against_chips(model: Model, image: Image | None, lesson: str, method: str) -> tuple[int, ...]:
    """Show the digits to compare with, without the one that is read, and return the chosen.

    Args:
        image: that the maps are of; None while nothing stands there.
        method: the chips rest where it compares with nothing.
    """
    key = link_key(lesson, "against")
    logits = None if image is None else caching.logits_of(model, image)
    asked = state.values_of([key])[key]
    if not isinstance(asked, Sequence):
        asked = _linked(st.query_params.get(key, "")) or _AGAINST
    chosen = tuple(asked) if logits is None else compared_with(asked, logits)
    # not bound to the link: bound, the link's digits would be held against chips of another digit
    if chosen != _AGAINST:
        st.query_params[key] = "-".join(map(str, chosen))
    elif key in st.query_params:
        del st.query_params[key]
    state.put(key, list(chosen))
    read = None if logits is None else int(np.argmax(logits))
    st.pills(
        "Maps against (up to three)",
        [digit for digit in range(len(model.classes)) if digit != read],
        selection_mode="multi",
        wrap=True,
        key=key,
        persist_state="session",
        on_change=_keep_the_latest,
        args=(key,),
        disabled=METHODS[method].compares_with == "nothing",
    )
    return chosen


def _linked(text: str) -> list[int]:
    """Return the digits that a link names; none where it is broken."""
    parts = list(dict.fromkeys(text.split("-")))[:_MAX_AGAINST]
    return [int(part) for part in parts] if all(part in _DIGITS for part in parts) else []


def _keep_the_latest(key: str) -> None:
    chosen = state.values_of([key])[key]
    if isinstance(chosen, Sequence):
        state.put(key, list(chosen[-_MAX_AGAINST:]))


def compared_with(chosen: Sequence[int], logits: Array) -> tuple[int, ...]:
    """Return the digits that maps are drawn against, as many as were chosen, at most three.

    Args:
        chosen: the digits that a student chose; for the one that the network reads stands the
            most probable one that was not chosen.
        logits: (num_classes,).
    """
    target, *others = (int(digit) for digit in np.argsort(-logits, kind="stable"))
    instead = next((digit for digit in others if digit not in chosen), None)
    digits = (instead if digit == target else digit for digit in chosen)
    return tuple(dict.fromkeys(digit for digit in digits if digit is not None))[:_MAX_AGAINST]


def maps_against(
    model: Model,
    bank: Bank,
    image: Image,
    against: Sequence[int],
    method: str,
    lesson: str,
) -> None:
    """Show a map of the picture against each digit."""
    target = int(np.argmax(caching.logits_of(model, image)))
    is_alone = METHODS[method].compares_with == "nothing"
    if not against and not is_alone:
        st.info("Choose digits to compare with.", icon=":material/arrow_upward:")
        return
    name = model.classes[target]
    listed = " or ".join(model.classes[digit] for digit in against)
    compared: Sequence[int | None] = (None,) if is_alone else against
    show_maps(
        model,
        image,
        [_panel(model, bank, image, target, each, method) for each in compared],
        [each for each in parameters_of([method], "render") if each.name != AGGREGATION.name],
        question=f"Why {name}?" if is_alone else f"Why {name} and not {listed}?",
        source=f"Model {model.name}",
        viewer=f"lesson-{lesson}",
        is_plain=True,
    )


def _panel(
    model: Model, bank: Bank, image: Image, target: int, digit: int | None, method: str
) -> Panel:
    """Return the map against a digit, or against nothing."""
    basis = caching.basis_of(
        model,
        image,
        method,
        target=target,
        references=() if digit is None else (digit,),
        reference_set=None if digit is None else caching.bank_set(bank, (digit,)),
        layer=bank.layer,
        parameters={},
        progress=lambda share: None,
    )
    name = model.classes[target]
    other = "" if digit is None else model.classes[digit]
    return Panel(
        name=method if digit is None else f"against-{digit}",
        method=method,
        title=f"{name} against {other}" if other else f"Why {name}?",
        basis=basis,
        subtitle=NAMES[method] if other else "compared with nothing",
        reversed_subtitle=f"{other} against {name}",
        foot=took_effect(basis),
        meaning=meaning(method),
    )
