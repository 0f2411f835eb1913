"""The probability of every digit as bars, light enough to be drawn anew while one draws."""

from __future__ import annotations

from html import escape

import streamlit as st

from components import colours
from components.wording import percent
from explain_core.types import Array

_NOW, _TOP = colours.CATEGORIES[0], colours.CATEGORIES[1]
_ROW = (
    '<div style="display:grid;grid-template-columns:1.2rem 1fr 4.2rem;gap:.5rem;'
    'align-items:center;line-height:1.45{weight}">'
    '<span>{name}</span><span style="position:relative;height:.8rem;'
    'background:rgba(128,128,128,.16)"><span style="position:absolute;inset:0 auto 0 0;'
    'width:{width:.2f}%;background:{colour}"></span>{mark}</span>'
    '<span style="text-align:right;font-variant-numeric:tabular-nums">{text}</span></div>'
)
_MARK = (
    '<span style="position:absolute;left:{left:.2f}%;top:-.15rem;bottom:-.15rem;width:3px;'
    'margin-left:-1.5px;background:currentColor"></span>'
)


def probability_bars(names: tuple[str, ...], probabilities: Array, before: Array | None) -> None:
    """Show a bar for each class, the longest in another colour.

    Args:
        names: of the classes.
        probabilities: (num_classes,).
        before: (num_classes,), marked on each bar; None for no marks.
    """
    top = int(probabilities.argmax())
    rows = [
        _ROW.format(
            name=escape(name),
            width=100 * probability,
            colour=_TOP if index == top else _NOW,
            weight=";font-weight:600" if index == top else "",
            mark="" if before is None else _MARK.format(left=100 * before[index]),
            text=escape(percent(probability)),
        )
        for index, (name, probability) in enumerate(zip(names, probabilities, strict=True))
    ]
    spoken = ", ".join(
        f"{name}: {percent(probability)}"
        for name, probability in zip(names, probabilities, strict=True)
    )
    st.html(f'<div role="img" aria-label="Probabilities: {escape(spoken)}">{"".join(rows)}</div>')
