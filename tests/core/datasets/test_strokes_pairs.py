"""Pairs of digits by one hand: the strokes they share, and what tells them apart."""

from __future__ import annotations

import numpy as np
import pytest

import explain_core as xc
from explain_core.datasets.stroke_pairs import PAIRS, strokes, write_pair
from explain_core.datasets.strokes import three_and_eight
from explain_core.errors import InputError
from explain_core.images.reading import image_from_pixels

# What the first has and the second lacks, and the other way round, as read from the glyphs.
HAS_INK_OF_ITS_OWN = {
    (3, 8): (False, True),
    (5, 6): (True, True),
    (4, 9): (True, True),
    (1, 7): (False, True),
    (1, 4): (False, True),
    (0, 6): (True, True),
}
SIZE_PX = 112


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_all_pairs_are_told_of_here() -> None:
    assert set(PAIRS) == set(HAS_INK_OF_ITS_OWN)


@pytest.mark.parametrize("pair", PAIRS)
def test_each_adds_its_own_strokes_to_those_they_share(pair: tuple[int, int]) -> None:
    written = write_pair(*pair, rng(), SIZE_PX)
    more = written.first > written.second, written.second > written.first
    assert tuple(bool(each.any()) for each in more) == HAS_INK_OF_ITS_OWN[pair]
    np.testing.assert_array_equal(written.differs, more[0] | more[1])


@pytest.mark.parametrize("pair", PAIRS)
def test_they_share_most_of_their_strokes(pair: tuple[int, int]) -> None:
    written = write_pair(*pair, rng(1), SIZE_PX)
    shared = np.minimum(written.first, written.second).astype(float).sum()
    assert shared > 0.3 * max(written.first.sum(), written.second.sum())
    ink = (written.first > 0) | (written.second > 0)
    assert 0.03 < written.differs.sum() / ink.sum() < 0.75


@pytest.mark.parametrize("pair", PAIRS)
def test_the_bundled_network_reads_both(pair: tuple[int, int]) -> None:
    model = xc.load_model("digits", device="cpu")
    for seed in range(2):
        written = write_pair(*pair, rng(seed), SIZE_PX)
        read = [
            int(model.predict(image_from_pixels(picture)).argmax())
            for picture in (written.first, written.second)
        ]
        assert tuple(read) == pair


def test_three_and_eight_are_those_that_were_there_before() -> None:
    written = write_pair(3, 8, rng(5), SIZE_PX)
    three, eight, closing = three_and_eight(rng(5), SIZE_PX)
    np.testing.assert_array_equal(written.first, three)
    np.testing.assert_array_equal(written.second, eight)
    assert closing[written.differs].all()


def test_size_changes_the_evidence_in_nothing_else() -> None:
    large = write_pair(5, 6, rng(2), 224).differs
    small = write_pair(5, 6, rng(2), 112).differs
    touched = large.reshape(112, 2, 112, 2).any(axis=(1, 3))
    assert (touched == small).mean() > 0.995


def test_another_pair_is_refused() -> None:
    with pytest.raises(InputError, match="digits 2 and 5 are no pair whose strokes are known"):
        write_pair(2, 5, rng())


# ---- the data set --------------------------------------------------------------------------


def test_both_digits_of_each_pair_come_in_turn() -> None:
    data = strokes(2, size_px=56)
    labels = [example.label for example in data.examples]
    assert labels == [str(digit) for pair in PAIRS for digit in pair] * 2
    assert len({example.id for example in data.examples}) == len(labels) == 24


def test_a_pair_stays_together() -> None:
    examples = strokes(2, size_px=56).examples
    groups = [example.group for example in examples]
    assert groups[::2] == groups[1::2]
    assert len(set(groups)) == 12


@pytest.mark.parametrize("index", [0, 3])
def test_truth_is_where_the_two_pictures_differ(index: int) -> None:
    examples = strokes(1, size_px=56).examples
    one, other = examples[index], examples[index ^ 1]
    truth = one.truth(other.label)
    assert truth is not None
    np.testing.assert_array_equal(truth.mask, one.read().pixels != other.read().pixels)


def test_truth_is_known_for_the_counterpart_alone() -> None:
    three = strokes(1, size_px=56).examples[0]
    known = {name for name in "012456789" if three.truth(name) is not None}
    assert known == {"8"}
    assert three.truth(None) is None


@pytest.mark.parametrize("other", ["3", "ten"])
def test_truth_needs_another_digit(other: str) -> None:
    with pytest.raises(InputError, match="is no other class than '3'"):
        strokes(1).examples[0].truth(other)


def test_seed_settles_every_hand() -> None:
    one, again, another = (
        strokes(1, size_px=56, seed=seed).examples[4].read().pixels for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != another).any()


def test_no_hands_are_refused() -> None:
    with pytest.raises(InputError, match="num_per_pair must be at least 1"):
        strokes(0)
