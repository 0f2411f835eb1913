"""Broken and hostile DICOM files: a message, no crash, bounded memory."""

from __future__ import annotations

import io
import resource
import struct
import traceback
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest

from explain_core.errors import ExplainError, ImageError
from explain_core.images import dicom_files
from explain_core.images.dicom import identifying_tags, read_dicom, read_film
from explain_core.images.dicom_codestreams import decode_rle, stated_size
from explain_core.images.reading import MAX_BYTES, read_image
from tests.core.images.dicom_making import encode, film

STORED = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"
COMPRESSED = ("JPGExtended.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm")


def deflated(made: pydicom.Dataset, content: bytes | None = None) -> bytes:
    """Return a deflated file, optionally with other content than its data set."""
    made.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data = encode(made)
    if content is None:
        return data
    (length,) = struct.unpack_from("<I", data, 140)
    packer = zlib.compressobj(wbits=-15)
    return data[: 144 + length] + packer.compress(content) + packer.flush()


def encapsulated(frame: bytes, syntax: str, **elements: object) -> bytes:
    made = film(STORED, **elements)
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].VR = "OB"
    made.PixelData = pydicom.encaps.encapsulate([frame])
    return encode(made)


COD = b"\xff\x52\0\x0c" + bytes([0, 0, 0, 1, 0, 5, 4, 4, 0, 1])


def j2k(*siz: int, precincts: bytes = b"", block: int = 4, in_tile: bytes = b"") -> bytes:
    """Return the headers of a JPEG 2000 stream, by ISO/IEC 15444-1 annex A, without its data."""
    style = bytes([bool(precincts), 0, 0, 1, 0, 5, block, block, 0, 1]) + precincts
    header = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">8IH", *siz) + b"\7\1\1"
    header += b"\xff\x52" + struct.pack(">H", 2 + len(style)) + style
    return header + b"\xff\x90\0\x0a\0\0" + bytes(4) + b"\0\1" + in_tile + b"\xff\x93\0\0"


# Whatever it is called


def test_read_image_knows_a_film_by_its_content(tmp_path: Path) -> None:
    data = encode(film(STORED, bits=12))
    digest = read_dicom(data).digest
    for name in ("film.dcm", "IM000001", "film.png"):
        path = tmp_path / name
        path.write_bytes(data)
        assert read_image(path).digest == digest
    for source in (data, io.BytesIO(data), memoryview(data)):
        image = read_image(source)
        assert (image.digest, image.kind) == (digest, "dicom")


def test_deflated_films_are_inflated() -> None:
    np.testing.assert_array_equal(read_dicom(deflated(film(STORED, bits=12))).pixels, STORED)


# Lies


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"Rows": 60000, "Columns": 60000}, "claims 60000 x 60000 pixels"),
        ({"Rows": 0}, "claims 0 x 60"),
        ({"Rows": 41}, "damaged or cut short"),
        ({"NumberOfFrames": 2}, "damaged or cut short"),
        ({"NumberOfFrames": 10**6}, "claims 1000000 frames"),
        ({"NumberOfFrames": -1}, "claims -1 frames"),
        ({"BitsStored": 0}, "unusual place"),
        ({"BitsStored": 17}, "unusual place"),
        ({"BitsStored": 12, "HighBit": 15}, "unusual place"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 bits a pixel"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "damaged"),
        ({"SamplesPerPixel": 3}, "in colour"),
    ],
)
def test_a_header_that_lies_is_refused(elements: dict[str, object], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_film(encode(film(STORED, **elements)))


@pytest.mark.parametrize("name", ["Rows", "Columns", "BitsStored", "PixelRepresentation"])
def test_a_header_that_lacks_something_is_refused(name: str) -> None:
    made = film(STORED)
    del made[name]
    with pytest.raises(ImageError):
        read_film(encode(made))


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_stream_of_another_size_never_reaches_a_decoder(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pydicom.dcmread(TEST_FILES / name)
    made.Rows += 1
    stream = io.BytesIO()
    made.save_as(stream)
    monkeypatch.setattr(pydicom.pixels, "pixel_array", None)
    with pytest.raises(ImageError, match="but its compressed picture"):
        read_film(stream.getvalue())


def test_sizes_of_streams_are_read() -> None:
    jpeg = bytes.fromhex("ffd8 ffe0 0004 0000 ffc1 000b 0c 0028 003c 01 01 11 00".replace(" ", ""))
    assert stated_size(jpeg) == (40, 60, 1)
    stream = j2k(64, 48, 4, 8, 64, 64, 0, 0, 1)
    assert stated_size(stream) == (40, 60, 1)
    assert stated_size(b"a wrapper" + stream) == (40, 60, 1)
    assert stated_size(j2k(60, 40, 0, 0, 60, 40, 0, 0, 3)) == (40, 60, 3)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"no stream",
        b"\xff\xd8\xff\xde\0\x0b\x08\0\x28\0\x3c\1\1\x11\0",
        b"\xff\xd8\xff\xda\0\x0b\x08\0\x28\0\x3c\1\1\x11\0",
        b"\xff\xd8\xff",
        # Tiles of one pixel or none, precincts and code blocks of a few.
        j2k(8000, 8000, 0, 0, 1, 1, 0, 0, 1),
        j2k(60, 40, 0, 0, 0, 1, 0, 0, 1),
        j2k(0, 40, 60, 0, 60, 40, 0, 0, 1),
        j2k(8000, 8000, 0, 0, 8000, 8000, 0, 0, 1, precincts=b"\x11" * 6),
        j2k(8000, 8000, 0, 0, 8000, 8000, 0, 0, 1, block=0),
        # Sizes that depend on who reads them.
        j2k(60, 40, 0, 0, 60, 40, 0, 0, 1, in_tile=COD),
        j2k(60, 40, 0, 0, 60, 40, 0, 0, 1, in_tile=b"\xff\x53\0\2"),
        b"x" + j2k(60, 40, 0, 0, 60, 40, 0, 0, 1) + j2k(61, 40, 0, 0, 61, 40, 0, 0, 1),
    ],
)
def test_streams_built_like_bombs_have_no_size(stream: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        stated_size(stream)


def test_a_traceback_quotes_nothing_of_the_header() -> None:
    made = film(STORED)
    made.add_new("RescaleSlope", "DS", 1)
    made.add_new("RescaleIntercept", "DS", 77777)
    data = encode(made).replace(b"77777", b"J^DOE")
    with pytest.raises(ImageError, match="damaged") as caught:
        read_film(data)
    assert "DOE" not in "".join(traceback.format_exception(caught.value))


# Bombs


def peak_mb_of(data: bytes) -> float:
    """Return the most memory that Python and NumPy hold while a bomb is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            read_film(data)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_deflate_bombs_stop_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_files, "MAX_INFLATED_BYTES", 2**22)
    bomb = deflated(film(STORED), bytes(2**26))
    assert len(bomb) < 2**20
    with pytest.raises(ImageError, match="unpacks to more than 4 MB"):
        read_film(bomb)
    assert peak_mb_of(bomb) < 20


def test_run_length_bombs_stop_at_the_picture() -> None:
    # Each pair of bytes unpacks to 128: 128 MB, for a picture of 2400 pixels.
    runs = b"\x81\0" * 2**20
    header = struct.pack("<16I", 2, 64, 64 + len(runs), *[0] * 13)
    bomb = encapsulated(header + runs * 2, pydicom.uid.RLELossless)
    tracemalloc.start()
    assert (read_film(bomb).image.pixels == 0).all()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert peak < 40


@pytest.mark.parametrize("num_segments", [0, 1, 3, 16, 2**32 - 1])
def test_wrong_run_length_headers_are_refused(num_segments: int) -> None:
    frame = struct.pack("<16I", num_segments, 64, 70, *[0] * 13) + bytes(20)
    with pytest.raises(ImageError, match="damaged"):
        read_film(encapsulated(frame, pydicom.uid.RLELossless))


def test_run_lengths_may_cross_rows_and_be_padded() -> None:
    segment = bytes([0x100 - 5, 7]) + bytes([2, 1, 2, 3]) + b"\0"
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + segment
    np.testing.assert_array_equal(decode_rle(frame, (3, 3), 1), [[7] * 3, [7] * 3, [1, 2, 3]])


def test_too_many_bytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="takes more than the 64 MB"):
        read_film(path)
    with pytest.raises(ImageError, match="64 MB"):
        read_film(bytes(128) + b"DICM" + bytes(MAX_BYTES))


# Fuzz


def sources() -> list[bytes]:
    plain = film(
        STORED,
        WindowCenter=200,
        WindowWidth=201,
        PixelSpacing=[0.1, 0.1],
        RescaleSlope=2,
        RescaleIntercept=-1,
    )
    packed = [(TEST_FILES / name).read_bytes() for name in (*COMPRESSED, "MR_small_RLE.dcm")]
    return [encode(plain), deflated(film(STORED)), *packed]


def test_two_hundred_damaged_files_give_a_picture_or_a_message() -> None:
    rng = np.random.default_rng(0)
    whole = sources()
    messages = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for turn in range(200):
        broken = bytearray(whole[turn % len(whole)])
        if turn % 5 == 0:
            del broken[rng.integers(132, len(broken)) :]
        # Where headers and the beginnings of streams are, more often than elsewhere.
        reach = len(broken) if turn % 2 else min(len(broken), 2000)
        for place in rng.integers(132, max(133, reach), 6):
            if place < len(broken):
                broken[place] = rng.integers(256)
        try:
            read_film(bytes(broken))
            identifying_tags(bytes(broken))
        except ExplainError as error:
            messages.append(str(error))
    assert 20 < len(messages) < 200
    assert all(message.startswith("the file") for message in messages)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024
