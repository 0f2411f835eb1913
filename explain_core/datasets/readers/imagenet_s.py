"""ImageNet-S: pixel-level masks of ImageNet's pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    class_folders,
    find_any,
    lines,
    pictures_below,
    require_folder,
    require_part,
)
from explain_core.datasets.readers.imagenet_classes import index_of, names
from explain_core.datasets.readers.masks import read_numbers
from explain_core.errors import InputError
from explain_core.truth import Truth

TITLE = "ImageNet-S"
LAYOUT = (
    "the folders validation and validation-segmentation (or train-semi and "
    "train-semi-segmentation) with a folder for each WordNet id: CLASS/NAME.JPEG and CLASS/NAME.png"
)
_PARTS = ("validation", "train-semi")
_SIZES = (50, 300, 919)


def read_imagenet_s(folder: Path, part: str = "validation") -> Dataset:
    """Read ImageNet-S (Gao et al., TPAMI 2022); class names are torchvision's.

    A mask's pixel is of class `R + 256 G`, which counts the set's WordNet ids, sorted, from 1;
    0 is anything else, and 1000 what should be ignored: neither is evidence.

    Args:
        folder: ImageNetS50, ImageNetS300 or ImageNetS919.
        part: "validation" or "train-semi".

    Raises:
        InputError: another folder, missing masks, or unknown classes.
    """
    require_part(part, _PARTS, TITLE)
    require_folder(folder, TITLE, LAYOUT)
    place = require_folder(folder / part, TITLE, LAYOUT)
    masks = require_folder(folder / f"{part}-segmentation", f"{TITLE} with masks", LAYOUT)
    number_of = _numbering(folder, place)
    pictures = Pictures(place, names())
    for wordnet_id in class_folders(place):
        if wordnet_id not in number_of:
            raise InputError(f"'{place}' holds '{wordnet_id}', which is no class of {TITLE}")
        for path in pictures_below(place / wordnet_id, f"{wordnet_id}/"):
            pictures.append(path, index_of()[wordnet_id])
    if not pictures.ids:
        raise InputError(f"'{place}' holds no pictures; {TITLE} needs {LAYOUT}")
    pictures.knows(lambda index: _truth(masks, pictures.ids[index], number_of))
    return Dataset(
        name="imagenet-s",
        title=f"{TITLE} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"mask"}),
        licence="ImageNet-S: annotations for non-commercial research; pictures as ImageNet's",
    )


def _numbering(folder: Path, place: Path) -> dict[str, int]:
    """Return the number that masks use for each WordNet id."""
    given = find_any(folder, [f"ImageNetS_categories_im{size}.txt" for size in _SIZES])
    ids = class_folders(place) if given is None else [text for _, text in lines(given)]
    if given is None and len(ids) not in _SIZES:
        raise InputError(
            f"'{place}' has {len(ids)} classes instead of 50, 300 or 919, so what the masks' "
            "numbers mean cannot be told; put ImageNetS_categories_im50.txt (or im300, im919) "
            f"of the set into '{folder}'"
        )
    unknown = [id for id in ids if id not in index_of()]
    if unknown:
        raise InputError(
            f"'{(given or place).name}' names '{unknown[0]}', which is none of ImageNet's classes"
        )
    return {id: number for number, id in enumerate(sorted(ids), 1)}


def _truth(masks: Path, id: str, number_of: dict[str, int]) -> Truth:
    stored = read_numbers((masks / id).with_suffix(".png"), id)
    if stored.ndim != 3 or stored.shape[2] < 2:
        raise InputError(f"the mask of '{id}' has one channel; {TITLE} stores classes in R and G")
    numbers = stored[..., 0].astype(np.int32) + 256 * stored[..., 1].astype(np.int32)
    return Truth(mask=numbers == number_of[id.partition("/")[0]])
