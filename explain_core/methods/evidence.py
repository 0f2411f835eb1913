"""All that methods ask of the network: activations with class gradients, and input gradients.

Evidence is gathered once per picture and question; every method of a family builds its basis from
the same evidence. Nothing else in `methods` runs a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explain_core.maps import require_finite
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.layers import pooled_from
from explain_core.models.model import Model
from explain_core.types import Array, Image, Pooling, as_size, read_only

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class ClassEvidence:
    """Hold one pass's activations and the gradients of some classes' logits.

    Attributes:
        logits: (num_classes,) float64; empty without a head.
        activations: (K, h, w), of the tapped layer.
        class_token: (K,), None where the layer has none.
        gradients: per class index (K, h, w), `∂y^c/∂A`.
    """

    logits: Array
    activations: Array
    class_token: Array | None
    gradients: Mapping[int, Array]

    def pooled(self, pooling: Pooling, layer: str) -> Array:
        """Return (K,) float64: the feature `z`, by default `GAP(A)`."""
        mean: Array = self.activations.mean(axis=(1, 2), dtype=np.float64)
        return pooled_from(mean, self.class_token, pooling, layer).astype(np.float64)


@dataclass(frozen=True, eq=False)
class GradientEvidence:
    """Hold the gradient of a logit at the input and its statistics over noisy copies.

    Attributes:
        clean: (C, H, W), `∂y^c/∂x` at the picture itself; None where copies were asked for.
        mean, mean_absolute, variance: (C, H, W) over the n noisy copies, the variance with
            n - 1; None where the picture itself was asked for.
    """

    clean: Array | None
    mean: Array | None = None
    mean_absolute: Array | None = None
    variance: Array | None = None


def gather_class_evidence(
    model: Model, image: Image, layer: str, classes: Sequence[int]
) -> ClassEvidence:
    """Run the network once and take the gradient of each class's logit at `layer`.

    Args:
        layer: a tapped layer.
        classes: class indices; may be empty.

    Raises:
        InputError: classes of a model without a head.
        NumericsError: NaN or infinity in activations, logits or gradients.
    """
    if classes:
        model.require_head()
    tapped = model.layer_named(layer)
    gradients = {}
    with gradients_on():
        logits, outputs = model.record(model.preprocess(image), [layer])
        output = outputs[layer]
        for index in classes:
            (gradient,) = torch.autograd.grad(
                logits[0, index],
                output,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
            gradients[index] = _as_array(tapped.as_maps(gradient)[0], f"gradient of class {index}")
    token = tapped.class_token(output)
    return ClassEvidence(
        logits=(
            _as_array(logits[0].detach().cpu().double(), "network's output")
            if model.has_head
            else np.empty(0)
        ),
        activations=_as_array(tapped.as_maps(output)[0], f"output of layer '{layer}'"),
        class_token=None if token is None else _as_array(token[0], f"token of layer '{layer}'"),
        gradients=gradients,
    )


def gather_clean_gradient(model: Model, image: Image, target: int) -> GradientEvidence:
    """Take the gradient of the target's logit at the picture itself.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in the gradient.
    """
    with gradients_on():
        gradient = _input_gradients(model, model.preprocess(image), target)[0]
    return GradientEvidence(clean=_as_array(gradient, "input gradient"))


def gather_noisy_gradients(
    model: Model,
    image: Image,
    target: int,
    *,
    num_samples: int,
    spread: float,
    seed: int,
    progress: Progress | None = None,
) -> GradientEvidence:
    """Take the statistics of the target's input gradient over noisy copies of the picture.

    The copies are `x + N(0, (spread * (max x - min x))^2)`. They are drawn one after the other
    from a generator seeded with `seed`, so that the batch size changes nothing, and their
    statistics are accumulated in one pass, so that memory does not grow with their number.

    Args:
        num_samples: n, at least 2.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in a gradient.
    """
    with gradients_on():
        x = model.preprocess(image)

        def run(size: int) -> _RunningStatistics:
            return _noisy_statistics(model, x, target, num_samples, spread, seed, size, progress)

        statistics = halve_on_out_of_memory(run, batch_size(model.device, as_size(x.shape[2:])))
    return GradientEvidence(
        clean=None,
        mean=_as_array(statistics.mean, "mean gradient"),
        mean_absolute=_as_array(statistics.mean_absolute, "mean absolute gradient"),
        variance=_as_array(statistics.sum_sq / (num_samples - 1), "gradient variance"),
    )


@contextmanager
def gradients_on() -> Iterator[None]:
    """Let gradients be taken whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@dataclass
class _RunningStatistics:
    """Accumulate mean, mean absolute value and squared deviations, batch by batch (Chan et al.)."""

    mean: Tensor
    mean_absolute: Tensor
    sum_sq: Tensor
    count: int = 0

    def add(self, batch: Tensor) -> None:
        size = len(batch)
        total = self.count + size
        batch_mean = batch.mean(dim=0)
        gap = batch_mean - self.mean
        self.sum_sq += batch.sub(batch_mean).square_().sum(dim=0)
        self.sum_sq += gap.square() * (self.count * size / total)
        self.mean += gap * (size / total)
        self.mean_absolute += (batch.abs_().mean(dim=0) - self.mean_absolute) * (size / total)
        self.count = total


def _noisy_statistics(
    model: Model,
    x: Tensor,
    target: int,
    num_samples: int,
    spread: float,
    seed: int,
    size: int,
    progress: Progress | None,
) -> _RunningStatistics:
    sigma = spread * float(x.max() - x.min())
    rng = torch.Generator().manual_seed(seed)
    zeros = torch.zeros_like(x[0])
    statistics = _RunningStatistics(zeros.clone(), zeros.clone(), zeros.clone())
    while statistics.count < num_samples:
        if progress is not None:
            progress(statistics.count / num_samples)
        noise = [
            torch.randn(x.shape[1:], generator=rng, dtype=torch.float32)
            for _ in range(min(size, num_samples - statistics.count))
        ]
        copies = x + sigma * torch.stack(noise).to(x)
        statistics.add(_input_gradients(model, copies, target))
    if progress is not None:
        progress(1.0)
    return statistics


def _input_gradients(model: Model, x: Tensor, target: int) -> Tensor:
    """Return (N, C, H, W): the gradient of each picture's target logit at its own input."""
    model.require_head()
    leaf = x.detach().requires_grad_()
    logits = model.network(leaf.clone())  # a network may write into its input
    (gradients,) = torch.autograd.grad(logits[:, target].sum(), leaf)
    return gradients


def _as_array(values: Tensor, what: str) -> Array:
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    array = values.detach().cpu().numpy()
    require_finite(array, f"the {what}")
    return read_only(array)
