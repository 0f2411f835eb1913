"""Banks built by Ray's workers against those built here, a worker that is killed included."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import ray_engine
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.references.building import build_bank
from explain_core.references.embedding import Item, embed
from tests.oracles.folders import NO_PICTURE, class_folders, encoded, fill
from tests.oracles.nets import TinyNet, wrap

REPO = Path(__file__).resolve().parents[3]
PATIENCE_S = 150
NUM_EACH = 60

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'ray[data]'"
)


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model("digits", device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = class_folders(tmp_path_factory.mktemp("images"), 3, NUM_EACH)
    return fill(root, {"1/bad.png": NO_PICTURE})


@pytest.fixture(scope="module")
def local(model: xc.Model, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    out = tmp_path_factory.mktemp("banks") / "local"
    build_bank(model, images, out)
    return open_bank(out)


def run_with_ray(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with Ray in a process of its own; Ray leaves its token in `home`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def assert_equal(found: Bank, expected: Bank) -> None:
    """Assert that two banks hold the same pictures, once each, and the same statistics."""
    paths = list(found.files.paths())
    assert len(set(paths)) == len(paths)
    assert sorted(paths) == sorted(expected.files.paths())
    assert set(found.files.skipped()) == set(expected.files.skipped())
    assert check_bank(found.files.folder) == []
    for index in range(3):
        ours, theirs = found.statistics([index]), expected.statistics([index])
        assert ours.count == theirs.count == NUM_EACH
        scale = np.abs(theirs.scatter).max()
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(ours.scatter, theirs.scatter, atol=1e-5 * scale)


KILLING = """
import os, signal, sys
from pathlib import Path
from explain_core.__main__ import main
from explain_core.commands import bank
from explain_core.references import ray_engine

ray_engine._PICTURES_PER_TASK = 4
os.cpu_count = lambda: 2
killed = []

def workers():
    parents, found = {}, []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
            if command.startswith(b"ray::MapWorker"):
                found.append(int(folder.name))
    for pid in found:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            yield pid

def build(*arguments, progress, **options):
    def watch(now):
        progress(now)
        if not killed and now.done < now.total:
            pids = sorted(workers())
            print("workers:", len(pids))
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    return real(*arguments, progress=watch, **options)

real, bank.build_bank = bank.build_bank, build
command = ["bank", "build", "--engine", "ray", "--model", "digits"]
status = main([*command, "--images", sys.argv[1], "--out", sys.argv[2]])
print("killed:", len(killed))
sys.exit(status)
"""


@needs_ray
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker's process in /proc")
def test_two_workers_one_killed_half_way_give_the_same_bank(
    local: Bank, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bank"
    done = run_with_ray(["-c", KILLING, str(images), str(out)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "workers: 2" in done.stdout
    assert "killed: 1" in done.stdout
    assert "180 pictures added" in done.stdout
    assert_equal(open_bank(out), local)


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
