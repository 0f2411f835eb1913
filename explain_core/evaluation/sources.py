"""Data sets by a text that names them: `birds`, `birds/500`, `cub:FOLDER`, `cub/train:FOLDER`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from explain_core.datasets.bird_examples import birds
from explain_core.datasets.bird_species import SPECIES
from explain_core.datasets.dataset import Dataset
from explain_core.datasets.films import films
from explain_core.datasets.readers.table import READERS, Reader, read_dataset
from explain_core.datasets.stroke_pairs import PAIRS, strokes
from explain_core.errors import InputError

NUM_GENERATED = 200


@dataclass(frozen=True)
class Source:
    """Describe a kind of data set.

    Attributes:
        name: kebab-case.
        title: as people read it.
        needs_folder: whether it is read from a folder; else its pictures are generated.
        layout: what the folder must hold; for a generated set what is drawn.
        model: the bundled model that reads its pictures; empty where there is none.
    """

    name: str
    title: str
    needs_folder: bool
    layout: str
    model: str = ""


def _strokes(num: int, seed: int) -> Dataset:
    return strokes(-(-num // (2 * len(PAIRS))), seed=seed)


def _birds(num: int, seed: int, *, is_confounded: bool = False) -> Dataset:
    return birds(-(-num // len(SPECIES)), seed=seed, is_confounded=is_confounded)


def _films(
    num: int, seed: int, *, is_confounded: bool = False, has_one_finding: bool = False
) -> Dataset:
    return films(num, seed=seed, is_confounded=is_confounded, has_one_finding=has_one_finding)


_GENERATED: Mapping[str, tuple[Source, Callable[[int, int], Dataset]]] = MappingProxyType(
    {
        source.name: (source, make)
        for source, make in (
            (
                Source(
                    "strokes",
                    "Written digits that share strokes",
                    False,
                    "pairs of digits; the strokes that only one of the two has are the evidence",
                    "digits",
                ),
                _strokes,
            ),
            (
                Source(
                    "birds",
                    "Drawn birds",
                    False,
                    "species that differ in one or two parts; the parts are the evidence",
                    "birds",
                ),
                _birds,
            ),
            (
                Source(
                    "birds-confounded",
                    "Drawn birds with a marker",
                    False,
                    "a marker in a corner gives the species away; it is the evidence",
                    "birds-confounded",
                ),
                partial(_birds, is_confounded=True),
            ),
            (
                Source(
                    "films",
                    "Phantom films",
                    False,
                    "chest-like phantoms; what a finding changes is the evidence",
                    "films",
                ),
                _films,
            ),
            (
                Source(
                    "films-one-finding",
                    "Phantom films with one finding each",
                    False,
                    "chest-like phantoms with one finding each; what it changes is the evidence",
                    "films",
                ),
                partial(_films, has_one_finding=True),
            ),
            (
                Source(
                    "films-confounded",
                    "Phantom films with markers",
                    False,
                    "a marker in a corner gives each finding away; it is the evidence",
                    "films-confounded",
                ),
                partial(_films, is_confounded=True),
            ),
        )
    }
)


def _from_reader(reader: Reader) -> Source:
    return Source(reader.name, reader.title, True, reader.layout)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {name: source for name, (source, _) in _GENERATED.items()}
    | {name: _from_reader(reader) for name, reader in READERS.items()}
)


def open_dataset(source: str, *, num: int | None = None, seed: int | None = None) -> Dataset:
    """Return the data set that a text names; the same text gives the same pictures.

    Args:
        source: a generated set, `NAME`, `NAME/NUM` or `NAME/NUM/SEED`; or one in a folder,
            `KIND:FOLDER` or `KIND/PART:FOLDER`.
        num: how many pictures are generated; None takes what the text says, else 200. Strokes
            come in whole rounds of all pairs, birds of all species.
        seed: of generated pictures; None takes what the text says, else 0.

    Raises:
        InputError: a text of another form, a number out of range, or a folder that does not hold
            what the kind expects; says what was expected.
    """
    kind, colon, folder = source.partition(":")
    name, *parts = kind.split("/")
    if name in READERS and colon and folder and len(parts) <= 1:
        return read_dataset(name, Path(folder).expanduser(), parts[0] if parts else None)
    are_numbers = all(part.isascii() and part.isdecimal() for part in parts)
    if name in _GENERATED and not colon and are_numbers and len(parts) <= 2:
        told = [int(part) for part in parts]
        num = (told[0] if told else NUM_GENERATED) if num is None else num
        seed = (told[1] if len(told) > 1 else 0) if seed is None else seed
        if num < 1:
            raise InputError(f"num must be at least 1 (got {num})")
        return _GENERATED[name][1](num, seed)
    raise InputError(
        f"there is no data set '{source}'; write one of {list(_GENERATED)}, as NAME, NAME/NUM or "
        f"NAME/NUM/SEED; or KIND:FOLDER or KIND/PART:FOLDER with one of the kinds {list(READERS)}"
    )


def generated_source(name: str, num: int, seed: int = 0) -> str:
    """Return the text of a generated set, as `open_dataset` takes it and Ray's workers need it."""
    return f"{name}/{num}/{seed}"
