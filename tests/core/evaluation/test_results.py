"""Rows on disk: what dies in the middle of a write loses nothing, and leaves no trace."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.evaluation import results
from explain_core.evaluation.plan import Plan, plan_from_json, variant
from explain_core.evaluation.results import open_results, read_results
from explain_core.evaluation.rows import Row, line_of, row_of

PLAN = Plan(
    model="tiny",
    fingerprint="f" * 64,
    layer="stage3",
    dataset="made-up",
    num_examples=5,
    classes=("a", "b"),
    ids="0123456789abcdef",
    methods=(variant("finer-grad-cam", gamma=0.0), variant("random")),
    metrics=(variant("rcap", lower_bound=80.0), variant("rcap")),
    against="nearest",
    seed=3,
    limit=None,
)


def row(index: int) -> Row:
    if index == 3:
        return Row(index, "3.png", "a", failure='not a picture: "3.png"')
    return Row(
        index=index,
        id=f"übung/{index}.png",
        label="a",
        group="" if index > 1 else "patient",
        target="a",
        references=("b",),
        predicted="b",
        probability=1 / 3 + index,
        scores=((0.1 + index, None), (1e-300, -0.0)),
        reasons=((0, 1, "no positive evidence"),),
    )


def write(folder: Path, *indices: int) -> None:
    with open_results(folder, PLAN) as writer:
        for index in indices:
            writer.append(row(index))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    write(folder, *range(5))
    return (folder / results.ROWS).read_bytes()


# ---- lines -----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(5))
def test_a_line_gives_its_row_back(index: int) -> None:
    assert row_of(line_of(row(index), "d"), "d") == row(index)


def test_a_line_cut_anywhere_is_none() -> None:
    line = line_of(row(2), "d")
    assert [row_of(line[:length], "d") for length in range(len(line))] == [None] * len(line)


def test_a_line_with_another_number_in_it_is_none() -> None:
    line = line_of(row(2), "d")
    assert row_of(line.replace(b"2.1", b"2.2"), "d") is None


def test_a_line_of_another_plan_is_none() -> None:
    assert row_of(line_of(row(2), "d"), "e") is None


def test_a_line_with_digest_but_no_row_is_none() -> None:
    line = line_of(row(2), "d")
    assert row_of(line.replace(b'"row"', b'"now"'), "d") is None


# ---- writing and going on --------------------------------------------------------------------


def test_torn_at_any_byte_and_gone_on_gives_the_same_file(tmp_path: Path, whole: bytes) -> None:
    write(tmp_path)
    file = tmp_path / results.ROWS
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        with open_results(tmp_path, PLAN) as writer:
            assert len(writer.done) == whole[:length].count(b"\n")
            for index in range(5):
                writer.append(row(index))
            writer.put_in_order()
        assert file.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_done_again(tmp_path: Path, whole: bytes) -> None:
    write(tmp_path, *range(5))
    file = tmp_path / results.ROWS
    file.write_bytes(whole.replace(b"1.1", b"1.2", 1))
    with open_results(tmp_path, PLAN) as writer:
        assert writer.done == {0}


def test_rows_in_any_order_and_twice_give_the_same_file(tmp_path: Path, whole: bytes) -> None:
    write(tmp_path, 4, 0, 4, 2)
    with open_results(tmp_path, PLAN) as writer:
        for index in (3, 0, 1):
            writer.append(row(index))
        assert [each.index for each in writer.results.rows] == [0, 1, 2, 3, 4]
        ordered = writer.put_in_order()
        writer.append(row(1))  # known: the file that took the place is open, but not added to
    assert ordered.is_complete
    assert (tmp_path / results.ROWS).read_bytes() == whole


def test_order_is_made_only_of_all(tmp_path: Path) -> None:
    with open_results(tmp_path, PLAN) as writer:
        writer.append(row(1))
        with pytest.raises(InputError, match="4 pictures are not scored yet"):
            writer.put_in_order()


def test_what_was_written_can_be_read_meanwhile(tmp_path: Path) -> None:
    with open_results(tmp_path, PLAN) as writer:
        writer.append(row(4))
        writer.append(row(3))
        found = read_results(tmp_path)
    assert found.plan == PLAN
    assert [each.index for each in found.rows] == [3, 4]
    assert found.failed == (row(3),)
    assert not found.is_complete


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with open_results(tmp_path, PLAN), pytest.raises(InputError, match="is being written in"):
        open_results(tmp_path, PLAN)
    open_results(tmp_path, PLAN).close()


def test_another_plan_is_refused_with_the_difference(tmp_path: Path) -> None:
    write(tmp_path, 0)
    with pytest.raises(InputError, match="its seed is 3, not 4"):
        open_results(tmp_path, replace(PLAN, seed=4))
    with pytest.raises(InputError, match=r"its metrics is .*lower_bound=80.* not \['rcap'\]"):
        open_results(tmp_path, replace(PLAN, metrics=(variant("rcap"),)))
    write(tmp_path, 1)


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(InputError, match=r"holds other files, such as 'thesis\.tex'"):
        open_results(tmp_path, PLAN)


def test_a_process_that_died_before_the_plan_leaves_a_folder_to_use(
    tmp_path: Path, whole: bytes
) -> None:
    (tmp_path / results.LOCK).write_bytes(b"")
    (tmp_path / "plan.json.17-3.partial").write_bytes(b'{"ver')
    write(tmp_path, *range(5))
    assert (tmp_path / results.ROWS).read_bytes() == whole
    assert not list(tmp_path.glob("*.partial"))


def test_a_picture_outside_the_plan_is_refused(tmp_path: Path) -> None:
    with open_results(tmp_path, PLAN) as writer, pytest.raises(InputError, match="picture 9 is"):
        writer.append(row(9))


def test_a_full_disk_keeps_what_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def full(file: int, content: memoryview, place: int) -> int:
        if len(content) < 100:
            raise OSError(errno.ENOSPC, "no space")
        return real(file, content[:-90], place)

    with open_results(tmp_path, PLAN) as writer:
        writer.append(row(0))
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(InputError, match="the disk is full; make room; what was committed"):
            writer.append(row(1))
        monkeypatch.undo()
        writer.append(row(2))
    assert [each.index for each in read_results(tmp_path).rows] == [0, 2]


@pytest.mark.parametrize("content", [None, "{", '{"version": 1}', "[]"])
def test_no_evaluation_is_said_to_be_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / results.PLAN).write_text(content)
    with pytest.raises(InputError, match=r"holds no evaluation|not the plan of an evaluation"):
        read_results(tmp_path)


# ---- what is read ----------------------------------------------------------------------------


def test_values_have_nan_where_undefined_and_no_failed_rows(tmp_path: Path) -> None:
    write(tmp_path, 0, 2, 3)
    found = read_results(tmp_path)
    np.testing.assert_array_equal(
        found.values, [[[0.1, np.nan], [1e-300, 0]], [[2.1, np.nan], [1e-300, 0]]]
    )
    np.testing.assert_array_equal(found.column(0, 0), [0.1, 2.1])


def test_groups_join_the_named_and_keep_others_apart(tmp_path: Path) -> None:
    write(tmp_path, *range(5))
    groups = read_results(tmp_path).groups
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == 3


def test_nothing_scored_yet_has_empty_tables(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_results(tmp_path)
    assert found.values.shape == (0, 2, 2)
    assert found.groups.shape == (0,)


# ---- plans -----------------------------------------------------------------------------------


def test_a_plan_is_read_as_it_was_written() -> None:
    assert plan_from_json(PLAN.to_json()) == PLAN


def test_a_plan_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="version 7"):
        plan_from_json(PLAN.to_json().replace('"version": 1', '"version": 7'))


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "e" * 64},
        {"layer": "stage2"},
        {"num_examples": 6},
        {"classes": ("b", "a")},
        {"ids": "f123456789abcdef"},
        {"methods": PLAN.methods[::-1]},
        {"methods": (variant("finer-grad-cam", gamma=0.6), PLAN.methods[1])},
        {"metrics": PLAN.metrics[:1]},
        {"against": "similar"},
        {"seed": 4},
        {"limit": 5},
        {"min_probability": 0.9},
        {"is_right_only": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digests_tell_plans_apart(change: dict[str, object]) -> None:
    assert replace(PLAN, **change).digest != PLAN.digest


def test_a_larger_sample_holds_the_smaller_one() -> None:
    plan = replace(PLAN, num_examples=1000)
    small, large = replace(plan, limit=20).indices, replace(plan, limit=50).indices
    assert len(small) == 20
    assert set(small) < set(large)
    assert list(small) == sorted(small)
    assert replace(plan, limit=20, seed=1).indices != small
    assert replace(plan, limit=2000).indices == tuple(range(1000))


def test_every_picture_has_noise_of_its_own() -> None:
    seeds = {PLAN.seed_of(index) for index in range(100)}
    assert len(seeds) == 100
    assert PLAN.seed_of(7) == replace(PLAN, limit=3).seed_of(7)
    assert PLAN.seed_of(7) != replace(PLAN, seed=1).seed_of(7)
