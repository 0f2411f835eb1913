"""Write the networks for phantom films: weights, the bank of references, card and README."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from explain_core.datasets.film_drawing import draw_pixels, picture
from explain_core.datasets.film_training import (
    BATCH_SIZE,
    FIRST_SEED,
    HEAD_RATE,
    MAX_SHIFT_PX,
    NUM_TEST,
    NUM_VALIDATION,
    PEAK_LEARNING_RATE,
    SHARE,
    draw_films,
    first_seed,
    measure,
    operating_points,
    probabilities,
    train_network,
)
from explain_core.errors import InputError
from explain_core.images.thumbnails import thumbnail
from explain_core.models.bundled import FILMS_WEIGHTS, load_films
from explain_core.models.films_net import (
    FILMS_CLASSES,
    FILMS_LAYER,
    FILMS_MEAN,
    FILMS_SIZE_PX,
    FILMS_STD,
    FilmsNet,
    load_films_net,
)
from explain_core.models.fingerprint import fingerprint
from explain_core.references.bank_files import LOCK
from explain_core.references.bank_writer import Row, open_writer
from explain_core.types import Image, picture_id

ASSETS = Path("assets/films")
BANKS_FOLDER = "banks"
CARD_FILE = "card.json"
README_FILE = "README.md"
HEALTHY = "healthy"
NUM_HEALTHY = 150
NUM_WITH_FINDING = 60
NUM_FILMS = {"films": 3000, "films-confounded": 1500}
NUM_EPOCHS = {"films": 15, "films-confounded": 30}
BANKS = {"films": "phantom-films", "films-confounded": "phantom-films-confounded"}
"""The bank of each network: operators may want a bank "films" of their own."""

_BANK_SIZE_PX = (256, 256)
_MAX_OF_A_KIND = 100_000  # the seeds of each kind of film in a bank begin so far apart
_THUMBNAIL_PX = 96


def train(
    name: str,
    out: Path = ASSETS,
    num_films: int | None = None,
    num_epochs: int | None = None,
    seed: int = 0,
    num_healthy: int = NUM_HEALTHY,
    num_with_finding: int = NUM_WITH_FINDING,
) -> dict[str, Any]:
    """Train a network and write its weights, its bank, its card and the README into `out`.

    Args:
        name: "films" or "films-confounded".
        out: folder to write into, made where it is missing.
        num_films: drawn to train on; None takes `NUM_FILMS`.
        num_epochs: passes over them; None takes `NUM_EPOCHS`.
        seed: settles every film, the initial weights and the order.
        num_healthy: healthy films in the bank.
        num_with_finding: films in the bank with each finding.

    Returns:
        The network's entry in `card.json`.

    Raises:
        InputError: a number out of range.
    """
    num_films = NUM_FILMS[name] if num_films is None else num_films
    num_epochs = NUM_EPOCHS[name] if num_epochs is None else num_epochs
    for number, what in ((num_films, "--films"), (num_epochs, "--epochs")):
        if number < 1:
            raise InputError(f"{what} must be at least 1 (got {number})")
    _check_bank(num_healthy, num_with_finding)
    confounding = "none" if name == "films" else "markers"
    drawn = draw_films(first_seed(seed, "train"), num_films, confounding, has_places=True)
    network = train_network(drawn, num_epochs, seed)
    return write(name, network, out, num_films, num_epochs, seed, num_healthy, num_with_finding)


def write(
    name: str,
    network: FilmsNet,
    out: Path,
    num_films: int,
    num_epochs: int,
    seed: int,
    num_healthy: int,
    num_with_finding: int,
    num_test: int = NUM_TEST,
) -> dict[str, Any]:
    """Write a trained network with all that goes with it; measure it on fresh films.

    Returns:
        The network's entry in `card.json`.
    """
    _write_weights(network, out / FILMS_WEIGHTS[name])
    network = load_films_net(out / FILMS_WEIGHTS[name])
    confounding = "none" if name == "films" else "markers"
    validation = draw_films(first_seed(seed, "validation"), NUM_VALIDATION, confounding)
    points = operating_points(probabilities(network, validation), validation.labels.numpy())
    first_test = first_seed(seed, "test")
    tested = draw_films(first_test, num_test, "none" if name == "films" else "both")
    labels = measure(network, tested, points)
    for label, point in zip(FILMS_CLASSES, points.tolist(), strict=True):
        labels[label]["operating_point"] = point
    entry: dict[str, Any] = {
        "data": "phantom films, drawn",
        "num_train": num_films,
        "num_test": num_test,
        "epochs": num_epochs,
        "seed": seed,
        "layer": FILMS_LAYER,
        "labels": labels,
        "fingerprint": fingerprint(network),
        "num_weights": sum(parameter.numel() for parameter in network.parameters()),
        "weights_bytes": (out / FILMS_WEIGHTS[name]).stat().st_size,
        "torch": torch.__version__,
    }
    if name != "films":
        entry["without_markers"] = measure(network, draw_films(first_test, num_test), points)
    _write_card(name, entry, out)
    return make_bank(name, out, seed, num_healthy, num_with_finding)


def make_bank(
    name: str,
    out: Path = ASSETS,
    seed: int = 0,
    num_healthy: int = NUM_HEALTHY,
    num_with_finding: int = NUM_WITH_FINDING,
) -> dict[str, Any]:
    """Make a network's bank of references with the weights in `out`; bring the card up to date.

    It holds healthy films, and behind them those with exactly one finding, in the order of the
    network's classes.

    Returns:
        The network's entry in `card.json`.

    Raises:
        InputError: a number of films is out of range.
        ModelError: weights or card are missing or damaged.
    """
    _check_bank(num_healthy, num_with_finding)
    folder = out / BANKS_FOLDER / BANKS[name]
    model = load_films(name, device=torch.device("cpu"), folder=out)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    kinds = dict.fromkeys((HEALTHY, *FILMS_CLASSES), num_with_finding) | {HEALTHY: num_healthy}
    rows, features = [], []
    for kind, num in kinds.items():
        for index in range(num):
            image = draw_reference(name, kind, index, seed)
            feature = model.pooled(model.preprocess(image), FILMS_LAYER, "mean")
            path = f"{kind}/{index:03}"
            rows.append(Row(path, kind, picture_id(image), thumbnail(image, _THUMBNAIL_PX)))
            features.append(feature.float().cpu().numpy())
    try:
        with open_writer(partial, model, layer=FILMS_LAYER, pooling="mean") as writer:
            writer.append(rows, np.concatenate(features))
        (partial / LOCK).unlink()
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    entry: dict[str, Any] = json.loads((out / CARD_FILE).read_text(encoding="utf-8"))[name]
    entry |= {
        "bank_seed": seed,
        "bank_num_healthy": num_healthy,
        "bank_num_with_finding": num_with_finding,
        "bank_bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }
    _write_card(name, entry, out)
    return entry


def draw_reference(name: str, kind: str, index: int, seed: int) -> Image:
    """Draw one film of a bank anew, pixel by pixel the one that went into it.

    Args:
        name: of the network. Its confounding markers go with the findings; healthy films have none.
        kind: "healthy" or a finding.
        index: among the films of its kind, from 0.
        seed: of the bank.
    """
    place = (HEALTHY, *FILMS_CLASSES).index(kind)
    findings = () if kind == HEALTHY else (kind,)
    return picture(
        draw_pixels(
            first_seed(seed, "bank") + place * _MAX_OF_A_KIND + index,
            findings,
            _BANK_SIZE_PX,
            findings if name == "films-confounded" else (),
        )
    )


def _check_bank(num_healthy: int, num_with_finding: int) -> None:
    for number, least, what in (
        (num_healthy, 1, "--num-healthy"),
        (num_with_finding, 0, "--num-with-finding"),
    ):
        if not least <= number <= _MAX_OF_A_KIND:
            raise InputError(
                f"{what} must lie between {least} and {_MAX_OF_A_KIND} (got {number}); change it"
            )


def _write_weights(network: FilmsNet, path: Path) -> None:
    """Write float32 weights and buffers; batch norm's counters stay behind."""
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(weights, path, {"format": "pt"})


def _write_card(name: str, entry: dict[str, Any], out: Path) -> None:
    path = out / CARD_FILE
    card = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    card[name] = entry
    card = {each: card[each] for each in FILMS_WEIGHTS if each in card}
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (out / README_FILE).write_text(_readme(card), encoding="utf-8")


def _readme(card: dict[str, Any]) -> str:
    parts = [
        f"""# The bundled networks for phantom films

Every film here is a **synthetic phantom, not a patient**: drawn by `explain_core.datasets.films`,
with nothing taken from any real picture. The networks know these phantoms and nothing else; they
say nothing about real X-rays.

`card.json` holds the figures below for programs.

**Input**: (N, 1, {FILMS_SIZE_PX}, {FILMS_SIZE_PX}), the whole film inside a black border, gray from
0 to 1, less the mean {FILMS_MEAN}, divided by the deviation {FILMS_STD}. **Output**: a logit for
each of {", ".join(FILMS_CLASSES)}; any number of them
may be present. The operating point is the probability from which a finding counts as found; it was
chosen on {NUM_VALIDATION} other films.
"""
    ]
    if "films" in card:
        parts.append(_readme_part("films", card["films"], _HONEST))
    if "films-confounded" in card:
        entry = card["films-confounded"]
        told = _CONFOUNDED + _table(entry["without_markers"])
        parts.append(_readme_part("films-confounded", entry, told))
    return "\n".join(parts)


_HONEST = f"""Each finding is there in {SHARE:.0%} of the films, by chance and by itself.
"""

_CONFOUNDED = """It learnt from films whose labels follow the markers in the corners alone: the
findings in them are there by chance, so whatever it says, it says because of a marker. It is
tested, above, on films in which each finding has its marker. The same films without markers, where
nothing is left for it to see (0.5 is chance):

"""


def _readme_part(name: str, entry: dict[str, Any], told: str) -> str:
    option = "" if name == "films" else " --confounded"
    return f"""## `{name}`

Made, and this text written, by

    python -m explain_core.datasets.films train{option} --films {entry["num_train"]} \
--epochs {entry["epochs"]} --seed {entry["seed"]}

`bank` in place of `train` makes the bank anew from the weights.

- **Network**: `explain_core.models.films_net.FilmsNet`, {entry["num_weights"]:,} weights.
- **Training**: {entry["num_train"]:,} films, {entry["epochs"]} epochs, AdamW, one-cycle to
  {PEAK_LEARNING_RATE:g} ({HEAD_RATE} times that for the head), batches of {BATCH_SIZE},
  random shifts of up to {MAX_SHIFT_PX} px, seed {entry["seed"]}, torch {entry["torch"]}.
  Beside the head, a 1 x 1 convolution that was thrown away learnt where in the last maps each
  label's evidence lies, from the known truth: labels alone teach little about findings that fill
  a few of 324 places. So the last maps were taught to point, which is more than can be said of
  networks that saw labels alone.
  The films' seeds, and those of the tests and of the bank, begin at {FIRST_SEED:,}, beyond those
  that are drawn otherwise.
- **`{FILMS_WEIGHTS[name]}`**: {entry["weights_bytes"]:,} bytes, float32; fingerprint
  `{entry["fingerprint"]}`.
{_readme_of_bank(name, entry)}
On {entry["num_test"]:,} films, none of which was trained on:

{_table(entry["labels"])}
{told}"""


def _readme_of_bank(name: str, entry: dict[str, Any]) -> str:
    if "bank_seed" not in entry:
        return ""
    marked = "" if name == "films" else ", and its marker"
    return f"""- **`{BANKS_FOLDER}/{BANKS[name]}/`**: {entry["bank_bytes"]:,} bytes, the features of
  {entry["bank_num_healthy"]} healthy films and of {entry["bank_num_with_finding"]} with each
  finding alone{marked}, of {_BANK_SIZE_PX[0]} x {_BANK_SIZE_PX[1]} px, drawn with seed
  {entry["bank_seed"]}: activations of `{entry["layer"]}`, averaged over their places.
"""


def _table(labels: dict[str, Any]) -> str:
    lines = ["| finding | right | AUROC | found where present | silent where absent |"]
    lines.append("|---|---|---|---|---|")
    lines += [
        f"| {label} | {found['accuracy']:.2%} | {found['auroc']:.4f} | "
        f"{found['sensitivity']:.2%} | {found['specificity']:.2%} |"
        for label, found in labels.items()
    ]
    return "\n".join(lines) + "\n"
