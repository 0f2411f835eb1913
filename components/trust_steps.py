"""Putting one map to the test, step by step: against controls, without learning, once more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from components import caching, state
from components.score_strip import CURVES, ShownMap, Values, control_bases
from components.slow_methods import Wanted
from explain_core import METHODS, ExplainError, Image, InputError, Model, ReferenceSet, render
from explain_core.methods.controls import CONTROLS
from explain_core.methods.explaining import prepare_many
from explain_core.methods.method import Passes
from explain_core.methods.settings import SEED
from explain_core.metrics.deletion import NUM_STEPS
from explain_core.metrics.metric import Score
from explain_core.metrics.randomisation import (
    Randomisation,
    cascading_randomisation,
    stages_of,
)
from explain_core.metrics.repeatability import (
    NUM_REPEATS,
    Agreement,
    noise_agreement,
    seed_agreement,
)
from explain_core.references.pictures import AllPictures, KeptPictures, Pictures
from explain_core.types import Array, SaliencyMap

Step = Literal["curves", "weights", "noise", "seed"]

MAX_PICTURES = 50
_SEED = 0
# Of a map's pictures: those of RCAP, deletion, insertion and ROAD; the clean and the empty ones are
# shared by all maps.
_CURVE_PASSES = 5 + 2 * (int(NUM_STEPS.default) - 1) + 6
_SHARED_PASSES = 3
_ROUNDING = 1e-9  # of a share that is a map's number by the number of maps


@dataclass(frozen=True, eq=False)
class Failed:
    """Hold why a step says nothing of a map."""

    reason: str


@dataclass(frozen=True, eq=False)
class Curves:
    """Hold the scores of a map and of the controls, with what they were averaged from."""

    scores: Mapping[str, Score]
    controls: Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True, eq=False)
class Forgotten:
    """Hold what random weights make of a map.

    Attributes:
        pictures: what the networks were given to compare with, in words; empty for nothing.
    """

    found: Randomisation
    pictures: str


@dataclass(frozen=True, eq=False)
class Tested:
    """Hold a map, and the question by which it is made again.

    Attributes:
        shown: the map as it is set now.
        wanted: how it was prepared.
    """

    shown: ShownMap
    wanted: Wanted

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the tests that can be asked of it; one that fails is among them."""
        found: list[Step] = ["weights", "noise"]
        if self.wanted.model.has_head and self.wanted.target is not None:
            found.insert(0, "curves")
        if SEED in METHODS[self.shown.name].parameters:
            found.append("seed")
        return tuple(found)

    @property
    def seed(self) -> int:
        """Return the seed with which the map was made."""
        return int(self.wanted.parameters.get(SEED.name, _SEED))

    def finding(self, step: Step) -> Any:
        """Return what a step found, or `Failed`; None where it was not taken."""
        return caching.kept_finding(self._key(step))

    @property
    def last_values(self) -> Values | None:
        """Return the values of the sliders that it was tested at last; None where it never was."""
        return caching.kept_finding(("tested", self.shown.asked))

    @property
    def left(self) -> tuple[Step, ...]:
        """Return the steps that were not taken at these settings."""
        return tuple(step for step in self.steps if self.finding(step) is None)

    def doing(self, step: Step, share: float) -> str:
        """Return what is done at a share of a step, in words."""
        if step == "curves":
            return "against the controls"
        num_maps = 1 + (self._num_stages() if step == "weights" else NUM_REPEATS)
        number = min(int(share * num_maps + _ROUNDING), num_maps - 1)
        if number == 0:
            return "the map as it is"
        if step == "weights":
            return f"the network without its last {number} of {num_maps - 1} stages"
        return f"{'noise' if step == 'noise' else 'seed'} {number} of {NUM_REPEATS}"

    def passes(self, step: Step) -> int:
        """Return the pictures that the network processes in a step, about."""
        if step == "curves":
            return _SHARED_PASSES + _CURVE_PASSES * (1 + len(CONTROLS))
        if step == "weights":
            # One more, by which the stages are found.
            return 1 + (1 + self._num_stages()) * (self.wanted.passes.total + self._num_pictures())
        return (1 + NUM_REPEATS) * self.wanted.passes.total

    def take(self, step: Step, progress: Callable[[float], None]) -> None:
        """Take a step and keep what it finds; what a person can mend is kept as `Failed`."""
        run = {
            "curves": self._curves,
            "weights": self._weights,
            "noise": self._noise,
            "seed": self._other_seeds,
        }[step]

        def find() -> Any:
            try:
                return run(progress)
            except ExplainError as error:
                return Failed(str(error))

        caching.find_out(self._key(step), find)
        caching.keep_finding(("tested", self.shown.asked), dict(self.shown.values))

    def _key(self, step: Step) -> Hashable:
        return ("trust", step, self.shown.key)

    # ---- the steps ---------------------------------------------------------------------------

    def _curves(self, progress: Callable[[float], None]) -> Curves:
        shown = self.shown
        maps: dict[Hashable, SaliencyMap] = {"": render(shown.basis, **shown.values)}
        maps |= {name: render(basis) for name, basis in control_bases(shown).items()}
        found = caching.score(
            shown.model,
            shown.image,
            maps,
            CURVES,
            target=shown.target,
            references=(),
            progress=progress,
        )
        scores = found.pop("")
        return Curves(scores, {str(name): each for name, each in found.items()})

    def _weights(self, progress: Callable[[float], None]) -> Forgotten:
        pictures, told = self._pictures() if self._needs_pictures else (None, "")
        explain = _Explain(self, pictures, _Told(progress, 1 + self._num_stages()))
        model, image = self.wanted.model, self.wanted.image
        return Forgotten(cascading_randomisation(model, image, explain, seed=self.seed), told)

    def _noise(self, progress: Callable[[float], None]) -> Agreement:
        explain = _Explain(self, None, _Told(progress, 1 + NUM_REPEATS))
        return noise_agreement(self.wanted.model, self.wanted.image, explain, seed=self.seed)

    def _other_seeds(self, progress: Callable[[float], None]) -> Agreement:
        explain = _Explain(self, None, _Told(progress, 1 + NUM_REPEATS))
        return seed_agreement(self.wanted.model, self.wanted.image, explain, seed=self.seed)

    def _num_stages(self) -> int:
        model, image = self.wanted.model, self.wanted.image
        key = ("stages", model.fingerprint, model.head, image.digest)
        return caching.find_out(key, lambda: len(stages_of(model, image)))

    # ---- the pictures that DiffCAM compares with -----------------------------------------------

    @property
    def _needs_pictures(self) -> bool:
        return METHODS[self.shown.name].compares_with == "pictures"

    def _num_pictures(self) -> int:
        references = self.wanted.reference_set
        if not self._needs_pictures or references is None:
            return 0
        return min(MAX_PICTURES, len(references.features))

    def _pictures(self) -> tuple[list[Image], str]:
        """Return pictures that every network is to see anew, evenly spread, and what they are.

        They are those of the reference set, or pictures of the same classes in another bank.

        Raises:
            InputError: there are neither.
        """
        references, model = self.wanted.reference_set, self.wanted.model
        assert references is not None
        banks = caching.banks_of(model)
        sets = [KeptPictures(each.thumbnails) for each in state.kept_sets(model).values()]
        found = self._spread(references.ids, AllPictures([*sets, *map(caching.pictures_of, banks)]))
        if len(found) > 1:
            return found, f"{len(found):,} of the {len(references.ids):,} pictures"
        classes = tuple(int(label) for label in np.unique(references.labels) if label >= 0)
        for bank in banks:
            known = bank.counts() if bank.is_aligned else np.zeros(0)
            if classes and len(known) and all(known[label] for label in classes):
                found = self._spread(caching.bank_set(bank, classes).ids, bank)
            if len(found) > 1:
                return found, f"{len(found):,} pictures of the same classes, of “{bank.name}”"
        raise InputError(
            "the pictures that it is compared with are not at hand, and a changed network would "
            "have to see them anew; compare with a set of pictures that are, or test another map"
        )

    def _spread(self, ids: Array, source: Pictures) -> list[Image]:
        chosen = np.linspace(0, len(ids) - 1, min(MAX_PICTURES, len(ids))).astype(int)
        found = (source.picture(int(ids[row])) for row in chosen)
        return [each for each in found if each is not None]


class _Told:
    """Pass on the progress of maps that are made one after the other."""

    def __init__(self, tell: Callable[[float], None], num_maps: int) -> None:
        self._tell = tell
        self._num_maps = num_maps
        self._num_begun = 0

    def begin(self) -> Callable[[float], None]:
        """Return what the next map is to call."""
        before = self._num_begun
        self._num_begun += 1

        def tell(share: float) -> None:
            self._tell(min(1.0, (before + share) / self._num_maps))

        tell(0.0)
        return tell


class _Explain:
    """Make the map anew for any model, picture and seed; nothing of it is kept.

    Args:
        pictures: to compare with, as each model sees them; None for the set in hand.
    """

    def __init__(self, tested: Tested, pictures: Sequence[Image] | None, told: _Told) -> None:
        self._tested = tested
        self._pictures = pictures
        self._told = told

    def __call__(self, model: Model, image: Image, seed: int) -> SaliencyMap:
        """Return the map."""
        progress = self._told.begin()
        wanted, shown = self._tested.wanted, self._tested.shown
        parameters = dict(wanted.parameters)
        if SEED.name in parameters:
            parameters[SEED.name] = seed
        references = wanted.reference_set
        if self._pictures is not None:
            assert references is not None
            references = _as_seen(model, self._pictures, references)
        basis = prepare_many(
            model,
            image,
            [wanted.method],
            target=wanted.target,
            references=wanted.references or None,
            reference_set=references,
            layer=wanted.layer,
            progress=progress,
            parameters=parameters,
        )[wanted.method]
        return render(basis, **shown.values)


def _as_seen(model: Model, pictures: Sequence[Image], references: ReferenceSet) -> ReferenceSet:
    """Return pictures as a set of a model's own features."""
    pixels = torch.cat([model.preprocess(each) for each in pictures])
    features = model.pooled(pixels, references.layer, references.pooling).float().cpu().numpy()
    return ReferenceSet(
        key=references.key,
        features=features,
        labels=np.full(len(features), -1),
        layer=references.layer,
        fingerprint=model.fingerprint,
        pooling=references.pooling,
    )


@dataclass(frozen=True, eq=False)
class Testing:
    """Hold the steps of a test that were started; it runs one after the other.

    Attributes:
        only: the one step that is next; None for all that are left.
    """

    tested: Tested
    only: Step | None = None

    @property
    def title(self) -> str:
        """Return what it is called in a sentence."""
        return f"testing {self.tested.shown.title}"

    @property
    def passes(self) -> Passes:
        """Return the pictures that the network processes, those of earlier steps included."""
        steps = self.tested.steps if self.only is None else (self.only,)
        return Passes(forward=sum(self.tested.passes(step) for step in steps))

    @property
    def passes_done(self) -> int:
        """Return the pictures of the steps that were taken."""
        left = self.tested.left
        return sum(self.tested.passes(step) for step in self.tested.steps if step not in left)

    @property
    def seconds(self) -> float:
        """Return about how long what is left takes."""
        left, wanted = self.tested.left, self.tested.wanted
        pace = caching.pace_of(wanted.model, wanted.method, wanted.layer, wanted.parameters)
        scoring = caching.pass_seconds(wanted.model)
        each = {step: scoring * self.tested.passes(step) for step in left}
        for step in left:
            if step != "curves":
                num_maps = self.tested.passes(step) / max(1, wanted.passes.total)
                each[step] = max(each[step], num_maps * pace.seconds(wanted.passes))
        return sum(each.values())

    @property
    def is_time_known(self) -> bool:
        """Return whether enough was measured to say how long it takes."""
        return "curves" not in self.tested.left or caching.is_pace_known(self.tested.wanted.model)

    @property
    def id(self) -> str:
        """Return what tells it from others of the session, for widget keys."""
        told = repr((self.tested.shown.key, sorted(self.tested.wanted.parameters.items())))
        return f"trust-{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def coarse(self) -> Testing | None:
        """Return the next step alone."""
        left = self.tested.left
        return replace(self, only=left[0]) if left else None

    def doing(self, share: float) -> str:
        """Return what the one step does at a share of it."""
        return "" if self.only is None else self.tested.doing(self.only, share)

    def is_kept(self) -> bool:
        """Return whether it was done."""
        left = self.tested.left
        return self.only not in left if self.only is not None else not left

    def run(self, progress: Callable[[float], None]) -> None:
        """Take the one step, or the next."""
        left = self.tested.left
        if left:
            self.tested.take(self.only or left[0], progress)
