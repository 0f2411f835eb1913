"""An evaluation from its estimate to its end: start, look, cancel, go on."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import streamlit as st

from components import caching
from components.evaluation_queue import Look
from components.evaluation_results import show_results
from components.evaluation_setup import Setup
from components.notices import sentence, shown_errors
from components.slow_methods import about
from components.wording import counted
from explain_core.evaluation.job import EvaluationJob
from explain_core.evaluation.results import PLAN, Results

FOLDER_VARIABLE = "WHYNOT_EVALUATIONS"
_LOOK_AGAIN_S = 1.5
_MEASURED_S = 0.5
_STARTING = "Starting …"


def folder_of(setup: Setup) -> Path:
    """Return where an evaluation is kept; the same plan is found there again by anyone."""
    named = os.environ.get(FOLDER_VARIABLE)
    root = Path(named) if named else caching.own_folder()
    return root / setup.plan.digest[:16]


def results_so_far(folder: Path) -> Results | None:
    """Return what is there of an evaluation, under way or not; None where it never began.

    Raises:
        InputError: the folder cannot be read.
    """
    queue = caching.evaluation_queue()
    job = queue.job(folder)
    if job is not None and queue.look(folder).standing == "running":
        return job.results
    return caching.results_in(folder) if (folder / PLAN).exists() else None


def show_run(setup: Setup) -> bool:
    """Show how an evaluation stands, with its table and plots; return whether it is under way.

    Only this part runs again by itself, and only while there is something to wait for.
    """
    folder = folder_of(setup)
    is_under_way = caching.evaluation_queue().look(folder).is_under_way
    every = _LOOK_AGAIN_S if is_under_way else None
    _tell_kept()
    st.fragment(_live, run_every=every)(setup, folder, is_under_way)
    return is_under_way


def _live(setup: Setup, folder: Path, was_under_way: bool) -> None:
    look = caching.evaluation_queue().look(folder)
    if look.is_under_way != was_under_way:
        if look.is_under_way:
            with st.container(border=True):
                st.progress(0.0, text=_STARTING)
        st.rerun()
    results = None
    with st.container(border=True), shown_errors():
        results = results_so_far(folder)
        if look.is_under_way:
            _show_progress(setup, folder, look, results)
        else:
            _offer(setup, folder, look, results)
    if results is not None and results.rows:
        show_results(setup, results, is_under_way=look.is_under_way)


def _show_progress(setup: Setup, folder: Path, look: Look, results: Results | None) -> None:
    total = len(setup.plan.indices)
    done = 0 if results is None else len(results.rows)
    share, text = done / total, f"{done:,} of {counted(total, 'picture')}"
    if look.standing == "waiting":
        others = "one evaluation is" if look.num_before == 1 else f"{look.num_before} are"
        text += f" — waiting: {others} before this one, and one runs at a time"
    elif look.progress is not None:
        now = look.progress
        share = min(1.0, (now.done + now.share) / total)
        text = f"Picture {min(now.done + 1, total):,} of {total:,}"
        if now.num_failed:
            text += f", {now.num_failed:,} without scores"
        if now.seconds_left is not None and now.done < total:
            text += f", about {about(now.seconds_left)} left"
    else:
        text = _STARTING
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(share, text=text)
        st.button(
            "Cancel",
            key="evaluation-cancel",
            icon=":material/close:",
            help="What is scored is kept, and can be gone on with.",
            on_click=caching.evaluation_queue().cancel,
            args=(folder,),
        )


def _offer(setup: Setup, folder: Path, look: Look, results: Results | None) -> None:
    """Say what was done and what is left to do, with a button that does it."""
    plan = setup.plan
    total, done = len(plan.indices), 0 if results is None else len(results.rows)
    if look.standing == "failed":
        st.error(sentence(look.failure), icon=":material/error:")
    if results is not None and results.is_complete:
        text = f"**All {counted(total, 'picture')} are done.**"
        if results.failed:
            text += f" {len(results.failed):,} have no scores; the list below says why."
        st.markdown(text)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Go on" if done else "Start",
            key="evaluation-start",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_start,
            args=(setup, folder),
        )
        is_measuring = caching.estimate_of(plan, setup.model) is None
        every = _MEASURED_S if is_measuring else None
        st.fragment(_tell_cost, run_every=every)(setup, done, is_measuring)


def _tell_cost(setup: Setup, done: int, was_measuring: bool) -> None:
    """Say what starting does and how long that takes; Start does not wait for the measuring."""
    with shown_errors():
        cost = caching.estimate_of(setup.plan, setup.model)
        if cost is None:
            st.markdown(f"{_what(setup, done)} Measuring how long that takes here …")
            return
        if was_measuring:
            st.rerun()
        seconds = cost.seconds_each * (len(setup.plan.indices) - done)
        st.markdown(f"{_what(setup, done)} About **{about(seconds)}** on this machine.")


def _what(setup: Setup, done: int) -> str:
    plan = setup.plan
    total = len(plan.indices)
    if done:
        return f"{done:,} of {counted(total, 'picture')} are scored, and kept."
    return (
        f"{counted(total, 'picture')}, {counted(len(plan.methods), 'map')} of each, "
        f"{counted(len(plan.metrics), 'metric')}."
    )


def _start(setup: Setup, folder: Path) -> None:
    source = setup.material.source
    job = EvaluationJob(setup.plan, setup.model, setup.dataset, folder, source=source)
    queue = caching.evaluation_queue()
    queue.submit(job)
    # Texts and probes are of one session, and no other could take these settings again.
    if not setup.model.head and setup.plan.layer == setup.model.layer:
        queue.remember(f"{datetime.now():%H:%M:%S}, {_title(setup)}", setup.settings)


def _title(setup: Setup) -> str:
    plan = setup.plan
    what = counted(len(plan.methods), "map") if setup.sweep is None else f"sweep of {setup.sweep}"
    return (
        f"{setup.model.name} on {setup.material.offered.title}: "
        f"{counted(len(plan.indices), 'picture')}, {what}, {counted(len(plan.metrics), 'metric')}"
    )


def _tell_kept() -> None:
    if os.environ.get(FOLDER_VARIABLE):
        st.caption(
            "Kept in the operator’s folder: whoever chooses the same settings finds it again, also "
            "after a restart."
        )
        return
    st.caption(
        "Kept until this server is stopped; take the tables along.",
        help="Whoever chooses the same settings finds it again. To keep evaluations for longer, "
        f"the operator names a folder in {FOLDER_VARIABLE}.",
    )
