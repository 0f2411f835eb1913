"""Typing the texts that a picture is compared with, for models that know texts."""

from __future__ import annotations

import streamlit as st

from components import caching, state
from explain_core import Model

MAX_TEXTS = 20

_SHARED = {
    True: "The probabilities are shared out among these texts alone.",
    False: "Each has its own probability.",
}


def text_classes(model: Model) -> Model:
    """Show the texts where a model has a side for them, and return the model that tells them apart.

    Without texts it is the model as it was. They stay in this session.

    Raises:
        InputError: a text that the model cannot take; the message names it.
    """
    side = model.text_side
    if side is None or (model.has_head and not model.has_texts):
        return model
    typed = st.multiselect(
        "Texts to compare",
        [],
        accept_new_options=True,
        max_selections=MAX_TEXTS,
        key=state.texts_key(model),
        persist_state="session",
        placeholder="Type a text, then Enter",
        help="Descriptions of what may be seen, in the model's language; they are its classes. "
        + _SHARED[side.bias is None]
        + f" At most {MAX_TEXTS}, of some 50 words each.",
    )
    stripped = (text.strip() for text in typed)
    texts = tuple(dict.fromkeys(text for text in stripped if text))[:MAX_TEXTS]
    if not texts:
        st.caption(_nothing_typed(model, side.min_texts))
        return model
    if len(texts) < side.min_texts:
        st.caption(
            "One more: this model says which of several texts fits better, so one alone always "
            "gets 100 %. A plain one will do, such as “bird”."
        )
        return model
    return caching.with_texts(model, texts)


def with_same_texts(model: Model, other: Model) -> Model:
    """Return the model with another's texts, where it knows texts and has no classes of its own.

    Raises:
        InputError: a text that the model cannot take.
    """
    if not other.has_texts or model.text_side is None or model.has_head:
        return model
    return caching.with_texts(model, other.classes)


def _nothing_typed(model: Model, min_texts: int) -> str:
    if model.has_head:
        return f"Empty: the {model.num_classes:,} texts of the operator."
    what = (
        "two descriptions, such as “red epaulets” and “bird”"
        if min_texts > 1
        else "descriptions, such as “red epaulets”"
    )
    return f"Type {what}. Until then this model gives features only."
