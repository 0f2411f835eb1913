"""Letters: how they look, how wide a text is, and where its lines break."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from components import fonts

INK = "#1b232c"
MUTED = "#5d6873"
ACCENT = "#1d4468"
HAIRLINE = "#cfd6dd"

LEADING = 1.32
ELLIPSIS = "…"
_ROUNDING = 1e-6  # in points, so that a line that was broken before stays as it is


@dataclass(frozen=True)
class Style:
    """Say how letters look; `size` in points."""

    size: float
    is_bold: bool = False
    colour: str = INK

    @property
    def leading(self) -> float:
        """Return the distance of lines."""
        return self.size * LEADING

    def scaled(self, scale: float) -> Style:
        """Return the same in another size."""
        return replace(self, size=self.size * scale)


HEADLINE = Style(15, is_bold=True)
HEADING = Style(8.2, is_bold=True, colour=ACCENT)
TITLE = Style(8.2, is_bold=True)
BODY = Style(7.6)
STRONG = Style(7.6, is_bold=True)
QUIET = Style(7.6, colour=MUTED)
SMALL = Style(6.8, colour=MUTED)


@cache
def font_name(is_bold: bool) -> str:
    """Return the name by which reportlab knows the font, which is registered the first time."""
    name = "WhyNot-Bold" if is_bold else "WhyNot"
    pdfmetrics.registerFont(TTFont(name, str(fonts.BOLD if is_bold else fonts.REGULAR)))
    return name


@lru_cache(maxsize=10_000)
def _letter_width(letter: str, is_bold: bool) -> float:
    """Return a letter's width at size 1; whole words, which may be names, are not kept."""
    return float(pdfmetrics.stringWidth(letter, font_name(is_bold), 1000)) / 1000


def width_of(text: str, style: Style) -> float:
    """Return a text's width in points; letters are set without kerning."""
    return sum(_letter_width(letter, style.is_bold) for letter in text) * style.size


def lines_of(text: str, style: Style, width: float) -> list[str]:
    """Return the lines of a text; a word that is wider than a line is broken where it must be."""
    lines: list[str] = []
    blank = width_of(" ", style)
    for paragraph in text.split("\n"):
        line, length = "", 0.0
        for word in paragraph.split():
            more = width_of(word, style)
            if line and length + blank + more <= width + _ROUNDING:
                line, length = f"{line} {word}", length + blank + more
                continue
            if line:
                lines.append(line)
            *whole, line = _broken(word, style, width)
            length = width_of(line, style)
            lines.extend(whole)
        lines.append(line)
    return lines


def ending(line: str, style: Style, width: float) -> str:
    """Return a line with "…" at its end, shortened so that it fits."""
    while line and width_of(line.rstrip() + ELLIPSIS, style) > width:
        line = line[:-1]
    return line.rstrip() + ELLIPSIS


def _broken(word: str, style: Style, width: float) -> list[str]:
    parts, length = [""], 0.0
    for letter in word:
        more = width_of(letter, style)
        if parts[-1] and length + more > width + _ROUNDING:
            parts.append("")
            length = 0.0
        parts[-1] += letter
        length += more
    return parts
