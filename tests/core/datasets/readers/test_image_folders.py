"""Class folders, with and without masks, Birds-525 and ISIC."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from explain_core.datasets.readers.image_folders import read_birds525, read_image_folder
from explain_core.datasets.readers.isic import read_isic
from explain_core.errors import ImageError, InputError
from tests.core.datasets.readers.making import SIZE, mask, picture, square, text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, path in enumerate(("wren/b.png", "wren/a.jpg", "tit/deep/c.PNG")):
        picture(tmp_path / "images" / path, index + 1)
    text(tmp_path / "images" / "tit" / "notes.txt", "no picture")
    text(tmp_path / "images" / "tit" / ".hidden.png", "hidden")
    return tmp_path / "images"


def test_folders_are_classes_in_the_order_of_their_names(folder: Path) -> None:
    dataset = read_image_folder(folder)
    assert dataset.classes == ("tit", "wren")
    assert [(each.id, each.label) for each in dataset.examples] == [
        ("tit/deep/c.PNG", "tit"),
        ("wren/a.jpg", "wren"),
        ("wren/b.png", "wren"),
    ]
    assert [int(each.read().pixels[0, 0, 0]) for each in dataset.examples] == [3, 2, 1]
    assert dataset.truths == frozenset()
    assert dataset.examples[0].truth(None) is None


def test_nothing_is_read_before_it_is_asked_for(folder: Path) -> None:
    (folder / "wren" / "a.jpg").write_bytes(b"not a picture")
    example = read_image_folder(folder).examples[1]
    with pytest.raises(ImageError, match=r"'wren/a.jpg'") as caught:
        example.read()
    assert str(folder.parent) not in str(caught.value)


def test_messages_on_a_mask_do_not_tell_where_the_set_lies(folder: Path) -> None:
    text(folder.parent / "masks" / "wren" / "a.png", "no mask")
    example = read_image_folder(folder, folder.parent / "masks").examples[1]
    with pytest.raises(InputError, match=r"a.png'") as caught:
        example.truth(None)
    assert str(folder.parent) not in str(caught.value)


def test_masks_are_truth_for_the_class_and_unknown_against_another(folder: Path) -> None:
    masks = folder.parent / "masks"
    inside = square(3, 4, 20, 30)
    mask(masks / "wren" / "a.png", inside.astype(np.uint8) * 255)
    rgba = np.zeros((*SIZE, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[inside, 1] = 9
    mask(masks / "wren" / "b.png", rgba)
    dataset = read_image_folder(folder, masks)
    assert dataset.truths == {"mask"}
    for example in dataset.examples[1:]:
        truth = example.truth(None)
        assert truth is not None
        np.testing.assert_array_equal(truth.area(SIZE), inside)
        assert example.truth("tit") is None
    with pytest.raises(InputError, match=r"no mask 'c.png' for 'tit/deep/c.PNG'"):
        dataset.examples[0].truth(None)


def test_unknown_other_class_is_refused(folder: Path) -> None:
    example = read_image_folder(folder, folder).examples[0]
    with pytest.raises(
        InputError, match=r"'gull' is no class of this set; it has 2, such as 'tit'"
    ):
        example.truth("gull")
    with pytest.raises(InputError, match="itself shows 'tit'"):
        example.truth("tit")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_wrong_folder_says_what_is_expected(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"needs a folder for each class .*CLASS/NAME.png"):
        read_image_folder(tmp_path / name)


def test_birds525_reads_the_part_that_is_asked_for(tmp_path: Path) -> None:
    for part, value in (("train", 1), ("valid", 2), ("test", 3)):
        picture(tmp_path / part / "ABBOTTS BABBLER" / "1.jpg", value)
    dataset = read_birds525(tmp_path, "valid")
    assert dataset.classes == ("ABBOTTS BABBLER",)
    assert dataset.examples[0].read().pixels[0, 0, 0] == 2
    with pytest.raises(InputError, match="no part 'val'; it has train, valid, test"):
        read_birds525(tmp_path, "val")
    with pytest.raises(InputError, match="Birds-525 needs the folders train, valid and test"):
        read_birds525(tmp_path / "test")


def test_real_films_with_masks(data_dir: Path, tmp_path: Path) -> None:
    source = data_dir / "xray" / "cxr_covid"
    name = "ground glass opacities"
    kept = {}
    for entry in json.loads((source / "annotations.json").read_text()):
        if name in entry["masks"] and len(kept) < 3:
            label = entry["finding"].replace("/", "-")
            for folder, file in (
                ("images", entry["file"]),
                ("masks", entry["masks"][name]["file"]),
            ):
                stem = Path(entry["file"]).stem
                link = tmp_path / folder / label / f"{stem}{Path(file).suffix}"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source / file)
            kept[Path(entry["file"]).stem] = entry
    dataset = read_image_folder(tmp_path)
    assert len(dataset.examples) == 3
    for example in dataset.examples:
        entry = kept[Path(example.id).stem]
        image, truth = example.read(), example.truth(None)
        assert image.size == tuple(entry["size"][::-1])
        assert truth is not None
        share = truth.area(image.size).mean()
        assert share == pytest.approx(entry["masks"][name]["fraction"], abs=2e-3)


# ISIC


def isic_2019(folder: Path) -> Path:
    text(
        folder / "ISIC_2019_Training_GroundTruth.csv",
        "image,MEL,NV,BCC\nISIC_1,0.0,1.0,0.0\nISIC_2,1.0,0.0,0.0\nISIC_3,0,1,0\n",
    )
    text(
        folder / "ISIC_2019_Training_Metadata.csv",
        "image,age_approx,lesion_id\nISIC_1,55,L7\nISIC_2,60,L8\nISIC_3,55,L7\n",
    )
    for number in (1, 2, 3):
        picture(folder / "ISIC_2019_Training_Input" / f"ISIC_{number}.jpg", number)
    return folder


def test_isic_table_gives_diagnosis_and_lesion(tmp_path: Path) -> None:
    dataset = read_isic(isic_2019(tmp_path))
    assert dataset.classes == ("MEL", "NV")
    assert [(each.label, each.group) for each in dataset.examples] == [
        ("NV", "L7"),
        ("MEL", "L8"),
        ("NV", "L7"),
    ]
    assert [int(each.read().pixels[0, 0, 0]) for each in dataset.examples] == [1, 2, 3]


def test_isic_2020_groups_patients(tmp_path: Path) -> None:
    text(
        tmp_path / "train.csv",
        "image_name,patient_id,benign_malignant,target\nISIC_5,P1,benign,0\nISIC_6,P1,malignant,1\n",
    )
    for name in ("ISIC_5", "ISIC_6"):
        picture(tmp_path / "train" / f"{name}.jpg")
    dataset = read_isic(tmp_path)
    assert [(each.label, each.group) for each in dataset.examples] == [
        ("benign", "P1"),
        ("malignant", "P1"),
    ]


def test_isic_without_a_table_is_class_folders(tmp_path: Path) -> None:
    picture(tmp_path / "melanoma" / "a.jpg")
    assert read_isic(tmp_path).classes == ("melanoma",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,MEL,NV\nISIC_1,1,1\n", r"line 2 gives 'ISIC_1' 2 diagnoses"),
        ("image,MEL,NV\nISIC_9,1,0\n", r"1 pictures that are not in .*such as 'ISIC_9'"),
        ("picture,what\nISIC_1,NV\n", "is no table of ISIC"),
        ("image,MEL\n", "names no pictures"),
    ],
)
def test_broken_isic_tables_are_refused(tmp_path: Path, table: str, message: str) -> None:
    text(tmp_path / "ISIC_GroundTruth.csv", table)
    picture(tmp_path / "ISIC_1.jpg")
    with pytest.raises(InputError, match=message):
        read_isic(tmp_path)


def test_two_years_of_isic_are_refused(tmp_path: Path) -> None:
    isic_2019(tmp_path)
    text(tmp_path / "train.csv", "image_name,benign_malignant\n")
    with pytest.raises(InputError, match="holds 2 tables"):
        read_isic(tmp_path)
