"""The bundled digits: what ships, and the programme that makes it."""

import gzip
import json
import os
import shutil
import urllib.error
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
    Digits,
    accuracy,
    choose_references,
    download_digits,
    draw_bank,
    load_digits,
    main,
    pool_features,
    read_idx,
    rebuild_bank,
    shift_randomly,
    train,
    train_network,
    untrained_network,
)
from explain_core.datasets.strokes import SAMPLES, draw_digit, three_and_eight, write_samples
from explain_core.errors import InputError, ModelError
from explain_core.images.reading import read_image
from explain_core.models.digits_net import (
    DIGITS_MEAN,
    DIGITS_STD,
    DigitsNet,
    load_digits_net,
    normalise_digits,
)
from explain_core.models.fingerprint import fingerprint
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.types import Array, id_of_bytes, picture_id

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "assets" / "digits"
SAMPLES_FOLDER = ROOT / "assets" / "samples" / "digits"
MNIST = Path(os.environ.get("WHYNOT_DATA", ROOT.parent / "shared" / "data")) / "mnist"

needs_mnist = pytest.mark.skipif(
    not MNIST.is_dir(), reason=f"needs MNIST in {MNIST}; set WHYNOT_DATA to the folder above it"
)
AMBIGUOUS = [sample for sample in SAMPLES if sample.like is not None]


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


def write_tiny(folder: Path) -> Path:
    """Write 40 training and 20 test pictures as gzipped idx files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, num in (("train", 40), ("t10k", 20)):
        labels = np.arange(num, dtype=np.uint8) % 10
        images = np.stack([draw_digit(int(label), rng, 28) for label in labels])
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that `train` wrote from the tiny pictures; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    train(write_tiny(folder / "tiny"), folder / "out", num_epochs=1, num_per_class=2)
    return folder / "out"


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "out"))


def write_idx(path: Path, values: Array) -> None:
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    content = head + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def probabilities(network: DigitsNet, pictures: list[Array]) -> torch.Tensor:
    """Return (n, 10): what the network makes of pictures of any one size."""
    pixels = torch.from_numpy(np.stack(pictures))[:, None].to(torch.float32) / 255
    small = functional.interpolate(pixels, (28, 28), mode="bilinear", antialias=True)
    return network((small - DIGITS_MEAN) / DIGITS_STD).softmax(dim=1)


# What ships


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
    measured = accuracy(network, load_digits("test", MNIST))
    assert measured >= 0.992
    assert measured == pytest.approx(card["test_accuracy"], abs=5e-4)


@needs_mnist
def test_bank_is_what_the_weights_make_of_the_training_images(
    bank: Bank, network: DigitsNet
) -> None:
    training = load_digits("train", MNIST)
    chosen = choose_references(training.labels, 500, seed=0)[::50]
    stored = torch.from_numpy(bank.features[::50].astype(np.float32))
    torch.testing.assert_close(
        pool_features(network, training.images[chosen]), stored, rtol=2e-3, atol=2e-3
    )


# The network


def test_last_block_has_14_by_14_places(network: DigitsNet) -> None:
    assert network.features(torch.zeros(2, 1, 28, 28)).shape == (2, 64, 14, 14)


def test_forward_is_the_head_of_the_pooled_features(network: DigitsNet) -> None:
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    by_hand = network.classifier(network.features(images).sum(dim=(2, 3)) / 196)
    torch.testing.assert_close(network(images), by_hand)


def test_normalised_gray_is_what_the_network_was_trained_on() -> None:
    gray = torch.tensor([0, 255], dtype=torch.uint8)
    expected = torch.tensor([-0.1307 / 0.3081, (1 - 0.1307) / 0.3081])
    torch.testing.assert_close(normalise_digits(gray), expected)


def test_loaded_network_is_in_eval_mode_without_gradients(network: DigitsNet) -> None:
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_loading_leaves_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    load_digits_net(ASSETS / WEIGHTS_FILE)
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing; make them with .*digits train"):
        load_digits_net(tmp_path / "none.safetensors")


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes((ASSETS / WEIGHTS_FILE).read_bytes()[:1000])
    with pytest.raises(ModelError, match="do not fit the digits network"):
        load_digits_net(path)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit the digits network"):
        load_digits_net(ASSETS / BANKS_FOLDER / DIGITS_BANK / "class_means.safetensors")


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


# Reading MNIST


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_is_read_in_its_own_shape(tmp_path: Path, suffix: str) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / f"some{suffix}", values)
    np.testing.assert_array_equal(read_idx(tmp_path / f"some{suffix}").numpy(), values)


def test_truncated_idx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short"
    write_idx(path, np.zeros((2, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"states the shape \(2, 3\) but holds 5 bytes"):
        read_idx(path)


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.gz"
    write_idx(path, np.zeros((2, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        read_idx(path)


@pytest.mark.parametrize("content", [b"", b"PNG?", b"\x00\x00\x0d\x01\x00\x00\x00\x00"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no idx file of unsigned bytes"):
        read_idx(path)


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw"])
def test_files_are_found_where_torchvision_puts_them(
    tiny: Path, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / "elsewhere"
    (folder / place).mkdir(parents=True)
    for path in tiny.iterdir():
        (folder / place / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    assert load_digits("test", folder).images.shape == (20, 28, 28)


def test_missing_folder_names_the_files_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'train-images-idx3-ubyte' .*point --data at a folder"):
        train(tmp_path / "nowhere", tmp_path / "out")


def test_images_and_labels_must_belong_together(tiny: Path) -> None:
    write_idx(tiny / "t10k-labels-idx1-ubyte.gz", np.zeros(7, np.uint8))
    with pytest.raises(InputError, match=r"test images of shape \(20, 28, 28\) and labels"):
        load_digits("test", tiny)


@pytest.mark.parametrize(
    "failure", [urllib.error.URLError("no route"), RuntimeError("Error downloading")]
)
def test_failed_download_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def refuse(root: str, *, download: bool) -> None:
        raise failure

    monkeypatch.setattr("torchvision.datasets.MNIST", refuse)
    with pytest.raises(InputError, match=r"could not be downloaded .*with --data"):
        download_digits()


def test_download_lands_where_it_is_read(
    monkeypatch: pytest.MonkeyPatch, tiny: Path, tmp_path: Path
) -> None:
    def fetch(root: str, *, download: bool) -> None:
        assert download
        raw = Path(root) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for path in tiny.iterdir():
            (raw / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr("torchvision.datasets.MNIST", fetch)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    assert len(load_digits("train", download_digits()).labels) == 40


# Training


def test_shift_moves_whole_pictures_by_up_to_two_pixels() -> None:
    images = torch.zeros(200, 9, 11, dtype=torch.uint8)
    images[:, 4, 5] = 255
    shifted = shift_randomly(images, torch.Generator().manual_seed(0))
    _, rows, columns = shifted.nonzero(as_tuple=True)
    assert set((rows - 4).tolist()) == set((columns - 5).tolist()) == {-2, -1, 0, 1, 2}


def test_shift_leaves_its_argument_alone() -> None:
    images = torch.full((3, 6, 6), 9, dtype=torch.uint8)
    shift_randomly(images, torch.Generator().manual_seed(0))
    assert (images == 9).all()


def test_references_are_chosen_by_the_seed() -> None:
    labels = torch.arange(1000) % 10
    first, again, other = (choose_references(labels, 5, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_references_are_distinct_and_of_every_class() -> None:
    labels = torch.arange(1000) % 10
    chosen = choose_references(labels, 5, seed=0)
    assert len(set(chosen.tolist())) == 50
    assert labels[chosen].tolist() == [digit for digit in range(10) for _ in range(5)]


@pytest.mark.parametrize("num_per_class", [0, 101])
def test_too_many_or_no_references_are_refused(num_per_class: int) -> None:
    with pytest.raises(InputError, match="num_per_class must lie between 1 and 100"):
        choose_references(torch.arange(1000) % 10, num_per_class, seed=0)


def test_no_epochs_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="num_epochs must be at least 1"):
        train(tiny, tmp_path / "out", num_epochs=0)


def test_training_is_settled_by_the_seed(tiny: Path) -> None:
    digits = load_digits("train", tiny)
    first, again, other = (fingerprint(train_network(digits, 1, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_training_leaves_global_randomness_alone(tiny: Path) -> None:
    before = torch.get_rng_state()
    train_network(load_digits("train", tiny), 1, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_weights_are_all_set() -> None:
    network = untrained_network(torch.Generator().manual_seed(0))
    assert network.training
    for name, tensor in network.state_dict().items():
        assert tensor.abs().max() < 4, name
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_accuracy_is_the_share_of_right_answers() -> None:
    class Constant(DigitsNet):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return functional.one_hot(torch.full((len(images),), 3), 10)

    labels = torch.tensor([3, 3, 3, 1])
    images = torch.zeros(4, 28, 28, dtype=torch.uint8)
    assert accuracy(Constant(), Digits(images, labels)) == 0.75


def test_train_writes_all_files(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {WEIGHTS_FILE, BANKS_FOLDER, CARD_FILE, README_FILE}


def test_bank_made_anew_is_the_same(trained_copy: Path, tiny: Path) -> None:
    folder = trained_copy / BANKS_FOLDER / DIGITS_BANK
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    rebuild_bank(tiny, trained_copy, num_per_class=2)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_bank_made_anew_takes_the_place_of_the_old(trained_copy: Path, tiny: Path) -> None:
    rebuild_bank(tiny, trained_copy, num_per_class=3)
    assert open_bank(trained_copy / BANKS_FOLDER / DIGITS_BANK).counts().tolist() == [3] * 10
    assert [path.name for path in (trained_copy / BANKS_FOLDER).iterdir()] == [DIGITS_BANK]


def copied_assets(folder: Path) -> Path:
    folder.mkdir()
    for name in (WEIGHTS_FILE, CARD_FILE):
        shutil.copy(ASSETS / name, folder)
    return folder


def test_drawn_bank_made_anew_is_settled_by_the_seed(tmp_path: Path, drawn: Bank) -> None:
    out = copied_assets(tmp_path / "out")
    draw_bank(out, seed=0, num_per_class=2)
    again = open_bank(out / BANKS_FOLDER / DRAWN_BANK)
    assert again.ids[:2].tolist() == drawn.ids[:2].tolist()
    draw_bank(out, seed=1, num_per_class=2)
    other = open_bank(out / BANKS_FOLDER / DRAWN_BANK)
    assert not set(other.ids.tolist()) & set(again.ids.tolist())


def test_drawn_bank_brings_the_card_and_the_readme_up_to_date(tmp_path: Path) -> None:
    out = copied_assets(tmp_path / "out")
    card = draw_bank(out, seed=5, num_per_class=1)
    assert card == json.loads((out / CARD_FILE).read_text(encoding="utf-8"))
    assert (card["drawn_seed"], card["drawn_num_per_class"]) == (5, 1)
    told = f"10 of {card['drawn_num_tried']} drawn"
    assert told in (out / README_FILE).read_text(encoding="utf-8")


def test_network_that_cannot_read_gets_no_drawn_bank(trained_copy: Path) -> None:
    with pytest.raises(ModelError, match=r"the network reads \d of 20 drawn pictures of a \d as"):
        draw_bank(trained_copy, num_per_class=2)
    assert [path.name for path in (trained_copy / BANKS_FOLDER).iterdir()] == [DIGITS_BANK]


def test_no_drawn_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="num_per_class must be at least 1"):
        draw_bank(tmp_path, num_per_class=0)


def test_bank_made_anew_brings_the_card_up_to_date(trained_copy: Path, tiny: Path) -> None:
    card = rebuild_bank(tiny, trained_copy, seed=5, num_per_class=3)
    assert card == json.loads((trained_copy / CARD_FILE).read_text(encoding="utf-8"))
    assert (card["bank_seed"], card["bank_num_per_class"]) == (5, 3)


def test_bank_without_weights_says_how_to_make_them(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing; make them with"):
        rebuild_bank(tiny, tmp_path / "out", num_per_class=2)


# The command line


def test_command_trains(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(tiny), "--out", str(tmp_path / "out"), "--num-per-class", "2"]
    assert main(["train", "--epochs", "1", *arguments]) == 0
    assert "of 20 test images" in capsys.readouterr().out


def test_command_draws_a_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = copied_assets(tmp_path / "out")
    assert main(["drawn", "--out", str(out), "--num-per-class", "1"]) == 0
    assert "10 of 10 drawn digits" in capsys.readouterr().out


def test_command_draws_samples(tmp_path: Path) -> None:
    assert main(["samples", "--out", str(tmp_path / "samples")]) == 0
    assert len(list((tmp_path / "samples").glob("*.png"))) == len(SAMPLES)


def test_command_reports_an_error_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bank", "--data", str(tmp_path / "nowhere")]) == 1
    assert "holds no 'train-images-idx3-ubyte'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "bank", "drawn", "samples"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert "default:" in capsys.readouterr().out
