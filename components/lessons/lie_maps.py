"""What the lesson "Can a picture lie?" computes: the same for all students of a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeVar

import numpy as np

from components import caching
from components.lessons.slider_maps import finished
from explain_core import METRICS, Image, Model, metrics, render
from explain_core.datasets.film_drawing import draw_pixels, picture
from explain_core.methods.explaining import prepare_many
from explain_core.metrics.metric import Score
from explain_core.metrics.randomisation import Randomisation, cascading_randomisation
from explain_core.metrics.verdicts import Verdict, controls_verdict
from explain_core.references.bank import Bank
from explain_core.types import Basis, SaliencyMap

Value = TypeVar("Value")

NAME = "can-it-lie"
GOOD = "layer-cam"  # as the controls, it has no signed view that would tell it apart
CONTROLS = ("edges", "center-gaussian", "random")
LETTERS = ("A", "B", "C")
METRICS_ASKED = ("deletion", "rcap")
HONEST, CHEATING = "films", "films-confounded"
CATCHING = ("grad-cam", "diffcam")

_FINDINGS = ("pneumothorax", "opacity")
_PAIRS = tuple(combinations(CONTROLS, 2))
_HEALTHY = "healthy"
_PLAIN = {"pneumothorax": "air beside the lung", "opacity": "shadow in the lung"}
_SIZE_PX = (256, 256)


@dataclass(frozen=True, eq=False)
class Round:
    """Hold one round: a film, its finding, and three maps, which and in which order by its number.

    Attributes:
        order: by letter, the method.
        maps: by method.
        bases: by method, finished maps that look alike to whoever is sent them.
    """

    number: int
    model: Model
    image: Image
    finding: str
    order: Mapping[str, str]
    maps: Mapping[str, SaliencyMap]
    bases: Mapping[str, Basis]

    @property
    def target(self) -> int:
        """Return the finding's class."""
        return self.model.classes.index(self.finding)


@dataclass(frozen=True, eq=False)
class Forgotten:
    """Hold what becomes of a map, with the map as it was and after each stage, finished."""

    found: Randomisation
    bases: tuple[Basis, ...]


@dataclass(frozen=True, eq=False)
class Look:
    """Hold what one network makes of a film.

    Attributes:
        probability: of the finding.
        is_found: whether the network reports it.
        bases: by method.
    """

    model: Model
    image: Image
    probability: float
    is_found: bool
    bases: Mapping[str, Basis]


def finding_of(number: int) -> str:
    """Return the finding of a round's film."""
    return _FINDINGS[number % len(_FINDINGS)]


def in_plain_words(finding: str) -> str:
    """Return what a finding is called by who is no doctor."""
    return _PLAIN[finding]


def round_of(number: int) -> Round:
    """Return a round by its number."""
    model = caching.model_named(HONEST)
    return _shared(model, ("round", number), lambda: _round(model, number))


def scores_of(asked: Round) -> Mapping[str, Mapping[str, Score]]:
    """Return the scores of a round's maps, by method and metric."""
    return _shared(asked.model, ("scores", asked.number), lambda: _scores(asked))


def verdict_of(scores: Mapping[str, Mapping[str, Score]]) -> Verdict:
    """Return whether the good map does better than those that know nothing of the network."""
    return controls_verdict(scores[GOOD], {name: scores[name] for name in scores if name != GOOD})


def best_by(scores: Mapping[str, Mapping[str, Score]], metric: str) -> str | None:
    """Return the method that a metric ranks first; None where it says nothing."""
    values = {name: each[metric].value for name, each in scores.items()}
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None
    choose = max if METRICS[metric].is_higher_better else min
    return choose(known, key=known.__getitem__)


def forgetting_of(asked: Round) -> Mapping[str, Forgotten]:
    """Return what becomes of the maps as the network loses its weights, by method."""
    return _shared(asked.model, ("forgetting", asked.number), lambda: _forgetting(asked))


def look_at(name: str, number: int, *, has_finding: bool, has_marker: bool) -> Look:
    """Return what the network of a name makes of a round's film.

    Args:
        has_finding, has_marker: the film is drawn by the same hand with or without them. The marker
            is the finding's, whether that is there or not.
    """
    model = caching.model_named(name)
    key = ("look", number, has_finding, has_marker)
    finding = finding_of(number)

    def look() -> Look:
        film = _film(number, (finding,) * has_finding, (finding,) * has_marker)
        return _look(model, film, finding)

    return _shared(model, key, look)


def minded_by(name: str, number: int) -> Literal["finding", "marker"] | None:
    """Return what the answer of a network goes by, in all four films of a round.

    None: by neither alone.
    """
    found = {
        (has_finding, has_marker): look_at(
            name, number, has_finding=has_finding, has_marker=has_marker
        ).is_found
        for has_finding in (True, False)
        for has_marker in (True, False)
    }
    if all(is_found == has_finding for (has_finding, _), is_found in found.items()):
        return "finding"
    if all(is_found == has_marker for (_, has_marker), is_found in found.items()):
        return "marker"
    return None


def _shared(model: Model, key: tuple[object, ...], make: Callable[[], Value]) -> Value:
    return caching.shared((NAME, model.key, *key), make)


def _round(model: Model, number: int) -> Round:
    finding = finding_of(number)
    image = _film(number, (finding,))
    methods = [GOOD, *_PAIRS[(number - 1) % len(_PAIRS)]]
    bases = prepare_many(
        model,
        image,
        methods,
        target=model.classes.index(finding),
        layer=_bank_of(model).layer,
    )
    maps = {name: render(basis) for name, basis in bases.items()}
    order = np.random.default_rng(number).permutation(methods).tolist()
    return Round(
        number=number,
        model=model,
        image=image,
        finding=finding,
        order=dict(zip(LETTERS, order, strict=True)),
        maps=maps,
        bases={name: finished(basis, maps[name].values) for name, basis in bases.items()},
    )


def _scores(asked: Round) -> Mapping[str, Mapping[str, Score]]:
    return metrics.score_maps(
        metrics.scorer_of(asked.model, asked.image),
        asked.maps,
        METRICS_ASKED,
        target=asked.target,
        references=(),
    )


def _forgetting(asked: Round) -> dict[str, Forgotten]:
    layer = _bank_of(asked.model).layer

    def forget(name: str) -> Forgotten:
        def explain(model: Model, image: Image, _seed: int) -> SaliencyMap:
            return render(
                prepare_many(model, image, [name], target=asked.target, layer=layer)[name]
            )

        found = cascading_randomisation(asked.model, asked.image, explain)
        maps = (found.original, *found.maps)
        return Forgotten(found, tuple(finished(asked.bases[name], each) for each in maps))

    return {name: forget(name) for name in asked.maps}


def _film(number: int, findings: tuple[str, ...], markers: tuple[str, ...] = ()) -> Image:
    return picture(draw_pixels(number, findings, _SIZE_PX, markers))


def _look(model: Model, image: Image, finding: str) -> Look:
    bank = _bank_of(model)
    target = model.classes.index(finding)
    probabilities = model.probabilities(model.predict(image))
    bases = prepare_many(
        model,
        image,
        list(CATCHING),
        target=target,
        reference_set=caching.bank_set(bank, (bank.classes.index(_HEALTHY),)),
        layer=bank.layer,
    )
    is_found = bool(model.finds(probabilities)[target])
    return Look(model, image, float(probabilities[target]), is_found, bases)


def _bank_of(model: Model) -> Bank:
    return caching.banks_of(model)[0]
