"""What an experiment consists of, as data that an evaluation takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from explain_core.datasets.dataset import Dataset, Example
from explain_core.datasets.readers.files import LazyExamples
from explain_core.errors import InputError
from explain_core.types import ParameterValue

# What a map is compared with. "similar classes" are those with the closest classifier weights;
# "nearest class means" those of the pooled features; "random class" and "similar class" the
# counterfactual classes of the CUB protocol, for beginners and for experts.
Against = Literal[
    "nothing",
    "all other classes",
    "nearest class means",
    "one class",
    "own class",
    "similar classes",
    "random class",
    "similar class",
    "healthy films",
    "a text",
]


@dataclass(frozen=True)
class Choice:
    """Name a method or a metric with the values that the paper gives its parameters.

    Attributes:
        name: in `METHODS` or `METRICS`.
        values: those that are given, sorted by name; what is missing takes its default.
    """

    name: str
    values: tuple[tuple[str, ParameterValue], ...] = ()


def choices(names: str, **values: ParameterValue) -> tuple[Choice, ...]:
    """Return the choices that a line of names stands for, all with the same values."""
    return tuple(Choice(name, tuple(sorted(values.items()))) for name in names.split())


@dataclass(frozen=True)
class Selection:
    """State which pictures of a set count.

    Attributes:
        num_images: how many are drawn at random from those that fit; None takes all.
        labels: only pictures of these classes; empty for all.
        num_boxes: only pictures with so many boxes; None for any number.
        max_box_share: only pictures whose boxes cover less than this share of them.
        min_probability: only pictures to whose class the model gives at least this.
        is_right: True for pictures that the model gets right, False for those that it gets wrong,
            None for both.
    """

    num_images: int | None = None
    labels: tuple[str, ...] = ()
    num_boxes: int | None = None
    max_box_share: float | None = None
    min_probability: float = 0.0
    is_right: bool | None = None


@dataclass(frozen=True)
class Protocol:
    """Describe one experiment of a paper.

    Attributes:
        name: kebab-case.
        paper: key of `PAPERS`.
        table: where the paper reports it.
        summary: what it asks, in one sentence.
        dataset, part: in `READERS`, and its part; empty where none is needed.
        models: as `load_model` takes them; of a probe, the encoder under it.
        methods: what is compared.
        metrics: how it is scored; empty where the paper only shows maps.
        against: what the maps are compared with.
        num_references: how many classes of `against` count; 0 for all.
        selection: which pictures.
        num_scored: how many pictures the paper scored; None where it does not say.
        input_px: side of the model's input; None leaves the model's own.
        sweeps: parameter and values, where the experiment varies one.
        reversed: methods whose reversed maps (`reversed_map`) are scored as well.
        notes: what must be prepared, what the paper leaves open, what is not built here.
    """

    name: str
    paper: str
    table: str
    summary: str
    dataset: str
    part: str
    models: tuple[str, ...]
    methods: tuple[Choice, ...]
    metrics: tuple[Choice, ...] = ()
    against: Against = "nothing"
    num_references: int = 0
    selection: Selection = Selection()
    num_scored: int | None = None
    input_px: int | None = None
    sweeps: tuple[tuple[str, tuple[ParameterValue, ...]], ...] = ()
    reversed: tuple[str, ...] = ()
    notes: str = ""


def choose(dataset: Dataset, selection: Selection, seed: int = 0) -> Dataset:
    """Return the pictures of a set that a selection allows, as far as no model is needed.

    Pictures are tried in a seeded random order until there are enough, and then put back into
    the set's order. Only boxes and, for their share, the pictures so tried are read. Probabilities
    and whether the model is right are left to whoever runs it.

    Raises:
        InputError: a class that the set does not have, boxes asked of a set without any, or no
            pictures left; a picture that cannot be read where its box must be judged.
    """
    unknown = sorted(set(selection.labels) - set(dataset.classes))
    if unknown:
        raise InputError(f"'{dataset.name}' has no class '{unknown[0]}'; choose among its classes")
    if _asks_boxes(selection) and "boxes" not in dataset.truths:
        raise InputError(f"'{dataset.name}' has no boxes; choose a set that has, or fetch them")
    count = len(dataset.examples)
    num_wanted = count if selection.num_images is None else selection.num_images
    is_any = not selection.labels and not _asks_boxes(selection)
    if is_any and num_wanted >= count:
        return dataset
    found: list[int] = []
    for index in np.random.default_rng(seed).permutation(count).tolist():
        if len(found) == num_wanted:
            break
        if is_any or _fits(dataset.examples[index], selection):
            found.append(index)
    if not found:
        raise InputError(
            f"no picture of '{dataset.name}' fits the selection; choose another part of the set"
        )
    examples = LazyExamples(dataset.examples.__getitem__, np.sort(found).tolist())
    return replace(dataset, examples=examples)


def _asks_boxes(selection: Selection) -> bool:
    return selection.num_boxes is not None or selection.max_box_share is not None


def _fits(example: Example, selection: Selection) -> bool:
    if selection.labels and example.label not in selection.labels:
        return False
    if not _asks_boxes(selection):
        return True
    truth = example.truth(None)
    if truth is None or not truth.boxes:
        return False
    if selection.num_boxes is not None and len(truth.boxes) != selection.num_boxes:
        return False
    if selection.max_box_share is None:
        return True
    return bool(truth.area(example.read().size).mean() < selection.max_box_share)
