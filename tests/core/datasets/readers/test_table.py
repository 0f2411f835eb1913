"""The table of readers, and the sets without truth: Places365 and MNIST."""

from __future__ import annotations

import ast
import pickle
from itertools import islice
from pathlib import Path

import pytest

from explain_core.datasets.mnist import load_mnist
from explain_core.datasets.readers.table import READERS, read_dataset
from explain_core.errors import InputError
from tests.conftest import REPO
from tests.core.datasets.mnist_making import write_tiny
from tests.core.datasets.readers.making import picture, text


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_a_wrong_folder_with_what_it_expects(
    name: str, tmp_path: Path
) -> None:
    reader = READERS[name]
    missing = tmp_path / "missing"
    (tmp_path / "empty").mkdir()
    for folder in (missing, tmp_path / "empty"):
        with pytest.raises(InputError) as caught:
            read_dataset(name, folder)
        message = str(caught.value)
        expected = "idx3-ubyte" if name == "mnist" else reader.layout[:40]
        assert str(folder) in message
        assert expected in message


def test_every_reader_is_documented() -> None:
    documented = (REPO / "docs" / "datasets.md").read_text(encoding="utf-8")
    for name, reader in READERS.items():
        assert reader.name == name
        assert f"- **{reader.title}** (`{name}`): {reader.layout}." in documented
        assert all(f"`{part}`" in documented for part in reader.parts), name


def test_unknown_reader_and_part_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reader 'imagenett'; choose one of images, imagenet"):
        read_dataset("imagenett", tmp_path)
    with pytest.raises(InputError, match="RSNA pneumonia has no parts"):
        read_dataset("rsna", tmp_path, "test")
    with pytest.raises(InputError, match="CUB-200-2011 has no part 'valid'"):
        read_dataset("cub", tmp_path, "valid")


def test_readers_import_nothing_optional_by_themselves() -> None:
    core = REPO / "explain_core"
    for path in [*(core / "datasets" / "readers").glob("*.py"), core / "images" / "dicom.py"]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = [alias.name for alias in getattr(node, "names", ())]
            modules.append(getattr(node, "module", None) or "")
            roots = {module.partition(".")[0] for module in modules}
            assert not roots & {"pydicom", "scipy", "pandas", "pyarrow"}, path.name


def test_datasets_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle", reason="ray brings it")
    picture(tmp_path / "wren" / "a.png", 5)
    sent = pickle.loads(cloudpickle.dumps(read_dataset("images", tmp_path)))
    assert sent.examples[0].read().pixels[0, 0, 0] == 5


# Places365


@pytest.fixture
def places(tmp_path: Path) -> Path:
    text(tmp_path / "categories_places365.txt", "/a/airfield 0\n/b/bus_station/indoor 1\n")
    text(tmp_path / "places365_val.txt", "Places365_val_1.jpg 1\nPlaces365_val_2.jpg 0\n")
    text(tmp_path / "places365_train_standard.txt", "/a/airfield/00000001.jpg 0\n")
    picture(tmp_path / "val_256" / "Places365_val_1.jpg", 1)
    picture(tmp_path / "data_256" / "a" / "airfield" / "00000001.jpg", 9)
    return tmp_path


def test_places_names_and_labels(places: Path) -> None:
    dataset = read_dataset("places365", places)
    assert dataset.classes == ("airfield", "bus_station/indoor")
    assert [each.label for each in dataset.examples] == ["bus_station/indoor", "airfield"]
    assert dataset.examples[0].read().pixels[0, 0, 0] == 1
    train = read_dataset("places365", places, "train")
    assert train.examples[0].read().pixels[0, 0, 0] == 9


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("places365_val.txt", "Places365_val_1.jpg 2\n", "the class must be a number from 0 to 1"),
        ("places365_val.txt", "Places365_val_1.jpg\n", "of the form PATH NUMBER"),
        ("places365_val.txt", "", "names no pictures"),
        ("categories_places365.txt", "/a/airfield 1\n", "must number its classes from 0"),
    ],
)
def test_broken_places_are_refused(places: Path, file: str, content: str, message: str) -> None:
    text(places / file, content)
    with pytest.raises(InputError, match=message):
        read_dataset("places365", places)


# MNIST


def test_mnist_examples_are_its_digits(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path / "tiny")
    dataset, digits = read_dataset("mnist", folder), load_mnist("test", folder)
    assert len(dataset.examples) == 20
    for index, example in enumerate(dataset.examples):
        assert example.label == str(int(digits.labels[index]))
        assert (example.read().pixels == digits.images[index].numpy()).all()
    assert len({example.id for example in dataset.examples}) == 20


def test_real_mnist(data_dir: Path) -> None:
    dataset = read_dataset("mnist", data_dir / "mnist")
    assert len(dataset.examples) == 10_000
    labels = [example.label for example in islice(dataset.examples, 10)]
    assert labels == list("7210414959")
