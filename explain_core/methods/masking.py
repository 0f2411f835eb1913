"""What methods ask of the network by masking: every class's logit, one channel at a time.

Score-CAM lays each channel over the input, Ablation-CAM takes each channel away from the layer's
output. One run gives the logits of all classes, so that every class and every reference is
answered by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
    """Hold the logits of all classes with one channel masked, for the channels asked about so far.

    Attributes:
        activations: (K, h, w), of all channels.
        logits: (num_classes,) float64, of the picture itself.
        masked: (K, num_classes), with each channel masked; 0 for those not asked about yet.
        is_known: (K,), which channels' logits are there.
        is_silent: (K,), which of them needed no pass: masking them is known to change nothing, or
            to leave nothing.
        baseline: (num_classes,), of the zero input; None where channels were taken away.
        output: of the layer as it came; None where channels were laid over the input.
        is_narrow: whether one picture at the input serves for several such outputs.
    """

    activations: Array
    logits: Array
    masked: Array
    is_known: Array
    is_silent: Array
    baseline: Array | None = None
    output: Array | None = None
    is_narrow: bool = False

    def strongest(self, top_channels: int) -> tuple[Array, Array]:
        """Return activations (n, h, w) and logits (n, num_classes) of the channels to take.

        Args:
            top_channels: how many, those with the largest mean, in the layer's order; 0: all.
        """
        channels = _strongest(self.activations, top_channels)
        assert self.is_known[channels].all()
        return read_only(self.activations[channels]), read_only(self.masked[channels])


def num_channels_taken(model: Model, layer: str, top_channels: int) -> int:
    """Return how many channels are masked: all for 0."""
    num_channels = model.layer_named(layer).num_channels
    return min(top_channels, num_channels) if top_channels else num_channels


def gather_channel_scores(asked: Asked, kept: MaskedLogits | None = None) -> MaskedLogits:
    """Run the network on the input laid under each channel, `x * H_k`, and on the zero input.

    `H_k` is channel k, stretched to the input and scaled to [0, 1] by its own range; `x` is the
    normalised input. A channel that is the same everywhere lets nothing through: its logits are
    those of the zero input, and it needs no pass. Goes on from the channels kept before.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or logits.
    """
    model = asked.model
    x = model.preprocess(asked.image)
    begun = _unscored(asked, x) if kept is None else kept
    maps = torch.tensor(begun.activations)[None].to(x)

    def masked(channels: Array) -> Tensor:
        return model.logits(x * _between_0_and_1(maps[:, channels], as_size(x.shape[2:])))

    return _grown(begun, asked, batch_size(model.device, as_size(x.shape[2:])), masked)


def _unscored(asked: Asked, x: Tensor) -> MaskedLogits:
    """Return what is known before any channel was laid over the input."""
    logits, output = _plain_pass(asked.model, x, asked.layer)
    maps = asked.model.layer_named(asked.layer).as_maps(output)
    activations = as_array(maps[0], f"output of layer '{asked.layer}'")
    baseline = as_array(
        asked.model.logits(torch.zeros_like(x))[0], "network's output for the zero input"
    )
    is_silent = activations.max(axis=(1, 2)) == activations.min(axis=(1, 2))
    return MaskedLogits(
        activations=activations,
        logits=as_array(logits, "network's output").astype(np.float64),
        masked=read_only(is_silent[:, None] * baseline),
        is_known=read_only(is_silent),
        is_silent=read_only(is_silent),
        baseline=baseline,
    )


def gather_ablations(asked: Asked, kept: MaskedLogits | None = None) -> MaskedLogits:
    """Run the network with one channel after the other of the layer's output set to zero.

    Tokens lose the channel in all places, class token included. A channel that is zero already
    needs no pass. What lies below the layer is the same for all channels: where the layers above
    need nothing else, which is tried once, it runs once per batch. Goes on from the channels kept
    before.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or logits.
    """
    model, name = asked.model, asked.layer
    layer = model.layer_named(name)
    x = model.preprocess(asked.image)
    begun = _unablated(asked, x) if kept is None else kept
    assert begun.output is not None
    output = torch.tensor(begun.output).to(x)

    def masked(channels: Array) -> Tensor:
        count = len(channels)
        ablated = output.expand(count, *output.shape[1:]).clone()
        by_channel = ablated.movedim(_CHANNEL_AXIS[layer.layout], 1)
        by_channel[torch.arange(count), torch.from_numpy(channels)] = 0
        below = x.clone() if begun.is_narrow else x.expand(count, *x.shape[1:]).clone()
        return resume(model.network, below, name, ablated)

    size = batch_size(model.device, as_size(x.shape[2:]))
    if begun.is_narrow:
        size = max(size, _NUMBERS_PER_BATCH // output.numel())
    return _grown(begun, asked, size, masked)


def _unablated(asked: Asked, x: Tensor) -> MaskedLogits:
    """Return what is known before any channel was taken away."""
    layer = asked.model.layer_named(asked.layer)
    logits, output = _plain_pass(asked.model, x, asked.layer)
    activations = as_array(layer.as_maps(output)[0], f"output of layer '{asked.layer}'")
    plain = as_array(logits, "network's output")
    by_channel = output.movedim(_CHANNEL_AXIS[layer.layout], 1)[0].flatten(1)
    is_silent = (by_channel == 0).all(dim=1).cpu().numpy()
    return MaskedLogits(
        activations=activations,
        logits=plain.astype(np.float64),
        masked=read_only(is_silent[:, None] * plain),
        is_known=read_only(is_silent),
        is_silent=read_only(is_silent),
        output=as_array(output, f"output of layer '{asked.layer}'"),
        is_narrow=_can_resume(asked.model, x, layer, output, logits),
    )


def _plain_pass(model: Model, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Return the picture's logits (num_classes,) and the layer's raw output for it."""
    model.require_head()
    logits, outputs = model.record(x.clone(), [layer])  # a network may write into its input
    return logits[0].detach(), outputs[layer].detach()


def _strongest(activations: Array, top_channels: int) -> Array:
    """Return the indices of the channels to mask: those with the largest mean, in their order."""
    if not top_channels:
        return np.arange(len(activations))
    means = activations.mean(axis=(1, 2), dtype=np.float64)
    return np.sort(np.argsort(-means, kind="stable")[:top_channels])


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


def _grown(
    begun: MaskedLogits, asked: Asked, size: int, masked: Callable[[Array], Tensor]
) -> MaskedLogits:
    """Return what was begun and the logits (n, num_classes) `masked` of the channels asked for."""
    wanted = _strongest(begun.activations, int(asked.values["top_channels"]))
    wanted = wanted[~begun.is_silent[wanted]]
    missing = wanted[~begun.is_known[wanted]]
    num_known = len(wanted) - len(missing)

    def run(size: int) -> Array:
        rows = begun.masked.copy()
        for start in range(0, len(missing), size):
            if asked.progress is not None:
                asked.progress((num_known + start) / len(wanted))
            batch = missing[start : start + size]
            rows[batch] = as_array(masked(batch), "network's output for a masked channel")
        if asked.progress is not None:
            asked.progress(1.0)
        return rows

    rows = halve_on_out_of_memory(run, size)
    is_known = begun.is_known.copy()
    is_known[missing] = True
    return replace(begun, masked=read_only(rows), is_known=read_only(is_known))


def _knows(kept: MaskedLogits, asked: Asked) -> bool:
    channels = _strongest(kept.activations, int(asked.values["top_channels"]))
    return bool(kept.is_known[channels].all())


CHANNEL_SCORES = EvidenceKind(
    name="channel scores",
    gather=gather_channel_scores,
    at="layer",
    needs_target=False,
    covers=_knows,
)
ABLATIONS = EvidenceKind(
    name="ablated channels",
    gather=gather_ablations,
    at="layer",
    needs_target=False,
    covers=_knows,
)
