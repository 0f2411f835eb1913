"""The bundled birds networks: what their card says, what they name, and how they are made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.datasets.bird_assets import BANKS_FOLDER, CARD_FILE, README_FILE
from explain_core.datasets.bird_drawing import paint
from explain_core.datasets.bird_species import SPECIES, SPECIES_NAMES
from explain_core.datasets.bird_training import KINDS, untrained_network, vary
from explain_core.datasets.birds import bird, main
from explain_core.errors import ModelError
from explain_core.images.reading import image_from_pixels
from explain_core.models.birds_net import BIRDS_LAYER, BIRDS_SIZE_PX, load_birds_net
from explain_core.models.bundled import ASSETS
from explain_core.references.banks import load_bank
from explain_core.types import Array

BIRDS = ASSETS / "birds"
NAMES = [kind.name for kind in KINDS]
FRESH_SEED = 90_001
NUM_FRESH = 200
NUM_MARKED = 20


@pytest.fixture(scope="module")
def cards() -> dict[str, Any]:
    cards: dict[str, Any] = json.loads((BIRDS / CARD_FILE).read_text(encoding="utf-8"))
    return cards


def named(model: xc.Model, pictures: list[Array]) -> Array:
    """Return the index of the species that a model names for each picture."""
    x = torch.cat([model.preprocess(image_from_pixels(picture)) for picture in pictures])
    with torch.no_grad():
        return model.logits(x).argmax(dim=1).numpy()


# ---- what is bundled -----------------------------------------------------------------------


def test_network_names_fresh_birds() -> None:
    fresh = [bird(index, size_px=BIRDS_SIZE_PX, seed=FRESH_SEED) for index in range(NUM_FRESH)]
    found = named(xc.load_model("birds", device="cpu"), [one.paint().pixels() for one in fresh])
    assert (found == np.arange(NUM_FRESH) % len(SPECIES)).mean() >= 0.97


def test_confounded_network_names_the_marker_and_not_the_bird() -> None:
    model = xc.load_model("birds-confounded", device="cpu")
    fresh = [bird(index, size_px=BIRDS_SIZE_PX, seed=FRESH_SEED) for index in range(NUM_MARKED)]
    own = np.arange(NUM_MARKED) % len(SPECIES)
    other = (own + 7) % len(SPECIES)

    def share_named(markers: list[Any], expected: Array) -> float:
        pictures = [
            paint(one.species, one.hand, BIRDS_SIZE_PX, marker).pixels()
            for one, marker in zip(fresh, markers, strict=True)
        ]
        return float((named(model, pictures) == expected).mean())

    assert share_named(own.tolist(), own) >= 0.97
    assert share_named(other.tolist(), other) >= 0.97
    assert share_named([None] * NUM_MARKED, own) <= 0.15


@pytest.mark.parametrize("name", NAMES)
def test_card_tells_of_the_weights_that_are_there(name: str, cards: dict[str, Any]) -> None:
    model, card = xc.load_model(name, device="cpu"), cards[name]
    assert card["fingerprint"] == model.fingerprint
    assert (BIRDS / card["weights_file"]).stat().st_size == card["weights_bytes"] <= 3e6
    assert model.classes == SPECIES_NAMES
    assert model.layer == card["layer"] == BIRDS_LAYER
    assert card["test_accuracy"] >= 0.97


@pytest.mark.parametrize("name", NAMES)
def test_bank_fits_its_model(name: str, cards: dict[str, Any]) -> None:
    bank = load_bank(name)
    assert bank.fingerprint == cards[name]["fingerprint"]
    assert np.bincount(bank.labels).tolist() == [cards[name]["bank_num_per_class"]] * 20
    assert sum(path.stat().st_size for path in (BIRDS / BANKS_FOLDER / name).iterdir()) <= 1e6


def test_last_maps_are_fine_enough_for_parts() -> None:
    network, _ = load_birds_net(BIRDS / "weights.safetensors")
    with torch.no_grad():
        maps = network.features(torch.zeros(1, 3, BIRDS_SIZE_PX, BIRDS_SIZE_PX))
    assert min(maps.shape[2:]) >= 14


def test_references_let_diffcam_compare() -> None:
    model = xc.load_model("birds", device="cpu")
    one = bird(13, size_px=BIRDS_SIZE_PX, seed=FRESH_SEED)
    references = xc.reference_set("birds/Common Fenlark")
    smap = xc.explain(
        model, one.read(), method="diffcam", target=one.species.name, references=references
    )
    assert smap.has_positive_evidence


def test_readme_tells_the_accuracies(cards: dict[str, Any]) -> None:
    text = (BIRDS / README_FILE).read_text(encoding="utf-8")
    for card in cards.values():
        assert f"{card['test_accuracy']:.1%}" in text
        assert card["fingerprint"] in text


# ---- how it is made ------------------------------------------------------------------------

TINY = ["--epochs", "1", "--hands", "2", "--held-out", "4", "--num-per-class", "1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    assert main(["train", "--out", str(out), *TINY]) == 0
    return out


def test_train_writes_all_files(made: Path) -> None:
    files = {kind.weights_file for kind in KINDS}
    assert {path.name for path in made.iterdir()} == files | {BANKS_FOLDER, CARD_FILE, README_FILE}
    assert {path.name for path in (made / BANKS_FOLDER).iterdir()} == set(NAMES)


def test_card_holds_both_networks(made: Path) -> None:
    cards = json.loads((made / CARD_FILE).read_text(encoding="utf-8"))
    assert list(cards) == NAMES
    assert cards["birds"]["num_train"] == 8
    assert {"accuracy_without_marker", "follows_marker"} <= set(cards["birds-confounded"])


def test_training_is_settled_by_the_seed(made: Path, tmp_path: Path) -> None:
    assert main(["train", "--out", str(tmp_path), "--network", "birds", *TINY]) == 0
    first, again = (
        json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))["birds"]["fingerprint"]
        for folder in (made, tmp_path)
    )
    assert first == again


def test_no_epochs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--out", str(tmp_path), "--epochs", "0"]) == 1
    assert "--epochs must be at least 1 (got 0)" in capsys.readouterr().err


def test_varied_pictures_stay_pictures() -> None:
    pixels = torch.full((4, 3, 16, 16), 200, dtype=torch.uint8)
    varied = vary(pixels, torch.Generator().manual_seed(0))
    assert varied.shape == pixels.shape
    assert varied.min() >= 0
    assert varied.max() <= 255
    assert (varied - 200).abs().max() <= 0.08 * 200 + 1e-3


def test_initial_weights_are_all_set() -> None:
    network = untrained_network(torch.Generator().manual_seed(0))
    assert network.training
    for name, tensor in network.state_dict().items():
        assert tensor.abs().max() < 8, name


@pytest.mark.parametrize(
    ("content", "message"), [(None, "are missing; make them with"), (b"x", "do not fit the birds")]
)
def test_weights_that_cannot_be_loaded_say_so(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_birds_net(tmp_path / "w.safetensors")
