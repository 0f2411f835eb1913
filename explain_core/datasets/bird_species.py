"""Twenty species of one family of birds, any two of which differ in one or two of six parts.

The common species is the centre: each of the other nineteen has one part of its own kind, and is
else the same. So two of them differ in one part where it is the same part that sets them apart,
and in two parts where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from explain_core.errors import InputError

PARTS = ("bill", "crown", "wing bar", "breast", "tail", "feet")

# Of each part the common kind first. No two kinds of a part have a colour in common, so that
# wherever one is drawn in the place of another, the picture changes.
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "bill": ("slender", "stout", "hooked", "curved"),
        "crown": ("dark", "red", "striped", "crested"),
        "wing bar": ("white", "none", "double", "rusty"),
        "breast": ("pale", "red", "yellow", "streaked", "black"),
        "tail": ("plain", "forked", "white-edged", "long"),
        "feet": ("grey", "yellow", "red", "blue"),
    }
)

_NAMES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("bill", "stout"): "Thick-billed Fenlark",
        ("bill", "hooked"): "Hook-billed Fenlark",
        ("bill", "curved"): "Sickle-billed Fenlark",
        ("crown", "red"): "Red-capped Fenlark",
        ("crown", "striped"): "Stripe-crowned Fenlark",
        ("crown", "crested"): "Crested Fenlark",
        ("wing bar", "none"): "Plain-winged Fenlark",
        ("wing bar", "double"): "Two-barred Fenlark",
        ("wing bar", "rusty"): "Rusty-winged Fenlark",
        ("breast", "red"): "Red-breasted Fenlark",
        ("breast", "yellow"): "Yellow-breasted Fenlark",
        ("breast", "streaked"): "Streaked Fenlark",
        ("breast", "black"): "Black-breasted Fenlark",
        ("tail", "forked"): "Fork-tailed Fenlark",
        ("tail", "white-edged"): "White-tailed Fenlark",
        ("tail", "long"): "Long-tailed Fenlark",
        ("feet", "yellow"): "Yellow-footed Fenlark",
        ("feet", "red"): "Red-footed Fenlark",
        ("feet", "blue"): "Blue-footed Fenlark",
    }
)


@dataclass(frozen=True)
class Species:
    """Name a species and say what its parts are like.

    Attributes:
        kinds: of each part in the order of `PARTS`, one of `KINDS`.
    """

    name: str
    kinds: tuple[str, ...]

    def kind(self, part: str) -> str:
        """Return what its `part` is like."""
        return self.kinds[PARTS.index(part)]


def _all_species() -> tuple[Species, ...]:
    common = tuple(KINDS[part][0] for part in PARTS)
    others = [
        Species(_NAMES[part, kind], (*common[:place], kind, *common[place + 1 :]))
        for place, part in enumerate(PARTS)
        for kind in KINDS[part][1:]
    ]
    return (Species("Common Fenlark", common), *others)


SPECIES = _all_species()
SPECIES_NAMES = tuple(species.name for species in SPECIES)


def species_named(name: str) -> Species:
    """Return a species by its name.

    Raises:
        InputError: there is no such species.
    """
    if name not in SPECIES_NAMES:
        raise InputError(f"there is no species '{name}'; there are {list(SPECIES_NAMES)}")
    return SPECIES[SPECIES_NAMES.index(name)]


def differing_parts(first: Species, second: Species) -> tuple[str, ...]:
    """Return the parts that set two species apart, in the order of `PARTS`."""
    return tuple(part for part in PARTS if first.kind(part) != second.kind(part))
