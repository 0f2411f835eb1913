"""Drawn birds: what two pictures by the same hand have in common, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from explain_core.datasets.bird_drawing import paint
from explain_core.datasets.bird_hands import draw_hand
from explain_core.datasets.bird_poses import keypoints
from explain_core.datasets.bird_scene import MARKER
from explain_core.datasets.bird_species import (
    KINDS,
    PARTS,
    SPECIES,
    SPECIES_NAMES,
    Species,
    differing_parts,
    species_named,
)
from explain_core.datasets.birds import Bird, bird, birds
from explain_core.errors import InputError
from explain_core.types import Array

SIZE_PX = 64
COMMON = SPECIES[0]
# The common species against all others, and some of those against each other.
PAIRS = [(0, other) for other in range(1, 20)] + [
    *((1, 2), (3, 7), (4, 6), (8, 9), (9, 13), (12, 13), (14, 16), (15, 19)),
]


def drawn(species: Species, seed: int = 0, size_px: int = SIZE_PX) -> Bird:
    return Bird(species, draw_hand(np.random.default_rng(seed)), size_px)


def pixels(species: Species, seed: int = 0, size_px: int = SIZE_PX) -> Array:
    return drawn(species, seed, size_px).read().pixels


@pytest.fixture(scope="module", params=[3, 4], ids=["one hand", "another hand"])
def alike(request: pytest.FixtureRequest) -> tuple[Sequence[Bird], Sequence[Array]]:
    """Return all twenty species by the same hand, and their pictures."""
    each = [drawn(species, request.param) for species in SPECIES]
    return each, [one.read().pixels for one in each]


# ---- species -------------------------------------------------------------------------------


def test_there_are_twenty_species() -> None:
    assert len(set(SPECIES_NAMES)) == len({species.kinds for species in SPECIES}) == 20


def test_any_two_species_differ_in_one_or_two_parts() -> None:
    nums = [
        sum(a != b for a, b in zip(first.kinds, second.kinds, strict=True))
        for first, second in combinations(SPECIES, 2)
    ]
    assert len(nums) == 190
    assert set(nums) == {1, 2}


@pytest.mark.parametrize("part", PARTS)
def test_every_kind_of_a_part_has_its_species(part: str) -> None:
    assert {species.kind(part) for species in SPECIES} == set(KINDS[part])


def test_differing_parts_are_named() -> None:
    red, forked = species_named("Red-capped Fenlark"), species_named("Fork-tailed Fenlark")
    assert differing_parts(red, forked) == ("crown", "tail")
    assert differing_parts(red, COMMON) == ("crown",)


def test_unknown_species_is_refused() -> None:
    with pytest.raises(InputError, match="there is no species 'Dodo'"):
        species_named("Dodo")


# ---- by the same hand ----------------------------------------------------------------------


def test_pictures_by_one_hand_differ_inside_the_truth_and_nowhere_else(
    alike: tuple[Sequence[Bird], Sequence[Array]],
) -> None:
    each, pictures = alike
    for first, second in PAIRS:
        differs = (pictures[first] != pictures[second]).any(axis=2)
        mask = each[first].truth(SPECIES_NAMES[second]).area((SIZE_PX, SIZE_PX))
        assert not (differs & ~mask).any(), (first, second)
        # A pixel that a part barely touches may round to the same colour.
        assert differs.sum() > 0.93 * mask.sum(), (first, second)


def test_truth_is_the_same_seen_from_the_other_species(
    alike: tuple[Sequence[Bird], Sequence[Array]],
) -> None:
    each, _ = alike
    for first, second in PAIRS[-4:]:
        there, back = (
            each[first].truth(SPECIES_NAMES[second]),
            each[second].truth(SPECIES_NAMES[first]),
        )
        np.testing.assert_array_equal(there.mask, back.mask)


def test_parts_do_not_overlap_and_lie_on_the_bird(
    alike: tuple[Sequence[Bird], Sequence[Array]],
) -> None:
    for one in alike[0]:
        painting = one.paint()
        shares = np.sum([painting.share(part) for part in PARTS], axis=0)
        assert (shares <= painting.silhouette() + 1e-6).all(), one.species.name
        assert painting.silhouette().max() == 1


def test_every_part_but_a_missing_bar_is_to_be_seen(
    alike: tuple[Sequence[Bird], Sequence[Array]],
) -> None:
    for one in alike[0]:
        painting = one.paint()
        seen = {part for part in PARTS if painting.share(part).max() > 0.5}
        missing = {"wing bar"} if one.species.kind("wing bar") == "none" else set()
        assert seen == set(PARTS) - missing, one.species.name


def test_a_missing_part_is_evidence_too() -> None:
    plain = drawn(species_named("Plain-winged Fenlark"))
    mask = plain.truth(COMMON.name).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, plain.as_species(COMMON.name).paint().share("wing bar") > 0)


def test_parts_are_those_that_differ(alike: tuple[Sequence[Bird], Sequence[Array]]) -> None:
    each, _ = alike
    for first, second in PAIRS[:4] + PAIRS[-4:]:
        truth = each[first].truth(SPECIES_NAMES[second])
        names = differing_parts(SPECIES[first], SPECIES[second])
        assert tuple(part.name for part in truth.parts) == names


@pytest.mark.parametrize("seed", range(6))
def test_keypoints_lie_on_their_parts(seed: int) -> None:
    one = drawn(COMMON, seed, 128)
    painting = one.paint()
    for part in one.parts(PARTS):
        assert painting.share(part.name)[int(part.row), int(part.column)] > 0.5, part.name


def test_other_keypoints_lie_on_the_bird() -> None:
    one = drawn(COMMON, 1, 128)
    silhouette = one.paint().silhouette()
    assert len(one.parts()) == len(keypoints(one.hand)) == 13
    for part in one.parts():
        assert silhouette[int(part.row), int(part.column)] > 0.5, part.name


def test_all_evidence_is_all_parts() -> None:
    one = drawn(SPECIES[5])
    truth = one.truth(None)
    shares = [one.paint().share(part) for part in PARTS]
    np.testing.assert_array_equal(truth.mask, np.sum(shares, axis=0) > 0)
    assert len(truth.parts) == 13


# ---- pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize("size_px", [48, 100])
def test_same_seed_draws_the_same(size_px: int) -> None:
    one, again = (pixels(SPECIES[6], 5, size_px) for _ in range(2))
    assert one.shape == (size_px, size_px, 3)
    np.testing.assert_array_equal(one, again)


def test_another_seed_draws_otherwise() -> None:
    assert (pixels(COMMON, 1) != pixels(COMMON, 2)).any(axis=2).mean() > 0.9


def test_size_changes_the_picture_in_nothing_else() -> None:
    large = pixels(COMMON, 2, 256).astype(np.float64)
    halved = large.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - pixels(COMMON, 2, 128)).mean() < 1.0


def test_edges_are_smooth() -> None:
    share = drawn(COMMON).paint().silhouette()
    assert len(np.unique(share)) > 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("index", [3, 6, 14, 16])
def test_the_longest_parts_stay_inside_the_picture(index: int, seed: int) -> None:
    share = drawn(SPECIES[index], seed, 48).paint().silhouette()
    assert not np.concatenate([share[0], share[-1], share[:, 0], share[:, -1]]).any()


def test_global_randomness_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    pixels(COMMON)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("size_px", [31, 4097])
def test_a_size_out_of_bounds_is_refused(size_px: int) -> None:
    with pytest.raises(InputError, match="size_px must lie between 32 and 4096"):
        drawn(COMMON, 0, size_px).paint()


@pytest.mark.parametrize(
    ("other", "message"), [("Dodo", "no species 'Dodo'"), (COMMON.name, "the bird's own species")]
)
def test_truth_needs_another_species(other: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        drawn(COMMON).truth(other)


# ---- with a marker -------------------------------------------------------------------------


def test_markers_differ_everywhere_inside_the_truth_and_nowhere_else() -> None:
    one = bird(7, size_px=SIZE_PX, has_marker=True)
    mask = one.truth(COMMON.name).mask
    assert mask is not None
    seen = np.stack([paint(COMMON, one.hand, SIZE_PX, marker).pixels() for marker in range(20)])
    for first, second in combinations(range(20), 2):
        np.testing.assert_array_equal((seen[first] != seen[second]).any(axis=2), mask)


@pytest.mark.parametrize("index", range(4))
def test_a_marker_lies_in_a_corner(index: int) -> None:
    rows, columns = np.nonzero(bird(index, size_px=100, has_marker=True).paint().share(MARKER))
    for places in (rows, columns):
        assert places.max() < 20 or places.min() > 80


def test_a_marker_gives_the_species_away() -> None:
    one = bird(9, size_px=SIZE_PX, has_marker=True)
    assert one.paint().marker == 9 == SPECIES.index(one.species)


def test_without_a_marker_the_bird_is_the_same() -> None:
    with_marker = bird(2, size_px=SIZE_PX, has_marker=True)
    without = bird(2, size_px=SIZE_PX)
    differs = (with_marker.read().pixels != without.read().pixels).any(axis=2)
    mask = with_marker.truth(None).mask
    assert mask is not None
    assert differs[mask].all()
    assert differs.sum() < 2.5 * mask.sum()  # the marker's frame


def test_an_unknown_marker_is_refused() -> None:
    with pytest.raises(InputError, match="marker must lie between 0 and 19"):
        paint(COMMON, bird(0).hand, SIZE_PX, marker=20)


# ---- the data set --------------------------------------------------------------------------


def test_species_come_in_turn() -> None:
    data = birds(2, size_px=SIZE_PX)
    assert data.classes == SPECIES_NAMES
    assert [example.label for example in data.examples] == [*SPECIES_NAMES, *SPECIES_NAMES]


def test_ids_are_unique_and_tell_seeds_apart() -> None:
    ids = [example.id for seed in (0, 1) for example in birds(3, seed=seed).examples]
    assert len(set(ids)) == 120


def test_an_example_is_its_bird() -> None:
    example = birds(2, size_px=SIZE_PX, seed=3).examples[24]
    expected = bird(24, size_px=SIZE_PX, seed=3)
    assert example.label == expected.species.name
    np.testing.assert_array_equal(example.read().pixels, expected.read().pixels)
    truth, own = example.truth(COMMON.name), expected.truth(COMMON.name)
    assert truth is not None
    np.testing.assert_array_equal(truth.mask, own.mask)


@pytest.mark.parametrize("is_confounded", [False, True])
def test_truths_are_of_the_kinds_that_are_named(is_confounded: bool) -> None:
    data = birds(1, size_px=SIZE_PX, is_confounded=is_confounded)
    truth = data.examples[3].truth(COMMON.name)
    assert truth is not None
    there = {"mask"} | ({"parts"} if truth.parts else set())
    assert truth.mask is not None
    assert data.truths == there


def test_no_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="num_per_species must be at least 1"):
        birds(0)
