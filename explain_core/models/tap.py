"""The one place where the network is touched: permanent taps that wake for a context-local tape.

Every tapped layer carries one forward hook, installed at load. Without a tape in the running
context it does nothing. With one, the first tapped layer's output is cut off from what lies below
and becomes a leaf: the forward pass below builds no graph, and a gradient costs only the part of
the network above. What the layers above receive is a clone, so that an in-place operation
there cannot change what was recorded. Threads have their own context, hence their own tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from explain_core.errors import ModelError
from explain_core.models.heads import two_sided


@dataclass
class Tape:
    """Collect the outputs of the wanted layers during one forward pass.

    Attributes:
        wanted: the layers.
        is_leaf: whether the first output becomes the leaf of a graph.
        outputs: by layer.
        replacement: taken by the layers above for the wanted layer's own output.
    """

    wanted: frozenset[str]
    is_leaf: bool = True
    outputs: dict[str, Tensor] = field(default_factory=dict)
    replacement: Tensor | None = None


@dataclass
class PassCounter:
    """Count the pictures that a network processed."""

    passes: int = 0


_tape: ContextVar[Tape | None] = ContextVar("explain_core_tape", default=None)
_counter: ContextVar[PassCounter | None] = ContextVar("explain_core_counter", default=None)


@contextmanager
def count_passes() -> Iterator[PassCounter]:
    """Count the pictures that go through any loaded network in this context, nested or not."""
    outer = _counter.get()
    counter = PassCounter()
    token = _counter.set(counter)
    try:
        yield counter
    finally:
        _counter.reset(token)
        if outer is not None:
            outer.passes += counter.passes


def install_taps(network: nn.Module, layers: Sequence[str]) -> None:
    """Give each named layer its permanent tap, and the network its pass counter."""
    for layer in layers:
        network.get_submodule(layer).register_forward_hook(_make_tap(layer))
    network.register_forward_hook(_count)


def read_both_sides(network: nn.Module) -> None:
    """Let a network with one logit give two from now on; see `heads.two_sided`."""
    network.register_forward_hook(lambda _module, _args, output: two_sided(output))


def record(
    network: nn.Module, x: Tensor, layers: Sequence[str]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run the network once, keeping the outputs of `layers`.

    Args:
        network: with taps at `layers`.
        x: (N, C, H, W), the normalised input.
        layers: tapped layers; the first to run on each branch becomes a leaf.

    Returns:
        What the network returns, logits (N, num_classes) in most cases, with a graph down to the
        first of `layers`, and the layers' outputs by name. Gradients are taken with
        `torch.autograd.grad`.

    Raises:
        ModelError: a layer that this input did not reach.
    """
    tape = Tape(wanted=frozenset(layers))
    with torch.enable_grad():
        logits = _run(network, x, tape)
    return logits, tape.outputs


def observe(network: nn.Module, x: Tensor, layer: str) -> Tensor:
    """Run the network once and return a copy of one layer's output, without a graph.

    Raises:
        ModelError: this input did not reach the layer.
    """
    tape = Tape(wanted=frozenset([layer]), is_leaf=False)
    with torch.no_grad():
        _run(network, x, tape)
    return tape.outputs[layer]


def resume(network: nn.Module, x: Tensor, layer: str, replacement: Tensor) -> Tensor:
    """Run the network once with one layer's output replaced, without a graph.

    Args:
        x: (N, C, H, W), the normalised input; what the layer makes of it is dropped.
        replacement: of the layer's raw output, which the layers above may write into. Where
            nothing else passes it by, one picture at the input serves for any number here.

    Raises:
        ModelError: this input did not reach the layer.
    """
    tape = Tape(wanted=frozenset([layer]), is_leaf=False, replacement=replacement)
    with torch.no_grad():
        return _run(network, x, tape)


def _run(network: nn.Module, x: Tensor, tape: Tape) -> Tensor:
    token = _tape.set(tape)
    try:
        output: Tensor = network(x)
    finally:
        _tape.reset(token)
    missing = sorted(tape.wanted - tape.outputs.keys())
    if missing:
        raise ModelError(f"the network never reached the layers {missing}; choose other layers")
    return output


def maps_in(output: object) -> Tensor | None:
    """Return a layer's output where it is a tensor, or the first of a tuple that begins with one.

    Transformers' blocks return their tokens with attention weights, or with the grid's size.
    """
    if type(output) is tuple and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _make_tap(layer: str):  # type: ignore[no-untyped-def]  # torch types hooks as Any
    def tap(_module: nn.Module, _args: object, output: object) -> object | None:
        tape = _tape.get()
        if tape is None or layer not in tape.wanted:
            return None
        if tape.replacement is not None:
            tape.outputs[layer] = tape.replacement
            return _instead(output, tape.replacement)
        maps = maps_in(output)
        assert maps is not None, "layers without a tensor are given no tap"
        if not tape.is_leaf:
            tape.outputs[layer] = maps.clone()
            return None
        if not tape.outputs or not maps.requires_grad:
            maps = maps.detach().requires_grad_()
        tape.outputs[layer] = maps
        return _instead(output, maps.clone())

    return tap


def _instead(output: object, maps: Tensor) -> object:
    return (maps, *output[1:]) if isinstance(output, tuple) else maps


def _count(_module: nn.Module, args: tuple[Tensor, ...], _output: object) -> None:
    counter, tape = _counter.get(), _tape.get()
    if counter is None or not args:
        return
    replacement = None if tape is None else tape.replacement
    counter.passes += len(args[0] if replacement is None else replacement)
