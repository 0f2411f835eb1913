"""Banks built from folders against pictures pooled one by one; stopping and going on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import building, embedding
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.references.building import (
    BuildProgress,
    BuildStoppedError,
    _Clock,
    build_bank,
)
from tests.oracles.folders import NO_PICTURE, class_folders, encoded, fill
from tests.oracles.nets import TinyNet, wrap, wrap_headless

REPO = Path(__file__).resolve().parents[3]


def paths_of(bank: Bank) -> list[str]:
    return list(bank.files.paths())


def assert_holds(bank: Bank, model: xc.Model, root: Path, paths: list[str]) -> None:
    """Assert that a bank holds these pictures, once each, with the features of a slow loop."""
    assert sorted(paths_of(bank)) == sorted(paths)
    for path, feature in zip(paths_of(bank), bank.features, strict=True):
        x = model.preprocess(xc.read_image(root / path))
        expected = model.pooled(x, bank.layer, bank.pooling)[0].numpy()
        np.testing.assert_allclose(feature.astype(float), expected, rtol=2e-3, atol=1e-3)
    assert check_bank(bank.files.folder) == []


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "images", num_classes=3, num_each=5)


@pytest.fixture
def model() -> xc.Model:
    return wrap(TinyNet(1), "stage3")


def all_paths(images: Path) -> list[str]:
    return [path.relative_to(images).as_posix() for path in images.rglob("*.png")]


def test_a_bank_holds_each_picture_with_its_features(
    model: xc.Model, images: Path, tmp_path: Path
) -> None:
    built = build_bank(model, images, tmp_path / "bank")
    bank = open_bank(tmp_path / "bank")
    assert_holds(bank, model, images, all_paths(images))
    assert (built.num_added, built.num_known, built.num_skipped) == (15, 0, 0)


def test_classes_are_the_folders(model: xc.Model, images: Path, tmp_path: Path) -> None:
    fill(images, {"loose.png": encoded((20, 28))})
    build_bank(model, images, tmp_path / "bank")
    bank = open_bank(tmp_path / "bank")
    for path, label in zip(paths_of(bank), bank.labels, strict=True):
        assert label == (-1 if path == "loose.png" else bank.classes.index(path.split("/")[0]))


def test_colour_and_gray_of_any_size_go_in_together(tmp_path: Path) -> None:
    shapes = [(20, 28, 3), (50, 30, 3), (31, 64), (7, 5)]
    files = {f"a/{i}.png": encoded(shape, seed=i) for i, shape in enumerate(shapes)}
    root, model = fill(tmp_path / "images", files), wrap(TinyNet(3), "stage3")
    build_bank(model, root, tmp_path / "bank")
    assert_holds(open_bank(tmp_path / "bank"), model, root, list(files))


def test_a_model_without_a_head_builds_like_any_other(tmp_path: Path) -> None:
    root = fill(tmp_path / "images", {f"a/{i}.png": encoded((20, 28, 3), seed=i) for i in range(4)})
    model = wrap_headless(TinyNet())
    build_bank(model, root, tmp_path / "bank")
    assert_holds(open_bank(tmp_path / "bank"), model, root, all_paths(root))


def test_bad_files_are_listed_and_the_rest_is_kept(
    model: xc.Model, images: Path, tmp_path: Path
) -> None:
    good = all_paths(images)
    fill(images, {"1/bad.png": NO_PICTURE, "2/cut.png": encoded()[:200], "2/notes.txt": b"."})
    built = build_bank(model, images, tmp_path / "bank")
    bank = open_bank(tmp_path / "bank")
    assert_holds(bank, model, images, good)
    skipped = dict(bank.files.skipped())
    assert list(skipped) == ["1/bad.png", "2/cut.png"]
    assert "not a picture of a known format" in skipped["1/bad.png"]
    assert "damaged, cut short" in skipped["2/cut.png"]
    assert (built.num_skipped, built.num_ignored) == (2, 1)


def test_nothing_but_bad_files_makes_an_empty_bank_that_lists_them(
    model: xc.Model, tmp_path: Path
) -> None:
    images = fill(tmp_path / "images", {"0/bad.png": NO_PICTURE, "1/bad.png": b""})
    built = build_bank(model, images, tmp_path / "bank")
    bank = open_bank(tmp_path / "bank")
    assert (built.num_added, built.num_skipped, len(bank)) == (0, 2, 0)
    assert [path for path, _ in bank.files.skipped()] == ["0/bad.png", "1/bad.png"]


def test_pictures_that_are_not_listed_now_are_not_counted(
    model: xc.Model, images: Path, tmp_path: Path
) -> None:
    build_bank(model, images, tmp_path / "bank")
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n0/000.png,0\nnew.png,1\n")
    fill(images, {"new.png": encoded((20, 28), seed=77)})
    seen: list[BuildProgress] = []
    built = build_bank(model, images, tmp_path / "bank", csv=table, progress=seen.append)
    assert (built.num_added, built.num_known) == (1, 1)
    assert (seen[-1].done, seen[-1].total) == (2, 2)


def test_a_table_gives_paths_and_labels(model: xc.Model, images: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n2/001.png,cat\n0/003.png,dog\n0/004.png,\ngone.png,cat\n")
    build_bank(model, images, tmp_path / "bank", csv=table)
    bank = open_bank(tmp_path / "bank")
    assert paths_of(bank) == ["2/001.png", "0/003.png", "0/004.png"]
    assert [bank.classes[label] if label >= 0 else None for label in bank.labels] == [
        "cat",
        "dog",
        None,
    ]
    assert [path for path, _ in bank.files.skipped()] == ["gone.png"]


def test_thumbnails_are_kept_unless_unwanted(model: xc.Model, images: Path, tmp_path: Path) -> None:
    build_bank(model, images, tmp_path / "with")
    build_bank(model, images, tmp_path / "without", has_thumbnails=False)
    kept, none = open_bank(tmp_path / "with"), open_bank(tmp_path / "without")
    first = int(kept.ids[0])
    pixels = xc.read_image(images / paths_of(kept)[0]).pixels
    np.testing.assert_array_equal(xc.read_image(kept.thumbnail(first)).pixels, pixels)
    assert none.thumbnail(first) is None


def test_a_second_run_adds_what_is_new_alone(model: xc.Model, images: Path, tmp_path: Path) -> None:
    build_bank(model, images, tmp_path / "bank")
    fill(images, {"1/new.png": encoded((20, 28), seed=77)})
    built = build_bank(model, images, tmp_path / "bank")
    assert (built.num_added, built.num_known) == (1, 15)
    assert_holds(open_bank(tmp_path / "bank"), model, images, all_paths(images))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_MAX_BATCH", 16)


@dataclass
class StopAt:
    """Press Ctrl-C once so many pictures are done."""

    done: int
    seen: list[BuildProgress] = field(default_factory=list)

    def __call__(self, now: BuildProgress) -> None:
        self.seen.append(now)
        if now.done >= self.done:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("small_batches")
def test_ctrl_c_keeps_what_was_done(model: xc.Model, images: Path, tmp_path: Path) -> None:
    class_folders(images, num_classes=3, num_each=100)
    stop = StopAt(done=50)
    with pytest.raises(BuildStoppedError, match=r"of 300 pictures are kept in .*; give"):
        build_bank(model, images, tmp_path / "bank", progress=stop)
    assert 50 <= len(open_bank(tmp_path / "bank")) == stop.seen[-1].done < 300


@pytest.mark.usefixtures("small_batches")
def test_a_resumed_bank_equals_one_built_at_once(
    model: xc.Model, images: Path, tmp_path: Path
) -> None:
    class_folders(images, num_classes=3, num_each=100)
    fill(images, {"0/bad.png": NO_PICTURE, "2/bad.png": NO_PICTURE})
    for done in (60, 200):
        with pytest.raises(KeyboardInterrupt):
            build_bank(model, images, tmp_path / "resumed", progress=StopAt(done))
    build_bank(model, images, tmp_path / "resumed")
    build_bank(model, images, tmp_path / "at once")
    assert_same(open_bank(tmp_path / "resumed"), open_bank(tmp_path / "at once"))


def assert_same(found: Bank, expected: Bank) -> None:
    """Assert that two banks hold the same pictures once each, with the same statistics."""
    assert sorted(paths_of(found)) == sorted(paths_of(expected))
    assert set(found.files.skipped()) == set(expected.files.skipped())
    assert check_bank(found.files.folder) == []
    assert found.classes == expected.classes
    for index in np.flatnonzero(expected.counts()):
        ours, theirs = found.statistics([int(index)]), expected.statistics([int(index)])
        assert ours.count == theirs.count
        scale = np.abs(theirs.scatter).max()
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-3)
        np.testing.assert_allclose(ours.scatter, theirs.scatter, atol=1e-3 * scale)


KILLED = """
import sys, time
from pathlib import Path
import explain_core as xc
from explain_core.references import bank_writer, embedding
from explain_core.references.building import build_bank

bank_writer.COMMIT_ROWS = 8
embedding._MAX_BATCH = 16

def progress(now):
    print(now.done, flush=True)
    time.sleep(0.02)

images, out = map(Path, sys.argv[1:])
build_bank(xc.load_model("digits", device="cpu"), images, out, progress=progress)
"""


def test_a_killed_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    images, out = class_folders(tmp_path / "images", 3, 150), tmp_path / "bank"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(images), str(out)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = iter(process.stdout.readline, "")
        next(line for line in lines if int(line) > 0)
        next(lines)
        process.send_signal(signal.SIGKILL)
    kept = len(open_bank(out))
    assert 0 < kept < 450
    model = xc.load_model("digits", device="cpu")
    built = build_bank(model, images, out)
    assert (built.num_known, built.num_added) == (kept, 450 - kept)
    build_bank(model, images, tmp_path / "at once")
    assert_same(open_bank(out), open_bank(tmp_path / "at once"))


def test_progress_counts_up_to_the_total(model: xc.Model, images: Path, tmp_path: Path) -> None:
    fill(images, {"0/bad.png": NO_PICTURE})
    seen: list[BuildProgress] = []
    build_bank(model, images, tmp_path / "bank", progress=seen.append)
    assert [now.total for now in seen] == [16] * len(seen)
    assert (seen[-1].done, seen[-1].num_skipped, seen[-1].seconds_left) == (16, 1, 0)
    assert [now.done for now in seen] == sorted(now.done for now in seen)


def test_rate_and_time_left_are_counted_from_the_first_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([10.0, 14.0, 15.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    clock = _Clock(total=50)
    assert clock.read(done=10) == (0.0, None)
    assert clock.read(done=30) == (5.0, 4.0)
    assert clock.read(done=50) == (8.0, 0.0)


def test_a_bank_of_other_weights_is_refused(model: xc.Model, images: Path, tmp_path: Path) -> None:
    build_bank(model, images, tmp_path / "bank")
    other = wrap(TinyNet(1, seed=1), "stage3")
    with pytest.raises(BankError, match="was made with other weights"):
        build_bank(other, images, tmp_path / "bank")
    assert len(open_bank(tmp_path / "bank")) == 15


def test_a_bank_of_another_layer_is_refused(model: xc.Model, images: Path, tmp_path: Path) -> None:
    build_bank(model, images, tmp_path / "bank")
    with pytest.raises(BankError, match="was made with layer 'stage3', not 'stage1'"):
        build_bank(model, images, tmp_path / "bank", layer="stage1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "class-token"}, "has no class token"),
        ({"layer": "stage9"}, "no tap at layer 'stage9'"),
        ({"csv": Path("gone.csv")}, "cannot be read as a table"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(
    model: xc.Model, images: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(xc.ExplainError, match=message):
        build_bank(model, images, tmp_path / "bank", **options)
    assert not (tmp_path / "bank").exists()


def test_no_pictures_make_no_bank(model: xc.Model, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="there are no pictures"):
        build_bank(model, tmp_path / "images", tmp_path / "bank")
    assert not (tmp_path / "bank").exists()


def test_a_full_disk_is_told_and_what_was_committed_is_kept(
    model: xc.Model, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_bank(model, images, tmp_path / "bank")
    fill(images, {"1/new.png": encoded((20, 28), seed=77)})
    write: Callable[..., int] = os.pwrite

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(BankError, match="the disk is full; the 15 pictures"):
        build_bank(model, images, tmp_path / "bank")
    monkeypatch.setattr(os, "pwrite", write)
    build_bank(model, images, tmp_path / "bank")
    assert_holds(open_bank(tmp_path / "bank"), model, images, all_paths(images))


def test_pictures_that_workers_lose_or_repeat_are_noticed(
    model: xc.Model, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(*given: Any) -> Generator[embedding.Embedded, None, None]:
        model, images, entries, layer, pooling = given
        for chosen in (entries[:9], entries[5:12]):
            yield from building._embed_here(model, images, chosen, layer, pooling)

    with monkeypatch.context() as patch:
        patch.setattr(building, "_engine", lambda name: careless)
        with pytest.raises(BankError, match="3 pictures never came back from the workers"):
            build_bank(model, images, tmp_path / "bank")
    assert len(open_bank(tmp_path / "bank")) == 12
    assert build_bank(model, images, tmp_path / "bank").num_added == 3
    assert_holds(open_bank(tmp_path / "bank"), model, images, all_paths(images))


def test_the_bank_may_lie_among_the_pictures(model: xc.Model, images: Path) -> None:
    build_bank(model, images, images / "bank")
    assert build_bank(model, images, images / "bank").num_added == 0
    assert len(open_bank(images / "bank")) == 15
