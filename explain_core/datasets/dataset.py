"""A data set to evaluate on: pictures that are read when they are asked for, and their truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from explain_core.truth import Truth
from explain_core.types import Image

TruthKind = Literal["mask", "boxes", "parts"]


@dataclass(frozen=True, eq=False)
class Example:
    """Describe one picture of a data set without reading it.

    Attributes:
        id: stable and unique within its set; never a path of this machine.
        label: name of the true class.
        read: gives the picture; raises InputError where it cannot be read.
        truth: from the name of another class to the evidence for `label` rather than for that
            class, or from None to all evidence for `label`; None where it is not known.
        group: what must stay together when pictures are drawn anew (a patient); empty: by itself.
        labels: every true class, where a picture may have several; else `label` alone.
    """

    id: str
    label: str
    read: Callable[[], Image]
    truth: Callable[[str | None], Truth | None]
    group: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold the examples of a data set.

    Attributes:
        name: kebab-case.
        title: as people read it.
        classes: names of all classes, in the order of the class indices.
        examples: in a fixed order; may make each one when it is asked for.
        truths: which kinds of truth its examples have.
        licence: what to say where its pictures are shown.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    examples: Sequence[Example]
    truths: frozenset[TruthKind] = frozenset()
    licence: str = ""
