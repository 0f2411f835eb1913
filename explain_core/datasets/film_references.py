"""The films of the bundled phantom banks, drawn anew where a map of them is wanted."""

from __future__ import annotations

from explain_core.datasets.film_making import BANKS, draw_reference
from explain_core.errors import InputError
from explain_core.models.films_net import FILMS_CLASSES
from explain_core.references.bank import Bank
from explain_core.types import Image, picture_id

BUNDLED_SEED = 0


class DrawnFilms:
    """Give the pictures of a phantom bank: `references.pictures.Pictures`.

    A film drawn anew is pixel by pixel the one whose features the bank holds; its id proves it.
    """

    def __init__(self, bank: Bank, seed: int = BUNDLED_SEED) -> None:
        """Take a bank.

        Raises:
            InputError: it is none of phantom films.
        """
        names = {bank_name: name for name, bank_name in BANKS.items()}
        if bank.name not in names:
            raise InputError(
                f"the pictures of bank '{bank.name}' cannot be drawn anew; only those of "
                f"{sorted(names)} can"
            )
        self._bank = bank
        self._name = names[bank.name]
        self._seed = seed

    def thumbnail(self, id: int) -> bytes | None:
        """Return the bank's thumbnail, None where it has none."""
        return self._bank.thumbnail(id)

    def picture(self, id: int) -> Image | None:
        """Return the film, None where the bank does not hold it or was drawn with another seed."""
        kind, _, index = (self._bank.path_of(id) or "").partition("/")
        if kind not in ("healthy", *FILMS_CLASSES) or not index.isdecimal():
            return None
        image = draw_reference(self._name, kind, int(index), self._seed)
        return image if picture_id(image) == id else None
