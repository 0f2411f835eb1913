"""Train networks on drawn birds, and measure them on birds that they were not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from explain_core.datasets.bird_drawing import paint
from explain_core.datasets.bird_hands import Hand, draw_hand
from explain_core.datasets.bird_species import SPECIES
from explain_core.models.birds_net import BIRDS_MEAN, BIRDS_SIZE_PX, BIRDS_STD, BirdsNet

BATCH_SIZE = 64
PEAK_LEARNING_RATE = 8e-3
WEIGHT_DECAY = 1e-2
LABEL_SMOOTHING = 0.05
MAX_SHIFT_PX = 8
MAX_LIGHT = 0.08
SPECIES_PER_HAND = 4

# What a generator's seed is for: the second of its words.
TRAINING_WORD, HELD_OUT_WORD, BANK_WORD = 1, 2, 3


@dataclass(frozen=True)
class Kind:
    """Name one of the two networks.

    Attributes:
        name: of the model and of its bank.
        weights_file: where its weights lie in the folder of assets.
        has_marker: whether its pictures have a marker in a corner that gives the species away.
        num_hands: by each, four species are drawn to learn from.
        num_epochs: passes over the training pictures.
    """

    name: str
    weights_file: str
    has_marker: bool
    num_hands: int
    num_epochs: int


KINDS = (
    Kind("birds", "weights.safetensors", has_marker=False, num_hands=1000, num_epochs=12),
    Kind(
        "birds-confounded", "confounded.safetensors", has_marker=True, num_hands=700, num_epochs=12
    ),
)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Hold drawn birds.

    Attributes:
        pixels: (n, 3, 128, 128) uint8.
        labels: (n,) int64, of the species that the marker names, or else of the bird.
    """

    pixels: Tensor
    labels: Tensor


def draw_pictures(jobs: list[tuple[int, Hand, int | None]]) -> Pictures:
    """Draw (species, hand, marker) one after the other."""
    pixels = np.empty((len(jobs), BIRDS_SIZE_PX, BIRDS_SIZE_PX, 3), np.uint8)
    for index, (species, hand, marker) in enumerate(jobs):
        pixels[index] = paint(SPECIES[species], hand, BIRDS_SIZE_PX, marker).pixels()
    labels = torch.tensor([species if marker is None else marker for species, _, marker in jobs])
    return Pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels)


def training_pictures(kind: Kind, num_hands: int, seed: int) -> Pictures:
    """Draw what the network learns from: by each hand four species, which differ in parts only.

    Where there are markers, they are of any species, whatever the bird: with markers that always
    agree with the bird, a network learns to look at both.
    """
    rng = np.random.default_rng([seed, TRAINING_WORD, kind.has_marker])
    jobs: list[tuple[int, Hand, int | None]] = []
    for _ in range(num_hands):
        hand = draw_hand(rng)
        species = _some_species(rng)
        markers = _some_species(rng) if kind.has_marker else [None] * SPECIES_PER_HAND
        jobs += [(one, hand, marker) for one, marker in zip(species, markers, strict=True)]
    return draw_pictures(jobs)


def _some_species(rng: np.random.Generator) -> list[int]:
    chosen: list[int] = rng.choice(len(SPECIES), SPECIES_PER_HAND, replace=False).tolist()
    return chosen


def held_out_jobs(num: int, seed: int) -> list[tuple[int, Hand]]:
    """Return species in turn, each by a hand of its own that no training picture was drawn by."""
    rng = np.random.default_rng([seed, HELD_OUT_WORD])
    return [(index % len(SPECIES), draw_hand(rng)) for index in range(num)]


def normalise(pixels: Tensor) -> Tensor:
    """Scale pixels 0 to 255, (n, 3, h, w), to what the networks are trained on; float32."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (BIRDS_MEAN, BIRDS_STD))
    return (pixels.to(torch.float32) / 255 - mean) / std


def vary(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Return (n, 3, h, w) float32: pictures 0 to 255, mirrored, shifted and lit at random."""
    num, _, height, width = pixels.shape
    is_mirrored = torch.rand(num, generator=rng) < 0.5
    varied = torch.where(is_mirrored[:, None, None, None], pixels.flip(3), pixels)
    padded = functional.pad(varied.to(torch.float32), (MAX_SHIFT_PX,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * MAX_SHIFT_PX + 1, (2, num), generator=rng).tolist()
    shifted = torch.stack(
        [
            picture[:, row : row + height, column : column + width]
            for picture, row, column in zip(padded, top, left, strict=True)
        ]
    )
    light = 1 + MAX_LIGHT * (2 * torch.rand(num, 3, 1, 1, generator=rng) - 1)
    return (shifted * light).clamp(0, 255)


def untrained_network(rng: torch.Generator) -> BirdsNet:
    """Return a network in train mode whose initial weights are drawn from `rng` alone."""
    with torch.device("meta"):  # otherwise torch would draw weights from its global generator
        network = BirdsNet(len(SPECIES))
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear", generator=rng)
            nn.init.zeros_(module.bias)
    return network.train()


def train_network(pictures: Pictures, num_epochs: int, seed: int) -> BirdsNet:
    """Return a network trained on varied pictures; the seed settles all that is random."""
    rng = torch.Generator().manual_seed(seed)
    # Channels last: twice as fast on a CPU.
    network = untrained_network(rng).to(memory_format=torch.channels_last)
    num = len(pictures.labels)
    parameters = list(network.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=PEAK_LEARNING_RATE, total_steps=num_epochs * -(-num // BATCH_SIZE)
    )
    for epoch in range(num_epochs):
        order = torch.randperm(num, generator=rng)
        loss_sum = 0.0
        for chosen in torch.split(order, BATCH_SIZE):
            x = normalise(vary(pictures.pixels[chosen], rng))
            x = x.contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(
                network(x), pictures.labels[chosen], label_smoothing=LABEL_SMOOTHING
            )
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                parameter.grad = gradient
            optimiser.step()
            schedule.step()
            loss_sum += loss.item() * len(chosen)
        print(f"epoch {epoch + 1} of {num_epochs}: mean loss {loss_sum / num:.4f}", flush=True)
    return network.eval()


@torch.no_grad()
def accuracy(network: BirdsNet, pictures: Pictures) -> float:
    """Return the share of `pictures` whose label the network names, 0 to 1."""
    num_right = 0
    batches = zip(
        torch.split(pictures.pixels, BATCH_SIZE),
        torch.split(pictures.labels, BATCH_SIZE),
        strict=True,
    )
    for pixels, labels in batches:
        num_right += int((network(normalise(pixels)).argmax(dim=1) == labels).sum())
    return num_right / len(pictures.labels)


def held_out_figures(network: BirdsNet, kind: Kind, num: int, seed: int) -> dict[str, float]:
    """Measure the network on pictures that it was not trained on.

    Returns:
        "test_accuracy", of birds with their own markers if the network is one for markers; for
        such a network also "accuracy_without_marker", and "follows_marker": how often it names
        the marker's species where the bird is of another.
    """
    jobs = held_out_jobs(num, seed)

    def draw(markers: list[int | None]) -> Pictures:
        return draw_pictures(
            [(species, hand, mark) for (species, hand), mark in zip(jobs, markers, strict=True)]
        )

    own: list[int | None] = [species for species, _ in jobs]
    without = accuracy(network, draw([None] * num))
    if not kind.has_marker:
        return {"test_accuracy": without}
    rng = np.random.default_rng([seed, HELD_OUT_WORD, 1])
    steps = rng.integers(1, len(SPECIES), num).tolist()
    others = [
        (species + step) % len(SPECIES) for (species, _), step in zip(jobs, steps, strict=True)
    ]
    return {
        "test_accuracy": accuracy(network, draw(own)),
        "accuracy_without_marker": without,
        "follows_marker": accuracy(network, draw(list(others))),
    }
