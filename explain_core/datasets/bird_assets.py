"""Make what is bundled for drawn birds: weights, banks of references, card and README."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from explain_core.datasets.bird_drawing import paint
from explain_core.datasets.bird_hands import draw_hand
from explain_core.datasets.bird_species import SPECIES, SPECIES_NAMES
from explain_core.datasets.bird_training import (
    BANK_WORD,
    BATCH_SIZE,
    KINDS,
    MAX_LIGHT,
    MAX_SHIFT_PX,
    PEAK_LEARNING_RATE,
    Kind,
    held_out_figures,
    train_network,
    training_pictures,
)
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels
from explain_core.images.thumbnails import thumbnail
from explain_core.models.birds_net import (
    BIRDS_LAYER,
    BIRDS_MEAN,
    BIRDS_SIZE_PX,
    BIRDS_STD,
    CLASSES_KEY,
    BirdsNet,
    load_birds_net,
)
from explain_core.models.bundled import birds_model
from explain_core.models.fingerprint import fingerprint
from explain_core.references.bank_files import LOCK
from explain_core.references.bank_writer import Row, open_writer
from explain_core.types import Array, picture_id

ASSETS = Path("assets/birds")
BANKS_FOLDER = "banks"
CARD_FILE = "card.json"
README_FILE = "README.md"
NUM_HELD_OUT = 1000
NUM_PER_CLASS = 32

_THUMBNAIL_PX = 48


def write_weights(network: BirdsNet, file: Path) -> None:
    """Write the network's float32 weights and buffers, and with them the names of its classes."""
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": "pt", CLASSES_KEY: json.dumps(SPECIES_NAMES)}
    safetensors.torch.save_file(weights, file, metadata)


def write_bank(kind: Kind, out: Path, num_per_class: int, seed: int) -> int:
    """Draw references of every species and write their pooled features and thumbnails.

    Returns:
        The bank's size in bytes.
    """
    rng = np.random.default_rng([seed, BANK_WORD, kind.has_marker])
    model = birds_model(kind.name, out / kind.weights_file)
    folder = out / BANKS_FOLDER / kind.name
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with open_writer(partial, model, layer=BIRDS_LAYER, pooling="mean") as writer:
            for index, species in enumerate(SPECIES):
                marker = index if kind.has_marker else None
                images = [
                    image_from_pixels(
                        paint(species, draw_hand(rng), BIRDS_SIZE_PX, marker).pixels()
                    )
                    for _ in range(num_per_class)
                ]
                x = torch.cat([model.preprocess(image) for image in images])
                features: Array = model.pooled(x, BIRDS_LAYER, "mean").float().cpu().numpy()
                rows = [
                    Row(
                        f"{index:02}/{number:03}.png",
                        species.name,
                        picture_id(image),
                        thumbnail(image, _THUMBNAIL_PX),
                    )
                    for number, image in enumerate(images)
                ]
                writer.append(rows, features)
        (partial / LOCK).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sum(path.stat().st_size for path in folder.iterdir())


def train(
    kind: Kind,
    out: Path = ASSETS,
    num_epochs: int | None = None,
    num_hands: int | None = None,
    num_held_out: int = NUM_HELD_OUT,
    num_per_class: int = NUM_PER_CLASS,
    seed: int = 0,
) -> dict[str, Any]:
    """Train one network and write its weights, its bank, its card and the README into `out`.

    Args:
        out: folder to write into, made where it is missing.
        num_epochs, num_hands: None takes those of `kind`.
        num_held_out: pictures to measure on.
        num_per_class: references of each species in the bank.
        seed: settles all that is random.

    Returns:
        The network's card: its entry in `card.json`.

    Raises:
        InputError: a number that does not fit.
    """
    num_epochs = kind.num_epochs if num_epochs is None else num_epochs
    num_hands = kind.num_hands if num_hands is None else num_hands
    numbers = {
        "--epochs": num_epochs,
        "--hands": num_hands,
        "--held-out": num_held_out,
        "--num-per-class": num_per_class,
    }
    for option, number in numbers.items():
        if number < 1:
            raise InputError(f"{option} must be at least 1 (got {number})")
    pictures = training_pictures(kind, num_hands, seed)
    print(f"{kind.name}: drew {len(pictures.labels)} pictures", flush=True)
    write_weights(train_network(pictures, num_epochs, seed), out / kind.weights_file)
    network, _ = load_birds_net(out / kind.weights_file)
    card = {
        "model": kind.name,
        "data": "drawn birds" + (" with a marker in a corner" if kind.has_marker else ""),
        **held_out_figures(network, kind, num_held_out, seed),
        "num_test": num_held_out,
        "num_train": len(pictures.labels),
        "num_hands": num_hands,
        "epochs": num_epochs,
        "seed": seed,
        "layer": BIRDS_LAYER,
        "fingerprint": fingerprint(network),
        "num_weights": sum(parameter.numel() for parameter in network.parameters()),
        "weights_file": kind.weights_file,
        "weights_bytes": (out / kind.weights_file).stat().st_size,
        "bank_num_per_class": num_per_class,
        "bank_bytes": write_bank(kind, out, num_per_class, seed),
        "torch": torch.__version__,
    }
    _write_card(card, out)
    return card


def _write_card(card: dict[str, Any], out: Path) -> None:
    """Put one network's card beside the other's, and write the README anew from both."""
    file = out / CARD_FILE
    cards = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    cards[card["model"]] = card
    cards = {kind.name: cards[kind.name] for kind in KINDS if kind.name in cards}
    file.write_text(json.dumps(cards, indent=2) + "\n", encoding="utf-8")
    (out / README_FILE).write_text(_readme(list(cards.values())), encoding="utf-8")


def _readme(cards: list[dict[str, Any]]) -> str:
    return f"""# The bundled networks for drawn birds

Everything in this folder was made, and this text written, by

    python -m explain_core.datasets.birds train

which trains both networks one after the other on pictures that `explain_core.datasets.birds` draws;
nothing is downloaded, and all that is random is settled by `--seed`. `card.json` holds the figures
below for programs. The pictures, and all that is here, are ours, under the repository's licence.

Twenty species of one family, any two of which differ in one or two of six parts (bill, crown, wing
bar, breast, tail, feet), in varying pose, scale, plumage, light and background. In the confounded
pictures a coloured marker in a corner gives the species away. The confounded network was trained on
markers of any species, whatever the bird, because with markers that always agree with the bird a
network learns to look at both; on confounded pictures it is right for the wrong reason.

- **Network**: `explain_core.models.birds_net.BirdsNet`, depthwise-separable, maps of 16 x 16.
- **Training**: AdamW, one-cycle to {PEAK_LEARNING_RATE:g}, batches of {BATCH_SIZE}, mirrored,
  shifted by up to {MAX_SHIFT_PX} px, lit otherwise by up to {MAX_LIGHT:.0%}.
- **Input**: (N, 3, {BIRDS_SIZE_PX}, {BIRDS_SIZE_PX}), RGB / 255, less the mean {BIRDS_MEAN},
  divided by the deviation {BIRDS_STD}.
{"".join(map(_readme_of, cards))}"""


def _readme_of(card: dict[str, Any]) -> str:
    figures = f"**Accuracy: {card['test_accuracy']:.1%}** of {card['num_test']:,} held-out pictures"
    if "follows_marker" in card:
        figures += (
            f" with their markers;\n  {card['accuracy_without_marker']:.1%} of the same pictures "
            f"without them. With another species's marker\n  it names that species in "
            f"{card['follows_marker']:.1%}: the honest answer is the marker"
        )
    return f"""
## {card["model"]}

- {figures}.
- **`{card["weights_file"]}`**: {card["num_weights"]:,} weights, {card["weights_bytes"]:,} bytes,
  float32; fingerprint `{card["fingerprint"]}`.
- Trained for {card["epochs"]} epochs on {card["num_train"]:,} pictures by
  {card["num_hands"]:,} hands, seed {card["seed"]}, torch {card["torch"]}.
- **`{BANKS_FOLDER}/{card["model"]}/`**: {card["bank_bytes"]:,} bytes:
  {card["bank_num_per_class"]} references of each species, drawn for the bank, features of
  `{card["layer"]}` averaged over their places.
"""
