"""Data sets by the text that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from explain_core.errors import InputError
from explain_core.evaluation.sources import SOURCES, generated_source, open_dataset
from explain_core.models.loading import available_models
from tests.oracles.folders import encoded, fill

GENERATED = [name for name, source in SOURCES.items() if not source.needs_folder]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_sets_know_their_truth_and_their_model(name: str) -> None:
    data = open_dataset(f"{name}/40")
    assert data.name == name
    assert data.truths
    assert 40 <= len(data.examples) < 60
    assert SOURCES[name].model in available_models()


@pytest.mark.parametrize("name", GENERATED)
def test_the_text_with_number_and_seed_gives_the_same_pictures(name: str) -> None:
    one, other = open_dataset(name, num=20, seed=3), open_dataset(generated_source(name, 20, 3))
    assert [each.id for each in one.examples] == [each.id for each in other.examples]
    assert [each.id for each in one.examples] != [
        each.id for each in open_dataset(f"{name}/20").examples
    ]


def test_a_folder_is_read(tmp_path: Path) -> None:
    fill(tmp_path, {"heron/a.png": encoded(), "stork/b.png": encoded(seed=1)})
    data = open_dataset(f"images:{tmp_path}")
    assert data.classes == ("heron", "stork")
    assert [each.label for each in data.examples] == ["heron", "stork"]


@pytest.mark.parametrize(
    "source", ["", "nothing", "birds:here", "birds/many", "birds/1/2/3", "cub", "cub:", "a:b"]
)
def test_what_names_no_set_is_refused_with_what_there_is(source: str) -> None:
    with pytest.raises(InputError, match=r"there is no data set .*'strokes', 'birds'.*KIND:FOLDER"):
        open_dataset(source)


def test_no_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="num must be at least 1"):
        open_dataset("birds/0")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        open_dataset(f"cub:{tmp_path / 'nowhere'}")
