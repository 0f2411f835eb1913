"""Files of pictures, written by Pillow or by hand, that tests of reading are made of."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from PIL import ExifTags

REPOSITORY = Path(__file__).parents[3]
BAD_INPUTS = Path(os.environ.get("WHYNOT_DATA", REPOSITORY / "../shared/data")) / "bad_inputs"
MANIFEST = BAD_INPUTS / "manifest.json"
ORIENTATION = ExifTags.Base.Orientation


def encode(pixels: Any, file_format: str, mode: str | None = None, **options: Any) -> bytes:
    """Return a file of `pixels`, converted to `mode` first."""
    picture = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    stream = io.BytesIO()
    (picture if mode is None else picture.convert(mode)).save(stream, file_format, **options)
    return stream.getvalue()


def tiff(
    pixels: np.ndarray,
    photometric: int,
    order: str = "<",
    sample_format: int = 1,
    extra: dict[int, int] | None = None,
) -> bytes:
    """Write a plain TIFF of one strip by hand: an oracle that shares nothing with Pillow."""
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    bits = pixels.dtype.itemsize * 8
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: samples}
    tags |= {278: height, 279: len(data), 339: sample_format} | (extra or {})
    entries = b""
    for tag, value in sorted(tags.items()):
        entries += struct.pack(order + "HHII", tag, 4, 1, value)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + len(data))
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]
) -> bytes:
    """Write a PNG by hand from rows that carry their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
