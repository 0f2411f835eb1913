"""ImageNet (ILSVRC 2012), as image-net.org and as Kaggle distribute it, with its boxes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    Strings,
    box,
    class_folders,
    find_any,
    inner_path,
    lines,
    numbers,
    pictures_below,
    require_folder,
    require_part,
    rows,
    whole,
)
from explain_core.datasets.readers.imagenet_classes import index_of, names
from explain_core.datasets.readers.mat_files import load_mat
from explain_core.errors import InputError
from explain_core.truth import Box, Truth

TITLE = "ImageNet"
LAYOUT = (
    "the folder train or val with a folder for each WordNet id (n01440764 ...); or a flat val with "
    "LOC_val_solution.csv (Kaggle), or with the devkit's files "
    "data/ILSVRC2012_validation_ground_truth.txt and data/meta.mat. Boxes: "
    "Annotations/CLS-LOC/PART, or bbox/PART, with the XML files"
)
LICENCE = "ImageNet: non-commercial research and education; pictures belong to their owners"
_PARTS = ("train", "val")
_KAGGLE = "ILSVRC/Data/CLS-LOC"
_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
_DEVKITS = ("", "data", "ILSVRC2012_devkit_t12/data")


def read_imagenet(folder: Path, part: str = "val") -> Dataset:
    """Read the train or val part of ImageNet; class names are torchvision's.

    Args:
        folder: what holds `part`; Kaggle's download may be named as a whole.

    Raises:
        InputError: another folder, unknown classes, or a list of labels that does not fit.
    """
    require_part(part, _PARTS, TITLE)
    require_folder(folder, TITLE, LAYOUT)
    place = find_any(folder, (part, f"{_KAGGLE}/{part}"))
    if place is None:
        raise InputError(f"'{folder}' holds no '{part}'; {TITLE} needs {LAYOUT}")
    pictures = Pictures(place, names())
    solution = find_any(folder, (f"LOC_{part}_solution.csv",))
    listed: Strings | None = None
    if folders := class_folders(place):
        for wordnet_id in folders:
            class_idx = _class_of(wordnet_id, f"'{place}'")
            for path in pictures_below(place / wordnet_id, f"{wordnet_id}/"):
                pictures.append(path, class_idx)
    elif solution is not None:
        listed = _append_kaggle(pictures, solution)
    else:
        _append_flat(pictures, folder)
    if not pictures.ids:
        raise InputError(f"'{place}' holds no pictures; {TITLE} needs {LAYOUT}")
    boxes = find_any(
        folder,
        (f"ILSVRC/Annotations/CLS-LOC/{part}", f"Annotations/CLS-LOC/{part}", f"bbox/{part}"),
    )
    if boxes is not None:
        pictures.knows(lambda index: _truth(_from_xml(boxes, pictures.ids[index])))
    elif listed is not None:
        pictures.knows(lambda index: _truth(_from_kaggle(listed[index], pictures.ids[index])))
    return Dataset(
        name="imagenet",
        title=f"{TITLE} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"boxes"} if boxes or listed else ()),
        licence=LICENCE,
    )


def _class_of(wordnet_id: str, where: str) -> int:
    if wordnet_id not in index_of():
        raise InputError(
            f"{where}: '{wordnet_id}' is none of ImageNet's 1,000 classes, which are WordNet ids "
            "such as n01440764; remove it, or read the set as an image folder"
        )
    return index_of()[wordnet_id]


def _append_kaggle(pictures: Pictures, solution: Path) -> Strings:
    """List what LOC_val_solution.csv names; return its boxes as it writes them."""
    boxes = Strings()
    for where, row in rows(solution, ("ImageId", "PredictionString")):
        wordnet_id = row["PredictionString"].split(" ", 1)[0]
        id = inner_path(f"{row['ImageId']}.JPEG", where)
        pictures.append(id, _class_of(wordnet_id, where))
        boxes.append(row["PredictionString"])
    return boxes


def _append_flat(pictures: Pictures, folder: Path) -> None:
    """List a flat val by the devkit's ground truth, which numbers classes in its own way."""
    truth = find_any(folder, [str(Path(devkit) / _TRUTH) for devkit in _DEVKITS])
    if truth is None:
        raise InputError(
            f"'{pictures.root}' has no folders for classes, and '{folder}' neither "
            f"LOC_val_solution.csv nor '{_TRUTH}'; {TITLE} needs {LAYOUT}"
        )
    meta = find_any(truth.parent, ("meta.mat",))
    if meta is None:
        raise InputError(
            f"'{truth.parent}' holds no 'meta.mat', which says what the numbers in '{_TRUTH}' "
            "mean; take it from the devkit, or Kaggle's LOC_val_solution.csv instead"
        )
    index_of_number = dict(_numbering(meta))
    labels = array("i")
    for where, text in lines(truth):
        number = whole(text, where, "a label", 1, len(names()))
        if number not in index_of_number:
            raise InputError(f"{where}: '{meta.name}' has no class {number}; fetch both again")
        labels.append(index_of_number[number])
    paths = pictures_below(pictures.root)
    for class_idx, id in zip(labels, paths, strict=False):
        pictures.append(id, class_idx)
    num_more = sum(1 for _ in islice(paths, 1))
    if len(pictures.ids) != len(labels) or num_more:
        raise InputError(
            f"'{truth.name}' has {len(labels)} labels, but '{pictures.root}' "
            f"{'more' if num_more else len(pictures.ids)} pictures; they belong together one by one"
        )


def _numbering(meta: Path) -> Iterator[tuple[int, int]]:
    """Yield the class index of each ILSVRC2012_ID that the devkit's meta.mat gives a leaf."""
    found = load_mat(meta, "or take Kaggle's LOC_val_solution.csv instead")
    try:
        for synset in found["synsets"]:
            number, wordnet_id = int(synset["ILSVRC2012_ID"]), str(synset["WNID"])
            if wordnet_id in index_of():
                yield number, index_of()[wordnet_id]
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"'{meta}' is not the devkit's meta.mat; fetch it again") from error


def _truth(boxes: tuple[Box, ...]) -> Truth | None:
    return Truth(boxes=boxes) if boxes else None


def _from_kaggle(listed: str, id: str) -> tuple[Box, ...]:
    parts = listed.split()
    where = f"'LOC_val_solution.csv', picture '{id}'"
    return tuple(
        box(*_edges(parts[start + 1 : start + 5], where), where)
        for start in range(0, len(parts) - 4, 5)
    )


def _from_xml(boxes: Path, id: str) -> tuple[Box, ...]:
    path = (boxes / id).with_suffix(".xml")
    if not path.is_file():
        # Few of the training pictures have boxes.
        return ()
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"'{path.name}' cannot be read as XML; fetch it again") from error
    where = f"'{path.name}'"
    edges = ("xmin", "ymin", "xmax", "ymax")
    return tuple(
        box(*_edges([found.findtext(edge, "") for edge in edges], where), where)
        for found in root.iter("bndbox")
    )


def _edges(texts: list[str], where: str) -> tuple[float, float, float, float]:
    left, top, right, bottom = numbers(texts, where, "the edges of a box")
    return left, top, right, bottom
