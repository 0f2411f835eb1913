"""Does a map change when the model forgets what it learned?

Cascading randomisation (Adebayo et al., NeurIPS 2018) overwrites the weights stage by stage, from
the head down to the input, and makes the map anew after each. A map that stays as it was shows the
picture, not the model. How alike two maps are means little by itself, for smooth maps are alike by
chance: the numbers stand beside those of pairs of random maps that are as smooth as the original.

Only the positive part of a map counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from explain_core.errors import InputError
from explain_core.maps import relu
from explain_core.metrics.agreement import rank_correlation, structural_similarity
from explain_core.models.heads import class_weights
from explain_core.models.model import Model, copy_sharing_weights
from explain_core.types import Array, Image, SaliencyMap, read_only

NUM_PAIRS = 50
NUM_STAGES = 8

# From model, picture and seed to the map; the same question every time (target and references).
Explain = Callable[[Model, Image, int], SaliencyMap]
Progress = Callable[[float], None]

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_SHARE_INSIDE = 0.9
_NORMALISATIONS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d),
    *(nn.GroupNorm, nn.LayerNorm, nn.RMSNorm),
)


@dataclass(frozen=True)
class Stage:
    """Name modules whose weights are overwritten together.

    Attributes:
        title: the module's path, or those of the first and the last.
        modules: paths inside the network, from the output to the input.
    """

    title: str
    modules: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Randomisation:
    """Hold a map, what became of it, and how alike random maps would be.

    Attributes:
        stages: (S,) what had been overwritten last, from the head down.
        original: (H, W) float32.
        maps: (S, H, W) float32, after the first, the first two, ... stages.
        rank_correlations: (S,) `|ρ|` with the original in [0, 1]; NaN where a map has no positive
            evidence left, or is the same everywhere.
        similarities: (S,) SSIM with the original, see `structural_similarity`.
        random_rank_correlations, random_similarities: (num_pairs,) of pairs of random maps.
    """

    stages: tuple[str, ...]
    original: Array
    maps: Array
    rank_correlations: Array
    similarities: Array
    random_rank_correlations: Array
    random_similarities: Array

    @property
    def ends_at_chance(self) -> bool:
        """Return whether at the end the map is no more like the original than by chance.

        That is `|ρ|` at most the 95th percentile of the random pairs', or no map at all. By chance
        one picture in twenty says no: ask several before a method is called blind.
        """
        last = self.rank_correlations[-1]
        return bool(np.isnan(last) or last <= np.percentile(self.random_rank_correlations, 95))


def cascading_randomisation(
    model: Model,
    image: Image,
    explain: Explain,
    *,
    num_stages: int = NUM_STAGES,
    num_pairs: int = NUM_PAIRS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Randomisation:
    """Make a map again while the model loses its weights, from the head down.

    The model itself stays as it is. References that belong to a model's weights (DiffCAM's
    features) must be made anew by `explain`, for every model it is given.

    Args:
        explain: called 1 + S times, with the same seed; must name its target, because a random
            network predicts another class.
        num_stages: at most; neighbours are put together where the network has more.
        num_pairs: of random maps to compare with.
        seed: of the weights, of the random maps, and handed to `explain`.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        InputError: the original map has no positive evidence or is the same everywhere, or a
            number is out of its range. What `explain` raises.
    """
    stages = stages_of(model, image, num_stages)
    changed = (
        randomised(model, [name for stage in stages[: count + 1] for name in stage.modules], seed)
        for count in range(len(stages) - 1)
    )

    def models() -> Iterator[Model]:
        yield from changed
        yield randomised(model, [""], seed)  # with what belongs to no stage, such as tokens

    titles = tuple(stage.title for stage in stages)
    return _compare(model, models(), titles, image, explain, num_pairs, seed, progress)


def label_randomisation(
    model: Model,
    other: Model,
    image: Image,
    explain: Explain,
    *,
    num_pairs: int = NUM_PAIRS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Randomisation:
    """Compare a map with that of a model trained on the same pictures with random labels.

    Args:
        other: of the same architecture and input size.

    Raises:
        As `cascading_randomisation`, and InputError for maps of different sizes.
    """
    return _compare(model, [other], (other.name,), image, explain, num_pairs, seed, progress)


def stages_of(model: Model, image: Image, num_stages: int = NUM_STAGES) -> tuple[Stage, ...]:
    """Return what is overwritten one after the other, from the last to run to the first.

    Stages are a network's blocks: its children, with containers opened, and wrappers that hold
    more than half of all weights. A normalisation goes with what runs before it, and what does not
    run at all is left out. Of too many blocks neighbours are put together; the head stays alone.

    Raises:
        InputError: fewer than one stage asked for.
    """
    if num_stages < 1:
        raise InputError(f"num_stages must be at least 1 (got {num_stages}); 8 are usual")
    groups: list[list[str]] = []
    for name in _in_running_order(model, image, list(_blocks(model.network))):
        if groups and isinstance(model.network.get_submodule(name), _NORMALISATIONS):
            groups[-1].append(name)
        else:
            groups.append([name])
    (head, *lower) = [group[::-1] for group in groups[::-1]]
    if num_stages == 1:
        head, lower = [name for group in (head, *lower) for name in group], []
    parts = np.array_split(np.arange(len(lower)), min(num_stages - 1, len(lower)) or 1)
    joined = [[name for index in part for name in lower[index]] for part in parts]
    return tuple(Stage(_title(names), tuple(names)) for names in (head, *joined) if names)


def randomised(model: Model, modules: Sequence[str], seed: int) -> Model:
    """Return a model of which the named modules have random weights; the others are shared.

    Departure: Adebayo et al. draw from the distribution that the network was initialised with,
    which is not known of a model in hand. Each weight, bias and gain is drawn from the normal
    distribution with the mean and the deviation of its own tensor, so that no layer falls silent
    or overflows; running statistics and single numbers stay. A tensor gets the same values
    whatever else is named.

    Args:
        modules: paths inside the network, with all they hold; "" is the whole network.
    """
    network = copy_sharing_weights(model.network)
    named = {id(each) for path in modules for each in network.get_submodule(path).parameters()}
    for name, parameter in network.named_parameters():
        if id(parameter) in named and parameter.is_floating_point() and parameter.numel() > 1:
            parameter.data = _drawn_like(parameter.data, f"{seed} {name}")
    weights = model.class_weights
    if weights is not None:
        weights = class_weights(network, model.num_classes, model.output == "single-logit")
    told = f"{model.fingerprint} {model.head} randomised {seed} {sorted(modules)}"
    return replace(
        model,
        network=network,
        fingerprint=hashlib.sha256(told.encode()).hexdigest(),
        class_weights=weights,
    )


def random_pairs(values: Array, num_pairs: int, seed: int) -> tuple[Array, Array]:
    """Return `|ρ|` and SSIM, both (num_pairs,), of pairs of random maps as smooth as one map.

    A random map has the amplitudes of the map's Fourier transform and the phases of white noise,
    so that its patches are as large as the map's, and lie anywhere. Independent noise in each
    pixel would be unlike by its roughness alone, and let every smooth map fail.

    Args:
        values: (H, W), of which the positive part counts.
    """
    rng = np.random.default_rng(seed)
    evidence = relu(values.astype(np.float64))
    amplitudes = np.abs(np.fft.rfft2(evidence))

    def draw() -> Array:
        noise = np.fft.rfft2(rng.normal(size=evidence.shape))
        noise[0, 0] = np.abs(noise[0, 0])  # the mean stays
        drawn: Array = np.fft.irfft2(amplitudes * noise / np.abs(noise), s=evidence.shape)
        return relu(drawn)

    pairs = [_likeness(draw(), draw()) for _ in range(num_pairs)]
    correlations, similarities = np.array(pairs).reshape(num_pairs, 2).T
    return correlations, similarities


def _compare(
    model: Model,
    others: Iterator[Model] | Sequence[Model],
    titles: tuple[str, ...],
    image: Image,
    explain: Explain,
    num_pairs: int,
    seed: int,
    progress: Progress | None,
) -> Randomisation:
    if num_pairs < 1:
        raise InputError(f"num_pairs must be at least 1 (got {num_pairs}); 50 are usual")
    smap = explain(model, image, seed)
    if not smap.has_positive_evidence:
        raise InputError(
            "the map has no positive evidence, so nothing can be said of what becomes of it"
        )
    if np.ptp(relu(smap.values)) == 0:
        raise InputError("the map is the same everywhere, so no other map can be like it or not")
    maps = []
    for index, other in enumerate(others):
        if progress is not None:
            progress((index + 1) / (len(titles) + 1))
        maps.append(explain(other, image, seed).values)
    likeness = np.array([_likeness(smap.values, values) for values in maps])
    random_correlations, random_similarities = random_pairs(smap.values, num_pairs, seed)
    if progress is not None:
        progress(1.0)
    return Randomisation(
        stages=titles,
        original=smap.values,
        maps=read_only(np.stack(maps)),
        rank_correlations=read_only(likeness[:, 0]),
        similarities=read_only(likeness[:, 1]),
        random_rank_correlations=read_only(random_correlations),
        random_similarities=read_only(random_similarities),
    )


def _likeness(one: Array, other: Array) -> tuple[float, float]:
    """Return `|ρ|` and SSIM of two maps' positive parts."""
    one, other = relu(one), relu(other)
    return abs(rank_correlation(one, other)), structural_similarity(one, other)


def _blocks(network: nn.Module) -> Iterator[str]:
    """Give the paths of the blocks that hold weights, in the order of registration."""
    total = _num_weights(network)

    def is_wrapper(module: nn.Module) -> bool:
        inside = sum(_num_weights(child) for child in module.children())
        return 2 * inside > total and inside >= _SHARE_INSIDE * _num_weights(module)

    def opened(module: nn.Module, prefix: str) -> Iterator[str]:
        for name, child in module.named_children():
            path = f"{prefix}{name}"
            if not _num_weights(child):
                continue
            if isinstance(child, _CONTAINERS) or is_wrapper(child):
                yield from opened(child, f"{path}.")
            else:
                yield path

    blocks = list(opened(network, ""))
    return iter(blocks or [""])


def _num_weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _in_running_order(model: Model, image: Image, names: Sequence[str]) -> list[str]:
    """Return those of the named modules that run for this picture, in the order in which they do.

    On a copy, because nothing on the model may change.
    """
    network = copy_sharing_weights(model.network)
    ran: dict[str, None] = {}
    for name in names:

        def note(_module: nn.Module, _args: object, _output: object, name: str = name) -> None:
            ran.setdefault(name)

        network.get_submodule(name).register_forward_hook(note)
    with torch.no_grad():
        network(model.preprocess(image))
    return list(ran) or list(names)  # where only functions run


def _title(names: Sequence[str]) -> str:
    ends = dict.fromkeys([names[0], names[-1]])
    return " to ".join(name or "all weights" for name in ends)


def _drawn_like(tensor: torch.Tensor, key: str) -> torch.Tensor:
    """Return normal numbers with a tensor's mean and deviation; on the CPU, so equal everywhere."""
    digest = hashlib.sha256(key.encode()).digest()
    rng = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    values = tensor.float()
    mean, deviation = float(values.mean()), float(values.std(correction=0))
    drawn = torch.randn(tensor.shape, generator=rng) * deviation + mean
    return drawn.to(tensor)
