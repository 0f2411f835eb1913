"""The generator of stroke digits: what it promises about its pictures, without any network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from explain_core.datasets.strokes import (
    SAMPLES,
    draw_between,
    draw_digit,
    draw_hand,
    three_and_eight,
    three_towards_eight,
    write_samples,
)
from explain_core.errors import InputError
from explain_core.types import Array

DIGITS = range(10)
PAIRS = [(0, 6), (7, 1), (4, 9)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def extent(picture: Array) -> tuple[int, int]:
    """Return (height, width) of the box around all pixels that the pen touched."""
    rows, columns = np.nonzero(picture)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def centre_of_mass(picture: Array) -> tuple[float, float]:
    rows, columns = np.indices(picture.shape) + 0.5
    return float(np.average(rows, weights=picture)), float(np.average(columns, weights=picture))


@pytest.mark.parametrize("size_px", [28, 100, 280])
def test_picture_has_the_size_that_was_asked_for(size_px: int) -> None:
    assert draw_digit(5, rng(), size_px).shape == (size_px, size_px)


@pytest.mark.parametrize("digit", DIGITS)
def test_strokes_are_light_on_dark(digit: int) -> None:
    picture = draw_digit(digit, rng())
    assert picture.dtype == np.uint8
    assert (picture[0] == 0).all()
    assert picture.max() == 255
    assert np.median(picture) == 0


@pytest.mark.parametrize("digit", DIGITS)
def test_edges_are_smooth(digit: int) -> None:
    picture = draw_digit(digit, rng())
    assert len(np.unique(picture)) > 8


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize("seed", range(5))
def test_ink_fits_the_box_of_mnist(digit: int, seed: int) -> None:
    height, width = extent(draw_digit(digit, rng(seed), 280))
    assert 170 <= max(height, width) <= 204  # a box of 200, and the pen's pressure


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize("seed", range(5))
def test_centre_of_mass_is_the_centre(digit: int, seed: int) -> None:
    np.testing.assert_allclose(centre_of_mass(draw_digit(digit, rng(seed))), 140, atol=2)


@pytest.mark.parametrize("digit", DIGITS)
def test_same_seed_draws_the_same(digit: int) -> None:
    np.testing.assert_array_equal(draw_digit(digit, rng(7)), draw_digit(digit, rng(7)))


@pytest.mark.parametrize("digit", DIGITS)
def test_another_seed_draws_otherwise(digit: int) -> None:
    assert (draw_digit(digit, rng(7)) != draw_digit(digit, rng(8))).any()


def test_generator_moves_on_between_pictures() -> None:
    generator = rng(7)
    assert (draw_digit(4, generator) != draw_digit(4, generator)).any()


def test_global_randomness_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw_digit(2, rng())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_thicker_pen_leaves_more_ink() -> None:
    hand = draw_hand(rng())
    inks = [
        int(draw_digit(0, rng(), hand=replace(hand, thickness=thickness)).sum())
        for thickness in (2.0, 3.0)
    ]
    assert inks[0] < inks[1]


@pytest.mark.parametrize("digit", [-1, 10, 38])
def test_no_such_digit_is_refused(digit: int) -> None:
    with pytest.raises(InputError, match="digit must be 0 to 9"):
        draw_digit(digit, rng())


@pytest.mark.parametrize("seed", range(5))
def test_three_and_what_closes_it_are_the_eight(seed: int) -> None:
    three, eight, closing = three_and_eight(rng(seed))
    np.testing.assert_array_equal(three[~closing], eight[~closing])


@pytest.mark.parametrize("seed", range(5))
def test_eight_is_nowhere_darker_than_the_three(seed: int) -> None:
    three, eight, _ = three_and_eight(rng(seed))
    assert (eight >= three).all()


@pytest.mark.parametrize("seed", range(5))
def test_closing_holds_all_new_ink_and_little_else(seed: int) -> None:
    three, eight, closing = three_and_eight(rng(seed))
    added = eight > three
    assert closing.dtype == np.bool_
    assert closing[added].all()
    assert added.sum() > 0.2 * closing.sum()


@pytest.mark.parametrize("seed", range(5))
def test_eight_closes_on_the_left(seed: int) -> None:
    three, _, closing = three_and_eight(rng(seed))
    assert centre_of_mass(closing)[1] < centre_of_mass(three)[1]


@pytest.mark.parametrize("seed", range(5))
def test_eight_closes_both_loops(seed: int) -> None:
    _, eight, _ = three_and_eight(rng(seed))
    assert num_holes(eight) == 2


@pytest.mark.parametrize("seed", range(5))
def test_three_is_open(seed: int) -> None:
    three, _, _ = three_and_eight(rng(seed))
    assert num_holes(three) == 0


def num_holes(picture: Array) -> int:
    """Return how many dark places are shut in by ink, by flooding all dark from the outside."""
    dark = picture < 128
    count = -1  # the outside is no hole
    while dark.any():
        flood = np.zeros_like(dark)
        flood[tuple(np.argwhere(dark)[0])] = True
        while True:
            grown = flood.copy()
            grown[1:] |= flood[:-1]
            grown[:-1] |= flood[1:]
            grown[:, 1:] |= flood[:, :-1]
            grown[:, :-1] |= flood[:, 1:]
            grown &= dark
            if (grown == flood).all():
                break
            flood = grown
        dark &= ~flood
        count += 1
    return count


def test_a_three_wholly_towards_eight_has_two_loops() -> None:
    assert num_holes(three_towards_eight(1.0, rng(), 140)) == 2


def test_a_three_half_towards_eight_is_still_open() -> None:
    assert num_holes(three_towards_eight(0.5, rng(), 140)) == 0


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_share_bends_the_digit(first: int, second: int) -> None:
    pictures = [draw_between(first, second, share, rng()) for share in (0.0, 0.5, 1.0)]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()


@pytest.mark.parametrize(("first", "second"), [(0, 6), (7, 1)])
def test_share_zero_is_the_plain_digit(first: int, second: int) -> None:
    np.testing.assert_array_equal(draw_between(first, second, 0.0, rng()), draw_digit(first, rng()))


def test_a_pair_without_a_blend_is_refused() -> None:
    with pytest.raises(InputError, match="digits 2 and 5 cannot be blended"):
        draw_between(2, 5, 0.5, rng())


def test_samples_are_as_listed(tmp_path: Path) -> None:
    paths = write_samples(tmp_path)
    listed = json.loads((tmp_path / "samples.json").read_text(encoding="utf-8"))
    assert [entry["file"] for entry in listed] == [path.name for path in paths]
    assert [entry["digit"] for entry in listed] == [sample.digit for sample in SAMPLES]


def test_samples_are_eight_bit_gray(tmp_path: Path) -> None:
    for path in write_samples(tmp_path):
        with Pillow.open(path) as picture:
            assert (picture.mode, picture.size) == ("L", (280, 280))


def test_every_digit_has_a_sample() -> None:
    assert {sample.digit for sample in SAMPLES} == set(DIGITS)


def test_sample_names_are_unique() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
