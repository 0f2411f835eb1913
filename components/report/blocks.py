"""Blocks of a page: texts and pictures with their places, in points from the upper left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.film_lines import Stroke
from components.report.typography import Style


@dataclass(frozen=True, eq=False)
class Item:
    """Take up a place on the page: `left`, `top`, `width` and `height` in points."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Words(Item):
    """Stand on one line."""

    text: str
    style: Style


@dataclass(frozen=True, eq=False)
class Picture(Item):
    """Show the bare film (`number` 0) or the film with a map (1 and on)."""

    number: int


@dataclass(frozen=True, eq=False)
class ColourBar(Item):
    """Show a colour map from left to right."""

    colours: str


@dataclass(frozen=True, eq=False)
class Swatch(Item):
    """Show what a line on the pictures looks like."""

    stroke: Stroke


@dataclass(frozen=True, eq=False)
class Rule(Item):
    """Part what stands above from what stands below; `height` is 0."""

    colour: str


@dataclass(frozen=True, eq=False)
class Frame(Item):
    """Stand behind other items."""

    fill: str | None
    edge: str | None


@dataclass(frozen=True, eq=False)
class Block:
    """Hold items that belong together, in the order in which they are read.

    Attributes:
        items: placed from the block's own upper left corner.
        height: that the block takes up.
        notes: what the foot of the page has to tell about it.
    """

    items: tuple[Item, ...] = ()
    height: float = 0.0
    notes: tuple[str, ...] = ()


def placed(block: Block, left: float, top: float) -> tuple[Item, ...]:
    """Return the items moved to a place."""
    return tuple(replace(item, left=item.left + left, top=item.top + top) for item in block.items)


def stack(blocks: Sequence[Block], gap: float = 0.0) -> Block:
    """Return blocks below each other; empty ones take no gap."""
    items: list[Item] = []
    top = 0.0
    shown = [block for block in blocks if block.height > 0]
    for place, block in enumerate(shown):
        top += gap if place else 0.0
        items.extend(placed(block, 0, top))
        top += block.height
    return Block(tuple(items), top, _notes(shown))


def beside(blocks: Sequence[tuple[float, Block]]) -> Block:
    """Return blocks next to each other, each at its `left`, with their tops in line."""
    items = tuple(item for left, block in blocks for item in placed(block, left, 0))
    height = max((block.height for _, block in blocks), default=0.0)
    return Block(items, height, _notes([block for _, block in blocks]))


def padded(block: Block, height: float) -> Block:
    """Return a block of at least this height, its items where they were."""
    return replace(block, height=max(block.height, height))


def framed(
    block: Block,
    width: float,
    sides: float,
    ends: float,
    *,
    fill: str | None = None,
    edge: str | None = None,
) -> Block:
    """Return a block in a frame of this width, with room at its sides, top and bottom."""
    height = block.height + 2 * ends
    frame = Frame(0, 0, width, height, fill, edge)
    return Block((frame, *placed(block, sides, ends)), height, block.notes)


def _notes(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for block in blocks for note in block.notes))
