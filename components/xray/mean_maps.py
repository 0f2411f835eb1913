"""The maps of reference films, made as the map in hand was made: what all of them show alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from components import caching
from components.trust_steps import Tested
from components.xray.reference import healthy_class
from explain_core import METHODS, BankError, Image, render
from explain_core.honesty.mean_map import MAX_REFERENCES, MeanMap, mean_map
from explain_core.honesty.references import ReferenceImages
from explain_core.methods.cost import passes
from explain_core.methods.explaining import prepare_many
from explain_core.methods.method import Passes
from explain_core.references.bank import Bank
from explain_core.types import Basis, SaliencyMap, picture_id

KIND = "mean-map"


@dataclass(frozen=True, eq=False)
class ReferenceMaps:
    """Hold the wish for one map's counterparts on reference films.

    Attributes:
        tested: the map.
        bank, label: whose films they are, and of which class.
    """

    tested: Tested
    bank: Bank
    label: str

    @property
    def title(self) -> str:
        """Return what it is called in a sentence."""
        return "the mean map"

    @property
    def passes(self) -> Passes:
        """Return the pictures that the network processes."""
        wanted = self.tested.wanted
        each = passes(METHODS[wanted.method], wanted.model, wanted.layer, wanted.parameters)
        count = self.num_films
        return Passes(each.forward * count, each.gradient * count)

    @property
    def num_films(self) -> int:
        """Return how many films are looked at, at most."""
        return min(MAX_REFERENCES, int(self.bank.counts()[self.bank.classes.index(self.label)]))

    @property
    def passes_done(self) -> int:
        """Return none: it is done in one go."""
        return 0

    @property
    def seconds(self) -> float:
        """Return about how long that takes."""
        wanted = self.tested.wanted
        pace = caching.pace_of(wanted.model, wanted.method, wanted.layer, wanted.parameters)
        return pace.seconds(self.passes)

    @property
    def id(self) -> str:
        """Return what tells it from others of the session, for widget keys."""
        return f"{KIND}-{hashlib.sha256(repr(self._key).encode()).hexdigest()[:16]}"

    @property
    def images(self) -> ReferenceImages:
        """Return the films.

        Raises:
            BankError: none is at hand.
        """
        return caching.reference_films(self.bank, self.label)

    def coarse(self) -> None:
        """Return None: there is no first part."""

    def doing(self, share: float) -> str:
        """Return which film it is, in words."""
        return f"film {min(self.num_films, round(share * self.num_films) + 1)}"

    def is_kept(self) -> bool:
        """Return whether the films' bases are known."""
        return caching.kept_finding(self._key) is not None

    def run(self, progress: Callable[[float], None]) -> None:
        """Prepare the method on each film.

        Raises:
            BankError: no film is at hand.
        """
        own = picture_id(self.tested.wanted.image)
        images = [image for image in self.images.images if picture_id(image) != own]
        if not images:
            raise BankError("the bank holds nothing but this film; choose other reference films")
        with caching.counted_passes():
            bases = []
            for done, image in enumerate(images):
                bases.append((image, self._prepared(image)))
                progress((done + 1) / len(images))
        caching.keep_finding(self._key, dict(enumerate(bases)))

    def mean(self) -> MeanMap:
        """Return the mean map at the settings of the map in hand; no network runs.

        Raises:
            InputError: none of the maps has positive evidence.
        """
        tested = self.tested
        bases: dict[str, tuple[Image, Basis]] = {
            image.digest: (image, basis)
            for image, basis in caching.kept_finding(self._key).values()
        }

        def make(image: Image) -> SaliencyMap:
            return render(bases[image.digest][1], **tested.shown.values)

        key = (KIND, self._key, tuple(sorted(tested.shown.values.items())))
        images = [image for image, _ in bases.values()]
        return caching.find_out(key, lambda: mean_map(tested.wanted.model, images, make))

    def _prepared(self, image: Image) -> Basis:
        wanted = self.tested.wanted
        return prepare_many(
            wanted.model,
            image,
            [wanted.method],
            target=wanted.target,
            references=wanted.references or None,
            reference_set=wanted.reference_set,
            layer=wanted.layer,
            parameters=wanted.parameters,
        )[wanted.method]

    @property
    def _key(self) -> Hashable:
        return (KIND, self.bank.name, self.label, self.tested.shown.asked)


def reference_maps(bank: Bank | None, label: str | None, tested: Tested) -> ReferenceMaps | None:
    """Return the wish for the reference films' maps; None where no bank has any.

    Args:
        label: of the bank's class that the film is compared with; None takes healthy films.
    """
    if bank is None:
        return None
    index = healthy_class(bank)
    if label is None:
        label = None if index is None else bank.classes[index]
    return None if label is None else ReferenceMaps(tested, bank, label)
