"""Guided backpropagation of a TinyNet, with the backward pass written out from the paper."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Array = NDArray[np.float64]


def guided_gradient(network: nn.Module, x: Tensor, target: int) -> Array:
    """Return (C, H, W): layer by layer backwards, in float64 and without autograd.

    At a ReLU what comes from above is kept where it is positive and its output is.
    """
    network = copy.deepcopy(network).double().eval()
    value, tape = x.double(), []
    with torch.no_grad():
        for stage in (network.stage1, network.stage2, network.stage3):
            convolution, norm, _ = stage
            before = value
            value = norm(convolution(before)).clamp(min=0)
            tape.append((convolution, norm, before.shape, value))
        height, width = value.shape[2:]
        gradient = network.head.weight[target][None, :, None, None] / (height * width)
        gradient = gradient.expand(1, -1, height, width)
        for convolution, norm, shape, output in reversed(tape):
            gradient = gradient.clamp(min=0) * (output > 0)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            gradient = gradient * scale[None, :, None, None]
            rest = [
                shape[axis + 2]
                - ((gradient.shape[axis + 2] - 1) * convolution.stride[axis] + 3 - 2)
                for axis in (0, 1)
            ]
            gradient = functional.conv_transpose2d(
                gradient, convolution.weight, None, convolution.stride, 1, rest
            )
    return gradient[0].numpy()
