"""Every format and mode against the pixels it came from, every refusal against its words."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ExifTags, ImageFile

from explain_core.errors import ImageError
from explain_core.images import reading
from explain_core.images.reading import image_from_pixels, read_image

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


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.fixture
def gray(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rgb[..., 0])


@pytest.fixture
def deep() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 65536, (5, 7), dtype=np.uint16)


# Formats and modes


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_colour_is_kept(rgb: np.ndarray, file_format: str) -> None:
    image = read_image(encode(rgb, file_format))
    np.testing.assert_array_equal(image.pixels, rgb)
    assert (image.kind, image.white, image.notes, image.spacing_mm) == ("rgb", 255, (), None)


def test_pgm_as_text_is_read_past_its_comments() -> None:
    image = read_image(b"P2 # made by hand\n3 1\n# white: 255\n255\n0 7 # dark\n255\n")
    np.testing.assert_array_equal(image.pixels, [[0, 7, 255]])


def test_comments_in_pgm_take_no_time() -> None:
    """Half a million comments took Pillow minutes."""
    image = read_image(b"P2 2 1 255 " + b"#\n" * 500_000 + b"9 8\n")
    np.testing.assert_array_equal(image.pixels, [[9, 8]])


def test_lossless_webp_is_kept(rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(read_image(encode(rgb, "WEBP", lossless=True)).pixels, rgb)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_8_bit_gray_stays_gray(gray: np.ndarray, file_format: str) -> None:
    image = read_image(encode(gray, file_format))
    np.testing.assert_array_equal(image.pixels, gray)
    assert (image.kind, image.white, image.pixels.dtype) == ("gray", 255, np.uint8)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
def test_lossy_pictures_come_close(file_format: str) -> None:
    ramp = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 48, axis=0)
    ramp = np.concatenate([ramp, ramp[:, ::-1], ramp], axis=2)
    image = read_image(encode(ramp, file_format, quality=95))
    assert image.pixels.shape == (48, 64, 3)
    assert np.abs(image.pixels.astype(int) - ramp).mean() < 4


def test_gray_jpeg_stays_gray() -> None:
    image = read_image(encode(np.full((9, 4), 90, np.uint8), "JPEG"))
    assert image.kind == "gray"
    assert np.abs(image.pixels.astype(int) - 90).max() <= 1


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_keeps_its_depth(deep: np.ndarray, file_format: str) -> None:
    image = read_image(encode(deep, file_format))
    np.testing.assert_array_equal(image.pixels, deep)
    assert (image.kind, image.pixels.dtype, image.white) == ("gray", np.uint16, 65535)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_16_bit_tiff_keeps_its_depth(deep: np.ndarray, compression: str) -> None:
    data = encode(deep, "TIFF", compression=compression)
    np.testing.assert_array_equal(read_image(data).pixels, deep)


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_tiff_of_either_byte_order(deep: np.ndarray, order: str) -> None:
    image = read_image(tiff(deep, photometric=1, order=order))
    np.testing.assert_array_equal(image.pixels, deep)
    assert image.pixels.dtype.isnative


def test_byte_order_of_the_file_does_not_change_the_digest(deep: np.ndarray) -> None:
    digests = {read_image(tiff(deep, 1, order)).digest for order in "<>"}
    assert digests == {read_image(encode(deep, "PNG")).digest}


@pytest.mark.parametrize(
    ("brightest", "white"),
    [(0, 255), (255, 255), (256, 1023), (1023, 1023), (1024, 4095), (4096, 16383), (16384, 65535)],
)
def test_white_is_the_smallest_depth_that_holds_the_picture(brightest: int, white: int) -> None:
    pixels = np.array([[0, brightest]], np.uint16)
    assert read_image(encode(pixels, "PNG")).white == white


@pytest.mark.parametrize(
    ("dtype", "order"),
    [(np.uint32, "<"), (np.int32, "<"), (np.int32, ">"), (np.int16, "<"), (np.int16, ">")],
)
def test_wide_integers_that_fit_16_bits_are_read(dtype: type, order: str) -> None:
    pixels = np.array([[0, 1, 2], [300, 4000, 32767]], dtype)
    is_signed = np.issubdtype(dtype, np.signedinteger)
    image = read_image(tiff(pixels, 1, order, sample_format=2 if is_signed else 1))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.pixels.dtype, image.white) == (np.uint16, 65535)


def test_8_bit_min_is_white_is_turned_round(gray: np.ndarray) -> None:
    np.testing.assert_array_equal(read_image(tiff(gray, photometric=0)).pixels, 255 - gray)


def test_16_bit_min_is_white_is_turned_round_within_its_bits() -> None:
    """Test the Departure of `read_image`."""
    pixels = np.array([[0, 1000, 4000]], np.uint16)
    image = read_image(tiff(pixels, photometric=0))
    np.testing.assert_array_equal(image.pixels, [[4095, 3095, 95]])
    assert image.white == 4095


def test_compressed_16_bit_min_is_white_is_turned_round(deep: np.ndarray) -> None:
    deep[0, 0] = 65535
    min_is_black, min_is_white = (struct.pack("<HHIHH", 262, 3, 1, kind, 0) for kind in (1, 0))
    data = encode(deep, "TIFF", compression="tiff_lzw")
    assert data.count(min_is_black) == 1
    image = read_image(data.replace(min_is_black, min_is_white))
    np.testing.assert_array_equal(image.pixels, 65535 - deep)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_1_bit_becomes_black_and_white(gray: np.ndarray, file_format: str) -> None:
    bits = gray > 127
    image = read_image(encode(bits, file_format))
    np.testing.assert_array_equal(image.pixels, np.where(bits, 255, 0))
    assert (image.kind, image.pixels.dtype) == ("gray", np.uint8)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "GIF"])
def test_palette_becomes_rgb(rgb: np.ndarray, file_format: str) -> None:
    picture = PIL.Image.fromarray(rgb).quantize(16)
    image = read_image(encode(picture, file_format))
    np.testing.assert_array_equal(image.pixels, np.asarray(picture.convert("RGB")))
    assert image.kind == "rgb"


def test_a_gray_palette_becomes_rgb_too(gray: np.ndarray) -> None:
    image = read_image(encode(gray, "GIF"))
    np.testing.assert_array_equal(image.pixels, np.dstack([gray] * 3))


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_entry_becomes_white(file_format: str) -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image = read_image(encode(picture, file_format, transparency=1))
    white, first, last = [255] * 3, [10, 20, 30], [70, 80, 90]
    np.testing.assert_array_equal(image.pixels, [[first, white], [last, white]])
    assert image.notes == ("transparent parts shown on white",)


def test_half_transparent_palette_entry_is_mixed_with_white() -> None:
    picture = PIL.Image.fromarray(np.array([[0, 1]], np.uint8))
    picture.putpalette([0, 0, 0, 100, 100, 100])
    image = read_image(encode(picture, "PNG", transparency=bytes([51, 255])))
    np.testing.assert_array_equal(image.pixels, [[[204] * 3, [100] * 3]])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_laid_on_white(rgb: np.ndarray, file_format: str) -> None:
    alpha = np.linspace(0, 255, 35).astype(np.uint8).reshape(5, 7)
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    image = read_image(encode(np.dstack([rgb, alpha]), file_format, **options))
    share = alpha[..., None] / 255
    expected = rgb * share + 255 * (1 - share)
    np.testing.assert_allclose(image.pixels, expected, atol=0.5 + 1e-9)
    assert image.notes == ("transparent parts shown on white",)


def test_opaque_alpha_leaves_no_note(rgb: np.ndarray) -> None:
    image = read_image(encode(np.dstack([rgb, np.full((5, 7), 255, np.uint8)]), "PNG"))
    np.testing.assert_array_equal(image.pixels, rgb)
    assert image.notes == ()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_gray_with_alpha_stays_gray(file_format: str) -> None:
    both = np.array([[[0, 255], [0, 0], [100, 51]]], np.uint8)
    image = read_image(encode(both, file_format))
    np.testing.assert_array_equal(image.pixels, [[0, 255, 224]])
    assert image.kind == "gray"


def test_transparent_gray_value_becomes_white() -> None:
    gray = np.array([[0, 7, 9]], np.uint8)
    np.testing.assert_array_equal(
        read_image(encode(gray, "PNG", transparency=7)).pixels, [[0, 255, 9]]
    )


def test_transparent_16_bit_gray_value_becomes_the_white_of_the_rest() -> None:
    deep = np.array([[0, 5000, 4000]], np.uint16)
    image = read_image(encode(deep, "PNG", transparency=5000))
    np.testing.assert_array_equal(image.pixels, [[0, 4095, 4000]])
    assert (image.white, image.notes) == (4095, ("transparent parts shown on white",))


def test_16_bit_gray_with_alpha_keeps_its_depth() -> None:
    both = np.array([[[4000, 65535], [300, 65535]], [[9, 0], [1000, 13107]]], ">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in both)
    image = read_image(png(2, 2, 16, 4, rows))
    np.testing.assert_array_equal(image.pixels, [[4000, 300], [4095, 3476]])
    assert (image.kind, image.white) == ("gray", 4095)


def test_16_bit_gray_with_opaque_alpha_is_exact(deep: np.ndarray) -> None:
    both = np.dstack([deep, np.full_like(deep, 65535)]).astype(">u2")
    image = read_image(png(7, 5, 16, 4, b"".join(b"\0" + row.tobytes() for row in both)))
    np.testing.assert_array_equal(image.pixels, deep)
    assert image.notes == ()


def test_16_bit_colour_is_reduced_with_a_note() -> None:
    colour = np.array([[[65535, 0x1234, 255]]], ">u2")
    image = read_image(png(1, 1, 16, 2, b"\0" + colour.tobytes()))
    np.testing.assert_array_equal(image.pixels, [[[255, 0x12, 0]]])
    assert image.notes == ("16 bits a channel reduced to 8",)
    deep_ppm = b"P6 1 1 65535\n" + colour.tobytes()
    assert read_image(deep_ppm).notes == ("16 bits a channel reduced to 8",)


def test_a_bmp_of_16_bits_a_pixel_loses_nothing() -> None:
    fields = (40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0, 0xF800, 0x7E0, 0x1F)
    data = b"BM" + struct.pack("<IHHI", 70, 0, 0, 66) + struct.pack("<IiiHHIIiiIIIII", *fields)
    image = read_image(data + struct.pack("<HH", 0xF81F, 0))
    np.testing.assert_array_equal(image.pixels, [[[255, 0, 255]]])
    assert image.notes == ()


@pytest.mark.parametrize("file_format", ["TIFF", "JPEG"])
def test_cmyk_becomes_rgb(file_format: str) -> None:
    """Pillow writes JPEG as Adobe does: inverted."""
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, :16, 0] = inks[:, 16:32, 3] = 255
    image = read_image(encode(PIL.Image.fromarray(inks, "CMYK"), file_format))
    centres = image.pixels[8, [8, 24, 40]].astype(int)
    np.testing.assert_allclose(centres, [[0, 255, 255], [0, 0, 0], [255] * 3], atol=3)


def test_ycbcr_tiff_becomes_rgb(rgb: np.ndarray) -> None:
    image = read_image(encode(rgb, "TIFF", "YCbCr"))
    np.testing.assert_allclose(image.pixels.astype(int), rgb, atol=3)


def test_lab_tiff_becomes_rgb() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [200, 40, 40], [40, 90, 200]]], np.uint8)
    image = read_image(encode(colours, "TIFF", "LAB"))
    np.testing.assert_allclose(image.pixels.astype(int), colours, atol=6)


def test_many_bands_equal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = np.random.default_rng(3).integers(0, 256, (37, 11, 4), dtype=np.uint8)
    whole = read_image(encode(rgba, "PNG"))
    monkeypatch.setattr(reading, "_BAND_PIXELS", 30)
    assert read_image(encode(rgba, "PNG")).digest == whole.digest


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (33, 2)])
def test_sizes_are_height_first(height: int, width: int) -> None:
    pixels = np.zeros((height, width), np.uint8)
    assert read_image(encode(pixels, "PNG")).size == (height, width)


def test_a_whole_film_keeps_its_depth() -> None:
    film = np.random.default_rng(2).integers(0, 4096, (3000, 2500), dtype=np.uint16)
    image = read_image(encode(film, "PNG", compress_level=1))
    np.testing.assert_array_equal(image.pixels, film)
    assert image.white == 4095


# Orientation


def orient(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return how a camera stores `upright`: written from the EXIF table, not by turning.

    Row 0 and column 0 of what is stored are: 1 top left, 2 top right, 3 bottom right, 4 bottom
    left, 5 left top, 6 right top, 7 right bottom, 8 left bottom.
    """
    height, width = upright.shape[:2]
    shape = (height, width) if orientation < 5 else (width, height)
    stored = np.empty(shape + upright.shape[2:], upright.dtype)
    for row in range(shape[0]):
        for column in range(shape[1]):
            y, x = (row, column) if orientation < 5 else (column, row)
            if orientation in (3, 4, 7, 8):
                y = height - 1 - y
            if orientation in (2, 3, 6, 7):
                x = width - 1 - x
            stored[row, column] = upright[y, x]
    return stored


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_undone(rgb: np.ndarray, orientation: int, file_format: str) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    image = read_image(encode(orient(rgb, orientation), file_format, exif=exif, **options))
    np.testing.assert_array_equal(image.pixels, rgb)
    assert image.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_a_jpeg_is_undone(orientation: int) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :16] = 255
    upright[16:, :16] = 128
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    image = read_image(encode(orient(upright, orientation), "JPEG", exif=exif))
    np.testing.assert_allclose(image.pixels.astype(int), upright, atol=3)


@pytest.mark.parametrize("orientation", [2, 5, 6, 8])
def test_exif_orientation_of_16_bit_gray_is_undone(deep: np.ndarray, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    for file_format in ("PNG", "TIFF"):
        image = read_image(encode(orient(deep, orientation), file_format, exif=exif))
        np.testing.assert_array_equal(image.pixels, deep)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense"]
)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_broken_exif_is_ignored(rgb: np.ndarray, exif: bytes, file_format: str) -> None:
    assert read_image(encode(rgb, file_format, exif=exif)).size == (5, 7)


def test_exif_that_trips_the_jpeg_header_is_ignored(gray: np.ndarray) -> None:
    """A resolution of type BYTE makes Pillow index past its end while it opens the file."""
    entries = struct.pack("<HHII", 0x011A, 7, 1, 1) + struct.pack("<HHII", 0x0128, 3, 1, 2)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    data = encode(gray, "JPEG", exif=exif)
    with pytest.raises(PIL.UnidentifiedImageError, match="cannot identify"):
        PIL.Image.open(io.BytesIO(data))
    assert read_image(data).size == (5, 7)


# Frames


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "PNG", "WEBP", "MPO"])
def test_first_frame_is_read_and_the_rest_noted(file_format: str) -> None:
    frames = [PIL.Image.new("RGB", (16, 8), colour) for colour in ("red", "lime", "blue", "white")]
    options: dict[str, Any] = {"lossless": True} if file_format == "WEBP" else {}
    data = encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    image = read_image(data)
    assert image.notes == ("first of 4 frames",)
    np.testing.assert_allclose(image.pixels[4, 8].astype(int), [255, 0, 0], atol=2)


def test_pages_are_not_counted_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MAX_COUNTED_FRAMES", 3)
    pages = [PIL.Image.new("L", (2, 2), shade) for shade in range(6)]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    image = read_image(data)
    assert image.notes == ("first of at least 3 frames",)
    np.testing.assert_array_equal(image.pixels, np.zeros((2, 2)))


# Sources


def test_path_bytes_and_stream_give_the_same(rgb: np.ndarray, tmp_path: Path) -> None:
    data = encode(rgb, "PNG")
    path = tmp_path / "film.png"
    path.write_bytes(data)
    with path.open("rb") as stream:
        images = [read_image(source) for source in (data, path, str(path), stream, bytearray(data))]
    assert len({image.digest for image in images}) == 1


def test_an_upload_that_stands_at_its_end_is_read_again(rgb: np.ndarray) -> None:
    upload = io.BytesIO(encode(rgb, "PNG"))
    assert read_image(upload).digest == read_image(upload).digest


def test_a_wrong_suffix_does_not_matter(rgb: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    path.write_bytes(encode(rgb, "PNG"))
    np.testing.assert_array_equal(read_image(path).pixels, rgb)


def test_eight_threads_read_the_same(rgb: np.ndarray, deep: np.ndarray) -> None:
    files = [encode(rgb, "PNG"), encode(deep, "TIFF"), encode(rgb, "GIF"), warning_tiff(rgb)] * 20
    alone = [read_image(data).digest for data in files[:4]] * 20
    with ThreadPoolExecutor(8) as pool:
        assert [image.digest for image in pool.map(read_image, files)] == alone


def test_one_path_in_a_fresh_process_by_eight_threads(rgb: np.ndarray, tmp_path: Path) -> None:
    """Pillow loads its plugins on the first call, here by eight threads at once."""
    path = tmp_path / "film.webp"
    path.write_bytes(encode(rgb, "WEBP", lossless=True))
    code = (
        "import sys, warnings\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from explain_core.images.reading import read_image\n"
        "warnings.simplefilter('error')\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    print(len({i.digest for i in pool.map(read_image, [sys.argv[1]] * 8)}))\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr


# Warnings


def warning_tiff(pixels: np.ndarray) -> bytes:
    """Return a TIFF that Pillow opens with a UserWarning: a tag's data lie outside the file."""
    picture = tiff(pixels, photometric=2)
    count = struct.unpack_from("<H", picture, 8 + pixels.nbytes)[0]
    start = 10 + pixels.nbytes
    entries = picture[start : start + 12 * count] + struct.pack("<HHII", 700, 1, 10**6, 10**6)
    return picture[: start - 2] + struct.pack("<H", count + 1) + entries + bytes(4)


def test_warnings_of_pillow_do_not_leak(rgb: np.ndarray) -> None:
    data = warning_tiff(rgb)
    with pytest.raises(UserWarning, match="Tag data larger"):
        PIL.Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(read_image(data).pixels, rgb)


def test_filters_are_as_before_after_reading(rgb: np.ndarray) -> None:
    before = list(warnings.filters)
    read_image(warning_tiff(rgb))
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(encode(rgb, "PNG")[:60])
    assert list(warnings.filters) == before


def test_other_warnings_are_seen_while_a_thread_reads(rgb: np.ndarray) -> None:
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with reading._SILENCE:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    try:
        with pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
    finally:
        leave.set()
        thread.join()


# Digest and pixels in hand


def test_digest_is_of_shape_depth_white_and_pixels(rgb: np.ndarray) -> None:
    image = image_from_pixels(rgb)
    expected = hashlib.sha256(b"(5, 7, 3) uint8 255 " + rgb.tobytes()).hexdigest()
    assert image.digest == expected


def test_digest_tells_pictures_apart() -> None:
    pixels = np.zeros((2, 6), np.uint8)
    different = [
        image_from_pixels(pixels),
        image_from_pixels(pixels.reshape(6, 2)),
        image_from_pixels(pixels.reshape(2, 2, 3)),
        image_from_pixels(pixels.astype(np.uint16)),
        image_from_pixels(pixels, white=200),
        image_from_pixels(pixels + np.uint8(1)),
    ]
    assert len({image.digest for image in different}) == len(different)


def test_the_same_picture_in_another_file_has_the_same_digest(rgb: np.ndarray) -> None:
    digests = {read_image(encode(rgb, name)).digest for name in ("PNG", "BMP", "TIFF", "PPM")}
    assert digests == {image_from_pixels(rgb).digest}


def test_pixels_in_hand_are_copied(gray: np.ndarray) -> None:
    image = image_from_pixels(gray)
    gray[0, 0] ^= 255
    assert image.pixels[0, 0] != gray[0, 0]


def test_pixels_are_read_only(gray: np.ndarray) -> None:
    for image in (image_from_pixels(gray), read_image(encode(gray, "PNG"))):
        with pytest.raises(ValueError, match="read-only"):
            image.pixels[0, 0] = 1
    assert gray.flags.writeable


def test_foreign_byte_order_and_strides_are_accepted(deep: np.ndarray) -> None:
    image = image_from_pixels(deep.astype(">u2")[:, ::-1], notes=["a"], spacing_mm=(0.5, 0.25))
    np.testing.assert_array_equal(image.pixels, deep[:, ::-1])
    assert (image.notes, image.spacing_mm) == (("a",), (0.5, 0.25))
    assert image.digest == image_from_pixels(deep[:, ::-1]).digest


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((2, 2)), "uint8 or uint16 .got float64"),
        (np.zeros((2, 2), bool), "uint8 or uint16 .got bool"),
        ([[1, 2]], "uint8 or uint16 .got list"),
        (np.zeros((2, 2, 4), np.uint8), r"shape .* \(got \(2, 2, 4\)\)"),
        (np.zeros((2,), np.uint8), r"shape .* \(got \(2,\)\)"),
        (np.zeros((0, 2), np.uint8), r"shape .* \(got \(0, 2\)\)"),
    ],
)
def test_other_pixels_are_refused(pixels: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        image_from_pixels(pixels)


def test_white_outside_the_depth_is_refused(gray: np.ndarray) -> None:
    with pytest.raises(ImageError, match="white must lie between 1 and 255"):
        image_from_pixels(gray, white=256)
    with pytest.raises(ImageError, match="white must lie between 1 and 255"):
        image_from_pixels(gray, white=0)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, float("nan"))])
def test_impossible_spacing_is_refused(gray: np.ndarray, spacing: tuple[float, float]) -> None:
    with pytest.raises(ImageError, match="spacing_mm must be two positive"):
        image_from_pixels(gray, spacing_mm=spacing)


# Refusals


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"the file is empty \(0 bytes\); choose a picture"),
        (b"hello, I am no picture", "not a picture of a known format; choose one in PNG"),
        (bytes(128) + b"DICM" + bytes(99), "DICOM films are not read yet; export the film as PNG"),
        (b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", "DICOM films are not read yet"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "format AVIF, which is not read here; save it as PNG"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "format HEIC"),
        (b"%PDF-1.7\n", "format PDF"),
        (b"Pf\n2 2\n-1.0\n" + bytes(16), "format PFM"),
        (b"\x89PNG\r\n\x1a\n", "looks like PNG but cannot be read: it is damaged, cut short"),
        (b"BM", "looks like BMP but cannot be read"),
        (b"II*\0\x08\0\0\0", "looks like TIFF but cannot be read"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "looks like WEBP but cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(data)


def test_a_tiff_in_the_preamble_does_not_hide_a_dicom(gray: np.ndarray) -> None:
    data = bytearray(encode(np.zeros((40, 40), np.uint8), "TIFF"))
    data[128:132] = b"DICM"
    with pytest.raises(ImageError, match="is a DICOM file"):
        read_image(bytes(data))


def test_the_dicom_suffix_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "scan.DCM"
    path.write_bytes(b"anything")
    with pytest.raises(ImageError, match=r"'.*scan\.DCM' is a DICOM file"):
        read_image(path)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_files_are_refused(file_format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    data = encode(noise, file_format)
    with pytest.raises(ImageError, match="cannot be read: it is damaged, cut short"):
        read_image(data[: int(len(data) * share)])


def test_truncated_pictures_stay_refused() -> None:
    """Reading is strict whatever others set; we never set it ourselves."""
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0)])
def test_pictures_without_pixels_are_refused(width: int, height: int) -> None:
    with pytest.raises(ImageError, match="without pixels"):
        read_image(png(width, height, 8, 0, b""))


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (10_000, 10_000), (60_000, 60_000)])
def test_too_many_pixels_are_refused_by_the_header(width: int, height: int) -> None:
    """8001 x 8000 passes Pillow, 10,000 squared makes it warn, 60,000 squared makes it raise."""
    with pytest.raises(ImageError, match="64 megapixels"):
        read_image(png(width, height, 8, 0, b""))


def test_the_pixel_limit_is_not_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match=r"60000 x 60000 pixels \(3600 megapixels\)"):
        read_image(png(60_000, 60_000, 8, 0, b""))


def test_the_largest_picture_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 12)
    assert read_image(encode(np.zeros((3, 4), np.uint8), "PNG")).size == (3, 4)
    with pytest.raises(ImageError, match="13 x 1 pixels"):
        read_image(encode(np.zeros((1, 13), np.uint8), "PNG"))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    path = tmp_path / "film.bmp"
    path.write_bytes(b"BM" + bytes(2**20))
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(ImageError, match="at most 1 MB are read"):
            read_image(source)


def test_a_large_file_is_not_read_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ImageError, match="takes 1048576 MB; at most 64 MB"):
        read_image(path)


def test_an_endless_stream_is_read_to_the_limit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        num_read = 0

        def read(self, size: int = -1) -> bytes:
            self.num_read += size
            return b"\x89" * size

    monkeypatch.setattr(reading, "MAX_BYTES", 5 * 2**20)
    stream: Any = Endless()
    with pytest.raises(ImageError, match="takes more than 5 MB"):
        read_image(stream)
    assert stream.num_read == 5 * 2**20 + 1


def test_text_bombs_are_refused() -> None:
    bomb = b"Comment\0\0" + zlib.compress(bytes(2**21))
    with pytest.raises(ImageError, match="looks like PNG but cannot be read"):
        read_image(png(1, 1, 8, 0, b"\0\0", (b"zTXt", bomb)))


@pytest.mark.parametrize(
    ("pixels", "sample_format", "words"),
    [
        (np.array([[0.5, 1.0]], np.float32), 3, "has fractional .*8- or 16-bit PNG or TIFF"),
        (np.array([[0, 65536]], np.int32), 2, "has pixels up to 65536; .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int32), 2, "has negative .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int16), 2, "has negative .*8- or 16-bit"),
        (np.array([[-1, 5]], np.int8), 2, "has negative .*8- or 16-bit"),
        (np.array([[2**32 - 1, 5]], np.uint32), 1, "has negative or very large .*8- or 16-bit"),
        (np.array([[0.5, 1.0]], np.float64), 3, "unusual kind; .*8- or 16-bit"),
    ],
)
def test_values_beyond_16_bits_are_refused(
    pixels: np.ndarray, sample_format: int, words: str
) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(tiff(pixels, photometric=1, sample_format=sample_format))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"there is no file '.*nothing\.png'; check the path"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="is a folder; name one picture in it"):
        read_image(str(tmp_path))
    with pytest.raises(ImageError, match="cannot be opened"):
        read_image("a\0b.png")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (7, r"source must be a path, bytes or a stream .*\(got int\)"),
        (io.StringIO("text"), "opened as bytes, not as text; open it with 'rb'"),
    ],
)
def test_other_sources_are_refused(source: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        read_image(source)


def test_a_closed_stream_is_refused() -> None:
    stream = io.BytesIO(b"x")
    stream.close()
    with pytest.raises(ImageError, match=r"cannot be read from its stream \(ValueError\)"):
        read_image(stream)


def test_only_a_path_is_named(tmp_path: Path) -> None:
    path = tmp_path / "jane-doe.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError, match=r"jane-doe\.png' looks like PNG"):
        read_image(path)
    with path.open("rb") as stream, pytest.raises(ImageError, match=r"^the file looks") as caught:
        read_image(stream)
    assert "jane" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_damaged_bytes_raise_nothing_else() -> None:
    """Damage files at random places; a fixed seed makes every run the same."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    seeds = [encode(noise, name, exif=exif) for name in ("JPEG", "PNG", "WEBP", "TIFF")]
    seeds += [encode(noise, name) for name in ("BMP", "GIF", "PPM")]
    seeds += [encode(noise, "TIFF", compression="tiff_lzw"), encode(noise, "TIFF", "LAB")]
    for run in range(600):
        data = bytearray(seeds[run % len(seeds)])
        for _ in range(int(rng.integers(1, 5))):
            data[int(rng.integers(2, min(len(data), 400)))] = int(rng.integers(256))
        try:
            image = read_image(bytes(data))
        except ImageError:
            continue
        assert image.pixels.dtype in (np.uint8, np.uint16)


# The collection of bad inputs


def bad_inputs() -> list[Any]:
    if not MANIFEST.exists():
        reason = f"no collection of bad inputs at {MANIFEST}; set WHYNOT_DATA"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    files = json.loads(MANIFEST.read_text())["files"]
    return [pytest.param(entry, id=Path(entry["file"]).name[:40]) for entry in files]


@pytest.mark.parametrize("entry", bad_inputs())
def test_bad_input_opens_or_is_refused(entry: dict[str, Any]) -> None:
    path = BAD_INPUTS / entry["file"]
    if path.suffix == ".dcm":
        for source in (path, path.read_bytes()):
            with pytest.raises(ImageError, match="DICOM films are not read yet; export the film"):
                read_image(source)
    elif entry["should"] == "open":
        width, height = entry["pil"]["size"]
        assert read_image(path).size == (height, width)
        assert read_image(path.read_bytes()).digest == read_image(path).digest
    elif entry["should"] == "refuse":
        with pytest.raises(ImageError, match=r"; (save|choose|fetch|scale)|: scale"):
            read_image(path.read_bytes())
    else:
        with contextlib.suppress(ImageError):
            assert read_image(path).pixels.size > 0


@pytest.mark.skipif(not MANIFEST.exists(), reason=f"no collection of bad inputs at {MANIFEST}")
def test_bad_inputs_need_little_memory() -> None:
    code = (
        "import resource, sys, warnings\nfrom pathlib import Path\n"
        "from explain_core.errors import ImageError\n"
        "from explain_core.images.reading import read_image\n"
        "warnings.simplefilter('error')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        read_image(path)\n    except ImageError:\n        pass\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    command = [sys.executable, "-c", code, str(BAD_INPUTS / "files")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300
