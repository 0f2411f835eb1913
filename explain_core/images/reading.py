"""Reading of pictures that nobody vouches for: a file becomes an `Image` or an `ImageError`."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
import PIL.Image
from PIL import ExifTags, ImageCms, ImageFile, TiffImagePlugin

from explain_core.errors import ImageError
from explain_core.images.silence import Silence
from explain_core.types import Array, Image, read_only

MAX_PIXELS = 64_000_000
MAX_BYTES = 64 * 2**20
# A note.
ON_WHITE = "transparent parts shown on white"

_ACCEPTED = "PNG, JPEG, WebP, BMP, TIFF, GIF, PGM or PPM"
_CHUNK_BYTES = 2**20
_BAND_PIXELS = 2**20
_MAX_COUNTED_FRAMES = 100
_BIT_DEPTHS = (8, 10, 12, 14, 16)
_MIN_IS_WHITE = 0
_SIGNED_INTEGER = 2
_EXIF = b"Exif\0\0"

# What each accepted format starts with, and Pillow's name of it. JPEG covers MPO.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II\x2a\x00", "TIFF"),
    (b"MM\x00\x2a", "TIFF"),
    (b"II\x2b\x00", "TIFF"),
    (b"MM\x00\x2b", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    *((b"P%d%c" % (kind, space), "PPM") for kind in range(1, 7) for space in b" \t\n\r"),
)

# Formats that are refused by name: offset, what stands there, what to call it.
_NOT_ACCEPTED: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"icns", "Apple icon"),
    (0, b"\x00\x00\x01\x00", "Windows icon"),
    (0, b"\x00\x00\x02\x00", "Windows cursor"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML or SVG"),
    (0, b"Pf", "PFM"),
    (0, b"PF", "PFM"),
    (0, b"P7", "PAM"),
    (0, b"DDS ", "DDS"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"PK\x03\x04", "ZIP"),
)

# The first element of a DICOM data set stored without preamble, in either byte order.
_BARE_DICOM = (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x00\x08\x00\x00", b"\x00\x08\x00\x05")

# What Pillow's parsers are seen to raise on damaged or hostile bytes.
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
    RuntimeError,
    struct.error,
    zlib.error,
    ImageCms.PyCMSError,
)

# EXIF orientation: how the stored rows and columns become an upright picture.
_UPRIGHT: dict[int, Callable[[Array], Array]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


_SILENCE = Silence(r"PIL\.")


def read_image(source: str | os.PathLike[str] | bytes | BinaryIO) -> Image:
    """Read a picture at its full size and depth, upright, whatever file it comes in.

    Gray stays gray, with 8 or 16 bits; palettes, CMYK, YCbCr and LAB become RGB; what is
    transparent is laid on white; of several frames the first is read, and a note says so. A DICOM
    film is known by its content, whatever its name, and is read as `read_dicom` does.

    Departure: a gray TIFF whose zero is white is turned round within the bits it uses
    (`white - value`), not within all 16: a 12-bit film would be almost all white otherwise.

    Args:
        source: a path, the file's bytes, or a stream, which is read from its start if it can
            be. Only for a path do messages name the file.

    Returns:
        (H, W) or (H, W, 3), uint8 or uint16; at most `MAX_PIXELS` from at most `MAX_BYTES`.

    Raises:
        ImageError: for everything that is not such a picture.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return _decode(_read_path(path), f"'{path}'", path.suffix)
    what = "the file"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), what)
    return _decode(_read_stream(source, what), what)


def image_from_pixels(
    pixels: Array,
    *,
    white: int | None = None,
    spacing_mm: tuple[float, float] | None = None,
    notes: Sequence[str] = (),
) -> Image:
    """Wrap pixels that are already in memory, with their digest.

    Args:
        pixels: (H, W) gray or (H, W, 3) colour, uint8 or uint16; copied unless read-only.
        white: the value shown as white; found from the depth and the largest value if None.
        spacing_mm: (row, column) distance of pixel centres.
        notes: what a person should know of how the pixels came about.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype.newbyteorder("=") not in (
        np.dtype(np.uint8),
        np.dtype(np.uint16),
    ):
        kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise ImageError(
            f"pixels must be a NumPy array of uint8 or uint16 (got {kind}); "
            "scale them to 0..255 and use .astype(np.uint8)"
        )
    if pixels.size == 0 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise ImageError(
            f"pixels must have the shape (H, W) or (H, W, 3) with H, W >= 1 (got {pixels.shape}); "
            "put the channels last, and drop alpha and single-channel axes"
        )
    largest = int(np.iinfo(pixels.dtype).max)
    if white is None:
        white = _white_of(pixels)
    elif not 1 <= white <= largest:
        raise ImageError(
            f"white must lie between 1 and {largest} for {pixels.dtype} pixels (got {white}); "
            "leave it out to have it found"
        )
    if spacing_mm is not None and not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        raise ImageError(
            f"spacing_mm must be two positive distances (got {spacing_mm}); "
            "leave it out if it is not known"
        )
    native = pixels.astype(pixels.dtype.newbyteorder("="), order="C", copy=pixels.flags.writeable)
    frozen = read_only(native)
    return Image(
        pixels=frozen,
        kind="gray" if frozen.ndim == 2 else "rgb",
        digest=_digest(frozen, white),
        white=white,
        spacing_mm=spacing_mm,
        notes=tuple(notes),
    )


def _digest(pixels: Array, white: int) -> str:
    """Return the SHA-256 of shape, depth, white and pixels, the same on every machine."""
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype.name} {white} ".encode())
    digest.update(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()


def _white_of(pixels: Array) -> int:
    """Return the largest value of the smallest usual bit depth that holds all pixels."""
    if pixels.dtype == np.uint8:
        return 255
    brightest = int(pixels.max(initial=0))
    return next((1 << bits) - 1 for bits in _BIT_DEPTHS if brightest < 1 << bits)


def _read_path(path: Path) -> bytes:
    """Return a file's bytes; a file that is too large is not read."""
    try:
        with path.open("rb") as file:
            num_bytes = os.fstat(file.fileno()).st_size
            if num_bytes > MAX_BYTES:
                _refuse_bytes(f"'{path}'", f"{num_bytes / 2**20:.0f} MB")
            return _read_stream(file, f"'{path}'")
    except FileNotFoundError as error:
        raise ImageError(f"there is no file '{path}'; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"'{path}' is a folder; name one picture in it") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"'{path}' cannot be opened ({error.__class__.__name__}); "
            "check the path and that you may read it"
        ) from error


def _read_stream(stream: BinaryIO, what: str) -> bytes:
    """Return a stream's bytes from its start, reading little more than `MAX_BYTES` at most."""
    if not hasattr(stream, "read"):
        raise ImageError(
            "source must be a path, bytes or a stream opened for reading bytes "
            f"(got {type(stream).__name__})"
        )
    data = bytearray()
    try:
        # An uploaded file that was read before stands at its end.
        if stream.seekable():
            stream.seek(0)
        while chunk := stream.read(min(_CHUNK_BYTES, MAX_BYTES + 1 - len(data))):
            data += chunk
    except TypeError as error:
        raise ImageError(
            f"{what} must be opened as bytes, not as text; open it with 'rb'"
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{what} cannot be read from its stream ({error.__class__.__name__}); open it again"
        ) from error
    if len(data) > MAX_BYTES:
        _refuse_bytes(what, f"more than {MAX_BYTES // 2**20} MB")
    return bytes(data)


def _refuse_bytes(what: str, found: str) -> NoReturn:
    raise ImageError(
        f"{what} takes {found}; at most {MAX_BYTES // 2**20} MB are read: scale it down, "
        "or save it as PNG or JPEG"
    )


def _refuse_pixels(what: str, found: str) -> NoReturn:
    raise ImageError(
        f"{what} has {found}; at most {MAX_PIXELS // 10**6} megapixels are read: scale it down"
    )


def _refuse_values(what: str, found: str) -> NoReturn:
    raise ImageError(
        f"{what} has {found}; pixels must be whole numbers from 0 to 65535: "
        "save it as an 8- or 16-bit PNG or TIFF"
    )


def _find_format(data: bytes, what: str, suffix: str) -> str:
    """Return Pillow's name of an accepted format, from the first bytes alone."""
    if not data:
        raise ImageError(f"{what} is empty (0 bytes); choose a picture ({_ACCEPTED})")
    if len(data) > MAX_BYTES:
        _refuse_bytes(what, f"{len(data) / 2**20:.0f} MB")
    if suffix.lower() == ".dcm":
        _refuse_dicom(what)
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(_BARE_DICOM):
        _refuse_dicom(what)
    for offset, magic, name in _NOT_ACCEPTED:
        if data.startswith(magic, offset):
            raise ImageError(
                f"{what} has the format {name}, which is not read here; save it as {_ACCEPTED}"
            )
    raise ImageError(f"{what} is not a picture of a known format; choose one in {_ACCEPTED}")


def _refuse_dicom(what: str) -> NoReturn:
    raise ImageError(
        f"{what} lacks the beginning of a DICOM file ('DICM' behind 128 bytes); export the film "
        "again, or save it as PNG or TIFF"
    )


def _decode(data: bytes, what: str, suffix: str = "") -> Image:
    """Return the picture that `data` holds; Pillow sees it only as the format it begins like."""
    if data[128:132] == b"DICM":
        # It builds on this module.
        from explain_core.images.dicom import film_of_bytes

        return film_of_bytes(data, what).image
    name = _find_format(data, what, suffix)
    if data.startswith((b"P1", b"P2", b"P3")):
        # Pillow takes quadratic time over comments in the text forms of PPM.
        data = re.sub(rb"#[^\r\n]*", b"", data)
    try:
        with _SILENCE, PIL.Image.open(io.BytesIO(data), formats=(name,)) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                megapixels = width * height / 10**6
                _refuse_pixels(what, f"{width} x {height} pixels ({megapixels:.0f} megapixels)")
            pixels, white, notes = _pixels_of(picture, what)
            turn = _UPRIGHT.get(_orientation(picture))
            upright = pixels if turn is None else turn(pixels)
            notes = [*_frame_notes(picture), *notes]
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(
            f"{what} claims to have more than {MAX_PIXELS // 10**6} megapixels, which is the most "
            "that is read: scale it down"
        ) from error
    except MemoryError as error:
        raise ImageError(
            f"{what} needs more memory than there is; scale it down, or save it as PNG"
        ) from error
    except _PARSE_ERRORS as error:
        if name == "JPEG" and _EXIF in data:
            # Pillow reads the resolution from EXIF and may trip over it: keep the picture.
            return _decode(data.replace(_EXIF, bytes(len(_EXIF))), what)
        raise ImageError(
            f"{what} looks like {name} but cannot be read: it is damaged, cut short, without "
            "pixels or of an unusual kind; fetch it again, or save it as an 8- or 16-bit PNG"
        ) from error
    return image_from_pixels(read_only(upright), white=white, notes=notes)


def _pixels_of(picture: ImageFile.ImageFile, what: str) -> tuple[Array, int | None, list[str]]:
    """Return what is seen of the first frame: pixels as stored, their white if known, notes."""
    rawmode, most = _raw_mode(picture)
    if rawmode == "LA;16B":
        # Pillow would drop the low bytes. Four 8-bit channels have the same layout.
        picture.tile = [tile._replace(args="RGBA") for tile in picture.tile]
        gray, alpha = np.moveaxis(np.asarray(picture).view(">u2"), 2, 0)
        return _over_white(gray.astype(np.uint16), alpha)
    picture.load()
    if picture.mode == "F":
        _refuse_values(what, "fractional (floating-point) pixels")
    if picture.mode.startswith("I"):
        return _deep_gray(picture, what)
    notes = []
    # In a BMP, ";16" means 16 bits for all channels together.
    if (";16" in rawmode and picture.format != "BMP") or most > 255:
        notes.append("16 bits a channel reduced to 8")
        # A transparent colour is given with 16 bits and could only match by chance.
        picture.info.pop("transparency", None)
    is_gray = picture.mode in ("1", "L", "LA", "La")
    alpha_mode = "A" if picture.has_transparency_data else ""
    pixels, is_translucent = _flatten(picture, ("L" if is_gray else "RGB") + alpha_mode)
    if _is_signed(picture) and (pixels > 127).any():
        _refuse_values(what, "negative pixels")
    if is_translucent:
        notes.append(ON_WHITE)
    return pixels, None, notes


def _raw_mode(picture: ImageFile.ImageFile) -> tuple[str, int]:
    """Return how the file stores a pixel, in Pillow's words, and for PPM its largest value."""
    args = picture.tile[0].args if picture.tile else None
    if isinstance(args, str):
        return args, 0
    if not isinstance(args, tuple) or not args or not isinstance(args[0], str):
        return "", 0
    return args[0], args[1] if picture.format == "PPM" and isinstance(args[1], int) else 0


def _is_signed(picture: ImageFile.ImageFile) -> bool:
    """Return whether a TIFF's samples are signed, which Pillow overlooks for 8 bits."""
    return isinstance(picture, TiffImagePlugin.TiffImageFile) and _SIGNED_INTEGER in (
        picture.tag_v2.get(TiffImagePlugin.SAMPLEFORMAT, ())
    )


def _deep_gray(picture: ImageFile.ImageFile, what: str) -> tuple[Array, int, list[str]]:
    """Return gray of more than 8 bits as uint16, with the values of the file."""
    values = np.asarray(picture)
    if values.min() < 0:
        _refuse_values(what, f"negative or very large pixels (down to {values.min()} as read)")
    if values.max() > 65535:
        _refuse_values(what, f"pixels up to {values.max()}")
    pixels = values.astype(np.uint16)
    white = _white_of(pixels)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        photometric = picture.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 0)
        if photometric == _MIN_IS_WHITE:
            pixels = np.subtract(white, pixels, dtype=np.uint16)
    transparent = picture.info.get("transparency")
    if transparent is None:
        return pixels, white, []
    return _over_white(pixels, np.where(pixels == transparent, 0, 65535).astype(np.uint16))


def _over_white(gray: Array, alpha: Array) -> tuple[Array, int, list[str]]:
    """Lay 16-bit gray on white, which is the white of what can be seen.

    Args:
        gray: (H, W) uint16.
        alpha: (H, W), 0 (clear) to 65535.
    """
    white = _white_of(gray[alpha > 0])
    if (alpha == 65535).all():
        return gray, white, []
    share = alpha.astype(np.float32) / 65535
    mixed = np.rint(np.minimum(gray, white) * share + white * (1 - share))
    return mixed.astype(np.uint16), white, [ON_WHITE]


def _flatten(picture: ImageFile.ImageFile, mode: str) -> tuple[Array, bool]:
    """Convert band by band, so that no second full copy is held, and lay on white.

    Args:
        mode: "L", "LA", "RGB" or "RGBA".

    Returns:
        (H, W) or (H, W, 3) uint8, and whether any pixel was not opaque.
    """
    width, height = picture.size
    num_channels = 1 if mode.startswith("L") else 3
    pixels = np.empty((height, width, num_channels), np.uint8)
    is_translucent = False
    band_rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, band_rows):
        bottom = min(top + band_rows, height)
        band = np.asarray(picture.crop((0, top, width, bottom)).convert(mode))
        values = band.reshape(bottom - top, width, -1)
        colours = values[..., :num_channels]
        if mode.endswith("A"):
            alpha = values[..., num_channels:].astype(np.uint16)
            is_translucent = is_translucent or bool((alpha < 255).any())
            colours = (colours * alpha + 255 * (255 - alpha) + 127) // 255
        pixels[top:bottom] = colours
    return pixels[..., 0] if num_channels == 1 else pixels, is_translucent


def _orientation(picture: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1 where there is none (Pillow turns TIFF itself)."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except _PARSE_ERRORS:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _frame_notes(picture: ImageFile.ImageFile) -> list[str]:
    """Return a note if the file holds more frames than the one that was read."""
    if not getattr(picture, "is_animated", False):
        return []
    try:
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            return [f"first of {_count_pages(picture)} frames"]
        return [f"first of {cast(Any, picture).n_frames} frames"]
    except _PARSE_ERRORS:
        return ["first of several frames"]


def _count_pages(picture: TiffImagePlugin.TiffImageFile) -> str:
    """Return the number of pages; Pillow's own count takes quadratic time on a hostile file."""
    for page_idx in range(1, _MAX_COUNTED_FRAMES):
        try:
            picture.seek(page_idx)
        except EOFError:
            return str(page_idx)
    return f"at least {_MAX_COUNTED_FRAMES}"
