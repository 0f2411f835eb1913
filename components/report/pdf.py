"""A page as PDF, with real text and embedded pictures, and as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from threading import Lock

import numpy as np
import PIL.Image
import pypdfium2
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from components import colours
from components.film_picture import paint_film
from components.report.blocks import ColourBar, Frame, Item, Picture, Rule, Swatch, Words
from components.report.contents import Report
from components.report.page import HEIGHT, WIDTH, page_of
from components.report.typography import font_name

TITLE = "WhyNot report"
PNG_DPI = 150

_PICTURE_DPI = 300
_POINTS_PER_INCH = 72
# Lines and letters shrink less than the picture: they are drawn as they are on this size.
_FULL_SIZE, _SHRINKING = 300.0, 0.75
_BASELINE = 0.99  # of a line's top, in sizes of its letters
_HAIRLINE = 0.5
_ROUND = 2.0
_SWATCH_FILL = "#46505a"
# Fonts know the document that they are written to, and PDFium is not made for threads.
_ONE_AT_A_TIME = Lock()


def report_pdf(report: Report) -> bytes:
    """Return the report as one A4 page; equal reports give equal bytes.

    Raises:
        InputError: it does not fit on one page even at its smallest.
    """
    with _ONE_AT_A_TIME:
        return _pdf(report)


def report_png(report: Report) -> bytes:
    """Return the page of `report_pdf` at 150 dpi: 1241 x 1754 pixels."""
    with _ONE_AT_A_TIME:
        document = pypdfium2.PdfDocument(_pdf(report))
        try:
            picture = document[0].render(scale=PNG_DPI / _POINTS_PER_INCH).to_pil()
        finally:
            document.close()
    stored = BytesIO()
    picture.convert("RGB").save(stored, "PNG", dpi=(PNG_DPI, PNG_DPI))
    return stored.getvalue()


def _pdf(report: Report) -> bytes:
    stored = BytesIO()
    canvas = Canvas(
        stored,
        pagesize=(WIDTH, HEIGHT),
        pageCompression=1,
        invariant=1,
        lang="en-GB",
        initialFontName=font_name(is_bold=False),
    )
    canvas.setTitle(TITLE)
    canvas.setAuthor("WhyNot")
    canvas.setCreator("WhyNot")
    canvas.setSubject("")
    stamp = report.made.strftime("D:%Y%m%d%H%M%S")
    canvas.setDateFormatter(lambda *_: stamp)
    _draw_(canvas, page_of(report), report)
    canvas.showPage()
    canvas.save()
    return stored.getvalue()


def _draw_(canvas: Canvas, items: Sequence[Item], report: Report) -> None:
    for item in items:
        place = (item.left, HEIGHT - item.top - item.height)
        if isinstance(item, Words):
            canvas.setFillColor(HexColor(item.style.colour))
            canvas.setFont(font_name(item.style.is_bold), item.style.size)
            baseline = HEIGHT - item.top - _BASELINE * item.style.size
            canvas.drawString(item.left, baseline, item.text)
        elif isinstance(item, Picture):
            _draw_picture_(canvas, item, report)
        elif isinstance(item, ColourBar):
            table = colours.lookup_table(item.colours)[None]
            bar = ImageReader(PIL.Image.fromarray(np.ascontiguousarray(table)))
            canvas.drawImage(bar, *place, item.width, item.height)
        elif isinstance(item, Swatch):
            canvas.setFillColor(HexColor(_SWATCH_FILL))
            canvas.roundRect(*place, item.width, item.height, _ROUND / 2, stroke=0, fill=1)
            canvas.saveState()
            canvas.setStrokeColor(HexColor(item.stroke.colour))
            canvas.setLineWidth(item.stroke.width * 0.7)
            if item.stroke.dash is not None:
                canvas.setDash([length * 0.5 for length in item.stroke.dash])
            middle = place[1] + item.height / 2
            canvas.line(item.left + 1.5, middle, item.left + item.width - 1.5, middle)
            canvas.restoreState()
        elif isinstance(item, Rule):
            canvas.setStrokeColor(HexColor(item.colour))
            canvas.setLineWidth(_HAIRLINE)
            canvas.line(item.left, place[1], item.left + item.width, place[1])
        elif isinstance(item, Frame):
            canvas.setLineWidth(_HAIRLINE)
            if item.fill is not None:
                canvas.setFillColor(HexColor(item.fill))
            if item.edge is not None:
                canvas.setStrokeColor(HexColor(item.edge))
            canvas.roundRect(
                *place,
                item.width,
                item.height,
                _ROUND,
                stroke=int(item.edge is not None),
                fill=int(item.fill is not None),
            )


def _draw_picture_(canvas: Canvas, item: Picture, report: Report) -> None:
    shown = report.maps[item.number - 1] if item.number else None
    longer = max(item.width, item.height)
    pixels = paint_film(
        report.film,
        report.voi,
        is_inverted=report.is_inverted,
        smap=None if shown is None else shown.smap,
        is_signed=False if shown is None else shown.is_signed,
        regions=report.regions,
        annotation=report.annotation,
        mark=report.mark,
        max_side_px=round(longer / _POINTS_PER_INCH * _PICTURE_DPI),
        enlarged=(_FULL_SIZE / longer) ** _SHRINKING,
    )
    picture = PIL.Image.fromarray(pixels)
    if (pixels == pixels[..., :1]).all():
        picture = picture.convert("L")
    bottom = HEIGHT - item.top - item.height
    canvas.drawImage(ImageReader(picture), item.left, bottom, item.width, item.height)
