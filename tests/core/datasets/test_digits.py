"""The bundled digits: what ships, and what the network makes of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file
from torch.nn import functional

from explain_core.datasets.digits import (
    BANKS_FOLDER,
    CARD_FILE,
    DIGITS_BANK,
    DRAWN_BANK,
    README_FILE,
    WEIGHTS_FILE,
    accuracy,
    choose_references,
    pool_features,
)
from explain_core.datasets.mnist import load_mnist
from explain_core.datasets.strokes import SAMPLES, draw_digit, three_and_eight, write_samples
from explain_core.images.reading import read_image
from explain_core.models.digits_net import (
    DIGITS_MEAN,
    DIGITS_STD,
    DigitsNet,
    load_digits_net,
)
from explain_core.models.fingerprint import fingerprint
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.types import Array, id_of_bytes, picture_id
from tests.core.datasets.digits_assets import AMBIGUOUS, ASSETS, MNIST, SAMPLES_FOLDER, needs_mnist


@pytest.fixture(scope="module")
def network() -> DigitsNet:
    return load_digits_net(ASSETS / WEIGHTS_FILE)


@pytest.fixture(scope="module")
def bank() -> Bank:
    return open_bank(ASSETS / BANKS_FOLDER / DIGITS_BANK)


@pytest.fixture(scope="module")
def drawn() -> Bank:
    return open_bank(ASSETS / BANKS_FOLDER / DRAWN_BANK)


def num_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture(scope="module")
def card() -> dict[str, object]:
    return json.loads((ASSETS / CARD_FILE).read_text(encoding="utf-8"))


def probabilities(network: DigitsNet, pictures: list[Array]) -> torch.Tensor:
    """Return (n, 10): what the network makes of pictures of any one size."""
    pixels = torch.from_numpy(np.stack(pictures))[:, None].to(torch.float32) / 255
    small = functional.interpolate(pixels, (28, 28), mode="bilinear", antialias=True)
    return network((small - DIGITS_MEAN) / DIGITS_STD).softmax(dim=1)


def test_weights_are_at_most_a_megabyte() -> None:
    assert (ASSETS / WEIGHTS_FILE).stat().st_size <= 1_000_000


def test_weights_are_float32() -> None:
    assert {tensor.dtype for tensor in load_file(ASSETS / WEIGHTS_FILE).values()} == {torch.float32}


def test_bank_holds_500_references_of_each_class(bank: Bank) -> None:
    assert bank.features.shape == (5000, 64)
    assert bank.counts().tolist() == [500] * 10


def test_bank_is_stored_small(bank: Bank) -> None:
    assert bank.features.dtype == np.float16
    assert num_bytes(ASSETS / BANKS_FOLDER / DIGITS_BANK) < 1_200_000


def test_bank_is_finite_and_not_negative(bank: Bank) -> None:
    assert np.isfinite(bank.features).all()
    assert (bank.features >= 0).all()


def test_bank_names_its_weights_and_layer(bank: Bank, network: DigitsNet) -> None:
    assert (bank.layer, bank.fingerprint) == ("features.5", fingerprint(network))
    assert (bank.model, bank.pooling) == ("digits", "mean")


def test_bank_holds_no_picture(bank: Bank) -> None:
    assert bank.thumbnail(int(bank.ids[0])) is None
    assert bank.images is None


def test_ids_of_the_bank_come_from_its_features(bank: Bank) -> None:
    assert bank.ids.tolist() == [id_of_bytes(row.tobytes()) for row in bank.features]


def test_head_reads_most_of_the_bank_right(bank: Bank, network: DigitsNet) -> None:
    features = torch.from_numpy(bank.features.astype(np.float32))
    predicted = network.classifier(features).argmax(dim=1).numpy()
    assert (predicted == bank.labels).mean() > 0.99


@pytest.mark.parametrize("name", [DIGITS_BANK, DRAWN_BANK])
def test_bundled_banks_are_sound(name: str) -> None:
    assert check_bank(ASSETS / BANKS_FOLDER / name) == []


@pytest.mark.parametrize("name", [DIGITS_BANK, DRAWN_BANK])
def test_bundled_banks_hold_their_class_means(name: str) -> None:
    assert (ASSETS / BANKS_FOLDER / name / "class_means.safetensors").is_file()
    assert not (ASSETS / BANKS_FOLDER / name / "lock").exists()


def test_drawn_bank_holds_100_pictures_of_each_class(drawn: Bank) -> None:
    assert drawn.counts().tolist() == [100] * 10
    assert drawn.features.shape == (1000, 64)


def test_drawn_bank_is_small() -> None:
    assert num_bytes(ASSETS / BANKS_FOLDER / DRAWN_BANK) < 1_500_000


def test_drawn_pictures_are_at_hand_and_read_right(drawn: Bank, network: DigitsNet) -> None:
    pictures = [drawn.picture(int(id)) for id in drawn.ids]
    assert [picture_id(picture) for picture in pictures] == drawn.ids.tolist()
    assert {picture.size for picture in pictures} == {(28, 28)}
    p = probabilities(network, [picture.pixels for picture in pictures])
    assert p.argmax(dim=1).tolist() == drawn.labels.tolist()


def test_drawn_features_are_those_of_the_pictures(drawn: Bank, network: DigitsNet) -> None:
    pixels = [read_image(drawn.thumbnail(int(id))).pixels for id in drawn.ids[::37]]
    features = pool_features(network, torch.from_numpy(np.stack(pixels)))
    np.testing.assert_allclose(drawn.features[::37], features, rtol=2e-3, atol=2e-3)


def test_card_agrees_with_the_files(card: dict[str, object], network: DigitsNet) -> None:
    assert card["weights_bytes"] == (ASSETS / WEIGHTS_FILE).stat().st_size
    assert card["bank_bytes"] == num_bytes(ASSETS / BANKS_FOLDER / DIGITS_BANK)
    assert card["drawn_bytes"] == num_bytes(ASSETS / BANKS_FOLDER / DRAWN_BANK)
    assert card["fingerprint"] == fingerprint(network)


def test_readme_states_the_accuracy(card: dict[str, object]) -> None:
    assert f"{card['test_accuracy']:.2%}" in (ASSETS / README_FILE).read_text(encoding="utf-8")


@needs_mnist
def test_reads_99_2_percent_of_the_real_test_digits(
    network: DigitsNet, card: dict[str, object]
) -> None:
    measured = accuracy(network, load_mnist("test", MNIST))
    assert measured >= 0.992
    assert measured == pytest.approx(card["test_accuracy"], abs=5e-4)


@needs_mnist
def test_bank_is_what_the_weights_make_of_the_training_images(
    bank: Bank, network: DigitsNet
) -> None:
    training = load_mnist("train", MNIST)
    chosen = choose_references(training.labels, 500, seed=0)[::50]
    stored = torch.from_numpy(bank.features[::50].astype(np.float32))
    torch.testing.assert_close(
        pool_features(network, training.images[chosen]), stored, rtol=2e-3, atol=2e-3
    )


# The sample pictures and the generator, as the network reads them


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_sample_is_read_right(network: DigitsNet, sample) -> None:
    with Pillow.open(SAMPLES_FOLDER / f"{sample.name}.png") as picture:
        assert probabilities(network, [np.asarray(picture)])[0].argmax() == sample.digit


@pytest.mark.parametrize("sample", AMBIGUOUS, ids=lambda sample: sample.name)
def test_ambiguous_sample_is_in_doubt(network: DigitsNet, sample) -> None:
    with Pillow.open(SAMPLES_FOLDER / f"{sample.name}.png") as picture:
        p = probabilities(network, [np.asarray(picture)])[0]
    assert p.argsort(descending=True)[:2].tolist() == [sample.digit, sample.like]
    assert 0.1 <= p[sample.like] <= 0.45


def test_samples_that_ship_are_as_drawn(tmp_path: Path) -> None:
    for path in write_samples(tmp_path):
        with Pillow.open(path) as drawn, Pillow.open(SAMPLES_FOLDER / path.name) as shipped:
            # Pillow's averaging may round otherwise from version to version.
            difference = np.asarray(drawn).astype(int) - np.asarray(shipped)
        assert np.abs(difference).mean() < 0.5


def test_list_of_samples_that_ships_is_as_written(tmp_path: Path) -> None:
    write_samples(tmp_path)
    assert (SAMPLES_FOLDER / "samples.json").read_text(encoding="utf-8") == (
        tmp_path / "samples.json"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("digit", range(10))
def test_generated_digits_are_read_right(network: DigitsNet, digit: int) -> None:
    rng = np.random.default_rng(100 + digit)
    p = probabilities(network, [draw_digit(digit, rng, 112) for _ in range(20)])
    assert (p.argmax(dim=1) == digit).all()


def test_generated_threes_and_eights_are_read_right(network: DigitsNet) -> None:
    rng = np.random.default_rng(0)
    pairs = [three_and_eight(rng, 112) for _ in range(20)]
    p = probabilities(network, [three for three, _, _ in pairs] + [eight for _, eight, _ in pairs])
    assert p.argmax(dim=1).tolist() == [3] * 20 + [8] * 20
