"""The film and its maps, side by side, with their legends."""

from __future__ import annotations

from components import colours
from components.film_lines import Stroke
from components.film_picture import AGAINST, ANNOTATION, CONTOUR, NO_EVIDENCE, REGION, peak
from components.report.blocks import Block, ColourBar, Picture, Swatch, beside, padded, stack
from components.report.contents import Report, ReportMap
from components.report.texts import paragraph
from components.report.typography import BODY, QUIET, SMALL, STRONG, TITLE, width_of
from components.wording import minus

_MOST_HEIGHT, _LEAST_HEIGHT = 290.0, 90.0
_LEAST_LEGEND = 84.0
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def picture_grid(
    report: Report, width: float, gap: float, scale: float, share: float, num_rows: int
) -> Block:
    """Return the film and its maps, each with its legend, and what the lines on them mean.

    Args:
        width: of the whole, in points.
        gap: between two pictures.
        scale: of letters.
        share: of the height that the pictures have where there is room.
    """
    num_columns = max(2, -(-(1 + len(report.maps)) // num_rows))
    column = (width - gap * (num_columns - 1)) / num_columns
    tall, wide = report.film.codes.shape
    full = min(_MOST_HEIGHT, column * tall / wide)
    height = max(full * share, min(full, _LEAST_HEIGHT))
    size = (height * wide / tall, height)
    heads = [_head("Film", report.window_text, column, scale)]
    heads += [_head(each.title, each.subtitle, column, scale) for each in report.maps]
    legends = [Block(), *(_legend(each, size[0], column, scale) for each in report.maps)]
    cells = [
        stack([Block((Picture(0, 0, *size, number),), height), legend], gap=4 * scale)
        for number, legend in enumerate(legends)
    ]
    below = _key(_entries(report), width, scale)
    if num_rows > 1 and len(cells) % num_columns:
        heads.append(_head("Lines", "", column, scale))
        cells.append(_key(_entries(report), column, scale))
        below = Block()
    rows = []
    for begin in range(0, len(cells), num_columns):
        part = slice(begin, begin + num_columns)
        head_height = max(head.height for head in heads[part])
        columns = [
            (place * (column + gap), stack([padded(head, head_height), cell], gap=3))
            for place, (head, cell) in enumerate(zip(heads[part], cells[part], strict=True))
        ]
        rows.append(beside(columns))
    return stack([*rows, below], gap=8 * scale)


def legend_number(value: float) -> str:
    """Return a number as the viewer's legends write it: "0.412", "−3.00", "4.1 · 10⁻⁵"."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e5:
        mantissa, _, power = f"{value:.1e}".partition("e")
        raised = f"10{str(int(power)).translate(_RAISED)}"
        return raised if mantissa == "1.0" else f"{minus(mantissa)} · {raised}"
    return minus(f"{value:#.3g}".rstrip(".") if size < 1000 else f"{value:.0f}")


def _head(title: str, subtitle: str, width: float, scale: float) -> Block:
    return stack(
        [
            paragraph(title, TITLE.scaled(scale), width, max_lines=2),
            paragraph(subtitle, SMALL.scaled(scale), width, max_lines=2),
        ]
    )


def _legend(shown: ReportMap, width: float, column: float, scale: float) -> Block:
    """Return colours with their numbers and what they mean, then the settings."""
    settings = paragraph(shown.settings, SMALL.scaled(scale), column, max_lines=3)
    high = peak(shown.smap, shown.is_signed)
    if high == 0:
        none = paragraph(NO_EVIDENCE[shown.is_signed], STRONG.scaled(scale), column)
        return stack([none, settings])
    width = min(column, max(width, _LEAST_LEGEND))
    name = colours.DIVERGING if shown.is_signed else colours.SEQUENTIAL[0]
    ends = (legend_number(-high), "0") if shown.is_signed else ("0", "")
    small, third = BODY.scaled(0.9 * scale), width / 3
    numbers = beside(
        [
            (0, paragraph(ends[0], small, third)),
            (third, paragraph(ends[1], small, third, align="centre")),
            (2 * third, paragraph(legend_number(high), small, third, align="right")),
        ]
    )
    low, most = shown.meaning
    quiet = SMALL.scaled(scale)
    # A hair wider, so that rounding breaks no line.
    room = [width_of(text, quiet) + 0.01 for text in (low, most)]
    if sum(room) > width - 4:
        room = [width / 2 - 2] * 2
    meaning = beside(
        [
            (0, paragraph(low, quiet, room[0], max_lines=3)),
            (width - room[1], paragraph(most, quiet, room[1], max_lines=3, align="right")),
        ]
    )
    bar = Block((ColourBar(0, 0, width, 4.5, name),), 5.5)
    return stack([bar, numbers, meaning, settings], gap=0.6)


def _entries(report: Report) -> list[tuple[Stroke | None, str]]:
    """Return what each kind of line means, of those that are there."""
    entries: list[tuple[Stroke | None, str]] = []
    found = [each for each in report.maps if peak(each.smap, each.is_signed) > 0]
    if found:
        entries.append((CONTOUR, "25, 50 and 75 % of the map’s largest value"))
    if any(each.is_signed for each in found):
        entries.append((AGAINST, "the same for what speaks against"))
    if report.regions:
        entries.append((REGION, "drawn regions, numbered"))
    if report.annotation is not None:
        entries.append((ANNOTATION, "known annotation"))
    whole = (0.0, 0.0, *map(float, report.film.codes.shape))
    if any(each.smap.geometry.seen_box() != whole for each in report.maps):
        entries.append((None, "Dimmed: the model never looked there."))
    if found:
        entries.append((None, "Each map has a scale of its own." if report.maps[1:] else ""))
    return [(stroke, text) for stroke, text in entries if text]


def _key(entries: list[tuple[Stroke | None, str]], width: float, scale: float) -> Block:
    """Return the entries one behind the other, in as many lines as they need."""
    style = QUIET.scaled(0.9 * scale)
    lines: list[list[tuple[float, Block]]] = [[]]
    left = 0.0
    for stroke, text in entries:
        indent = 0.0 if stroke is None else 20 * scale
        long = min(width, indent + width_of(text, style))
        if lines[-1] and left + long > width:
            lines.append([])
            left = 0.0
        if stroke is not None:
            swatch = Swatch(0, 0.16 * style.leading, 16 * scale, 0.68 * style.leading, stroke)
            lines[-1].append((left, Block((swatch,), style.leading)))
        # A hair wider, so that rounding breaks no line.
        lines[-1].append((left + indent, paragraph(text, style, long - indent + 0.01)))
        left += long + 14 * scale
    return stack([beside(line) for line in lines], gap=1.5 * scale)
