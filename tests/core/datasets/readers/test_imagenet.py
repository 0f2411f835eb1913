"""ImageNet in each of its forms, its boxes, and ImageNet-S's masks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers import imagenet_classes
from explain_core.datasets.readers.imagenet import read_imagenet
from explain_core.datasets.readers.imagenet_s import read_imagenet_s
from explain_core.errors import InputError
from explain_core.truth import Box
from tests.core.datasets.readers.making import SIZE, mask, picture, square, text

TENCH, GOLDFISH, SHARK = "n01440764", "n01443537", "n01484850"
XML = """<annotation><size><width>60</width><height>40</height></size>
<object><name>{0}</name><bndbox><xmin>4</xmin><ymin>3</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>
</object></annotation>"""


def labels(dataset: Dataset) -> list[tuple[str, str]]:
    return [(example.id, example.label) for example in dataset.examples]


def test_classes_are_those_of_the_networks() -> None:
    assert len(set(imagenet_classes.wordnet_ids())) == len(set(imagenet_classes.names())) == 1000
    assert list(imagenet_classes.wordnet_ids()) == sorted(imagenet_classes.wordnet_ids())
    index = imagenet_classes.index_of()["n02123045"]
    assert (index, imagenet_classes.names()[index]) == (281, "tabby")


def test_class_folders_with_boxes(tmp_path: Path) -> None:
    picture(tmp_path / "train" / GOLDFISH / "n01443537_7.JPEG")
    picture(tmp_path / "train" / TENCH / "n01440764_1.JPEG")
    boxes = tmp_path / "Annotations" / "CLS-LOC" / "train" / TENCH
    text(boxes / "n01440764_1.xml", XML.format(TENCH))
    dataset = read_imagenet(tmp_path, "train")
    assert labels(dataset) == [
        (f"{TENCH}/n01440764_1.JPEG", "tench"),
        (f"{GOLDFISH}/n01443537_7.JPEG", "goldfish"),
    ]
    assert len(dataset.classes) == 1000
    assert dataset.truths == {"boxes"}
    tench, goldfish = dataset.examples
    truth = tench.truth(None)
    assert truth is not None
    assert truth.boxes == (Box(3, 4, 20, 30),)
    np.testing.assert_array_equal(truth.area(SIZE), square(3, 4, 20, 30))
    assert goldfish.truth(None) is None
    assert tench.truth("goldfish") is None


def test_flat_val_of_kaggle(tmp_path: Path) -> None:
    place = tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "val"
    for number in (1, 2):
        picture(place / f"ILSVRC2012_val_{number}.JPEG", number)
    text(
        tmp_path / "LOC_val_solution.csv",
        "ImageId,PredictionString\n"
        f"ILSVRC2012_val_2,{SHARK} 4 3 30 20 {SHARK} 0 0 2 1 \nILSVRC2012_val_1,{TENCH} 1 1 9 9 \n",
    )
    dataset = read_imagenet(tmp_path)
    assert labels(dataset) == [
        ("ILSVRC2012_val_2.JPEG", "great white shark"),
        ("ILSVRC2012_val_1.JPEG", "tench"),
    ]
    truth = dataset.examples[0].truth(None)
    assert truth is not None
    assert truth.boxes == (Box(3, 4, 20, 30), Box(0, 0, 1, 2))


def devkit(folder: Path, numbers: str, names: tuple[str, ...] = (SHARK, TENCH)) -> Path:
    """Write a flat val and a devkit that numbers the classes in its own order."""
    picture(folder / "val" / "ILSVRC2012_val_00000001.JPEG")
    picture(folder / "val" / "ILSVRC2012_val_00000002.JPEG")
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    text(data / "ILSVRC2012_validation_ground_truth.txt", numbers)
    synsets = np.zeros(
        (len(names), 1), [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    )
    for index, name in enumerate(names):
        synsets[index, 0] = (index + 1, name, "words")
    scipy.io.savemat(data / "meta.mat", {"synsets": synsets})
    return folder


def test_flat_val_of_the_devkit(tmp_path: Path) -> None:
    dataset = read_imagenet(devkit(tmp_path, "2\n1\n"))
    assert [label for _, label in labels(dataset)] == ["tench", "great white shark"]
    assert dataset.truths == frozenset()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("2\n", "has 1 labels, but .* more pictures"),
        ("2\n1\n1\n", "has 3 labels, but .* 2 pictures"),
        ("2\n5\n", "line 2: 'meta.mat' has no class 5"),
        ("2\nx\n", "line 2: a label must be a number from 1 to 1000"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, numbers: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_imagenet(devkit(tmp_path, numbers))


def test_flat_val_without_scipy_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devkit(tmp_path, "2\n1\n")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match=r"pip install scipy \(or take Kaggle's LOC_val_solution"):
        read_imagenet(tmp_path)


def test_flat_val_without_labels_says_what_is_needed(tmp_path: Path) -> None:
    picture(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(InputError, match=r"neither LOC_val_solution.csv nor .*ImageNet needs"):
        read_imagenet(tmp_path)
    with pytest.raises(InputError, match=r"holds no 'train'; ImageNet needs the folder train"):
        read_imagenet(tmp_path, "train")


def test_unknown_class_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "val" / "n99999999" / "a.JPEG")
    with pytest.raises(InputError, match=r"'n99999999' is none of ImageNet's 1,000 classes"):
        read_imagenet(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["<annotation>", XML.replace("<xmax>30", "<xmax>?"), XML.replace("<xmax>30", "<xmax>1")],
)
def test_broken_boxes_name_their_file(tmp_path: Path, content: str) -> None:
    picture(tmp_path / "val" / TENCH / "a.JPEG")
    text(tmp_path / "bbox" / "val" / TENCH / "a.xml", content)
    example = read_imagenet(tmp_path).examples[0]
    with pytest.raises(InputError, match=r"'a.xml'"):
        example.truth(None)


# ImageNet-S


@pytest.fixture
def segmented(tmp_path: Path) -> Path:
    """ImageNet-S with three classes and the list of their ids, sorted: 1, 2, 3."""
    text(tmp_path / "ImageNetS_categories_im50.txt", f"{SHARK}\n{TENCH}\n{GOLDFISH}\n")
    picture(tmp_path / "validation" / GOLDFISH / "a.JPEG", 5)
    numbers = np.zeros(SIZE, int)
    numbers[5:10, 5:20] = 2
    numbers[20:30, 5:20] = 3
    numbers[35:, :] = 1000
    colours = np.stack([numbers % 256, numbers // 256, np.zeros(SIZE, int)], axis=2)
    mask(tmp_path / "validation-segmentation" / GOLDFISH / "a.png", colours.astype(np.uint8))
    return tmp_path


def test_mask_is_the_pictures_class_alone(segmented: Path) -> None:
    dataset = read_imagenet_s(segmented)
    example = dataset.examples[0]
    truth = example.truth(None)
    assert (example.label, dataset.truths) == ("goldfish", {"mask"})
    assert truth is not None
    np.testing.assert_array_equal(truth.area(SIZE), square(5, 5, 10, 20))
    assert example.read().pixels[0, 0, 0] == 5


def test_numbers_above_255_use_the_second_channel(segmented: Path) -> None:
    ids = imagenet_classes.wordnet_ids()[:300]
    (segmented / "ImageNetS_categories_im50.txt").unlink()
    text(segmented / "ImageNetS_categories_im300.txt", "\n".join(ids))
    picture(segmented / "validation" / ids[299] / "b.JPEG")
    colours = np.zeros((*SIZE, 3), np.uint8)
    colours[2:4, 3:6] = (300 - 256, 1, 0)
    mask(segmented / "validation-segmentation" / ids[299] / "b.png", colours)
    truth = read_imagenet_s(segmented).examples[1].truth(None)
    assert truth is not None
    np.testing.assert_array_equal(truth.area(SIZE), square(2, 3, 4, 6))


def test_missing_masks_are_named(segmented: Path) -> None:
    (segmented / "validation-segmentation" / GOLDFISH / "a.png").unlink()
    with pytest.raises(InputError, match=f"no mask 'a.png' for '{GOLDFISH}/a.JPEG'"):
        read_imagenet_s(segmented).examples[0].truth(None)
    (segmented / "validation-segmentation").rename(segmented / "elsewhere")
    with pytest.raises(InputError, match="ImageNet-S with masks needs the folders validation and"):
        read_imagenet_s(segmented)


def test_numbers_without_a_list_of_classes_are_refused(segmented: Path) -> None:
    (segmented / "ImageNetS_categories_im50.txt").unlink()
    with pytest.raises(InputError, match=r"has 1 classes instead of 50, 300 or 919"):
        read_imagenet_s(segmented)


def test_mask_of_one_channel_is_refused(segmented: Path) -> None:
    path = segmented / "validation-segmentation" / GOLDFISH / "a.png"
    mask(path, np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match="has one channel"):
        read_imagenet_s(segmented).examples[0].truth(None)
