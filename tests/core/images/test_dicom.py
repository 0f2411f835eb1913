"""Reading DICOM films, against arrays worked out by hand."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

from explain_core.errors import ImageError
from explain_core.images.dicom import dicom_size, read_dicom, read_film
from tests.core.images.dicom_making import PATIENT, encode, film, lookup

STORED = np.array([[0, 100, 200], [300, 400, 1023]], np.uint16)


def test_without_a_window_stored_values_are_kept() -> None:
    image = read_dicom(encode(film(STORED, bits=10)))
    np.testing.assert_array_equal(image.pixels, STORED)
    assert (image.kind, image.white, image.size) == ("dicom", 1023, (2, 3))
    assert image.pixels.dtype == np.uint16


def test_eight_bits_stay_eight_bits() -> None:
    image = read_dicom(encode(film(np.array([[0, 7], [128, 255]], np.uint8))))
    np.testing.assert_array_equal(image.pixels, [[0, 7], [128, 255]])
    assert image.white == 255


def test_monochrome1_is_turned_round() -> None:
    image = read_dicom(encode(film(STORED, bits=10, PhotometricInterpretation="MONOCHROME1")))
    np.testing.assert_array_equal(image.pixels, 1023 - STORED.astype(int))


# Linear windows (PS3.3 C.11.2.1.2): ((x - (c - 0.5)) / (w - 1) + 0.5), cut to 0..1.


@pytest.mark.parametrize("is_turned", [False, True])
def test_window_is_linear_and_fills_sixteen_bits(is_turned: bool) -> None:
    kind = "MONOCHROME1" if is_turned else "MONOCHROME2"
    made = film(STORED, bits=10, WindowCenter=200, WindowWidth=201, PhotometricInterpretation=kind)
    share = np.clip((STORED - 199.5) / 200 + 0.5, 0, 1)
    expected = (1 - share if is_turned else share) * 65535
    np.testing.assert_allclose(read_dicom(encode(made)).pixels, expected, atol=0.51)


def test_first_of_several_windows_counts() -> None:
    several = film(STORED, WindowCenter=[200, 900], WindowWidth=[201, 5])
    one = film(STORED, WindowCenter=200, WindowWidth=201)
    np.testing.assert_array_equal(
        read_dicom(encode(several)).pixels, read_dicom(encode(one)).pixels
    )


@pytest.mark.parametrize(("slope", "intercept"), [(2, -1000), (-1, 500), (0.5, 0)])
def test_window_acts_on_rescaled_values(slope: float, intercept: float) -> None:
    signed = np.array([[-50, 0, 120], [300, 400, 511]], np.int16)
    made = film(
        signed,
        bits=12,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        WindowCenter=100,
        WindowWidth=401,
    )
    share = np.clip((signed * slope + intercept - 99.5) / 400 + 0.5, 0, 1)
    np.testing.assert_allclose(read_dicom(encode(made)).pixels, share * 65535, atol=0.51)


def test_rescaled_values_without_a_window_are_stretched() -> None:
    signed = np.array([[-1000, 0], [500, 1000]], np.int16)
    image = read_dicom(encode(film(signed, RescaleSlope=1, RescaleIntercept=-24)))
    np.testing.assert_allclose(image.pixels, (signed + 1000) / 2000 * 65535, atol=0.51)
    assert any("no window" in note for note in image.notes)


def test_voi_lut_is_looked_up() -> None:
    made = film(np.array([[0, 1], [2, 3]], np.uint16), VOILUTSequence=lookup(1, 8, [10, 100, 255]))
    # Below the first entry the table's first value holds.
    np.testing.assert_allclose(
        read_dicom(encode(made)).pixels, np.array([[10, 10], [100, 255]]) * 257
    )


def test_modality_lut_comes_before_the_window() -> None:
    made = film(
        np.array([[0, 1], [2, 3]], np.uint16),
        ModalityLUTSequence=lookup(0, 16, [0, 1000, 2000, 9000], ModalityLUTType="US"),
        WindowCenter=1000.5,
        WindowWidth=2001,
    )
    np.testing.assert_allclose(
        read_dicom(encode(made)).pixels, np.array([[0, 0.5], [1, 1]]) * 65535, atol=0.51
    )


def test_first_frame_is_read_and_the_others_are_told_of() -> None:
    image = read_dicom(encode(film(np.stack([STORED, STORED + 1]))))
    np.testing.assert_array_equal(image.pixels, STORED)
    assert "first of 2 frames" in image.notes


def test_nothing_of_the_patient_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    made = film(STORED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.StudyDate = "not a date"
    data = encode(made)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        image = read_dicom(data)
    assert PATIENT not in repr(image)
    assert PATIENT not in caplog.text
    assert "not a date" not in caplog.text


def test_size_is_read_without_the_pixels() -> None:
    data = encode(film(np.zeros((40, 60), np.uint16)))
    assert dicom_size(data) == (40, 60)


# Refusals


def test_pydicom_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match="pip install pydicom"):
        read_dicom(encode(film(STORED)))


@pytest.mark.parametrize("data", [b"", b"\x89PNG" + bytes(200), b"x" * 200])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="no DICOM file"):
        read_dicom(data)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be opened"):
        read_dicom(tmp_path / "none.dcm")


def test_colour_is_refused() -> None:
    made = film(STORED, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ImageError, match="in colour"):
        read_dicom(encode(made))


def test_file_without_a_picture_is_refused() -> None:
    made = film(STORED)
    del made.PixelData
    with pytest.raises(ImageError, match="without a picture"):
        read_dicom(encode(made))


def test_huge_claim_is_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match="claims 60000 x 60000"):
        read_dicom(encode(film(STORED, Rows=60000, Columns=60000)))


@pytest.mark.parametrize("length", [140, 250, 400, 600, 900])
def test_truncated_film_is_refused(length: int) -> None:
    data = encode(film(np.zeros((40, 60), np.uint16)))
    assert length < len(data)
    with pytest.raises(ImageError):
        read_dicom(data[:length])


def compressed(syntax: str) -> bytes:
    made = film(STORED)
    made.file_meta.TransferSyntaxUID = syntax
    made["PixelData"].VR = "OB"
    made.PixelData = pydicom.encaps.encapsulate([STORED.tobytes()])
    return encode(made)


def test_a_private_way_to_store_is_refused_by_name() -> None:
    data = encode(film(STORED)).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    with pytest.raises(ImageError, match=r"only its maker knows \(1\.2\.840\.113619\.5\.2\)"):
        read_dicom(data)


def test_video_is_refused_by_name() -> None:
    with pytest.raises(ImageError, match=r"stored as MPEG2 .* which is not read"):
        read_dicom(compressed(pydicom.uid.MPEG2MPML))


def test_missing_decoder_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = SimpleNamespace(available_plugins=("gdcm", "pyjpegls"))
    monkeypatch.setattr(pydicom.pixels, "get_decoder", lambda syntax: missing)
    with pytest.raises(
        ImageError, match=r"stored as JPEG-LS .*pip install pylibjpeg pylibjpeg-libjpeg"
    ):
        read_dicom(compressed(pydicom.uid.JPEGLSLossless))


def test_decoders_that_damaged_streams_bring_down_are_never_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(pydicom.data.get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False))
    stored = pydicom.dcmread(path).pixel_array
    decoder = pydicom.pixels.get_decoder(pydicom.uid.JPEGLSLossless)
    asked = []
    others = dict.fromkeys(("gdcm", "pyjpegls"), lambda *_: asked.append("one of them"))
    monkeypatch.setattr(decoder, "_available", others | decoder._available | others)
    np.testing.assert_array_equal(read_film(path).codes.astype(int) - (1 << 15), stored)
    assert asked == []
