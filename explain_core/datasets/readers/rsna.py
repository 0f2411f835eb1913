"""RSNA Pneumonia Detection Challenge: chest films with boxes around opacities."""

from __future__ import annotations

from pathlib import Path

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    box,
    find,
    find_any,
    inner_path,
    numbers,
    require_folder,
    rows,
)
from explain_core.errors import InputError
from explain_core.images.dicom import read_dicom
from explain_core.truth import Box, Truth

TITLE = "RSNA pneumonia"
LAYOUT = (
    "stage_2_train_images/PATIENT.dcm and stage_2_train_labels.csv; "
    "stage_2_detailed_class_info.csv tells healthy films from other ones"
)
OPACITY = "Lung Opacity"
NORMAL = "Normal"
OTHER = "No Lung Opacity / Not Normal"
NO_OPACITY = "No Lung Opacity"


def read_rsna(folder: Path) -> Dataset:
    """Read the training films of the challenge (its test films have no labels).

    The evidence for "Lung Opacity", rather than any other class, lies in the boxes. Films of the
    other classes have none. The classes are "Normal", "No Lung Opacity / Not Normal" and
    "Lung Opacity", or without the detailed list "No Lung Opacity" and "Lung Opacity".

    Raises:
        InputError: another folder, or a list that does not fit.
    """
    require_folder(folder, TITLE, LAYOUT)
    table = find(folder, ("stage_2_train_labels.csv",), TITLE, LAYOUT)
    place = find(folder, ("stage_2_train_images",), TITLE, LAYOUT)
    details = _details(folder)
    classes = (NO_OPACITY, OPACITY) if details is None else (NORMAL, OTHER, OPACITY)
    boxes: dict[str, list[Box]] = {}
    columns = ("patientId", "x", "y", "width", "height", "Target")
    for where, row in rows(table, columns):
        found = boxes.setdefault(inner_path(row["patientId"], where), [])
        if row["Target"] not in ("0", "1"):
            raise InputError(f"{where}: Target must be 0 or 1 (got '{row['Target']}')")
        if row["Target"] == "1":
            left, top, width, height = numbers(
                (row[name] for name in columns[1:5]), where, "x, y, width and height"
            )
            found.append(box(left, top, left + width, top + height, where))
    if not boxes:
        raise InputError(f"'{table}' names no films; fetch it again")
    pictures = Pictures(place, classes)
    for id, found in boxes.items():
        pictures.append(id, classes.index(_label(id, found, details)))
    pictures.path_of = lambda id: f"{id}.dcm"
    pictures.read = read_dicom
    pictures.knows(lambda index: _truth(boxes[pictures.ids[index]]), is_against_any=True)
    pictures.group_of = pictures.ids.__getitem__
    return Dataset(
        name="rsna",
        title=f"{TITLE} (train)",
        classes=classes,
        examples=pictures.examples(),
        truths=frozenset({"boxes"}),
        licence="RSNA Pneumonia Detection Challenge: non-commercial use, with attribution",
    )


def _details(folder: Path) -> dict[str, str] | None:
    path = find_any(folder, ("stage_2_detailed_class_info.csv",))
    if path is None:
        return None
    found = {}
    for where, row in rows(path, ("patientId", "class")):
        if row["class"] not in (NORMAL, OTHER, OPACITY):
            raise InputError(f"{where}: '{row['class']}' is no class of {TITLE}")
        found[row["patientId"]] = row["class"]
    return found


def _label(id: str, boxes: list[Box], details: dict[str, str] | None) -> str:
    if details is None:
        return OPACITY if boxes else NO_OPACITY
    label = details.get(id)
    if label is None or (label == OPACITY) != bool(boxes):
        raise InputError(
            f"the two lists of {TITLE} disagree about film '{id}'; fetch both again, from one stage"
        )
    return label


def _truth(boxes: list[Box]) -> Truth | None:
    return Truth(boxes=tuple(boxes)) if boxes else None
