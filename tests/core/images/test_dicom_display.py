"""Windowing a film for the screen, and what it must never change."""

from __future__ import annotations

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.images.dicom import read_film
from explain_core.images.display import film_on_screen, window_film
from explain_core.images.film import Preset, Window, film_of_image, presets
from explain_core.images.reading import image_from_pixels
from tests.core.images.dicom_making import encode, film

RNG = np.random.default_rng(0)
STORED = RNG.integers(500, 3000, (30, 40)).astype(np.uint16)
PADDED = STORED.copy()
PADDED[:, :15] = 4095


def read(stored=STORED, **elements):
    return read_film(encode(film(stored, bits=12, **elements)))


def named(film, name) -> Preset:
    return next(preset for preset in presets(film) if preset.name == name)


# Presets


def test_full_and_auto_are_percentiles_without_padding() -> None:
    padded = read(PADDED, PixelPaddingValue=4095)
    kept = PADDED[:, 15:]
    full, auto = named(padded, "full").voi, named(padded, "auto").voi
    assert (full.center - full.width / 2, full.center + full.width / 2) == (kept.min(), kept.max())
    low, high = np.percentile(kept, [0.5, 99.5], method="inverted_cdf")
    assert (auto.center - auto.width / 2, auto.center + auto.width / 2) == (low, high)


def test_percentiles_hold_where_a_rescale_turns_values_round() -> None:
    turned = read(RescaleSlope=-1, RescaleIntercept=100)
    assert turned.range_of(0, 1) == (100 - int(STORED.max()), 100 - int(STORED.min()))
    expected = np.percentile(100.0 - STORED, [10, 40], method="inverted_cdf")
    np.testing.assert_array_equal(turned.range_of(0.1, 0.4), expected)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_lung_shows_the_dark_part_and_bone_the_bright_one(kind: str) -> None:
    ramp = np.arange(4000, dtype=np.uint16).reshape(40, 100)
    found = read(ramp, PhotometricInterpretation=kind)
    brightness = window_film(found, named(found, "full").voi).astype(int)
    dark, bright = brightness < 80, brightness > 175
    lung = window_film(found, named(found, "lung").voi)
    bone = window_film(found, named(found, "bone").voi)
    assert np.ptp(lung[dark]) > np.ptp(brightness[dark])
    assert (lung[bright] == 255).all()
    assert np.ptp(bone[bright]) > np.ptp(brightness[bright])
    assert (bone[dark] == 0).all()


def test_only_hounsfield_units_have_windows_that_hold_for_every_film() -> None:
    unknown = {preset.name: preset.is_relative for preset in presets(read())}
    assert unknown == {"auto": True, "full": True, "lung": True, "bone": True}
    ct = read(Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    assert ct.unit == "HU"
    assert named(ct, "lung") == Preset("lung", Window(-600, 1500), False)
    assert not named(ct, "bone").is_relative
    assert read(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="US").unit == ""


def test_windows_of_the_file_come_first() -> None:
    one = presets(read(WindowCenter=100, WindowWidth=50))[0]
    assert one == Preset("file", Window(100, 50), False)
    two = presets(read(WindowCenter=[100, 7], WindowWidth=[50, 3]))[:2]
    assert [(p.name, p.voi) for p in two] == [("file 1", Window(100, 50)), ("file 2", Window(7, 3))]


def test_an_even_film_has_presets_too() -> None:
    for preset in presets(read(np.full((2, 3), 9, np.uint16))):
        assert preset.voi.width > 0


# On the screen


@pytest.mark.parametrize("is_inverted", [False, True])
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_on_the_screen_is_its_equation(kind: str, is_inverted: bool) -> None:
    found = read(PADDED, PhotometricInterpretation=kind, PixelPaddingValue=4095)
    shown = window_film(found, Window(1500, 800), is_inverted=is_inverted)
    share = np.clip((PADDED - 1499.5) / 799 + 0.5, 0, 1)
    share = 1 - share if (kind == "MONOCHROME1") != is_inverted else share
    expected = np.where(PADDED == 4095, 0, share * 255)
    assert shown.dtype == np.uint8
    np.testing.assert_allclose(shown, expected, atol=0.51)


def test_window_and_level_leave_what_the_network_sees() -> None:
    found = read(WindowCenter=1500, WindowWidth=1000)
    before = found.image.pixels.copy()
    for preset in presets(found):
        window_film(found, preset.voi, is_inverted=True, max_side_px=10)
    np.testing.assert_array_equal(found.image.pixels, before)
    with pytest.raises(ValueError, match="read-only"):
        found.image.pixels[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.codes[0, 0] = 1


def test_the_file_window_on_the_screen_is_the_network_s_picture() -> None:
    found = read(WindowCenter=1500, WindowWidth=1000, PhotometricInterpretation="MONOCHROME1")
    shown = window_film(found, found.windows[0])
    np.testing.assert_allclose(shown, found.image.pixels / 257, atol=0.51)


def test_the_screen_gets_at_most_its_side() -> None:
    found = read()
    assert window_film(found, Window(1500, 800), max_side_px=20).shape == (15, 20)
    assert film_on_screen(found, 20).codes.shape == (15, 20)
    for show in (
        film_on_screen,
        lambda film, side: window_film(film, Window(1, 9), max_side_px=side),
    ):
        with pytest.raises(InputError, match="max_side_px must be at least 1"):
            show(found, 0)


def test_codes_of_the_screen_stand_for_exact_values() -> None:
    found = read(PADDED, PixelPaddingValue=4095, RescaleSlope=1, RescaleIntercept=-1024)
    screen = film_on_screen(found, 100)
    assert screen.step == 1
    is_kept = PADDED != 4095
    np.testing.assert_array_equal(screen.codes == 0, ~is_kept)
    values = screen.low + (screen.codes.astype(float) - 1) * screen.step
    np.testing.assert_array_equal(values[is_kept], PADDED[is_kept] - 1024.0)


def test_codes_of_fractional_values_are_close() -> None:
    found = read(RescaleSlope=0.001, RescaleIntercept=0)
    screen = film_on_screen(found, 100)
    values = screen.low + (screen.codes.astype(float) - 1) * screen.step
    np.testing.assert_allclose(values, STORED * 0.001, atol=screen.step / 2 + 1e-12)


def test_padding_does_not_bleed_into_its_neighbours() -> None:
    stored = np.full((40, 40), 1000, np.uint16)
    stored[:, :15] = 4095
    stored[0, 39] = 900
    screen = film_on_screen(read(stored, PixelPaddingValue=4095), 20)
    values = screen.low + screen.codes.astype(float) - 1
    assert (values[2:][screen.codes[2:] > 0] == 1000).all()
    assert (screen.codes[:, :7] == 0).all()
    assert (screen.codes[:, 8:] > 0).all()


# Pictures that are no DICOM films


def test_a_picture_is_windowed_like_a_film() -> None:
    image = image_from_pixels(STORED, white=4095, spacing_mm=(0.2, 0.1))
    wrapped = film_of_image(image)
    assert wrapped.image is image
    assert (wrapped.spacing.unit, wrapped.spacing.columns_mm) == ("mm", 0.1)
    shown = window_film(wrapped, presets(wrapped)[0].voi)
    np.testing.assert_allclose(shown, STORED / 4095 * 255, atol=0.51)
    assert named(wrapped, "full").voi.width == STORED.max() - STORED.min()


def test_colour_is_windowed_by_its_luma() -> None:
    rgb = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    wrapped = film_of_image(image_from_pixels(rgb))
    np.testing.assert_allclose(wrapped.codes, rgb @ [0.299, 0.587, 0.114], atol=0.51)
    assert wrapped.image.kind == "rgb"
