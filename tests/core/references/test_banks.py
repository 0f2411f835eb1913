"""Which banks a model has: the bundled ones, the operator's, and those that are refused."""

import os
import shutil
import sys

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references import banks
from explain_core.references.banks import (
    bank_names,
    bank_of,
    banks_of,
    load_bank,
    refused_banks,
)
from tests.core.references.bank_making import features_of, small_model, write_bank

NAMES = ["cat", "dog", "fish", "dog"]
BUNDLED = (
    "digits",
    "drawn-digits",
    "birds",
    "birds-confounded",
    "phantom-films",
    "phantom-films-confounded",
)


@pytest.fixture(scope="module")
def digits() -> xc.Model:
    return xc.load_model("digits", device="cpu")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Name an operator's folder, with an empty place for banks."""
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path))
    (tmp_path / "banks").mkdir()
    return tmp_path / "banks"


def names(found) -> list[str]:
    return [bank.name for bank in found]


# ---- bundled ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "classes"),
    [("digits/5", {5}), ("digits/0", {0}), ("digits/5+8", {5, 8}), ("drawn-digits/7", {7})],
)
def test_key_names_classes(key, classes):
    assert set(xc.reference_set(key).labels.tolist()) == classes


@pytest.mark.parametrize("bank", ["digits", "drawn-digits"])
def test_key_names_all_but_a_class(bank):
    assert set(xc.reference_set(f"{bank}/all-but-3").labels.tolist()) == set(range(10)) - {3}


@pytest.mark.parametrize("key", ["digits/5+8", "digits/3", "digits/all-but-3"])
def test_set_keeps_its_key(key):
    assert xc.reference_set(key).key == key


@pytest.mark.parametrize(
    "key", ["digits", "digits/", "digits/five", "digits/all-but-x", "digits/5+", "digits/-1"]
)
def test_malformed_key_is_refused(key):
    with pytest.raises(InputError, match="names no reference set; write BANK/CLASS"):
        xc.reference_set(key)


@pytest.mark.parametrize("name", ["wrens", "", "..", "../digits", "/etc"])
def test_unknown_bank_is_refused(name):
    with pytest.raises(BankError, match=r"there is no bank '.*'; bundled: \['digits', 'drawn-di"):
        load_bank(name)


def test_digit_that_does_not_exist_is_refused():
    with pytest.raises(BankError, match=r"no examples of the classes \[10\]"):
        xc.reference_set("digits/10")


def test_bundled_banks_are_those_of_the_bundled_network(digits):
    assert names(banks_of(digits)) == ["digits", "drawn-digits"]
    for bank in banks_of(digits):
        assert (bank.fingerprint, bank.layer) == (digits.fingerprint, digits.layer)
        assert (bank.is_aligned, bank.classes) == (True, digits.classes)


def test_bank_of_the_bundled_network_is_that_of_real_digits(digits):
    assert bank_of(digits).name == "digits"


def test_bundled_bank_holds_500_pictures_of_each_digit():
    assert load_bank("digits").counts().tolist() == [500] * 10


def test_bundled_features_are_read_only():
    assert not xc.reference_set("digits/5").features.flags.writeable


def test_other_network_has_no_bundled_bank():
    assert banks_of(small_model()) == ()
    assert bank_of(small_model()) is None


def test_looking_for_banks_loads_no_faiss(digits):
    code = (
        "import sys, explain_core as xc\n"
        "from explain_core.references.banks import banks_of\n"
        "assert len(banks_of(xc.load_model('digits', device='cpu'))) == 2\n"
        "sys.exit('faiss' in sys.modules)"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0


# ---- the operator's -----------------------------------------------------------------------------


def test_operators_banks_come_after_the_bundled(root):
    for name in ("b-pets", "a-pets"):
        write_bank(root / name, NAMES)
    assert bank_names() == (*BUNDLED, "a-pets", "b-pets")


def test_operators_bank_is_the_models(root):
    write_bank(root / "pets", NAMES)
    assert names(banks_of(small_model())) == ["pets"]
    assert bank_of(small_model()).name == "pets"


def test_bank_is_found_only_for_its_weights(root):
    write_bank(root / "pets", NAMES)
    assert banks_of(small_model(seed=1)) == ()


def test_banks_of_the_models_classes_come_first(root):
    write_bank(root / "a-films", ["ill", "healthy"])
    write_bank(root / "b-pets", NAMES)
    assert names(banks_of(small_model())) == ["b-pets", "a-films"]


def test_classes_of_the_model_are_not_looked_up_among_others(root):
    write_bank(root / "films", ["ill", "healthy"])
    assert bank_of(small_model()) is None


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ("films/ill", [0, 2]),
        ("films/healthy", [1]),
        ("films/1", [1]),
        ("films/a+b", [3]),
        ("films/ill+a+b", None),
        ("films/ill+healthy", [0, 1, 2]),
        ("films/healthy+2", [1, 3]),
        ("films/all-but-ill", [1, 3]),
        ("films/all-but-a+b", [0, 1, 2]),
    ],
)
def test_classes_go_by_their_names(root, key, rows):
    write_bank(root / "films", ["ill", "healthy", "ill", "a+b"])
    if rows is None:
        with pytest.raises(InputError, match=r"names no reference set; .* such as films/ill"):
            xc.reference_set(key)
    else:
        found = xc.reference_set(key)
        assert found.key == key
        np.testing.assert_array_equal(found.features, features_of(4)[rows])


def test_class_without_a_picture_is_named(root):
    write_bank(root / "pets", NAMES)
    with pytest.raises(BankError, match=r"bank 'pets' has no examples of the classes \[3\]"):
        xc.reference_set("pets/tench, Tinca tinca")


def test_unknown_bank_names_the_operators(root):
    write_bank(root / "pets", NAMES)
    with pytest.raises(BankError, match=r"the operator's: \['pets'\]"):
        load_bank("wrens")


def test_bank_that_grew_is_opened_again(root):
    write_bank(root / "pets", NAMES)
    assert len(load_bank("pets")) == 4
    shutil.rmtree(root / "pets")
    write_bank(root / "pets", NAMES * 2)
    assert len(load_bank("pets")) == 8


def test_bank_that_did_not_change_is_opened_once(root):
    write_bank(root / "pets", NAMES)
    assert load_bank("pets") is load_bank("pets")


def test_missing_folder_of_the_operator_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "nowhere"))
    assert bank_names() == BUNDLED


@pytest.mark.parametrize("name", [".hidden", "with space", "a\nb"])
def test_folders_with_odd_names_are_passed_over(root, name):
    write_bank(root / name, NAMES)
    assert bank_names() == BUNDLED


# ---- refused ------------------------------------------------------------------------------------


def test_fitting_banks_are_not_refused(root, digits):
    write_bank(root / "pets", NAMES)
    assert refused_banks(small_model()) == refused_banks(digits) == ()


def test_bank_of_other_weights_is_refused_by_the_model_of_its_name(root):
    write_bank(root / "pets", NAMES)
    ((name, reason),) = refused_banks(small_model(seed=1))
    assert name == "pets"
    assert reason == (
        "bank 'pets' was made with other weights than those of 'small'; build it again with this "
        "model"
    )


def test_bank_of_other_preprocessing_is_refused(root):
    write_bank(root / "pets", NAMES)
    other = small_model(preprocessing=xc.Preprocessing(size=(6, 6), fit="stretch"))
    assert banks_of(other) == ()
    ((name, reason),) = refused_banks(other)
    assert name == "pets"
    assert "was made from pictures prepared in another way" in reason


def test_damaged_bank_is_refused_and_the_others_stay(root):
    for name in ("broken", "pets"):
        write_bank(root / name, NAMES)
    (root / "broken" / "ids.u64").unlink()
    assert names(banks_of(small_model())) == ["pets"]
    ((name, reason),) = refused_banks(small_model())
    assert (name, reason[:38]) == ("broken", "bank 'broken': ids.u64 is missing; res")


def test_damaged_bank_cannot_be_loaded(root):
    write_bank(root / "pets", NAMES)
    (root / "pets" / "ids.u64").unlink()
    for _ in range(2):
        with pytest.raises(BankError, match=r"ids.u64 is missing"):
            load_bank("pets")


def test_mended_bank_is_found_again(root):
    folder = write_bank(root / "pets", NAMES)
    (folder / "ids.u64").rename(folder / "away")
    assert banks_of(small_model()) == ()
    (folder / "away").rename(folder / "ids.u64")
    assert names(banks_of(small_model())) == ["pets"]


def test_folder_that_is_no_bank_is_refused(root):
    (root / "letters").mkdir()
    ((name, reason),) = refused_banks(small_model())
    assert name == "letters"
    assert "it has no manifest.json" in reason


def test_bank_without_pictures_is_refused(root):
    write_bank(root / "pets", [])
    assert banks_of(small_model()) == ()
    assert refused_banks(small_model()) == (
        ("pets", "bank 'pets' holds no pictures yet; finish building it"),
    )


def test_name_of_a_bundled_bank_is_taken(root, digits):
    write_bank(root / "digits", NAMES)
    assert load_bank("digits").fingerprint == digits.fingerprint
    assert refused_banks(small_model()) == (
        ("digits", "the bundled bank 'digits' has this name; give the operator's bank another one"),
    )


def test_missing_bundled_bank_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(banks, "_BUNDLED_FOLDER", tmp_path)
    with pytest.raises(BankError, match=r"'digits' is no bank: it has no manifest.json"):
        load_bank("digits")
