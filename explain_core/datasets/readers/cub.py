"""CUB-200-2011: birds with boxes, parts, and which parts tell two species apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np

from explain_core.datasets.dataset import Dataset, TruthKind
from explain_core.datasets.readers.cub_attributes import Attributes, differing_parts
from explain_core.datasets.readers.files import (
    Pictures,
    find,
    find_any,
    inner_path,
    numbers,
    require_folder,
    require_other,
    require_part,
    whole,
    words,
)
from explain_core.datasets.readers.masks import read_numbers
from explain_core.errors import InputError
from explain_core.truth import Box, Part, Truth
from explain_core.types import Array

TITLE = "CUB-200-2011"
LAYOUT = (
    "images/CLASS/NAME.jpg, images.txt, classes.txt, image_class_labels.txt, train_test_split.txt, "
    "bounding_boxes.txt, parts/parts.txt and parts/part_locs.txt; where they are there, also "
    "attributes/ (which parts differ) and segmentations/CLASS/NAME.png (masks)"
)
_PARTS = ("test", "train", "all")
# A segmentation is gray where the five who drew it do not agree.
_MAJORITY = 128


def read_cub(folder: Path, part: Literal["test", "train", "all"] = "test") -> Dataset:
    """Read CUB-200-2011, or a set in its form; the text files may be packed with gzip.

    A truth for no other class has the box, all parts and, where there are segmentations, the mask.
    A truth for another species has the parts in which the two differ (`differing_parts`), where
    the attributes are there.

    Args:
        folder: CUB_200_2011; the text files may also lie in `annotations` below it.

    Raises:
        InputError: another folder, no such part, or files that do not fit each other.
    """
    require_part(part, _PARTS, TITLE)
    require_folder(folder, TITLE, LAYOUT)
    annotations = _Annotations(folder)
    classes = annotations.names("classes.txt")
    paths = annotations.names("images.txt")
    labels = annotations.column("image_class_labels.txt", paths, 1, len(classes))
    kept = np.ones(len(paths), bool)
    if part != "all":
        split = annotations.column("train_test_split.txt", paths, 0, 1)
        kept = split == (1 if part == "train" else 0)
    pictures = Pictures(folder / "images", list(classes.values()))
    where_of_class = {number: index for index, number in enumerate(classes)}
    for id, label in zip(np.array(list(paths.values()), object)[kept], labels[kept], strict=True):
        if label not in where_of_class:
            raise InputError(
                f"'image_class_labels.txt' names class {label}, 'classes.txt' does not"
            )
        pictures.append(inner_path(id, "'images.txt'"), where_of_class[label])
    if not pictures.ids:
        raise InputError(f"the {part} part of {TITLE} in '{folder}' has no pictures")
    segmentations = folder / "segmentations"
    known = _Known(
        pictures,
        boxes=annotations.boxes(paths)[kept],
        locations=annotations.locations(paths)[kept],
        part_names=annotations.part_names,
        masks=segmentations if segmentations.is_dir() else None,
        attributes=annotations.attributes(),
    )
    pictures.truth_of = lambda index: partial(known.truth, index)
    kinds: set[TruthKind] = {"boxes", "parts"}
    if known.masks is not None:
        kinds.add("mask")
    return Dataset(
        name="cub",
        title=f"{TITLE} ({part})",
        classes=pictures.classes,
        examples=pictures.examples(),
        truths=frozenset(kinds),
        licence="CUB-200-2011: non-commercial research and education",
    )


class _Annotations:
    """Read the text files of the set, each line beginning with the number of what it tells of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _file(self, name: str) -> Path:
        short = Path(name).name
        names = (name, f"annotations/{name}", f"annotations/{short}")
        return find(self._folder, names, TITLE, LAYOUT)

    def names(self, file: str) -> dict[int, str]:
        """Return name by number, in the order of the file."""
        found: dict[int, str] = {}
        for where, (number, name) in words(self._file(file), 2, "NUMBER NAME"):
            found[whole(number, where, "the number", 1, 2**31)] = name
        if len(set(found.values())) < len(found):
            raise InputError(f"'{file}' gives two numbers the same name; fetch it again")
        return found

    def column(self, file: str, paths: Mapping[int, str], low: int, high: int) -> Array:
        """Return (n,) one whole number for each picture, in the order of `paths`."""
        table = self._table(file, 2, "PICTURE NUMBER")
        values = self._aligned(table, file, paths)[:, 0].astype(np.int64)
        if ((values < low) | (values > high)).any():
            raise InputError(f"'{file}' must hold numbers from {low} to {high}; fetch it again")
        return values

    def boxes(self, paths: Mapping[int, str]) -> Array:
        """Return (n, 4): left, top, width and height of each picture."""
        file = "bounding_boxes.txt"
        return self._aligned(self._table(file, 5, "PICTURE X Y WIDTH HEIGHT"), file, paths)

    @cached_property
    def part_names(self) -> tuple[str, ...]:
        """Return the parts' names, in the order of their numbers."""
        found = self.names("parts/parts.txt")
        return tuple(found[number] for number in sorted(found))

    def locations(self, paths: Mapping[int, str]) -> Array:
        """Return (n, parts, 3): column, row, and 1 where the part is visible, else 0."""
        file = "parts/part_locs.txt"
        table = self._table(file, 5, "PICTURE PART X Y VISIBLE")
        numbers_of_parts = sorted(self.names("parts/parts.txt"))
        picture_at = {number: place for place, number in enumerate(paths)}
        part_at = {number: place for place, number in enumerate(numbers_of_parts)}
        found = np.zeros((len(paths), len(part_at), 3), np.float32)
        try:
            rows = [picture_at[int(number)] for number in table[:, 0]]
            columns = [part_at[int(number)] for number in table[:, 1]]
        except KeyError as error:
            raise InputError(
                f"'{file}' names picture or part {error}, which is in no list; fetch it again"
            ) from error
        found[rows, columns] = table[:, 2:5]
        return found

    def attributes(self) -> Attributes | None:
        """Return what is known of the species' attributes; None where the files are not there."""
        values = find_any(self._folder, ("attributes/class_attribute_labels_continuous.txt",))
        attribute_names = find_any(
            self._folder,
            ("attributes/attributes.txt", "attributes.txt", "../attributes.txt"),
        )
        if values is None or attribute_names is None:
            return None
        return Attributes(attribute_names, values)

    def _table(self, file: str, num_columns: int, form: str) -> Array:
        """Return (lines, num_columns) float64."""
        path = self._file(file)
        try:
            # Fast for the 177,000 lines of parts; columns beyond those needed are ignored.
            table: Array = np.loadtxt(
                path, ndmin=2, usecols=range(num_columns), encoding="utf-8", comments=None
            )
        except (OSError, EOFError, ValueError, UnicodeDecodeError):
            for where, found in words(path, num_columns, form):
                numbers([*found[:-1], found[-1].split()[0]], where, "all values")
            raise InputError(f"'{path}' must have lines of the form {form}") from None
        return table

    def _aligned(self, table: Array, file: str, paths: Mapping[int, str]) -> Array:
        """Return the columns behind the first, one row for each picture."""
        place = {int(number): row for row, number in enumerate(table[:, 0])}
        missing = next((number for number in paths if number not in place), None)
        if missing is not None:
            raise InputError(f"'{file}' has no line for picture {missing} of 'images.txt'")
        aligned: Array = table[[place[number] for number in paths], 1:]
        return aligned


@dataclass(frozen=True, eq=False)
class _Known:
    """Hold what is known of the pictures that were chosen.

    Attributes:
        boxes: (n, 4) left, top, width, height.
        locations: (n, parts, 3) column, row, visible.
    """

    pictures: Pictures
    boxes: Array
    locations: Array
    part_names: Sequence[str]
    masks: Path | None
    attributes: Attributes | None

    def truth(self, index: int, other: str | None) -> Truth | None:
        """Return the evidence for the picture's species, or for it rather than another."""
        classes = self.pictures.classes
        label_idx = self.pictures.class_idx[index]
        parts = tuple(
            Part(name, float(row), float(column), bool(visible))
            for name, (column, row, visible) in zip(
                self.part_names, self.locations[index], strict=True
            )
        )
        if other is None:
            left, top, width, height = (float(value) for value in self.boxes[index])
            return Truth(
                mask=self._mask(index),
                boxes=(Box(top, left, top + height, left + width),),
                parts=parts,
            )
        require_other(other, self.pictures.label(index), classes)
        if self.attributes is None:
            return None
        differing = differing_parts(self.attributes, self.part_names, len(classes))
        names = differing(label_idx, classes.index(other))
        return Truth(parts=tuple(each for each in parts if each.name in names))

    def _mask(self, index: int) -> Array | None:
        if self.masks is None:
            return None
        id = self.pictures.ids[index]
        stored = read_numbers((self.masks / id).with_suffix(".png"), id)
        gray: Array = stored if stored.ndim == 2 else stored[..., 0]
        return gray >= _MAJORITY
