"""What a set can carry, against slow loops in float64."""

import math
import tracemalloc

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.methods.settings import LAM
from explain_core.references.judging import (
    EPSILONS,
    OUTLIER_EPSILON,
    distances,
    effective_rank,
    judge,
    lam_curve,
    outliers,
    project,
    unlikeness,
)
from explain_core.references.spectrum import spectrum_of_features
from explain_core.types import ReferenceSet
from tests.oracles.diffcams import scatter_of
from tests.oracles.nets import reference_features

SHAPES = [(2, 9), (3, 9), (9, 9), (10, 9), (40, 9), (6, 1)]


def made(features, ids=None):
    ids = None if ids is None else np.array(ids, np.uint64)
    return ReferenceSet("made-up", features, np.full(len(features), -1), "l", "f", ids=ids)


def judged(features, ids=None):
    return judge(made(features, ids), spectrum_of_features(features))


def codes(judgement):
    return [finding.code for finding in judgement.findings]


# ---- distances -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_a_member_s_distance_is_that_to_the_mean_of_the_others(count, dim):
    features = reference_features(count, dim)
    expected = [
        np.linalg.norm(features[i] - np.delete(features, i, axis=0).mean(axis=0))
        for i in range(count)
    ]
    np.testing.assert_allclose(distances(made(features)).members, expected, rtol=1e-10)


def test_the_image_s_distance_is_that_to_the_mean_of_all():
    features, feature = reference_features(7, 5), np.arange(5.0)
    expected = math.dist(feature, features.mean(axis=0))
    np.testing.assert_allclose(distances(made(features), feature).image, expected, rtol=1e-12)


@pytest.mark.parametrize(("feature", "percentile"), [(1.0, 0), (1.8, 50), (-3.5, 100)])
def test_the_percentile_counts_the_members_that_are_nearer(feature, percentile):
    """Members at ±1 and ±2 lie 4/3 and 8/3 from the mean of the others."""
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    assert distances(made(features), np.array([feature])).percentile == percentile


def test_ties_count_half():
    features = np.array([[-3.0], [3.0], [-3.0], [3.0]])  # each 4 from the mean of the others
    assert distances(made(features), np.array([4.0])).percentile == 50


def test_distances_need_no_image():
    found = distances(made(reference_features(3, 4)))
    assert (found.image, found.percentile) == (None, None)


def test_a_single_member_has_no_others():
    found = distances(made(np.ones((1, 2))), np.array([1.0, 3.0]))
    assert np.isnan(found.members).tolist() == [True]
    assert (found.image, found.percentile) == (2.0, None)


def test_distances_of_stored_features_are_those_in_float64():
    features = (reference_features(10_000, 3) + 100).astype(np.float16)
    exact = features.astype(np.float64)
    expected = np.linalg.norm(exact - exact.mean(axis=0), axis=1) * 10_000 / 9_999
    np.testing.assert_allclose(distances(made(features)).members, expected, rtol=1e-10)


# ---- rank ----------------------------------------------------------------------------------------


def test_equal_directions_count_in_full():
    features = np.vstack([np.eye(4), -np.eye(4)])
    np.testing.assert_allclose(effective_rank(spectrum_of_features(features)), 4, rtol=1e-12)


def test_effective_rank_is_the_exponential_of_the_entropy():
    """Eigenvalues 8 and 2: shares 0.8 and 0.2."""
    features = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    expected = 0.8**-0.8 * 0.2**-0.2
    np.testing.assert_allclose(effective_rank(spectrum_of_features(features)), expected)


def test_one_direction_has_the_effective_rank_one():
    assert effective_rank(spectrum_of_features(np.array([[0.0, 1], [0, 4]]))) == 1


def test_equal_members_have_the_effective_rank_zero():
    assert effective_rank(spectrum_of_features(np.ones((4, 3)))) == 0


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_a_judgement_counts(count, dim):
    found = judged(reference_features(count, dim))
    assert (found.count, found.num_features, found.rank) == (count, dim, min(count - 1, dim))
    assert 1 - 1e-9 <= found.effective_rank <= found.rank + 1e-9


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (reference_features(40, 4), []),
        (reference_features(4, 4), ["few-references"]),
        (np.ones((1, 3)), ["no-scatter"]),
        (np.ones((5, 3)), ["no-scatter"]),
        (reference_features(40, 4)[[*range(40), 0, 1]], ["duplicates"]),
        (np.random.default_rng(0).normal(size=(99, 40)) * ([1] + 39 * [1e-3]), None),
    ],
)
def test_findings_name_what_is_doubtful(features, expected):
    assert codes(judged(features)) == (["low-effective-rank"] if expected is None else expected)


def test_findings_say_what_to_do():
    (finding,) = judged(reference_features(4, 10)).findings
    assert finding.text.startswith("4 pictures for 10 features: the set says nothing about 7")


@pytest.mark.parametrize(
    ("rows", "ids", "expected"),
    [
        ([0, 1, 2], [1, 2, 3], 0),
        ([0, 1, 0], [1, 2, 3], 1),
        ([0, 1, 2], [1, 2, 1], 1),
        ([0, 0, 0], [1, 1, 2], 2),
        ([0, 1, 0, 1], [1, 2, 2, 1], 2),
    ],
)
def test_a_duplicate_has_the_id_or_the_feature_of_an_earlier_member(rows, ids, expected):
    assert judged(reference_features(3, 2)[rows], ids).num_duplicates == expected


# ---- outliers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_unlikeness_is_that_to_the_others_alone(count, dim):
    features = reference_features(count, dim)
    spectrum = spectrum_of_features(features)
    lam = OUTLIER_EPSILON * np.trace(scatter_of(features)) / dim
    expected = []
    for i in range(count):
        others = np.delete(features, i, axis=0)
        gap = features[i] - others.mean(axis=0)
        inner = np.linalg.solve(scatter_of(others) + lam * np.eye(dim), gap)
        expected.append(math.sqrt(gap @ inner))
    np.testing.assert_allclose(unlikeness(made(features), spectrum), expected, rtol=1e-8)


def test_equal_members_are_not_unlike():
    features = np.ones((6, 3))
    assert unlikeness(made(features), spectrum_of_features(features)).tolist() == 6 * [0]


@pytest.mark.parametrize(("count", "dim"), [(30, 5), (200, 5), (30, 100)])
def test_outliers_are_found_the_furthest_first(count, dim):
    features = np.random.default_rng(1).normal(size=(count, dim))
    features[7, ::2] += 30
    features[3, 1::2] -= 90
    found = outliers(made(features), spectrum_of_features(features), share=0.5)
    assert found[:2].tolist() == [3, 7]


def test_a_member_of_another_kind_is_found_among_few():
    """Fewer members than features: what is unlike spans directions of its own."""
    rng = np.random.default_rng(2)
    features = np.hstack([rng.normal(size=(12, 40)), np.zeros((12, 40))])
    features[5] = np.hstack([np.zeros(40), 3 * rng.normal(size=40)])
    assert outliers(made(features), spectrum_of_features(features)).tolist() == [5]


def test_ordinary_members_are_rarely_outliers():
    features = np.random.default_rng(0).normal(size=(1000, 20))
    assert len(outliers(made(features), spectrum_of_features(features))) <= 10


def test_no_more_than_a_share_is_named():
    features = np.random.default_rng(0).normal(size=(50, 3))
    features[:10] *= 100
    found = outliers(made(features), spectrum_of_features(features), share=0.05)
    assert len(found) == 2


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_members_are_not_judged(count):
    features = reference_features(count, 3)
    assert outliers(made(features), spectrum_of_features(features), share=1).tolist() == []


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    features = reference_features(9, 3)
    with pytest.raises(InputError, match="share must lie between 0 and 1"):
        outliers(made(features), spectrum_of_features(features), share)


# ---- the slider ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_the_curve_is_that_of_the_linear_system(count, dim):
    features, feature = reference_features(count, dim), reference_features(1, dim, seed=9)[0]
    spectrum = spectrum_of_features(features)
    curve = lam_curve(spectrum, feature)
    scatter = scatter_of(features)
    inside = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2]
    inside = inside[: min(count - 1, dim)]
    for index in range(0, len(EPSILONS), 4):
        lam = EPSILONS[index] * np.trace(scatter) / dim
        ridge = scatter + lam * np.eye(dim)
        directions = np.trace(np.linalg.solve(ridge, scatter))
        weights = np.linalg.solve(ridge, feature - features.mean(axis=0))
        rest = weights - inside.T @ (inside @ weights)
        np.testing.assert_allclose(curve.num_directions[index], directions, rtol=1e-6)
        np.testing.assert_allclose(
            curve.share_rest[index], rest @ rest / (weights @ weights), rtol=1e-5, atol=1e-9
        )


def test_the_curve_covers_the_slider():
    assert (EPSILONS[0], EPSILONS[-1]) == pytest.approx((LAM.min, LAM.max))
    assert np.diff(np.log10(EPSILONS)) == pytest.approx(LAM.step)


def test_the_curve_needs_no_image():
    assert lam_curve(spectrum_of_features(reference_features(5, 3))).share_rest is None


@pytest.mark.parametrize(("feature", "share"), [(np.zeros(2), 1), (np.ones(2), 0)])
def test_a_single_reference_spans_nothing(feature, share):
    curve = lam_curve(spectrum_of_features(np.ones((1, 2))), feature)
    assert curve.num_directions.tolist() == len(EPSILONS) * [0]
    assert curve.share_rest.tolist() == len(EPSILONS) * [share]


# ---- the plane -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dim"), [(5, 9), (300, 40), (40, 300), (3, 2), (2, 7)])
def test_the_plane_is_that_of_the_singular_vectors(count, dim):
    features = reference_features(count, dim)
    plane = project(features)
    centred = features - features.mean(axis=0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    shares = values[:2] ** 2 / (values**2).sum()
    np.testing.assert_allclose(plane.explained, shares, rtol=1e-9, atol=1e-12)
    for axis in range(2):
        if shares[axis] < 1e-12:
            continue
        sign = np.sign(vectors[axis][np.abs(vectors[axis]).argmax()])
        np.testing.assert_allclose(plane.components[axis], sign * vectors[axis], atol=1e-5)
        np.testing.assert_allclose(
            plane.points[:, axis], sign * centred @ vectors[axis], atol=1e-4 * values[axis]
        )


def test_members_are_placed_where_they_are_drawn():
    features = reference_features(30, 6)
    plane = project(features)
    np.testing.assert_allclose(
        [plane.place(features[row]) for row in plane.rows], plane.points, atol=1e-9
    )


def test_many_rows_are_drawn_from():
    features = reference_features(200, 4)
    one, again, other = (project(features, num_sample=50, seed=seed) for seed in (0, 0, 1))
    assert len(one.rows) == len(set(one.rows.tolist())) == 50
    assert (np.diff(one.rows) > 0).all()
    np.testing.assert_array_equal(one.rows, again.rows)
    np.testing.assert_array_equal(one.points, again.points)
    assert one.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize(
    ("features", "num_axes"),
    [
        (np.ones((1, 4)), 0),
        (np.ones((5, 4)), 0),
        (np.zeros((5, 4)), 0),
        (np.array([[1.0], [2.0], [5.0]]), 1),
        (np.outer(np.arange(9.0), np.ones(4)), 1),
    ],
)
def test_axes_without_differences_are_zero(features, num_axes):
    plane = project(features)
    lengths = np.linalg.norm(plane.components, axis=1)
    np.testing.assert_allclose(lengths, [1] * num_axes + [0] * (2 - num_axes), atol=1e-9)
    assert plane.points.shape == (len(features), 2)
    np.testing.assert_allclose(plane.points[:, num_axes:], 0)


def test_a_plane_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"n >= 1 \(got \(0, 4\)\)"):
        project(np.zeros((0, 4)))


def test_a_file_is_projected_in_bounded_memory(tmp_path):
    features = np.lib.format.open_memmap(
        tmp_path / "features.npy", "w+", dtype=np.float16, shape=(60_000, 64)
    )
    features[:] = np.random.default_rng(0).random((60_000, 64))
    tracemalloc.start()
    plane = project(features, num_sample=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plane.points.shape == (1000, 2)
    assert peak < 8 * 1000 * 64 * 8
