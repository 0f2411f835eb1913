"""One picture of an evaluation: read, explained by all methods with shared passes, scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from explain_core.datasets.dataset import Dataset, Example
from explain_core.errors import ExplainError, InputError
from explain_core.evaluation.plan import Plan, Variant
from explain_core.evaluation.rows import Row
from explain_core.methods.explaining import prepare_many, render
from explain_core.methods.preparing import DEFAULT_NUM_REFERENCES
from explain_core.methods.settings import SEED
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.metrics.scorer import scorer_of
from explain_core.metrics.scoring import score_maps
from explain_core.metrics.table import METRICS
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.references.banks import reference_set
from explain_core.references.similar import similar_classes
from explain_core.references.spectrum import Spectrum
from explain_core.truth import Part, Truth
from explain_core.types import (
    Array,
    Basis,
    Image,
    ParameterValue,
    ReferenceSet,
    SaliencyMap,
)

Progress = Callable[[float], None]

# What one picture can bring about by itself: it cannot be read, memory runs out, a matrix cannot be
# inverted. Anything else is a fault of ours and surfaces.
FAILURES = (ExplainError, OSError, RuntimeError, ValueError, ArithmeticError, MemoryError)

# Of the progress within a picture: how much is making maps; the rest is scoring them.
_EXPLAINING = 0.5


class Shared:
    """Keep what the pictures of a plan share: reference pictures, and what is made of them once.

    Evidence is not kept from picture to picture, so that a row never depends on the rows before.

    Raises:
        InputError: other reference pictures than those of the plan.
        BankError: there is no such reference set.
    """

    def __init__(self, plan: Plan) -> None:
        """Load the plan's reference set, where it names one."""
        self._spectra = EvidenceStore()
        self.references = reference_set(plan.reference_set) if plan.reference_set else None
        if self.references is not None and self.references.digest != plan.reference_digest:
            raise InputError(
                f"the reference pictures '{plan.reference_set}' are not those of the plan; "
                "make the plan anew"
            )

    def store(self) -> EvidenceStore:
        """Return the store of one picture."""
        return _PictureStore(self._spectra)


class _PictureStore(EvidenceStore):
    """Keep one picture's evidence, and the spectra of reference sets in a store for all."""

    def __init__(self, spectra: EvidenceStore) -> None:
        super().__init__()
        self._spectra = spectra

    def spectrum(self, references: ReferenceSet) -> Spectrum:
        return self._spectra.spectrum(references)


def score_picture(
    plan: Plan,
    model: Model,
    dataset: Dataset,
    index: int,
    *,
    shared: Shared | None = None,
    progress: Progress | None = None,
) -> Row:
    """Return the scores of every method by every metric on one picture, or why there are none.

    Args:
        index: of the example.
        shared: what is kept for the other pictures of the plan; None keeps nothing.
        progress: told the share of this picture that is done; may raise to stop.
    """
    example = dataset.examples[index]
    row = Row(index, example.id, example.label, example.group)
    steps = _Steps(progress)
    shared = Shared(plan) if shared is None else shared
    try:
        return _scored(plan, model, example, row, shared, steps)
    except FAILURES as error:
        steps.raise_if_stopped()
        return replace(row, failure=reason_of(error))


def reason_of(error: BaseException) -> str:
    """Return in one line why something failed."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ExplainError) else f"{type(error).__name__}: {text}"


@dataclass(frozen=True)
class Question:
    """State what is asked of one picture.

    Attributes:
        target: class index.
        references: class indices, the most similar first; empty where there is no other class.
        truth: the evidence for the target rather than the reference, or all of it; None where it
            is not known.
        parts: all parts of the picture, of which those of the truth differ; empty where they are
            not known or nobody asks.
    """

    target: int
    references: tuple[int, ...]
    truth: Truth | None
    parts: tuple[Part, ...] = ()


def question_of(
    plan: Plan, model: Model, example: Example, logits: Array, seed: int = 0
) -> Question:
    """Return what is asked of a picture, see `Plan.against`.

    Classes that are in the picture too are not what it is compared with.
    """
    target = model.classes.index(example.label)
    is_by_weights = model.class_weights is not None
    similar = similar_classes(
        model,
        target,
        logits=logits,
        by="weights" if is_by_weights else "logits",
        count=model.num_classes,
    )
    present = {example.label, *example.labels}
    others = tuple(each.index for each in similar if model.classes[each.index] not in present)
    others = others or tuple(each.index for each in similar)  # where every class is in the picture
    if plan.against == "random":
        others = tuple(np.random.default_rng(seed).permutation(others).tolist())
    if plan.against == "similar":
        return Question(target, others[:DEFAULT_NUM_REFERENCES], example.truth(None))
    for other in others:
        name = model.classes[other]
        truth = example.truth(name) if name in plan.classes else None
        if truth is not None:
            needs_parts = any(METRICS[each.name].needs == "parts" for each in plan.metrics)
            whole = example.truth(None) if needs_parts else None
            return Question(target, (other,), truth, () if whole is None else whole.parts)
    return Question(target, others[:1], None)


def _scored(
    plan: Plan, model: Model, example: Example, row: Row, shared: Shared, steps: _Steps
) -> Row:
    if example.label not in model.classes:
        return replace(row, failure=f"'{model.name}' has no class '{example.label}'")
    image = example.read()
    logits = model.predict(image)
    probability = float(model.probabilities(logits)[model.classes.index(example.label)])
    predicted = model.classes[int(np.argmax(logits))]
    row = replace(row, target=example.label, predicted=predicted, probability=probability)
    if plan.is_right_only and predicted not in (example.label, *example.labels):
        return replace(row, failure=f"left out: the model takes it for '{predicted}'")
    if probability < plan.min_probability:
        return replace(
            row,
            failure=f"left out: the model gives its class {probability:.3f}, less than "
            f"{plan.min_probability:g}",
        )
    question = question_of(plan, model, example, logits, plan.seed_of(row.index))
    references = tuple(model.classes[each] for each in question.references)
    maps, reasons = maps_of(plan, model, image, question, plan.seed_of(row.index), shared, steps)
    measured = {
        f"{each.name}@{place}": dict(each.values) for place, each in enumerate(plan.metrics)
    }
    found = score_maps(
        scorer_of(model, image),
        {str(place): smap for place, smap in maps.items()},
        measured,
        target=question.target,
        references=question.references,
        truth=question.truth,
        parts=question.parts,
        progress=steps.part(_EXPLAINING, 1.0),
    )
    scores, told = [], []
    for method in range(len(plan.methods)):
        values: list[float | None] = []
        for metric, key in enumerate(measured):
            score = found[str(method)][key] if method in maps else None
            values.append(None if score is None else score.value)
            if score is None or score.value is None:
                told.append((method, metric, reasons[method] if score is None else score.reason))
        scores.append(tuple(values))
    return replace(row, references=references, scores=tuple(scores), reasons=tuple(told))


# ---- maps ------------------------------------------------------------------------------------


@dataclass
class Call:
    """Hold methods that are prepared together, for they agree in all values that they share.

    Attributes:
        values: of the prepare parameters of all its methods, complete.
        methods: names, each once.
        places: in the plan, of those that are served.
    """

    values: dict[str, ParameterValue] = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def takes(self, values: Mapping[str, ParameterValue]) -> bool:
        """Return whether further values contradict none."""
        return all(self.values.get(name, value) == value for name, value in values.items())


def calls_of(methods: Sequence[Variant], seed: int) -> list[Call]:
    """Return as few calls of `prepare_many` as serve all methods.

    Args:
        seed: for methods with a seed that is not given.
    """
    calls: list[Call] = []
    for place, each in enumerate(methods):
        values = prepare_values(each, seed)
        call = next((call for call in calls if call.takes(values)), None)
        if call is None:
            call = Call()
            calls.append(call)
        call.values.update(values)
        call.places.append(place)
        if each.name not in call.methods:
            call.methods.append(each.name)
    return calls


def prepare_values(each: Variant, seed: int) -> dict[str, ParameterValue]:
    """Return the values of all prepare parameters of a method."""
    parameters = METHODS[each.name].parameters_of("prepare")
    known = {parameter.name for parameter in parameters}
    given: dict[str, ParameterValue] = {SEED.name: seed} if SEED in parameters else {}
    given |= {name: value for name, value in each.values if name in known}
    return fill_in(parameters, given, f"method '{each.name}'")


def maps_of(
    plan: Plan,
    model: Model,
    image: Image,
    question: Question,
    seed: int,
    shared: Shared,
    steps: _Steps,
) -> tuple[dict[int, SaliencyMap], dict[int, str]]:
    """Return the maps by the method's place in the plan, and why others could not be made."""
    maps: dict[int, SaliencyMap] = {}
    reasons: dict[int, str] = {}
    store = shared.store()
    calls = calls_of(plan.methods, seed)
    for number, call in enumerate(calls):
        part = steps.part(
            _EXPLAINING * number / len(calls), _EXPLAINING * (number + 1) / len(calls)
        )
        bases = _bases(plan, model, image, question, call, shared, store, part, steps)
        for place in call.places:
            each = plan.methods[place]
            basis = bases[each.name]
            if isinstance(basis, str):
                reasons[place] = basis
                continue
            slider = {p.name for p in METHODS[each.name].parameters_of("render")}
            values = {name: value for name, value in each.values if name in slider}
            try:
                maps[place] = render(basis, signed=None, **values)
            except FAILURES as error:
                reasons[place] = reason_of(error)
    return maps, reasons


def _bases(
    plan: Plan,
    model: Model,
    image: Image,
    question: Question,
    call: Call,
    shared: Shared,
    store: EvidenceStore,
    progress: Progress,
    steps: _Steps,
) -> dict[str, Basis | str]:
    """Return every method's basis, or why it has none; one that fails does not stop the others."""

    def prepared(methods: Sequence[str]) -> dict[str, Basis]:
        known = {p.name for name in methods for p in METHODS[name].parameters_of("prepare")}
        return prepare_many(
            model,
            image,
            methods,
            target=question.target,
            # None: DiffCAM compares with the examples of all other classes, its own default.
            references=None if plan.against == "similar" else question.references,
            reference_set=shared.references,
            layer=plan.layer,
            progress=progress,
            parameters={name: value for name, value in call.values.items() if name in known},
            store=store,
        )

    try:
        return dict(prepared(call.methods))
    except FAILURES:
        steps.raise_if_stopped()
    found: dict[str, Basis | str] = {}
    for name in call.methods:
        try:
            found |= prepared([name])
        except FAILURES as error:
            steps.raise_if_stopped()
            found[name] = reason_of(error)
    return found


# ---- progress --------------------------------------------------------------------------------


class _Steps:
    """Pass progress on, and remember that the one who was told wants to stop.

    What is raised to stop must not be taken for a picture that failed, whatever its kind.
    """

    def __init__(self, tell: Progress | None) -> None:
        self._tell = tell
        self._stop: Exception | None = None

    def part(self, begin: float, end: float) -> Progress:
        """Return what a step that takes the picture from one share to another is to call."""

        def tell(share: float) -> None:
            if self._tell is None:
                return
            try:
                self._tell(begin + (end - begin) * share)
            except FAILURES as error:
                self._stop = error
                raise

        return tell

    def raise_if_stopped(self) -> None:
        """Raise again what was raised to stop."""
        if self._stop is not None:
            raise self._stop
