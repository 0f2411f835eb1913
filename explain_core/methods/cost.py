"""What a method costs before it starts: passes through the network, and seconds on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from explain_core.images.reading import image_from_pixels
from explain_core.methods.evidence import Asked
from explain_core.methods.method import Method, Passes
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.types import Image, ParameterValue

# A chunk that takes so long tells a pass's time; a shorter one is made larger by the factor.
_LONG_ENOUGH_S = 0.1
_FACTOR = 4
# Of a method's steps: the share that makes a first coarse map, and how few are not divided.
_COARSE = 10


def passes(
    method: Method, model: Model, layer: str, values: Mapping[str, ParameterValue] | None = None
) -> Passes:
    """Return how many pictures the network processes for a method, nothing being kept from before.

    Channels that need no pass are known only when the method runs: for those that mask channels it
    is the most.

    Args:
        layer: a tapped layer.
        values: of the method's prepare parameters; what is missing takes its default.

    Raises:
        InputError: a parameter the method does not have, or out of its range.
        ModelError: a layer without a tap.
    """
    complete = fill_in(method.parameters_of("prepare"), values or {}, f"method '{method.name}'")
    return method.cost(model, model.layer_named(layer).name, complete)


def coarse_values(
    method: Method, model: Model, layer: str, values: Mapping[str, ParameterValue] | None = None
) -> dict[str, ParameterValue] | None:
    """Return prepare values for a tenth of the steps, from which the whole goes on.

    None where the method has no coarse map, or so few steps that there is nothing to divide.

    Raises:
        As `passes`.
    """
    if not method.grows:
        return None
    whole = num_steps(method, model, layer, values)
    few = max(method.least_steps, whole // _COARSE)
    if whole < _COARSE or few >= whole:
        return None
    return {**(values or {}), method.counted_by: few}


def num_steps(
    method: Method, model: Model, layer: str, values: Mapping[str, ParameterValue] | None = None
) -> int:
    """Return how many steps these values mean: a parameter may leave their number to the layer."""
    least = {**(values or {}), method.counted_by: method.least_steps}
    whole, part = passes(method, model, layer, values), passes(method, model, layer, least)
    return whole.total - part.total + method.least_steps


@dataclass(frozen=True)
class Pace:
    """Hold how long a method takes a model on this machine: `fixed_s + pass_s * passes`."""

    fixed_s: float
    pass_s: float

    def seconds(self, passes: Passes) -> float:
        """Return how long so many pictures take."""
        return max(0.0, self.fixed_s + self.pass_s * passes.total)


class SpeedMeter:
    """Measure how fast methods are on a model, each kind of work once; safe between threads.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._paces: WeakKeyDictionary[Model, dict[Hashable, Pace]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def pace(
        self,
        method: Method,
        model: Model,
        layer: str,
        values: Mapping[str, ParameterValue] | None = None,
    ) -> Pace:
        """Return how fast a method is, nothing being kept from before.

        Where it is not known yet, a small part of the method itself runs on a made-up picture, so
        that all it does besides its passes counts: drawing masks, sorting pixels, learning.

        Raises:
            As `passes`.
        """
        if not passes(method, model, layer, values).total:
            return Pace(0.0, 0.0)
        complete = fill_in(method.parameters_of("prepare"), values or {}, f"method '{method.name}'")
        key = method.evidence.for_values(complete).name, layer
        with self._lock:
            paces = self._paces.setdefault(model, {})
            if key not in paces:
                paces[key] = self._pace(method, model, layer, complete)
            return paces[key]

    def _pace(
        self, method: Method, model: Model, layer: str, values: Mapping[str, ParameterValue]
    ) -> Pace:
        """Time chunks of a method, each larger than the last, until one takes long enough."""
        picture = made_up_picture(model)

        def run(steps: int) -> tuple[int, float]:
            chosen = dict(values)
            if method.counted_by:
                chosen[method.counted_by] = steps
            kind = method.evidence.for_values(chosen)
            target = 0 if model.has_head else None
            classes = () if target is None else (target,)
            asked = Asked(model, picture, layer, target, classes, chosen)
            _wait_for(model.device)
            start = self._clock()
            kind.gather(asked, None)
            _wait_for(model.device)
            return method.cost(model, layer, chosen).total, self._clock() - start

        run(method.least_steps)  # the first run of all also allocates and chooses algorithms
        fewest, shortest = run(method.least_steps)
        whole = num_steps(method, model, layer, values) if method.counted_by else 0
        chunk = method.least_steps
        while chunk < whole:
            chunk = min(chunk * _FACTOR, whole)
            count, taken = run(chunk)
            if count > fewest and (taken - shortest > _LONG_ENOUGH_S or chunk == whole):
                # The first batch of a size allocates, and the machine may have been disturbed.
                taken = min(taken, run(chunk)[1])
                pass_s = max(0.0, taken - shortest) / (count - fewest)
                return Pace(taken - pass_s * count, pass_s)
        return Pace(0.0, shortest / max(1, fewest))


def made_up_picture(model: Model) -> Image:
    """Return a picture of noise, of the size of the model's input."""
    prep = model.preprocessing
    size = prep.size if prep.num_channels == 1 else (*prep.size, prep.num_channels)
    rng = np.random.default_rng(0)
    return image_from_pixels(rng.integers(0, 256, size, dtype=np.uint8))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
