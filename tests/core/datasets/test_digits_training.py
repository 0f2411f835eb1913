"""The programme that makes the bundled digits."""

import json
import shutil
from pathlib import Path

import pytest
import torch
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
    draw_bank,
    main,
    rebuild_bank,
    shift_randomly,
    train,
    train_network,
    untrained_network,
)
from explain_core.datasets.mnist import Mnist, load_mnist
from explain_core.datasets.strokes import SAMPLES
from explain_core.errors import InputError, ModelError
from explain_core.models.digits_net import (
    DigitsNet,
)
from explain_core.models.fingerprint import fingerprint
from explain_core.references.bank import Bank, open_bank
from tests.core.datasets.digits_assets import ASSETS
from tests.core.datasets.mnist_making import write_tiny


@pytest.fixture(scope="module")
def drawn() -> Bank:
    return open_bank(ASSETS / BANKS_FOLDER / DRAWN_BANK)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that `train` wrote from the tiny pictures; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    train(write_tiny(folder / "tiny"), folder / "out", num_epochs=1, num_per_class=2)
    return folder / "out"


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "out"))


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
    digits = load_mnist("train", tiny)
    first, again, other = (fingerprint(train_network(digits, 1, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_training_leaves_global_randomness_alone(tiny: Path) -> None:
    before = torch.get_rng_state()
    train_network(load_mnist("train", tiny), 1, 0)
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
    assert accuracy(Constant(), Mnist(images, labels)) == 0.75


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
