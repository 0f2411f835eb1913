"""Stanford Cars, FGVC-Aircraft and Fish-Vista in the forms in which they are distributed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from explain_core.datasets.readers.fgvc_aircraft import read_fgvc_aircraft
from explain_core.datasets.readers.fish_vista import read_fish_vista
from explain_core.datasets.readers.stanford_cars import read_stanford_cars
from explain_core.errors import ImageError, InputError
from tests.core.datasets.readers.making import SIZE, mask, picture, square, text

CARS = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012")
FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")


# Stanford Cars


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    picture(tmp_path / "cars_test" / "00001.jpg", 1)
    picture(tmp_path / "cars_test" / "00002.jpg", 2)
    names = np.array([[name for name in CARS]], dtype=object)
    (tmp_path / "devkit").mkdir()
    scipy.io.savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    annotations = np.zeros((1, 2), [(name, object) for name in FIELDS])
    annotations[0, 0] = (1, 1, 60, 40, 2, "00001.jpg")
    annotations[0, 1] = (5, 4, 30, 20, 1, "00002.jpg")
    scipy.io.savemat(
        tmp_path / "devkit" / "cars_test_annos_withlabels.mat", {"annotations": annotations}
    )
    return tmp_path


def as_csv(folder: Path) -> Path:
    """Write the same test part as Kaggle has it."""
    picture(folder / "car_data" / "car_data" / "test" / CARS[0] / "00002.jpg", 2)
    picture(folder / "car_data" / "car_data" / "test" / CARS[1].replace("/", "-") / "00001.jpg", 1)
    text(folder / "names.csv", "".join(f"{name}\n" for name in CARS))
    text(folder / "anno_test.csv", "00001.jpg,1,1,60,40,2\n00002.jpg,5,4,30,20,1\n")
    return folder


@pytest.mark.parametrize("form", ["mat", "csv"])
def test_cars_have_labels_and_boxes(cars: Path, tmp_path: Path, form: str) -> None:
    dataset = read_stanford_cars(cars if form == "mat" else as_csv(tmp_path / "kaggle"))
    assert dataset.classes == CARS
    assert [example.label for example in dataset.examples] == [CARS[1], CARS[0]]
    assert [int(example.read().pixels[0, 0, 0]) for example in dataset.examples] == [1, 2]
    everything, some = (example.truth(None) for example in dataset.examples)
    assert everything is not None
    assert some is not None
    # MATLAB counts from 1 and means both ends.
    assert everything.area(SIZE).all()
    np.testing.assert_array_equal(some.area(SIZE), square(3, 4, 20, 30))
    assert dataset.examples[0].truth(CARS[0]) is None


def test_cars_without_scipy_name_the_command(cars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match=r"pip install scipy \(or give names.csv"):
        read_stanford_cars(cars)


def test_cars_test_without_labels_is_refused(cars: Path) -> None:
    bare = np.zeros((1, 1), [(name, object) for name in FIELDS if name != "class"])
    bare[0, 0] = (1, 1, 2, 2, "00001.jpg")
    path = cars / "devkit" / "cars_test_annos_withlabels.mat"
    scipy.io.savemat(path, {"annotations": bare})
    with pytest.raises(InputError, match=r"take cars_test_annos_withlabels.mat"):
        read_stanford_cars(cars)
    path.write_bytes(b"MATLAB 5.0 no more")
    with pytest.raises(InputError, match=r"is no .mat file|are not the devkit's files"):
        read_stanford_cars(cars)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00001.jpg,1,1,60,40", "must be FILE,X1,Y1,X2,Y2,CLASS"),
        ("00001.jpg,1,1,60,40,3", "the class must be a number from 1 to 2"),
        ("00001.jpg,1,x,60,40,2", "an edge must be a number"),
        ("00001.jpg,9,1,3,40,2", "'anno_test.csv', line 1: a box must have"),
    ],
)
def test_broken_car_lists_are_refused(tmp_path: Path, line: str, message: str) -> None:
    text(as_csv(tmp_path) / "anno_test.csv", line + "\n")
    with pytest.raises(InputError, match=message):
        read_stanford_cars(tmp_path)


def test_no_cars_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Stanford Cars needs cars_train/ and cars_test/"):
        read_stanford_cars(tmp_path)


# FGVC-Aircraft


@pytest.fixture
def aircraft(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    picture(data / "images" / "0034309.jpg", 7)
    picture(data / "images" / "1025794.jpg", 8)
    text(data / "families.txt", "A300\nBoeing 707\n")
    text(data / "variants.txt", "707-320\nA300B4\n")
    text(data / "images_family_test.txt", "1025794 Boeing 707\n0034309 A300\n")
    text(data / "images_variant_test.txt", "1025794 707-320\n")
    text(data / "images_box.txt", "0034309 1 1 60 20\n1025794 5 4 30 20\n")
    return tmp_path


def test_aircraft_by_family_without_the_banner(aircraft: Path) -> None:
    dataset = read_fgvc_aircraft(aircraft)
    assert dataset.classes == ("A300", "Boeing 707")
    assert [(each.id, each.label) for each in dataset.examples] == [
        ("1025794", "Boeing 707"),
        ("0034309", "A300"),
    ]
    image, truth = dataset.examples[0].read(), dataset.examples[0].truth(None)
    assert image.size == (SIZE[0] - 20, SIZE[1])
    assert image.pixels[0, 0, 0] == 8
    assert "banner of 20 rows cut off" in image.notes
    assert truth is not None
    np.testing.assert_array_equal(truth.area(image.size), square(3, 4, 20, 30)[:20])


def test_aircraft_by_variant(aircraft: Path) -> None:
    dataset = read_fgvc_aircraft(aircraft, "test", "variant")
    assert [each.label for each in dataset.examples] == ["707-320"]


def test_aircraft_messages(aircraft: Path) -> None:
    with pytest.raises(InputError, match="level must be one of variant, family, manufacturer"):
        read_fgvc_aircraft(aircraft, level="airline")  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"images_family_val.txt'; FGVC-Aircraft needs data/images"
    ):
        read_fgvc_aircraft(aircraft, "val")
    text(aircraft / "data" / "images_family_test.txt", "0034309 A380\n")
    with pytest.raises(InputError, match=r"line 1: 'A380' is not in 'families.txt'"):
        read_fgvc_aircraft(aircraft)
    text(aircraft / "data" / "images_family_test.txt", "77 A300\n")
    with pytest.raises(InputError, match=r"picture 77 is not in 'images_box.txt'"):
        read_fgvc_aircraft(aircraft)


# Fish-Vista


@pytest.fixture
def fish(tmp_path: Path) -> Path:
    picture(tmp_path / "Images" / "chunk_1" / "INHS_1.jpg", 3)
    picture(tmp_path / "Images" / "INHS_2.jpg", 4)
    head = "filename,family,standardized_species,file_name\n"
    both = (
        "INHS_1.jpg,Percidae,perca flavescens,Images/chunk_1/INHS_1.jpg\n"
        "INHS_2.jpg,Esocidae,esox lucius,Images/chunk_2/INHS_2.jpg\n"
    )
    text(tmp_path / "classification_test.csv", head + both)
    text(tmp_path / "segmentation_test.csv", head + both)
    numbers = np.zeros(SIZE, np.uint8)
    numbers[3:20, 4:10], numbers[3:20, 10:30] = 1, 7
    mask(tmp_path / "segmentation_masks" / "images" / "INHS_1.png", numbers)
    return tmp_path


def test_fish_are_found_in_their_chunk_or_beside(fish: Path) -> None:
    dataset = read_fish_vista(fish)
    assert dataset.classes == ("esox lucius", "perca flavescens")
    assert [each.label for each in dataset.examples] == ["perca flavescens", "esox lucius"]
    assert [int(each.read().pixels[0, 0, 0]) for each in dataset.examples] == [3, 4]
    assert dataset.truths == frozenset()
    assert dataset.examples[0].truth(None) is None


def test_fish_traits_are_the_mask(fish: Path) -> None:
    first, second = read_fish_vista(fish, "segmentation_test").examples
    truth = first.truth(None)
    assert truth is not None
    np.testing.assert_array_equal(truth.area(SIZE), square(3, 4, 20, 30))
    with pytest.raises(InputError, match=r"no mask 'INHS_2.png' for 'INHS_2.jpg'"):
        second.truth(None)


def test_fish_messages(fish: Path) -> None:
    with pytest.raises(InputError, match="no part 'test'; it has classification_test"):
        read_fish_vista(fish, "test")
    with pytest.raises(InputError, match=r"classification_val.csv'; Fish-Vista needs Images/NAME"):
        read_fish_vista(fish, "classification_val")
    text(fish / "classification_val.csv", "filename,species\nA.jpg,esox\n")
    with pytest.raises(InputError, match="must name the columns filename, standardized_species"):
        read_fish_vista(fish, "classification_val")
    text(fish / "classification_val.csv", "filename,standardized_species\nA.jpg,esox lucius\n")
    with pytest.raises(ImageError, match=r"no file .*A.jpg"):
        read_fish_vista(fish, "classification_val").examples[0].read()
