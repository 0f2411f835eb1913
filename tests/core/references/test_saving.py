"""Saved sets: what is kept, under which names, and that broken files do no harm."""

import errno
import os
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import explain_core.references.saving as saving
from explain_core.errors import BankError, InputError
from explain_core.images.thumbnails import thumbnail
from explain_core.references.saving import (
    SavedInfo,
    broken_sets,
    load_set,
    save_set,
    saved_sets,
    sets_folder,
)
from explain_core.types import ReferenceSet, picture_id
from tests.oracles.nets import TinyNet, picture, reference_features, wrap

IMAGES = [picture(seed=seed) for seed in range(3)]
THUMBNAILS = {picture_id(image): thumbnail(image) for image in IMAGES}


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path))
    return tmp_path / "sets"


def made(model, dtype=np.float32, **changes):
    fields = {
        "key": "uploaded",
        "features": reference_features(3, 8).astype(dtype),
        "labels": np.array([4, -1, 2]),
        "layer": "stage2",
        "fingerprint": model.fingerprint,
        "ids": np.array(list(THUMBNAILS), np.uint64),
    }
    return ReferenceSet(**(fields | changes))


# ---- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_set_comes_back_as_it_was(model, folder, dtype):
    references = made(model, dtype, pooling="both")
    save_set(references, "healthy films", THUMBNAILS, "3 films, drawn by hand")
    loaded, _, about = load_set("healthy films", model)
    assert loaded.digest == references.digest
    assert loaded.features.dtype == dtype
    np.testing.assert_array_equal(loaded.features, references.features)
    np.testing.assert_array_equal(loaded.labels, references.labels)
    np.testing.assert_array_equal(loaded.ids, references.ids)
    assert (loaded.key, loaded.layer, loaded.pooling) == ("healthy films", "stage2", "both")
    assert about == "3 films, drawn by hand"


def test_pictures_come_back_by_their_ids(model, folder):
    save_set(made(model), "films", THUMBNAILS, "")
    _, pictures, _ = load_set("films", model)
    assert pictures.thumbnails == THUMBNAILS
    assert [pictures.picture(picture_id(image)).digest for image in IMAGES] == [
        image.digest for image in IMAGES
    ]


def test_thumbnails_may_be_missing_and_others_are_not_saved(model, folder):
    first, second, _ = THUMBNAILS
    given = {first: b"", second: b"two", 12345: b"another's"}
    save_set(made(model), "films", given, "")
    assert load_set("films", model)[1].thumbnails == {second: b"two"}


def test_arrays_of_a_loaded_set_are_read_only(model, folder):
    save_set(made(model), "films", {}, "")
    loaded, _, _ = load_set("films", model)
    assert not any(a.flags.writeable for a in (loaded.features, loaded.labels, loaded.ids))


def test_a_file_holds_no_key(model, folder):
    """The key may be the name of a file that was uploaded."""
    path = save_set(made(model, key="Erika Mustermann.png"), "films", THUMBNAILS, "")
    assert b"Mustermann" not in path.read_bytes()


def test_saved_sets_are_listed_by_name(model, folder):
    save_set(made(model), "b", THUMBNAILS, "second")
    save_set(made(model, layer="stage3"), "a", {}, "first")
    assert saved_sets(model) == (
        SavedInfo("a", 3, "stage3", "mean", "first"),
        SavedInfo("b", 3, "stage2", "mean", "second"),
    )
    assert broken_sets() == ()


# ---- the folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_folder_nothing_is_saved_or_listed(model, monkeypatch, value):
    monkeypatch.delenv("WHYNOT_REFERENCES", raising=False)
    if value is not None:
        monkeypatch.setenv("WHYNOT_REFERENCES", value)
    assert sets_folder() is None
    assert (saved_sets(model), broken_sets()) == ((), ())
    with pytest.raises(BankError, match="set WHYNOT_REFERENCES to a folder"):
        save_set(made(model), "films", {}, "")


def test_a_variable_that_names_no_folder_is_told(model, monkeypatch, tmp_path):
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "nowhere"))
    for ask in (sets_folder, broken_sets, lambda: saved_sets(model)):
        with pytest.raises(BankError, match="which is no folder; create it, or correct or unset"):
            ask()


def test_the_folder_of_sets_need_not_exist(model, folder):
    assert sets_folder() == folder
    assert (saved_sets(model), broken_sets()) == ((), ())
    assert save_set(made(model), "films", {}, "") == folder / "films.safetensors"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_files_have_the_mode_that_the_umask_gives(model, folder, umask, mode):
    before = os.umask(umask)
    try:
        path = save_set(made(model), "films", {}, "")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil", "a/b", "/etc/evil", ".hidden", "a\\b", ""])
def test_names_are_no_paths(model, folder, name):
    with pytest.raises(InputError, match="choose another name"):
        save_set(made(model), name, {}, "")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["../sets/films", "films.safetensors", "./films", "Films", ""])
def test_only_listed_names_are_loaded(model, folder, name):
    save_set(made(model), "films", {}, "")
    with pytest.raises(BankError, match=r"there is no saved set .*; saved for 'module': \['films"):
        load_set(name, model)


def test_a_name_that_is_taken_is_refused(model, folder):
    save_set(made(model), "films", {}, "first")
    with pytest.raises(InputError, match="there is a saved set 'films' already"):
        save_set(made(model), "films", {}, "second")
    assert load_set("films", model)[2] == "first"


def test_a_name_that_is_taken_is_refused_without_hard_links(model, folder, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "no links here")

    monkeypatch.setattr(saving.os, "link", refuse)
    save_set(made(model), "films", {}, "first")
    with pytest.raises(InputError, match="there is a saved set 'films' already"):
        save_set(made(model), "films", {}, "second")
    assert load_set("films", model)[2] == "first"


def test_a_set_is_replaced_on_demand(model, folder):
    save_set(made(model), "films", {}, "first")
    save_set(made(model), "films", {}, "second", replace=True)
    assert load_set("films", model)[2] == "second"
    assert [path.name for path in folder.iterdir()] == ["films.safetensors"]


def test_a_long_text_is_refused(model, folder):
    with pytest.raises(InputError, match="about has 2001 characters"):
        save_set(made(model), "films", {}, 2001 * "x")


# ---- disks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_a_failed_write_leaves_nothing_and_is_told(model, folder, monkeypatch, number):
    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(saving.os, "fsync", fail)
    with pytest.raises(BankError, match=rf"\({os.strerror(number)}\); free space on the disk"):
        save_set(made(model), "films", {}, "")
    assert list(folder.iterdir()) == []


def test_a_failed_replacement_leaves_the_old_set(model, folder, monkeypatch):
    save_set(made(model), "films", {}, "first")

    def fail(_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(saving.os, "fsync", fail)
    with pytest.raises(BankError, match="full"):
        save_set(made(model), "films", {}, "second", replace=True)
    assert load_set("films", model)[2] == "first"


def test_a_file_in_the_folder_s_place_is_told(model, folder):
    folder.write_text("no folder")
    with pytest.raises(BankError, match="cannot be saved in"):
        save_set(made(model), "films", {}, "")
    with pytest.raises(BankError, match="cannot be read"):
        saved_sets(model)


# ---- files that do not fit -----------------------------------------------------------------------


def test_sets_of_another_model_are_not_listed_nor_loaded(model, folder):
    save_set(made(model), "films", {}, "")
    other = wrap(TinyNet(seed=1))
    assert saved_sets(other) == ()
    assert broken_sets() == ()
    with pytest.raises(BankError, match="made with other weights than those of 'module'"):
        load_set("films", other)


def rewritten(path, said=None, **arrays):
    """Write a saved set again with other arrays (None: without) or another header."""
    with saving.safe_open(path, framework="numpy") as file:
        metadata = {**file.metadata(), **(said or {})}
    held = {**load_file(path), **arrays}
    save_file({name: a for name, a in held.items() if a is not None}, path, metadata)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no safetensors at all"),
        lambda path: path.write_bytes(path.read_bytes()[:-5]),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: save_file({"features": np.ones((2, 3))}, path),
        lambda path: rewritten(path, {"format": "whynot-reference-set-9"}),
        lambda path: rewritten(path, {"pooling": "maximum"}),
        lambda path: rewritten(path, ids=None),
        lambda path: rewritten(path, labels=np.zeros(4, np.int64)),
        lambda path: rewritten(path, features=np.ones(3)),
        lambda path: rewritten(path, thumbnails=np.ones((1, 1), np.uint8)),
    ],
)
def test_broken_files_are_listed_with_the_reason_and_not_loaded(model, folder, damage):
    damage(save_set(made(model), "broken", THUMBNAILS, ""))
    save_set(made(model), "whole", {}, "")
    assert [info.name for info in saved_sets(model)] == ["whole"]
    ((name, reason),) = broken_sets()
    assert name == "broken"
    assert reason.endswith("save the set again") or reason.endswith("save it again")
    with pytest.raises(BankError, match="saved set 'broken' cannot be used: the file"):
        load_set("broken", model)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"features": np.full((3, 8), np.nan, np.float32)}, "NaN or infinity"),
        ({"features": np.ones((3, 8), np.int64)}, "floating-point"),
        ({"thumbnail_sizes": np.array([1, 2, 3])}, "do not hold together"),
        ({"thumbnail_sizes": np.array([-1, 0, 1])}, "do not hold together"),
    ],
)
def test_content_that_does_not_hold_together_is_refused_on_loading(model, folder, arrays, reason):
    rewritten(save_set(made(model), "films", THUMBNAILS, ""), **arrays)
    with pytest.raises(BankError, match=rf"saved set 'films' cannot be used: .*{reason}"):
        load_set("films", model)


def test_other_files_in_the_folder_are_ignored(model, folder):
    save_set(made(model), "films", {}, "")
    (folder / "notes.txt").write_text("mine")
    (folder / ".0123.part").write_bytes(b"left over from a crash")
    assert [info.name for info in saved_sets(model)] == ["films"]
    assert broken_sets() == ()
