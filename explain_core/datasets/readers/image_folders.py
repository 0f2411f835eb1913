"""Image folders: a folder for each class, and masks beside them where there are any."""

from __future__ import annotations

from pathlib import Path

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    class_folders,
    find,
    pictures_below,
    require_folder,
    require_part,
)
from explain_core.datasets.readers.masks import read_numbers
from explain_core.errors import InputError
from explain_core.truth import Truth
from explain_core.types import Array

FOLDER_LAYOUT = (
    "a folder for each class with pictures in it, such as CLASS/NAME.png; or with masks "
    "images/CLASS/NAME.jpg and masks/CLASS/NAME.png"
)
BIRDS_LAYOUT = "the folders train, valid and test, each with a folder for each of its species"
_BIRDS_PARTS = ("train", "valid", "test")


def read_image_folder(
    folder: Path,
    masks: Path | None = None,
    *,
    name: str = "images",
    title: str = "Image folder",
    licence: str = "",
    layout: str = FOLDER_LAYOUT,
) -> Dataset:
    """Read a folder for each class; deeper folders count to the class that they lie in.

    Args:
        masks: a folder laid out likewise, with a PNG of the same name for each picture, which is
            not 0 where the evidence for the picture's class lies; None takes `masks` beside
            `images`, where `folder` holds these two.

        name, title, licence: of the data set.
        layout: what the folder must look like, for messages.

    Raises:
        InputError: no such folder, or no pictures in folders for classes.
    """
    require_folder(folder, title, layout)
    if masks is None and (folder / "images").is_dir() and (folder / "masks").is_dir():
        folder, masks = folder / "images", folder / "masks"
    classes = class_folders(folder)
    pictures = Pictures(folder, classes)
    for class_idx, label in enumerate(classes):
        for path in pictures_below(folder / label, f"{label}/"):
            pictures.append(path, class_idx)
    if not pictures.ids:
        raise InputError(f"'{folder}' holds no pictures in folders; {title} needs {layout}")
    if masks is not None:
        require_folder(masks, f"{title} with masks", "one PNG for each picture, by the same name")
        pictures.knows(lambda index: _mask(masks, pictures.ids[index]))
    return Dataset(
        name=name,
        title=title,
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"mask"} if masks is not None else ()),
        licence=licence,
    )


def _mask(masks: Path, id: str) -> Truth:
    numbers = read_numbers((masks / id).with_suffix(".png"), id)
    return Truth(mask=numbers != 0 if numbers.ndim == 2 else _any_colour(numbers))


def _any_colour(numbers: Array) -> Array:
    # The last of two or four channels is opacity, which is no evidence.
    channels = numbers[..., :-1] if numbers.shape[2] in (2, 4) else numbers
    found: Array = (channels != 0).any(axis=2)
    return found


def read_birds525(folder: Path, part: str = "test") -> Dataset:
    """Read Birds-525 (Piosenka), as Kaggle distributes it.

    Args:
        part: "train", "valid" or "test".

    Raises:
        InputError: another folder, or no such part.
    """
    require_part(part, _BIRDS_PARTS, "Birds-525")
    require_folder(folder, "Birds-525", BIRDS_LAYOUT)
    place = find(folder, (part,), "Birds-525", BIRDS_LAYOUT)
    return read_image_folder(place, name="birds525", title=f"Birds-525 ({part})")
