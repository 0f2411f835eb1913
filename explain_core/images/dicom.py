"""DICOM films: the picture as the file means it to be seen, and nothing of the patient.

Stored values go through the modality LUT or rescale, then the VOI LUT or window; MONOCHROME1 is
turned round last. pydicom is optional and imported where it is used. What leaves this module are
pixels, their values and spacing, the side and the view; the header is dropped.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from explain_core.errors import ImageError, InputError
from explain_core.images import dicom_header
from explain_core.images.dicom_codestreams import decode_rle, stated_size
from explain_core.images.dicom_files import (
    bytes_of,
    frame_count,
    frame_size,
    import_pydicom,
    open_dataset,
    refusing,
)
from explain_core.images.dicom_header import Header
from explain_core.images.dicom_profile import identifying_names
from explain_core.images.film import Film, Voi, count_codes
from explain_core.images.reading import image_from_pixels
from explain_core.types import Array, Image, read_only

_WHITE = 65535
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_BITS_ALLOCATED = (1, 8, 16)
_RLE = "1.2.840.10008.1.2.5"
# Damaged streams make GDCM abort the process or fault, and pyjpegls, which comes with highdicom,
# work for many seconds; pydicom would take them wherever they are installed.
_PLUGINS = ("pydicom", "pylibjpeg", "pillow")
_NOT_IN_THE_PATIENT = "pixel spacing does not hold in the patient: {}"


def read_dicom(source: str | os.PathLike[str] | bytes, frame: int = 0) -> Image:
    """Read a gray DICOM film as a network gets it: `read_film(source, frame).image`.

    A window or VOI LUT fills all 16 bits; of several the first is taken. Without one, stored
    values are kept as they are, white being the largest that `Bits Stored` allows; rescaled and
    signed ones are stretched from their least to their greatest. Padding is black.

    Returns:
        kind "dicom", (H, W) uint16; `spacing_mm` only where it holds in the patient.

    Raises:
        ImageError: no DICOM film, one in colour, too large, damaged, or stored in a way for which
            no decoder is installed; pydicom is not installed.
        InputError: there is no such frame.
    """
    return read_film(source, frame).image


def read_film(source: str | os.PathLike[str] | bytes, frame: int = 0) -> Film:
    """Read one frame of a gray DICOM film, with the values that can be windowed.

    Args:
        frame: counted from 0.

    Raises:
        As `read_dicom`.
    """
    return film_of_bytes(*bytes_of(source), frame)


def film_of_bytes(data: bytes, what: str, frame: int = 0) -> Film:
    """Read one frame of a file in memory, which messages call `what`."""
    film = open_dataset(data, what)
    size = frame_size(film, what)
    num_frames = frame_count(film, what)
    if not 0 <= frame < num_frames:
        raise InputError(f"frame must lie between 0 and {num_frames - 1} (got {frame})")
    with refusing(what), np.errstate(all="ignore"):
        require_gray(film, what)
        stored = _decode(film, frame, size, what)
        return _film(film, stored, frame, num_frames)


def dicom_size(source: str | os.PathLike[str] | bytes) -> tuple[int, int]:
    """Return (H, W) of a DICOM film from its header, without decoding its pixels.

    Raises:
        ImageError: no DICOM film; pydicom is not installed.
    """
    data, what = bytes_of(source)
    return frame_size(open_dataset(data, what), what)


def identifying_tags(source: str | os.PathLike[str] | bytes) -> tuple[str, ...]:
    """Return the names, never the values, of what in a DICOM file may tell who the patient is.

    By the basic profile of PS3.15 (table E.1-1): elements that have a value, in sequences too,
    and "private elements". Unique identifiers, which every file carries, stand last. That none
    is named does not mean that nothing identifies: text may be burned into the pixels.

    Raises:
        ImageError: no DICOM file; pydicom is not installed.
    """
    data, what = bytes_of(source)
    film = open_dataset(data, what)
    with refusing(what):
        return identifying_names(film)


def require_gray(film: Any, what: str) -> None:
    """Raise `ImageError` where a data set, called `what`, is no film that is read here."""
    if film.get("PhotometricInterpretation") not in _GRAY or film.get("SamplesPerPixel", 1) != 1:
        raise ImageError(f"{what} is a DICOM picture in colour; only gray films are read")
    if "PixelData" not in film:
        raise ImageError(
            f"{what} is a DICOM file without a picture, or with fractional values; choose the "
            "film itself"
        )
    allocated, stored = int(film.BitsAllocated), int(film.BitsStored)
    if allocated not in _BITS_ALLOCATED:
        raise ImageError(
            f"{what} stores {allocated} bits a pixel; films of 8 to 16 bits are read: export it so"
        )
    syntax = film.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax or syntax.is_private:
        raise ImageError(
            f"{what} is stored in a way that only its maker knows ({syntax}); export it "
            "uncompressed"
        )
    is_plain = not syntax.is_compressed or syntax == _RLE
    if not 1 <= stored <= allocated or (is_plain and film.get("HighBit", stored - 1) != stored - 1):
        raise ImageError(
            f"{what} says that it stores {stored} of {allocated} bits in an unusual place; export "
            "it again"
        )


def _decode(film: Any, frame: int, size: tuple[int, int], what: str) -> Array:
    """Return stored values, (H, W), of one frame; no decoder sees a size that the header lacks."""
    pydicom = import_pydicom()
    syntax = film.file_meta.TransferSyntaxUID
    plugin = ""
    if syntax.is_encapsulated:
        plugin = _find_plugin(pydicom, syntax, what)
        encoded = pydicom.encaps.get_frame(
            film.PixelData, frame, number_of_frames=frame_count(film, what)
        )
        if syntax == _RLE:
            return _rle_values(film, encoded, size)
        claimed = stated_size(encoded)
        if claimed != (*size, 1):
            raise ImageError(
                f"{what} claims {size[0]} x {size[1]} gray pixels, but its compressed picture "
                f"{claimed[0]} x {claimed[1]} with {claimed[2]} channels; fetch it again"
            )
    elif film.BitsAllocated == 1 and syntax.is_little_endian:
        return _bits(film.PixelData, frame, size)
    stored: Array = pydicom.pixels.pixel_array(film, index=frame, decoding_plugin=plugin)
    if stored.shape != size:
        raise ImageError(f"{what} claims {size[0]} x {size[1]} pixels but holds {stored.shape}")
    return stored


def _rle_values(film: Any, encoded: bytes, size: tuple[int, int]) -> Array:
    """Return stored values of an RLE frame, without bits that are not in use."""
    stored = decode_rle(encoded, size, int(film.BitsAllocated) // 8)
    if film.PixelRepresentation == 1:
        stored = stored.view(stored.dtype.str.replace("u", "i"))
    num_unused = int(film.BitsAllocated) - int(film.BitsStored)
    return (stored << num_unused) >> num_unused


def _bits(packed: bytes, frame: int, size: tuple[int, int]) -> Array:
    """Return one frame of single bits; pydicom 3.0 loses those of frames that share a byte."""
    num_pixels = size[0] * size[1]
    start = frame * num_pixels
    part = np.frombuffer(packed, np.uint8)[start // 8 : (start + num_pixels + 7) // 8]
    bits = np.unpackbits(part, bitorder="little")[start % 8 :][:num_pixels]
    return bits.reshape(size)


def _find_plugin(pydicom: Any, syntax: Any, what: str) -> str:
    """Return the name of the pydicom plugin that is to decode a transfer syntax."""
    try:
        decoder = pydicom.pixels.get_decoder(syntax)
    except NotImplementedError as error:
        raise ImageError(
            f"{what} is stored as {syntax.name}, which is not read; export it uncompressed"
        ) from error
    for plugin in _PLUGINS:
        if plugin in decoder.available_plugins:
            return plugin
    package = "pylibjpeg-openjpeg" if "2000" in syntax.name else "pylibjpeg-libjpeg"
    raise ImageError(
        f"{what} is stored as {syntax.name}, for which no decoder is installed; run: "
        f"pip install pylibjpeg {package}"
    )


def _film(film: Any, stored: Array, frame: int, num_frames: int) -> Film:
    """Put together what is kept of a file."""
    header = Header(film, frame)
    bits = int(film.BitsStored)
    least = -(1 << bits - 1) if film.get("PixelRepresentation") == 1 else 0
    levels = np.arange(least, least + (1 << bits), dtype=np.int64)
    codes = _codes(stored, least, bits)
    values, unit, is_unchanged = dicom_header.modality_values(header, levels)
    voi, is_spoilt = dicom_header.vois(header, values)
    counts = count_codes(codes, len(levels))
    is_padding = dicom_header.padding(film, levels)
    notes = _frame_notes(frame, num_frames)
    if not counts[~is_padding].any():
        is_padding = np.zeros_like(is_padding)
        notes.append("the padding value covers the whole picture and was ignored")
    has_padding = bool(counts[is_padding].any())
    counts[is_padding] = 0
    if is_spoilt:
        notes.append("a window in the file cannot be used")
    is_inverted = film.PhotometricInterpretation == "MONOCHROME1"
    if _shape_is_inverse(film) not in (None, is_inverted):
        notes.append("the file contradicts itself on which end is bright; invert it if needed")
    made = Film(
        image=_BLANK,
        codes=read_only(codes),
        values=read_only(values),
        counts=read_only(counts),
        is_padding=read_only(is_padding),
        is_inverted=is_inverted,
        unit=unit,
        windows=voi,
        spacing=dicom_header.spacing(header),
        laterality=dicom_header.laterality(header),
        view=dicom_header.view(header),
        modality=dicom_header.modality(film),
        frame=frame,
        num_frames=num_frames,
        is_annotated=dicom_header.is_annotated(film),
    )
    is_kept = not voi and is_unchanged and least == 0
    if not voi and not is_kept:
        notes.append("no window in the file; shown from its least to its greatest value")
    if has_padding:
        notes.append("padding shown black")
    return replace(made, image=_image(made, is_kept, notes))


_BLANK = image_from_pixels(np.zeros((1, 1), np.uint8))


def _codes(stored: Array, least: int, bits: int) -> Array:
    """Return stored values as codes from 0; what a lossy stream overshot is cut off."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    inside = np.clip(stored, least, least + (1 << bits) - 1)
    if least:
        # In unsigned arithmetic of the same width the difference is exact.
        inside = inside.astype(np.uint16) - np.uint16(least & 0xFFFF)
    return inside.astype(dtype, copy=False)


def _image(film: Film, is_kept: bool, notes: Sequence[str]) -> Image:
    """Return the picture that a network gets, through the first VOI LUT or window."""
    if is_kept:
        white = len(film.values) - 1
        table = np.arange(white + 1)
    else:
        white = _WHITE
        table = np.rint(_shares(film) * white).astype(np.int64)
    if film.is_inverted:
        table = white - table
    table[film.is_padding] = 0
    is_known = film.spacing is not None and film.spacing.plane == "patient"
    spacing_mm = None
    if film.spacing is not None and is_known:
        spacing_mm = film.spacing.rows_mm, film.spacing.columns_mm
    elif film.spacing is not None:
        notes = [*notes, _NOT_IN_THE_PATIENT.format(film.spacing.unit)]
    pixels = read_only(table.astype(np.uint16).take(film.codes))
    image = image_from_pixels(pixels, white=white, spacing_mm=spacing_mm, notes=notes)
    return replace(image, kind="dicom")


def _shares(film: Film) -> Array:
    """Return how bright every code is before MONOCHROME1 is turned round, from 0 to 1."""
    voi: Voi | None = film.windows[0] if film.windows else None
    if voi is not None:
        return voi.shares(film.values)
    low, high = film.range_of(0.0, 1.0)
    return np.clip((film.values - low) / ((high - low) or 1.0), 0.0, 1.0)


def _shape_is_inverse(film: Any) -> bool | None:
    """Return whether the presentation LUT turns values round, None where there is none.

    PS3.3 ties it to the photometric interpretation, so that it never turns a second time.
    """
    return {"INVERSE": True, "IDENTITY": False}.get(str(film.get("PresentationLUTShape")))


def _frame_notes(frame: int, num_frames: int) -> list[str]:
    if num_frames == 1:
        return []
    return [f"{'first' if frame == 0 else f'frame {frame + 1}'} of {num_frames} frames"]
