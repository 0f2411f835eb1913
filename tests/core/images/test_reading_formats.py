"""Every format and mode against the pixels it came from."""

from __future__ import annotations

import struct

import numpy as np
import PIL.Image
import pytest

from explain_core.images import reading
from explain_core.images.reading import read_image
from tests.core.images.encoding import encode, png, tiff


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
