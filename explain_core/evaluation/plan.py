"""Plans: which methods are scored on which pictures by which metrics, fixed before it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from explain_core.datasets.dataset import Dataset
from explain_core.errors import InputError
from explain_core.methods.method import Method, why_not_at
from explain_core.methods.preparing import method_named
from explain_core.methods.table import METHODS
from explain_core.metrics.metric import Metric
from explain_core.metrics.table import METRICS
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.references.alignment import class_map
from explain_core.references.banks import banks_of
from explain_core.references.banks import reference_set as known_set
from explain_core.types import ParameterValue

VERSION = 1
_NUM_IDS = 1000
CONTROLS = tuple(method.name for method in METHODS.values() if method.is_control)

Against = Literal["similar", "nearest", "random"]


@dataclass(frozen=True)
class Variant:
    """Name a method or a metric with the values of its parameters.

    Attributes:
        name: in `METHODS` or `METRICS`.
        values: those given, sorted by name; what is missing takes its default.
    """

    name: str
    values: tuple[tuple[str, ParameterValue], ...] = ()

    @property
    def label(self) -> str:
        """Return the name as tables show it: `finer-grad-cam (gamma=1.2)`."""
        if not self.values:
            return self.name
        told = ", ".join(f"{name}={_text(value)}" for name, value in self.values)
        return f"{self.name} ({told})"


def variant(name: str, **values: ParameterValue) -> Variant:
    """Return a method or metric with values for some of its parameters."""
    return Variant(name, tuple(sorted(values.items())))


def _text(value: ParameterValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def weights_of(model: Model) -> str:
    """Return what tells a model's weights from others', a head put on later included."""
    return f"{model.fingerprint}-{model.head}" if model.head else model.fingerprint


@dataclass(frozen=True)
class Plan:
    """State what is evaluated; two plans of one digest give the same numbers.

    Attributes:
        model: its name, and the fingerprint of its weights, see `weights_of`.
        layer: the tapped layer.
        dataset: its name, how many pictures and which classes it has, and a digest of its ids.
        methods: the controls last.
        metrics: the columns of scores.
        against: what a map is compared with. "similar": the three most similar classes together;
            the truth is all evidence for the class. "nearest": the one most similar class of
            which the truth is known; the truth is the evidence for the one rather than the other.
            "random": likewise with a class drawn at random instead.
        reference_set: key of the pictures that DiffCAM compares with, and their digest; empty
            takes the examples of the classes in the model's bank.
        seed: of the sample, and of every picture's noise.
        limit: how many pictures are drawn; None takes all.
        min_probability: pictures to whose class the model gives less are left out, 0 to 1.
        is_right_only: whether pictures whose class is not the predicted one are left out.
    """

    model: str
    fingerprint: str
    layer: str
    dataset: str
    num_examples: int
    classes: tuple[str, ...]
    ids: str
    methods: tuple[Variant, ...]
    metrics: tuple[Variant, ...]
    against: Against
    seed: int
    limit: int | None
    min_probability: float = 0.0
    is_right_only: bool = False
    reference_set: str = ""
    reference_digest: str = ""

    @property
    def digest(self) -> str:
        """Return 64 hex digits that differ where any number could differ."""
        content = json.dumps({"version": VERSION} | asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def indices(self) -> tuple[int, ...]:
        """Return the indices of the examples that are scored, rising.

        A sample is drawn without replacement; a larger limit with the same seed contains it.
        """
        if self.limit is None or self.limit >= self.num_examples:
            return tuple(range(self.num_examples))
        order = np.random.default_rng(self.seed).permutation(self.num_examples)
        return tuple(sorted(order[: self.limit].tolist()))

    def seed_of(self, index: int) -> int:
        """Return the seed of one picture's noise, 0 <= seed < 2^31, whatever came before it."""
        return int(np.random.default_rng((self.seed, index)).integers(2**31))

    def to_json(self) -> str:
        """Return the plan as text that `plan_from_json` reads."""
        return json.dumps({"version": VERSION} | asdict(self), indent=1)


def plan_from_json(text: str) -> Plan:
    """Return the plan that `Plan.to_json` wrote.

    Raises:
        InputError: no plan, or one of another version.
    """
    try:
        content: dict[str, Any] = json.loads(text)
        version = content.pop("version")
        if version != VERSION:
            raise InputError(
                f"the plan is of version {version!r}, but version {VERSION} is read here; "
                "evaluate again, into another folder"
            )
        for name in ("methods", "metrics"):
            content[name] = tuple(
                Variant(each["name"], tuple((key, value) for key, value in each["values"]))
                for each in content[name]
            )
        return Plan(**content | {"classes": tuple(content["classes"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"this is not the plan of an evaluation ({type(error).__name__}: {error}); "
            "evaluate again, into another folder"
        ) from error


def make_plan(
    model: Model,
    dataset: Dataset,
    methods: Sequence[Variant | str],
    metrics: Sequence[Variant | str],
    *,
    against: Against | None = None,
    layer: str | None = None,
    seed: int = 0,
    limit: int | None = None,
    min_probability: float = 0.0,
    is_right_only: bool = False,
    reference_set: str | None = None,
) -> Plan:
    """Return a checked plan; the controls are always among its methods.

    Args:
        reference_set: key of a set in a bank, for DiffCAM. None takes the classes in the model's
            own bank; where no bank is of the model's classes alone, the one class that is none
            of the model's in a bank, such as healthy films.
        against: None takes "nearest" where the data set knows any truth, else "similar".

    Raises:
        InputError: an unknown method, metric or parameter, one named twice, a method that the
            model does not allow, a metric whose truth the data set does not have, a data set
            without pictures or without a class of the model, or a number out of range.
        ModelError: a layer without a tap.
        BankError: there is no such reference set.
    """
    if against is not None and against not in get_args(Against):
        raise InputError(f"against must be one of {list(get_args(Against))} (got {against!r})")
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 (got {limit}); leave it out for all pictures")
    if not 0 <= min_probability <= 1:
        raise InputError(f"min_probability must lie between 0 and 1 (got {min_probability:g})")
    if not 0 <= seed < 2**31:
        raise InputError(f"seed must lie between 0 and {2**31 - 1} (got {seed})")
    _require_pictures(model, dataset)
    tapped = model.layer_named(layer).name
    chosen = _as_variants(methods)
    key, digest = "", ""
    if any(method_named(each.name).compares_with == "pictures" for each in chosen):
        key = reference_set or _other_bank(model, tapped)
        digest = known_set(key).digest if key else ""
    for each in chosen:
        reason = (
            None
            if key and METHODS[each.name].compares_with == "pictures"
            else why_not(each.name, model, tapped)
        )
        if reason is not None:
            raise InputError(f"method '{each.name}' cannot be used here: {reason}")
        fill_in(METHODS[each.name].parameters, dict(each.values), f"method '{each.name}'")
    controls = [Variant(name) for name in CONTROLS if name not in {v.name for v in chosen}]
    measured = _as_variants(metrics)
    for each in measured:
        metric = metric_named(each.name)
        fill_in(metric.parameters, dict(each.values), f"metric '{each.name}'")
        missing = lacking_truth(metric, dataset)
        if missing:
            raise InputError(
                f"metric '{each.name}' needs {missing}, which '{dataset.name}' does not have; "
                "leave the metric out, or choose another data set"
            )
        if metric.needs == "parts" and against == "similar":
            raise InputError(
                f"metric '{each.name}' asks which parts tell a class from one other; leave it out, "
                "or compare with the nearest class"
            )
    return Plan(
        model=model.name,
        fingerprint=weights_of(model),
        layer=tapped,
        dataset=dataset.name,
        num_examples=len(dataset.examples),
        classes=dataset.classes,
        ids=ids_digest(dataset),
        methods=(*sorted(chosen, key=lambda each: METHODS[each.name].is_control), *controls),
        metrics=measured,
        against=against or ("nearest" if dataset.truths else "similar"),
        seed=seed,
        limit=limit,
        min_probability=min_probability,
        is_right_only=is_right_only,
        reference_set=key,
        reference_digest=digest,
    )


def usable_methods(model: Model, layer: str | None = None) -> dict[str, str | None]:
    """Return for every method but the controls why a model does not allow it; None where it does.

    Raises:
        ModelError: a layer without a tap.
    """
    tapped = model.layer_named(layer).name
    return {name: why_not(name, model, tapped) for name in METHODS if name not in CONTROLS}


def usable_metrics(model: Model, dataset: Dataset) -> dict[str, str | None]:
    """Return for every metric why it cannot be taken here; None where it can."""
    found: dict[str, str | None] = {}
    for name, metric in METRICS.items():
        missing = lacking_truth(metric, dataset)
        found[name] = (
            f"it needs {missing}, which '{dataset.name}' does not have" if missing else None
        )
    return found


def why_not(name: str, model: Model, layer: str) -> str | None:
    """Return why a method cannot be used with a model at a layer; None where it can.

    Raises:
        InputError: an unknown method.
        ModelError: a layer without a tap.
    """
    method: Method = method_named(name)
    reason = why_not_at(method, model, layer)
    if reason is not None or method.compares_with != "pictures":
        return reason
    if _has_own_bank(model, layer) or _other_bank(model, layer):
        return None
    return f"it compares with reference pictures, and '{model.name}' has no bank of {layer}."


def _has_own_bank(model: Model, layer: str) -> bool:
    return any(bank.is_aligned and bank.layer == layer for bank in banks_of(model))


def _other_bank(model: Model, layer: str) -> str:
    """Return the key of the one class in a bank that is none of the model's; empty without."""
    if _has_own_bank(model, layer):
        return ""
    for bank in banks_of(model):
        others = [name for name in bank.classes if class_map([name], model.classes) is None]
        if bank.layer == layer and len(others) == 1:
            return f"{bank.name}/{others[0]}"
    return ""


def ids_digest(dataset: Dataset) -> str:
    """Return 16 hex digits that tell sets of one name and size apart by their examples' ids.

    Of more than a thousand examples some, evenly spread, stand for all.
    """
    num = len(dataset.examples)
    places = range(num) if num <= _NUM_IDS else (num * part // _NUM_IDS for part in range(_NUM_IDS))
    text = "\n".join(dataset.examples[place].id for place in places)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def metric_named(name: str) -> Metric:
    """Return a metric of `METRICS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in METRICS:
        raise InputError(f"there is no metric '{name}'; choose one of {sorted(METRICS)}")
    return METRICS[name]


def lacking_truth(metric: Metric, dataset: Dataset) -> str:
    """Return what truth a metric needs that a data set does not have; empty where all is there."""
    if metric.needs == "truth" and not dataset.truths & {"mask", "boxes"}:
        return "masks or boxes"
    if metric.needs == "parts" and "parts" not in dataset.truths:
        return "parts"
    return ""


def _as_variants(given: Iterable[Variant | str]) -> tuple[Variant, ...]:
    found = tuple(Variant(each) if isinstance(each, str) else each for each in given)
    if not found:
        raise InputError("name at least one method and one metric")
    twice = sorted({each.label for each in found if found.count(each) > 1})
    if twice:
        raise InputError(f"{twice} is named twice; name each once")
    return found


def _require_pictures(model: Model, dataset: Dataset) -> None:
    model.require_head()
    if not len(dataset.examples):
        raise InputError(f"the data set '{dataset.name}' has no pictures")
    if not set(dataset.classes) & set(model.classes):
        raise InputError(
            f"'{model.name}' knows none of the classes of '{dataset.name}': it has "
            f"{_some(model.classes)}, the data set {_some(dataset.classes)}; choose a model that "
            "was trained on such pictures"
        )


def _some(names: Sequence[str], count: int = 5) -> str:
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return f"{', '.join(names[:count])}{more}"
