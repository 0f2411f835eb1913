"""Classification heads: size, weight vector per class, and how to be rid of one."""

from __future__ import annotations

import numpy as np
from torch import nn

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


def class_weights(network: nn.Module, num_classes: int) -> Array | None:
    """Return (num_classes, d) float32, the head's weight vector of each class.

    None where the last linear layer does not have one output per class.
    """
    head = classifier(network)
    if head is None or head[1].weight.shape[0] != num_classes:
        return None
    return read_only(head[1].weight.detach().float().flatten(1).cpu().numpy().astype(np.float32))
