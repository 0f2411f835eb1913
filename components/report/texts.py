"""Texts as blocks: paragraphs, tables, lists. Every text of a report goes through `paragraph`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components import fonts
from components.report.blocks import Block, Rule, Words, beside, stack
from components.report.typography import (
    HAIRLINE,
    SMALL,
    Style,
    ending,
    lines_of,
    width_of,
)

CLIPPED = "What ends in “…” was clipped, so that the report stays on one page."
UNKNOWN = "Characters that this report’s font lacks are shown as “?”."

Align = Literal["left", "right", "centre"]

_LABEL_SHARE = 0.3
_CELL_LINES = 2
_MOST_LETTERS = 8.0  # in the width of one letter's size


def paragraph(
    text: str,
    style: Style,
    width: float,
    *,
    max_lines: int | None = None,
    align: Align = "left",
) -> Block:
    """Return a text in lines no wider than `width`; what is beyond `max_lines` is clipped."""
    if max_lines is not None:
        # No more than can fit, lest a text without end is broken into lines for nothing.
        text = text.strip()[: int(max_lines * width / style.size * _MOST_LETTERS) + 1]
    shown = fonts.printable(text).strip()
    if not shown:
        return Block()
    notes = unknown_in(text)
    lines = lines_of(shown, style, width)
    if max_lines is not None and len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], ending(lines[max_lines - 1], style, width)]
        notes = (*notes, CLIPPED)
    items = []
    for place, line in enumerate(lines):
        length = width_of(line, style)
        room = width - length
        left = {"left": 0.0, "centre": room / 2, "right": room}[align]
        if line:
            items.append(Words(left, place * style.leading, length, style.leading, line, style))
    return Block(tuple(items), len(lines) * style.leading, notes)


def unknown_in(text: str) -> tuple[str, ...]:
    """Return the note on characters that cannot be written, if there are any."""
    marks = fonts.UNKNOWN
    return (UNKNOWN,) if fonts.printable(text).count(marks) > text.count(marks) else ()


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[tuple[str, Style]]],
    widths: Sequence[float],
    scale: float,
    *,
    aligned: Sequence[Align],
) -> Block:
    """Return rows under their heads, with a hairline between; cells have two lines at most."""
    gap = 6 * scale
    total = sum(widths)

    def row(cells: Sequence[tuple[str, Style]]) -> Block:
        left, blocks = 0.0, []
        for (text, style), width, align in zip(cells, widths, aligned, strict=True):
            inner = width - (gap if left + width < total - 0.01 else 0)
            blocks.append((left, paragraph(text, style, inner, max_lines=_CELL_LINES, align=align)))
            left += width
        return beside(blocks)

    parts = [row([(head, SMALL.scaled(scale)) for head in heads])] if any(heads) else []
    for place, cells in enumerate(rows):
        content = row(cells)
        if place or parts:
            parts.append(Block((Rule(0, 1.2 * scale, total, 0, HAIRLINE),), 2.4 * scale))
        parts.append(content)
    return stack(parts)


def key_values(
    pairs: Sequence[tuple[str, str]], key: Style, value: Style, width: float, max_lines: int = 2
) -> list[Block]:
    """Return names on the left and their values beside them, a block for each."""
    left = width * _LABEL_SHARE
    return [
        beside(
            [
                (0, paragraph(name, key, left - 6, max_lines=max_lines)),
                (left, paragraph(text, value, width - left, max_lines=max_lines)),
            ]
        )
        for name, text in pairs
    ]


def bullets(texts: Sequence[str], style: Style, width: float, *, max_lines: int) -> list[Block]:
    """Return a list, each text a block behind its bullet."""
    indent = style.size * 1.1
    return [
        beside(
            [
                (0, paragraph("•", style, indent)),
                (indent, paragraph(text, style, width - indent, max_lines=max_lines)),
            ]
        )
        for text in texts
    ]
