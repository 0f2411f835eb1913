"""ISIC challenges: skin lesions by diagnosis, from a table or from class folders."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    Strings,
    pictures_below,
    require_folder,
    rows,
)
from explain_core.datasets.readers.image_folders import read_image_folder
from explain_core.errors import InputError

TITLE = "ISIC"
LAYOUT = (
    "pictures NAME.jpg and one table: YEAR_GroundTruth.csv with image and a column for each "
    "diagnosis (2018, 2019; YEAR_Metadata.csv gives lesion_id), or with image_name and "
    "benign_malignant (2020, also as train.csv); or a folder for each diagnosis"
)
_LICENCE = "ISIC: CC BY-NC 4.0, or as the archive says for each picture"
_BY_NAME = ("image_name", "benign_malignant")


def read_isic(folder: Path) -> Dataset:
    """Read one year's ISIC challenge; pictures of one lesion or patient are one group.

    Raises:
        InputError: another folder, several tables, a table that does not fit, or pictures that are
            in the table but not in the folder.
    """
    require_folder(folder, TITLE, LAYOUT)
    tables = sorted([*folder.glob("*GroundTruth*.csv"), *folder.glob("train.csv")])
    if not tables:
        return read_image_folder(folder, name="isic", title=TITLE, licence=_LICENCE, layout=LAYOUT)
    if len(tables) > 1:
        raise InputError(
            f"'{folder}' holds {len(tables)} tables ({', '.join(path.name for path in tables)}); "
            "their diagnoses differ from year to year: keep one year's table and pictures together"
        )
    labels, groups = _read_table(tables[0])
    groups = {**_lesions(folder), **groups}
    classes = list(dict.fromkeys(labels.values()))
    path_of = {
        PurePosixPath(path).stem: path for path in pictures_below(folder) if _stem(path) in labels
    }
    missing = next((name for name in labels if name not in path_of), None)
    if missing is not None:
        raise InputError(
            f"'{tables[0].name}' names {len(labels) - len(path_of)} pictures that are not in "
            f"'{folder}', such as '{missing}'; fetch the pictures of the same year"
        )
    pictures = Pictures(folder, sorted(classes))
    index_of = {name: index for index, name in enumerate(pictures.classes)}
    group_of = Strings()
    for name, label in labels.items():
        pictures.append(path_of[name], index_of[label])
        group_of.append(groups.get(name, ""))
    pictures.group_of = group_of.__getitem__
    return Dataset(
        name="isic",
        title=TITLE,
        classes=pictures.classes,
        examples=pictures.examples(),
        licence=_LICENCE,
    )


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _read_table(table: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the diagnosis, and where it is told the lesion or patient, by picture name."""
    labels: dict[str, str] = {}
    groups: dict[str, str] = {}
    for where, row in rows(table, ()):
        if all(name in row for name in _BY_NAME):
            name, label = row["image_name"], row["benign_malignant"]
            groups[name] = row.get("patient_id", "")
        elif "image" in row:
            name, label = row["image"], _one_of(row, where)
        else:
            raise InputError(f"'{table.name}' is no table of {TITLE}; it needs {LAYOUT}")
        if not name or not label:
            raise InputError(f"{where} lacks a picture or a diagnosis; fetch it again")
        labels[name] = label
    if not labels:
        raise InputError(f"'{table.name}' names no pictures; fetch it again")
    return labels, groups


def _one_of(row: dict[str, str], where: str) -> str:
    chosen = [name for name, value in row.items() if name != "image" and value in ("1", "1.0")]
    if len(chosen) != 1:
        raise InputError(
            f"{where} gives '{row['image']}' {len(chosen)} diagnoses; exactly one column must be 1"
        )
    return chosen[0]


def _lesions(folder: Path) -> dict[str, str]:
    """Return the lesion of each picture that a metadata table tells of."""
    found: dict[str, str] = {}
    for table in sorted(folder.glob("*Metadata*.csv")):
        for _, row in rows(table, ("image", "lesion_id")):
            found[row["image"]] = row["lesion_id"]
    return found
