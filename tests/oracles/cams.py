"""The CAM family and Finer-CAM in slow form: autograd in float64, the papers' sums as loops.

Every function takes the network as its user has it and the network's input, and returns the map
(h, w) of the layer before the ReLU, but for those named `..._after_relu`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Map = NDArray[np.float64]


def forward(network: nn.Module, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Return logits (num_classes,) and the layer's output (1, K, h, w), in one float64 graph."""
    network = copy.deepcopy(network).double().eval()
    kept = []

    def keep(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # safe from in-place operations above

    network.get_submodule(layer).register_forward_hook(keep)
    logits = network(x.double().requires_grad_())
    return logits[0], kept[0]


def gradient_of(
    network: nn.Module, x: Tensor, layer: str, score: Callable[[Tensor], Tensor]
) -> tuple[Map, Map]:
    """Return activations A and the gradient of any score of the logits, (K, h, w) each."""
    logits, activations = forward(network, x, layer)
    (gradient,) = torch.autograd.grad(score(logits), activations)
    return activations[0].detach().numpy(), gradient[0].numpy()


def weighted(weights: Sequence[float], activations: Map) -> Map:
    """Return `sum_k w_k A_k`."""
    total = np.zeros(activations.shape[1:])
    for weight, channel in zip(weights, activations, strict=True):
        total += weight * channel
    return total


def mean_gradients(gradient: Map) -> list[float]:
    """Return Grad-CAM's `alpha_k = 1/Z sum_ij g_k,ij`."""
    num_channels, height, width = gradient.shape
    weights = []
    for k in range(num_channels):
        total = 0.0
        for i in range(height):
            for j in range(width):
                total += gradient[k, i, j]
        weights.append(total / (height * width))
    return weights


def grad_cam(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    activations, gradient = gradient_of(network, x, layer, lambda y: y[target])
    return weighted(mean_gradients(gradient), activations)


def grad_cam_plus_plus_of(activations: Map, gradient: Map) -> Map:
    """Write eq. 19 with the derivatives of `exp(y)`, whose common factor `exp(y)` is dropped.

    `w_k = sum_ij alpha_ij relu(g_ij)`, `alpha_ij = D2 / (2 D2 + sum_ab A_ab D3)`, `D2 = g^2`,
    `D3 = g^3`.
    """
    num_channels, height, width = activations.shape
    weights = []
    for k in range(num_channels):
        total_activation = activations[k].sum()
        weight = 0.0
        for i in range(height):
            for j in range(width):
                g = gradient[k, i, j]
                second, third = g**2, g**3
                if second == 0:
                    continue
                alpha = second / (2 * second + total_activation * third)
                weight += alpha * max(g, 0.0)
        weights.append(weight)
    return weighted(weights, activations)


def grad_cam_plus_plus(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    return grad_cam_plus_plus_of(*gradient_of(network, x, layer, lambda y: y[target]))


def xgrad_cam(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    activations, gradient = gradient_of(network, x, layer, lambda y: y[target])
    weights = []
    for channel, channel_gradient in zip(activations, gradient, strict=True):
        total, weight = channel.sum(), 0.0
        for i in range(channel.shape[0]):
            for j in range(channel.shape[1]):
                if total != 0:
                    weight += channel[i, j] / total * channel_gradient[i, j]
        weights.append(weight)
    return weighted(weights, activations)


def layer_cam_of(activations: Map, gradient: Map) -> Map:
    num_channels, height, width = activations.shape
    total = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for k in range(num_channels):
                total[i, j] += max(gradient[k, i, j], 0.0) * activations[k, i, j]
    return total


def layer_cam(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    return layer_cam_of(*gradient_of(network, x, layer, lambda y: y[target]))


def reference_mean(weights: str, references: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Return how reference logits become one: uniform, softmax, or the softmax inside the graph."""

    def mean(y: Tensor) -> Tensor:
        chosen = y[list(references)]
        if weights == "uniform":
            return sum(chosen) / len(references)
        shares = torch.exp(chosen) / torch.exp(chosen).sum()
        return ((shares.detach() if weights == "softmax" else shares) * chosen).sum()

    return mean


def finer_grad_cam(
    network: nn.Module,
    x: Tensor,
    layer: str,
    target: int,
    references: Sequence[int],
    gamma: float,
    is_reversed: bool = False,
) -> Map:
    """Take `alpha^{c,d}` for one reference after the other and average (before the ReLU)."""
    maps = []
    for reference in references:

        def score(y: Tensor, reference: int = reference) -> Tensor:
            if is_reversed:
                return y[reference] - gamma * y[target]
            return y[target] - gamma * y[reference]

        activations, gradient = gradient_of(network, x, layer, score)
        maps.append(weighted(mean_gradients(gradient), activations))
    return sum(maps) / len(maps)


def finer_score(
    target: int, references: Sequence[int], gamma: float, weights: str, is_reversed: bool = False
) -> Callable[[Tensor], Tensor]:
    """Return `y^c - gamma mean_d y^d` as a function of the logits, or its reverse."""
    mean = reference_mean(weights, references)
    if is_reversed:
        return lambda y: mean(y) - gamma * y[target]
    return lambda y: y[target] - gamma * mean(y)


def finer_grad_cam_of_mean(
    network: nn.Module,
    x: Tensor,
    layer: str,
    target: int,
    references: Sequence[int],
    gamma: float,
    weights: str,
    is_reversed: bool = False,
) -> Map:
    score = finer_score(target, references, gamma, weights, is_reversed)
    activations, gradient = gradient_of(network, x, layer, score)
    return weighted(mean_gradients(gradient), activations)


def finer_layer_cam(
    network: nn.Module,
    x: Tensor,
    layer: str,
    target: int,
    references: Sequence[int],
    gamma: float,
    weights: str = "uniform",
    is_reversed: bool = False,
) -> Map:
    score = finer_score(target, references, gamma, weights, is_reversed)
    return layer_cam_of(*gradient_of(network, x, layer, score))
