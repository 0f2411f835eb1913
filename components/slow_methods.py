"""Maps of the chosen methods: quick ones at once, slow ones when asked for, with a way out.

A slow method is offered with its cost and a button. Once started it runs behind the maps that are
there already; a first coarse map joins them, where the method has one, then the whole. Every stage
ends in a rerun of the page, and only whole stages are kept: pressing Cancel, or any other widget,
ends the stage at its next chunk and leaves nothing of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import streamlit as st

from components import caching, state
from components.notices import shown_errors
from explain_core import METHODS, ExplainError, Image, Model, ReferenceSet
from explain_core.methods.cost import coarse_values, passes
from explain_core.methods.method import Passes
from explain_core.types import Basis, ParameterValue

# Kinds of tasks that stand below the maps, and are told apart once these are there.
LATER = ("scores", "trust", "mean-map")
SLOW_S = 3.0
# So few pictures start without being timed: timing takes about as many.
_UNTIMED = 32
_TOLD_AFTER_S = 1.0
_NEEDS_MOST_FIRST = ("classes", "nothing", "pictures")


class Task(Protocol):
    """What can be offered, started and cancelled: one method's map, or what a grid lacks."""

    @property
    def title(self) -> str:
        """Return what it is, as people read it."""

    @property
    def passes(self) -> Passes:
        """Return the pictures that the network processes."""

    @property
    def passes_done(self) -> int:
        """Return how many of them earlier stages have done."""

    @property
    def seconds(self) -> float:
        """Return about how long that takes."""

    @property
    def id(self) -> str:
        """Return what tells it from others of the session, for widget keys."""

    def coarse(self) -> Task | None:
        """Return what shows a first coarse map; None where there is no such thing."""

    def doing(self, share: float) -> str:
        """Return what is done at a share of it, in words; empty where that says no more."""

    def is_kept(self) -> bool:
        """Return whether it is done."""

    def run(self, progress: Callable[[float], None]) -> None:
        """Do it, or the next part of it, telling the share of the whole that is done."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """Hold one method's question, as `caching.basis_of` takes it."""

    model: Model
    image: Image
    method: str
    target: int | None
    references: tuple[int, ...]
    reference_set: ReferenceSet | None
    layer: str
    parameters: dict[str, ParameterValue]

    @property
    def title(self) -> str:
        """Return the method as people read it."""
        return METHODS[self.method].title

    @property
    def passes(self) -> Passes:
        """Return the pictures that the network processes."""
        return passes(METHODS[self.method], self.model, self.layer, self.parameters)

    @property
    def passes_done(self) -> int:
        """Return none: what a coarse map took is done within the whole."""
        return 0

    @property
    def seconds(self) -> float:
        """Return about how long that takes."""
        pace = caching.pace_of(self.model, self.method, self.layer, self.parameters)
        return pace.seconds(self.passes)

    @property
    def id(self) -> str:
        """Return what tells this question from others of the session, for widget keys."""
        return hashlib.sha256(repr(self._key).encode()).hexdigest()[:16]

    def kept(self) -> Basis | None:
        """Return the basis, if this session has it."""
        return caching.kept_basis(self._key)

    def is_kept(self) -> bool:
        """Return whether this session has the basis."""
        return self.kept() is not None

    def run(self, progress: Callable[[float], None]) -> None:
        """Run the network where this session does not have the basis."""
        caching.basis_of(**self._arguments, progress=progress)

    def coarse(self) -> Wanted | None:
        """Return the question for the map of its first few passes; None where there is none."""
        few = coarse_values(METHODS[self.method], self.model, self.layer, self.parameters)
        return None if few is None else replace(self, parameters=few)

    def doing(self, share: float) -> str:
        """Return nothing: its passes are alike."""
        return ""

    @property
    def _key(self) -> Hashable:
        return caching.basis_key(**self._arguments)

    @property
    def _arguments(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Hold what can be shown now and what is still to be done.

    Attributes:
        bases: by the name of each map, in the order chosen; coarse ones too.
        notes: by name, what to say of a map that is not whole yet.
        started: slow methods that were asked for and are not whole.
        place: where their progress is shown.
    """

    bases: dict[str, Basis]
    notes: dict[str, str]
    started: tuple[Wanted, ...]
    place: Any


def prepare_quick(all_wanted: Mapping[str, Wanted]) -> Prepared:
    """Prepare the quick methods, offer the slow ones; where one fails, its message is shown.

    Those that need most of a pass come first, so that the others find it done.

    Args:
        all_wanted: by a name for each map.
    """
    bases: dict[str, Basis] = {}
    notes: dict[str, str] = {}
    started: list[Wanted] = []
    state.keep_started({wanted.id for wanted in all_wanted.values()}, LATER)
    place = st.container()
    for name in sorted(all_wanted, key=lambda name: needs_most_first(all_wanted[name].method)):
        wanted = all_wanted[name]
        with shown_errors():
            basis = wanted.kept()
            if basis is None and not is_slow(wanted):
                run_shown(wanted, wanted)
                basis = wanted.kept()
            elif basis is None:
                basis, notes[name] = _so_far(wanted)
                # Kept free while it runs, lest the last run's offers are left standing in between.
                slot = st.empty()
                if state.is_started(wanted.id):
                    started.append(wanted)
                else:
                    with slot:
                        offer(wanted)
            if basis is not None:
                bases[name] = basis
    return Prepared(
        {name: bases[name] for name in all_wanted if name in bases},
        notes,
        tuple(started),
        place,
    )


def run_started(started: Sequence[Task], place: Any) -> None:
    """Run the next stage of what was started, then the page again; call it last on the page."""
    for task in started:
        coarse = task.coarse()
        stage = task if coarse is None or coarse.is_kept() else coarse
        with place, shown_errors():
            run_shown(stage, task, can_cancel=True)
            st.rerun()
        state.forget_started(task.id)  # it failed; the message stands


def about(seconds: float) -> str:
    """Return a duration as one says it: "5 s", "40 s", "3 min", "2 h"."""
    for unit, size, up_to in (("s", 1, 90), ("min", 60, 90 * 60)):
        if seconds < up_to:
            count = max(1, round(seconds / size))
            return f"{count if count < 10 else round(count / 5) * 5} {unit}"
    return f"{round(seconds / 3600)} h"


def needs_most_first(method: str) -> int:
    """Return where a method stands if those come first that need most of a pass."""
    return _NEEDS_MOST_FIRST.index(METHODS[method].compares_with)


def is_slow(task: Task) -> bool:
    """Return whether something takes so long that it waits to be started."""
    return task.passes.total > _UNTIMED and task.seconds > SLOW_S


def offer(task: Task) -> None:
    """Say what something slow costs, with a button that starts it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Start {task.title}",
            key=f"start-{task.id}",
            icon=":material/play_arrow:",
            on_click=state.start,
            args=(task.id,),
        )
        st.markdown(
            f"{task.title}: at most {task.passes.total:,} passes, about {about(task.seconds)}"
        )


def _so_far(wanted: Wanted) -> tuple[Basis | None, str]:
    """Return the coarse map of a method that is under way, and what to say of it."""
    coarse = wanted.coarse()
    if coarse is None:
        return None, ""
    return coarse.kept(), (
        f"coarse: the first {coarse.passes.total:,} of {wanted.passes.total:,} passes"
    )


def run_shown(stage: Task, whole: Task, *, can_cancel: bool = False) -> None:
    """Run something, or the first stage of it, showing how far the whole is."""
    line = st.empty()
    total, before = whole.passes.total, whole.passes_done
    share_of_whole = stage.passes.total / max(1, total)
    doing = whole.title[:1].upper() + whole.title[1:]
    with line.container(horizontal=True, vertical_alignment="center"):
        if can_cancel:
            st.button(
                f"Cancel {whole.title}",
                key=f"cancel-{whole.id}",
                icon=":material/close:",
                on_click=state.forget_started,
                args=(whole.id,),
            )
        bar = st.empty()

    begun = time.monotonic()

    def progress(share: float) -> None:
        now = share * share_of_whole
        done = min(1.0, before / max(1, total) + now)
        part = stage.doing(share)
        told = f"{doing}, {part}" if part else doing
        text = f"{told}: {round(done * total):,} of {total:,} passes"
        elapsed = time.monotonic() - begun
        if share > 0 and elapsed > _TOLD_AFTER_S:
            text += f", about {about(elapsed * (1 - done) / now)} left"
        bar.progress(done, text=text)

    try:
        with bar, st.spinner(f"{doing} …"):
            stage.run(progress)
    except ExplainError:
        line.empty()
        raise
    line.empty()
