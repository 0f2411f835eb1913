"""From stored values to what is seen, against arrays worked out here, term by term."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from explain_core.errors import InputError
from explain_core.images.dicom import read_dicom, read_film
from explain_core.images.film import Window
from tests.core.images.dicom_making import encode, film, lookup

UNSIGNED = np.array([[0, 7, 300, 1000], [1001, 2000, 3000, 4095]], np.uint16)
SIGNED = np.array([[-2048, -7, 0, 300], [1000, 1001, 1500, 2047]], np.int16)
PADDING = 1001
TABLE = [3, 10, 40, 80, 200, 255]


def expected(
    stored: np.ndarray, is_inverted: bool, rescale: tuple[float, float] | None, voi: str, pad: bool
) -> tuple[np.ndarray, int]:
    """Return the picture by PS3.3's words, pixel by pixel, and its white."""
    seen = np.zeros(stored.shape)
    slope, intercept = rescale or (1, 0)
    kept = [v * slope + intercept for v in stored.ravel().tolist() if not (pad and v == PADDING)]
    is_raw = voi == "none" and rescale is None and stored.min() >= 0
    for place in np.ndindex(stored.shape):
        x = int(stored[place]) * slope + intercept
        if voi == "window":
            share = (x - (600 - 0.5)) / (1200 - 1) + 0.5
        elif voi == "exact":
            share = (x - 600) / 1200 + 0.5
        elif voi == "sigmoid":
            share = 1 / (1 + math.exp(-4 * (x - 600) / 1200))
        elif voi == "table":
            share = TABLE[min(max(math.floor(x) - 298, 0), len(TABLE) - 1)] / 255
        elif is_raw:
            share = x / 4095
        else:
            share = (x - min(kept)) / (max(kept) - min(kept))
        share = min(max(share, 0), 1)
        seen[place] = 1 - share if is_inverted else share
        if pad and stored[place] == PADDING:
            seen[place] = 0
    white = 4095 if is_raw else 65535
    return seen * white, white


VOI = {
    "none": {},
    "window": {"WindowCenter": 600, "WindowWidth": 1200},
    "exact": {"WindowCenter": 600, "WindowWidth": 1200, "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": 600, "WindowWidth": 1200, "VOILUTFunction": "SIGMOID"},
    "table": {"VOILUTSequence": lookup(298, 8, TABLE), "WindowCenter": 1, "WindowWidth": 2},
}


@pytest.mark.parametrize("voi", list(VOI))
@pytest.mark.parametrize("stored", [UNSIGNED, SIGNED], ids=["unsigned", "signed"])
def test_every_combination_is_what_the_standard_says(stored: np.ndarray, voi: str) -> None:
    for is_inverted, rescale, pad in itertools.product(
        (False, True), (None, (2.0, -500.0), (-0.5, 100.0)), (False, True)
    ):
        elements = dict(VOI[voi])
        if rescale is not None:
            elements |= {"RescaleSlope": rescale[0], "RescaleIntercept": rescale[1]}
        made = film(
            stored,
            bits=12,
            PhotometricInterpretation="MONOCHROME1" if is_inverted else "MONOCHROME2",
            **elements,
        )
        if pad:
            made.add_new("PixelPaddingValue", "SS" if stored.min() < 0 else "US", PADDING)
        image = read_dicom(encode(made))
        picture, white = expected(stored, is_inverted, rescale, voi, pad)
        case = f"{voi} {rescale} inverted={is_inverted} padding={pad}"
        assert image.white == white, case
        np.testing.assert_allclose(image.pixels, picture, atol=0.51, err_msg=case)


def test_range_limit_pads_all_values_between() -> None:
    made = film(UNSIGNED, bits=12, PixelPaddingValue=4095)
    made.add_new("PixelPaddingRangeLimit", "US", 2000)
    read = read_film(encode(made))
    np.testing.assert_array_equal(read.image.pixels, np.where(UNSIGNED < 2000, UNSIGNED, 0))
    assert "padding shown black" in read.image.notes
    assert read.range_of(0, 1) == (0, 1001)


def test_padding_written_as_an_unsigned_number_is_a_negative_one() -> None:
    stored = np.array([[-2000, -5], [0, 100]], np.int16)
    made = film(stored)
    made.add_new("PixelPaddingValue", "US", 65536 - 2000)
    read = read_film(encode(made))
    assert read.range_of(0, 1) == (-5, 100)


def test_padding_that_covers_everything_is_ignored() -> None:
    made = film(np.full((2, 3), 7, np.uint16), bits=12, PixelPaddingValue=7)
    image = read_dicom(encode(made))
    assert (image.pixels == 7).all()
    assert any("whole picture" in note for note in image.notes)


def test_monochrome1_padding_stays_black() -> None:
    made = film(UNSIGNED, bits=12, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=4095)
    np.testing.assert_array_equal(
        read_dicom(encode(made)).pixels, np.where(UNSIGNED == 4095, 0, 4095 - UNSIGNED)
    )


@pytest.mark.parametrize("bits", [10, 12, 15])
def test_bits_that_are_not_in_use_are_left_out(bits: int) -> None:
    stored = np.array([[0, 5], [300, 1023]], np.uint16)
    image = read_dicom(encode(film(stored | np.uint16(1 << 15), bits=bits)))
    np.testing.assert_array_equal(image.pixels, stored)
    assert image.white == 2**bits - 1


def test_an_identity_rescale_keeps_stored_values() -> None:
    image = read_dicom(encode(film(UNSIGNED, bits=12, RescaleSlope=1, RescaleIntercept=0)))
    np.testing.assert_array_equal(image.pixels, UNSIGNED)


def test_all_windows_are_offered_tables_first() -> None:
    made = film(
        UNSIGNED,
        bits=12,
        VOILUTSequence=lookup(0, 8, TABLE),
        WindowCenter=[600, 100],
        WindowWidth=[1200, 50],
    )
    table, first, second = read_film(encode(made)).windows
    np.testing.assert_array_equal(table.shares(np.array([-3.0, 2, 99])), [3 / 255, 40 / 255, 1])
    assert (first, second) == (Window(600, 1200), Window(100, 50))


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": -3, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": [5, 6], "WindowWidth": 10, "VOILUTFunction": "CUBIC"},
        {"WindowCenter": 5},
    ],
)
def test_an_unusable_window_is_left_out_and_told_of(elements: dict[str, object]) -> None:
    read = read_film(encode(film(UNSIGNED, bits=12, **elements)))
    np.testing.assert_array_equal(read.image.pixels, UNSIGNED)
    assert read.windows == ()
    assert "a window in the file cannot be used" in read.image.notes


def test_a_table_of_packed_bytes_is_unpacked() -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [6, 298, 8])
    item.add_new("LUTData", "OW", bytes(TABLE))
    read = read_film(encode(film(UNSIGNED, bits=12, VOILUTSequence=Sequence([item]))))
    np.testing.assert_array_equal(read.windows[0].entries, TABLE)


@pytest.mark.parametrize("is_own", [True, False])
def test_functional_groups_hold_for_their_frames(is_own: bool) -> None:
    def group(slope: float, center: float, distance: float) -> Dataset:
        rescale, voi, measures, made = Dataset(), Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, 0
        voi.WindowCenter, voi.WindowWidth = center, 400
        measures.PixelSpacing = [distance, distance]
        made.PixelValueTransformationSequence = Sequence([rescale])
        made.FrameVOILUTSequence = Sequence([voi])
        made.PixelMeasuresSequence = Sequence([measures])
        return made

    made = film(np.stack([UNSIGNED, UNSIGNED[::-1]]), bits=12, Modality="MR")
    if is_own:
        made.PerFrameFunctionalGroupsSequence = Sequence([group(1, 100, 1), group(2, 300, 3)])
    else:
        made.SharedFunctionalGroupsSequence = Sequence([group(2, 300, 3)])
    read = read_film(encode(made), frame=1)
    share = np.clip((UNSIGNED[::-1] * 2.0 - 299.5) / 399 + 0.5, 0, 1)
    np.testing.assert_allclose(read.image.pixels, share * 65535, atol=0.51)
    assert read.image.spacing_mm == (3, 3)
    assert "frame 2 of 2 frames" in read.image.notes


@pytest.mark.parametrize("frame", [-1, 2])
def test_a_frame_that_is_not_there_is_refused(frame: int) -> None:
    with pytest.raises(InputError, match="frame must lie between 0 and 1"):
        read_film(encode(film(np.stack([UNSIGNED, UNSIGNED]))), frame=frame)


@pytest.mark.parametrize(
    ("kind", "shape", "is_told"),
    [
        ("MONOCHROME1", "INVERSE", False),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_the_presentation_shape_never_turns_twice(kind: str, shape: str, is_told: bool) -> None:
    made = film(UNSIGNED, bits=12, PhotometricInterpretation=kind, PresentationLUTShape=shape)
    image = read_dicom(encode(made))
    np.testing.assert_array_equal(
        image.pixels, 4095 - UNSIGNED if kind == "MONOCHROME1" else UNSIGNED
    )
    assert any("contradicts" in note for note in image.notes) == is_told


def test_a_window_of_width_one_is_a_step() -> None:
    np.testing.assert_array_equal(Window(10, 1).shares(np.array([9.0, 9.5, 9.6, 10])), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, 0.5), "at least 1"),
        ((1, 0, "SIGMOID"), "above 0"),
        ((math.nan, 5), "finite"),
        ((1, 5, "CUBIC"), "function must be"),
    ],
)
def test_an_impossible_window_is_refused(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Window(*arguments)
