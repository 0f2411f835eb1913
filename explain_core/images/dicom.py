"""DICOM films: the picture as the file means it to be seen, and nothing of the patient.

pydicom is optional and imported where it is used. Only the pixels and their spacing leave this
module; the header is dropped.
"""

from __future__ import annotations

import importlib
import io
import logging
import math
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.errors import ImageError
from explain_core.images.reading import MAX_BYTES, MAX_PIXELS, image_from_pixels
from explain_core.images.silence import Silence
from explain_core.types import Array, Image, read_only

_WHITE = 65535
_GRAY = ("MONOCHROME1", "MONOCHROME2")
# The transfer syntax stands in the fifth element of the file, behind at most 400 bytes.
_HEAD_BYTES = 512
_DEFLATED = b"1.2.840.10008.1.2.1.99"
# Far outside any window: what a window maps these to are the ends of its range.
_FAR = 1e9
_SILENCE = Silence(r"pydicom\.")

_PARSE_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def read_dicom(source: str | os.PathLike[str] | bytes) -> Image:
    """Read a gray DICOM film through its modality LUT or rescale, then its VOI LUT or window.

    MONOCHROME1 is turned round last, so that bright is dense. Of several views the first is
    taken, and of several frames. A window or VOI LUT fills all 16 bits. Without one, stored
    values are kept as they are, white being the largest that `Bits Stored` allows; rescaled ones
    are stretched from their least to their greatest.

    Returns:
        kind "dicom", (H, W) uint16, with the distance of pixel centres where the file has one.

    Raises:
        ImageError: no DICOM film, one in colour, too large, damaged, or stored in a way for which
            no decoder is installed; pydicom is not installed.
    """
    data, what = _bytes_of(source)
    pydicom = _pydicom()
    film = _open(pydicom, data, what)
    size = _size(pydicom, film, what)
    try:
        with _SILENCE, np.errstate(all="ignore"):
            _require_gray(film, what)
            _require_decoder(pydicom, film, what)
            stored = pydicom.pixels.pixel_array(film, index=0)
            if stored.shape != size:
                raise ImageError(
                    f"{what} claims {size[0]} x {size[1]} pixels but holds {stored.shape}"
                )
            pixels, white, notes = _shown(pydicom.pixels, stored, film)
            spacing, where = _spacing(film)
            frames = _frames(film)
            if film.PhotometricInterpretation == "MONOCHROME1":
                pixels = white - pixels
    except MemoryError as error:
        raise ImageError(f"{what} needs more memory than there is; export it smaller") from error
    except _parse_errors(pydicom) as error:
        raise ImageError(
            f"{what} is a DICOM film whose picture cannot be read: it is damaged or cut short; "
            "fetch it again"
        ) from error
    image = image_from_pixels(
        read_only(pixels), white=white, spacing_mm=spacing, notes=[*frames, *notes, *where]
    )
    return replace(image, kind="dicom")


def dicom_size(source: str | os.PathLike[str] | bytes) -> tuple[int, int]:
    """Return (H, W) of a DICOM film from its header, without decoding its pixels.

    Raises:
        ImageError: no DICOM film; pydicom is not installed.
    """
    data, what = _bytes_of(source)
    pydicom = _pydicom()
    return _size(pydicom, _open(pydicom, data, what), what)


def _pydicom() -> Any:
    try:
        # By name: neither mypy nor whoever imports this module has to read it.
        pydicom = importlib.import_module("pydicom")
        importlib.import_module("pydicom.pixels")
    except ImportError as error:
        raise ImageError(
            "DICOM films are read through pydicom, which is not installed; run: pip install pydicom"
        ) from error
    # What pydicom logs may quote the header, which must not reach a log.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    return pydicom


def _parse_errors(pydicom: Any) -> tuple[type[Exception], ...]:
    """Return what pydicom and its decoders are seen to raise on damaged or hostile bytes."""
    own = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    return (*_PARSE_ERRORS, *own)


def _bytes_of(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        data, what = source, "the file"
    else:
        path = Path(source)
        what = f"'{path}'"
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ImageError(
                    f"{what} takes more than the {MAX_BYTES // 2**20} MB that are read"
                )
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"{what} cannot be opened ({error.__class__.__name__}); check the path"
            ) from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{what} takes more than the {MAX_BYTES // 2**20} MB that are read")
    if data[128:132] != b"DICM":
        raise ImageError(f"{what} is no DICOM file; choose a film that ends in .dcm")
    return data, what


def _open(pydicom: Any, data: bytes, what: str) -> Any:
    if _DEFLATED in data[:_HEAD_BYTES]:
        raise ImageError(f"{what} is a deflated DICOM file, which is not read; export it again")
    try:
        with _SILENCE:
            return pydicom.dcmread(io.BytesIO(data))
    except _parse_errors(pydicom) as error:
        raise ImageError(f"{what} is a damaged DICOM file; fetch it again") from error


def _size(pydicom: Any, film: Any, what: str) -> tuple[int, int]:
    try:
        with _SILENCE:
            height, width = int(film.Rows), int(film.Columns)
    except _parse_errors(pydicom) as error:
        raise ImageError(f"{what} is a DICOM file without a picture; choose the film") from error
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ImageError(
            f"{what} claims {height} x {width} pixels; films of at most "
            f"{MAX_PIXELS // 10**6} megapixels are read"
        )
    return height, width


def _require_gray(film: Any, what: str) -> None:
    if film.get("PhotometricInterpretation") not in _GRAY or film.get("SamplesPerPixel", 1) != 1:
        raise ImageError(f"{what} is a DICOM picture in colour; only gray films are read")
    if "PixelData" not in film:
        raise ImageError(f"{what} is a DICOM file without a picture; choose the film itself")


def _require_decoder(pydicom: Any, film: Any, what: str) -> None:
    syntax = film.file_meta.TransferSyntaxUID
    if not syntax.is_compressed:
        return
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError as error:
        raise ImageError(f"{what} is stored as {syntax.name}, which is not read") from error
    if not decoder.is_available:
        raise ImageError(
            f"{what} is stored as {syntax.name}, for which no decoder is installed; run: "
            "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"
        )


def _shown(pixels: Any, stored: Array, film: Any) -> tuple[Array, int, list[str]]:
    """Return (H, W) uint16 before MONOCHROME1 is turned round, its white, and notes."""
    values = pixels.apply_modality_lut(stored, film)
    seen = pixels.apply_voi_lut(values, film)
    if seen is not values:
        low, high = _range_of_voi(pixels, film)
        notes = []
    elif values is stored and stored.min() >= 0 and 1 <= film.BitsStored <= 16:
        white = (1 << int(film.BitsStored)) - 1
        return np.minimum(stored, white).astype(np.uint16), white, []
    else:
        low, high = float(values.min()), float(values.max())
        notes = ["no window in the file; shown from its least to its greatest value"]
    share = np.clip((seen.astype(np.float64) - low) / ((high - low) or 1.0), 0, 1)
    return np.rint(share * _WHITE).astype(np.uint16), _WHITE, notes


def _range_of_voi(pixels: Any, film: Any) -> tuple[float, float]:
    """Return the values that stand for black and white behind the VOI LUT or window."""
    if film.get("VOILUTSequence"):
        return 0.0, float((1 << int(film.VOILUTSequence[0].LUTDescriptor[2])) - 1)
    low, high = pixels.apply_windowing(np.array([-_FAR, _FAR]), film)
    return float(low), float(high)


def _spacing(film: Any) -> tuple[tuple[float, float] | None, list[str]]:
    for name, notes in (
        ("PixelSpacing", []),
        ("ImagerPixelSpacing", ["spacing measured at the detector, not in the patient"]),
    ):
        try:
            rows, columns = (float(value) for value in film.get(name) or ())
        except (TypeError, ValueError):
            continue
        if all(math.isfinite(value) and value > 0 for value in (rows, columns)):
            return (rows, columns), notes
    return None, []


def _frames(film: Any) -> list[str]:
    try:
        count = int(film.get("NumberOfFrames") or 1)
    except (TypeError, ValueError):
        return []
    return [f"first of {count} frames"] if count > 1 else []
