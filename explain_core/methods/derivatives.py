"""What Smooth Grad-CAM++ asks of the network: derivatives at a layer over noisy copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explain_core.methods.evidence import Asked, EvidenceKind, as_array, gradients_on
from explain_core.methods.modifications import noisy_copies
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.types import Array, as_size


@dataclass(frozen=True, eq=False)
class NoisyDerivatives:
    """Hold a layer's activations and the mean powers of a gradient over noisy copies.

    Attributes:
        activations: (K, h, w), of the picture itself.
        powers: (3, K, h, w) float64, the means of `g`, `g^2` and `g^3` with `g = ∂y^c/∂A`.
    """

    activations: Array
    powers: Array


def gather_noisy_derivatives(
    asked: Asked, _kept: NoisyDerivatives | None = None
) -> NoisyDerivatives:
    """Take the gradient of the target's logit at the layer for every noisy copy of the picture.

    The copies are `x + N(0, (spread * (max x - min x))^2)`, drawn one after the other from a
    generator seeded with `seed`. Powers are summed in double precision, batch by batch, so that
    memory does not grow with their number.

    Raises:
        InputError: a model without a head.
        NumericsError: NaN or infinity in activations or gradients.
    """
    model, progress = asked.model, asked.progress
    model.require_head()
    num_samples = int(asked.values["num_samples"])
    layer = model.layer_named(asked.layer)
    with gradients_on():
        x = model.preprocess(asked.image)
        plain, _ = _at_layer(asked, x)

        def run(size: int) -> Array:
            sums = np.zeros((3, *plain.shape[1:]))
            copies_at = noisy_copies(x, float(asked.values["spread"]), int(asked.values["seed"]))
            for start in range(0, num_samples, size):
                if progress is not None:
                    progress(start / num_samples)
                copies, _ = copies_at(start, min(size, num_samples - start))
                _, gradients = _at_layer(asked, copies)
                powers = as_array(gradients, "gradient of a noisy copy").astype(np.float64)
                for order in range(3):
                    sums[order] += (powers ** (order + 1)).sum(axis=0)
            if progress is not None:
                progress(1.0)
            return sums / num_samples

        size = batch_size(model.device, as_size(x.shape[2:]))
        powers = halve_on_out_of_memory(run, size)
    activations = as_array(plain[0], f"output of layer '{layer.name}'")
    powers.flags.writeable = False
    return NoisyDerivatives(activations, powers)


def _at_layer(asked: Asked, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (N, K, h, w) twice: the layer's maps, and the gradient of the target's logit."""
    layer = asked.model.layer_named(asked.layer)
    logits, outputs = asked.model.record(x.clone(), [layer.name])
    (gradients,) = torch.autograd.grad(
        logits[:, asked.target_class].sum(),
        outputs[layer.name],
        allow_unused=True,
        materialize_grads=True,
    )
    return layer.as_maps(outputs[layer.name]).detach(), layer.as_maps(gradients)


NOISY_DERIVATIVES = EvidenceKind(
    name="noisy derivatives",
    gather=gather_noisy_derivatives,
    at="layer",
    parameters=("num_samples", "spread", "seed"),
)
