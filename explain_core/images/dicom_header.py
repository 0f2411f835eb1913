"""What the header of a film says of its values, its spacing and its view; nothing else is kept."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain_core.errors import InputError
from explain_core.images.dicom_files import PARSE_ERRORS
from explain_core.images.film import HOUNSFIELD, Lookup, Spacing, Voi, Window
from explain_core.types import Array

# Sections of the patient: their pixel spacing needs no correction for magnification.
_SECTIONS = frozenset({"CT", "MR", "PT", "NM", "ST"})
# What both spacings may differ by and still be called the same: decimals that were cut off.
_SAME_SPACING = 1e-3
_UNITS = {HOUNSFIELD: HOUNSFIELD, "OD": "OD"}
_CODE_STRING = re.compile(r"[A-Z0-9 _]{1,16}")
_LATERALITIES = frozenset("LRBU")
# The code of a projection (context group 4010), in SNOMED CT and in its older form.
_VIEWS = {
    **dict.fromkeys(("399348003", "R-10206"), "AP"),
    **dict.fromkeys(("272479007", "R-10214", "R-40888"), "PA"),
    **dict.fromkeys(("399173006", "R-10236"), "LL"),
    **dict.fromkeys(("399198007", "R-10232"), "RL"),
    **dict.fromkeys(("399067008", "R-102CD"), "LATERAL"),
}


@dataclass(frozen=True)
class Header:
    """Give the elements that hold for one frame: its own, those of all frames, or the film's."""

    film: Any
    frame: int

    def holder(self, group: str) -> Any:
        """Return the data set to look in: the frame's functional group, or the film itself."""
        own = self.film.get("PerFrameFunctionalGroupsSequence") or ()
        shared = self.film.get("SharedFunctionalGroupsSequence") or ()
        for groups in (own[self.frame : self.frame + 1], shared[:1]):
            for found in groups:
                if found.get(group):
                    return found[group][0]
        return self.film


def modality_values(header: Header, stored: Array) -> tuple[Array, str, bool]:
    """Return the value of every stored value, its unit, and whether they are the same.

    A modality LUT comes before slope and intercept, of which a file may only have one.

    Args:
        stored: (n,) whole numbers, rising.

    Returns:
        (n,) float64.
    """
    film = header.film
    table = film.get("ModalityLUTSequence")
    if table:
        lookup = _lookup(table[0], stored)
        rows = np.clip(stored - lookup.first, 0, len(lookup.entries) - 1).astype(np.intp)
        return lookup.entries[rows].astype(np.float64), _unit(table[0], "ModalityLUTType"), False
    holder = header.holder("PixelValueTransformationSequence")
    slope, intercept = _number(holder, "RescaleSlope"), _number(holder, "RescaleIntercept")
    values = stored.astype(np.float64)
    if slope is None or intercept is None:
        return values, "", True
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        raise ValueError("a rescale that loses the picture")
    unit = _unit(holder, "RescaleType")
    if not unit and film.get("Modality") == "CT" and not holder.get("RescaleType"):
        unit = HOUNSFIELD
    return values * slope + intercept, unit, (slope, intercept) == (1, 0)


def vois(header: Header, values: Array) -> tuple[tuple[Voi, ...], bool]:
    """Return the VOI LUTs, then the windows of a frame, and whether any of them is unusable.

    What the file calls them is left out: it is free text.
    """
    found: list[Voi] = []
    is_spoilt = False
    holder = header.holder("FrameVOILUTSequence")
    for item in holder.get("VOILUTSequence") or ():
        try:
            found.append(_lookup(item, values))
        except PARSE_ERRORS:
            is_spoilt = True
    function = str(holder.get("VOILUTFunction") or "LINEAR").strip().upper()
    centers, widths = _numbers(holder, "WindowCenter"), _numbers(holder, "WindowWidth")
    is_spoilt |= len(centers) != len(widths)
    for center, width in zip(centers, widths, strict=False):
        try:
            found.append(Window(center, width, function))  # type: ignore[arg-type]  # it checks
        except InputError:
            is_spoilt = True
    return tuple(found), is_spoilt


def padding(film: Any, stored: Array) -> Array:
    """Return which stored values stand for no measurement, (n,) bool (PS3.3 C.7.5.1.1.2)."""
    ends = [film.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not isinstance(ends[0], int):
        return np.zeros(len(stored), bool)
    limits = [end for end in ends if isinstance(end, int)]
    if stored[0] < 0:
        # Some programs write the bits of a negative value as if they were an unsigned one.
        span = 1 << int(film.BitsAllocated)
        limits = [end - span if end >= span // 2 else end for end in limits]
    is_padding: Array = (stored >= min(limits)) & (stored <= max(limits))
    return is_padding


def spacing(header: Header) -> Spacing | None:
    """Return how far apart pixels are, and in which plane (PS3.3 10.7.1).

    Pixel spacing holds in the patient where the file says how it was corrected, where it differs
    from the spacing at the detector (then it was corrected, though nobody says how), and in
    sections such as CT. Alone, in a projection, it may be either.
    """
    film = header.film
    pixel = _pair(header.holder("PixelMeasuresSequence"), "PixelSpacing")
    detector, scan = _pair(film, "ImagerPixelSpacing"), _pair(film, "NominalScannedPixelSpacing")
    measured = detector or scan
    calibration = str(film.get("PixelSpacingCalibrationType") or "").strip().upper()
    if calibration not in ("GEOMETRY", "FIDUCIAL"):
        calibration = ""
    if pixel is not None:
        is_corrected = measured is not None and not np.allclose(pixel, measured, _SAME_SPACING, 0)
        if calibration or is_corrected or film.get("Modality") in _SECTIONS:
            return Spacing(*pixel, plane="patient", calibration=calibration)
        if measured is None:
            return Spacing(*pixel, plane="unknown")
    if measured is None:
        return None
    return Spacing(*measured, plane="scan" if detector is None else "detector")


def laterality(header: Header) -> str:
    """Return the side as the file has it, "" where it has none."""
    frame = header.holder("FrameAnatomySequence").get("FrameLaterality")
    for given in (frame, header.film.get("ImageLaterality"), header.film.get("Laterality")):
        if given in _LATERALITIES:
            return str(given)
    return ""


def modality(film: Any) -> str:
    """Return the modality's code, "" where the file has none."""
    given = film.get("Modality")
    return given.strip() if isinstance(given, str) and _CODE_STRING.fullmatch(given) else ""


def view(header: Header) -> str:
    """Return the view position as the file has it, or as its view code says; "" without."""
    given = header.film.get("ViewPosition")
    if isinstance(given, str) and _CODE_STRING.fullmatch(given):
        return given.strip()
    for item in header.film.get("ViewCodeSequence") or ():
        return _VIEWS.get(str(item.get("CodeValue")), "")
    return ""


def is_annotated(film: Any) -> bool | None:
    """Return whether the file says that text is burned in, None where it says nothing."""
    return {"YES": True, "NO": False}.get(str(film.get("BurnedInAnnotation")))


def _lookup(item: Any, values: Array) -> Lookup:
    num_entries, first, bits = (int(part) for part in item.LUTDescriptor)
    num_entries %= 1 << 16
    num_entries = num_entries or 1 << 16
    if not 8 <= bits <= 16:
        raise ValueError(f"{bits} bits an entry")
    if first >= 1 << 15 and values.min() < 0:
        first -= 1 << 16
    data = item.LUTData
    if isinstance(data, bytes):
        # Entries of 8 bits lie two to a word, or one: their number tells.
        is_packed = len(data) < 2 * num_entries
        order = ">" if item.original_encoding[1] is False else "<"
        entries = np.frombuffer(data, np.uint8 if is_packed else f"{order}u2")
    else:
        entries = np.atleast_1d(np.asarray(data, np.int64))
    entries = entries[:num_entries].astype(np.int64) % (1 << 16)
    if len(entries) < num_entries:
        raise ValueError(f"{len(entries)} entries of {num_entries}")
    return Lookup(float(first), entries, float(max((1 << bits) - 1, entries.max())))


def _unit(holder: Any, name: str) -> str:
    return _UNITS.get(str(holder.get(name)), "")


def _number(holder: Any, name: str) -> float | None:
    value = holder.get(name)
    return None if value is None else float(value)


def _numbers(holder: Any, name: str) -> tuple[float, ...]:
    """Return all values of an optional element, none if any is spoilt."""
    try:
        value = holder.get(name)
        if value is None or isinstance(value, str):
            return ()
        values = value if hasattr(value, "__len__") else [value]
        return tuple(float(one) for one in values)
    except PARSE_ERRORS:
        return ()


def _pair(holder: Any, name: str) -> tuple[float, float] | None:
    values = _numbers(holder, name)
    if len(values) != 2 or not all(math.isfinite(value) and value > 0 for value in values):
        return None
    return values[0], values[1]
