"""Messages: what went wrong and what to do, and what to keep in mind while reading a map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from explain_core import ExplainError
from explain_core.methods.cautions import Caution


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show an `ExplainError` as a message and go on behind the block; let our own bugs surface."""
    try:
        yield
    except ExplainError as error:
        show_error(error)


def show_error(error: ExplainError) -> None:
    """Show what went wrong and what to do."""
    st.error(sentence(str(error)), icon=":material/error:")


def show_cautions(cautions: Sequence[Caution]) -> None:
    """Show each caution once."""
    texts = dict.fromkeys(caution.text for caution in cautions)
    if texts:
        st.warning("  \n".join(texts), icon=":material/warning:")


def reading_note(num_passes: int) -> None:
    """Say how often networks ran, and what maps are not."""
    st.caption(
        f"Network passes in this session: {num_passes:,}. "
        "Sliders add none: they only mix what is already there. Maps show what influenced this "
        "model, not what is true of the picture: for research and teaching, not for diagnosis."
    )


def sentence(text: str) -> str:
    """Return the text with a capital letter, unless it begins with a name, and a full stop."""
    text = text.strip()
    first, _, _ = text.partition(" ")
    end = "" if text.endswith((".", "!", "?")) else "."
    return (text[:1].upper() + text[1:] if first.isalpha() else text) + end
