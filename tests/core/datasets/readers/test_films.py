"""RSNA pneumonia and SIIM pneumothorax: DICOM films with boxes and run lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explain_core.datasets.readers.rsna import read_rsna
from explain_core.datasets.readers.siim import read_siim
from explain_core.errors import ImageError, InputError
from tests.core.datasets.readers.making import SIZE, square, text
from tests.core.images.dicom_making import encode, film

DETAILS = "patientId,class\np1,Lung Opacity\np2,Normal\np1,Lung Opacity\np3,{0}\n"
NOT_NORMAL = "No Lung Opacity / Not Normal"


def write_film(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(film(np.full(SIZE, value, np.uint8))))


# RSNA


@pytest.fixture
def rsna(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        write_film(tmp_path / "stage_2_train_images" / f"p{number}.dcm", number)
    text(
        tmp_path / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target\np1,4.0,3.0,26.0,17.0,1\np2,,,,,0\n"
        "p1,40.0,30.0,5.0,4.0,1\np3,,,,,0\n",
    )
    return tmp_path


def test_rsna_boxes_of_one_film_belong_together(rsna: Path) -> None:
    text(rsna / "stage_2_detailed_class_info.csv", DETAILS.format(NOT_NORMAL))
    dataset = read_rsna(rsna)
    assert [(each.id, each.label, each.group) for each in dataset.examples] == [
        ("p1", "Lung Opacity", "p1"),
        ("p2", "Normal", "p2"),
        ("p3", NOT_NORMAL, "p3"),
    ]
    image, truth = dataset.examples[0].read(), dataset.examples[0].truth(None)
    assert (image.kind, image.size, int(image.pixels[0, 0])) == ("dicom", SIZE, 1)
    assert truth is not None
    expected = square(3, 4, 20, 30) | square(30, 40, 34, 45)
    np.testing.assert_array_equal(truth.area(SIZE), expected)
    against = dataset.examples[0].truth("Normal")
    assert against is not None
    assert against.boxes == truth.boxes
    assert dataset.examples[1].truth(None) is None


def test_rsna_without_details_has_two_classes(rsna: Path) -> None:
    dataset = read_rsna(rsna)
    assert dataset.classes == ("No Lung Opacity", "Lung Opacity")
    assert [each.label for each in dataset.examples][1:] == ["No Lung Opacity"] * 2


def test_rsna_messages(rsna: Path) -> None:
    text(rsna / "stage_2_detailed_class_info.csv", DETAILS.format("Healthy"))
    with pytest.raises(InputError, match="line 5: 'Healthy' is no class of RSNA pneumonia"):
        read_rsna(rsna)
    text(rsna / "stage_2_detailed_class_info.csv", DETAILS.format("Lung Opacity"))
    with pytest.raises(InputError, match="disagree about film 'p3'"):
        read_rsna(rsna)
    (rsna / "stage_2_detailed_class_info.csv").unlink()
    head = "patientId,x,y,width,height,Target\n"
    for line, message in (
        ("p1,a,1,1,1,1", "line 2: x, y, width and height must be numbers"),
        ("p1,1,1,0,1,1", "line 2: a box must have"),
        ("p1,1,1,1,1,2", "line 2: Target must be 0 or 1"),
        ("../p1,1,1,1,1,1", "inside the set's folder"),
    ):
        text(rsna / "stage_2_train_labels.csv", f"{head}{line}\n")
        with pytest.raises(InputError, match=message):
            read_rsna(rsna)
    (rsna / "stage_2_train_labels.csv").unlink()
    with pytest.raises(InputError, match=r"RSNA pneumonia needs stage_2_train_images/PATIENT.dcm"):
        read_rsna(rsna)


def test_missing_film_is_named_when_it_is_read(rsna: Path) -> None:
    (rsna / "stage_2_train_images" / "p2.dcm").unlink()
    with pytest.raises(ImageError, match=r"p2.dcm' cannot be opened"):
        read_rsna(rsna).examples[1].read()


def test_real_film_in_rsnas_form(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "stage_2_train_images").mkdir()
    link = tmp_path / "stage_2_train_images" / "film.dcm"
    link.symlink_to(data_dir / "xray" / "dicom" / "rsna_cxr.dcm")
    table = "patientId,x,y,width,height,Target\nfilm,100,200,300,400,1\n"
    text(tmp_path / "stage_2_train_labels.csv", table)
    example = read_rsna(tmp_path).examples[0]
    truth = example.truth(None)
    assert truth is not None
    assert truth.area(example.read().size).sum() == 300 * 400


# SIIM


def runs(inside: np.ndarray) -> str:
    """Write a mask as the challenge does: column by column, each run from the end of the last."""
    written, place, flat = [], 0, inside.T.ravel()
    index = 0
    while index < len(flat):
        if flat[index]:
            stop = index
            while stop < len(flat) and flat[stop]:
                stop += 1
            written += [index - place, stop - index]
            index = place = stop
        else:
            index += 1
    return " ".join(map(str, written))


@pytest.fixture
def siim(tmp_path: Path) -> Path:
    for number in (1, 2):
        study = tmp_path / "dicom-images-train" / f"1.2.{number}" / f"1.3.{number}"
        write_film(study / f"1.4.{number}.dcm", number)
    first, second = runs(square(3, 4, 20, 30)), runs(square(15, 28, 40, 60))
    text(
        tmp_path / "train-rle.csv",
        f"ImageId, EncodedPixels\n1.4.1, {first}\n1.4.2, -1\n1.4.1, {second}\n1.4.9, -1\n",
    )
    return tmp_path


def test_siim_regions_of_one_film_are_one_mask(siim: Path) -> None:
    dataset = read_siim(siim)
    assert [(each.id, each.label) for each in dataset.examples] == [
        ("1.4.1", "Pneumothorax"),
        ("1.4.2", "No Pneumothorax"),
    ]
    expected = square(3, 4, 20, 30) | square(15, 28, 40, 60)
    for other in (None, "No Pneumothorax"):
        truth = dataset.examples[0].truth(other)
        assert truth is not None
        np.testing.assert_array_equal(truth.area(SIZE), expected)
    assert dataset.examples[1].truth(None) is None
    assert [int(each.read().pixels[0, 0]) for each in dataset.examples] == [1, 2]


def test_siim_messages(siim: Path) -> None:
    text(siim / "train-rle.csv", "ImageId, EncodedPixels\n1.4.1, 2399 2\n")
    with pytest.raises(InputError, match=r"film '1.4.1': run lengths reach pixel 2401"):
        read_siim(siim).examples[0].truth(None)
    text(siim / "train-rle.csv", "ImageId, EncodedPixels\n1.4.7, -1\n")
    with pytest.raises(InputError, match=r"none of the 1 films that 'train-rle.csv' lists"):
        read_siim(siim)
    text(siim / "train-rle.csv", "ImageId\n1.4.1\n")
    with pytest.raises(InputError, match="must name the columns ImageId, EncodedPixels"):
        read_siim(siim)
    (siim / "train-rle.csv").unlink()
    with pytest.raises(InputError, match="SIIM pneumothorax needs dicom-images-train"):
        read_siim(siim)
