"""Evaluations: their queue, data sets, costs and results, shared by all sessions."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

import explain_core as xc
from components.caching.pace import speed_meter
from components.evaluation_marks import best_methods
from components.evaluation_queue import EvaluationQueue
from explain_core.datasets.dataset import Dataset
from explain_core.evaluation.estimating import Estimate, estimate
from explain_core.evaluation.plan import Plan
from explain_core.evaluation.results import ROWS, Results, read_results
from explain_core.evaluation.sources import open_dataset
from explain_core.evaluation.tables import Summary, summarise

MAX_DATASETS = 8
MAX_EVALUATIONS = 16


@st.cache_resource(show_spinner=False)
def evaluation_queue() -> EvaluationQueue:
    """Return the evaluations of this server, shared by all sessions."""
    return EvaluationQueue()


@st.cache_resource(show_spinner=False)
def _own_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="whynot-evaluations-")


def own_folder() -> Path:
    """Return a folder of this server, which goes with it."""
    return Path(_own_folder().name)


@st.cache_resource(max_entries=MAX_DATASETS, show_spinner="Opening the data set …")
def dataset_of(source: str) -> Dataset:
    """Return a data set, shared by all sessions.

    Args:
        source: as `open_dataset` takes it.

    Raises:
        InputError: the source's folder does not hold what it should.
    """
    return open_dataset(source)


def estimate_of(plan: Plan, model: xc.Model) -> Estimate | None:
    """Return what an evaluation costs on this machine, measured once for all sessions.

    None while it is being measured, beside the page, which can be used meanwhile.

    Raises:
        Exception: what the measuring ended with; asked again, it is measured anew.
    """
    key = (model.key, plan.layer, plan.methods, plan.metrics, plan.limit, plan.num_examples)
    measured = _estimate(key, plan, model)
    if not measured.done():
        return None
    if measured.exception() is not None:
        _estimate.clear()
    return measured.result()


@st.cache_resource(max_entries=MAX_EVALUATIONS, show_spinner=False)
def _estimate(key: Hashable, _plan: Plan, _model: xc.Model) -> Future[Estimate]:
    return estimating().submit(estimate, _plan, _model, speeds=speed_meter())


@st.cache_resource(show_spinner=False)
def estimating() -> ThreadPoolExecutor:
    """Return what measures: one evaluation at a time, for two at once would tell nothing."""
    return ThreadPoolExecutor(1, "estimates")


def results_in(folder: Path) -> Results:
    """Return what an evaluation's folder holds, read again where it has changed.

    Raises:
        InputError: it holds no evaluation.
    """
    rows = folder / ROWS
    return _results_in(folder, rows.stat().st_mtime_ns if rows.exists() else 0)


@st.cache_resource(max_entries=MAX_EVALUATIONS, show_spinner=False)
def _results_in(folder: Path, changed_ns: int) -> Results:
    return read_results(folder)


def summary_of(results: Results, baseline: int | None) -> Summary:
    """Return the means of an evaluation with what they are compared with."""
    key = (results.plan.digest, tuple(row.index for row in results.rows), baseline)
    return _summary(key, results)


@st.cache_resource(max_entries=4 * MAX_EVALUATIONS, show_spinner=False)
def _summary(key: tuple[str, tuple[int, ...], int | None], _results: Results) -> Summary:
    return summarise(_results, baseline=key[2])


def best_of(results: Results) -> tuple[int | None, ...]:
    """Return for each metric the method that is ahead of every other one, None without one."""
    return _best((results.plan.digest, tuple(row.index for row in results.rows)), results)


@st.cache_resource(max_entries=MAX_EVALUATIONS, show_spinner=False)
def _best(key: tuple[str, tuple[int, ...]], _results: Results) -> tuple[int | None, ...]:
    return best_methods(_results)
