"""Spacing, side and view, and the names of what identifies."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from explain_core.images.dicom import identifying_tags, read_film
from explain_core.images.film import Spacing
from tests.core.images.dicom_making import PATIENT, encode, film

STORED = np.arange(6, dtype=np.uint16).reshape(2, 3)


def read(**elements: Any) -> Any:
    return read_film(encode(film(STORED, bits=12, **elements)))


# PS3.3 10.7.1: what holds in the patient, and what does not.


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({}, None),
        (
            {"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
            Spacing(0.2, 0.1, "patient", "GEOMETRY"),
        ),
        (
            {
                "PixelSpacing": [0.2, 0.1],
                "ImagerPixelSpacing": [0.2, 0.1],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            Spacing(0.2, 0.1, "patient", "FIDUCIAL"),
        ),
        (
            {"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.25, 0.125]},
            Spacing(0.2, 0.1, "patient"),
        ),
        (
            {"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.20001, 0.1]},
            Spacing(0.20001, 0.1, "detector"),
        ),
        ({"ImagerPixelSpacing": [0.3, 0.4]}, Spacing(0.3, 0.4, "detector")),
        ({"NominalScannedPixelSpacing": [0.3, 0.4]}, Spacing(0.3, 0.4, "scan")),
        ({"PixelSpacing": [0.2, 0.1]}, Spacing(0.2, 0.1, "unknown")),
        ({"PixelSpacing": [0.2, 0.1], "Modality": "CT"}, Spacing(0.2, 0.1, "patient")),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0.2, -1]}, None),
        ({"PixelSpacing": 0.2}, None),
    ],
)
def test_millimetres_hold_only_where_the_file_says_so(
    elements: dict[str, Any], spacing: Spacing | None
) -> None:
    found = read(**elements)
    assert found.spacing == spacing
    is_valid = spacing is not None and spacing.plane == "patient"
    assert (found.image.spacing_mm is not None) == is_valid
    if is_valid:
        assert found.image.spacing_mm == (spacing.rows_mm, spacing.columns_mm)
        assert spacing.unit == "mm"
    elif spacing is not None:
        assert spacing.unit != "mm"
        assert any("does not hold in the patient" in note for note in found.image.notes)


def test_detector_spacing_is_called_so() -> None:
    assert "detector plane" in read(ImagerPixelSpacing=[0.3, 0.4]).spacing.unit


def test_side_and_view_are_as_given() -> None:
    found = read(ImageLaterality="R", Laterality="L", ViewPosition="PA")
    assert (found.laterality, found.view) == ("R", "PA")
    assert (read(Laterality="L").laterality, read().laterality, read().view) == ("L", "", "")


def test_a_view_code_stands_in_for_a_missing_view() -> None:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "399348003", PATIENT
    assert read(ViewCodeSequence=Sequence([code])).view == "AP"


def test_no_free_text_passes_as_a_side_or_view() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(Laterality=PATIENT, ViewPosition=PATIENT, WindowCenterWidthExplanation=PATIENT)
    assert (found.laterality, found.view) == ("", "")
    assert PATIENT not in repr(found)


@pytest.mark.parametrize(("given", "told"), [("YES", True), ("NO", False), (None, None)])
def test_burned_in_text_is_told_of(given: str | None, told: bool | None) -> None:
    found = read() if given is None else read(BurnedInAnnotation=given)
    assert found.is_annotated is told


# The basic profile


def test_identifying_elements_are_named_without_their_values() -> None:
    made = film(STORED, PatientID="4711", PatientBirthDate="", StudyDate="20200102")
    item = Dataset()
    item.ReferringPhysicianName = "Hidden^Doctor"
    made.ReferencedStudySequence = Sequence([item])
    made.private_block(0x0011, "MAKER", create=True).add_new(1, "LO", "secret")
    names = identifying_tags(encode(made))
    assert {"Patient's Name", "Patient ID", "Study Date", "private elements"} <= set(names)
    assert "Referring Physician's Name" in names
    assert "SOP Instance UID" in names[-2:]
    # Empty, or not of the profile.
    assert not {"Patient's Birth Date", "Rows", "Pixel Data"} & set(names)
    assert not any(value in " ".join(names) for value in (PATIENT, "4711", "Hidden", "secret"))


def test_damaged_values_do_not_hide_their_names() -> None:
    made = film(STORED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.PatientAge = "no age"
        made.StudyDate = "not a date"
    names = identifying_tags(encode(made))
    assert {"Patient's Age", "Study Date"} <= set(names)


def test_overlays_and_curves_are_named() -> None:
    made = film(STORED)
    made.add_new(0x60003000, "OW", bytes([1, 2]))
    made.add_new(0x50000010, "US", 1)
    assert {"Overlay Data", "Number of Points"} <= set(identifying_tags(encode(made)))


def test_a_film_without_anything_names_only_identifiers() -> None:
    made = film(STORED)
    del made.PatientName
    assert all(name.endswith("UID") for name in identifying_tags(encode(made)))
