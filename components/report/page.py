"""One page: the largest pictures and letters with which everything fits."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from components.report import sections
from components.report.blocks import Block, Item, Rule, placed, stack
from components.report.columns import two_columns
from components.report.contents import MAX_MAPS, Report
from components.report.pictures import picture_grid
from components.report.typography import HAIRLINE
from explain_core.errors import InputError

WIDTH, HEIGHT = 595.2756, 841.8898  # A4 in points
_SIDE, _TOP, _BOTTOM = 42.0, 32.0, 26.0
_GAP = 16.0


@dataclass(frozen=True)
class _Plan:
    """Say how much is given up so that the page holds everything.

    Attributes:
        scale: of letters.
        pictures: share of the pictures' full height.
        remarks: share of the free text that is shown.
        cautions: share of the cautions that are shown.
        num_rows: of pictures.
        max_rows: of a table.
    """

    scale: float = 1.0
    pictures: float = 1.0
    remarks: float = 1.0
    cautions: float = 1.0
    num_rows: int = 1
    max_rows: int = sections.MAX_ROWS


# What is given up, little by little: the pictures' size, that of letters, then what does not fit.
_SMALLEST = (0.84, 0.56)
_TWO_ROWS = tuple(_Plan(pictures=share, num_rows=2) for share in (1.0, 0.92, 0.84, 0.76, 0.7))
_PLANS = (
    *(_Plan(1.0, pictures) for pictures in (1.0, 0.92, 0.84, 0.78)),
    *(_Plan(0.95, pictures) for pictures in (0.84, 0.76)),
    *(_Plan(0.9, pictures) for pictures in (0.8, 0.7)),
    *(_Plan(0.84, pictures) for pictures in (0.75, 0.65, 0.56)),
    *(
        _Plan(*_SMALLEST, remarks=share, cautions=min(1.0, 2.2 * share))
        for share in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03)
    ),
    *(_Plan(*_SMALLEST, remarks=0.03, cautions=0.06, max_rows=rows) for rows in (9, 6, 4, 2)),
)


def page_of(report: Report) -> tuple[Item, ...]:
    """Return where everything stands on the page, in reading order.

    Raises:
        InputError: what has to be shown does not fit even at its smallest.
    """
    plans = (*_TWO_ROWS, *_PLANS) if len(report.maps) == MAX_MAPS else _PLANS
    made: dict[int, tuple[Item, ...] | None] = {}

    def does_fit(place: int) -> bool:
        made[place] = _composed(report, plans[place])
        return made[place] is not None

    # Most reports fit as they are; else each plan gives up more than the one before.
    first = 0 if does_fit(0) else bisect_left(range(len(plans)), True, lo=1, key=does_fit)
    items = made.get(first)
    if items is None:
        raise InputError(
            "the report does not fit on one page; leave out maps, regions or findings, or shorten "
            "what was typed"
        )
    return items


def _composed(report: Report, plan: _Plan) -> tuple[Item, ...] | None:
    """Return the page by a plan; None where it does not hold everything."""
    width = WIDTH - 2 * _SIDE
    content = stack(
        [
            sections.head(report, width, plan.scale),
            picture_grid(report, width, _GAP, plan.scale, plan.pictures, plan.num_rows),
            _columns(report, width, plan),
        ],
        gap=11 * plan.scale,
    )
    foot = sections.foot(content.notes, width)
    foot_top = HEIGHT - _BOTTOM - foot.height
    if _TOP + content.height + 10 > foot_top:
        return None
    rule = Rule(_SIDE, foot_top - 4, width, 0, HAIRLINE)
    return (*placed(content, _SIDE, _TOP), rule, *placed(foot, _SIDE, foot_top))


def _columns(report: Report, width: float, plan: _Plan) -> Block:
    """Return the sections in two columns, read down the left one first."""
    column, scale = (width - _GAP) / 2, plan.scale
    parts = [
        sections.findings(report, column, scale, plan.max_rows),
        sections.scores(report, column, scale, plan.max_rows),
        sections.shares(report, column, scale, plan.max_rows),
        sections.cautions(report, column, scale, plan.cautions),
        sections.origin(report, column, scale, plan.max_rows),
        sections.remarks(report, column, scale, plan.remarks),
        sections.patient(report, column, scale, plan.max_rows),
    ]
    return two_columns(parts, column, _GAP, scale)
