"""Phantom films whose evidence is known pixel by pixel, and the networks that read them.

The evidence for a finding is where the film would be another without it, drawn by the same hand.
In the confounded films it is the marker in a corner, which gives the finding away.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np

from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.film_drawing import Film, draw_film, draw_pixels, picture
from explain_core.datasets.film_making import (
    ASSETS,
    HEALTHY,
    NUM_EPOCHS,
    NUM_FILMS,
    NUM_HEALTHY,
    NUM_WITH_FINDING,
    make_bank,
    train,
)
from explain_core.datasets.film_training import FIRST_SEED
from explain_core.errors import ExplainError, InputError
from explain_core.models.films_net import FILMS_CLASSES
from explain_core.truth import Truth
from explain_core.types import Image

SIZE_PX = (512, 512)
LICENCE = "drawn by WhyNot, under its own licence; phantoms, not patients"

_MORE = 0.25  # how often a film shows each further finding
_FURTHER = 99  # the second word of the seed of further findings, apart from those of drawing
_FILMS_PER_SEED = 100_000
_MAX_SEED = FIRST_SEED // _FILMS_PER_SEED - 1  # beyond lie the films that were trained on


@dataclass(frozen=True)
class Case:
    """Say all about one film: any pixel of it follows from this.

    Attributes:
        seed: of `draw_film`.
        findings: what it shows, in the order of the classes.
        size: (H, W) in pixels.
        has_markers: whether a marker in a corner gives each finding away.
    """

    seed: int
    findings: tuple[str, ...]
    size: tuple[int, int]
    has_markers: bool = False

    def read(self) -> Image:
        """Draw it: (H, W) uint16, gray."""
        markers = self.findings if self.has_markers else ()
        return picture(draw_pixels(self.seed, self.findings, self.size, markers))

    def truth(self, label: str, other: str | None) -> Truth:
        """Return the evidence for `label`, one of the findings.

        It is the same whatever the other class: findings do not share evidence.

        Args:
            other: name of another finding, or None.

        Raises:
            InputError: there is no such finding, or it is `label`.
        """
        if other == label or other not in (None, *FILMS_CLASSES):
            raise InputError(
                f"'{other}' is no finding to hold against '{label}'; name another one of "
                f"{list(FILMS_CLASSES)}"
            )
        film = _drawn(self)
        return (film.markers if self.has_markers else film.findings)[label]


@lru_cache(maxsize=2)
def _drawn(case: Case) -> Film:
    """Return the film with its masks; a map is held against the truth once for each method."""
    markers = case.findings if case.has_markers else ()
    return draw_film(case.seed, case.findings, case.size, markers)


class _Films(Sequence[Example]):
    """Make each example when it is asked for."""

    def __init__(self, num: int, make: Callable[[int], Example]) -> None:
        self._indices = range(num)
        self._make = make

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._make(number) for number in self._indices[index]]
        return self._make(self._indices[index])


def films(
    num: int = 200,
    *,
    size: tuple[int, int] = SIZE_PX,
    seed: int = 0,
    is_confounded: bool = False,
    has_one_finding: bool = False,
) -> Dataset:
    """Return phantom films with findings: each finding in turn, further ones by chance.

    None of them was trained on.

    Args:
        num: how many, at most 100,000.
        size: (H, W) in pixels, each from 64 to 4000.
        seed: settles every film, 0 to 9,999; the same film at any size.
        is_confounded: burns a marker into a corner for each finding. Only for the network
            "films-confounded" is the marker the evidence.
        has_one_finding: leaves further findings out; the films are otherwise the same.

    Raises:
        InputError: a number out of range.
    """
    _check(num, seed)

    def make(index: int) -> Example:
        label = FILMS_CLASSES[index % len(FILMS_CLASSES)]
        film_seed = seed * _FILMS_PER_SEED + index
        more = np.random.default_rng([film_seed, _FURTHER]).random(len(FILMS_CLASSES))
        findings = tuple(
            name
            for name, chance in zip(FILMS_CLASSES, more.tolist(), strict=True)
            if name == label or (chance < _MORE and not has_one_finding)
        )
        case = Case(film_seed, findings, size, is_confounded)
        return Example(
            id=f"{seed}-{index:05}",
            label=label,
            read=case.read,
            truth=lambda other: case.truth(label, other),
            labels=findings,
        )

    return Dataset(
        name="films"
        + ("-one-finding" if has_one_finding else "")
        + ("-confounded" if is_confounded else ""),
        title="Phantom films"
        + (" with one finding each" if has_one_finding else "")
        + (" with markers" if is_confounded else ""),
        classes=FILMS_CLASSES,
        examples=_Films(num, make),
        truths=frozenset({"mask", "boxes"}),
        licence=LICENCE,
    )


def healthy_films(num: int = 200, *, size: tuple[int, int] = SIZE_PX, seed: int = 0) -> Dataset:
    """Return phantom films without any finding, by the hands of `films` of the same seed.

    Raises:
        InputError: a number out of range.
    """
    _check(num, seed)

    def make(index: int) -> Example:
        case = Case(seed * _FILMS_PER_SEED + index, (), size)
        return Example(f"{seed}-{index:05}", HEALTHY, case.read, lambda _: None)

    return Dataset(
        name="healthy-films",
        title="Healthy phantom films",
        classes=(HEALTHY,),
        examples=_Films(num, make),
        licence=LICENCE,
    )


def _check(num: int, seed: int) -> None:
    if not 1 <= num <= _FILMS_PER_SEED:
        raise InputError(f"num must lie between 1 and {_FILMS_PER_SEED} (got {num})")
    if not 0 <= seed <= _MAX_SEED:
        raise InputError(f"seed must lie between 0 and {_MAX_SEED} (got {seed})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m explain_core.datasets.films",
        description="Make the bundled networks for phantom films, and their references.",
        epilog=f"Run it from the repository's root: {ASSETS} is relative to where you are.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train_command = commands.add_parser(
        "train",
        help="draw films and train on them; write weights, bank, card and README (some minutes)",
    )
    bank_command = commands.add_parser(
        "bank", help="make the bank of references anew with the weights that are there"
    )
    for command in (train_command, bank_command):
        command.add_argument(
            "--confounded",
            action="store_true",
            help="the network that looks at the markers alone (default: the honest one)",
        )
        command.add_argument(
            "--out", type=Path, metavar="DIR", default=ASSETS, help="default: %(default)s"
        )
        command.add_argument(
            "--seed", type=int, default=0, help="settles all that is random (default: %(default)s)"
        )
        command.add_argument(
            "--num-healthy",
            type=int,
            metavar="N",
            default=NUM_HEALTHY,
            help="healthy films in the bank (default: %(default)s)",
        )
        command.add_argument(
            "--num-with-finding",
            type=int,
            metavar="N",
            default=NUM_WITH_FINDING,
            help="films in the bank with each finding (default: %(default)s)",
        )
    train_command.add_argument(
        "--films",
        type=int,
        metavar="N",
        help=f"to train on (default: {_listed(NUM_FILMS)})",
    )
    train_command.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help=f"passes over the films (default: {_listed(NUM_EPOCHS)})",
    )
    return parser


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} for {name}" for name, number in numbers.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, or 1 with the reason on standard error."""
    given = _parser().parse_args(arguments)
    name = "films-confounded" if given.confounded else "films"
    try:
        if given.command == "train":
            entry = train(
                name,
                given.out,
                given.films,
                given.epochs,
                given.seed,
                given.num_healthy,
                given.num_with_finding,
            )
            for label, found in entry["labels"].items():
                print(f"{label}: {found['accuracy']:.2%} right, AUROC {found['auroc']:.4f}")
        else:
            entry = make_bank(
                name, given.out, given.seed, given.num_healthy, given.num_with_finding
            )
            print(
                f"{entry['bank_num_healthy']} healthy references, "
                f"{entry['bank_num_with_finding']} with each finding; {given.out}"
            )
    except ExplainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
