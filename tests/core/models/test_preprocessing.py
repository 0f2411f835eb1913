"""From a picture to the input and back: against torchvision's own transforms and known places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image as PillowImage
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.v2 import InterpolationMode

from explain_core.errors import ImageError, InputError
from explain_core.images.reading import image_from_pixels
from explain_core.models.preprocessing import Preprocessing, geometry, normalise, to_pixels
from explain_core.types import Array

GRAY_LEVEL = 1 / 255
NO_MEAN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def photo(height: int, width: int, seed: int = 0) -> Array:
    """Give (H, W, 3) uint8 with edges and gradients of several sizes, like a photo."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3))
    for channel in range(3):
        for period in (5.0, 17.0, 80.0):
            angle, phase = rng.uniform(0, 2 * math.pi, 2)
            along = rows * math.sin(angle) + columns * math.cos(angle)
            pixels[..., channel] += np.sin(2 * math.pi * along / period + phase)
    pixels[height // 3 : height // 2, width // 4 : width // 2] += 2
    return (255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8)


def preset_pixels(preset: ImageClassification, pixels: Array) -> Array:
    """Give (3, H, W) in [0, 1]: what torchvision makes of a PIL image, before it normalises."""
    values = preset(PillowImage.fromarray(pixels)).numpy()
    mean, std = (np.array(part)[:, None, None] for part in (preset.mean, preset.std))
    return values * std + mean


# ---- against torchvision -------------------------------------------------------------------

SIZES = [(256, 256), (375, 500), (500, 375), (301, 1000), (1000, 301), (97, 101), (225, 224)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_crop_is_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    preset = ImageClassification(
        crop_size=224, resize_size=236, interpolation=InterpolationMode(interpolation)
    )
    pixels = photo(*size)
    ours = to_pixels(
        Preprocessing(resize_px=236, interpolation=interpolation), image_from_pixels(pixels)
    )
    theirs = preset_pixels(preset, pixels)
    assert ours.shape == (1, 3, 224, 224)
    assert np.abs(ours[0].numpy() - theirs).max() <= 2.01 * GRAY_LEVEL


@pytest.mark.parametrize("name", ["resnet50", "swin_t", "efficientnet_v2_l"])
def test_normalised_input_is_that_of_the_published_weights(name: str) -> None:
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    preprocessing = Preprocessing(
        size=(preset.crop_size[0], preset.crop_size[0]),
        resize_px=preset.resize_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )
    pixels = photo(333, 421)
    ours = normalise(preprocessing, to_pixels(preprocessing, image_from_pixels(pixels)))[0]
    theirs = preset(PillowImage.fromarray(pixels))
    assert (ours - theirs).abs().max() <= 2.01 * GRAY_LEVEL / min(preset.std)


def test_stretch_is_a_plain_resize() -> None:
    pixels = photo(120, 333)
    preprocessing = Preprocessing(size=(60, 80), fit="stretch", **NO_MEAN)
    resized = PillowImage.fromarray(pixels).resize((80, 60), PillowImage.Resampling.BILINEAR)
    ours = to_pixels(preprocessing, image_from_pixels(pixels))[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - np.array(resized) / 255).max() <= 2.01 * GRAY_LEVEL


@pytest.mark.parametrize(
    ("original", "inner"),
    [((200, 100), (60, 30)), ((100, 200), (40, 80)), ((50, 60), (60, 72)), ((31, 500), (5, 80))],
    ids=str,
)
def test_letterbox_shows_the_whole_picture_in_the_middle(
    original: tuple[int, int], inner: tuple[int, int]
) -> None:
    pixels = photo(*original)
    preprocessing = Preprocessing(size=(60, 80), fit="letterbox", mean=(0.1, 0.2, 0.3))
    ours = to_pixels(preprocessing, image_from_pixels(pixels))[0].permute(1, 2, 0).numpy()
    resized = PillowImage.fromarray(pixels).resize(inner[::-1], PillowImage.Resampling.BILINEAR)
    top, left = (60 - inner[0]) // 2, (80 - inner[1]) // 2
    expected = np.broadcast_to(np.array([0.1, 0.2, 0.3]), (60, 80, 3)).copy()
    expected[top : top + inner[0], left : left + inner[1]] = np.array(resized) / 255
    assert np.abs(ours - expected).max() <= 2.01 * GRAY_LEVEL


def test_crop_larger_than_the_resized_picture_has_a_border() -> None:
    preprocessing = Preprocessing(size=(80, 80), resize_px=40, mean=(0.5,), std=(1.0,))
    white = image_from_pixels(np.full((40, 60), 255, np.uint8))
    ours = to_pixels(preprocessing, white)[0, 0]
    expected = torch.full((80, 80), 0.5)
    expected[20:60, 10:70] = 1.0
    torch.testing.assert_close(ours, expected)


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    preprocessing = Preprocessing(size=(1, 2), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    pixels = torch.tensor([[[[0.5, 1.0]], [[0.5, 0.0]], [[1.0, 0.5]]]])
    expected = torch.tensor([[[[0.0, 1.0]], [[1.0, -1.0]], [[0.5, 0.25]]]])
    torch.testing.assert_close(normalise(preprocessing, pixels), expected)


# ---- there and back ------------------------------------------------------------------------

FITS: list[dict[str, Any]] = [
    {"fit": "crop"},
    {"fit": "crop", "resize_px": 150},
    {"fit": "crop", "resize_px": 72},
    {"fit": "letterbox"},
    {"fit": "stretch"},
    {"fit": "stretch", "resize_px": 108},
]
ORIGINALS = [(300, 420), (420, 300), (301, 301), (211, 640)]
INPUT = (96, 128)


@pytest.mark.parametrize("fit", FITS, ids=str)
@pytest.mark.parametrize("original", ORIGINALS, ids=str)
def test_a_square_lands_where_the_geometry_says(
    original: tuple[int, int], fit: dict[str, Any]
) -> None:
    preprocessing = Preprocessing(size=INPUT, mean=(0.0,), std=(1.0,), **fit)
    top, left = original[0] // 2 - 31, original[1] // 2 + 9
    height, width = 40, 28
    pixels = np.zeros(original, np.uint8)
    pixels[top : top + height, left : left + width] = 255
    seen = to_pixels(preprocessing, image_from_pixels(pixels))[0, 0].double().numpy()

    where = geometry(preprocessing, original)
    rows = (np.array([top, top + height])) * where.scale[0] - where.offset_px[0]
    columns = (np.array([left, left + width])) * where.scale[1] - where.offset_px[1]
    assert rows.min() > 1
    assert columns.max() < INPUT[1] - 1
    centre_row = (seen.sum(axis=1) * (np.arange(INPUT[0]) + 0.5)).sum() / seen.sum()
    centre_column = (seen.sum(axis=0) * (np.arange(INPUT[1]) + 0.5)).sum() / seen.sum()
    assert centre_row == pytest.approx(rows.mean(), abs=0.05)
    assert centre_column == pytest.approx(columns.mean(), abs=0.05)
    area = np.diff(rows).item() * np.diff(columns).item()
    assert seen.sum() == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize("fit", FITS, ids=str)
@pytest.mark.parametrize("original", ORIGINALS, ids=str)
def test_a_hot_input_pixel_comes_back_to_its_place(
    original: tuple[int, int], fit: dict[str, Any]
) -> None:
    where = geometry(Preprocessing(size=INPUT, **fit), original)
    values = np.zeros(INPUT, np.float32)
    values[50, 70] = 1
    placed = np.nan_to_num(where.place_on_original(values)).astype(np.float64)
    expected = [
        (centre + offset) / scale
        for centre, offset, scale in zip((50.5, 70.5), where.offset_px, where.scale, strict=True)
    ]
    row = (placed.sum(axis=1) * (np.arange(original[0]) + 0.5)).sum() / placed.sum()
    column = (placed.sum(axis=0) * (np.arange(original[1]) + 0.5)).sum() / placed.sum()
    assert (row, column) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("fit", FITS, ids=str)
@pytest.mark.parametrize("original", ORIGINALS, ids=str)
def test_nan_exactly_outside_the_seen_box(original: tuple[int, int], fit: dict[str, Any]) -> None:
    where = geometry(Preprocessing(size=INPUT, **fit), original)
    top, left, bottom, right = where.seen_box()
    rows, columns = np.arange(original[0]) + 0.5, np.arange(original[1]) + 0.5
    is_seen = ((rows >= top) & (rows <= bottom))[:, None] & ((columns >= left) & (columns <= right))
    placed = where.place_on_original(np.ones(INPUT, np.float32))
    np.testing.assert_array_equal(~np.isnan(placed), is_seen)


def test_a_crop_cuts_the_longer_side_only() -> None:
    where = geometry(Preprocessing(size=(100, 100)), (200, 400))
    assert where.seen_box() == (0, 100, 200, 300)


@pytest.mark.parametrize("original", [*ORIGINALS, (7, 5), (1, 1)], ids=str)
@pytest.mark.parametrize("size", [(96, 128), (128, 96), (64, 64)], ids=str)
def test_a_crop_without_resize_covers_the_input(
    original: tuple[int, int], size: tuple[int, int]
) -> None:
    preprocessing = Preprocessing(size=size, mean=(0.0,), std=(1.0,))
    white = image_from_pixels(np.full(original, 255, np.uint8))
    assert to_pixels(preprocessing, white).min() == 1


@pytest.mark.parametrize(("halves", "first"), [("round", 2), ("truncate", 1)])
def test_where_the_centre_begins_between_two_pixels(halves: Any, first: int) -> None:
    """Three columns to cut off."""
    preprocessing = Preprocessing(size=(8, 8), resize_px=8, halves=halves)
    assert geometry(preprocessing, (8, 11)).offset_px == (0.0, float(first))


@pytest.mark.parametrize("halves", ["round", "truncate"])
def test_a_border_lies_where_the_geometry_says(halves: Any) -> None:
    preprocessing = Preprocessing(size=(9, 8), resize_px=6, halves=halves, border=0.0, **NO_MEAN)
    pixels = to_pixels(preprocessing, image_from_pixels(np.full((6, 6, 3), 255, np.uint8)))
    top, left = geometry(preprocessing, (6, 6)).offset_px
    rows, columns = (pixels[0, 0].amax(dim=axis).nonzero()[0].item() for axis in (1, 0))
    assert (rows, columns) == (-top, -left)


def test_the_centre_of_a_stretched_picture_can_be_cut_out() -> None:
    """As DeiT's image processor of transformers does."""
    pixels = torch.tensor(photo(200, 300)).permute(2, 0, 1)
    stretched = torchvision.transforms.v2.functional.resize(pixels, [80, 120], antialias=True)
    preprocessing = Preprocessing(size=(64, 96), fit="stretch", resize_px=80, **NO_MEAN)
    ours = to_pixels(preprocessing, image_from_pixels(photo(200, 300)))
    np.testing.assert_array_equal(ours[0] * 255, stretched[:, 8:72, 12:108])


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
def test_letterbox_and_stretch_see_everything(fit: Any) -> None:
    where = geometry(Preprocessing(size=(100, 60), fit=fit), (333, 77))
    assert where.seen_box() == (0, 0, 333, 77)


def test_a_photo_comes_back_onto_itself() -> None:
    """A smooth picture that is cropped, then laid back as a map, matches where it was seen."""
    rows, columns = np.mgrid[:300, :400]
    smooth = (127 + 60 * np.sin(rows / 40) + 60 * np.cos(columns / 55)).astype(np.uint8)
    preprocessing = Preprocessing(size=(128, 160), mean=(0.0,), std=(1.0,))
    seen = to_pixels(preprocessing, image_from_pixels(smooth))[0, 0].numpy()
    placed = geometry(preprocessing, smooth.shape).place_on_original(seen)
    gap = np.abs(placed - smooth / 255)
    assert np.nanmax(gap) < 3 * GRAY_LEVEL


# ---- depth, colour, polarity ---------------------------------------------------------------


def test_gray_picture_into_a_colour_model_repeats() -> None:
    gray = photo(90, 70)[..., 0]
    preprocessing = Preprocessing(size=(45, 35))
    ours = to_pixels(preprocessing, image_from_pixels(gray))
    same = to_pixels(preprocessing, image_from_pixels(np.stack([gray] * 3, axis=-1)))
    assert ours.shape == (1, 3, 45, 35)
    torch.testing.assert_close(ours, same, rtol=0, atol=1e-6)


def test_colour_picture_into_a_gray_model_is_its_luma() -> None:
    pixels = photo(45, 35)
    preprocessing = Preprocessing(size=(45, 35), mean=(0.5,), std=(0.5,))
    ours = to_pixels(preprocessing, image_from_pixels(pixels))
    luma = pixels @ np.array([0.299, 0.587, 0.114]) / 255
    assert ours.shape == (1, 1, 45, 35)
    np.testing.assert_allclose(ours[0, 0].numpy(), luma, atol=1e-3)


@pytest.mark.parametrize("white", [1023, 4095, 65535])
def test_deep_pixels_are_scaled_by_white(white: int) -> None:
    deep = np.linspace(0, white, 12 * 8).round().astype(np.uint16).reshape(12, 8)
    preprocessing = Preprocessing(size=(12, 8), mean=(0.0,), std=(1.0,))
    ours = to_pixels(preprocessing, image_from_pixels(deep, white=white))[0, 0]
    np.testing.assert_allclose(ours.numpy(), deep / white, rtol=1e-6)


def test_deep_pixels_keep_more_than_256_levels() -> None:
    deep = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    preprocessing = Preprocessing(size=(64, 64), mean=(0.0,), std=(1.0,))
    ours = to_pixels(preprocessing, image_from_pixels(deep, white=4095))
    assert len(ours.unique()) == 4096


def test_bicubic_stays_in_range() -> None:
    edge = np.zeros((64, 64), np.uint16)
    edge[:, 32:] = 65535
    preprocessing = Preprocessing(size=(48, 48), mean=(0.0,), std=(1.0,), interpolation="bicubic")
    ours = to_pixels(preprocessing, image_from_pixels(edge, white=65535))
    assert ours.min() == 0
    assert ours.max() == 1


def stroke(ground: int, ink: int) -> Array:
    pixels = np.full((28, 28), ground, np.uint8)
    pixels[8:20, 12:16] = ink
    return pixels


@pytest.mark.parametrize("pixels", [stroke(0, 255), stroke(255, 0)], ids=["light", "dark"])
def test_light_on_dark_turns_dark_strokes_over(pixels: Array) -> None:
    preprocessing = Preprocessing(size=(28, 28), mean=(0.1,), std=(0.3,), polarity="light-on-dark")
    ours = to_pixels(preprocessing, image_from_pixels(pixels))[0, 0]
    np.testing.assert_allclose(ours.numpy(), stroke(0, 255) / 255, atol=1e-6)


def test_as_is_turns_nothing_over() -> None:
    preprocessing = Preprocessing(size=(28, 28), mean=(0.1,), std=(0.3,))
    ours = to_pixels(preprocessing, image_from_pixels(stroke(255, 0)))[0, 0]
    np.testing.assert_allclose(ours.numpy(), stroke(255, 0) / 255, atol=1e-6)


def test_the_picture_is_not_written_to() -> None:
    pixels = photo(40, 30)
    image = image_from_pixels(pixels)
    before = image.pixels.copy()
    preprocessing = Preprocessing(size=(40, 30), polarity="light-on-dark")
    to_pixels(preprocessing, image).fill_(7)
    np.testing.assert_array_equal(image.pixels, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)], ids=str)
@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
def test_extreme_shapes_give_an_input(size: tuple[int, int], fit: Any) -> None:
    image = image_from_pixels(np.full(size, 200, np.uint8))
    ours = to_pixels(Preprocessing(size=(32, 24), mean=(0.5,), std=(0.5,), fit=fit), image)
    assert ours.shape == (1, 1, 32, 24)
    assert ours.isfinite().all()


# ---- what does not fit ---------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str]] = [
    ({"size": (0, 224)}, "size must be two positive whole numbers"),
    ({"size": (224,)}, "size must be two positive whole numbers"),
    ({"size": (224.5, 224)}, "size must be two positive whole numbers"),
    ({"size": 224}, "size must be a sequence of numbers"),
    ({"size": "224"}, "size must be a sequence of numbers"),
    ({"mean": ("a", "b", "c")}, "mean must be a sequence of numbers"),
    ({"mean": (0.5, 0.5)}, r"1 or 3 channels \(got 2 and 3\)"),
    ({"mean": (0.5,)}, r"one value per channel.*got 1 and 3"),
    ({"mean": (0.5, 0.5), "std": (0.5, 0.5)}, "1 or 3 channels"),
    ({"std": (0.2, 0.0, 0.2)}, "std must be above zero"),
    ({"resize_px": 0}, "resize_px must be a positive whole number"),
    ({"resize_px": "256"}, "resize_px must be a positive whole number"),
    ({"fit": "squeeze"}, "fit must be crop, letterbox or stretch"),
    ({"interpolation": "nearest"}, "interpolation must be bilinear or bicubic"),
    ({"polarity": "dark"}, "polarity must be as-is or light-on-dark"),
    ({"halves": "up"}, "halves must be round or truncate"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=str)
def test_bad_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(**values)


def test_lists_become_tuples_so_that_it_can_be_a_key() -> None:
    given: dict[str, Any] = {"size": [32, 24], "mean": [0.5], "std": [0.5]}
    assert hash(Preprocessing(**given)) == hash(Preprocessing((32, 24), (0.5,), (0.5,)))


def test_a_strip_that_scaling_would_make_endless_is_refused() -> None:
    strip = image_from_pixels(np.zeros((1, 60_000), np.uint8))
    with pytest.raises(ImageError, match="1 x 60000 pixels is too narrow"):
        to_pixels(Preprocessing(size=(224, 224), resize_px=256), strip)
