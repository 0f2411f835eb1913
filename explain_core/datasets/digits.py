"""Make the bundled digits: the network's weights, the banks of references and the sample pictures.

The real handwritten digits of MNIST are read from a folder or downloaded; nothing of them is
stored here but what the network made of them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from explain_core.datasets.drawn_digits import NUM_DRAWN_PER_CLASS, write_drawn_bank
from explain_core.datasets.mnist import MNIST_FILES, Mnist, download_mnist, load_mnist
from explain_core.datasets.strokes import write_samples
from explain_core.errors import ExplainError, InputError
from explain_core.models.bundled import DIGITS_PREPROCESSING
from explain_core.models.digits_net import (
    DIGITS_LAYER,
    DIGITS_MEAN,
    DIGITS_SIZE_PX,
    DIGITS_STD,
    NUM_DIGITS,
    DigitsNet,
    load_digits_net,
    normalise_digits,
)
from explain_core.models.fingerprint import fingerprint
from explain_core.models.model import Model, build_model
from explain_core.references.bank_files import LOCK
from explain_core.references.bank_writer import Row, open_writer
from explain_core.types import id_of_bytes

BATCH_SIZE = 128
TEST_BATCH_SIZE = 100
PEAK_LEARNING_RATE = 6e-3
WEIGHT_DECAY = 1e-2
MAX_SHIFT_PX = 2
NUM_PER_CLASS = 500

ASSETS = Path("assets/digits")
SAMPLES = Path("assets/samples/digits")
WEIGHTS_FILE = "weights.safetensors"
BANKS_FOLDER = "banks"
DIGITS_BANK = "digits"
DRAWN_BANK = "drawn-digits"
CARD_FILE = "card.json"
README_FILE = "README.md"


def shift_randomly(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return `images` (n, h, w), each moved by up to 2 px along both axes, dark where it left."""
    num, height, width = images.shape
    padded = functional.pad(images, (MAX_SHIFT_PX,) * 4)
    start = torch.randint(0, 2 * MAX_SHIFT_PX + 1, (2, num, 1), generator=rng)
    rows = start[0] + torch.arange(height)
    columns = start[1] + torch.arange(width)
    return padded[torch.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]]


def untrained_network(rng: torch.Generator) -> DigitsNet:
    """Return a network in train mode whose initial weights are drawn from `rng` alone."""
    with torch.device("meta"):  # otherwise torch would draw weights from its global generator
        network = DigitsNet()
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


def train_network(digits: Mnist, num_epochs: int, seed: int) -> DigitsNet:
    """Return a network trained on randomly shifted digits; the seed settles all that is random."""
    rng = torch.Generator().manual_seed(seed)
    network = untrained_network(rng)
    num = len(digits.labels)
    batches_per_epoch = -(-num // BATCH_SIZE)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=PEAK_LEARNING_RATE, total_steps=num_epochs * batches_per_epoch
    )
    parameters = list(network.parameters())
    for epoch in range(num_epochs):
        order = torch.randperm(num, generator=rng)
        loss_sum = 0.0
        for chosen in torch.split(order, BATCH_SIZE):
            images = normalise_digits(shift_randomly(digits.images[chosen], rng))
            loss = functional.cross_entropy(network(images[:, None]), digits.labels[chosen])
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
def accuracy(network: DigitsNet, digits: Mnist) -> float:
    """Return the share of `digits` that the network reads right, 0 to 1."""
    num_right = 0
    batches = zip(
        torch.split(digits.images, TEST_BATCH_SIZE),
        torch.split(digits.labels, TEST_BATCH_SIZE),
        strict=True,
    )
    for images, labels in batches:
        predicted = network(normalise_digits(images)[:, None]).argmax(dim=1)
        num_right += int((predicted == labels).sum())
    return num_right / len(digits.labels)


def choose_references(labels: Tensor, num_per_class: int, seed: int) -> Tensor:
    """Return (10 * num_per_class,) indices: of every class as many pictures at random, in order.

    Raises:
        InputError: a class has too few pictures.
    """
    rng = torch.Generator().manual_seed(seed)
    chosen = []
    for digit in range(NUM_DIGITS):
        of_class = torch.nonzero(labels == digit)[:, 0]
        if not 1 <= num_per_class <= len(of_class):
            raise InputError(
                f"num_per_class must lie between 1 and {len(of_class)}, the training images of "
                f"digit {digit} (got {num_per_class}); change --num-per-class"
            )
        order = torch.randperm(len(of_class), generator=rng)
        chosen.append(of_class[order[:num_per_class]].sort().values)
    return torch.cat(chosen)


@torch.no_grad()
def pool_features(network: DigitsNet, images: Tensor) -> Tensor:
    """Return (n, 64) float32: the pooled features of `images` (n, 28, 28) uint8."""
    return torch.cat(
        [
            network.pool(normalise_digits(part)[:, None])
            for part in torch.split(images, TEST_BATCH_SIZE)
        ]
    )


def write_weights(network: DigitsNet, out: Path) -> None:
    """Write the network's float32 weights and buffers; batch norm's counters stay behind."""
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    out.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(weights, out / WEIGHTS_FILE, {"format": "pt"})


def digits_model(out: Path) -> Model:
    """Return the model of the weights in `out`, on the CPU."""
    return build_model(
        load_digits_net(out / WEIGHTS_FILE),
        name="digits",
        classes=[str(digit) for digit in range(NUM_DIGITS)],
        preprocessing=DIGITS_PREPROCESSING,
        layer=DIGITS_LAYER,
    )


def write_bank(digits: Mnist, chosen: Tensor, out: Path) -> None:
    """Write the pooled features of the training images `chosen`, made by the weights in `out`.

    The bank holds no picture: a picture's id comes from its features, and its path is its number
    in MNIST's file.
    """
    network = load_digits_net(out / WEIGHTS_FILE)
    features = pool_features(network, digits.images[chosen]).to(torch.float16).numpy()
    rows = [
        Row(f"{MNIST_FILES['train'][0]}/{index}", str(label), id_of_bytes(feature.tobytes()), None)
        for index, label, feature in zip(
            chosen.tolist(), digits.labels[chosen].tolist(), features, strict=True
        )
    ]

    def write(folder: Path) -> None:
        with open_writer(folder, digits_model(out), layer=DIGITS_LAYER, pooling="mean") as writer:
            writer.append(rows, features)

    _replace_bank(out / BANKS_FOLDER / DIGITS_BANK, write)


Made = TypeVar("Made")


def _replace_bank(folder: Path, write: Callable[[Path], Made]) -> Made:
    """Let a bank be written into a folder beside, and put it in the place of the old one."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        made = write(partial)
        (partial / LOCK).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def train(
    data: Path | None,
    out: Path = ASSETS,
    num_epochs: int = 3,
    seed: int = 0,
    num_per_class: int = NUM_PER_CLASS,
) -> dict[str, Any]:
    """Train the network and write its weights, its bank, its card and its README into `out`.

    Args:
        data: folder with MNIST; None downloads it.
        out: folder to write into, made where it is missing.
        num_epochs: passes over the training images, >= 1.
        seed: settles the initial weights, the order, the shifts and the references.
        num_per_class: references of each class in the bank.

    Returns:
        The card: what is in `card.json`.

    Raises:
        InputError: the data are missing or damaged, or a number does not fit.
    """
    if num_epochs < 1:
        raise InputError(f"num_epochs must be at least 1 (got {num_epochs}); change --epochs")
    folder = download_mnist() if data is None else data
    digits, test_digits = load_mnist("train", folder), load_mnist("test", folder)
    chosen = choose_references(digits.labels, num_per_class, seed)
    write_weights(train_network(digits, num_epochs, seed), out)
    write_bank(digits, chosen, out)
    network = load_digits_net(out / WEIGHTS_FILE)
    card = {
        "model": "digits",
        "data": "MNIST",
        "test_accuracy": accuracy(network, test_digits),
        "num_test": len(test_digits.labels),
        "num_train": len(digits.labels),
        "epochs": num_epochs,
        "seed": seed,
        "layer": DIGITS_LAYER,
        "fingerprint": fingerprint(network),
        "num_weights": sum(parameter.numel() for parameter in network.parameters()),
        "weights_bytes": (out / WEIGHTS_FILE).stat().st_size,
        "bank_seed": seed,
        "bank_num_per_class": num_per_class,
        "bank_bytes": _num_bytes(out / BANKS_FOLDER / DIGITS_BANK),
        "torch": torch.__version__,
    }
    _write_card(card, out)
    return card


def rebuild_bank(
    data: Path | None, out: Path = ASSETS, seed: int = 0, num_per_class: int = NUM_PER_CLASS
) -> dict[str, Any]:
    """Make the bank anew with the weights in `out`, and bring the card and the README up to date.

    Returns:
        The card: what is in `card.json`.

    Raises:
        InputError: the data are missing or damaged, or `num_per_class` does not fit.
        ModelError: the weights are missing or damaged.
    """
    folder = download_mnist() if data is None else data
    digits = load_mnist("train", folder)
    write_bank(digits, choose_references(digits.labels, num_per_class, seed), out)
    card: dict[str, Any] = json.loads((out / CARD_FILE).read_text(encoding="utf-8"))
    card |= {
        "bank_seed": seed,
        "bank_num_per_class": num_per_class,
        "bank_bytes": _num_bytes(out / BANKS_FOLDER / DIGITS_BANK),
    }
    _write_card(card, out)
    return card


def draw_bank(
    out: Path = ASSETS, seed: int = 0, num_per_class: int = NUM_DRAWN_PER_CLASS
) -> dict[str, Any]:
    """Make the bank of drawn digits with the weights in `out`; bring card and README up to date.

    Returns:
        The card: what is in `card.json`.

    Raises:
        InputError: `num_per_class` does not fit.
        ModelError: the weights are missing or damaged, or too few drawn digits are read right.
    """
    if num_per_class < 1:
        raise InputError(
            f"num_per_class must be at least 1 (got {num_per_class}); change --num-per-class"
        )
    model = digits_model(out)
    folder = out / BANKS_FOLDER / DRAWN_BANK
    num_drawn = _replace_bank(
        folder, lambda partial: write_drawn_bank(model, partial, num_per_class, seed)
    )
    card: dict[str, Any] = json.loads((out / CARD_FILE).read_text(encoding="utf-8"))
    card |= {
        "drawn_seed": seed,
        "drawn_num_per_class": num_per_class,
        "drawn_num_tried": num_drawn,
        "drawn_bytes": _num_bytes(folder),
    }
    _write_card(card, out)
    return card


def _write_card(card: dict[str, Any], out: Path) -> None:
    (out / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (out / README_FILE).write_text(_readme(card), encoding="utf-8")


def _readme(card: dict[str, Any]) -> str:
    return f"""# The bundled digits network

Everything in this folder was made, and this text written, by

    python -m explain_core.datasets.digits train --epochs {card["epochs"]} --seed {card["seed"]}

with `--data FOLDER` where MNIST's four files already lie on disk. `bank` in place of `train` makes
the bank anew from the weights, and `drawn` the bank of drawn digits, which needs no data;
`card.json` holds the figures below for programs.

- **Network**: `explain_core.models.digits_net.DigitsNet`, {card["num_weights"]:,} weights.
- **Data**: MNIST, {card["num_train"]:,} training and {card["num_test"]:,} test images.
- **Training**: {card["epochs"]} epochs, AdamW, one-cycle to {PEAK_LEARNING_RATE:g},
  batches of {BATCH_SIZE}, random shifts of up to {MAX_SHIFT_PX} px,
  seed {card["seed"]}, torch {card["torch"]}.
- **Test accuracy: {card["test_accuracy"]:.2%}** of the {card["num_test"]:,} test images,
  none of which was trained on.
- **`{WEIGHTS_FILE}`**: {card["weights_bytes"]:,} bytes, float32; fingerprint
  `{card["fingerprint"]}`.
- **`{BANKS_FOLDER}/{DIGITS_BANK}/`**: {card["bank_bytes"]:,} bytes, a bank of
  {NUM_DIGITS * card["bank_num_per_class"]} pictures; the format stands in
  `explain_core/references/bank_files.py`.
  The features are the activations of `{card["layer"]}`, averaged over their places, of
  {card["bank_num_per_class"]} training images of each class, drawn with seed {card["bank_seed"]},
  not shifted, with the network in eval mode. A picture's id comes from its features.
{_readme_of_drawn(card)}
**Input**: (N, 1, {DIGITS_SIZE_PX}, {DIGITS_SIZE_PX}), light strokes on dark: gray / 255, less the
mean {DIGITS_MEAN}, divided by the deviation {DIGITS_STD}. The digit fills a box of 20 x 20 pixels
and its centre of mass lies in the middle.

**Licence of the data**: MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges,
derived from NIST's special databases, and is commonly distributed under Creative Commons
Attribution-ShareAlike 3.0. No image of it is stored here.
"""


def _readme_of_drawn(card: dict[str, Any]) -> str:
    if "drawn_seed" not in card:
        return ""
    num_kept = NUM_DIGITS * card["drawn_num_per_class"]
    return f"""- **`{BANKS_FOLDER}/{DRAWN_BANK}/`**: {card["drawn_bytes"]:,} bytes, a bank of
  {card["drawn_num_per_class"]} digits of each class that `explain_core.datasets.strokes` drew with
  seed {card["drawn_seed"]}, 28 x 28 px, each with its own pixels as a PNG file. Only pictures that
  the network reads as the digit they are went in: {num_kept} of {card["drawn_num_tried"]} drawn.
  They are ours, under the repository's licence.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m explain_core.datasets.digits",
        description="Make the bundled digits network, its references and its sample pictures.",
        epilog="The usual order is `train`, `drawn`, then `samples`. Run it from the repository's "
        f"root: the folders {ASSETS} and {SAMPLES} are relative to where you are.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train_command = commands.add_parser(
        "train",
        help="train on MNIST; write weights, bank, card and README (about 4 minutes on two cores)",
    )
    bank_command = commands.add_parser(
        "bank", help="make the bank of references anew with the weights that are there"
    )
    for command in (train_command, bank_command):
        command.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="folder with MNIST's four idx files, gzipped or not, or torchvision's MNIST/raw "
            "(default: download into torch's cache)",
        )
        command.add_argument(
            "--out", type=Path, metavar="DIR", default=ASSETS, help="default: %(default)s"
        )
        command.add_argument(
            "--seed", type=int, default=0, help="settles all that is random (default: %(default)s)"
        )
        command.add_argument(
            "--num-per-class",
            type=int,
            metavar="N",
            default=NUM_PER_CLASS,
            help="references of each class in the bank (default: %(default)s)",
        )
    train_command.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        default=3,
        help="passes over the training images (default: %(default)s)",
    )

    drawn_command = commands.add_parser(
        "drawn", help="make the bank of drawn digits with the weights that are there; needs no data"
    )
    drawn_command.add_argument(
        "--out", type=Path, metavar="DIR", default=ASSETS, help="default: %(default)s"
    )
    drawn_command.add_argument(
        "--seed", type=int, default=0, help="settles every hand (default: %(default)s)"
    )
    drawn_command.add_argument(
        "--num-per-class",
        type=int,
        metavar="N",
        default=NUM_DRAWN_PER_CLASS,
        help="pictures of each digit (default: %(default)s)",
    )

    samples_command = commands.add_parser(
        "samples", help="draw the sample pictures; needs neither data nor weights"
    )
    samples_command.add_argument(
        "--out", type=Path, metavar="DIR", default=SAMPLES, help="default: %(default)s"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, or 1 with the reason on standard error."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "train":
            card = train(given.data, given.out, given.epochs, given.seed, given.num_per_class)
            print(f"{card['test_accuracy']:.2%} of {card['num_test']:,} test images; {given.out}")
        elif given.command == "bank":
            card = rebuild_bank(given.data, given.out, given.seed, given.num_per_class)
            print(f"{NUM_DIGITS * card['bank_num_per_class']:,} references; {given.out}")
        elif given.command == "drawn":
            card = draw_bank(given.out, given.seed, given.num_per_class)
            num_kept = NUM_DIGITS * card["drawn_num_per_class"]
            print(f"{num_kept:,} of {card['drawn_num_tried']:,} drawn digits; {given.out}")
        else:
            print(f"{len(write_samples(given.out))} pictures; {given.out}")
    except ExplainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
