"""Known annotations: tables of boxes, masks, DICOM Segmentations, and what is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom.dataset import Dataset

from explain_core.errors import ExplainError, ImageError, InputError
from explain_core.images.annotations import read_annotation
from explain_core.truth import Box
from tests.core.images.dicom_making import PATIENT, encode, film

SIZE = (60, 100)
BOXES = (Box(4, 10, 24, 40), Box(30.5, 50, 59, 99))


def picture_of(mask: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(mask).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "table",
    [
        "x,y,width,height\n10,4,30,20\n50,30.5,49,28.5\n",
        "\ufeffX_Min; Y_Min; X_Max; Y_Max\n10;4;40;24\n\n50;30.5;99;59",
        "left\ttop\tright\tbottom\n10\t4\t40\t24\n50\t30.5\t99\t59\n",
        # RSNA's, with a row of a healthy film; NIH's; VinDr's, with the picture's own size.
        "patientId,x,y,width,height,Target\na,10,4,30,20,1\na,50,30.5,49,28.5,1\nb,,,,,0\n",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "a.png,Mass,10,4,30,20,,,\na.png,Nodule,50,30.5,49,28.5,,,\n",
        "image_id,class_name,x_min,y_min,x_max,y_max,width,height\n"
        "a,Mass,10,4,40,24,100,60\nb,No finding,,,,,100,60\na,Nodule,50,30.5,99,59,100,60\n",
    ],
    ids=["x-y-width-height", "semicolons", "edges", "rsna", "nih", "vindr"],
)
def test_boxes_are_read_whatever_their_columns_are_called(table):
    read = read_annotation(table.encode(), SIZE)
    assert read.truth.boxes == BOXES
    assert read.truth.mask is None


def test_a_label_chooses_its_boxes():
    table = b"finding,left,top,right,bottom\nMass,1,2,3,4\nNodule,5,6,7,8\nMass,0,0,9,9\n"
    read = read_annotation(table, SIZE, "Mass")
    assert read.labels == ("Mass", "Nodule")
    assert read.truth.boxes == (Box(2, 1, 4, 3), Box(0, 0, 9, 9))
    assert len(read_annotation(table, SIZE).truth.boxes) == 3


def test_what_was_rounded_outwards_is_cut_off_at_the_film():
    read = read_annotation(b"x,y,w,h\n-0.5,-1,101.5,61.5\n", SIZE)
    assert read.truth.boxes == (Box(0, 0, 60, 100),)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"%PDF-1.4\x00\x01", "neither a CSV of boxes"),
        (b"\xff\xd8\xff\xe0 jpeg", "no table of boxes"),
        (b"10,4,30,20\n", "its first row must name x, y, width, height"),
        (b"x,y,width\n1,2,3\n", "no table of boxes"),
        (b'x,y,w,h\n"1,2,3,4\n', "neither a CSV of boxes"),
        (b"x,y,w,h\n", "holds no box"),
        (b"x,y,w,h\n1,2,,4\n", "row 2 of the annotation holds no number for 'width'"),
        (b"x,y,w,h\n1,2\n", "row 2 of the annotation holds no number for 'width'"),
        (b"x,y,w,h\n1,2,nan,4\n", "holds no number"),
        (b"x,y,w,h\n1,2,1e999,4\n", "holds no number"),
        (b"x,y,w,h\n1,2,3,4\n1,2,0,4\n", "row 3 of the annotation is no box"),
        (b"x,y,w,h\n1,2,3,400\n", "outside of the film, which is 60 x 100 pixels"),
        (b"x,y,w,h\n-5,2,9,4\n", "outside of the film"),
        (b"file,x,y,w,h\nann,1,2,3,4\nbob,1,2,3,4\n", "boxes of 2 films"),
        (b"x,y,w,h\n" + b"1,2,3,4\n" * 10_001, "more than 10000 rows"),
    ],
)
def test_a_table_that_is_none_is_refused(table, message):
    with pytest.raises(InputError, match=message) as raised:
        read_annotation(table, SIZE)
    assert "ann," not in str(raised.value)
    assert "bob" not in str(raised.value)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, bool])
def test_everything_in_a_mask_that_is_not_zero_is_marked(form, kind):
    mask = np.zeros(SIZE, kind)
    mask[3:9, 40:60] = 1
    read = read_annotation(picture_of(mask, form), SIZE)
    np.testing.assert_array_equal(read.truth.mask, mask > 0)
    assert read.labels == ()


def test_a_mask_in_colour_is_marked_where_any_channel_is():
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[3, 4] = 0, 0, 7
    read = read_annotation(picture_of(mask), SIZE)
    assert np.argwhere(read.truth.mask).tolist() == [[3, 4]]


def test_masks_that_say_nothing_about_this_film_are_refused():
    with pytest.raises(InputError, match="100 x 60 pixels, but the film 60 x 100"):
        read_annotation(picture_of(np.ones((100, 60), np.uint8)), SIZE)
    with pytest.raises(InputError, match="marks nothing"):
        read_annotation(picture_of(np.zeros(SIZE, np.uint8)), SIZE)
    with pytest.raises(ImageError, match="transparent parts"):
        read_annotation(picture_of(np.zeros((*SIZE, 4), np.uint8)), SIZE)
    with pytest.raises(ImageError, match="cannot be read"):
        read_annotation(picture_of(np.ones(SIZE, np.uint8))[:60], SIZE)
    with pytest.raises(InputError, match="no such label"):
        read_annotation(picture_of(np.ones(SIZE, np.uint8)), SIZE, "Mass")


# ---- DICOM Segmentations ---------------------------------------------------------------------


def segmentation(frames: np.ndarray, segments: list[int], names: list[str], **elements: Any):
    """Write a Segmentation by hand: frames (n, H, W), and which segment each of them shows."""
    is_binary = frames.dtype == bool
    stored = frames.astype(np.uint8)
    made = film(stored, **elements)
    made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID
    made.NumberOfFrames = len(frames)
    made.SegmentationType = "BINARY" if is_binary else "FRACTIONAL"
    if is_binary:
        made.BitsAllocated = made.BitsStored = 1
        made.HighBit = 0
        bits = np.packbits(stored.reshape(-1), bitorder="little").tobytes()
        made.PixelData = bits + b"\0" * (len(bits) % 2)
    else:
        made.MaximumFractionalValue = 200
    made.SegmentSequence = []
    for number, name in enumerate(names, start=1):
        item = Dataset()
        item.SegmentNumber, item.SegmentLabel = number, name
        made.SegmentSequence.append(item)
    made.PerFrameFunctionalGroupsSequence = []
    for segment in segments:
        shown, group = Dataset(), Dataset()
        shown.ReferencedSegmentNumber = segment
        group.SegmentIdentificationSequence = [shown]
        made.PerFrameFunctionalGroupsSequence.append(group)
    return made


@pytest.fixture(scope="module")
def masks():
    return np.random.default_rng(0).random((2, 11, 13)) < 0.3


def test_a_segment_is_chosen_by_its_label(masks):
    data = encode(segmentation(masks, [2, 1], ["Mass", "Nodule"]))
    read = read_annotation(data, (11, 13), "Mass")
    assert read.labels == ("Mass", "Nodule")
    np.testing.assert_array_equal(read.truth.mask, masks[1])
    np.testing.assert_array_equal(read_annotation(data, (11, 13), "Nodule").truth.mask, masks[0])
    np.testing.assert_array_equal(read_annotation(data, (11, 13)).truth.mask, masks.any(axis=0))


def test_a_fractional_segment_marks_what_reaches_half_of_its_maximum():
    values = np.random.default_rng(1).integers(0, 201, (1, 11, 13)).astype(np.uint8)
    values[0, 0, :2] = 99, 100
    read = read_annotation(encode(segmentation(values, [1], ["Mass"])), (11, 13))
    np.testing.assert_array_equal(read.truth.mask, values[0] >= 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: setattr(made, "Rows", 12), "12 x 13 pixels, but the film 11 x 13"),
        (lambda made: delattr(made, "SegmentSequence"), "damaged or cut short"),
        (lambda made: delattr(made, "PixelData"), "without a picture"),
        (lambda made: setattr(made, "NumberOfFrames", 257), "at most 256 are read"),
        (lambda made: setattr(made, "SOPClassUID", "1.2.3"), "no Segmentation; choose a SEG"),
        (
            lambda made: setattr(made, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.66.7"),
            "is a label map",
        ),
        (
            lambda made: setattr(
                made.PerFrameFunctionalGroupsSequence[1].SegmentIdentificationSequence[0],
                "ReferencedSegmentNumber",
                2,
            ),
            "on several frames or sections",
        ),
        (
            lambda made: made.PerFrameFunctionalGroupsSequence.pop(),
            "damaged or cut short",
        ),
    ],
    ids=["size", "segments", "pixels", "frames", "class", "label-map", "sections", "groups"],
)
def test_a_segmentation_that_does_not_fit_is_refused(masks, change, message):
    made = segmentation(masks, [2, 1], ["Mass", "Nodule"])
    change(made)
    with pytest.raises(InputError, match=message) as raised:
        read_annotation(encode(made), (11, 13))
    assert PATIENT not in str(raised.value)


def test_a_segmentation_without_the_label_or_with_an_empty_one_is_refused(masks):
    masks = masks.copy()
    masks[0] = False
    data = encode(segmentation(masks, [2, 1], ["Mass", "Nodule"]))
    with pytest.raises(InputError, match="no such label; choose one of the 2"):
        read_annotation(data, (11, 13), PATIENT)
    with pytest.raises(InputError, match="marks nothing"):
        read_annotation(data, (11, 13), "Nodule")


def test_damaged_segmentations_end_in_a_message(masks):
    data = bytearray(encode(segmentation(masks, [2, 1], ["Mass", "Nodule"])))
    rng = np.random.default_rng(2)
    num_refused = num_read = 0
    for _ in range(60):
        spoilt = data.copy()
        for place in rng.integers(132, len(data), 2):
            spoilt[place] = rng.integers(256)
        stop = len(data) if rng.random() < 0.7 else int(rng.integers(140, len(data)))
        try:
            read_annotation(bytes(spoilt[:stop]), (11, 13))
            num_read += 1
        except ExplainError:
            num_refused += 1
    assert num_refused > 15
    assert num_read > 5


def test_pydicom_reads_what_the_tests_wrote(masks):
    made = pydicom.dcmread(io.BytesIO(encode(segmentation(masks, [1, 2], ["a", "b"]))))
    np.testing.assert_array_equal(made.pixel_array, masks)
