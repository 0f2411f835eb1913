"""`READERS`: every set that is read from a folder, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers import (
    cub,
    fgvc_aircraft,
    fish_vista,
    image_folders,
    imagenet,
    imagenet_s,
    isic,
    mnist,
    places365,
    rsna,
    siim,
    stanford_cars,
)
from explain_core.errors import InputError


@dataclass(frozen=True)
class Reader:
    """Describe how a set is read.

    Attributes:
        name: kebab-case.
        title: as people read it.
        layout: which files and folders it expects.
        truth: what is known of where the evidence lies; empty where nothing is.
        parts: the values that `part` may take, the one taken by default first; empty without.
        needs: packages that are not always installed, and for what.
        read: from the folder, and `part` where there is one, to the data set.
    """

    name: str
    title: str
    layout: str
    truth: str
    read: Callable[..., Dataset]
    parts: tuple[str, ...] = ()
    needs: str = ""


_READERS = (
    Reader(
        name="images",
        title="Image folder",
        layout=image_folders.FOLDER_LAYOUT,
        truth="masks, where they are there",
        read=image_folders.read_image_folder,
    ),
    Reader(
        name="imagenet",
        title=imagenet.TITLE,
        layout=imagenet.LAYOUT,
        truth="boxes, where they are there",
        read=imagenet.read_imagenet,
        parts=("val", "train"),
        needs="scipy, for the devkit's meta.mat",
    ),
    Reader(
        name="imagenet-s",
        title=imagenet_s.TITLE,
        layout=imagenet_s.LAYOUT,
        truth="masks",
        read=imagenet_s.read_imagenet_s,
        parts=("validation", "train-semi"),
    ),
    Reader(
        name="isic",
        title=isic.TITLE,
        layout=isic.LAYOUT,
        truth="",
        read=isic.read_isic,
    ),
    Reader(
        name="birds525",
        title="Birds-525",
        layout=image_folders.BIRDS_LAYOUT,
        truth="",
        read=image_folders.read_birds525,
        parts=("test", "valid", "train"),
    ),
    Reader(
        name="cub",
        title=cub.TITLE,
        layout=cub.LAYOUT,
        truth="boxes, parts, masks where they are there; parts that two species differ in",
        read=cub.read_cub,
        parts=("test", "train", "all"),
    ),
    Reader(
        name="stanford-cars",
        title=stanford_cars.TITLE,
        layout=stanford_cars.LAYOUT,
        truth="boxes",
        read=stanford_cars.read_stanford_cars,
        parts=("test", "train"),
        needs="scipy, for the .mat files",
    ),
    Reader(
        name="fgvc-aircraft",
        title=fgvc_aircraft.TITLE,
        layout=fgvc_aircraft.LAYOUT,
        truth="boxes",
        read=fgvc_aircraft.read_fgvc_aircraft,
        parts=("test", "val", "train", "trainval"),
    ),
    Reader(
        name="fish-vista",
        title=fish_vista.TITLE,
        layout=fish_vista.LAYOUT,
        truth="masks of traits, in the segmentation lists",
        read=fish_vista.read_fish_vista,
        parts=(
            *("classification_test", "classification_val", "classification_train"),
            *("segmentation_test", "segmentation_val", "segmentation_train"),
        ),
    ),
    Reader(
        name="places365",
        title=places365.TITLE,
        layout=places365.LAYOUT,
        truth="",
        read=places365.read_places365,
        parts=("val", "train"),
    ),
    Reader(
        name="rsna",
        title=rsna.TITLE,
        layout=rsna.LAYOUT,
        truth="boxes",
        read=rsna.read_rsna,
        needs="pydicom",
    ),
    Reader(
        name="siim",
        title=siim.TITLE,
        layout=siim.LAYOUT,
        truth="masks",
        read=siim.read_siim,
        needs="pydicom",
    ),
    Reader(
        name="mnist",
        title="MNIST",
        layout=mnist.LAYOUT,
        truth="",
        read=mnist.read_mnist,
        parts=("test", "train"),
    ),
)

READERS: Mapping[str, Reader] = MappingProxyType({reader.name: reader for reader in _READERS})


def read_dataset(name: str, folder: Path, part: str | None = None) -> Dataset:
    """Read a set from a folder.

    Args:
        name: in `READERS`.
        part: None takes the first of the reader's parts.

    Raises:
        InputError: an unknown set or part, or a folder of another form; says what was expected.
    """
    if name not in READERS:
        raise InputError(f"there is no reader '{name}'; choose one of {', '.join(READERS)}")
    reader = READERS[name]
    if part is None:
        return reader.read(folder)
    if not reader.parts:
        raise InputError(f"{reader.title} has no parts (got '{part}'); leave it out")
    return reader.read(folder, part)
