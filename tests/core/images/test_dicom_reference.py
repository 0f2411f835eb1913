"""Every DICOM file at hand: as pydicom's own pipeline shows it, or refused with its reason.

The table names pydicom's test files, as they come with the package, and those of the folder of
real material. What is not named opens.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from explain_core.errors import ImageError
from explain_core.images.dicom import read_film
from tests.conftest import find_data_dir

DATA = find_data_dir()
PACKAGE = Path(pydicom.data.__file__).parent

COLOUR = "is a DICOM picture in colour"
NO_PICTURE = "is a DICOM file without a picture"
NO_START = "is no DICOM file"
DAMAGED = "is a DICOM file that cannot be read: it is damaged or cut short"
WIDE = "stores 32 bits a pixel; films of 8 to 16 bits are read"

REFUSED = {
    **dict.fromkeys(
        (
            *("ExplVR_BigEnd.dcm", "GDCMJ2K_TextGBR.dcm", "examples_jpeg2k.dcm"),
            *("examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm"),
            *("SC_jpeg_no_color_transform.dcm", "SC_jpeg_no_color_transform_2.dcm"),
            *(path.name for path in (PACKAGE / "test_files").glob("SC_rgb_*.dcm")),
            *("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_16bit.dcm"),
        ),
        COLOUR,
    ),
    **dict.fromkeys(
        (
            *("chrJapMulti.dcm", "chrJapMultiExplicitIR6.dcm", "chrKoreanMulti.dcm"),
            *("chrSQEncoding.dcm", "chrSQEncoding1.dcm", "UN_sequence.dcm"),
            *("empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"),
            *("no_meta_group_length.dcm", "priv_SQ.dcm", "reportsi.dcm", "test-SR.dcm"),
            *("reportsi_with_empty_number_tags.dcm", "rtplan.dcm", "rtplan_truncated.dcm"),
            "waveform_ecg.dcm",
            *(path.name for path in (PACKAGE / "palettes").glob("*.dcm")),
        ),
        NO_PICTURE,
    ),
    **dict.fromkeys(
        ("ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "no_meta.dcm", "rtstruct.dcm"),
        NO_START,
    ),
    **dict.fromkeys(
        (
            *("JPEG-lossy.dcm", "JPEG2000-embedded-sequence-delimiter.dcm"),
            *("MR_truncated.dcm", "badVR.dcm"),
        ),
        DAMAGED,
    ),
    **dict.fromkeys(
        (path.name for path in (PACKAGE / "test_files").glob("rtdose*.dcm")),
        WIDE,
    ),
    "OT-PAL-8-face.dcm": NO_START,
}


def files() -> list[Path]:
    folders = (
        *(PACKAGE / name for name in ("charset_files", "palettes", "test_files")),
        *(DATA / name for name in ("xray/dicom", "bad_inputs/files")),
    )
    return [path for folder in folders for path in sorted(folder.glob("*.dcm"))]


def reference(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return stored values and the picture from 0 to 1, by pydicom's functions alone."""
    film = pydicom.dcmread(path)
    groups = film.get("PerFrameFunctionalGroupsSequence") or film.get(
        "SharedFunctionalGroupsSequence"
    )
    stored = pydicom.pixels.pixel_array(film, index=0)
    if groups:
        for name in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in groups[0].get(name) or ():
                film.update(item)
    values = apply_modality_lut(stored, film)
    seen = apply_voi_lut(values, film).astype(float)
    if "WindowWidth" in film or film.get("VOILUTSequence"):
        # The ends of pydicom's range, from values far outside any window.
        low, high = apply_voi_lut(np.array([-(10.0**9), 10.0**9]), film)
    elif "RescaleSlope" in film or film.get("ModalityLUTSequence") or film.PixelRepresentation:
        is_kept = stored != film.get("PixelPaddingValue", np.inf)
        low, high = seen[is_kept].min(), seen[is_kept].max()
    else:
        low, high = 0, 2**film.BitsStored - 1
    share = np.clip((seen - low) / (high - low), 0, 1)
    return stored, 1 - share if film.PhotometricInterpretation == "MONOCHROME1" else share


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_file_is_shown_as_pydicom_does_or_refused(path: Path) -> None:
    data = path.read_bytes()
    if path.name in REFUSED:
        with pytest.raises(ImageError, match=REFUSED[path.name]):
            read_film(data)
        return
    film = read_film(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored, share = reference(path)
        padding = pydicom.dcmread(path).get("PixelPaddingValue", np.inf)
    expected = np.where(stored == padding, 0, share)
    np.testing.assert_allclose(film.image.pixels, expected * film.image.white, atol=0.51)
    np.testing.assert_array_equal(
        film.codes.astype(int) + min(0, -(len(film.values) // 2) * (stored.dtype.kind == "i")),
        stored,
    )


def test_the_folder_of_real_films_is_complete(data_dir: Path) -> None:
    folder = data_dir / "xray"
    for entry in json.loads((folder / "dicom" / "manifest.json").read_text()):
        assert (folder / entry["file"]) in files()


def test_the_right_frame_of_several_is_read(data_dir: Path) -> None:
    path = data_dir / "xray" / "dicom" / "emri_small_RLE.dcm"
    film = read_film(path, frame=7)
    np.testing.assert_array_equal(film.codes, pydicom.dcmread(path).pixel_array[7])
    assert (film.frame, film.num_frames) == (7, 10)
    assert not np.array_equal(film.codes, read_film(path).codes)
