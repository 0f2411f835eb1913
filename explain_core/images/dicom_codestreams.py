"""What compressed pixels say of their own size, read before any decoder allocates for it."""

from __future__ import annotations

import struct

import numpy as np
import PIL.Image

from explain_core.types import Array

# Blocks of 64 x 64 pixels make some 20,000 of the largest film. A decoder takes a kilobyte or more
# for each before it has seen any of their data.
_MAX_BLOCKS = 2**18
_COD, _COC, _SOT, _SOD = 0xFF52, 0xFF53, 0xFF90, 0xFF93
_START_JPEG = b"\xff\xd8"
_START_J2K = b"\xff\x4f\xff\x51"
_SOF_JPEG_LS = 0xF7
_HIERARCHICAL = 0xDE
_START_OF_SCAN = 0xDA
# 0xC0 to 0xCF but for tables, extensions and arithmetic conditioning.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_SOF_JPEG_LS}
_SIZ = struct.Struct(">8IH")
_MAX_RLE_SEGMENTS = 15


def stated_size(frame: bytes) -> tuple[int, int, int]:
    """Return (H, W, channels) that a JPEG, JPEG-LS or JPEG 2000 stream claims.

    Raises:
        ValueError: no such stream, or one built as only bombs are.
        IndexError, struct.error: a stream that ends within its header.
    """
    if frame.startswith(_START_JPEG):
        return _jpeg_size(frame)
    sizes = set()
    start = frame.find(_START_J2K)
    while start >= 0:
        sizes.add(_j2k_size(frame, start))
        # Behind a wrapper, there is no telling which of several streams a decoder takes.
        start = -1 if frame.startswith(_START_J2K) else frame.find(_START_J2K, start + 1)
    if len(sizes) != 1:
        raise ValueError("no JPEG or JPEG 2000 stream, or several that differ")
    return sizes.pop()


def _jpeg_size(frame: bytes) -> tuple[int, int, int]:
    place = len(_START_JPEG)
    while True:
        if frame[place] != 0xFF:
            raise ValueError("no marker where one has to stand")
        marker = frame[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in (_HIERARCHICAL, _START_OF_SCAN):
            raise ValueError("a scan before its frame, or a hierarchical stream")
        length, _, height, width, channels = struct.unpack_from(">HBHHB", frame, place + 2)
        if marker in _SOF:
            return height, width, channels
        place += 2 + length


def _j2k_size(frame: bytes, start: int) -> tuple[int, int, int]:
    # Behind SOC and SIZ: the segment's length and capabilities, two bytes each.
    right, bottom, left, top, tile_w, tile_h, tiles_left, tiles_top, channels = _SIZ.unpack_from(
        frame, start + len(_START_J2K) + 4
    )
    if not tile_w or not tile_h or right <= left or bottom <= top:
        raise ValueError("a picture or tiles without a size")
    height, width = bottom - top, right - left
    num_tiles = -((tiles_left - right) // tile_w) * -((tiles_top - bottom) // tile_h)
    style = None
    place = start + 2
    while (segment := struct.unpack_from(">HH", frame, place))[0] != _SOT:
        if segment[0] == _COC:
            raise ValueError("a coding style of its own for the only channel")
        if segment[0] == _COD:
            style = frame[place + 4 : place + 2 + segment[1]]
        place += 2 + segment[1]
    if style is None or _num_blocks(style, height, width, num_tiles) > _MAX_BLOCKS:
        raise ValueError("more parts than any film has")
    _require_one_style(frame, place)
    return height, width, channels


def _num_blocks(style: bytes, height: int, width: int, num_tiles: int) -> int:
    """Return about how many precincts and code blocks a decoder makes room for at once.

    Args:
        style: a coding style (COD, ISO/IEC 15444-1 A.6.1), behind its length.
    """
    num_levels, block_w, block_h = style[5], style[6] + 2, style[7] + 2
    has_precincts = style[0] & 1
    total = 0
    for level in range(num_levels + 1):
        precinct = style[10 + level] if has_precincts else 0xFF
        part_w, part_h = precinct & 15, precinct >> 4
        shift = num_levels - level
        level_w, level_h = -(-width >> shift), -(-height >> shift)
        total += -(-level_w >> part_w) * -(-level_h >> part_h)
        # Above the lowest level, a precinct covers half of it in each band.
        is_split = int(level > 0)
        exponent = min(block_w, part_w - is_split) + min(block_h, part_h - is_split)
        total += level_w * level_h >> max(exponent, 0)
    return total + num_tiles * (num_levels + 1)


def _require_one_style(frame: bytes, place: int) -> None:
    """Refuse tiles that change the coding style, which would escape `_num_blocks`."""
    while frame[place : place + 2] == _SOT.to_bytes(2):
        (length,) = struct.unpack_from(">I", frame, place + 6)
        inner = place + 12
        while (segment := struct.unpack_from(">HH", frame, inner))[0] != _SOD:
            if segment[0] in (_COD, _COC):
                raise ValueError("a tile with a coding style of its own")
            inner += 2 + segment[1]
        if length < 14:
            # 0: the last part, which takes all the rest.
            return
        place += length


def decode_rle(frame: bytes, size: tuple[int, int], num_bytes: int) -> Array:
    """Return (H, W) uint8 or uint16 of an RLE Lossless frame of one channel (PS3.5 annex G).

    pydicom's decoder unpacks whatever there is; here, no segment grows beyond the picture.

    Args:
        num_bytes: of a pixel, 1 or 2.

    Raises:
        ValueError: another number of segments, or less in one than the picture needs.
        struct.error: a frame that ends within its header.
    """
    num_segments, *offsets = struct.unpack_from(f"<{1 + _MAX_RLE_SEGMENTS}I", frame)
    if num_segments != num_bytes:
        raise ValueError(f"{num_segments} segments for {num_bytes} bytes")
    height, width = size
    pixels = np.zeros((height, width), np.uint16 if num_bytes == 2 else np.uint8)
    stops = [*offsets[1:num_segments], len(frame)]
    for start, stop in zip(offsets[:num_segments], stops, strict=True):
        # The most significant byte comes first. As one row: some encoders let runs cross rows.
        plane = PIL.Image.frombytes("L", (height * width, 1), frame[start:stop], "packbits", "L")
        if num_bytes == 2:
            pixels <<= np.uint16(8)
        pixels |= np.asarray(plane).reshape(size)
    return pixels
