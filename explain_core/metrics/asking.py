"""One map, one metric: the way of the plain functions, in which what is undefined is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explain_core.errors import InputError
from explain_core.metrics.metric import Plan, Score, positive_part, why_undefined
from explain_core.metrics.removals import answers
from explain_core.metrics.scorer import scorer_of
from explain_core.models.model import Model
from explain_core.types import Array, Image, SaliencyMap


def score_of_map(
    plan: Callable[[Array], Plan],
    model: Model,
    image: Image,
    smap: SaliencyMap,
    *,
    target: int | str,
    references: Sequence[int | str] = (),
) -> Score:
    """Return what a metric says of a map.

    Raises:
        InputError: a map with NaN, without positive evidence or of another size than the model's
            input, a class that the model does not have, or references among which the target is.
    """
    index = model.class_index(target)
    others = [model.class_index(each) for each in references]
    require_others(index, others)
    reason = why_undefined(smap.values)
    if reason:
        raise InputError(f"{reason}, so the metric is undefined; leave this map out")
    values = positive_part(smap.values)
    scorer = scorer_of(model, image)
    if values.shape != scorer.size:
        raise InputError(
            f"the map is {values.shape}, but '{model.name}' looks at {scorer.size}; make the map "
            "with this model"
        )
    planned = plan(values)
    (found,) = answers(scorer, values[None], [(0, planned.removals)], [index, *others])
    return planned.read(found)


def require_others(target: int, references: Sequence[int]) -> None:
    """Raise `InputError` where the target is among the classes to compare with."""
    if target in references:
        raise InputError(
            f"references must not contain the target class {target} (got {list(references)}); "
            "remove it"
        )
