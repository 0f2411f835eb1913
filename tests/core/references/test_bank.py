"""Reference sets by key and by class, from a small bank and the bundled one."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.references.bank import Bank, load_bank

FEATURES = np.arange(12, dtype=np.float16).reshape(6, 2)
BANK = Bank("small", FEATURES, np.array([0, 2, 0, 5, 2, 2]), "stage2", "abc")


def test_class_zero_has_examples():
    np.testing.assert_array_equal(BANK.reference_set((0,)).features, FEATURES[[0, 2]])


def test_union_holds_the_examples_of_each_class():
    assert BANK.reference_set((0, 5)).labels.tolist() == [0, 0, 5]


def test_all_but_leaves_out_the_target():
    assert BANK.all_but(2).labels.tolist() == [0, 0, 5]


def test_all_but_zero_leaves_out_class_zero():
    assert BANK.all_but(0).labels.tolist() == [2, 5, 2, 2]


def test_set_knows_whose_features_it_holds():
    references = BANK.reference_set((5,))
    assert (references.layer, references.fingerprint, references.key) == (
        "stage2",
        "abc",
        "small/5",
    )


def test_class_without_examples_is_refused():
    with pytest.raises(BankError, match=r"no examples of the classes \[1\]; it holds \[0, 2, 5\]"):
        BANK.reference_set((0, 1))


def test_no_class_at_all_is_refused():
    with pytest.raises(BankError, match="no examples of the classes asked for"):
        BANK.reference_set(())


@pytest.mark.parametrize(
    ("key", "classes"),
    [("digits/5", {5}), ("digits/0", {0}), ("digits/5+8", {5, 8})],
)
def test_key_names_classes(key, classes):
    assert set(xc.reference_set(key).labels.tolist()) == classes


def test_key_names_all_but_a_class():
    assert set(xc.reference_set("digits/all-but-3").labels.tolist()) == set(range(10)) - {3}


def test_set_keeps_its_key():
    assert xc.reference_set("digits/5+8").key == "digits/5+8"


@pytest.mark.parametrize("key", ["digits", "digits/", "digits/five", "digits/all-but-x"])
def test_malformed_key_is_refused(key):
    with pytest.raises(InputError, match="names no reference set; write BANK/CLASS"):
        xc.reference_set(key)


def test_unknown_bank_is_refused():
    with pytest.raises(BankError, match=r"there is no bank 'birds'; bundled: \['digits'\]"):
        xc.reference_set("birds/3")


def test_digit_that_does_not_exist_is_refused():
    with pytest.raises(BankError, match=r"no examples of the classes \[10\]"):
        xc.reference_set("digits/10")


def test_bundled_features_are_those_of_the_bundled_network():
    model = xc.load_model("digits", device="cpu")
    bank = load_bank("digits")
    assert (bank.fingerprint, bank.layer) == (model.fingerprint, model.layer)


def test_bundled_bank_holds_500_pictures_of_each_digit():
    assert np.bincount(load_bank("digits").labels).tolist() == [500] * 10


def test_bundled_features_are_read_only():
    assert not xc.reference_set("digits/5").features.flags.writeable


def test_empty_reference_set_is_refused():
    with pytest.raises(InputError, match=r"needs features of shape \(n, d\) with n >= 1"):
        xc.ReferenceSet("none", np.empty((0, 3)), np.empty(0), "stage2", "abc")


def test_labels_must_match_the_features():
    with pytest.raises(InputError, match="has 2 features but 3 labels"):
        xc.ReferenceSet("odd", np.ones((2, 3)), np.zeros(3), "stage2", "abc")
