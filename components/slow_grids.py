"""Maps of several classes, methods and models at once: shared passes, one estimate, one way out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from components import caching, state
from components.notices import shown_errors
from components.slow_methods import Task, is_slow, needs_most_first, offer, run_shown
from explain_core import METHODS, Image, Model, ReferenceSet
from explain_core.methods.explaining import grid_passes
from explain_core.methods.method import Passes
from explain_core.types import Basis, ParameterValue


@dataclass(frozen=True, eq=False)
class WantedGrid:
    """Hold what is asked of one model for several classes.

    Attributes:
        targets: class indices; None for a model without a head.
        references: classes that are compared with each other: each target with those of them that
            it is not itself.
        reference_sets: by target, what DiffCAM compares with.
        parameters: of the "prepare" phase; each method takes those it knows.
    """

    model: Model
    image: Image
    targets: tuple[int | None, ...]
    references: tuple[int, ...]
    reference_sets: Mapping[int | None, ReferenceSet]
    layer: str
    parameters: Mapping[str, ParameterValue]

    def passes(self, methods: Sequence[str]) -> Passes:
        """Return the pictures that the network processes for some methods together.

        Classes whose map this session has are left out.
        """
        groups: dict[frozenset[int | None], list[str]] = {}
        for method in methods:
            groups.setdefault(self._left(method), []).append(method)
        parts = [self._passes(group, len(left)) for left, group in groups.items() if left]
        return added(parts)

    def seconds(self, methods: Sequence[str]) -> float:
        """Return about how long that takes; what methods share is not counted twice."""
        alone = {method: self.passes((method,)) for method in methods}
        seconds = sum(
            caching.pace_of(self.model, method, self.layer, self.parameters).seconds(each)
            for method, each in alone.items()
        )
        total = added(list(alone.values())).total
        return seconds * self.passes(methods).total / max(1, total)

    def _passes(self, methods: Sequence[str], num_targets: int) -> Passes:
        known = {p.name for name in methods for p in METHODS[name].parameters_of("prepare")}
        mine = {name: value for name, value in self.parameters.items() if name in known}
        return grid_passes(self.model, methods, num_targets, layer=self.layer, parameters=mine)

    def _left(self, method: str) -> frozenset[int | None]:
        return frozenset(self.answered_by(method)) - frozenset(self.kept(method))

    def answered_by(self, method: str) -> tuple[int | None, ...]:
        """Return the classes that a method can explain: some have no pictures to compare with."""
        if METHODS[method].compares_with != "pictures":
            return self.targets
        return tuple(target for target in self.targets if target in self.reference_sets)

    def has(self, method: str) -> bool:
        """Return whether this session has the map of every class."""
        return not self._left(method)

    def kept(self, method: str) -> dict[int | None, Basis]:
        """Return the bases that this session has."""
        return self._bases(method, None)

    def run(self, method: str, progress: Callable[[float], None]) -> None:
        """Run the network for the bases that this session does not have."""
        self._bases(method, progress)

    def _bases(
        self, method: str, progress: Callable[[float], None] | None
    ) -> dict[int | None, Basis]:
        return caching.grid_of(
            self.model,
            self.image,
            method,
            self.answered_by(method),
            references=self.references,
            reference_sets=self.reference_sets,
            layer=self.layer,
            parameters=self.parameters,
            progress=progress,
        )

    @property
    def key(self) -> str:
        """Return what tells it from others."""
        sets = {target: each.digest for target, each in self.reference_sets.items()}
        asked = (self.model.key, self.image.digest, self.targets, self.references, sets, self.layer)
        return repr((asked, sorted(self.parameters.items())))


@dataclass(frozen=True, eq=False)
class Batch:
    """Hold methods to prepare for every class of every grid; it runs one method at a time."""

    grids: tuple[WantedGrid, ...]
    methods: tuple[str, ...]
    id: str

    @property
    def title(self) -> str:
        """Return the methods as people read them."""
        return ", ".join(METHODS[name].title for name in self.methods)

    @property
    def passes(self) -> Passes:
        """Return the pictures that the networks process."""
        return added([grid.passes(self.methods) for grid in self.grids])

    @property
    def passes_done(self) -> int:
        """Return none: the passes are those that are left."""
        return 0

    @property
    def seconds(self) -> float:
        """Return about how long that takes."""
        return sum(grid.seconds(self.methods) for grid in self.grids)

    def coarse(self) -> Task | None:
        """Return None: whole maps join the grid method by method."""
        return None

    def doing(self, share: float) -> str:
        """Return nothing: the maps themselves show how far it is."""
        return ""

    def is_kept(self) -> bool:
        """Return whether this session has all bases."""
        return all(grid.has(method) for grid in self.grids for method in self.methods)

    def run(self, progress: Callable[[float], None]) -> None:
        """Prepare the first method, for all classes."""
        total, done = self.passes.total, 0

        def tell(before: int, count: int, share: float) -> None:
            progress((before + share * count) / max(1, total))

        for grid in self.grids:
            count = grid.passes(self.methods[:1]).total
            grid.run(self.methods[0], partial(tell, done, count))
            done += count


@dataclass(frozen=True, eq=False)
class PreparedGrids:
    """Hold what can be shown now and what is still to be done.

    Attributes:
        bases: for each grid, by target and method; what failed or waits is missing.
        started: what was asked for and is not whole.
        place: where its progress is shown.
    """

    bases: tuple[dict[tuple[int | None, str], Basis], ...]
    started: tuple[Task, ...]
    place: Any


def prepare_grids(grids: Sequence[WantedGrid], methods: Sequence[str]) -> PreparedGrids:
    """Prepare the quick methods of all grids, offer the slow ones together, with one estimate.

    Quick are those that together take no longer than one method may without being asked for.
    """
    wanted = repr(([grid.key for grid in grids], sorted(methods)))
    task_id = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    state.keep_started({task_id})
    place = st.container()
    batch = Batch(tuple(grids), (), task_id)
    quick: list[str] = []
    slow: list[str] = []
    for method in sorted(methods, key=lambda name: _cost(batch, name)):
        is_quick = not is_slow(Batch(batch.grids, (*quick, method), task_id))
        (quick if is_quick else slow).append(method)
    for method in sorted(quick, key=needs_most_first):
        alone = Batch(batch.grids, (method,), task_id)
        with shown_errors():
            if not alone.is_kept():
                run_shown(alone, alone)
    waiting = tuple(name for name in slow if not Batch(batch.grids, (name,), task_id).is_kept())
    rest = Batch(batch.grids, waiting, task_id)
    started: tuple[Task, ...] = ()
    if waiting and state.is_started(task_id):
        started = (rest,)
    elif waiting:
        offer(rest)
    return PreparedGrids(
        tuple(
            {
                (target, method): basis
                for method in methods
                for target, basis in grid.kept(method).items()
            }
            for grid in grids
        ),
        started,
        place,
    )


def added(parts: Sequence[Passes]) -> Passes:
    """Return the sum of several costs."""
    return Passes(sum(part.forward for part in parts), sum(part.gradient for part in parts))


def _cost(batch: Batch, method: str) -> int:
    return sum(grid.passes((method,)).total for grid in batch.grids)
