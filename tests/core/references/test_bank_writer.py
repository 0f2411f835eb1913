"""Writing of banks: appends, resumes after any death, and what is refused."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import bank_writer
from explain_core.references.bank import open_bank
from explain_core.references.bank_files import check_bank, open_files
from explain_core.references.bank_writer import BankWriter, Row, open_writer
from tests.core.references.bank_making import (
    DIM,
    assert_same_statistics,
    digest_of_folder,
    features_of,
    rows_of,
    small_model,
    write_bank,
    write_in_steps,
)

REPO = Path(__file__).resolve().parents[3]
NAMES = [("cat", "dog", "fish")[index % 3] for index in range(600)]
FEATURES = features_of(len(NAMES), seed=3)

# The sizes of commits differ after a resume, and so do the digests by commit.
BY_COMMIT = ("digests.jsonl", "manifest.json", "lock", "class_means.safetensors")


def skipped(folder: Path) -> list[tuple[str, str]]:
    return list(open_files(folder).skipped())


def test_bank_holds_what_was_appended(tmp_path):
    bank = open_bank(write_bank(tmp_path / "pets", NAMES, FEATURES))
    np.testing.assert_array_equal(bank.features, FEATURES)
    assert [bank.classes[label] for label in bank.labels] == NAMES
    assert bank.ids.tolist() == [1000 + index for index in range(600)]
    assert bank.path_of(1599) == "fish/00599.png"


def test_features_are_rounded_to_float16(tmp_path):
    features = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    bank = open_bank(write_bank(tmp_path / "pets", NAMES[:3], features))
    np.testing.assert_array_equal(bank.features, features.astype(np.float16))


def test_thumbnails_are_kept_apart(tmp_path):
    thumbnails = [b"first", None, b"third, longer"]
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:3], 0, thumbnails), FEATURES[:3])
    bank = open_bank(tmp_path / "pets")
    assert [bank.thumbnail(1000 + row) for row in range(3)] == thumbnails


def test_what_is_not_committed_is_not_seen(tmp_path):
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:3]), FEATURES[:3])
        assert len(open_bank(tmp_path / "pets")) == 0
        writer.commit()
        assert len(open_bank(tmp_path / "pets")) == 3


def test_commits_by_itself_after_so_many_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(bank_writer, "COMMIT_ROWS", 100)
    with open_writer(tmp_path / "pets", small_model()) as writer:
        for first in range(0, 150, 50):
            writer.append(rows_of(NAMES[first : first + 50], first), FEATURES[first : first + 50])
        assert len(open_bank(tmp_path / "pets")) == 100


def test_commits_by_itself_after_so_many_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(bank_writer, "COMMIT_SECONDS", -1)
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:3]), FEATURES[:3])
        assert len(open_bank(tmp_path / "pets")) == 3


def test_appended_bank_is_the_one_written_at_once(tmp_path):
    at_once = write_bank(tmp_path / "once", NAMES, FEATURES)
    for end in (1, 200, 600):
        with open_writer(tmp_path / "steps", small_model()) as writer:
            write_in_steps(writer, NAMES[:end], FEATURES, 70)
    assert digest_of_folder(tmp_path / "steps", BY_COMMIT) == digest_of_folder(at_once, BY_COMMIT)
    assert check_bank(tmp_path / "steps") == []


def test_statistics_of_an_appended_bank_are_those_of_the_pictures(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:100], FEATURES[:100])
    with open_writer(folder, small_model()) as writer:
        write_in_steps(writer, NAMES, FEATURES, 250)
    bank = open_bank(folder)
    for classes in ((0,), (1, 2)):
        assert_same_statistics(bank.statistics(classes), FEATURES[np.isin(bank.labels, classes)])


def test_appending_touches_nothing_that_is_there(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:100], FEATURES[:100])
    before = (folder / "features.f16").read_bytes()
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(NAMES[100:], 100), FEATURES[100:])
    assert (folder / "features.f16").read_bytes().startswith(before)


def test_interrupted_block_keeps_what_was_appended(tmp_path):
    def write_and_stop() -> None:
        with open_writer(tmp_path / "pets", small_model()) as writer:
            writer.append(rows_of(NAMES[:5]), FEATURES[:5])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert len(open_bank(tmp_path / "pets")) == 5


def test_close_commits(tmp_path):
    writer = open_writer(tmp_path / "pets", small_model())
    writer.append(rows_of(NAMES[:5]), FEATURES[:5])
    writer.close()
    writer.close()
    assert len(open_bank(tmp_path / "pets")) == 5


def test_closed_writer_writes_no_more(tmp_path):
    writer = open_writer(tmp_path / "pets", small_model())
    writer.close()
    with pytest.raises(BankError, match="bank 'pets' is closed for writing; open it again"):
        writer.append(rows_of(NAMES[:5]), FEATURES[:5])


def test_features_of_another_shape_are_refused(tmp_path):
    with (
        open_writer(tmp_path / "pets", small_model()) as writer,
        pytest.raises(InputError, match=r"2 pictures need features of shape \(2, 8\)"),
    ):
        writer.append(rows_of(NAMES[:2]), FEATURES[:3])


# ---- pictures that are left out -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "its features are NaN or infinite"),
        (np.inf, "its features are NaN or infinite"),
        (70_000.0, "its features reach 7e+04, more than float16 holds (65504)"),
    ],
)
def test_features_that_cannot_be_kept_leave_a_picture_out(tmp_path, value, reason):
    features = FEATURES[:3].astype(np.float32)
    features[1, 4] = value
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:3]), features)
    assert open_bank(tmp_path / "pets").ids.tolist() == [1000, 1002]
    assert skipped(tmp_path / "pets") == [("dog/00001.png", reason)]


def test_class_of_left_out_pictures_only_is_no_class(tmp_path):
    features = np.array([[np.nan] * DIM, [1.0] * DIM])
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(["dog", "cat"]), features)
    assert open_files(tmp_path / "pets").manifest.classes == ("cat",)


@pytest.mark.parametrize("step", [1, 2, 5])
def test_same_picture_in_the_same_class_is_left_out(tmp_path, step):
    ids = [7, 8, 7, 8, 7]
    rows = [Row(f"{index}.png", "cat", id, None) for index, id in enumerate(ids)]
    with open_writer(tmp_path / "pets", small_model()) as writer:
        for first in range(0, 5, step):
            writer.append(rows[first : first + step], FEATURES[first : min(5, first + step)])
    assert open_bank(tmp_path / "pets").ids.tolist() == [7, 8]
    assert skipped(tmp_path / "pets") == [
        ("2.png", "the same picture as 0.png"),
        ("3.png", "the same picture as 1.png"),
        ("4.png", "the same picture as 0.png"),
    ]


def test_same_picture_after_a_resume_is_left_out(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:10], FEATURES[:10])
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append([Row("copy.png", "dog", 1004, None)], FEATURES[:1])
    assert skipped(tmp_path / "pets") == [("copy.png", "the same picture as dog/00004.png")]


def test_same_picture_in_two_classes_is_kept_in_both(tmp_path):
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append([Row("a", "cat", 7, None), Row("b", "dog", 7, None)], FEATURES[:2])
    assert open_bank(tmp_path / "pets").labels.tolist() == [0, 1]


def test_known_path_is_passed_over(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:4]), FEATURES[:4])
    assert len(open_bank(tmp_path / "pets")) == 4
    assert skipped(tmp_path / "pets") == []


def test_known_are_the_kept_and_the_left_out(tmp_path):
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append(rows_of(NAMES[:2]), FEATURES[:2])
        writer.skip("dog/broken.png", "it is no picture")
    with open_writer(tmp_path / "pets", small_model()) as writer:
        assert writer.known == {"cat/00000.png", "dog/00001.png", "dog/broken.png"}


def test_picture_is_left_out_once(tmp_path):
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.skip("broken.png", "it is no picture")
        writer.skip("broken.png", "it is no picture")
    assert skipped(tmp_path / "pets") == [("broken.png", "it is no picture")]


def test_names_that_are_no_unicode_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    with open_writer(tmp_path / "pets", small_model()) as writer:
        writer.append([Row(f"{name}/1.png", name, 7, None)], FEATURES[:1])
    bank = open_bank(tmp_path / "pets")
    assert (bank.path_of(7), bank.classes) == (f"{name}/1.png", (name,))


# ---- what does not belong together --------------------------------------------------------------


def test_bank_of_other_weights_is_not_continued(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    with pytest.raises(BankError, match="was made with other weights"):
        open_writer(tmp_path / "pets", small_model(seed=1))


def test_bank_of_another_preprocessing_is_not_continued(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    other = small_model(preprocessing=xc.Preprocessing(size=(6, 6), fit="stretch"))
    with pytest.raises(BankError, match=r"was made with preprocessing .*'crop'.*, not .*'stretch'"):
        open_writer(tmp_path / "pets", other)


def test_bank_of_another_layer_is_not_continued(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    with pytest.raises(BankError, match="was made with layer '0', not 'layer4'"):
        open_writer(tmp_path / "pets", small_model(), layer="layer4")


def test_bank_of_another_pooling_is_not_continued(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    with pytest.raises(BankError, match="was made with pooling 'mean', not 'both'"):
        open_writer(tmp_path / "pets", small_model(), pooling="both")


def test_pooling_by_a_class_token_needs_one(tmp_path):
    with pytest.raises(BankError, match="layer '0' has no class token"):
        open_writer(tmp_path / "pets", small_model(), pooling="class-token")


def test_refused_writer_leaves_the_bank_to_others(tmp_path):
    write_bank(tmp_path / "pets", NAMES[:3], FEATURES[:3])
    with pytest.raises(BankError, match="other weights"):
        open_writer(tmp_path / "pets", small_model(seed=1))
    open_writer(tmp_path / "pets", small_model()).close()


def test_two_folders_of_originals_are_not_mixed(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    open_writer(tmp_path / "pets", small_model(), images=tmp_path / "one").close()
    with pytest.raises(BankError, match=r"the pictures of bank 'pets' lie in '.*one', not in"):
        open_writer(tmp_path / "pets", small_model(), images=tmp_path / "two")


def test_originals_that_were_moved_may_be_named_anew(tmp_path):
    (tmp_path / "one").mkdir()
    open_writer(tmp_path / "pets", small_model(), images=tmp_path / "one").close()
    (tmp_path / "one").rename(tmp_path / "two")
    open_writer(tmp_path / "pets", small_model(), images=tmp_path / "two").close()
    assert open_bank(tmp_path / "pets").images == tmp_path / "two"


def test_originals_are_stored_as_seen_from_the_bank(tmp_path):
    open_writer(tmp_path / "pets", small_model(), images=tmp_path / "files").close()
    assert open_files(tmp_path / "pets").manifest.images == "../files"


def test_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    with pytest.raises(BankError, match="'letters' is no bank but holds other files, such as 'dea"):
        open_writer(tmp_path / "letters", small_model())
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]


def test_second_writer_is_told_to_wait(tmp_path):
    with (
        open_writer(tmp_path / "pets", small_model()),
        pytest.raises(BankError, match="another process writes bank 'pets'; wait"),
    ):
        open_writer(tmp_path / "pets", small_model())


def test_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BankError, match="bank 'pets': it cannot be written"):
        open_writer(tmp_path / "file" / "pets", small_model())


# ---- death at any moment ------------------------------------------------------------------------

# Python and its packages are loaded once; each writer is a process of its own, made by a fork.
WRITING = """
import os, signal, sys, traceback
from pathlib import Path
from explain_core.references.bank_writer import open_writer
from tests.core.references.bank_making import small_model
from tests.core.references.test_bank_writer import write_rest

def write_until(folder, function, number):
    writer = open_writer(folder, small_model())
    real, calls = getattr(os, function), []

    def deadly(*arguments):
        calls.append(1)
        if len(calls) == number:
            if function == "pwrite":
                real(arguments[0], arguments[1][:3], arguments[2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(os, function, deadly)
    write_rest(writer, 30)

for line in sys.stdin:
    folder, function, number = line.rstrip().split("|")
    process = os.fork()
    if process == 0:
        signal.alarm(120)
        try:
            write_until(Path(folder), function, int(number))
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


def write_rest(writer: BankWriter, step: int) -> None:
    """Append what is missing, every other step committed, and some pictures left out."""
    for first in range(writer.rows, len(NAMES), step):
        end = min(first + step, len(NAMES))
        rows = rows_of(NAMES[first:end], first, [b"thumb"] * (end - first))
        writer.append(rows, FEATURES[first:end])
        if first // step % 2:
            writer.commit()
    for index in range(20):
        writer.skip(f"broken/{index}.png", "it is no picture")
    writer.close()


@pytest.fixture(scope="module")
def writers() -> Iterator[subprocess.Popen[str]]:
    """Give a process that makes writers and tells how they ended."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITING],
        cwd=REPO,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def kill_at(writers: subprocess.Popen[str], folder: Path, function: str, number: int) -> int:
    """Let a writer be killed at some call of a function of `os`; return what was committed."""
    print(folder, function, number, sep="|", file=writers.stdin, flush=True)
    assert int(writers.stdout.readline()) == -signal.SIGKILL
    return len(open_bank(folder))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed") / "pets"
    write_rest(open_writer(folder, small_model()), 600)
    return digest_of_folder(folder, BY_COMMIT)


@pytest.mark.parametrize(
    "kills",
    [
        [("pwrite", 3)],  # before the first commit
        [("pwrite", 26), ("fsync", 40)],  # in the midst of a picture, and of a commit
        [("fsync", 10), ("replace", 2), ("pwrite", 150)],  # of the manifest, and among the skips
    ],
)
def test_killed_writer_is_continued_to_the_same_bank(tmp_path, undisturbed, writers, kills):
    folder = tmp_path / "pets"
    committed = [kill_at(writers, folder, *kill) for kill in kills]
    assert committed == sorted(committed)
    with open_writer(folder, small_model()) as writer:
        assert writer.rows == committed[-1]
        write_rest(writer, 100)
    assert digest_of_folder(folder, BY_COMMIT) == undisturbed
    assert check_bank(folder) == []
    assert_same_statistics(open_bank(folder).statistics((1,)), FEATURES[1::3])


@pytest.mark.parametrize("file", ["features.f16", "labels.i32", "records.jsonl", "skipped.jsonl"])
def test_bytes_beyond_the_last_commit_are_cut_off(tmp_path, file):
    folder = write_bank(tmp_path / "pets", NAMES[:10], FEATURES[:10])
    before = digest_of_folder(folder)
    with (folder / file).open("ab") as stream:
        stream.write(b"half a picture")
    assert len(open_bank(folder)) == 10
    open_writer(folder, small_model()).close()
    assert digest_of_folder(folder) == before


def test_writer_killed_before_its_first_manifest_begins_anew(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:10], FEATURES[:10])
    for name in ("manifest.json", "class_means.safetensors"):
        (folder / name).unlink()
    (folder / "manifest.json.77-1.partial").write_text("{")
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(NAMES[:4]), FEATURES[:4])
    assert len(open_bank(folder)) == 4
    assert check_bank(folder) == []
    assert not list(folder.glob("*.partial"))


# ---- disks that are full ------------------------------------------------------------------------


def full_after(monkeypatch: pytest.MonkeyPatch, function: str, num_calls: int) -> None:
    """Let a function of `os` fail as on a full disk after so many calls."""
    real, calls = getattr(os, function), []

    def limited(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > num_calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    monkeypatch.setattr(os, function, limited)


def append_more(writer: BankWriter) -> None:
    writer.append(rows_of(NAMES[100:150], 100, [b"thumb"] * 50), FEATURES[100:150])
    writer.skip("broken.png", "it is no picture")
    writer.commit()


@pytest.mark.parametrize(
    ("function", "num_calls"),
    [("pwrite", n) for n in range(9)] + [("fsync", n) for n in range(11)] + [("replace", 0)],
)
def test_full_disk_keeps_the_last_commit(tmp_path, monkeypatch, function, num_calls):
    folder = tmp_path / "pets"
    writer = open_writer(folder, small_model())
    writer.append(rows_of(NAMES[:100]), FEATURES[:100])
    writer.commit()
    with monkeypatch.context() as patched:
        full_after(patched, function, num_calls)
        with pytest.raises(BankError, match="'pets': the disk is full; the") as error:
            append_more(writer)
    kept = len(open_bank(folder))
    assert f"the {kept} pictures committed before are kept: make room and run" in str(error.value)
    assert kept == (150 if (function, num_calls) == ("fsync", 10) else 100)
    assert check_bank(folder) == []
    with open_writer(folder, small_model()) as again:
        write_in_steps(again, NAMES, FEATURES, 200)
    np.testing.assert_array_equal(open_bank(folder).features, FEATURES)
    assert check_bank(folder) == []


def test_full_disk_leaves_a_with_block_by_its_own_error(tmp_path, monkeypatch):
    def write() -> None:
        with open_writer(tmp_path / "pets", small_model()) as writer:
            full_after(monkeypatch, "pwrite", 2)
            writer.append(rows_of(NAMES[:100]), FEATURES[:100])

    with pytest.raises(BankError, match="the disk is full; the 0 pictures"):
        write()


def test_disk_that_fails_is_named(tmp_path, monkeypatch):
    writer = open_writer(tmp_path / "pets", small_model())

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(BankError, match=r"it cannot be written \(Input/output error\)"):
        writer.append(rows_of(NAMES[:5]), FEATURES[:5])


def test_writes_that_are_cut_short_are_finished(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, content, at: real(file, content[:100], at))
    write_bank(tmp_path / "pets", NAMES[:50], FEATURES[:50])
    assert check_bank(tmp_path / "pets") == []
    np.testing.assert_array_equal(open_bank(tmp_path / "pets").features, FEATURES[:50])


def test_commits_of_nothing_write_nothing(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:5], FEATURES[:5])
    before = (folder / "manifest.json").stat().st_mtime_ns
    time.sleep(0.01)
    with open_writer(folder, small_model()) as writer:
        writer.commit()
    assert (folder / "manifest.json").stat().st_mtime_ns == before
