"""What the lesson on γ, p and λ computes: one picture's maps, and what a slider leaves of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from components import caching
from components.lessons.not_eight_drawing import digits, sample_bytes
from explain_core import Image, Model, read_image, render
from explain_core.maps import relu
from explain_core.methods.explaining import prepare_many
from explain_core.methods.settings import GAMMA, LAM, P
from explain_core.models.tap import count_passes
from explain_core.parameters import Parameter
from explain_core.references.judging import lam_curve
from explain_core.references.spectrum import Spectrum, spectrum_of
from explain_core.types import Array, Basis, StaticBasis, read_only

Change = Literal["shrinks", "grows", "stays"]

SAME = 0.1  # sizes that differ by less than a tenth count as equal

_HALF = 0.5
_P_AT_MOST = 99.0  # at 100 one pixel is left, of which no share can be told


@dataclass(frozen=True, eq=False)
class Slider:
    """Hold one slider and the method whose map it moves.

    Attributes:
        method: name in `METHODS`.
        parameter: in `METHODS`, but that it begins at its least value, on the left, and p ends at
            99.
        letter: of the paper.
    """

    method: str
    parameter: Parameter
    letter: str

    @property
    def name(self) -> str:
        """Return the parameter's name."""
        return self.parameter.name

    @property
    def least(self) -> float:
        """Return the value on the left, at which the map begins."""
        assert self.parameter.min is not None
        return self.parameter.min


SLIDERS = tuple(
    Slider(method, replace(parameter, default=parameter.min), letter)
    for method, parameter, letter in (
        ("finer-grad-cam", GAMMA, "γ"),
        ("guided-absolute-grad", replace(P, max=_P_AT_MOST), "p"),
        ("diffcam", LAM, "λ"),
    )
)


@dataclass(frozen=True, eq=False)
class Question:
    """Hold what is asked of one picture, with the maps' bases.

    Attributes:
        target: the class that the network reads.
        other: the class that comes second.
        spectrum: of the pictures of the other class that DiffCAM compares with.
        bases: by slider, what its map is mixed from.
        first: by slider, its map at the slider's least value, finished.
        num_passes: pictures that went through the network for all of this.
    """

    model: Model
    image: Image
    target: int
    other: int
    spectrum: Spectrum
    bases: dict[str, Basis]
    first: dict[str, StaticBasis]
    num_passes: int


def question_of(sample: str) -> Question:
    """Return what is asked of a bundled digit, the same for all sessions."""
    model, bank = digits()
    key = ("three-sliders", model.key, bank.fingerprint, len(bank), sample)
    return caching.shared(key, lambda: _ask(sample))


def _ask(sample: str) -> Question:
    model, bank = digits()
    image = read_image(sample_bytes(sample))
    with count_passes() as counter:
        *_, other, target = np.argsort(model.predict(image)).tolist()
        references = caching.bank_set(bank, (other,))
        bases = prepare_many(
            model,
            image,
            [slider.method for slider in SLIDERS],
            target=target,
            references=(other,),
            reference_set=references,
            layer=bank.layer,
        )
    named = {slider.name: bases[slider.method] for slider in SLIDERS}
    first = {
        slider.name: finished(named[slider.name], map_at(named[slider.name], slider, slider.least))
        for slider in SLIDERS
    }
    spectrum = spectrum_of(references)
    return Question(model, image, target, other, spectrum, named, first, counter.passes)


def map_at(basis: Basis, slider: Slider, value: float) -> Array:
    """Return the map (H, W) at a value of its slider."""
    return render(basis, signed=None, **{slider.name: value}).values


def finished(basis: Basis, values: Array) -> StaticBasis:
    """Return a map (H, W) as a basis that no slider moves.

    Args:
        basis: what it was mixed from.
    """
    return StaticBasis(basis.provenance, basis.geometry, read_only(values))


def size_of(values: Array) -> float:
    """Return the share of the picture, in [0, 1], on which half of a map's strength lies.

    That is the smallest area whose values make up half of the sum of all positive values; 0 for a
    map without any.

    Args:
        values: (H, W), of which the positive part counts.
    """
    falling = np.sort(relu(values).astype(np.float64), axis=None)[::-1]
    total = falling.sum()
    if total == 0:
        return 0.0
    return float(1 + np.searchsorted(np.cumsum(falling), _HALF * total)) / falling.size


def strength_left(first: Array, now: Array) -> float:
    """Return the sum of a map's positive values as a share of that of the first, >= 0."""
    total = float(relu(first).sum(dtype=np.float64))
    return float(relu(now).sum(dtype=np.float64)) / total if total else 0.0


def change_of(first: Array, now: Array) -> Change:
    """Return what became of a map's size."""
    before, after = size_of(first), size_of(now)
    if abs(after - before) < SAME * before:
        return "stays"
    return "shrinks" if after < before else "grows"


def num_directions(spectrum: Spectrum, lam: float) -> tuple[float, int]:
    """Return how many directions λ leaves to themselves, and how many there are."""
    curve = lam_curve(spectrum, epsilon=np.array([lam]))
    return float(curve.num_directions[0]), len(spectrum.mean)
