"""Which layers of a network can be explained, and how their outputs read as maps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torchvision.ops import Permute

from explain_core.errors import InputError, ModelError
from explain_core.models.tap import maps_in
from explain_core.types import Array, Pooling, as_size

_NOT_STAGES = (
    nn.AdaptiveAvgPool2d,
    nn.AvgPool2d,
    nn.Dropout,
    nn.Identity,
    nn.Flatten,
    Permute,  # a Swin's last map by another name
)
_MAX_PREFIX_TOKENS = 8


@dataclass(frozen=True)
class Layer:
    """Describe the output of a layer that can be explained.

    Attributes:
        name: path of the module inside the network.
        num_channels: K.
        size: (h, w) of the maps, for the model's own input size.
        layout: how the output is laid out: (N, K, h, w), (N, h, w, K), or (N, T, K) tokens.
        num_prefix_tokens: class and register tokens before the patch tokens.
    """

    name: str
    num_channels: int
    size: tuple[int, int]
    layout: Literal["channels-first", "channels-last", "tokens"] = "channels-first"
    num_prefix_tokens: int = 0

    def as_maps(self, output: Tensor) -> Tensor:
        """Return (N, K, h, w) of the layer's raw output."""
        if self.layout == "channels-first":
            return output
        if self.layout == "channels-last":
            return output.permute(0, 3, 1, 2)
        patches = output[:, self.num_prefix_tokens :]
        return patches.transpose(1, 2).reshape(len(output), self.num_channels, *self.size)

    @property
    def pooling(self) -> Pooling:
        """Return how features are pooled where nothing is said: by the class token, if any."""
        return "class-token" if self.num_prefix_tokens else "mean"

    def class_token(self, output: Tensor) -> Tensor | None:
        """Return (N, K), the first token of the layer's raw output; None where there is none."""
        return output[:, 0] if self.num_prefix_tokens else None

    def pool(self, output: Tensor, pooling: Pooling) -> Tensor:
        """Return (N, K): the features `z` of the layer's raw output.

        Raises:
            InputError: a layer without a class token, pooled by it.
        """
        mean = self.as_maps(output).mean(dim=(2, 3))
        return pooled_from(mean, self.class_token(output), pooling, self.name)

    def require_pooling(self, pooling: Pooling) -> None:
        """Raise `InputError` where the layer has no class token, and `pooling` asks for it."""
        if pooling != "mean" and not self.num_prefix_tokens:
            raise _no_class_token(self.name, pooling)


Features = TypeVar("Features", Tensor, Array)


def pooled_from(
    mean: Features, class_token: Features | None, pooling: Pooling, layer: str
) -> Features:
    """Return the features `z`: the mean over positions, the class token, or the mean of both."""
    if pooling == "mean":
        return mean
    if class_token is None:
        raise _no_class_token(layer, pooling)
    return class_token if pooling == "class-token" else (mean + class_token) / 2


def _no_class_token(layer: str, pooling: Pooling) -> InputError:
    return InputError(
        f"layer '{layer}' has no class token, so pooling '{pooling}' does not apply; use 'mean'"
    )


def find_layers(network: nn.Module, example: Tensor) -> tuple[Layer, ...]:
    """Return the layers that give maps, in the order in which they run.

    Stages are the network's children, grandchildren and whatever lies in plain containers and in
    modules that return no tensor, whose output has a height and a width (or tokens on a grid). Of a
    tuple the first counts. Where a container hands on its last child's output, the container is
    listed if all in it have one size, else the child. Modules that run more than once per pass are
    left out.

    Args:
        network: in `eval()` mode.
        example: (1, C, H, W), any values.
    """
    giving: set[str] = set()

    def note(name: str, output: object) -> None:
        if maps_in(output) is not None:
            giving.add(name)

    names = [name for name, _ in network.named_modules() if name]
    _run(network, example, names, note)
    return _probe(network, example, list(_stage_names(network, giving)))


def find_layer(network: nn.Module, example: Tensor, name: str) -> Layer:
    """Return one layer by name, at any depth.

    Raises:
        ModelError: no such module, or one whose output has no height and width.
    """
    try:
        network.get_submodule(name)
    except AttributeError as error:
        raise ModelError(
            f"the network has no layer '{name}'; its children are "
            f"{[child for child, _ in network.named_children()]}"
        ) from error
    layers = _probe(network, example, [name])
    if not layers:
        raise ModelError(
            f"layer '{name}' gives no maps (it has no height and width, or runs more than once); "
            "choose a convolution stage"
        )
    return layers[0]


def _stage_names(module: nn.Module, giving: Set[str], prefix: str = "") -> Iterator[str]:
    """Give the paths of the stages; `giving` are the paths of all modules that return a tensor."""
    for name, child in module.named_children():
        if isinstance(child, _NOT_STAGES):
            continue
        path = prefix + name
        yield path
        is_container = type(child) in (nn.Sequential, nn.ModuleList)  # subclasses are blocks
        if not prefix or is_container or path not in giving:
            yield from _stage_names(child, giving, f"{path}.")


def _run(
    network: nn.Module, example: Tensor, names: Sequence[str], hook: Callable[[str, object], None]
) -> None:
    """Run the network once, calling `hook` with the name and output of each named module."""
    handles = []
    for name in names:

        def call(_module: nn.Module, _args: object, output: object, name: str = name) -> None:
            hook(name, output)

        handles.append(network.get_submodule(name).register_forward_hook(call))
    try:
        with torch.no_grad():
            network(example)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise ModelError(
            f"the network cannot take an input of shape {tuple(example.shape)}: {error}; "
            "set the input size and channels that it was trained with"
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def _probe(network: nn.Module, example: Tensor, names: Sequence[str]) -> tuple[Layer, ...]:
    outputs: list[tuple[str, Tensor | None]] = []
    grids: list[tuple[int, int]] = []
    convolutions = {
        name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)
    }
    stages = set(names)

    def keep(name: str, output: object) -> None:
        if name in convolutions and isinstance(output, Tensor) and output.ndim == 4:
            grids.append(as_size(output.shape[2:]))
        if name in stages:
            outputs.append((name, maps_in(output)))

    _run(network, example, [*dict.fromkeys([*names, *convolutions])], keep)
    ran = Counter(name for name, _ in outputs)
    sizes: dict[str, tuple[int, int]] = {}
    found: dict[int, Layer] = {}
    for name, output in outputs:
        layer = _as_layer(name, output, example, network.get_submodule(name), grids)
        if layer is None or ran[name] > 1:
            continue
        sizes[name] = layer.size
        if id(output) in found:
            inside = {size for child, size in sizes.items() if child.startswith(f"{name}.")}
            if len(inside) > 1:
                continue
            del found[id(output)]
        found[id(output)] = layer
    return tuple(found.values())


def _as_layer(
    name: str,
    output: Tensor | None,
    example: Tensor,
    module: nn.Module,
    grids: Sequence[tuple[int, int]],
) -> Layer | None:
    if output is None or not output.is_floating_point():
        return None
    if output.ndim == 4:
        _, first, second, third = output.shape
        if _is_channels_last((first, second, third), example.shape[2] / example.shape[3], module):
            maps = Layer(name, third, (first, second), "channels-last")
        else:
            maps = Layer(name, first, (second, third))
        return maps if min(maps.size) > 1 else None
    if output.ndim == 3 and output.shape[2] > 1:  # (N, K, 1) are pooled features
        grid = _known_grid(output.shape[1], grids)
        grid = grid or _token_grid(output.shape[1], as_size(example.shape[2:]))
        if grid is not None:
            return Layer(name, output.shape[2], grid, "tokens", output.shape[1] - math.prod(grid))
    return None


def _known_grid(num_tokens: int, grids: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return (h, w) of the convolution that tokens were cut by, None where none gave as many.

    Exact for every input size: the patch embedding itself says how many rows and columns there
    are. Among several the one with the fewest tokens before its patches counts. Patches may have
    been merged two by two since, in networks without other tokens.
    """
    fitting = [
        grid
        for grid in grids
        if min(grid) > 1 and 0 <= num_tokens - math.prod(grid) <= _MAX_PREFIX_TOKENS
    ]
    merged = [half for grid in grids for half in _halved(grid) if math.prod(half) == num_tokens]
    return max(fitting + merged, key=math.prod, default=None)


def _halved(grid: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Give (h, w) after each merging of patches two by two, an odd one out being padded."""
    rows, columns = (grid[0] + 1) // 2, (grid[1] + 1) // 2
    while min(rows, columns) > 1:
        yield rows, columns
        rows, columns = (rows + 1) // 2, (columns + 1) // 2


def _token_grid(num_tokens: int, input_size: tuple[int, int]) -> tuple[int, int] | None:
    """Return (h, w) of the patches among tokens of unknown making, None where on no grid.

    Patches are square, so the grid has the input's aspect to less than a patch. The best aspect
    counts; among equals, the fewest tokens before the patches.
    """
    height, width = input_size
    found: list[tuple[float, int, tuple[int, int]]] = []
    for num_prefix in range(min(_MAX_PREFIX_TOKENS, num_tokens) + 1):
        num_patches = num_tokens - num_prefix
        for rows in range(2, num_patches // 2 + 1):
            columns = num_patches // rows
            patch_px = (height / rows, width / columns)
            if rows * columns != num_patches or not (
                (rows - 1) * patch_px[1] < height < (rows + 1) * patch_px[1]
                and (columns - 1) * patch_px[0] < width < (columns + 1) * patch_px[0]
            ):
                continue
            misfit = round(abs(math.log(patch_px[0] / patch_px[1])), 9)
            found.append((misfit, num_prefix, (rows, columns)))
    return min(found)[2] if found else None


def _is_channels_last(shape: tuple[int, int, int], aspect: float, module: nn.Module) -> bool:
    """Return whether the last of three axes holds the channels.

    The module's own weights tell in most cases; else maps have the input's aspect (H / W). Where
    all sides are equal the last part with weights tells: linear layers and layer norms work on the
    last axis.
    """
    first, second, third = shape
    widths = {parameter.shape[0] for parameter in module.parameters() if parameter.ndim > 0}
    if (first in widths) != (third in widths):
        return third in widths
    if first == second == third:
        weighted = [part for part in module.modules() if any(True for _ in part.parameters(False))]
        return bool(weighted) and isinstance(weighted[-1], nn.Linear | nn.LayerNorm)
    return abs(first / second - aspect) < abs(second / third - aspect)
