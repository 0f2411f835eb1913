"""Stanford Cars: 196 makes, models and years, each picture with a box."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    box,
    find,
    find_any,
    inner_path,
    lines,
    require_folder,
    require_part,
    whole,
)
from explain_core.datasets.readers.mat_files import load_mat
from explain_core.errors import InputError
from explain_core.truth import Box, Truth

TITLE = "Stanford Cars"
LAYOUT = (
    "cars_train/ and cars_test/ with devkit/cars_meta.mat, devkit/cars_train_annos.mat and "
    "devkit/cars_test_annos_withlabels.mat; or car_data/train/CLASS and car_data/test/CLASS with "
    "names.csv, anno_train.csv and anno_test.csv (Kaggle)"
)
_PARTS = ("test", "train")
_EDGES = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
_MAX_PX = 10**6


class _Line(NamedTuple):
    where: str
    file: str
    class_idx: int
    box: Box


def read_stanford_cars(folder: Path, part: str = "test") -> Dataset:
    """Read Stanford Cars (Krause et al., 2013) from its .mat files or from their CSV form.

    Raises:
        InputError: another folder, no such part, files that do not fit, or scipy is needed for
            .mat files and not installed.
    """
    require_part(part, _PARTS, TITLE)
    require_folder(folder, TITLE, LAYOUT)
    table = find_any(folder, (f"anno_{part}.csv", f"devkit/anno_{part}.csv"))
    if table is not None:
        pictures, found = _from_csv(folder, table, part)
    else:
        pictures, found = _from_mat(folder, part)
    boxes: list[Box] = []
    for line in found:
        pictures.append(inner_path(line.file, line.where), line.class_idx)
        boxes.append(line.box)
    if not boxes:
        raise InputError(f"the {part} part of {TITLE} in '{folder}' has no pictures")
    pictures.knows(lambda index: Truth(boxes=(boxes[index],)))
    return Dataset(
        name="stanford-cars",
        title=f"{TITLE} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"boxes"}),
        licence="Stanford Cars: non-commercial research",
    )


def _from_csv(folder: Path, table: Path, part: str) -> tuple[Pictures, Iterator[_Line]]:
    names = find(folder, ("names.csv", "devkit/names.csv"), TITLE, LAYOUT)
    places = (f"car_data/car_data/{part}", f"car_data/{part}", f"cars_{part}", part)
    place = find(folder, places, TITLE, LAYOUT)
    pictures = Pictures(place, [text.strip('"') for _, text in lines(names)])
    # A class's folder cannot have the slash that one class's name has.
    folders = [name.replace("/", "-") for name in pictures.classes]
    in_folders = any((place / name).is_dir() for name in folders)
    return pictures, _csv_lines(table, folders, in_folders)


def _csv_lines(table: Path, folders: list[str], in_folders: bool) -> Iterator[_Line]:
    for where, text in lines(table):
        row = next(csv.reader([text]))
        if len(row) != 6:
            raise InputError(f"{where} reads '{text[:60]}', but must be FILE,X1,Y1,X2,Y2,CLASS")
        class_idx = whole(row[5], where, "the class", 1, len(folders)) - 1
        edges = [whole(value, where, "an edge", 0, _MAX_PX) for value in row[1:5]]
        file = f"{folders[class_idx]}/{row[0]}" if in_folders else row[0]
        yield _Line(where, file, class_idx, _box(edges, where))


def _from_mat(folder: Path, part: str) -> tuple[Pictures, Iterator[_Line]]:
    file = "cars_train_annos.mat" if part == "train" else "cars_test_annos_withlabels.mat"
    annotations = find(folder, (f"devkit/{file}", f"car_devkit/devkit/{file}", file), TITLE, LAYOUT)
    meta_file = "cars_meta.mat"
    meta = find(
        folder,
        (f"devkit/{meta_file}", f"car_devkit/devkit/{meta_file}", meta_file),
        TITLE,
        LAYOUT,
    )
    place = find(folder, (f"cars_{part}/cars_{part}", f"cars_{part}"), TITLE, LAYOUT)
    instead = "or give names.csv and anno_train.csv, anno_test.csv"
    try:
        names = [str(name) for name in load_mat(meta, instead)["class_names"]]
        table = load_mat(annotations, instead)["annotations"].reshape(-1)
    except (LookupError, AttributeError, TypeError) as error:
        raise InputError(
            f"'{annotations}' and '{meta}' are not the devkit's files; fetch them again"
        ) from error
    return Pictures(place, names), _mat_lines(annotations, table, len(names))


def _mat_lines(annotations: Path, table: Any, num_classes: int) -> Iterator[_Line]:
    for number, each in enumerate(table, 1):
        where = f"'{annotations.name}', entry {number}"
        try:
            edges = [int(each[name]) for name in _EDGES]
            label, file = str(each["class"]), str(each["fname"])
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{where} lacks one of {', '.join(_EDGES)}, class and fname; for the test part "
                "take cars_test_annos_withlabels.mat"
            ) from error
        class_idx = whole(label, where, "the class", 1, num_classes) - 1
        yield _Line(where, file, class_idx, _box(edges, where))


def _box(edges: list[int], where: str) -> Box:
    """Return the box of MATLAB's left, top, right and bottom: from 1, both ends included."""
    left, top, right, bottom = edges
    return box(left - 1, top - 1, right, bottom, where)
