"""Boxes from a table that someone else made."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn

from explain_core.errors import ImageError, InputError
from explain_core.truth import Box

_WHAT = "the annotation"
_MAX_ROWS = 10_000
_MAX_CELL = 1000
# What may overhang the film: boxes are often rounded outwards.
_OVERHANG_PX = 1.0
_DELIMITERS = ",;\t"

# What columns are called, without case, spaces and punctuation. NIH's header reads
# "Bbox [x, y, w, h]", of which the commas part the cells.
_NAMES = {
    "left": ("x", "left", "xmin", "x1", "xleft", "bboxx", "bboxleft", "bboxxmin"),
    "top": ("y", "top", "ymin", "y1", "ytop", "bboxy", "bboxtop", "bboxymin"),
    "right": ("xmax", "right", "x2", "xright", "bboxxmax", "bboxright"),
    "bottom": ("ymax", "bottom", "y2", "ybottom", "bboxymax", "bboxbottom"),
    "width": ("width", "w", "boxwidth", "bboxw", "bboxwidth"),
    "height": ("height", "h", "boxheight", "bboxh", "bboxheight"),
}
_LABELS = ("label", "finding", "findinglabel", "class", "classname", "category", "pathology")
_PICTURES = ("patientid", "imageindex", "imageid", "image", "filename", "file", "path", "dicomid")


def boxes_of_csv(data: bytes, size: tuple[int, int]) -> tuple[list[Box], list[str]]:
    """Return the boxes of a table, and the label of each, "" where it has none.

    Args:
        size: (H0, W0) of the film that they must lie on.

    Raises:
        ImageError: no table of boxes.
        InputError: boxes that are none, or of several films, or outside of the film.
    """
    table = _table(data)
    columns = _columns(table[0])
    boxes, names, pictures = [], [], set()
    for number, row in enumerate(table[1:], start=2):
        cells = {name: "".join(row[at : at + 1]).strip() for name, at in columns.items()}
        if not any(cells.get(name) for name in _NAMES):
            continue
        boxes.append(_box(cells, number, size))
        names.append(cells.get("label", ""))
        pictures.add(cells.get("picture", ""))
    if not boxes:
        raise InputError(f"{_WHAT} holds no box; choose the table with this film's boxes")
    if len(pictures) > 1:
        raise InputError(
            f"{_WHAT} holds boxes of {len(pictures)} films; keep only this film's rows"
        )
    return boxes, names


def _table(data: bytes) -> list[list[str]]:
    if b"\0" in data:
        _refuse()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    text = text.lstrip("\r\n ")
    if not text.strip():
        raise ImageError(
            f"{_WHAT} is empty; give a CSV of boxes, a PNG or TIFF mask or a DICOM SEG"
        )
    delimiter = max(_DELIMITERS, key=text.splitlines()[0].count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = []
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
            if len(rows) > _MAX_ROWS + 1:
                raise InputError(
                    f"{_WHAT} has more than {_MAX_ROWS} rows; keep only this film's rows"
                )
    except csv.Error:
        _refuse()
    if not rows:
        _refuse()
    return rows


def _refuse() -> NoReturn:
    raise ImageError(
        f"{_WHAT} is neither a CSV of boxes, a PNG or TIFF mask nor a DICOM SEG, or it is damaged; "
        "choose one of these"
    ) from None


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Return where each of `_NAMES`, "label" and "picture" stands."""
    plain = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in header]
    found = {}
    for name, spellings in (*_NAMES.items(), ("label", _LABELS), ("picture", _PICTURES)):
        places = [plain.index(spelling) for spelling in spellings if spelling in plain]
        if places:
            found[name] = places[0]
    if {"right", "bottom"} <= found.keys():
        # Beside them, a width is the picture's.
        found.pop("width", None)
        found.pop("height", None)
    is_complete = {"left", "top", "right", "bottom"} <= found.keys()
    if not is_complete and not {"left", "top", "width", "height"} <= found.keys():
        raise ImageError(
            f"{_WHAT} is no table of boxes: its first row must name x, y, width, height, or x_min, "
            "y_min, x_max, y_max, or left, top, right, bottom"
        )
    return found


def _box(cells: Mapping[str, str], number: int, size: tuple[int, int]) -> Box:
    left, top = _number(cells, "left", number), _number(cells, "top", number)
    if "width" in cells:
        right = left + _number(cells, "width", number)
        bottom = top + _number(cells, "height", number)
    else:
        right, bottom = _number(cells, "right", number), _number(cells, "bottom", number)
    if right <= left or bottom <= top:
        raise InputError(f"row {number} of {_WHAT} is no box: its edges enclose nothing; mend it")
    height, width = size
    overhang = max(-top, -left, bottom - height, right - width)
    if overhang > _OVERHANG_PX:
        raise InputError(
            f"the box in row {number} of {_WHAT} reaches outside of the film, which is {height} x "
            f"{width} pixels (height x width); give boxes in pixels of this film"
        )
    return Box(max(top, 0.0), max(left, 0.0), min(bottom, float(height)), min(right, float(width)))


def _number(cells: Mapping[str, str], name: str, number: int) -> float:
    text = cells.get(name, "")
    try:
        value = float(text) if len(text) <= _MAX_CELL else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"row {number} of {_WHAT} holds no number for '{name}'; mend it") from None
    return value
