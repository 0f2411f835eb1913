"""SIIM-ACR Pneumothorax Segmentation: chest films with masks as run lengths."""

from __future__ import annotations

from pathlib import Path

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    find,
    find_any,
    inner_path,
    require_folder,
    rows,
)
from explain_core.datasets.readers.masks import mask_of_runs
from explain_core.errors import InputError
from explain_core.images.dicom import dicom_size, read_dicom
from explain_core.truth import Truth

TITLE = "SIIM pneumothorax"
LAYOUT = (
    "dicom-images-train/STUDY/SERIES/IMAGE.dcm and train-rle.csv with the columns ImageId and "
    "EncodedPixels (stage 2: stage_2_train.csv and stage_2_images/IMAGE.dcm)"
)
PNEUMOTHORAX = "Pneumothorax"
NONE = "No Pneumothorax"
_TABLES = ("train-rle.csv", "stage_2_train.csv")
_FOLDERS = ("dicom-images-train", "stage_2_images")


def read_siim(folder: Path) -> Dataset:
    """Read the labelled films of the challenge; a film's regions count together.

    Films that are listed without being there are left out: the download lacks some. Each film is
    one study of a patient, of whom nothing more is known.

    Raises:
        InputError: another folder, or a list that does not fit.
    """
    require_folder(folder, TITLE, LAYOUT)
    table = find(folder, _TABLES, TITLE, LAYOUT)
    places = [place for place in (find_any(folder, (name,)) for name in _FOLDERS) if place]
    if not places:
        raise InputError(f"'{folder}' holds no '{_FOLDERS[0]}'; {TITLE} needs {LAYOUT}")
    path_of = {
        path.stem: path.relative_to(folder).as_posix()
        for place in places
        for path in sorted(place.rglob("*.dcm"))
    }
    runs: dict[str, list[str]] = {}
    for where, row in rows(table, ("ImageId", "EncodedPixels")):
        found = runs.setdefault(inner_path(row["ImageId"], where), [])
        if row["EncodedPixels"] not in ("-1", ""):
            found.append(row["EncodedPixels"])
    pictures = Pictures(folder, (NONE, PNEUMOTHORAX))
    for id, found in runs.items():
        if id in path_of:
            pictures.append(id, int(bool(found)))
    if not pictures.ids:
        raise InputError(
            f"none of the {len(runs)} films that '{table.name}' lists lies in "
            f"'{places[0]}'; {TITLE} needs {LAYOUT}"
        )
    pictures.path_of = path_of.__getitem__
    pictures.read = read_dicom
    pictures.knows(lambda index: _truth(pictures, runs, pictures.ids[index]), is_against_any=True)
    return Dataset(
        name="siim",
        title=f"{TITLE} (train)",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"mask"}),
        licence="SIIM-ACR Pneumothorax Segmentation: as the challenge's rules say",
    )


def _truth(pictures: Pictures, runs: dict[str, list[str]], id: str) -> Truth | None:
    if not runs[id]:
        return None
    size = dicom_size(pictures.root / pictures.path_of(id))
    where = f"film '{id}'"
    mask = mask_of_runs(runs[id][0], size, where)
    for encoded in runs[id][1:]:
        mask = mask | mask_of_runs(encoded, size, where)
    return Truth(mask=mask)
