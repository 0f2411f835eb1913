"""Do a method's maps change when the model forgets? Over several pictures, with an interval."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from explain_core.datasets.dataset import Dataset
from explain_core.evaluation.intervals import Interval, mean_intervals
from explain_core.evaluation.pictures import FAILURES, Question, prepare_values, question_of
from explain_core.evaluation.plan import Plan, Variant
from explain_core.methods.explaining import prepare_many, render
from explain_core.methods.table import METHODS
from explain_core.metrics.randomisation import cascading_randomisation
from explain_core.models.model import Model
from explain_core.types import Image, ReferenceSet, SaliencyMap

NUM_PICTURES = 10
NUM_REFERENCES = 20


@dataclass(frozen=True)
class Sanity:
    """Hold how like a method's maps are before and after all weights were drawn at random.

    Attributes:
        method: of the plan.
        excess: `|ρ|` of the two maps less the mean of pairs of random maps that are as smooth;
            about 0 is chance, above 0 the map does not come from what was learned alone.
        num_at_chance: pictures on which `|ρ|` is at most the random pairs' 95th percentile.
        count: pictures that have a map.
    """

    method: Variant
    excess: Interval
    num_at_chance: int
    count: int

    @property
    def passes(self) -> bool | None:
        """Return whether the excess is not above zero; None where that cannot be told."""
        if np.isnan(self.excess.low):
            return None
        return not self.excess.is_above_zero


def check_sanity(
    plan: Plan,
    model: Model,
    dataset: Dataset,
    *,
    num_pictures: int = NUM_PICTURES,
    progress: Callable[[float], None] | None = None,
) -> list[Sanity]:
    """Return for each method of a plan whether its maps change with the weights.

    Adebayo et al., Sanity Checks for Saliency Maps, 2018: the last stage of the cascade, in which
    nothing that was learned is left. DiffCAM's references are made anew by the changed model.

    Args:
        num_pictures: the first ones of the plan; those that cannot be read are left out.
        progress: told the share that is done; may raise to stop.
    """
    chosen = plan.indices[:num_pictures]
    references = _References(plan, model, dataset)
    found: list[list[tuple[float, bool]]] = [[] for _ in plan.methods]
    for done, index in enumerate(chosen):
        example = dataset.examples[index]
        if example.label not in model.classes:
            continue
        try:
            image = example.read()
            question = question_of(plan, model, example, model.predict(image), plan.seed_of(index))
        except FAILURES:
            continue
        for place, each in enumerate(plan.methods):
            if progress is not None:
                progress((done + place / len(plan.methods)) / len(chosen))
            try:
                check = cascading_randomisation(
                    model,
                    image,
                    _explain(plan, each, question, references),
                    num_stages=1,
                    seed=plan.seed_of(index) % 2**31,
                )
            except FAILURES:
                continue  # no positive evidence, or a method that cannot explain this picture
            last = float(np.nan_to_num(check.rank_correlations[-1]))
            by_chance = float(np.nanmean(check.random_rank_correlations))
            found[place].append((last - by_chance, check.ends_at_chance))
    return [_summed(each, pairs) for each, pairs in zip(plan.methods, found, strict=True)]


def _summed(method: Variant, pairs: Sequence[tuple[float, bool]]) -> Sanity:
    (excess,) = mean_intervals(np.array([[gap] for gap, _ in pairs]).reshape(-1, 1))
    return Sanity(method, excess, sum(at_chance for _, at_chance in pairs), len(pairs))


def sanity_to_json(found: Sequence[Sanity], plan: Plan) -> str:
    """Return what was found as text that `sanity_from_json` reads."""
    return json.dumps({"plan": plan.digest, "found": [asdict(each) for each in found]}, indent=1)


def sanity_from_json(text: str, plan: Plan) -> list[Sanity] | None:
    """Return what was found; None for another plan, or a text that cannot be read."""
    try:
        content = json.loads(text)
        if content["plan"] != plan.digest:
            return None
        return [
            Sanity(
                method,
                Interval(**each["excess"]),
                int(each["num_at_chance"]),
                int(each["count"]),
            )
            for method, each in zip(plan.methods, content["found"], strict=True)
        ]
    except (ValueError, TypeError, KeyError):
        return None


class _References:
    """Make the reference pictures of a class as a model sees them, changed or not."""

    def __init__(self, plan: Plan, model: Model, dataset: Dataset) -> None:
        self._layer = plan.layer
        self._classes = model.classes
        self._dataset = dataset
        self._images: dict[int, list[Image]] = {}

    def of(self, model: Model, index: int) -> ReferenceSet:
        """Return pooled features of pictures of a class.

        Raises:
            InputError: pictures that cannot be read.
        """
        if index not in self._images:
            label = self._classes[index]
            examples = (each for each in self._dataset.examples if each.label == label)
            self._images[index] = [
                each.read() for _, each in zip(range(NUM_REFERENCES), examples, strict=False)
            ]
        layer = model.layer_named(self._layer)
        rows = [
            model.pooled(model.preprocess(image), layer.name).float().cpu().numpy()[0]
            for image in self._images[index]
        ]
        return ReferenceSet(
            key="made anew",
            features=np.stack(rows),
            labels=np.full(len(rows), index),
            layer=layer.name,
            fingerprint=model.fingerprint,
            pooling=layer.pooling,
        )


def _explain(
    plan: Plan, each: Variant, question: Question, references: _References
) -> Callable[[Model, Image, int], SaliencyMap]:
    method = METHODS[each.name]
    slider = {parameter.name for parameter in method.parameters_of("render")}
    rendered = {name: value for name, value in each.values if name in slider}

    def explain(model: Model, image: Image, seed: int) -> SaliencyMap:
        pictures = None
        if method.compares_with == "pictures":
            pictures = references.of(model, question.references[0])
        basis = prepare_many(
            model,
            image,
            [each.name],
            target=question.target,
            references=question.references or None,
            reference_set=pictures,
            layer=plan.layer,
            parameters=prepare_values(each, seed),
        )[each.name]
        return render(basis, signed=None, **rendered)

    return explain
