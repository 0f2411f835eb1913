"""What stands above and below the pictures."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from components import fonts
from components.report.blocks import Block, beside, framed, stack
from components.report.columns import Section
from components.report.contents import Report
from components.report.texts import (
    Align,
    bullets,
    key_values,
    paragraph,
    table,
    unknown_in,
)
from components.report.typography import (
    ACCENT,
    BODY,
    HEADLINE,
    MUTED,
    QUIET,
    SMALL,
    STRONG,
    Style,
    lines_of,
    width_of,
)
from components.wording import counted, minus

RESEARCH_USE = "Research use. Shows what influenced this model, not where disease is."
PATIENT_HEAD = "Patient details, added by the user"

_BOX_FILL, _BOX_EDGE, _BOX_INK = "#fff7e1", "#dfbf62", "#4f3d00"
_PATIENT_FILL, _PATIENT_EDGE = "#f4f6f8", "#b9c3cd"
_MARK_EDGE = "#8a1f4b"
_SHORT_FINGERPRINT = 12
MAX_ROWS = 14
# What a page can hold at most, however small the rest is.
_MAX_CAUTIONS, _MAX_LINES, _MAX_LETTERS = 40, 90, 9_000
_CAUTION_LINES = 4
_METHOD_LINES = 6


def head(report: Report, width: float, scale: float) -> Block:
    """Return the question between what this is and the warning."""
    about = paragraph("WhyNot report", Style(8, is_bold=True, colour=ACCENT), width / 2)
    parts = [(0.0, framed(about, width / 2, 0, 3))]
    if report.mark:
        style = Style(7.5, is_bold=True, colour=_MARK_EDGE)
        mark = paragraph(report.mark, style, width / 2 - 12, max_lines=1)
        wide = max(width_of(fonts.printable(report.mark).strip(), style), 1.0)
        wide = min(wide, width / 2 - 12) + 12
        chip = framed(mark, wide, 6, 3, edge=_MARK_EDGE)
        parts.append((width - wide, chip))
    question = paragraph(report.question, HEADLINE.scaled(scale), width, max_lines=3)
    warning = paragraph(
        RESEARCH_USE, Style(8.6 * scale, is_bold=True, colour=_BOX_INK), width - 2 * 8
    )
    box = framed(warning, width, 8, 5, fill=_BOX_FILL, edge=_BOX_EDGE)
    return stack([beside(parts), question, box], gap=7 * scale)


def findings(report: Report, width: float, scale: float, max_rows: int) -> Section:
    """Return each finding with its probability and whether the model calls it."""
    rows = []
    for name, probability, verdict in report.findings[:max_rows]:
        is_called = verdict == "called"
        style = (STRONG if is_called else QUIET).scaled(scale)
        dot = "●" if is_called else "○"
        rows.append([(name, style), (probability, style), (f"{dot} {verdict}", style)])
    content = table(
        ("Finding", "Probability", "At its operating point"),
        rows,
        (width * 0.42, width * 0.24, width * 0.34),
        scale,
        aligned=("left", "right", "left"),
    )
    more = _left_out(len(report.findings) - max_rows, "finding", width, scale)
    return _tabled("Findings", content, more) if rows else Section("", ())


def scores(report: Report, width: float, scale: float, max_rows: int) -> Section:
    """Return the maps' scores above those of maps that know nothing of the model."""
    if not report.score_heads:
        return Section("", ())
    strong, quiet = STRONG.scaled(scale), QUIET.scaled(scale)
    rows = []
    for each in report.maps:
        known = dict(each.scores)
        values = [known.get(name, "–") for name in report.score_heads]
        rows.append([(each.title, strong), *((minus(value), strong) for value in values)])
    for name, texts in report.control_scores[:max_rows]:
        rows.append([(name, quiet), *((minus(value), quiet) for value in texts)])
    first = width * (0.45 if len(report.score_heads) < 3 else 0.34)
    rest = (width - first) / len(report.score_heads)
    content = table(
        ("Map, then controls", *report.score_heads),
        rows,
        (first, *[rest] * len(report.score_heads)),
        scale,
        aligned=_first_left(len(report.score_heads)),
    )
    more = _left_out(len(report.control_scores) - max_rows, "control", width, scale)
    return _tabled("Scores against controls", content, more) if rows else Section("", ())


def shares(report: Report, width: float, scale: float, max_rows: int) -> Section:
    """Return how much of each map lies in each drawn region."""
    if not (report.regions and report.maps):
        return Section("", ())
    body = BODY.scaled(scale)
    first = width * 0.24
    rest = (width - first) / len(report.maps)
    pairs = list(zip(report.regions, report.region_shares, strict=True))[:max_rows]
    content = table(
        ("Region", *(each.title for each in report.maps)),
        [
            [(f"{number} · {region.kind}", body), *((text, body) for text in texts)]
            for number, (region, texts) in enumerate(pairs, 1)
        ],
        (first, *[rest] * len(report.maps)),
        scale,
        aligned=_first_left(len(report.maps)),
    )
    more = _left_out(len(report.regions) - max_rows, "region", width, scale)
    return _tabled("In the drawn regions", content, more)


def cautions(report: Report, width: float, scale: float, share: float) -> Section:
    """Return the cautions and the notes on single maps; as many as the share allows."""
    texts = list(report.cautions)
    for each in report.maps:
        texts += [f"{each.title}: {note}" for note in each.notes]
    style = BODY.scaled(scale)
    if not texts:
        return Section("Cautions", (paragraph("None.", style, width),))
    kept = math.ceil(share * min(len(texts), _MAX_CAUTIONS))
    listed = bullets(texts[:kept], style, width, max_lines=_CAUTION_LINES)
    more = _left_out(len(texts) - kept, "caution", width, scale)
    return Section("Cautions", (*listed, more), gap=1.5 * scale)


def origin(report: Report, width: float, scale: float, max_rows: int) -> Section:
    """Return all that it takes to make the maps again, and what is known of the film."""
    made = report.made.strftime("%Y-%m-%d %H:%M") + (
        "" if report.made.tzinfo is None else f" {report.made.tzname()}"
    )
    body, quiet = BODY.scaled(scale), QUIET.scaled(scale)
    weights = [
        ("Model", report.model),
        ("Weights", report.fingerprint[:_SHORT_FINGERPRINT]),
        ("SHA-256", report.fingerprint),
    ]
    lines = min(_METHOD_LINES, max_rows)
    methods = []
    for each in report.maps:
        told = each.smap.provenance
        values = "; ".join(f"{name} = {_value(value)}" for name, value in told.parameters)
        about = f"{told.method}, layer {told.layer}" if told.layer != "input" else told.method
        methods.append((each.title, f"{about}; {values}" if values else about))
    parts = (
        *key_values(weights, quiet, body, width),
        *key_values(methods, quiet, SMALL.scaled(scale), width, max_lines=lines),
        *key_values(report.facts[:max_rows], quiet, body, width),
        _left_out(len(report.facts) - max_rows, "fact", width, scale),
        *key_values([("Made", made)], quiet, body, width),
    )
    return Section("Model, parameters and film", parts, gap=0.8)


def remarks(report: Report, width: float, scale: float, share: float) -> Section:
    """Return the free text, as much as the share allows, with what is left out told below."""
    text = re.sub(r"\n\s*\n", "\n\n", fonts.printable(report.free_text).strip())
    style = BODY.scaled(scale)
    lines = lines_of(text[:_MAX_LETTERS], style, width)
    kept = math.ceil(share * min(len(lines), _MAX_LINES))
    shown = "\n".join(lines[:kept])
    pieces = [paragraph(line, style, width) for line in lines[:kept]]
    # An empty line still parts two paragraphs.
    pieces = [piece if piece.height else Block(height=style.leading / 2) for piece in pieces]
    if kept < len(lines) or len(text) > _MAX_LETTERS:
        told = f"… Clipped: {len(shown):,} of {len(text):,} characters are shown."
        pieces.append(paragraph(told, SMALL.scaled(scale), width))
    if not text:
        return Section("", ())
    pieces[0] = replace(pieces[0], notes=unknown_in(report.free_text))
    return Section("Remarks", tuple(pieces))


def patient(report: Report, width: float, scale: float, max_rows: int) -> Section:
    """Return what the user ticked, in a frame of its own; nothing where that is nothing."""
    if not report.patient:
        return Section("", ())
    inner = width - 2 * 6
    name = paragraph(PATIENT_HEAD, Style(8.2 * scale, is_bold=True), inner)
    lines = key_values(report.patient[:max_rows], QUIET.scaled(scale), BODY.scaled(scale), inner)
    more = _left_out(len(report.patient) - max_rows, "detail", inner, scale)
    content = stack([name, *lines, more], gap=1.5)
    return Section("", (framed(content, width, 6, 6, fill=_PATIENT_FILL, edge=_PATIENT_EDGE),))


def foot(notes: tuple[str, ...], width: float) -> Block:
    """Return the page's last lines: the notes, then what this is."""
    style = Style(6.4, colour=MUTED)
    return stack(
        [paragraph(note, style, width) for note in notes]
        + [paragraph("Made with WhyNot. Not a medical device.", style, width)]
    )


def _tabled(title: str, content: Block, more: Block) -> Section:
    """Return a table, which is not broken, with what is left out told below."""
    return Section(title, (stack([content, more]),))


def _first_left(num_numbers: int) -> tuple[Align, ...]:
    numbers: list[Align] = ["right"] * num_numbers
    return ("left", *numbers)


def _left_out(count: int, noun: str, width: float, scale: float) -> Block:
    if count < 1:
        return Block()
    text = f"… and {counted(count, f'more {noun}')}: no room on this page."
    return paragraph(text, SMALL.scaled(scale), width)


def _value(value: float | int | bool | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return minus(f"{value:g}") if isinstance(value, float) else str(value)
