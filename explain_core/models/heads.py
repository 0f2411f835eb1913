"""Classification heads: size, weight vector per class, and how to be rid of one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from explain_core.types import Array, read_only


def classifier(network: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d] | None:
    """Return the name and module of the last linear layer or 1x1 convolution, None without one."""
    last = None
    for name, module in network.named_modules():
        is_pointwise = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
        if isinstance(module, nn.Linear) or is_pointwise:
            last = name, module
    return last


def take_head_off_(network: nn.Module) -> str:
    """Replace the child that holds the classifier by nothing, in place, and return its name."""
    head = classifier(network)
    assert head is not None, "every classification model of torchvision ends in one"
    child = head[0].split(".")[0]
    setattr(network, child, nn.Identity())
    return child


def class_weights(network: nn.Module, num_classes: int, is_two_sided: bool = False) -> Array | None:
    """Return (num_classes, d) float32, the head's weight vector of each class.

    None where the last linear layer does not have one output per class.

    Args:
        is_two_sided: whether the head's one output `y` is read as two logits, see `two_sided`.
    """
    head = classifier(network)
    num_outputs = 1 if is_two_sided else num_classes
    if head is None or head[1].weight.shape[0] != num_outputs:
        return None
    weights = head[1].weight.detach().float().flatten(1)
    if is_two_sided:
        weights = two_sided(weights).T
    return read_only(weights.cpu().numpy().astype(np.float32))


def two_sided(logit: Tensor) -> Tensor:
    """Return (N, 2) logits of "negative" and "positive" from the one output (N,) or (N, 1).

    `(-y / 2, y / 2)`: their softmax is `(1 - sigmoid(y), sigmoid(y))`, their difference is `y`, and
    the gradient of one side is the other's with the opposite sign.
    """
    half = logit.reshape(-1) / 2
    return torch.stack([-half, half], dim=1)
