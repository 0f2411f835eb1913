"""Eigenpairs of the scatter, through the scatter itself or the Gram matrix."""

import numpy as np
import pytest

from explain_core.references.spectrum import spectrum_of_features, spectrum_of_statistics
from explain_core.references.statistics import group_statistics
from tests.oracles.diffcams import scatter_of
from tests.oracles.nets import reference_features

SHAPES = [(2, 9), (5, 9), (9, 9), (10, 9), (40, 9), (3, 1), (1, 4)]


def eigenvectors(spectrum):
    return spectrum.project(np.eye(len(spectrum.mean)))


def rebuilt(spectrum):
    """Return `sum_i s_i u_i u_i^T`."""
    vectors = eigenvectors(spectrum)
    return vectors.T @ np.diag(spectrum.eigenvalues) @ vectors


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_eigenpairs_rebuild_the_scatter(count, dim):
    features = reference_features(count, dim)
    scatter = scatter_of(features)
    peak = max(scatter.max(), 1e-9)
    spectrum = spectrum_of_features(features)
    np.testing.assert_allclose(rebuilt(spectrum), scatter, rtol=0, atol=1e-10 * peak)


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_eigenvectors_are_orthonormal(count, dim):
    vectors = eigenvectors(spectrum_of_features(reference_features(count, dim)))
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(vectors)), atol=1e-9)


@pytest.mark.parametrize(("count", "dim"), [(2, 9), (5, 9), (8, 9)])
def test_eigenvalues_through_gram_are_those_through_scatter(count, dim):
    features = reference_features(count, dim)
    through_gram = spectrum_of_features(features)
    through_scatter = spectrum_of_statistics(group_statistics(features))
    np.testing.assert_allclose(through_gram.eigenvalues, through_scatter.eigenvalues, rtol=1e-9)


@pytest.mark.parametrize(("count", "dim"), [(2, 9), (5, 9), (8, 9)])
def test_eigenspaces_through_gram_are_those_through_scatter(count, dim):
    features = reference_features(count, dim)
    one = eigenvectors(spectrum_of_features(features))
    other = eigenvectors(spectrum_of_statistics(group_statistics(features)))
    np.testing.assert_allclose(np.abs(np.sum(one * other, axis=1)), 1, rtol=1e-9)


@pytest.mark.parametrize(("count", "dim"), [(5, 9), (40, 9)])
def test_eigenvalues_fall(count, dim):
    eigenvalues = spectrum_of_features(reference_features(count, dim)).eigenvalues
    assert (np.diff(eigenvalues) <= 0).all()
    assert eigenvalues[-1] > 0


@pytest.mark.parametrize(("count", "dim"), SHAPES)
def test_there_are_no_more_eigenvalues_than_the_rank(count, dim):
    eigenvalues = spectrum_of_features(reference_features(count, dim)).eigenvalues
    assert len(eigenvalues) <= min(count - 1, dim)


@pytest.mark.parametrize(("count", "dim"), [(5, 9), (40, 9)])
def test_unit_of_lambda_is_the_mean_eigenvalue(count, dim):
    features = reference_features(count, dim)
    spectrum = spectrum_of_features(features)
    np.testing.assert_allclose(spectrum.lam_unit, np.trace(scatter_of(features)) / dim, rtol=1e-12)


@pytest.mark.parametrize("features", [np.ones((1, 4)), np.ones((3, 4)), np.ones((6, 4))])
def test_equal_references_have_no_directions(features):
    spectrum = spectrum_of_features(features)
    assert (len(spectrum.eigenvalues), spectrum.lam_unit) == (0, 1.0)


@pytest.mark.parametrize(("count", "dim"), [(5, 9), (40, 9), (1, 9)])
def test_expand_undoes_project_within_the_span(count, dim):
    spectrum = spectrum_of_features(reference_features(count, dim))
    coefficients = np.arange(1.0, 1 + len(spectrum.eigenvalues))
    back = spectrum.project(spectrum.expand(coefficients)[:, None])[:, 0]
    np.testing.assert_allclose(back, coefficients, rtol=1e-9)


def test_union_s_spectrum_comes_from_its_statistics():
    features = reference_features(30, 6)
    union = group_statistics(features[:11]) + group_statistics(features[11:])
    np.testing.assert_allclose(
        spectrum_of_statistics(union).eigenvalues,
        spectrum_of_features(features).eigenvalues,
        rtol=1e-9,
    )


def test_features_are_not_written_to():
    features = reference_features(3, 5)
    before = features.copy()
    spectrum_of_features(features)
    np.testing.assert_array_equal(features, before)
