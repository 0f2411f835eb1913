"""Fish-Vista: museum pictures of fish by species, with masks of nine traits."""

from __future__ import annotations

from pathlib import Path

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.files import (
    Pictures,
    Strings,
    find,
    inner_path,
    require_folder,
    require_part,
    rows,
)
from explain_core.datasets.readers.masks import read_numbers
from explain_core.errors import InputError
from explain_core.images.reading import read_image
from explain_core.truth import Truth
from explain_core.types import Image

TITLE = "Fish-Vista"
LAYOUT = (
    "Images/NAME.jpg (or Images/chunk_1/NAME.jpg, as file_name says), classification_test.csv "
    "(train, val), and for masks segmentation_test.csv with segmentation_masks/images/NAME.png"
)
_PARTS = tuple(
    f"{task}_{split}"
    for task in ("classification", "segmentation")
    for split in ("test", "val", "train")
)


def read_fish_vista(folder: Path, part: str = "classification_test") -> Dataset:
    """Read Fish-Vista (Mehrab et al., CVPR 2025); the classes are the species of the part's list.

    The classification lists of one download have the same species, so that their class indices
    agree. In the segmentation lists the mask is the union of the annotated traits (head, eye, fins,
    barbel): what they leave out of the fish is not known to be without evidence.

    Args:
        part: "classification_test", "segmentation_test" and so on.

    Raises:
        InputError: another folder, no such part, or a list without its columns.
    """
    require_part(part, _PARTS, TITLE)
    require_folder(folder, TITLE, LAYOUT)
    table = find(folder, (f"{part}.csv",), TITLE, LAYOUT)
    has_masks = part.startswith("segmentation")
    masks = folder / "segmentation_masks" / "images"
    if has_masks:
        require_folder(masks, f"{TITLE} with masks", LAYOUT)
    species: dict[str, int] = {}
    listed: list[tuple[str, int]] = []
    chunks = Strings()
    for where, row in rows(table, ("filename", "standardized_species")):
        name = row["standardized_species"]
        if not name:
            raise InputError(f"{where} names no species; fetch the list again")
        listed.append((inner_path(row["filename"], where), species.setdefault(name, len(species))))
        chunks.append(inner_path(row.get("file_name") or f"Images/{row['filename']}", where))
    if not listed:
        raise InputError(f"'{table}' names no pictures; fetch it again")
    classes = sorted(species)
    order = {species[name]: index for index, name in enumerate(classes)}
    pictures = Pictures(folder, classes)
    for id, number in listed:
        pictures.append(id, order[number])
    place_of = dict(zip(pictures.ids, chunks, strict=True))
    pictures.path_of = place_of.__getitem__
    pictures.read = _read
    if has_masks:
        pictures.knows(lambda index: _truth(masks, pictures.ids[index]))
    return Dataset(
        name="fish-vista",
        title=f"{TITLE} ({part.replace('_', ', ')})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset({"mask"} if has_masks else ()),
        licence="Fish-Vista: as its table says for each picture",
    )


def _read(path: Path) -> Image:
    """Read a picture where the list says it lies, or in Images itself (as the README moves it)."""
    if not path.exists() and path.parent.parent.name == "Images":
        path = path.parent.parent / path.name
    return read_image(path)


def _truth(masks: Path, id: str) -> Truth:
    stored = read_numbers((masks / id).with_suffix(".png"), id)
    if stored.ndim != 2:
        raise InputError(f"the mask of '{id}' is a colour picture; {TITLE} stores trait numbers")
    return Truth(mask=stored > 0)
