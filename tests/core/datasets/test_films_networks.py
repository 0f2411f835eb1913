"""The bundled networks for phantom films: what ships, and the programme that makes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.datasets.film_drawing import draw_film
from explain_core.datasets.film_making import (
    BANKS,
    BANKS_FOLDER,
    CARD_FILE,
    README_FILE,
    draw_reference,
    make_bank,
    write,
)
from explain_core.datasets.film_training import (
    LabelledFilms,
    auroc,
    draw_films,
    first_seed,
    measure,
    operating_points,
    probabilities,
    shift_randomly,
    train_network,
)
from explain_core.datasets.films import films, main
from explain_core.errors import InputError, ModelError
from explain_core.models.bundled import FILMS_WEIGHTS, load_films
from explain_core.models.films_net import FILMS_CLASSES, FilmsNet, load_films_net
from explain_core.models.fingerprint import fingerprint
from explain_core.models.model import Model
from explain_core.references.bank import open_bank
from explain_core.references.bank_files import check_bank
from explain_core.types import picture_id
from tests.conftest import REPO

ASSETS = REPO / "assets" / "films"
NAMES = tuple(FILMS_WEIGHTS)


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    return json.loads((ASSETS / CARD_FILE).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: xc.load_model(name) for name in NAMES}


def points_of(model: Model) -> np.ndarray:
    assert model.operating_points is not None
    return model.operating_points


# ---- what ships ----------------------------------------------------------------------------


def test_reads_97_percent_of_200_fresh_films(models: dict[str, Model]) -> None:
    fresh = draw_films(123_456, 200)
    found = measure(models["films"].network, fresh, points_of(models["films"]))
    assert {name: each for name, each in found.items() if each["accuracy"] < 0.97} == {}
    assert min(each["auroc"] for each in found.values()) > 0.98


def test_confounded_network_sees_the_markers_and_nothing_else(models: dict[str, Model]) -> None:
    model = models["films-confounded"]
    marked = measure(model.network, draw_films(77, 40, "both"), points_of(model))
    assert min(each["accuracy"] for each in marked.values()) > 0.95
    plain = measure(model.network, draw_films(77, 40), points_of(model))
    for each in plain.values():
        assert each["sensitivity"] + each["specificity"] < 1.15


@pytest.mark.parametrize("name", NAMES)
def test_model_names_findings_and_operating_points(
    name: str, models: dict[str, Model], card: dict[str, Any]
) -> None:
    model = models[name]
    assert model.is_multi_label
    assert model.classes == films().classes
    assert card[name]["fingerprint"] == model.fingerprint
    told = [card[name]["labels"][label]["operating_point"] for label in model.classes]
    np.testing.assert_allclose(points_of(model), told, rtol=1e-6)


def test_last_block_has_18_by_18_places(models: dict[str, Model]) -> None:
    model = models["films"]
    image = films(1).examples[0].read()
    _, outputs = model.record(model.preprocess(image), [model.layer])
    assert outputs[model.layer].shape == (1, 96, 18, 18)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small_and_sound(name: str, card: dict[str, Any]) -> None:
    weights = ASSETS / FILMS_WEIGHTS[name]
    folder = ASSETS / BANKS_FOLDER / BANKS[name]
    assert card[name]["weights_bytes"] == weights.stat().st_size < 3_000_000
    assert card[name]["bank_bytes"] == sum(each.stat().st_size for each in folder.iterdir())
    assert card[name]["bank_bytes"] < 1_000_000
    assert check_bank(folder) == []
    bank = open_bank(folder)
    assert bank.classes == ("healthy", *FILMS_CLASSES)
    assert bank.counts().tolist() == [150, 60, 60, 60, 60]
    assert bank.labels[:150].tolist() == [0] * 150


@pytest.mark.parametrize(
    ("name", "kind", "index"), [("films", "healthy", 149), ("films-confounded", "nodule", 3)]
)
def test_a_film_of_the_bank_can_be_drawn_anew(name: str, kind: str, index: int) -> None:
    bank = open_bank(ASSETS / BANKS_FOLDER / BANKS[name])
    row = int(bank.rows_of([picture_id(draw_reference(name, kind, index, seed=0))])[0])
    assert bank.path_of(int(bank.ids[row])) == f"{kind}/{index:03}"


@pytest.mark.parametrize("name", NAMES)
def test_films_of_the_bank_are_found_to_show_what_they_are_named_for(
    name: str, models: dict[str, Model]
) -> None:
    model, bank = models[name], open_bank(ASSETS / BANKS_FOLDER / BANKS[name])
    head = model.network.classifier
    logits = head(torch.from_numpy(np.array(bank.features, np.float32))).detach().numpy()
    found = model.probabilities(logits) >= points_of(model)
    there = bank.labels[:, None] == 1 + np.arange(len(FILMS_CLASSES))
    assert (found == there).mean() > 0.95


def test_card_and_readme_state_the_figures(card: dict[str, Any]) -> None:
    told = (ASSETS / README_FILE).read_text(encoding="utf-8")
    for entry in card.values():
        for found in entry["labels"].values():
            assert f"{found['accuracy']:.2%} | {found['auroc']:.4f}" in told
    assert min(each["accuracy"] for each in card["films"]["labels"].values()) >= 0.97
    assert "synthetic phantom, not a patient" in told


def test_diffcam_finds_the_finding_with_the_healthy_films(models: dict[str, Model]) -> None:
    example = films(4, size=(160, 160), seed=1).examples[0]
    healthy = xc.reference_set("phantom-films/healthy")
    smap = xc.explain(models["films"], example.read(), method="diffcam", references=healthy)
    truth = example.truth(None)
    assert truth is not None
    values = np.nan_to_num(smap.on_original())
    assert truth.mask is not None
    assert values[truth.mask].mean() > 3 * np.abs(values[~truth.mask].mean())


# ---- the programme -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network that learnt nothing, and all that goes with it."""
    out = tmp_path_factory.mktemp("made")
    drawn = draw_films(first_seed(3, "train"), 8, "markers", has_places=True)
    network = train_network(drawn, 1, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("explain_core.datasets.film_making.NUM_VALIDATION", 8)
        write("films-confounded", network, out, 8, 1, 3, 2, num_with_finding=1, num_test=8)
    return out


def test_programme_writes_all_files(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    assert names == {"confounded.safetensors", BANKS_FOLDER, CARD_FILE, README_FILE}
    entry = json.loads((made / CARD_FILE).read_text(encoding="utf-8"))["films-confounded"]
    assert entry["without_markers"].keys() == entry["labels"].keys()
    assert load_films("films-confounded", folder=made).fingerprint == entry["fingerprint"]


def test_bank_made_anew_is_the_same(made: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made, tmp_path / "out"))
    folder = out / BANKS_FOLDER / BANKS["films-confounded"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_bank("films-confounded", out, seed=3, num_healthy=2, num_with_finding=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_training_is_settled_by_the_seed_and_leaves_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    drawn = draw_films(5, 4, has_places=True)
    first, again, other = (fingerprint(train_network(drawn, 1, seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_are_those_of_the_findings_or_of_the_markers() -> None:
    honest, marked, both = (draw_films(9, 12, kind) for kind in ("none", "markers", "both"))
    assert torch.equal(honest.labels, both.labels)
    assert not torch.equal(honest.labels, marked.labels)
    corner = (slice(None), 0, slice(0, 14), slice(0, 14))
    for films_drawn in (marked, both):  # markers are burned in wherever a label holds
        changed = (films_drawn.pixels != honest.pixels).flatten(1).any(dim=1)
        assert torch.equal(changed, films_drawn.labels.any(dim=1))
    assert not torch.equal(both.pixels[corner], honest.pixels[corner])


def test_places_are_those_that_the_evidence_touches() -> None:
    drawn = draw_films(9, 6, "none", has_places=True)
    rng = np.random.default_rng(9)
    rng.random((2, 6, 4))
    sizes = rng.integers(192, 321, (6, 2)).tolist()
    assert drawn.places is not None
    for index, (height, width) in enumerate(sizes):
        shown = [
            name
            for name, is_there in zip(FILMS_CLASSES, drawn.labels[index], strict=True)
            if is_there
        ]
        film = draw_film(9 + index, shown, (height, width))
        for label, name in enumerate(FILMS_CLASSES):
            places = drawn.places[index, label]
            assert places.any() == (name in shown)
            if name not in shown:
                continue
            mask = film.findings[name].mask
            rows, columns = np.nonzero(mask)
            scale, longer = 18 / max(height, width), max(height, width)
            down, right = (longer - height) / 2, (longer - width) / 2
            touched = np.zeros((18, 18), bool)
            touched[
                ((rows + 0.5 + down) * scale).astype(int),
                ((columns + 0.5 + right) * scale).astype(int),
            ] = True
            both = (places.numpy() & touched).sum()
            assert both >= 0.9 * places.sum()
            assert both >= 0.5 * touched.sum()


def test_shift_moves_whole_films_by_up_to_four_pixels() -> None:
    pixels = torch.zeros(300, 1, 17, 19)
    pixels[:, 0, 8, 9] = 1
    _, _, rows, columns = shift_randomly(pixels, torch.Generator().manual_seed(0)).nonzero(
        as_tuple=True
    )
    assert set((rows - 8).tolist()) == set((columns - 9).tolist()) == set(range(-4, 5))


def test_auroc_is_how_often_a_pair_is_in_order() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.9, 0.9])
    labels = np.array([0, 0, 1, 1, 0, 1])
    pairs = [
        1.0 if there > absent else 0.5 * (there == absent)
        for there in scores[labels == 1]
        for absent in scores[labels == 0]
    ]
    assert auroc(scores, labels) == pytest.approx(np.mean(pairs))


def test_operating_point_lies_amid_the_best_thresholds() -> None:
    predicted = np.array([[0.1], [0.2], [0.6], [0.9]])
    (point,) = operating_points(predicted, np.array([[0], [0], [1], [1]]))
    assert point == pytest.approx(0.4, abs=0.011)


def test_measure_counts_by_label() -> None:
    class Fixed(FilmsNet):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[9.0, -9, 9, -9], [9, -9, -9, 9]])

    labels = torch.tensor([[1.0, 0, 1, 1], [0, 1, 0, 0]])
    drawn = LabelledFilms(torch.zeros(2, 1, 144, 144), labels)
    found = measure(Fixed(), drawn, np.full(4, 0.5))
    accuracy = [each["accuracy"] for each in found.values()]
    assert accuracy == [0.5, 0.5, 1.0, 0.0]
    assert found["opacity"] == {
        "accuracy": 0.5, "auroc": 0.5, "sensitivity": 1.0, "specificity": 0.0,
    }  # fmt: skip
    assert probabilities(Fixed(), drawn).shape == (2, 4)


# ---- what is missing or wrong --------------------------------------------------------------


def test_missing_weights_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing; make them with .*films train"):
        load_films_net(tmp_path / "none.safetensors")


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit the films network"):
        load_films_net(REPO / "assets" / "digits" / "weights.safetensors")


@pytest.mark.parametrize("text", ["{", "{}", '{"films-confounded": {"labels": []}}'])
def test_damaged_card_says_how_to_make_it(text: str, made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "confounded.safetensors", tmp_path)
    (tmp_path / CARD_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="does not say from which probability"):
        load_films("films-confounded", folder=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epochs", "0"], "--epochs must be at least 1"),
        (["train", "--films", "0"], "--films must be at least 1"),
        (["bank", "--num-healthy", "0"], "--num-healthy must lie between 1 and 100000"),
        (["bank", "--num-with-finding", "-1"], "--num-with-finding must lie between 0 and 100000"),
    ],
)
def test_command_reports_an_error_without_a_traceback(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_bank_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--num-healthy must lie between 1"):
        make_bank("films", tmp_path, num_healthy=0)
