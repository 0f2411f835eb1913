"""FGVC-Aircraft: aircraft by variant, family or manufacturer, each picture with a box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    box,
    find,
    lines,
    numbers,
    require_folder,
    require_part,
    words,
)
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels, read_image
from explain_core.truth import Box, Truth
from explain_core.types import Image

TITLE = "FGVC-Aircraft"
LAYOUT = (
    "data/images/NUMBER.jpg, data/images_box.txt, data/families.txt and "
    "data/images_family_test.txt (or variants, manufacturers; train, val, trainval)"
)
_PARTS = ("test", "val", "train", "trainval")
_LEVELS = {"variant": "variants", "family": "families", "manufacturer": "manufacturers"}
# The set's README: the photographer's name stands in the last 20 rows and must not be used.
_BANNER_PX = 20

Level = Literal["family", "variant", "manufacturer"]


def read_fgvc_aircraft(folder: Path, part: str = "test", level: Level = "family") -> Dataset:
    """Read FGVC-Aircraft (Maji et al., 2013) without the banner below each picture.

    Args:
        part: "test", "val", "train" or "trainval".
        level: what is told apart: 70 families (Finer-CAM's), 100 variants or 30 manufacturers.

    Raises:
        InputError: another folder, no such part or level, or files that do not fit.
    """
    require_part(part, _PARTS, TITLE)
    if level not in _LEVELS:
        raise InputError(f"level must be one of {', '.join(_LEVELS)} (got '{level}')")
    require_folder(folder, TITLE, LAYOUT)
    data = folder / "data" if (folder / "data").is_dir() else folder

    def file(name: str) -> Path:
        return find(data, (name,), TITLE, LAYOUT)

    classes = [name for _, name in lines(file(f"{_LEVELS[level]}.txt"))]
    index_of = {name: index for index, name in enumerate(classes)}
    edges_of = {
        edges[0]: numbers(edges[1:], where, "the edges of a box")
        for where, edges in words(file("images_box.txt"), 5, "NUMBER XMIN YMIN XMAX YMAX")
    }
    pictures = Pictures(file("images"), classes)
    boxes: list[Box] = []
    for where, (number, name) in words(file(f"images_{level}_{part}.txt"), 2, "NUMBER NAME"):
        if name not in index_of:
            raise InputError(f"{where}: '{name}' is not in '{_LEVELS[level]}.txt'")
        if number not in edges_of:
            raise InputError(f"{where}: picture {number} is not in 'images_box.txt'")
        left, top, right, bottom = edges_of[number]
        pictures.append(number, index_of[name])
        boxes.append(box(left - 1, top - 1, right, bottom, where))
    if not boxes:
        raise InputError(f"the {part} part of {TITLE} in '{folder}' has no pictures")
    pictures.path_of = lambda id: f"{id}.jpg"
    pictures.read = _without_banner
    pictures.knows(lambda index: Truth(boxes=(boxes[index],)))
    return Dataset(
        name="fgvc-aircraft",
        title=f"{TITLE}, by {level} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"boxes"}),
        licence="FGVC-Aircraft: non-commercial research; photographs belong to their authors",
    )


def _without_banner(path: Path) -> Image:
    image = read_image(path)
    if image.size[0] <= _BANNER_PX:
        raise InputError(f"'{path}' has only {image.size[0]} rows; it is no picture of {TITLE}")
    cut = image_from_pixels(image.pixels[:-_BANNER_PX], white=image.white)
    return replace(cut, notes=(*image.notes, f"banner of {_BANNER_PX} rows cut off"))
