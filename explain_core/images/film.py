"""A gray film: the picture that a network sees, and beside it the values that a reader windows.

Window and level change what is on the screen, never `Film.image`. Every pixel is kept as a code,
and everything that is done to values is a table with one row per code: a film of 7.5 megapixels
is windowed by looking up 65,536 values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain_core.errors import InputError
from explain_core.types import Array, Image, read_only

Plane = Literal["patient", "detector", "scan", "unknown"]
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

HOUNSFIELD = "HU"
# Below the largest exponent of a double.
_MAX_EXPONENT = 700.0
_AUTO = (0.005, 0.995)
# Which part of the automatic range, from dark to bright, holds what; only films in Hounsfield
# units have windows that hold for every film.
_RELATIVE = {"lung": (0.0, 0.6), "bone": (0.4, 1.0)}
_IN_HOUNSFIELD = {"lung": (-600.0, 1500.0), "bone": (400.0, 1800.0)}
_BAND_PIXELS = 2**20
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Window:
    """Say which values lie between black and white (PS3.3 C.11.2.1).

    Attributes:
        center: in the film's values, after the modality LUT.
        width: > 0; for "LINEAR" at least 1.
        function: "LINEAR" counts pixels of whole numbers, `(x - (c - 0.5)) / (w - 1) + 0.5`;
            "LINEAR_EXACT" is `(x - c) / w + 0.5`; "SIGMOID" is `1 / (1 + exp(-4 (x - c) / w))`.
    """

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    def __post_init__(self) -> None:
        if self.function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            raise InputError(
                "function must be 'LINEAR', 'LINEAR_EXACT' or 'SIGMOID' "
                f"(got {self.function!r}); leave it out for 'LINEAR'"
            )
        least = 1.0 if self.function == "LINEAR" else 0.0
        is_wide = self.width >= least and self.width > 0
        if not (math.isfinite(self.center) and math.isfinite(self.width) and is_wide):
            bound = "at least 1" if least else "above 0"
            raise InputError(
                f"a {self.function} window needs a finite center and a width of {bound} "
                f"(got {self.center} and {self.width}); widen it"
            )

    def shares(self, values: Array) -> Array:
        """Return how bright values are, from 0 (black) to 1 (white), as float64."""
        values = values.astype(np.float64)
        if self.function == "SIGMOID":
            exponent = -4.0 * (values - self.center) / self.width
            return 1.0 / (1.0 + np.exp(np.clip(exponent, -_MAX_EXPONENT, _MAX_EXPONENT)))
        center, width = self.center, self.width
        if self.function == "LINEAR":
            center, width = center - 0.5, width - 1.0
        if width == 0:
            return np.where(values > center, 1.0, 0.0)
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Lookup:
    """Say how bright each value is by a table (a VOI LUT, PS3.3 C.11.2.1.1).

    Attributes:
        first: the value that the first entry stands for; values below take the first entry, and
            values behind the table its last.
        entries: (n,), 0 to `white`.
        white: the entry that is shown as white.
    """

    first: float
    entries: Array
    white: float

    def shares(self, values: Array) -> Array:
        """Return how bright values are, from 0 (black) to 1 (white), as float64."""
        rows = np.clip(np.floor(values - self.first), 0, len(self.entries) - 1).astype(np.intp)
        shares: Array = self.entries[rows] / self.white
        return shares


Voi = Window | Lookup


@dataclass(frozen=True)
class Spacing:
    """Tell how far apart pixel centres are, and where that was measured.

    Attributes:
        rows_mm: between rows (downwards), in millimetres of that plane.
        columns_mm: between columns (sideways).
        plane: "patient": corrected for magnification, or a section; "detector": at the detector,
            where everything is larger than in the patient; "scan": on the scanned film;
            "unknown": the file does not say.
        calibration: how it was corrected: "GEOMETRY", "FIDUCIAL", or "" where nothing is said.
    """

    rows_mm: float
    columns_mm: float
    plane: Plane
    calibration: str = ""

    @property
    def unit(self) -> str:
        """Return what a length measured with it has to be called."""
        return {
            "patient": "mm",
            "detector": "mm in the detector plane",
            "scan": "mm on the scanned film",
            "unknown": "mm in a plane that the file does not state",
        }[self.plane]


@dataclass(frozen=True, eq=False)
class Film:
    """Hold one frame of a film.

    Attributes:
        image: what a network gets: through the file's first VOI LUT or window, bright is dense.
        codes: (H, W) uint8 or uint16, rows of the tables below.
        values: (n,) float64, of each code, after the modality LUT or rescale.
        counts: (n,) int64, pixels that have each code; 0 for padding.
        is_padding: (n,) bool, codes that stand for no measurement; always shown black.
        is_inverted: whether low values are shown bright (MONOCHROME1).
        unit: of `values`: "HU", "OD" (thousandths of optical density), or "" where unknown.
        windows: VOI LUTs, then windows, of the file; the first was used for `image`.
        spacing: None where the file has none.
        laterality: as the file has it ("L", "R", "B", "U"), "" where it has none.
        view: position, as the file has it ("PA", "AP", "LL"), "" where it has none.
        modality: as the file has it ("DX", "CT"), "" where it has none.
        frame: counted from 0.
        num_frames: of the file.
        is_annotated: whether the file says that text is burned in; None where it says nothing.
    """

    image: Image
    codes: Array
    values: Array
    counts: Array
    is_padding: Array
    is_inverted: bool = False
    unit: str = ""
    windows: tuple[Voi, ...] = ()
    spacing: Spacing | None = None
    laterality: str = ""
    view: str = ""
    modality: str = ""
    frame: int = 0
    num_frames: int = 1
    is_annotated: bool | None = None

    def range_of(self, low: float, high: float) -> tuple[float, float]:
        """Return the values below which the shares `low` and `high` of all pixels lie.

        Padding is left out. (0, 1) gives the least and the greatest value.
        """
        order = np.argsort(self.values, kind="stable")
        order = order[self.counts[order] > 0]
        cumulated = np.cumsum(self.counts[order])
        places = np.searchsorted(cumulated, np.array([low, high]) * cumulated[-1])
        least, greatest = self.values[order[np.minimum(places, len(order) - 1)]]
        return float(least), float(greatest)


@dataclass(frozen=True)
class Preset:
    """Name a window.

    Attributes:
        name: "file" (numbered if there are several), "auto", "full", "lung" or "bone".
        voi: what it does.
        is_relative: whether it was set by this film's own values, so that the same name means
            other values in another film.
    """

    name: str
    voi: Voi
    is_relative: bool


def presets(film: Film) -> tuple[Preset, ...]:
    """Return the file's windows, then "auto", "full", "lung" and "bone".

    "auto" leaves out half a percent of the pixels at either end, "full" none. In Hounsfield
    units, "lung" and "bone" are the customary windows. A film of unknown units has none:
    there, they are the darker and the brighter 60 % of the automatic range.
    """
    names = [f"file {place}" for place in range(1, len(film.windows) + 1)]
    names = ["file"] if len(names) == 1 else names
    found = [Preset(name, voi, False) for name, voi in zip(names, film.windows, strict=True)]
    low, high = film.range_of(*_AUTO)
    found.append(Preset("auto", _between(low, high), True))
    found.append(Preset("full", _between(*film.range_of(0.0, 1.0)), True))
    for name, (start, stop) in _RELATIVE.items():
        if film.unit == HOUNSFIELD:
            found.append(Preset(name, Window(*_IN_HOUNSFIELD[name]), False))
            continue
        if film.is_inverted:
            start, stop = 1 - stop, 1 - start
        span = high - low
        found.append(Preset(name, _between(low + start * span, low + stop * span), True))
    return tuple(found)


def film_of_image(image: Image) -> Film:
    """Wrap a picture that is no DICOM film, so that it can be windowed like one.

    Colour is reduced to its luma for display; `Film.image` is the picture itself.
    """
    codes = image.pixels
    if codes.ndim == 3:
        weights = np.array(_LUMA, np.float32)
        codes = np.rint(codes.astype(np.float32) @ weights).astype(image.pixels.dtype)
    num_codes = int(np.iinfo(codes.dtype).max) + 1
    plane = None
    if image.spacing_mm is not None:
        plane = Spacing(*image.spacing_mm, plane="patient")
    return Film(
        image=image,
        codes=read_only(codes),
        values=read_only(np.arange(num_codes, dtype=np.float64)),
        counts=read_only(count_codes(codes, num_codes)),
        is_padding=read_only(np.zeros(num_codes, bool)),
        windows=(Window(image.white / 2, image.white, "LINEAR_EXACT"),),
        spacing=plane,
    )


def count_codes(codes: Array, num_codes: int) -> Array:
    """Return how many pixels have each code, (num_codes,) int64, in little memory."""
    counts = np.zeros(num_codes, np.int64)
    flat = codes.reshape(-1)
    for start in range(0, flat.size, _BAND_PIXELS):
        counts += np.bincount(flat[start : start + _BAND_PIXELS], minlength=num_codes)
    return counts


def _between(low: float, high: float) -> Window:
    """Return the window from black at `low` to white at `high`; one of width 1 if they meet."""
    width = high - low if high > low else 1.0
    return Window((low + high) / 2, width, "LINEAR_EXACT")
