"""The fonts of pictures and reports, and which characters they can write."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

import PIL.ImageFont
from reportlab.pdfbase.ttfonts import TTFontFile

_FOLDER = Path(__file__).resolve().parents[1] / "assets" / "fonts"
REGULAR = _FOLDER / "DejaVuSans.ttf"
BOLD = _FOLDER / "DejaVuSans-Bold.ttf"

UNKNOWN = "?"


def printable(text: str) -> str:
    """Return a text in characters that both fonts have; each other one becomes "?".

    Letters are composed (NFC), line breaks are kept, other white space becomes a blank, and what
    is invisible (control and formatting characters) is left out.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = []
    for character in unicodedata.normalize("NFC", text):
        if character == "\n":
            shown.append(character)
        elif character.isspace():
            shown.append(" ")
        elif unicodedata.category(character) not in ("Cc", "Cf"):
            shown.append(character if ord(character) in _known() else UNKNOWN)
    return "".join(shown)


@cache
def at_size(path: Path, size_px: int) -> PIL.ImageFont.FreeTypeFont:
    """Return a font for pictures."""
    return PIL.ImageFont.truetype(path, size_px, layout_engine=PIL.ImageFont.Layout.BASIC)


@cache
def _known() -> frozenset[int]:
    """Return the code points that both fonts have."""
    regular, bold = (set(TTFontFile(str(path)).charToGlyph) for path in (REGULAR, BOLD))
    return frozenset(regular & bold)
