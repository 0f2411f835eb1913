"""What a method costs before it starts: passes through the network, and seconds on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from explain_core.methods.evidence import gradients_on
from explain_core.methods.method import Method, Passes
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.types import ParameterValue

_MAX_TIMED = 8


def passes(
    method: Method, model: Model, layer: str, values: Mapping[str, ParameterValue] | None = None
) -> Passes:
    """Return how many pictures the network processes for a method, nothing being kept from before.

    Args:
        layer: a tapped layer.
        values: of the method's prepare parameters; what is missing takes its default.

    Raises:
        InputError: a parameter the method does not have, or out of its range.
        ModelError: a layer without a tap.
    """
    complete = fill_in(method.parameters_of("prepare"), values or {}, f"method '{method.name}'")
    return method.cost(model, model.layer_named(layer).name, complete)


@dataclass(frozen=True)
class Speed:
    """Hold how long one picture takes a model on this machine, in a batch of usual size.

    Attributes:
        forward_s: without a gradient.
        gradient_s: forward and back to the input.
    """

    forward_s: float
    gradient_s: float

    def seconds(self, passes: Passes) -> float:
        """Return how long so many pictures take."""
        return passes.forward * self.forward_s + passes.gradient * self.gradient_s


class SpeedMeter:
    """Measure each model's speed once, when it is first asked for; safe between threads.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._kept: WeakKeyDictionary[Model, Speed] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def speed(self, model: Model) -> Speed:
        """Return a model's speed: up to four small batches where it is not known yet."""
        with self._lock:
            known = self._kept.get(model)
            if known is None:
                known = self._kept[model] = self._measured(model)
            return known

    def estimate(
        self,
        method: Method,
        model: Model,
        layer: str,
        values: Mapping[str, ParameterValue] | None = None,
    ) -> float:
        """Return about how many seconds a method takes, nothing being kept from before.

        Raises:
            As `passes`.
        """
        needed = passes(method, model, layer, values)
        return self.speed(model).seconds(needed) if needed.total else 0.0

    def _measured(self, model: Model) -> Speed:
        size = model.preprocessing.size
        largest = min(batch_size(model.device, size), _MAX_TIMED)

        def time_both(count: int) -> Speed:
            x = torch.zeros(
                (count, model.preprocessing.num_channels, *size),
                device=model.device,
                dtype=model.dtype,
            )
            forward_s = self._seconds(_forward, model, x)
            gradient_s = self._seconds(_gradient, model, x) if model.has_head else forward_s
            return Speed(forward_s, gradient_s)

        return halve_on_out_of_memory(time_both, largest)

    def _seconds(self, run: Callable[[Model, Tensor], None], model: Model, x: Tensor) -> float:
        run(model, x[:1])  # the first run of all also allocates and chooses algorithms
        _wait_for(model.device)
        start = self._clock()
        run(model, x)
        _wait_for(model.device)
        return (self._clock() - start) / len(x)


def _forward(model: Model, x: Tensor) -> None:
    with torch.no_grad():
        model.network(x.clone())  # a network may write into its input


def _gradient(model: Model, x: Tensor) -> None:
    with gradients_on():
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(model.network(leaf.clone())[:, 0].sum(), leaf, allow_unused=True)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
