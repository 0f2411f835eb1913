"""The CAM family and Finer-CAM in slow form: autograd in float64, the papers' sums as loops.

Every function takes the network as its user has it and the network's input, and returns the map
(h, w) of the layer before the ReLU, but for those named `..._after_relu`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.oracles.stretching import stretch

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


# ---- several references -----------------------------------------------------------------------


def aggregated(singles: Sequence[Map], how: str) -> Map:
    """Combine the maps of single references as Table 7 names it, place by place."""
    total = np.zeros_like(singles[0])
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            values = [single[i, j] for single in singles]
            if how == "average before ReLU":
                total[i, j] = sum(values) / len(values)
            elif how == "maximum before ReLU":
                total[i, j] = max(values)
            else:
                total[i, j] = sum(max(value, 0.0) for value in values) / len(values)
    return total


# ---- noisy copies, principal component --------------------------------------------------------


def smooth_grad_cam_plus_plus(
    network: nn.Module,
    x: Tensor,
    layer: str,
    target: int,
    num_samples: int = 5,
    spread: float = 0.15,
    seed: int = 0,
) -> Map:
    """Average first, second and third derivatives over the copies, then Grad-CAM++'s weights."""
    rng = torch.Generator().manual_seed(seed)
    sigma = spread * float(x.max() - x.min())
    gradients = []
    for _ in range(num_samples):
        noise = torch.randn(x.shape[1:], generator=rng, dtype=torch.float32)
        copy_of_x = x + sigma * noise.double()
        gradients.append(gradient_of(network, copy_of_x, layer, lambda y: y[target])[1])
    activations, _ = gradient_of(network, x, layer, lambda y: y[target])
    weights = []
    for k, channel in enumerate(activations):
        weight = 0.0
        for i in range(channel.shape[0]):
            for j in range(channel.shape[1]):
                g = [gradient[k, i, j] for gradient in gradients]
                first, second, third = (sum(v**n for v in g) / num_samples for n in (1, 2, 3))
                denominator = 2 * second + channel.sum() * third
                if denominator > 0:
                    weight += second / denominator * max(first, 0.0)
        weights.append(weight)
    return weighted(weights, activations)


def eigen_cam_of(activations: Map) -> Map:
    """Project on the first right singular vector of positions x channels, means taken off."""
    _, height, width = activations.shape
    rows = np.array([activations[:, i, j] for i in range(height) for j in range(width)])
    rows = rows - sum(rows) / len(rows)
    component = np.linalg.svd(rows)[2][0]
    found = np.array([row @ component for row in rows]).reshape(height, width)
    likeness = np.corrcoef(found.ravel(), activations.mean(axis=0).ravel())[0, 1]
    return found * np.sign(likeness)


def eigen_cam(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    return eigen_cam_of(forward(network, x, layer)[1][0].detach().numpy())


# ---- channels masked, one after the other -----------------------------------------------------


def logits_without(network: nn.Module, x: Tensor, layer: str, channel: int) -> Map:
    """Return the logits (num_classes,) with one channel of a layer's output set to zero."""
    network = copy.deepcopy(network).double().eval()

    def silence(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, channel] = 0
        return output

    network.get_submodule(layer).register_forward_hook(silence)
    with torch.no_grad():
        return network(x.double())[0].numpy()


def ablation_cam(network: nn.Module, x: Tensor, layer: str, target: int) -> Map:
    """Write `w_k = (y - y_k) / y`, with the size of `y` where it is negative."""
    logits, activations = forward(network, x, layer)
    y = logits[target].item()
    weights = [
        (y - logits_without(network, x, layer, k)[target]) / abs(y)
        for k in range(activations.shape[1])
    ]
    return weighted(weights, activations[0].detach().numpy())


def laid_under(x: Tensor, channel: Map) -> Tensor:
    """Return `x * H_k`: the channel stretched to the input, scaled to [0, 1]."""
    stretched = stretch(channel, (x.shape[2], x.shape[3]))
    low, high = stretched.min(), stretched.max()
    mask = np.zeros_like(stretched) if high == low else (stretched - low) / (high - low)
    return x * torch.from_numpy(mask)


def channel_logits(network: nn.Module, x: Tensor, layer: str) -> tuple[Map, Map, Map]:
    """Return activations, `f(x * H_k)` (K, num_classes) and `f(0)` (num_classes,)."""
    activations = forward(network, x, layer)[1][0].detach().numpy()
    network = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        rows = [network(laid_under(x.double(), channel))[0].numpy() for channel in activations]
        return activations, np.array(rows), network(torch.zeros_like(x.double()))[0].numpy()


def softmax(scores: Sequence[float]) -> list[float]:
    total = sum(math.exp(score) for score in scores)
    return [math.exp(score) / total for score in scores]


def score_cam(
    network: nn.Module, x: Tensor, layer: str, target: int, is_softmax: bool = True
) -> Map:
    activations, rows, baseline = channel_logits(network, x, layer)
    scores = [row[target] - baseline[target] for row in rows]
    return weighted(softmax(scores) if is_softmax else scores, activations)


def finer_score_cam(
    network: nn.Module,
    x: Tensor,
    layer: str,
    target: int,
    references: Sequence[int],
    gamma: float,
    is_reversed: bool = False,
    is_softmax: bool = True,
) -> Map:
    """Average `f^c(x * H_k) - gamma f^d(x * H_k) - f^c(x_b)` over d, then the softmax over k."""
    activations, rows, baseline = channel_logits(network, x, layer)
    scores = []
    for row in rows:
        each = []
        for reference in references:
            c, d = (reference, target) if is_reversed else (target, reference)
            each.append(row[c] - gamma * row[d] - baseline[c])
        scores.append(sum(each) / len(each))
    return weighted(softmax(scores) if is_softmax else scores, activations)
