"""Orientation, frames, sources, warnings and digests of pictures as they are read."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from explain_core.errors import ImageError
from explain_core.images import reading
from explain_core.images.reading import image_from_pixels, read_image
from tests.core.images.encoding import ORIENTATION, REPOSITORY, encode, tiff

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
