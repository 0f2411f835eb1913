"""Pictures of reference films, so that maps of them can be made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain_core.errors import BankError
from explain_core.honesty.mean_map import MAX_REFERENCES
from explain_core.images.reading import read_image
from explain_core.references.bank import Bank
from explain_core.references.pictures import Pictures
from explain_core.types import Image


@dataclass(frozen=True, eq=False)
class ReferenceImages:
    """Hold pictures of a bank's films.

    Attributes:
        images: originals where they are at hand, else thumbnails.
        num_thumbnails: how many of them are thumbnails.
        note: says so, a sentence; empty where all are originals.
    """

    images: tuple[Image, ...]
    num_thumbnails: int
    note: str


def reference_images(
    bank: Bank, label: int | str, count: int = MAX_REFERENCES, pictures: Pictures | None = None
) -> ReferenceImages:
    """Return films of one class, evenly spread over the bank's; the same ones each time.

    Args:
        bank: where the films are known.
        label: a class of the bank, its name or its index.
        count: how many at most, >= 1.
        pictures: where originals are looked for; None takes the bank. Films of the bundled phantom
            banks can be drawn anew, see `explain_core.datasets.film_references`.

    Raises:
        BankError: the bank has no such class, or neither original nor thumbnail of its films.
    """
    index = bank.classes.index(label) if label in bank.classes else label
    rows = np.flatnonzero(bank.labels == index) if isinstance(index, int) else np.zeros(0, np.int64)
    if not len(rows):
        raise BankError(
            f"bank '{bank.name}' has no pictures of the class '{label}'; it holds "
            f"{list(bank.classes)}"
        )
    chosen = rows[np.arange(min(count, len(rows))) * len(rows) // min(count, len(rows))]
    source = bank if pictures is None else pictures
    images, num_thumbnails = [], 0
    for id in bank.ids[chosen].tolist():
        image = source.picture(id)
        if image is None:
            content = bank.thumbnail(id)
            if content is None:
                continue
            image = read_image(content)
            num_thumbnails += 1
        images.append(image)
    if not images:
        raise BankError(
            f"bank '{bank.name}' has neither originals nor thumbnails of '{label}', so no maps of "
            "them can be made; name the folder of originals when the bank is built"
        )
    note = (
        f"{num_thumbnails} of the {len(images)} reference films are thumbnails: what is fine on a "
        "film is lost on them, and maps of films that show little differ from the originals'."
        if num_thumbnails
        else ""
    )
    return ReferenceImages(tuple(images), num_thumbnails, note)
