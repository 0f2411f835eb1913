"""From a paper's experiment to a plan: the same pictures, methods, metrics and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from explain_core.datasets import protocol as papers
from explain_core.datasets.dataset import Dataset
from explain_core.datasets.protocol import Protocol, choose
from explain_core.errors import InputError
from explain_core.evaluation.plan import Against, Plan, Variant, make_plan, why_not
from explain_core.methods.table import METHODS
from explain_core.models.model import Model

# How what a paper compares with is said here; what is missing cannot be evaluated yet.
_AGAINST: Mapping[papers.Against, Against] = MappingProxyType(
    {
        "nothing": "similar",
        "all other classes": "similar",
        "nearest class means": "similar",
        "similar classes": "similar",
        "similar class": "nearest",
        "one class": "nearest",
        "random class": "random",
        "healthy films": "similar",
    }
)


def protocol_plan(
    protocol: Protocol,
    model: Model,
    dataset: Dataset,
    *,
    seed: int = 0,
    limit: int | None = None,
    layer: str | None = None,
    reference_set: str | None = None,
) -> tuple[Dataset, Plan, tuple[str, ...]]:
    """Return the pictures that an experiment selects, its plan, and what is not as in the paper.

    Args:
        dataset: the protocol's set, read from its folder.
        seed: of the selection and of noise.
        limit: draws fewer pictures than the paper; None takes as many.
        reference_set: key of the pictures for DiffCAM; asked for where it compares with films.

    Raises:
        InputError: an experiment that shows maps without scoring them, or compares with what
            cannot be evaluated; what `choose` and `make_plan` raise.
    """
    if not protocol.metrics:
        raise InputError(
            f"'{protocol.name}' shows maps and scores none; look at them on the page Explain"
        )
    if protocol.against not in _AGAINST:
        raise InputError(
            f"'{protocol.name}' compares with '{protocol.against}', which cannot be evaluated "
            "over a data set; look at single pictures on the page Explain"
        )
    if protocol.selection.is_right is False:
        raise InputError(
            f"'{protocol.name}' takes the pictures that the model gets wrong, which cannot be "
            "asked for; evaluate all and choose among the rows"
        )
    if protocol.against == "healthy films" and reference_set is None:
        raise InputError(
            f"'{protocol.name}' compares with healthy films; build a bank of them and name it as "
            "the reference set"
        )
    tapped = model.layer_named(layer).name
    wanted = list(_methods(protocol))
    reasons = {each.name: why_not(each.name, model, tapped) for each in wanted}
    if reference_set is not None:
        reasons = {
            name: None if METHODS[name].compares_with == "pictures" else reason
            for name, reason in reasons.items()
        }
    departures = [f"without {name}: {why}" for name, why in reasons.items() if why is not None]
    if protocol.reversed:
        departures.append("without the reversed maps")
    if protocol.input_px is not None and set(model.preprocessing.size) != {protocol.input_px}:
        departures.append(
            f"the model looks at {' x '.join(map(str, model.preprocessing.size))} pixels, the "
            f"paper's at {protocol.input_px}"
        )
    selected = choose(dataset, protocol.selection, seed)
    plan = make_plan(
        model,
        selected,
        [each for each in wanted if reasons[each.name] is None],
        [Variant(each.name, each.values) for each in protocol.metrics],
        against=_AGAINST[protocol.against],
        layer=layer,
        seed=seed,
        limit=limit,
        min_probability=protocol.selection.min_probability,
        is_right_only=protocol.selection.is_right is True,
        reference_set=reference_set,
    )
    return selected, plan, tuple(departures)


def _methods(protocol: Protocol) -> Iterator[Variant]:
    """Give the paper's methods, at every step of its sweeps where they have the parameter."""
    for choice in protocol.methods:
        variants = [dict(choice.values)]
        known = {parameter.name for parameter in METHODS[choice.name].parameters}
        for name, steps in protocol.sweeps:
            if name in known:
                variants = [values | {name: step} for values in variants for step in steps]
        for values in variants:
            yield Variant(choice.name, tuple(sorted(values.items())))
