"""DICOM objects made of maps: what they show, what they refer to, what they keep to themselves."""

from __future__ import annotations

import io
import re
import sys

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset

from explain_core.errors import ImageError, InputError
from explain_core.exports import (
    map_description,
    parametric_map,
    patient_details,
    secondary_capture,
    segmentation,
)
from explain_core.exports.provenance import derivation
from explain_core.images.annotations import read_annotation
from explain_core.types import Contrast, Geometry
from tests.core.exports.made_up import PLANTED, SIZE, file_of, map_on, reread, source_film

PICTURE = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
VALUES = np.random.default_rng(4).normal(size=SIZE).astype(np.float32)
MAKERS = {
    "capture": lambda source, **options: secondary_capture(
        source, PICTURE, description="why", **options
    ),
    "map": lambda source, **options: parametric_map(
        source, map_on(VALUES), description="why", **options
    ),
    "outline": lambda source, **options: segmentation(
        source, map_on(VALUES), share=0.5, label="Mass", **options
    ),
}


@pytest.fixture(scope="module")
def radiograph():
    return file_of(source_film())


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def all_elements(made: Dataset):
    for element in made:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from all_elements(item)


# ---- pixels ----------------------------------------------------------------------------------


def test_a_hot_pixel_lands_on_the_films_own_pixel():
    # A network that saw the right two thirds at half the size.
    geometry = Geometry(SIZE, (6, 6), (0.5, 0.5), (0.0, 3.0))
    values = np.zeros((6, 6))
    values[4, 2] = 7.0
    data = parametric_map(file_of(source_film()), map_on(values, geometry), description="why")
    found = reread(data).pixel_array
    assert found.shape == SIZE
    assert found.dtype == np.float32
    # The centre of input pixel (4, 2) lies at rows (4.5) / 0.5, columns (2.5 + 3) / 0.5.
    rows, columns = np.nonzero(found == found.max())
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (9.0, 11.0)
    assert not found[:, :6].any()


def test_a_map_keeps_its_values_and_its_sign(radiograph):
    made = reread(parametric_map(radiograph, map_on(VALUES), description="why"))
    np.testing.assert_array_equal(made.pixel_array, VALUES)
    (mapping,) = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.LUTExplanation == "relative influence, no units"
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.DoubleFloatRealWorldValueFirstValueMapped == VALUES.min()
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == VALUES.max()


def test_an_outline_is_the_threshold_mask_pixel_by_pixel(radiograph):
    # 12 x 17 pixels do not fill whole bytes.
    film, values = source_film(), VALUES[:, :17]
    film.Columns, film.PixelData = 17, film.PixelData[: 12 * 17 * 2]
    geometry = Geometry((12, 17), (12, 17), (1.0, 1.0), (0.0, 0.0))
    data = segmentation(file_of(film), map_on(values, geometry), share=0.3, label="Mass")
    made = reread(data)
    wanted = [[bool(value >= 0.3 * values.max()) for value in row] for row in values]
    np.testing.assert_array_equal(made.pixel_array.reshape(12, 17), wanted)
    read = read_annotation(data, (12, 17), "Mass")
    np.testing.assert_array_equal(read.truth.mask, wanted)
    (segment,) = made.SegmentSequence
    assert segment.SegmentAlgorithmName == "WhyNot grad-cam"
    assert "gamma=0.6" in segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
    assert segment.SegmentDescription.startswith("Threshold: 0.3 of the maximum, ")


def test_highdicom_finds_the_outline_by_its_film(radiograph):
    outline = segmentation(radiograph, map_on(VALUES), share=0.3, label="Mass")
    read = highdicom.seg.segread(io.BytesIO(outline))
    mask = read.get_pixels_by_source_instance([source_film().SOPInstanceUID])
    np.testing.assert_array_equal(mask[0, :, :, 0], 0.3 * VALUES.max() <= VALUES)


def test_a_capture_is_the_picture(radiograph):
    made = reread(secondary_capture(radiograph, PICTURE, description="why"))
    np.testing.assert_array_equal(made.pixel_array, PICTURE)
    assert (made.PhotometricInterpretation, made.ImageType[0]) == ("RGB", "DERIVED")


# ---- what they refer to ----------------------------------------------------------------------


def references(made: Dataset):
    return [item for item in made.SourceImageSequence] + [
        item
        for group in made.get("PerFrameFunctionalGroupsSequence", ())
        for derived in group.DerivationImageSequence
        for item in derived.SourceImageSequence
    ]


@pytest.mark.parametrize("num_frames", [1, 3])
def test_objects_refer_to_the_film_and_its_series(make, num_frames):
    film = source_film(num_frames, SOPClassUID="1.2.840.10008.5.1.4.1.1.12.1")
    made = reread(make(file_of(film), frame=num_frames - 1))
    assert made.StudyInstanceUID == film.StudyInstanceUID
    assert made.SeriesInstanceUID != film.SeriesInstanceUID
    assert made.SOPInstanceUID != film.SOPInstanceUID
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == film.SeriesInstanceUID
    (instance,) = series.ReferencedInstanceSequence
    for reference in [instance, *references(made)]:
        assert reference.ReferencedSOPInstanceUID == film.SOPInstanceUID
        assert reference.ReferencedSOPClassUID == film.SOPClassUID
    frames = [item.get("ReferencedFrameNumber") for item in references(made)]
    assert frames == [3 if num_frames == 3 else None] * len(frames)


def test_a_film_without_study_or_series_gets_a_study_that_stays_the_same(make):
    film = source_film()
    del film.StudyInstanceUID, film.SeriesInstanceUID
    first, second = (reread(make(file_of(film))) for _ in range(2))
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert "ReferencedSeriesSequence" not in first


def test_a_film_that_nothing_can_refer_to_is_refused(make):
    film = source_film()
    data = file_of(film)
    number = str(film.SOPInstanceUID).encode()
    assert data.count(number) == 2
    with pytest.raises(ImageError, match="no SOP Instance UID"):
        make(data.replace(number, PLANTED.ljust(len(number)).encode()))


def test_a_section_keeps_its_place_in_the_patient():
    plane = {
        "Modality": "CT",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "FrameOfReferenceUID": "1.2.3.4",
        "ImagePositionPatient": [1, -2, 30.5],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "PixelSpacing": [0.5, 0.25],
    }
    for kind in ("map", "outline"):
        made = reread(MAKERS[kind](file_of(source_film(**plane))))
        (own,) = made.PerFrameFunctionalGroupsSequence
        (shared,) = made.SharedFunctionalGroupsSequence
        assert made.FrameOfReferenceUID == "1.2.3.4"
        assert own.PlanePositionSequence[0].ImagePositionPatient == [1, -2, 30.5]
        assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 0, -1]
        assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.5, 0.25]


@pytest.mark.parametrize("kind", ["map", "outline"])
@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.2]}, None),
        ({"PixelSpacing": [0.2, 0.2]}, None),
        ({"PixelSpacing": [0.2, 0.1], "PixelSpacingCalibrationType": "FIDUCIAL"}, [0.2, 0.1]),
    ],
    ids=["detector", "unknown", "patient"],
)
def test_a_projection_is_given_no_place_and_only_spacing_that_holds(kind, elements, spacing):
    made = reread(MAKERS[kind](file_of(source_film(**elements))))
    (shared,) = made.SharedFunctionalGroupsSequence
    measures = shared.get("PixelMeasuresSequence")
    assert (measures and list(measures[0].PixelSpacing)) == spacing
    keywords = {element.keyword for element in all_elements(made)}
    assert keywords.isdisjoint(
        {"FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient"}
    )
    (own,) = made.PerFrameFunctionalGroupsSequence
    indices = own.FrameContentSequence[0].DimensionIndexValues
    assert np.size(indices) == len(made.DimensionIndexSequence) == 1


# ---- who the patient is ----------------------------------------------------------------------


def test_nothing_of_the_patient_travels_unless_asked_for(make, radiograph):
    assert radiograph.count(PLANTED.encode()) > 200
    data = make(radiograph)
    assert PLANTED.encode() not in data
    assert PLANTED.encode("utf-16-le") not in data
    assert b"19611231" not in data
    made = reread(data)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate"):
        assert made[keyword].value in ("", None)
    assert made.get("PatientIdentityRemoved") in ("YES", None)


def test_asked_for_the_patient_travels_and_nothing_else(make, radiograph):
    made = reread(make(radiograph, with_patient=True))
    found = {e.keyword for e in all_elements(made) if PLANTED in str(e.value) and e.VR != "SQ"}
    assert found == {"PatientName", "PatientID", "IssuerOfPatientID", "StudyID", "AccessionNumber"}
    assert str(made.PatientName) == f"{PLANTED}^Anna"
    assert (made.PatientBirthDate, made.PatientSex, made.StudyDate) == (
        "19611231",
        "F",
        "20240102",
    )
    assert made.PatientIdentityRemoved == "NO"


def test_a_name_in_another_alphabet_is_filed_as_it_is(make):
    film = source_film(SpecificCharacterSet="ISO_IR 144", PatientName="Люкceмбypг^A")
    made = reread(make(file_of(film), with_patient=True))
    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert str(made.PatientName) == "Люкceмбypг^A"


@pytest.mark.parametrize(
    ("said", "annotated", "removed"),
    [(None, None, None), ("NO", "NO", "YES"), ("YES", "YES", "NO")],
)
def test_a_capture_vouches_for_no_more_than_its_film(said, annotated, removed):
    film = source_film()
    if said:
        film.BurnedInAnnotation = said
    made = reread(MAKERS["capture"](file_of(film)))
    assert made.get("BurnedInAnnotation") == annotated
    assert made.get("PatientIdentityRemoved") == removed


def test_details_are_read_out_in_order(radiograph):
    assert patient_details(radiograph) == (
        ("Patient", f"{PLANTED}, Anna"),
        ("Patient ID", f"{PLANTED}-7"),
        ("Birth date", "1961-12-31"),
        ("Sex", "F"),
        ("Study date", "2024-01-02"),
        ("Accession number", f"{PLANTED}-A"),
    )
    film = source_film(PatientName="Only", PatientBirthDate="", StudyDate="20240102")
    del film.PatientID, film.PatientSex, film.AccessionNumber
    assert patient_details(file_of(film)) == (("Patient", "Only"), ("Study date", "2024-01-02"))


# ---- what they say of themselves -------------------------------------------------------------


def test_the_derivation_names_how_a_map_was_made(radiograph):
    for kind in ("map", "outline"):
        told = reread(MAKERS[kind](radiograph)).DerivationDescription
        for part in ("grad-cam", "model films", "f" * 64, "class 3 against 1", "gamma=0.6"):
            assert part in told
        assert told.endswith("not where disease is.")
    assert "why. Research use" in reread(MAKERS["capture"](radiograph)).DerivationDescription


def test_neither_folders_nor_names_of_reference_sets_are_told():
    smap = map_on(
        VALUES, model="file:/srv/secret/resnet", contrast=Contrast(2, (), "Mrs Smith's films")
    )
    told = map_description(smap)
    assert "model file:resnet," in told
    assert "class 2 compared with a set of reference pictures" in told
    assert re.search("secret|Smith", told) is None


def test_a_long_description_is_cut_and_still_cautions(radiograph):
    text = "a\\b\n" + "very " * 400
    told = derivation(text)
    assert len(told) <= 1024
    assert told.startswith("a b very")
    assert "... Research use;" in told
    made = reread(parametric_map(radiograph, map_on(VALUES), description=text))
    assert isinstance(made.DerivationDescription, str)


def test_lossy_compression_of_the_film_is_passed_on(make):
    film = source_film(
        LossyImageCompression="01",
        LossyImageCompressionRatio="12.5",
        LossyImageCompressionMethod="ISO_10918_1",
    )
    made = reread(make(file_of(film)))
    assert made.LossyImageCompression == "01"
    assert (made.LossyImageCompressionRatio, made.LossyImageCompressionMethod) == (
        12.5,
        "ISO_10918_1",
    )


# ---- what is refused -------------------------------------------------------------------------


def test_what_does_not_fit_the_film_is_refused(make, radiograph):
    with pytest.raises(InputError, match=r"frame must lie between 0 and 0 \(got 1\)"):
        make(radiograph, frame=1)
    with pytest.raises(ImageError, match="no DICOM file"):
        make(b"\x89PNG\r\n\x1a\n")
    film = source_film()
    del film.Rows
    report = file_of(film)
    with pytest.raises(ImageError, match="without a picture"):
        make(report)


def test_without_highdicom_its_command_is_named(make, radiograph, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match="not installed; run: pip install highdicom"):
        make(radiograph)


def test_maps_of_another_picture_are_refused(radiograph):
    geometry = Geometry((18, 12), SIZE, (1.0, 1.0), (0.0, 0.0))
    with pytest.raises(InputError, match="18 x 12 pixels, but the film has 12 x 18"):
        parametric_map(radiograph, map_on(VALUES, geometry), description="why")
    with pytest.raises(InputError, match="18 x 12 pixels, but the film has 12 x 18"):
        segmentation(radiograph, map_on(VALUES, geometry), share=0.5, label="Mass")


def test_nothing_to_outline_is_refused(radiograph):
    with pytest.raises(InputError, match="no positive evidence"):
        segmentation(radiograph, map_on(-np.ones(SIZE)), share=0.5, label="Mass")
    with pytest.raises(InputError, match="share must be above 0 and at most 1"):
        segmentation(radiograph, map_on(VALUES), share=0.0, label="Mass")


def test_pictures_of_another_layout_are_refused(radiograph):
    with pytest.raises(InputError, match=r"takes \(h, w, 3\) uint8 pixels"):
        secondary_capture(radiograph, PICTURE[..., 0], description="why")


def test_damaged_headers_end_in_a_message_or_an_object(make, radiograph):
    rng = np.random.default_rng(5)
    refusals, num_made = [], 0
    for _ in range(12):
        spoilt = bytearray(radiograph)
        for place in rng.integers(132, len(radiograph) - 500, 3):
            spoilt[place] = rng.integers(256)
        try:
            make(bytes(spoilt))
            num_made += 1
        except ImageError as error:
            refusals.append(str(error))
    assert num_made > 2
    assert PLANTED not in "".join(refusals)
