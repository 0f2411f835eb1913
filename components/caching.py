"""What is kept between reruns: models for everyone, evidence and bases for one session only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

import explain_core as xc
from components.evaluation_marks import best_methods
from components.evaluation_queue import EvaluationQueue
from explain_core.datasets.dataset import Dataset
from explain_core.evaluation.estimating import Estimate, estimate
from explain_core.evaluation.plan import Plan
from explain_core.evaluation.results import ROWS, Results, read_results
from explain_core.evaluation.sources import open_dataset
from explain_core.evaluation.tables import Summary, summarise
from explain_core.memory import BoundedMemory
from explain_core.methods.cost import Pace, SpeedMeter
from explain_core.methods.stability import Kind, Stability, question_change, stability
from explain_core.methods.store import EvidenceStore
from explain_core.metrics.metric import Score
from explain_core.models.tap import count_passes
from explain_core.models.text_classes import checked_texts, text_vectors, with_text_vectors
from explain_core.references import banks
from explain_core.references.bank import Bank
from explain_core.references.judging import (
    Distances,
    Judgement,
    LamCurve,
    Plane,
    distances,
    judge,
    lam_curve,
    outliers,
    project,
)
from explain_core.types import Array, Basis, ParameterValue, Pooling, ReferenceSet

Value = TypeVar("Value")

MAX_MODELS = 4
MAX_PLANES = 8
MAX_PROBES = 4
MAX_TEXT_MODELS = 4
MAX_TEXTS_BYTES = 2**22
MAX_SCORES_BYTES = 2**22
MAX_WHOLE = 20_000
MAX_BANK_SETS_BYTES = 2**30
MAX_DATASETS = 8
MAX_EVALUATIONS = 16
MAX_RECENT = 5
MIN_TIMED_PASSES = 32


@dataclass(frozen=True, eq=False)
class Scored:
    """Hold a map's scores by metric, and the values of its sliders that they belong to."""

    values: Mapping[str, ParameterValue]
    scores: Mapping[str, Score]


@dataclass(eq=False)
class SessionMemory:
    """Hold what one session computed; it goes when the session goes.

    Attributes:
        store: evidence.
        bases: by question.
        logits: predictions by picture.
        messages: what the viewer was sent.
        judgements: what was found out about reference sets.
        scores: of maps.
        findings: what became of maps that were put to the test.
        texts: their vectors, by text side and text.
        probes: fitted in this session, by the name of the model that each makes.
        probed: those models, as far as they were asked for.
        passes: pictures that networks processed for this session.
    """

    store: EvidenceStore = field(default_factory=EvidenceStore)
    bases: BoundedMemory[Basis] = field(default_factory=BoundedMemory)
    logits: BoundedMemory[Array] = field(default_factory=BoundedMemory)
    messages: BoundedMemory[bytes] = field(default_factory=BoundedMemory)
    judgements: BoundedMemory[Any] = field(default_factory=BoundedMemory)
    scores: BoundedMemory[Scored] = field(default_factory=lambda: BoundedMemory(MAX_SCORES_BYTES))
    findings: BoundedMemory[Any] = field(default_factory=BoundedMemory)
    texts: BoundedMemory[Array] = field(default_factory=lambda: BoundedMemory(MAX_TEXTS_BYTES))
    probes: dict[str, xc.LinearProbe] = field(default_factory=dict)
    probed: dict[str, xc.Model] = field(default_factory=dict)
    passes: int = 0


@st.cache_resource(scope="session", show_spinner=False)
def session_memory() -> SessionMemory:
    """Return this session's memory."""
    return SessionMemory()


@st.cache_resource(max_entries=MAX_MODELS, show_spinner="Loading the model …")
def model_named(name: str) -> xc.Model:
    """Return a loaded model, shared by all sessions; it never changes."""
    return xc.load_model(name)


def unload(model: xc.Model) -> None:
    """Forget a loaded model for all sessions; it is loaded again when one asks for it.

    What stands on it in this session, its texts and its probe, is put on it anew then.
    """
    model_named.clear(encoder_name(model))
    _with_texts.clear()
    session_memory().probed.clear()


def probed_name(encoder: str) -> str:
    """Return what the model of an encoder and its probe is called."""
    return f"{encoder} + probe"


def keep_probe(model: xc.Model, probe: xc.LinearProbe) -> None:
    """Remember a model's probe for this session, in place of an earlier one; the last few count.

    Raises:
        ModelError: it does not fit the model.
    """
    memory, name = session_memory(), probed_name(model.name)
    made = xc.with_probe(model, probe, name)
    forget_probe(name)
    memory.probes[name], memory.probed[name] = probe, made
    for oldest in list(memory.probes)[:-MAX_PROBES]:
        forget_probe(oldest)


def forget_probe(name: str) -> None:
    """Forget a probe of this session by the name of its model."""
    memory = session_memory()
    memory.probes.pop(name, None)
    memory.probed.pop(name, None)


def kept_probe(model: xc.Model) -> xc.LinearProbe | None:
    """Return the probe on a model, or in one, that this session fitted; None without."""
    probes = session_memory().probes
    kept = probes.get(model.name) or probes.get(probed_name(model.name))
    return kept if kept is not None and kept.fingerprint == model.fingerprint else None


def encoder_name(model: xc.Model) -> str:
    """Return the name of what this session put a probe on, else the model's own."""
    kept = session_memory().probes.get(model.name)
    return model.name if kept is None else kept.encoder


def probes() -> dict[str, xc.LinearProbe]:
    """Return this session's probes, by the name of the model that each makes."""
    return dict(session_memory().probes)


def probed_model(name: str) -> xc.Model:
    """Return the model that a probe of this session makes.

    Raises:
        ModelError: its encoder cannot be loaded any more.
    """
    memory = session_memory()
    if name not in memory.probed:
        probe = memory.probes[name]
        memory.probed[name] = xc.with_probe(model_named(probe.encoder), probe, name)
    return memory.probed[name]


def with_texts(model: xc.Model, texts: tuple[str, ...]) -> xc.Model:
    """Return a model whose classes are texts, which are of this session alone.

    Raises:
        InputError: a text that the model cannot take.
    """
    return _with_texts((model.name, model.key, texts), model, texts)


@st.cache_resource(scope="session", max_entries=MAX_TEXT_MODELS, show_spinner="Reading the texts …")
def _with_texts(key: Hashable, _model: xc.Model, _texts: tuple[str, ...]) -> xc.Model:
    names = checked_texts(_model, _texts)
    vectors = [_text_vector(_model, name) for name in names]
    return with_text_vectors(_model, names, np.stack(vectors))


def _text_vector(model: xc.Model, text: str) -> Array:
    memory, side = session_memory(), model.text_side
    assert side is not None
    key = (side.fingerprint, text)
    return _kept(memory, memory.texts, key, lambda: text_vectors(model, [text])[0])


@st.cache_data(ttl="1m", show_spinner=False)
def model_names() -> dict[str, bool]:
    """Return every model's name, and whether it loads without a download."""
    return xc.available_models()


def banks_of(model: xc.Model) -> tuple[Bank, ...]:
    """Return the reference banks made with a model's weights, shared by all sessions."""
    return _banks(model.key, model)


@st.cache_resource(max_entries=MAX_MODELS, ttl="1m", show_spinner=False)
def _banks(key: Hashable, _model: xc.Model) -> tuple[Bank, ...]:
    return banks.banks_of(_model)


@st.cache_data(ttl="1m", max_entries=MAX_MODELS, show_spinner=False)
def _refused_banks(key: str, _model: xc.Model) -> tuple[tuple[str, str], ...]:
    return banks.refused_banks(_model)


def refused_banks(model: xc.Model) -> tuple[tuple[str, str], ...]:
    """Return the banks that look made for a model but cannot be used: (name, reason)."""
    return _refused_banks(f"{model.fingerprint} {model.preprocessing}", model)


@st.cache_resource(max_entries=MAX_PLANES, show_spinner="Laying the features out in a plane …")
def _plane(key: Hashable, _features: Array) -> Plane:
    return project(_features)


def plane_of(bank: Bank) -> Plane:
    """Return a bank's features in two dimensions, shared by all sessions."""
    return _plane((bank.name, bank.fingerprint, len(bank.features)), bank.features)


@st.cache_data(max_entries=64, show_spinner=False)
def file_bytes(path: str) -> bytes:
    """Return a bundled file."""
    with open(path, "rb") as file:
        return file.read()


def logits_of(model: xc.Model, image: xc.Image) -> Array:
    """Return the logits (num_classes,) of a picture."""
    memory = session_memory()
    key = (model.key, image.digest)

    def predict() -> Array:
        begin = time.perf_counter()
        logits = model.predict(image)
        _first_passes().setdefault(model, time.perf_counter() - begin)
        return logits

    return _kept(memory, memory.logits, key, predict)


def basis_of(
    model: xc.Model,
    image: xc.Image,
    method: str,
    *,
    target: int | None,
    references: tuple[int, ...],
    reference_set: xc.ReferenceSet | None,
    layer: str,
    parameters: Mapping[str, ParameterValue],
    progress: Callable[[float], None],
) -> Basis:
    """Return a method's basis, running the network only for what this session never asked."""
    memory = session_memory()

    def prepare() -> Basis:
        return xc.prepare_many(
            model,
            image,
            [method],
            target=target,
            references=references or None,
            reference_set=reference_set,
            layer=layer,
            progress=progress,
            parameters=_prepare_values(method, parameters),
            store=memory.store,
        )[method]

    key = basis_key(
        model,
        image,
        method,
        target=target,
        references=references,
        reference_set=reference_set,
        layer=layer,
        parameters=parameters,
    )
    return _kept(memory, memory.bases, key, prepare)


def grid_of(
    model: xc.Model,
    image: xc.Image,
    method: str,
    targets: tuple[int | None, ...],
    *,
    references: tuple[int, ...],
    reference_sets: Mapping[int | None, xc.ReferenceSet],
    layer: str,
    parameters: Mapping[str, ParameterValue],
    progress: Callable[[float], None] | None,
) -> dict[int | None, Basis]:
    """Return a method's basis for each class, running the network for what was never asked.

    Args:
        references: every class is compared with those of them that it is not itself.
        progress: None returns only the ones that this session has asked for before.
    """
    memory = session_memory()
    keys = {
        target: basis_key(
            model,
            image,
            method,
            target=target,
            references=tuple(each for each in references if each != target),
            reference_set=reference_sets.get(target),
            layer=layer,
            parameters=parameters,
        )
        for target in targets
    }
    bases = {target: memory.bases.get(key) for target, key in keys.items()}
    missing = [target for target, basis in bases.items() if basis is None]
    if missing and progress is not None:
        with counted_passes():
            fresh = xc.prepare_grid(
                model,
                image,
                [method],
                missing,
                references=references or None,
                reference_sets=reference_sets,
                layer=layer,
                progress=progress,
                parameters=_prepare_values(method, parameters),
                store=memory.store,
            )
        for target in missing:
            bases[target] = fresh[target, method]
            memory.bases.put(keys[target], fresh[target, method])
    return {target: basis for target, basis in bases.items() if basis is not None}


def kept_basis(key: Hashable) -> Basis | None:
    """Return a basis by its `basis_key` where this session has asked for it before, else None."""
    return session_memory().bases.get(key)


def basis_key(
    model: xc.Model,
    image: xc.Image,
    method: str,
    *,
    target: int | None,
    references: tuple[int, ...],
    reference_set: xc.ReferenceSet | None,
    layer: str,
    parameters: Mapping[str, ParameterValue],
) -> Hashable:
    """Return what tells a basis from others; references only where the method compares."""
    uses = xc.METHODS[method].compares_with
    return (
        model.key,
        image.digest,
        method,
        target,
        references if uses != "nothing" else (),
        reference_set.digest if reference_set is not None and uses == "pictures" else None,
        layer,
        tuple(sorted(_prepare_values(method, parameters).items())),
    )


def _prepare_values(
    method: str, parameters: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    known = {p.name for p in xc.METHODS[method].parameters_of("prepare")}
    return {name: value for name, value in parameters.items() if name in known}


@st.cache_resource(show_spinner=False)
def _speed_meter() -> SpeedMeter:
    """Return what measures models, shared by all sessions."""
    return SpeedMeter()


def pace_of(
    model: xc.Model, method: str, layer: str, parameters: Mapping[str, ParameterValue]
) -> Pace:
    """Return how fast a method is on this machine, measured once for all sessions."""
    values = _prepare_values(method, parameters)
    with counted_passes():
        return _speed_meter().pace(xc.METHODS[method], model, layer, values)


@st.cache_resource(show_spinner=False)
def _bank_sets() -> BoundedMemory[ReferenceSet]:
    """Return the sets of whole classes that any session took from a bank."""
    return BoundedMemory(MAX_BANK_SETS_BYTES)


def bank_set(bank: Bank, classes: tuple[int, ...]) -> ReferenceSet:
    """Return the examples of some classes of a bank, shared by all sessions.

    Raises:
        BankError: the bank has no example of one of them.
    """
    return _from_bank(bank, classes, lambda: bank.reference_set(classes))


def all_but(bank: Bank, target: int) -> ReferenceSet:
    """Return the examples of every class of a bank but one, shared by all sessions.

    Raises:
        BankError: there is no other class.
    """
    return _from_bank(bank, target, lambda: bank.all_but(target))


def _from_bank(bank: Bank, which: Hashable, make: Callable[[], ReferenceSet]) -> ReferenceSet:
    key = (bank.name, bank.fingerprint, len(bank), bank.classes, which)
    kept = _bank_sets().get(key)
    if kept is None:
        kept = make()
        _bank_sets().put(key, kept)
    return kept


def alternative_to(references: ReferenceSet, bank: Bank | None) -> ReferenceSet | None:
    """Return the whole bank, to hold a set against, or of a large one pictures evenly spread.

    None where there is none, or it is the set itself.
    """
    if bank is None or bank.layer != references.layer:
        return None
    rows = np.linspace(0, len(bank) - 1, min(len(bank), MAX_WHOLE)).astype(np.int64)
    key = ("whole", bank.name, bank.fingerprint, len(bank), bank.classes)
    whole: ReferenceSet = _judged(key, lambda: bank.rows(rows, bank.name))
    return whole if set(whole.ids.tolist()) != set(references.ids.tolist()) else None


def feature_of(model: xc.Model, image: xc.Image, layer: str, pooling: Pooling) -> Array:
    """Return the feature (d,) of a picture, as reference sets hold it."""
    memory = session_memory()
    key = ("feature", model.fingerprint, model.preprocessing, image.digest, layer, pooling)

    def pool() -> Array:
        evidence = memory.store.class_evidence(model, image, layer, ())
        return evidence.pooled(pooling, layer)

    return _kept(memory, memory.judgements, key, pool)


def seen_by(model: xc.Model, image: xc.Image) -> Array:
    """Return (H, W, 3) uint8: the picture as the network sees it."""
    pixels = model.to_pixels(image)[0].permute(1, 2, 0).float().cpu().numpy()
    shown: Array = (pixels * 255).round().astype("uint8")
    return shown if shown.shape[2] == 3 else shown.repeat(3, axis=2)


def distances_of(model: xc.Model, references: ReferenceSet, image: xc.Image | None) -> Distances:
    """Return how far a set's members lie from their mean, and where a picture falls."""
    feature = None
    if image is not None:
        feature = feature_of(model, image, references.layer, references.pooling)
    key = ("distances", references.digest, image.digest if image is not None else None)
    return _judged(key, lambda: distances(references, feature))


def judgement_of(references: ReferenceSet) -> Judgement:
    """Return a set's figures and findings."""
    store = session_memory().store
    key = ("judgement", references.digest)
    return _judged(key, lambda: judge(references, store.spectrum(references)))


def outliers_of(references: ReferenceSet) -> Array:
    """Return the rows of a set's outliers, the farthest first."""
    store = session_memory().store
    key = ("outliers", references.digest)
    return _judged(key, lambda: outliers(references, store.spectrum(references)))


def lam_curve_of(model: xc.Model, references: ReferenceSet, image: xc.Image) -> LamCurve:
    """Return what λ does for a set and a picture."""
    store = session_memory().store
    feature = feature_of(model, image, references.layer, references.pooling)
    key = ("lam", references.digest, image.digest)
    return _judged(key, lambda: lam_curve(store.spectrum(references), feature))


def stability_of(
    model: xc.Model,
    image: xc.Image,
    references: ReferenceSet,
    alternative: ReferenceSet | None,
    *,
    epsilon: float,
    kind: Kind,
    progress: Callable[[float], None] | None,
) -> tuple[Stability, float | None] | None:
    """Return the map's stability and its agreement with the map for an alternative set.

    Args:
        progress: None returns only what this session has found out before.
    """
    memory = session_memory()
    other = alternative.digest if alternative is not None else None
    key = ("stability", references.digest, other, image.digest, epsilon, kind)
    if progress is None:
        found: tuple[Stability, float | None] | None = memory.judgements.get(key)
        return found

    def test() -> tuple[Stability, float | None]:
        shared: dict[str, Any] = {
            "layer": references.layer,
            "epsilon": epsilon,
            "store": memory.store,
        }
        found = stability(model, image, references, kind=kind, progress=progress, **shared)
        if alternative is None:
            return found, None
        return found, question_change(model, image, references, alternative, **shared)

    return _judged(key, test)


def _judged(key: Hashable, make: Callable[[], Value]) -> Value:
    memory = session_memory()
    judgements: BoundedMemory[Value] = memory.judgements
    return _kept(memory, judgements, key, make)


# ---- scores and tests of maps --------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _first_passes() -> WeakKeyDictionary[xc.Model, float]:
    """Return how long models took for their first picture, shared by all sessions."""
    return WeakKeyDictionary()


@st.cache_resource(show_spinner=False)
def _recent_passes() -> WeakKeyDictionary[xc.Model, deque[tuple[int, float]]]:
    """Return the pictures of models' last scores and the seconds for each of them."""
    return WeakKeyDictionary()


def pass_seconds(model: xc.Model) -> float:
    """Return about how long a picture takes, by the first prediction and the latest scores.

    It is their lower median: what else the machine does only makes them slower.
    """
    known = [seconds for _, seconds in _recent_passes().get(model, ())]
    if model in _first_passes():
        known.append(_first_passes()[model])
    return median_low(known) if known else 0.0


def is_pace_known(model: xc.Model) -> bool:
    """Return whether scores took enough pictures to tell how long many more will take."""
    return sum(count for count, _ in _recent_passes().get(model, ())) >= MIN_TIMED_PASSES


def kept_scores(key: Hashable) -> Scored | None:
    """Return what this session keeps of a map's scores."""
    return session_memory().scores.get(key)


def keep_scores(key: Hashable, scored: Scored) -> None:
    """Keep a map's scores in this session."""
    session_memory().scores.put(key, scored)


def score(
    model: xc.Model,
    image: xc.Image,
    maps: Mapping[Hashable, xc.SaliencyMap],
    metrics: Sequence[str],
    *,
    target: int | None,
    references: tuple[int, ...],
    progress: Callable[[float], None] | None,
) -> dict[Hashable, dict[str, Score]]:
    """Return the scores of maps by many metrics, in one call with shared passes.

    The caller counts them for the session.
    """
    named = {str(place): smap for place, smap in enumerate(maps.values())}
    with count_passes() as counter:
        begin = time.perf_counter()
        found = xc.metrics.score_maps(
            xc.metrics.scorer_of(model, image),
            named,
            metrics,
            target=target,
            references=references,
            progress=progress,
        )
        taken = time.perf_counter() - begin
    if counter.passes:
        recent = _recent_passes().setdefault(model, deque(maxlen=MAX_RECENT))
        recent.append((counter.passes, taken / counter.passes))
    return dict(zip(maps, found.values(), strict=True))


def kept_finding(key: Hashable) -> Any:
    """Return what this session found out about a map; None where it never asked."""
    return session_memory().findings.get(key)


def keep_finding(key: Hashable, value: Any) -> None:
    """Keep what was found out about a map, in place of what was found before."""
    session_memory().findings.put(key, value)


def find_out(key: Hashable, make: Callable[[], Value]) -> Value:
    """Return what a test finds out about a map, made once."""
    memory = session_memory()
    findings: BoundedMemory[Value] = memory.findings
    return _kept(memory, findings, key, make)


def message_of(key: Hashable, make: Callable[[], bytes]) -> bytes:
    """Return the viewer's message for a set of bases, made once."""
    memory = session_memory()
    return _kept(memory, memory.messages, key, make)


@contextmanager
def counted_passes() -> Iterator[None]:
    """Add the network's passes inside the block to this session's."""
    memory = session_memory()
    with count_passes() as counter:
        try:
            yield
        finally:
            memory.passes += counter.passes


def _kept(
    memory: SessionMemory,
    kept: BoundedMemory[Value],
    key: Hashable,
    make: Callable[[], Value],
) -> Value:
    """Return what is kept under a key, else make it, counting the network's passes."""
    value = kept.get(key)
    if value is None:
        with count_passes() as counter:
            try:
                value = make()
            finally:
                memory.passes += counter.passes
        kept.put(key, value)
    return value


# ---- evaluations -----------------------------------------------------------------------------


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
    return estimating().submit(estimate, _plan, _model, speeds=_speed_meter())


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
