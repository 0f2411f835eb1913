"""Reading MNIST."""

import gzip
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch

from explain_core.datasets.digits import (
    train,
)
from explain_core.datasets.mnist import download_mnist, load_mnist, read_idx
from explain_core.errors import InputError
from tests.core.datasets.mnist_making import write_idx


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
    assert load_mnist("test", folder).images.shape == (20, 28, 28)


def test_missing_folder_names_the_files_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'train-images-idx3-ubyte' .*point --data at a folder"):
        train(tmp_path / "nowhere", tmp_path / "out")


def test_images_and_labels_must_belong_together(tiny: Path) -> None:
    write_idx(tiny / "t10k-labels-idx1-ubyte.gz", np.zeros(7, np.uint8))
    with pytest.raises(InputError, match=r"test images of shape \(20, 28, 28\) and labels"):
        load_mnist("test", tiny)


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
        download_mnist()


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
    assert len(load_mnist("train", download_mnist()).labels) == 40
