"""Drawn birds in the form of CUB-200-2011, read back by the reader of that set."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from explain_core.datasets.bird_cub import PART_MASKS
from explain_core.datasets.bird_species import PARTS, SPECIES, differing_parts
from explain_core.datasets.birds import bird, main
from explain_core.datasets.dataset import Dataset
from explain_core.datasets.readers.cub import read_cub

SIZE_PX = 48
SEED = 2
CUB_NAMES = {
    "bill": {"beak"},
    "crown": {"crown"},
    "wing bar": {"left wing", "right wing"},
    "breast": {"breast"},
    "tail": {"tail"},
    "feet": {"left leg", "right leg"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "birds"
    options = ["--out", str(root), "--num-per-species", "2", "--size", str(SIZE_PX)]
    assert main(["export", *options, "--seed", str(SEED)]) == 0
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return read_cub(folder, "all")


def test_pictures_are_read_back(data: Dataset) -> None:
    assert len(data.examples) == 40
    for index in (0, 17, 39):
        expected = bird(index, size_px=SIZE_PX, seed=SEED).read().pixels
        np.testing.assert_array_equal(data.examples[index].read().pixels, expected)


def test_classes_are_the_species(data: Dataset) -> None:
    assert [name[4:].replace("_", " ") for name in data.classes] == [s.name for s in SPECIES]
    assert [example.label for example in data.examples] == [*data.classes, *data.classes]


@pytest.mark.parametrize(("part", "first"), [("train", 0), ("test", 20)])
def test_half_of_each_species_is_for_training(folder: Path, part: str, first: int) -> None:
    half = read_cub(folder, part).examples  # type: ignore[arg-type]
    assert [example.label for example in half] == [*read_cub(folder, "all").classes]
    expected = bird(first, size_px=SIZE_PX, seed=SEED).read().pixels
    np.testing.assert_array_equal(half[0].read().pixels, expected)


def test_masks_are_the_birds(data: Dataset) -> None:
    truth = data.examples[3].truth(None)
    assert truth is not None
    silhouette = bird(3, size_px=SIZE_PX, seed=SEED).paint().silhouette()
    np.testing.assert_array_equal(truth.mask, silhouette > 0.5)


def test_boxes_enclose_the_masks(data: Dataset) -> None:
    for example in data.examples[:5]:
        truth = example.truth(None)
        assert truth is not None
        (box,) = truth.boxes
        rows, columns = np.nonzero(truth.mask)
        assert (box.top, box.bottom) == (rows.min(), rows.max() + 1)
        assert (box.left, box.right) == (columns.min(), columns.max() + 1)


def test_differing_parts_are_read_back(data: Dataset) -> None:
    for first, second in combinations(range(20), 2):
        truth = data.examples[first].truth(data.classes[second])
        assert truth is not None
        expected = differing_parts(SPECIES[first], SPECIES[second])
        names = {part.name for part in truth.parts}
        assert names == set().union(*(CUB_NAMES[part] for part in expected)), (first, second)


def test_keypoints_are_read_back(data: Dataset) -> None:
    for index in range(6):
        truth = data.examples[index].truth(None)
        assert truth is not None
        found = {part.name: part for part in truth.parts}
        drawn = bird(index, size_px=SIZE_PX, seed=SEED)
        near = "right" if drawn.hand.facing == 1 else "left"
        ours = {part.name: part for part in drawn.parts()}
        names = {"beak": "bill", "tail": "tail", f"{near} wing": "wing bar", f"{near} leg": "feet"}
        for cub_name, name in names.items():
            assert found[cub_name].is_visible
            assert found[cub_name].row == pytest.approx(ours[name].row, abs=0.01)
            assert found[cub_name].column == pytest.approx(ours[name].column, abs=0.01)
        assert sum(not part.is_visible for part in truth.parts) == 2  # the far wing and eye


def test_part_masks_hold_the_number_of_each_part(folder: Path) -> None:
    path = folder / PART_MASKS / "008.Plain-winged_Fenlark" / "Plain-winged_Fenlark_00008.png"
    numbers = np.asarray(Pillow.open(path))
    painting = bird(7, size_px=SIZE_PX, seed=SEED).paint()
    for number, part in enumerate(PARTS, start=1):
        np.testing.assert_array_equal(numbers == number, painting.share(part) > 0.5)


def test_a_folder_that_is_there_is_refused(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export", "--out", str(folder)]) == 1
    assert "is there already; name a new folder" in capsys.readouterr().err


def test_no_pictures_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export", "--out", str(tmp_path / "new"), "--num-per-species", "0"]) == 1
    assert "num_per_species must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
