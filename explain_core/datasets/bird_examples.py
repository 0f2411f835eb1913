"""Drawn birds whose evidence is known pixel by pixel: twenty species that differ in single parts.

The evidence for a species rather than another is where the two would differ, drawn by the same
hand: the parts that set them apart, as they are in either. In the confounded pictures it is the
marker in a corner, which gives the species away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.datasets.bird_drawing import Painting, paint
from explain_core.datasets.bird_hands import Hand, draw_hand
from explain_core.datasets.bird_poses import keypoints
from explain_core.datasets.bird_scene import MARKER
from explain_core.datasets.bird_species import (
    PARTS,
    SPECIES,
    SPECIES_NAMES,
    Species,
    differing_parts,
    species_named,
)
from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.readers.files import LazyExamples
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.truth import Part, Truth
from explain_core.types import Image

SIZE_PX = 256
LICENCE = "drawn by WhyNot, under its own licence"
NOTE = "a drawing, not a photograph"

_EXAMPLES = 7  # the second word of the seed of examples, apart from those of training


@dataclass(frozen=True, eq=False)
class Bird:
    """Say all about one picture: any pixel of it and of its counterparts follows from this.

    Attributes:
        species: what is drawn.
        hand: by which it is drawn.
        size_px: side of the picture.
        has_marker: whether a marker in a corner gives the species away.
    """

    species: Species
    hand: Hand
    size_px: int
    has_marker: bool = False

    def paint(self) -> Painting:
        """Paint it, with its marker."""
        marker = SPECIES.index(self.species) if self.has_marker else None
        return paint(self.species, self.hand, self.size_px, marker)

    def read(self) -> Image:
        """Draw it: (size_px, size_px, 3) uint8."""
        return image_from_pixels(self.paint().pixels(), notes=(NOTE,))

    def as_species(self, name: str) -> Bird:
        """Return another species, drawn by the same hand.

        Raises:
            InputError: there is no such species.
        """
        return Bird(species_named(name), self.hand, self.size_px, self.has_marker)

    def truth(self, other: str | None) -> Truth:
        """Return the evidence for this species rather than another, or all that there is.

        Args:
            other: name of another species; None for all parts, as they are in this one.

        Returns:
            The mask of all pixels that the parts that set the two species apart touch, in the
            one or in the other, and the keypoints of these parts; or the mask of the marker.

        Raises:
            InputError: there is no such species, or it is this one.
        """
        painting = self.paint()
        if other is not None and species_named(other) is self.species:
            raise InputError(f"'{other}' is the bird's own species; name another one")
        if self.has_marker:
            return Truth(mask=painting.share(MARKER) > 0)
        if other is None:
            shares = [painting.share(part) for part in PARTS]
            return Truth(mask=np.max(shares, axis=0) > 0, parts=self.parts())
        counterpart = self.as_species(other)
        names = differing_parts(self.species, counterpart.species)
        shares = [each.share(name) for each in (painting, counterpart.paint()) for name in names]
        return Truth(mask=np.max(shares, axis=0) > 0, parts=self.parts(names))

    def parts(self, names: Sequence[str] | None = None) -> tuple[Part, ...]:
        """Return the keypoints named, in pixels; without names all of them."""
        places = keypoints(self.hand)
        return tuple(
            Part(name, row=places[name][1] * self.size_px, column=places[name][0] * self.size_px)
            for name in (places if names is None else names)
        )


def bird(index: int, *, size_px: int = SIZE_PX, seed: int = 0, has_marker: bool = False) -> Bird:
    """Return the bird of a number: species in turn, each by a hand of its own."""
    hand = draw_hand(np.random.default_rng([seed, _EXAMPLES, index]))
    return Bird(SPECIES[index % len(SPECIES)], hand, size_px, has_marker)


def birds(
    num_per_species: int = 50,
    *,
    size_px: int = SIZE_PX,
    seed: int = 0,
    is_confounded: bool = False,
) -> Dataset:
    """Return drawn birds, one species after the other in turn.

    Args:
        num_per_species: pictures of each of the twenty species.
        size_px: side of the pictures.
        seed: settles every hand; the same hand draws the same bird at any size.
        is_confounded: puts a marker into a corner that gives the species away. The marker is the
            evidence only for a network that looks at nothing else, such as "birds-confounded".

    Raises:
        InputError: fewer than one picture of each species.
    """
    if num_per_species < 1:
        raise InputError(f"num_per_species must be at least 1 (got {num_per_species})")

    def make(index: int) -> Example:
        drawn = bird(index, size_px=size_px, seed=seed, has_marker=is_confounded)
        place = index % len(SPECIES)
        return Example(
            id=f"{place + 1:03}/{seed}-{index // len(SPECIES):04}",
            label=drawn.species.name,
            read=drawn.read,
            truth=drawn.truth,
        )

    return Dataset(
        name="birds-confounded" if is_confounded else "birds",
        title="Drawn birds with a marker" if is_confounded else "Drawn birds",
        classes=SPECIES_NAMES,
        examples=LazyExamples(make, range(num_per_species * len(SPECIES))),
        truths=frozenset({"mask"}) if is_confounded else frozenset({"mask", "parts"}),
        licence=LICENCE,
    )
