"""What Ray's workers do for a bank; `commands/test_ray.py` runs them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import ray_engine
from explain_core.references.building import build_bank
from explain_core.references.embedding import Item, embed
from tests.oracles.folders import NO_PICTURE, class_folders, encoded, fill
from tests.oracles.nets import TinyNet, wrap


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model("digits", device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = class_folders(tmp_path_factory.mktemp("images"), 3, 5)
    return fill(root, {"1/bad.png": NO_PICTURE})


def worker(model: xc.Model, images: Path, fingerprint: str | None = None) -> ray_engine._Worker:
    return ray_engine._Worker(
        name="digits",
        fingerprint=fingerprint or model.fingerprint,
        images=str(images),
        layer=model.layer,
        pooling="mean",
        readers=1,
        catalogue="no such file",
    )


def test_what_a_worker_sends_back_is_what_was_read(model: xc.Model, images: Path) -> None:
    entries = {"0/000.png": "0", "1/bad.png": "1", "2/004.png": None}
    (columns,) = worker(model, images)({"path": np.array(list(entries), object)})
    found = ray_engine._embedded(columns, entries)
    items = [Item(path, name, images / path) for path, name in entries.items()]
    (expected,) = embed(model, items)
    np.testing.assert_allclose(found.features, expected.features, rtol=1e-6)
    assert [(item.path, item.class_name) for item in found.items] == [
        ("0/000.png", "0"),
        ("2/004.png", None),
    ]
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.thumbnails == expected.thumbnails
    assert found.refused == expected.refused


def test_a_worker_with_other_weights_is_refused(model: xc.Model, images: Path) -> None:
    other = worker(model, images, fingerprint="abc")
    with pytest.raises(BankError, match="a worker loads other weights under the name 'digits'"):
        next(other({"path": np.array(["0/000.png"], object)}))


def test_a_workers_error_is_told_without_rays_advice() -> None:
    error = RuntimeError("ray::MapWorker ...")
    error.__cause__ = BankError("other weights; give the same\nTo change retry attempts, ...")
    assert str(ray_engine._ours(error)) == "other weights; give the same"


def test_rays_own_failure_says_how_to_go_on() -> None:
    error = RuntimeError("a long story\nthe node was lost")
    told = str(ray_engine._ours(error))
    assert told.startswith("Ray gave up (RuntimeError: the node was lost); what came back is kept")


def test_a_model_without_a_name_to_load_it_by_is_refused(images: Path) -> None:
    batches = ray_engine.embed_by_ray(wrap(TinyNet(1)), images, [("0/000.png", "0")], "a", "mean")
    with pytest.raises(InputError, match="workers load the model by name, and 'module' is none"):
        next(batches)


def test_without_ray_the_command_that_installs_it_is_told(
    model: xc.Model, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'ray\[data\]'"):
        build_bank(model, images, tmp_path / "bank", engine="ray")
    assert not (tmp_path / "bank").exists()


def test_nothing_new_starts_no_ray(model: xc.Model, tmp_path: Path) -> None:
    images = fill(tmp_path / "images", {"0/a.png": encoded((28, 28))})
    build_bank(model, images, tmp_path / "bank")
    assert list(ray_engine.embed_by_ray(model, images, [], model.layer, "mean")) == []
