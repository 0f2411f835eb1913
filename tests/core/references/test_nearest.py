"""Neighbours found flat and by lists, against a slow loop."""

import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from explain_core.errors import BankError
from explain_core.references import nearest
from explain_core.references.bank import open_bank
from explain_core.references.bank_writer import open_writer
from explain_core.references.nearest import (
    Lists,
    is_large,
    nearest_rows,
    rows_in_lists,
    train_lists,
)
from tests.core.references.bank_making import (
    DIM,
    features_of,
    rows_of,
    slow_nearest,
    small_model,
    write_bank,
)

NUM = 2000
FEATURES = features_of(NUM)
NAMES = ["cat", "dog"] * (NUM // 2)
QUESTION = features_of(1, seed=77)[0].astype(np.float64)


@pytest.fixture
def few_flat(monkeypatch):
    """Let every bank of more than 100 pictures be a large one."""
    monkeypatch.setattr(nearest, "MAX_FLAT_VALUES", 100 * DIM)


@pytest.fixture
def folder(few_flat, tmp_path):
    return write_bank(tmp_path / "pets", NAMES, FEATURES)


@pytest.mark.parametrize("count", [1, 7, 300])
def test_flat_search_is_a_slow_loop(count):
    rows, distances = nearest_rows(FEATURES, QUESTION, count)
    expected_rows, expected = slow_nearest(FEATURES, QUESTION, count)
    assert rows.tolist() == expected_rows
    np.testing.assert_allclose(distances, expected, rtol=1e-12)


def test_flat_search_in_pieces_is_the_same(monkeypatch):
    whole = nearest_rows(FEATURES, QUESTION, 25)
    monkeypatch.setattr(nearest, "_PIECE_BYTES", 4 * DIM * 9)
    for part, expected in zip(nearest_rows(FEATURES, QUESTION, 25), whole, strict=True):
        np.testing.assert_array_equal(part, expected)


def test_flat_search_among_some_rows_is_a_slow_loop():
    among = np.arange(3, NUM, 5)
    rows, _ = nearest_rows(FEATURES, QUESTION, 20, among)
    expected, _ = slow_nearest(FEATURES[among], QUESTION, 20)
    assert rows.tolist() == among[expected].tolist()


def test_equal_pictures_come_in_their_order():
    rows, _ = nearest_rows(np.repeat(FEATURES[:3], 4, axis=0), FEATURES[1].astype(float), 6)
    assert rows[:4].tolist() == [4, 5, 6, 7]


def test_every_row_is_in_the_list_of_its_nearest_centroid():
    lists = train_lists(FEATURES)
    for index, centroid_rows in enumerate(np.split(lists.order, lists.starts[1:-1])):
        assert (np.diff(centroid_rows.astype(int)) > 0).all()
        for row in centroid_rows[:3]:
            gaps = ((lists.centroids - FEATURES[row].astype(np.float64)) ** 2).sum(axis=1)
            assert gaps[index] == pytest.approx(gaps.min(), rel=1e-5)
    assert sorted(lists.order) == list(range(NUM))


def test_lists_are_the_same_each_time():
    first, again = train_lists(FEATURES), train_lists(FEATURES)
    np.testing.assert_array_equal(first.order, again.order)
    np.testing.assert_array_equal(first.centroids, again.centroids)


LISTS = Lists(
    np.array([[0.0], [10.0], [20.0]], np.float32),
    np.array([0, 3, 1, 4, 5, 2], np.uint32),
    np.array([0, 2, 5, 6]),
)


@pytest.mark.parametrize(
    ("at", "count", "num_probed", "expected"),
    [
        (0.0, 1, 1, [0, 3]),
        (9.0, 1, 1, [1, 4, 5]),
        (19.0, 1, 1, [2]),
        (19.0, 2, 1, [1, 2, 4, 5]),  # one list holds too few
        (19.0, 1, 2, [1, 2, 4, 5]),
        (0.0, 6, 1, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_lists_nearest_to_the_question_are_compared(at, count, num_probed, expected):
    assert rows_in_lists(LISTS, 6, np.array([at]), count, num_probed).tolist() == expected


def test_pictures_after_the_index_are_always_compared():
    assert rows_in_lists(LISTS, 8, np.array([0.0]), 1, 1).tolist() == [0, 3, 6, 7]


def test_small_bank_has_no_index(tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES, FEATURES)
    assert not (folder / "nearest.safetensors").exists()


def test_writer_leaves_a_large_bank_its_index(folder):
    assert is_large(open_bank(folder).files)
    assert len(load_file(folder / "nearest.safetensors")["order"]) == NUM


def test_search_by_all_lists_is_a_slow_loop(folder, monkeypatch):
    monkeypatch.setattr(nearest, "NUM_PROBED", 10_000)
    rows, distances = open_bank(folder).nearest(QUESTION, 12)
    expected_rows, expected = slow_nearest(FEATURES, QUESTION, 12)
    assert rows.tolist() == expected_rows
    np.testing.assert_allclose(distances, expected, rtol=1e-12)


def test_search_by_lists_compares_a_part(folder, monkeypatch):
    compared = []

    def watched(features, feature, count, rows=None):
        compared.append(rows)
        return nearest_rows(features, feature, count, rows)

    monkeypatch.setattr("explain_core.references.bank.nearest_rows", watched)
    bank = open_bank(folder)
    rows, distances = bank.nearest(QUESTION, 5)
    assert len(compared[0]) < NUM
    assert set(rows) <= set(compared[0])
    gaps = np.linalg.norm(FEATURES[rows].astype(float) - QUESTION, axis=1)
    np.testing.assert_allclose(distances, gaps, rtol=1e-12)


def test_search_by_lists_finds_most_of_the_nearest(folder):
    bank = open_bank(folder)
    num_found = 0
    for question in features_of(20, seed=5).astype(np.float64):
        expected, _ = slow_nearest(FEATURES, question, 10)
        num_found += len(set(bank.nearest(question, 10)[0]) & set(expected))
    assert num_found >= 0.95 * 200


def test_a_picture_of_the_bank_is_its_own_nearest(folder):
    bank = open_bank(folder)
    for row in (0, 555, NUM - 1):
        rows, distances = bank.nearest(FEATURES[row].astype(np.float64), 1)
        assert (rows.tolist(), distances.tolist()) == ([row], [0.0])


def test_pictures_are_left_out_by_lists_too(folder):
    bank = open_bank(folder)
    rows, _ = bank.nearest(FEATURES[555].astype(np.float64), 3, without=[1555])
    assert 555 not in rows
    assert len(rows) == 3


def test_appended_pictures_are_found_beside_an_older_index(folder):
    late = features_of(50, seed=9)
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(["cat"] * 50, NUM), late)
    assert len(load_file(folder / "nearest.safetensors")["order"]) == NUM
    bank = open_bank(folder)
    for row in (0, 49):
        rows, _ = bank.nearest(late[row].astype(np.float64), 1)
        assert rows.tolist() == [NUM + row]


def test_index_of_too_few_pictures_is_made_anew(few_flat, tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:1000], FEATURES[:1000])
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(NAMES[1000:], 1000), FEATURES[1000:])
    assert len(load_file(folder / "nearest.safetensors")["order"]) == NUM


def test_bank_opened_before_its_index_grew_is_searched_flat(few_flat, tmp_path):
    folder = write_bank(tmp_path / "pets", NAMES[:1000], FEATURES[:1000])
    before = open_bank(folder)
    with open_writer(folder, small_model()) as writer:
        writer.append(rows_of(NAMES[1000:], 1000), FEATURES[1000:])
    expected, _ = slow_nearest(FEATURES[:1000], QUESTION, 5)
    assert before.nearest(QUESTION, 5)[0].tolist() == expected


def test_large_bank_without_an_index_is_searched_flat(folder):
    (folder / "nearest.safetensors").unlink()
    expected, _ = slow_nearest(FEATURES, QUESTION, 5)
    assert open_bank(folder).nearest(QUESTION, 5)[0].tolist() == expected


@pytest.mark.parametrize(
    "damage",
    [
        lambda parts: parts.pop("starts"),
        lambda parts: parts.update(centroids=np.zeros((3, DIM + 1), np.float32)),
        lambda parts: parts.update(order=parts["order"] + np.uint32(1)),
        lambda parts: parts.update(order=parts["order"].astype(np.int64) - 1),
        lambda parts: parts.update(starts=parts["starts"][::-1].copy()),
        lambda parts: parts.update(starts=parts["starts"] * 0),
    ],
)
def test_damaged_index_says_that_it_may_be_deleted(folder, damage):
    parts = load_file(folder / "nearest.safetensors")
    damage(parts)
    save_file(parts, folder / "nearest.safetensors")
    with pytest.raises(BankError, match=r"nearest.safetensors: .*; delete this file"):
        open_bank(folder).nearest(QUESTION, 5)


def test_index_that_is_no_safetensors_says_that_it_may_be_deleted(folder):
    (folder / "nearest.safetensors").write_bytes(b"IwFl" + bytes(100))
    with pytest.raises(BankError, match=r"nearest.safetensors: .*; delete this file"):
        open_bank(folder).nearest(QUESTION, 5)


def test_missing_faiss_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BankError, match="needs faiss; install it with `pip install faiss-cpu`"):
        open_bank(folder).nearest(QUESTION, 5)


def test_no_room_for_the_index_leaves_the_bank_sound(few_flat, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nearest, "replace_file", refuse)
    with pytest.raises(BankError, match="the bank itself is sound, and searched more slowly"):
        write_bank(tmp_path / "pets", NAMES, FEATURES)
    expected, _ = slow_nearest(FEATURES, QUESTION, 5)
    assert open_bank(tmp_path / "pets").nearest(QUESTION, 5)[0].tolist() == expected


def test_large_bank_is_written_without_faiss(few_flat, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    folder = write_bank(tmp_path / "pets", NAMES, FEATURES)
    assert not (folder / "nearest.safetensors").exists()
