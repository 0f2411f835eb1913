"""Opening DICOM files that nobody vouches for: bytes become a pydicom data set within bounds."""

from __future__ import annotations

import importlib
import io
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explain_core.errors import ImageError
from explain_core.images.reading import MAX_BYTES, MAX_PIXELS
from explain_core.images.silence import Silence

MAX_FRAMES = 10_000
# Two bytes for each pixel, and a header.
MAX_INFLATED_BYTES = 2 * MAX_PIXELS + 2**24
COMMAND = "pip install pydicom pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg"

_MAGIC = b"DICM"
_MAGIC_AT = 128
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_INFLATED = b"1.2.840.10008.1.2.1".ljust(len(_DEFLATED), b"\0")
_META_GROUP = 2
_SYNTAX_ELEMENT = 0x10
# Their length takes four bytes, behind two that are reserved.
_LONG = frozenset({b"OB", b"OW", b"UN", b"SQ", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR"})
_CHUNK_BYTES = 2**20
_SILENCE = Silence(r"pydicom\.|pylibjpeg|openjpeg|libjpeg")

PARSE_ERRORS: tuple[type[Exception], ...] = (
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


def is_dicom(data: bytes) -> bool:
    """Return whether a file begins as DICOM files do, whatever its name."""
    return data[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def import_pydicom() -> Any:
    """Return pydicom, or raise an `ImageError` with the command that installs it."""
    try:
        # By name: neither mypy nor whoever imports this module has to read it.
        pydicom = importlib.import_module("pydicom")
        for part in ("pixels", "encaps", "datadict"):
            importlib.import_module(f"pydicom.{part}")
    except ImportError as error:
        raise ImageError(
            f"DICOM films are read through pydicom, which is not installed; run: {COMMAND}"
        ) from error
    # What these log may quote the header, which must not reach a log.
    for name in ("pydicom", "pylibjpeg", "openjpeg", "libjpeg"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return pydicom


def bytes_of(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    """Return a file's content and what to call it; no more than `MAX_BYTES` are read."""
    if isinstance(source, bytes):
        return source, "the file"
    path = Path(source)
    what = f"'{path}'"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"{what} takes more than the {MAX_BYTES // 2**20} MB that are read")
        return path.read_bytes(), what
    except OSError as error:
        raise ImageError(
            f"{what} cannot be opened ({error.__class__.__name__}); check the path"
        ) from error


def open_dataset(data: bytes, what: str) -> Any:
    """Return the pydicom data set of a file; its pixels are not decoded.

    Raises:
        ImageError: no DICOM file, too large, or damaged; pydicom is not installed.
    """
    if len(data) > MAX_BYTES:
        raise ImageError(f"{what} takes more than the {MAX_BYTES // 2**20} MB that are read")
    if not is_dicom(data):
        raise ImageError(
            f"{what} is no DICOM file: 'DICM' does not stand behind the first 128 bytes; choose "
            "a film as the archive exports it"
        )
    pydicom = import_pydicom()
    with refusing(what):
        return pydicom.dcmread(io.BytesIO(_inflated(data, what)))


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever pydicom and its decoders raise into an `ImageError`, and be silent."""
    pydicom = import_pydicom()
    own = (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)
    try:
        with _SILENCE:
            yield
    except MemoryError as error:
        raise ImageError(f"{what} needs more memory than there is; export it smaller") from error
    except ImageError:
        raise
    except (*PARSE_ERRORS, *own):
        # What was raised may quote the header, and a traceback would carry it into a log.
        raise ImageError(
            f"{what} is a DICOM file that cannot be read: it is damaged or cut short; fetch it "
            "again"
        ) from None


def frame_size(film: Any, what: str) -> tuple[int, int]:
    """Return (H, W) as the header claims it, if it is one that is read."""
    if "Rows" not in film or "Columns" not in film:
        raise ImageError(
            f"{what} is a DICOM file without a picture (a report, a plan, a table of contents); "
            "choose the film itself"
        )
    with refusing(what):
        height, width = int(film.Rows), int(film.Columns)
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ImageError(
            f"{what} claims {height} x {width} pixels; films of at most "
            f"{MAX_PIXELS // 10**6} megapixels are read"
        )
    return height, width


def frame_count(film: Any, what: str) -> int:
    """Return the number of frames as the header claims it, 1 where it claims nothing."""
    with refusing(what):
        count = int(film.get("NumberOfFrames") or 1)
    if not 1 <= count <= MAX_FRAMES:
        raise ImageError(
            f"{what} claims {count} frames; at most {MAX_FRAMES} are read: export a part of it"
        )
    return count


def _inflated(data: bytes, what: str) -> bytes:
    """Return the file with its data set inflated, if it is deflated and stays within bounds."""
    syntax_at, stop = _walk_meta(data)
    if syntax_at is None or not data.startswith(_DEFLATED, syntax_at):
        return data
    content = bytearray(data[:stop])
    content[syntax_at : syntax_at + len(_INFLATED)] = _INFLATED
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    rest = data[stop:]
    while rest and not inflater.eof:
        content += inflater.decompress(rest, _CHUNK_BYTES)
        rest = inflater.unconsumed_tail
        if len(content) > MAX_INFLATED_BYTES:
            raise ImageError(
                f"{what} is deflated and unpacks to more than {MAX_INFLATED_BYTES // 2**20} MB; "
                "export it without deflating"
            )
    content += inflater.flush()
    return bytes(content)


def _walk_meta(data: bytes) -> tuple[int | None, int]:
    """Return where the transfer syntax stands, and where the file meta information ends."""
    place = _MAGIC_AT + len(_MAGIC)
    syntax_at = None
    while place + 8 <= len(data):
        group, element, kind, length = struct.unpack_from("<HH2sH", data, place)
        if group != _META_GROUP:
            break
        place += 8
        if kind in _LONG:
            if place + 4 > len(data):
                break
            (length,) = struct.unpack_from("<I", data, place)
            place += 4
        if element == _SYNTAX_ELEMENT:
            syntax_at = place
        place += length
    return syntax_at, min(place, len(data))
