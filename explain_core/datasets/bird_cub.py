"""Write drawn birds in the form of CUB-200-2011, for whatever reads that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image as Pillow

from explain_core.datasets.bird_drawing import Painting
from explain_core.datasets.bird_examples import Bird, bird
from explain_core.datasets.bird_poses import keypoints
from explain_core.datasets.bird_species import KINDS, PARTS, SPECIES
from explain_core.errors import InputError
from explain_core.types import Array

PART_MASKS = "part_masks"

_CUB_PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
# The group of CUB's attributes that tells the kinds of each part apart. The other groups have one
# value, which all species share.
_GROUP_OF_PART: Mapping[str, str] = MappingProxyType(
    {
        "bill": "has_bill_shape",
        "crown": "has_crown_color",
        "wing bar": "has_wing_pattern",
        "breast": "has_breast_color",
        "tail": "has_tail_shape",
        "feet": "has_leg_color",
    }
)
_SHARED_GROUPS = (
    *("has_back_color", "has_back_pattern", "has_belly_color", "has_belly_pattern"),
    *("has_bill_length", "has_bill_color", "has_breast_pattern", "has_head_pattern"),
    *("has_eye_color", "has_forehead_color", "has_nape_color", "has_throat_color"),
    *("has_wing_color", "has_wing_shape", "has_upper_tail_color", "has_under_tail_color"),
    "has_tail_pattern",
)


def write_cub(
    folder: Path,
    num_per_species: int,
    *,
    size_px: int = 256,
    seed: int = 0,
    has_marker: bool = False,
) -> None:
    """Draw birds into a new folder in the form of CUB-200-2011.

    Its pictures are PNG files, those of an even number are for training. `segmentations` holds the
    birds' masks. Beyond what CUB has, `part_masks` holds for each picture a PNG file whose values
    are 0 and, where one of `PARTS` covers more than half of a pixel, its number from 1.

    Args:
        folder: made; must not exist.
        num_per_species, size_px, seed, has_marker: as in `birds`, whose pictures these are.

    Raises:
        InputError: the folder is there already, or fewer than one picture of each species.
    """
    if num_per_species < 1:
        raise InputError(f"num_per_species must be at least 1 (got {num_per_species})")
    if folder.exists():
        raise InputError(f"'{folder}' is there already; name a new folder")
    for below in ("parts", "attributes"):
        (folder / below).mkdir(parents=True)
    classes = [
        f"{number:03}.{species.name.replace(' ', '_')}"
        for number, species in enumerate(SPECIES, start=1)
    ]
    images, labels, split, boxes, locations = [], [], [], [], []
    for index in range(num_per_species * len(SPECIES)):
        place, number = index % len(SPECIES), index + 1
        drawn = bird(index, size_px=size_px, seed=seed, has_marker=has_marker)
        name = f"{classes[place]}/{classes[place][4:]}_{number:05}.png"
        silhouette = _write_pictures(folder, name, drawn)
        images.append(f"{number} {name}")
        labels.append(f"{number} {place + 1}")
        split.append(f"{number} {int(index // len(SPECIES) % 2 == 0)}")
        boxes.append(f"{number} {_box(silhouette)}")
        locations += [f"{number} {line}" for line in _locations(drawn)]
    _write_lines(folder / "classes.txt", _numbered(classes))
    _write_lines(folder / "images.txt", images)
    _write_lines(folder / "image_class_labels.txt", labels)
    _write_lines(folder / "train_test_split.txt", split)
    _write_lines(folder / "bounding_boxes.txt", boxes)
    _write_lines(folder / "parts" / "parts.txt", _numbered(_CUB_PARTS))
    _write_lines(folder / "parts" / "part_locs.txt", locations)
    _write_attributes(folder / "attributes")


def part_mask(painting: Painting) -> Array:
    """Return (size_px, size_px) uint8: the number from 1 of the part that covers a pixel, or 0.

    A part counts where it covers more than half of a pixel, which no two can.
    """
    numbers = np.zeros((painting.size_px, painting.size_px), np.uint8)
    for number, part in enumerate(PARTS, start=1):
        numbers[painting.share(part) > 0.5] = number
    return numbers


def _write_pictures(folder: Path, name: str, drawn: Bird) -> Array:
    painting = drawn.paint()
    silhouette = painting.silhouette() > 0.5
    for below, pixels in (
        ("images", painting.pixels()),
        ("segmentations", silhouette.astype(np.uint8) * 255),
        (PART_MASKS, part_mask(painting)),
    ):
        path = folder / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pixels).save(path)
    return silhouette


def _box(silhouette: Array) -> str:
    """Return left, top, width and height of what encloses the bird."""
    rows, columns = np.nonzero(silhouette)
    return (
        f"{columns.min()}.0 {rows.min()}.0 "
        f"{columns.max() - columns.min() + 1}.0 {rows.max() - rows.min() + 1}.0"
    )


def _locations(drawn: Bird) -> Iterable[str]:
    """Yield number of the part, x, y and whether it is visible, for each of CUB's parts."""
    near, far = ("right", "left") if drawn.hand.facing == 1 else ("left", "right")
    ours = {
        "beak": "bill",
        f"{near} wing": "wing bar",
        f"{near} leg": "feet",
        f"{far} leg": "far foot",
        f"{near} eye": "eye",
    }
    places = keypoints(drawn.hand)
    for number, part in enumerate(_CUB_PARTS, start=1):
        place = places.get(ours.get(part, part))
        if place is None:
            yield f"{number} 0.0 0.0 0"
        else:
            yield f"{number} {place[0] * drawn.size_px:.2f} {place[1] * drawn.size_px:.2f} 1"


def _write_attributes(folder: Path) -> None:
    names: list[str] = []
    percentages: list[list[str]] = [[] for _ in SPECIES]
    for part, group in _GROUP_OF_PART.items():
        for kind in KINDS[part]:
            names.append(f"{group}::{kind}")
            for row, species in zip(percentages, SPECIES, strict=True):
                row.append("100.0" if species.kind(part) == kind else "0.0")
    for group in _SHARED_GROUPS:
        names.append(f"{group}::all_alike")
        for row in percentages:
            row.append("100.0")
    _write_lines(folder / "attributes.txt", _numbered(names))
    lines = [" ".join(row) for row in percentages]
    _write_lines(folder / "class_attribute_labels_continuous.txt", lines)


def _numbered(names: Iterable[str]) -> list[str]:
    return [f"{number} {name}" for number, name in enumerate(names, start=1)]


def _write_lines(file: Path, lines: Iterable[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
