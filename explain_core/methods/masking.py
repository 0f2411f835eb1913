"""What methods ask of the network by masking: every class's logit, one channel at a time.

Score-CAM lays each channel over the input, Ablation-CAM takes each channel away from the layer's
output. One run gives the logits of all classes, so that every class and every reference is
answered by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explain_core.methods.evidence import Asked, EvidenceKind, as_array
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.layers import Layer
from explain_core.models.model import Model
from explain_core.models.tap import resume
from explain_core.types import Array, as_size, read_only

# Numbers that the layers above may be given at once: 64 MiB of float32.
_NUMBERS_PER_BATCH = 2**24
# Of the largest logit: what a batch's rounding may change, and what is told as a wrong answer.
_SAME_LOGITS = 1e-3
_CHANNEL_AXIS = {"channels-first": 1, "channels-last": 3, "tokens": 2}


@dataclass(frozen=True, eq=False)
class MaskedLogits:
    """Hold the logits of all classes for one masked channel after the other.

    Attributes:
        activations: (n, h, w), of the channels that were taken.
        logits: (num_classes,) float64, of the picture itself.
        masked: (n, num_classes), with each of the channels masked.
        baseline: (num_classes,), of the zero input; None where channels were taken away.
    """

    activations: Array
    logits: Array
    masked: Array
    baseline: Array | None = None


def num_channels_taken(model: Model, layer: str, top_channels: int) -> int:
    """Return how many channels are masked: all for 0."""
    num_channels = model.layer_named(layer).num_channels
    return min(top_channels, num_channels) if top_channels else num_channels


def gather_channel_scores(asked: Asked, _kept: MaskedLogits | None = None) -> MaskedLogits:
    """Run the network on the input laid under each channel, `x * H_k`, and on the zero input.

    `H_k` is channel k, stretched to the input and scaled to [0, 1] by its own range; a channel
    that is the same everywhere lets nothing through. `x` is the normalised input.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or logits.
    """
    model = asked.model
    x = model.preprocess(asked.image)
    logits, output = _plain_pass(model, x, asked.layer)
    maps = model.layer_named(asked.layer).as_maps(output)
    activations = as_array(maps[0], f"output of layer '{asked.layer}'")
    channels = _channels(asked, activations)
    taken = maps[:, channels]
    baseline = model.logits(torch.zeros_like(x))[0]

    def masked(start: int, stop: int) -> Tensor:
        return model.logits(x * _between_0_and_1(taken[:, start:stop], as_size(x.shape[2:])))

    size = batch_size(model.device, as_size(x.shape[2:]))
    return MaskedLogits(
        activations=read_only(activations[channels]),
        logits=as_array(logits, "network's output").astype(np.float64),
        masked=_in_batches(asked, len(channels), size, masked),
        baseline=as_array(baseline, "network's output for the zero input"),
    )


def gather_ablations(asked: Asked, _kept: MaskedLogits | None = None) -> MaskedLogits:
    """Run the network with one channel after the other of the layer's output set to zero.

    Tokens lose the channel in all places, class token included. What lies below the layer is the
    same for all channels: where the layers above need nothing else, which is tried once, it runs
    once per batch.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or logits.
    """
    model, name = asked.model, asked.layer
    layer = model.layer_named(name)
    x = model.preprocess(asked.image)
    logits, output = _plain_pass(model, x, name)
    activations = as_array(layer.as_maps(output)[0], f"output of layer '{name}'")
    channels = _channels(asked, activations)
    plain = as_array(logits, "network's output")
    is_narrow = _can_resume(model, x, layer, output, logits)

    def masked(start: int, stop: int) -> Tensor:
        count = stop - start
        ablated = output.expand(count, *output.shape[1:]).clone()
        by_channel = ablated.movedim(_CHANNEL_AXIS[layer.layout], 1)
        by_channel[torch.arange(count), torch.from_numpy(channels[start:stop])] = 0
        below = x.clone() if is_narrow else x.expand(count, *x.shape[1:]).clone()
        return resume(model.network, below, name, ablated)

    size = batch_size(model.device, as_size(x.shape[2:]))
    if is_narrow:
        size = max(size, _NUMBERS_PER_BATCH // output.numel())
    return MaskedLogits(
        activations=read_only(activations[channels]),
        logits=plain.astype(np.float64),
        masked=_in_batches(asked, len(channels), size, masked),
    )


def _plain_pass(model: Model, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Return the picture's logits (num_classes,) and the layer's raw output for it."""
    model.require_head()
    logits, outputs = model.record(x.clone(), [layer])  # a network may write into its input
    return logits[0].detach(), outputs[layer].detach()


def _channels(asked: Asked, activations: Array) -> Array:
    """Return the indices of the channels to mask: those with the largest mean, in their order."""
    count = num_channels_taken(asked.model, asked.layer, int(asked.values["top_channels"]))
    means = activations.mean(axis=(1, 2), dtype=np.float64)
    return np.sort(np.argsort(-means, kind="stable")[:count])


def _between_0_and_1(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (n, 1, H, W) of maps (1, n, h, w): stretched, then each scaled by its own range."""
    if as_size(maps.shape[2:]) != size:
        maps = functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
    stretched = maps.transpose(0, 1)
    low = stretched.amin(dim=(2, 3), keepdim=True)
    span = stretched.amax(dim=(2, 3), keepdim=True) - low
    return (stretched - low) / torch.where(span > 0, span, 1)


def _can_resume(model: Model, x: Tensor, layer: Layer, output: Tensor, logits: Tensor) -> bool:
    """Return whether one picture at the input serves for several outputs of the layer.

    Not where a connection passes the layer by and counts the pictures, such as a concatenation.
    """
    several = torch.cat([output, torch.zeros_like(output)])
    try:
        found = resume(model.network, x.clone(), layer.name, several)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return False  # what else is wrong shows when the network runs on whole batches
    if found.shape != (2, len(logits)):
        return False
    gap = (found[0] - logits).abs().max()
    return bool(gap <= _SAME_LOGITS * logits.abs().max())


def _in_batches(asked: Asked, count: int, size: int, masked: Callable[[int, int], Tensor]) -> Array:
    """Return (count, num_classes): the logits of `masked(start, stop)`, batch by batch."""

    def run(size: int) -> Array:
        found = []
        for start in range(0, count, size):
            if asked.progress is not None:
                asked.progress(start / count)
            batch = masked(start, min(start + size, count))
            found.append(as_array(batch, "network's output for a masked channel"))
        if asked.progress is not None:
            asked.progress(1.0)
        return np.concatenate(found)

    return read_only(halve_on_out_of_memory(run, size))


CHANNEL_SCORES = EvidenceKind(
    name="channel scores",
    gather=gather_channel_scores,
    at="layer",
    needs_target=False,
    parameters=("top_channels",),
)
ABLATIONS = EvidenceKind(
    name="ablated channels",
    gather=gather_ablations,
    at="layer",
    needs_target=False,
    parameters=("top_channels",),
)
