"""Counterfactual parts: hand-made maps, a slow form with sets, and what is left out."""

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.metrics import parts as counterfactual
from explain_core.truth import Part

SIZE = (10, 14)
NAMES = ("bill", "crown", "wing", "wing", "tail", "feet")


def some_parts(seed=0, hidden=()):
    rng = np.random.default_rng(seed)
    return [
        Part(name, rng.uniform(0, SIZE[0]), rng.uniform(0, SIZE[1]), index not in hidden)
        for index, name in enumerate(NAMES)
    ]


def noise(num, seed=0):
    return np.random.default_rng(seed).normal(size=(num, *SIZE))


def lit(*parts):
    """A map of which nothing but the pixels of these parts is positive."""
    values = np.full(SIZE, -1.0)
    for part in parts:
        values[int(part.row), int(part.column)] = 1
    return values


def slow_met(values, parts, share):
    """The places that are visible and in the top area, as (index, name)."""
    ordered = sorted(values.ravel(), reverse=True)
    bound = ordered[round(share * values.size) - 1]
    return {
        (index, part.name)
        for index, part in enumerate(parts)
        if part.is_visible and max(values[int(part.row), int(part.column)], 0) >= max(bound, 1e-9)
    }


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("hidden", [(), (0, 2)])
def test_scores_are_those_of_sets(share, hidden):
    maps, parts, differing = noise(20), some_parts(hidden=hidden), {"bill", "wing"}
    scores = counterfactual.part_scores(maps, parts, differing, share=share)
    shown = {(i, part.name) for i, part in enumerate(parts) if part.is_visible}
    wanted = {each for each in shown if each[1] in differing}
    for index, values in enumerate(maps):
        met = slow_met(values, parts, share)
        recall = len(met & wanted) / len(wanted)
        precision = len(met & wanted) / len(met) if met else np.nan
        both = recall + precision
        f1 = both if np.isnan(both) else 2 * recall * precision / both if both else 0
        np.testing.assert_allclose(
            [scores.recall[index], scores.precision[index], scores.f1[index]],
            [recall, precision, f1],
        )


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_piou_is_that_of_sets(share):
    maps, others = noise(20), noise(20, seed=1)
    parts, other_parts = some_parts(hidden=(1,)), some_parts(seed=4, hidden=(2, 3, 5))
    found = counterfactual.part_iou(maps, parts, others, other_parts, share=share)
    left = {"bill", "tail"}  # seen in both
    for index, value in enumerate(found):
        one = {name for _, name in slow_met(maps[index], parts, share)} & left
        two = {name for _, name in slow_met(others[index], other_parts, share)} & left
        expected = len(one & two) / len(one | two) if one | two else np.nan
        np.testing.assert_equal(value, expected)


def test_a_map_of_the_differing_parts_is_perfect():
    parts = some_parts()
    maps = np.stack([lit(parts[1], parts[4]), lit(parts[0]), lit(*parts)])
    scores = counterfactual.part_scores(maps, parts, ["crown", "tail"])
    np.testing.assert_allclose(scores.recall, [1, 0, 1])
    np.testing.assert_allclose(scores.precision, [1, 0, 2 / 6])
    np.testing.assert_allclose(scores.f1, [1, 0, 0.5])


def test_the_same_parts_in_both_pictures_agree_fully():
    one, two = some_parts(), some_parts(seed=9)
    maps = np.stack([lit(one[0], one[2]), lit(one[0])])
    others = np.stack([lit(two[0], two[3]), lit(two[5])])
    np.testing.assert_allclose(counterfactual.part_iou(maps, one, others, two), [1, 0])


# ---- what is left out ----------------------------------------------------------------------


def test_hidden_and_missing_parts_are_left_out_and_not_counted_as_missed():
    parts = some_parts(hidden=(4,))
    maps = lit(parts[1])[None]
    scores = counterfactual.part_scores(maps, parts, ["crown", "tail", "eye"])
    assert scores.recall == [1]
    assert scores.precision == [1]


def test_a_part_outside_the_picture_is_hidden():
    outside = [Part("eye", -0.5, 3), Part("eye", 3, SIZE[1]), Part("eye", np.nan, 3)]
    parts = [*some_parts(), *outside]
    scores = counterfactual.part_scores(lit(parts[0])[None], parts, ["eye", "bill"])
    assert scores.recall == [1]


def test_without_a_visible_differing_part_nothing_is_defined():
    parts = some_parts(hidden=(0,))
    scores = counterfactual.part_scores(noise(3), parts, ["bill"])
    for values in (scores.recall, scores.precision, scores.f1):
        np.testing.assert_array_equal(values, np.full(3, np.nan))


def test_a_map_that_meets_no_part_has_no_precision():
    parts = some_parts()
    values = np.zeros(SIZE)
    free = np.argwhere(lit(*parts) < 0)[0]
    values[tuple(free)] = 1
    scores = counterfactual.part_scores(values[None], parts, ["bill"])
    assert scores.recall == [0]
    assert np.isnan(scores.precision).all()
    assert np.isnan(scores.f1).all()


def test_pictures_without_a_common_visible_part_have_no_piou():
    one, two = some_parts(hidden=(0, 1, 2, 3)), some_parts(hidden=(4, 5))
    found = counterfactual.part_iou(noise(2), one, noise(2), two)
    np.testing.assert_array_equal(found, [np.nan, np.nan])


# ---- counterfactual classes ----------------------------------------------------------------


def test_random_classes_are_all_others_equally_often():
    rng = np.random.default_rng(0)
    drawn = np.bincount([counterfactual.random_class(2, 5, rng) for _ in range(4000)], minlength=5)
    assert drawn[2] == 0
    np.testing.assert_allclose(np.delete(drawn, 2), 1000, atol=5 * np.sqrt(750))


def test_the_same_seed_draws_the_same_class():
    drawn = [
        [counterfactual.random_class(7, 200, np.random.default_rng(seed)) for seed in range(5)]
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("closeness", "expected"),
    [([0.2, 0.1, 0.6, 0.1], 0), ([0.3, 0.3, 0.9, 0.1], 0), ([-np.inf, -9, 9, -np.inf], 1)],
)
def test_the_similar_class_is_the_closest_other_one(closeness, expected):
    assert counterfactual.similar_class(2, np.array(closeness)) == expected


def test_the_target_is_never_its_own_counterfactual():
    assert counterfactual.similar_class(0, np.array([-np.inf, -np.inf])) == 1


def test_closeness_is_not_written_into():
    closeness = np.array([0.5, 0.2])
    counterfactual.similar_class(0, closeness)
    np.testing.assert_array_equal(closeness, [0.5, 0.2])


# ---- what is refused -----------------------------------------------------------------------


def test_one_class_only_has_no_counterfactual():
    with pytest.raises(InputError, match="there must be two classes or more"):
        counterfactual.random_class(0, 1, np.random.default_rng(0))
    with pytest.raises(InputError, match="there must be two classes or more"):
        counterfactual.similar_class(0, np.ones(1))


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_that_is_no_class_is_refused(target):
    with pytest.raises(InputError, match="target must be an index from 0 to 2"):
        counterfactual.similar_class(target, np.ones(3))


def test_closeness_with_nan_is_refused():
    with pytest.raises(InputError, match="closeness holds NaN"):
        counterfactual.similar_class(0, np.array([1, np.nan]))


@pytest.mark.parametrize("measure", [counterfactual.part_recall, counterfactual.part_f1])
def test_a_map_without_evidence_is_refused(measure):
    with pytest.raises(InputError, match="no positive evidence"):
        measure(np.zeros((1, *SIZE)), some_parts(), ["bill"])


def test_one_map_without_a_stack_is_refused():
    with pytest.raises(InputError, match=r"maps must be \(number, height, width\)"):
        counterfactual.part_precision(noise(1)[0], some_parts(), ["bill"])


def test_maps_of_another_number_of_methods_are_refused():
    with pytest.raises(InputError, match="there are 2 maps but 3 of the other picture"):
        counterfactual.part_iou(noise(2), some_parts(), noise(3), some_parts())
