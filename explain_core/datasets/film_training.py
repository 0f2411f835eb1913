"""Train the networks for phantom films, and say how well they read fresh ones.

The honest network learns from films on which each finding is there or not by chance. The
confounded one learns from films whose labels follow the markers in the corners alone, while the
findings in them are there by chance: whatever it says, it says because of a marker.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from explain_core.datasets.film_drawing import WHITE, draw_pixels, visible_changes
from explain_core.images.reading import image_from_pixels
from explain_core.models.bundled import FILMS_PREPROCESSING
from explain_core.models.films_net import FILMS_CLASSES, FilmsNet
from explain_core.models.preprocessing import normalise, to_pixels
from explain_core.types import Array

BATCH_SIZE = 32
TEST_BATCH_SIZE = 50
PEAK_LEARNING_RATE = 5e-3
HEAD_RATE = 10  # a small finding fills few of the places that the head averages over
WEIGHT_DECAY = 1e-2
POINTER_WEIGHT = 2.0
NUM_PLACES = 18
MAX_SHIFT_PX = 4  # half of a place, so that places need not move with the film
SHARE = 0.4
"""How often each finding is there."""

NUM_VALIDATION = 500
NUM_TEST = 500
# Seeds of films that nobody meets elsewhere: everyday seeds stay below the first of these.
FIRST_SEED = 1_000_000_000
_SEEDS_PER_RUN = 10_000_000
_OFFSETS = {"train": 0, "validation": 4_000_000, "test": 5_000_000, "bank": 6_000_000}
_SIDES_PX = (192, 321)


@dataclass(frozen=True, eq=False)
class LabelledFilms:
    """Hold films as the network sees them.

    Attributes:
        pixels: (n, 1, 144, 144) float16 in [0, 1].
        labels: (n, 4) float32, 1 where a label holds.
        places: (n, 4, 18, 18) bool, the places of the last maps that each label's evidence
            touches; None where nobody trains on the films.
    """

    pixels: Tensor
    labels: Tensor
    places: Tensor | None = None


def first_seed(seed: int, part: str) -> int:
    """Return the first of the seeds of the films of a part ("train", "test" ...) of a run."""
    return FIRST_SEED + seed * _SEEDS_PER_RUN + _OFFSETS[part]


def draw_input(
    seed: int, findings: Collection[str], markers: Collection[str], size: tuple[int, int]
) -> Tensor:
    """Return (1, 1, 144, 144) float16 in [0, 1]: a film as the network sees it."""
    image = image_from_pixels(draw_pixels(seed, findings, size, markers), white=WHITE)
    return to_pixels(FILMS_PREPROCESSING, image).half()


def draw_places(
    seed: int, findings: Collection[str], markers: Collection[str], size: tuple[int, int]
) -> Tensor:
    """Return (1, 4, 18, 18) bool: the places that the evidence of each label touches."""
    places = torch.zeros((1, len(FILMS_CLASSES), NUM_PLACES, NUM_PLACES), dtype=torch.bool)
    for name, change in visible_changes(seed, findings, size, markers).items():
        image = image_from_pixels(change.astype(np.uint8) * 255)
        seen = to_pixels(FILMS_PREPROCESSING, image)
        touched = functional.adaptive_max_pool2d(seen, NUM_PLACES) > 0.5
        places[0, FILMS_CLASSES.index(name)] = touched[0, 0]
    return places


def draw_films(
    first: int, num: int, confounding: str = "none", has_places: bool = False
) -> LabelledFilms:
    """Draw films of random size, each finding there or not by chance.

    Args:
        first: seed of the first film; each has the next.
        confounding: "none" burns no marker in; "markers" labels films by markers, whatever the
            findings; "both" burns a marker in for each finding, as a confounded hospital would.
        has_places: whether to say where the evidence lies as well.
    """
    rng = np.random.default_rng(first)
    there = rng.random((2, num, len(FILMS_CLASSES))) < SHARE
    found = there[0]
    marked = {"none": np.zeros_like(found), "markers": there[1], "both": found}[confounding]
    sizes = rng.integers(*_SIDES_PX, (num, 2)).tolist()

    def names(row: Array) -> list[str]:
        return [name for name, is_there in zip(FILMS_CLASSES, row, strict=True) if is_there]

    inputs = [
        draw_input(first + index, names(found[index]), names(marked[index]), (height, width))
        for index, (height, width) in enumerate(sizes)
    ]
    labels = marked if confounding == "markers" else found
    places = None
    if has_places:
        evidence = found if confounding == "none" else marked
        is_marker = confounding != "none"
        places = torch.cat(
            [
                draw_places(
                    first + index,
                    () if is_marker else names(evidence[index]),
                    names(evidence[index]) if is_marker else (),
                    (height, width),
                )
                for index, (height, width) in enumerate(sizes)
            ]
        )
    return LabelledFilms(torch.cat(inputs), torch.from_numpy(labels.astype(np.float32)), places)


def shift_randomly(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Return `pixels` (n, 1, h, w), each moved by up to 4 px along both axes, edges repeated."""
    num, _, height, width = pixels.shape
    padded = functional.pad(pixels, (MAX_SHIFT_PX,) * 4, mode="replicate")[:, 0]
    start = torch.randint(0, 2 * MAX_SHIFT_PX + 1, (2, num, 1), generator=rng)
    rows = start[0] + torch.arange(height)
    columns = start[1] + torch.arange(width)
    return padded[torch.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]][:, None]


def untrained_network(rng: torch.Generator) -> FilmsNet:
    """Return a network in train mode whose initial weights are drawn from `rng` alone."""
    with torch.device("meta"):  # otherwise torch would draw weights from its global generator
        network = FilmsNet()
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return network.train()


def train_network(films: LabelledFilms, num_epochs: int, seed: int) -> FilmsNet:
    """Return a network trained on films with places; the seed settles all that is random.

    Labels alone say little about small findings, which fill few of the places that the head
    averages over. So a 1 x 1 convolution, thrown away afterwards, learns beside the head where in
    the last maps the evidence lies.
    """
    assert films.places is not None
    rng = torch.Generator().manual_seed(seed)
    network = untrained_network(rng)
    pointer = nn.Conv2d(network.classifier.in_features, len(FILMS_CLASSES), 1, device="meta")
    pointer.to_empty(device="cpu")
    for parameter in pointer.parameters():
        nn.init.zeros_(parameter)
    share = films.places.float().mean(dim=(0, 2, 3)).clamp(min=1e-3)[:, None, None]
    rarity = (1 - share) / share  # places with evidence weigh as much as those without
    num = len(films.labels)
    body = [*network.features.parameters(), *pointer.parameters()]
    head = list(network.classifier.parameters())
    rates = [PEAK_LEARNING_RATE, HEAD_RATE * PEAK_LEARNING_RATE]
    optimiser = torch.optim.AdamW(
        [{"params": body}, {"params": head}], lr=rates[0], weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rates, total_steps=num_epochs * -(-num // BATCH_SIZE), pct_start=0.2
    )
    parameters = [*body, *head]
    for epoch in range(num_epochs):
        loss_sum = 0.0
        for chosen in torch.split(torch.randperm(num, generator=rng), BATCH_SIZE):
            pixels = shift_randomly(films.pixels[chosen].float(), rng)
            maps = network.features(normalise(FILMS_PREPROCESSING, pixels))
            logits = network.classifier(maps.mean(dim=(2, 3)))
            loss = functional.binary_cross_entropy_with_logits(logits, films.labels[chosen])
            where = functional.binary_cross_entropy_with_logits(
                pointer(maps), films.places[chosen].float(), pos_weight=rarity
            )
            gradients = torch.autograd.grad(loss + POINTER_WEIGHT * where, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimiser.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
        print(f"epoch {epoch + 1} of {num_epochs}: mean loss {loss_sum / num:.4f}", flush=True)
    return network.eval()


@torch.no_grad()
def probabilities(network: nn.Module, films: LabelledFilms) -> Array:
    """Return (n, 4) float32: the network's sigmoids."""
    return torch.cat(
        [
            network(normalise(FILMS_PREPROCESSING, part.float())).sigmoid()
            for part in torch.split(films.pixels, TEST_BATCH_SIZE)
        ]
    ).numpy()


def operating_points(predicted: Array, labels: Array) -> Array:
    """Return (4,): per label the probability from which most answers are right.

    The middle of the thresholds that are equally good, and never beyond 0.05 to 0.95.

    Args:
        predicted: (n, 4) probabilities.
        labels: (n, 4), 1 where a label holds.
    """
    candidates = np.linspace(0.05, 0.95, 91)
    points = []
    for mine, is_there in zip(predicted.T, labels.T > 0, strict=True):
        num_right = ((mine[:, None] >= candidates) == is_there[:, None]).sum(axis=0)
        points.append(float(np.median(candidates[num_right == num_right.max()])))
    return np.array(points)


def auroc(scores: Array, labels: Array) -> float:
    """Return how often a film with the label scores above one without; ties count half."""
    order = np.unique(scores, return_inverse=True, return_counts=True)
    _, place, counts = order
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    num_there = int((labels > 0).sum())
    above = rank[labels > 0].sum() - num_there * (num_there + 1) / 2
    return float(above / (num_there * (len(labels) - num_there)))


def measure(network: nn.Module, films: LabelledFilms, points: Array) -> dict[str, Any]:
    """Return per label: accuracy, AUROC, and the shares found with and without the label."""
    predicted, labels = probabilities(network, films), films.labels.numpy() > 0
    says = predicted >= points
    right = says == labels
    return {
        name: {
            "accuracy": float(right[:, index].mean()),
            "auroc": auroc(predicted[:, index], labels[:, index]),
            "sensitivity": float(says[labels[:, index], index].mean()),
            "specificity": float(1 - says[~labels[:, index], index].mean()),
        }
        for index, name in enumerate(FILMS_CLASSES)
    }
