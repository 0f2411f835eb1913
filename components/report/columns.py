"""Sections in two columns, read down the left one first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.report.blocks import Block, Rule, beside, stack
from components.report.texts import paragraph
from components.report.typography import HAIRLINE, HEADING

# A section is broken only where that makes the page this much shorter, in points.
_WORTH_A_BREAK = 24.0


@dataclass(frozen=True, eq=False)
class Section:
    """Hold what stands under a heading.

    Attributes:
        title: "" for none.
        pieces: blocks between which the section may be broken.
        gap: between two pieces, in points.
    """

    title: str
    pieces: tuple[Block, ...]
    gap: float = 0.0


def two_columns(sections: Sequence[Section], column: float, between: float, scale: float) -> Block:
    """Return the sections in two columns, broken where the taller one is lowest.

    Args:
        column: width of one.
        between: the columns.
        scale: of letters.
    """
    shown = [section for section in sections if section.pieces]
    best: tuple[list[Section], list[Section]] = ([], [])
    least = float("inf")
    for place, section in enumerate(shown):
        for cut in range(len(section.pieces)):
            head, tail = _cut(section, cut)
            halves = ([*shown[:place], *head], [tail, *shown[place + 1 :]])
            cost = max(_height(half, scale) for half in halves) + (_WORTH_A_BREAK if cut else 0)
            if cost < least:
                best, least = halves, cost
    left, right = (_column(half, column, scale) for half in best)
    return beside([(0, left), (column + between, right)])


def _cut(section: Section, cut: int) -> tuple[list[Section], Section]:
    """Return what stays of a section, if anything, and what goes to the next column."""
    if cut == 0:
        return [], section
    tail = replace(section, title=f"{section.title}, continued", pieces=section.pieces[cut:])
    return [replace(section, pieces=section.pieces[:cut])], tail


def _height(sections: Sequence[Section], scale: float) -> float:
    """Return how high `_column` gets."""
    total = 10 * scale * max(0, len(sections) - 1)
    for section in sections:
        pieces = [piece.height for piece in section.pieces if piece.height > 0]
        total += sum(pieces) + section.gap * max(0, len(pieces) - 1)
        total += (HEADING.leading + 4) * scale if section.title else 0
    return total


def _column(sections: Sequence[Section], width: float, scale: float) -> Block:
    parts = []
    for section in sections:
        content = stack(section.pieces, section.gap)
        if section.title:
            name = paragraph(section.title, HEADING.scaled(scale), width, max_lines=1)
            rule = Rule(0, name.height + 1.5 * scale, width, 0, HAIRLINE)
            content = stack([Block((*name.items, rule), name.height + 4 * scale), content])
        parts.append(content)
    return stack(parts, gap=10 * scale)
