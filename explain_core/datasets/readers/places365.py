"""Places365: pictures of 365 kinds of scene."""

from __future__ import annotations

from pathlib import Path

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    find,
    inner_path,
    require_folder,
    require_part,
    whole,
    words,
)
from explain_core.errors import InputError

TITLE = "Places365"
LAYOUT = (
    "categories_places365.txt with places365_val.txt and the folder val_256 (or val_large); or "
    "places365_train_standard.txt and the folder data_256 (or data_large) for the train part"
)
_LISTS = {"val": "places365_val.txt", "train": "places365_train_standard.txt"}
_FOLDERS = {"val": ("val_256", "val_large"), "train": ("data_256", "data_large")}


def read_places365(folder: Path, part: str = "val") -> Dataset:
    """Read Places365-Standard (Zhou et al., 2017); "/a/bus_station/indoor" is "bus_station/indoor".

    Raises:
        InputError: another folder, no such part, or lists that do not fit each other.
    """
    require_part(part, tuple(_LISTS), TITLE)
    require_folder(folder, TITLE, LAYOUT)
    names: dict[int, str] = {}
    categories = find(folder, ("categories_places365.txt",), TITLE, LAYOUT)
    for where, (name, number) in words(categories, 2, "/a/NAME NUMBER"):
        names[whole(number, where, "the number", 0, 10**4)] = name[3:] if name[2:3] == "/" else name
    if sorted(names) != list(range(len(names))):
        raise InputError(f"'{categories.name}' must number its classes from 0; fetch it again")
    table = find(
        folder, (_LISTS[part], f"filelist_places365-standard/{_LISTS[part]}"), TITLE, LAYOUT
    )
    place = find(folder, _FOLDERS[part], TITLE, LAYOUT)
    pictures = Pictures(place, [names[number] for number in range(len(names))])
    for where, (path, number) in words(table, 2, "PATH NUMBER"):
        class_idx = whole(number, where, "the class", 0, len(names) - 1)
        pictures.append(inner_path(path.lstrip("/"), where), class_idx)
    if not pictures.ids:
        raise InputError(f"'{table}' names no pictures; fetch it again")
    return Dataset(
        name="places365",
        title=f"{TITLE} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        licence="Places365: non-commercial research and education",
    )
