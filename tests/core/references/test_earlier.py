"""An earlier film as reference: its feature for the mean, other pictures for the scatter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.methods.cautions import basis_cautions
from explain_core.references.earlier import earlier_film_set, spread_of_earlier
from explain_core.references.statistics import group_statistics
from explain_core.types import Array, Image, picture_id
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import (
    TinyNet,
    network_input,
    picture,
    reference_features,
    reference_set,
    wrap,
)
from tests.oracles.stretching import stretch


def activations_of(network: TinyNet, image: Image) -> Array:
    found: Array = cams.forward(network, network_input(image), "stage2")[1][0].detach().numpy()
    return found


def by_a_solve(activations: Array, earlier: Array, spread: Array, epsilon: float) -> Array:
    """Return `sum_k w_k A_k` with `w = (S + λI)^-1 (z - z_e)`, λ in mean eigenvalues of S."""
    rows = spread.astype(np.float64)
    scatter = sum(np.outer(row, row) for row in rows - rows.mean(axis=0))
    lam = epsilon * np.trace(scatter) / len(scatter)
    delta = activations.mean(axis=(1, 2)) - earlier.mean(axis=(1, 2))
    w = np.linalg.solve(scatter + lam * np.eye(len(scatter)), delta)
    found: Array = np.tensordot(w, activations, axes=1)
    return found


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("count", [3, 40])  # of 8-dimensional features
def test_map_is_that_of_the_linear_system(count: int, epsilon: float) -> None:
    network, film, earlier = TinyNet(), picture(), picture(seed=3)
    model = wrap(network)
    features = reference_features(count, 8).astype(np.float32)
    spread = reference_set(model, features)
    references = earlier_film_set(model, film, earlier, spread)
    smap = xc.explain(model, film, method="diffcam", target=0, references=references, lam=epsilon)
    expected = by_a_solve(
        activations_of(network, film), activations_of(network, earlier), features, epsilon
    )
    assert_same_map(smap.values, stretch(expected, (20, 28)))


@pytest.mark.parametrize("count", [3, 40])
def test_statistics_are_those_of_the_rows(count: int) -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(count, 8).astype(np.float32))
    made = earlier_film_set(model, picture(), picture(seed=3), spread)
    assert made.statistics is not None
    known, own = made.statistics(), group_statistics(made.features)
    assert known.count == own.count == count
    np.testing.assert_allclose(known.mean, own.mean, rtol=1e-6)
    np.testing.assert_allclose(known.scatter, own.scatter, atol=1e-4 * np.abs(own.scatter).max())


def test_two_earlier_films_of_one_spread_are_two_sets() -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(9, 8).astype(np.float32))
    one, other = (earlier_film_set(model, picture(), picture(seed=seed), spread) for seed in (3, 4))
    assert one.digest != other.digest
    assert spread_of_earlier(one.key) == spread.key
    assert spread_of_earlier(spread.key) is None


def test_neither_film_counts_in_the_spread() -> None:
    model, film, earlier = wrap(TinyNet()), picture(), picture(seed=3)
    features = reference_features(9, 8).astype(np.float32)
    ids = np.arange(9, dtype=np.uint64)
    ids[2], ids[5] = picture_id(film), picture_id(earlier)
    whole = replace(reference_set(model, features), ids=ids)
    rest = reference_set(model, features[[0, 1, 3, 4, 6, 7, 8]])
    for made in (whole, rest):
        smap = xc.explain(
            model,
            film,
            method="diffcam",
            target=0,
            references=earlier_film_set(model, film, earlier, made),
        )
        if made is whole:
            first = smap.values
    np.testing.assert_allclose(first, smap.values, rtol=1e-4, atol=1e-6 * np.abs(first).max())
    assert smap.provenance.parameter("num_references") == 7


def test_caution_says_what_is_whitened_by_what() -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(40, 8).astype(np.float32))
    references = earlier_film_set(model, picture(), picture(seed=3), spread)
    basis = xc.prepare(model, picture(), method="diffcam", target=0, references=references)
    (caution,) = basis_cautions(basis, {"lam": 1e-3})
    assert caution.code == "earlier-film"
    assert f"whitened by the variation among the 40 pictures of “{spread.key}”" in caution.text


def test_few_pictures_are_told_beside_it() -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(3, 8).astype(np.float32))
    references = earlier_film_set(model, picture(), picture(seed=3), spread)
    basis = xc.prepare(model, picture(), method="diffcam", target=0, references=references)
    cautions = basis_cautions(basis, {"lam": 1e-6})
    assert [each.code for each in cautions] == ["earlier-film", "few-references"]
    assert "plain difference from the earlier film there" in cautions[1].text


def test_the_film_itself_is_no_earlier_film() -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(9, 8).astype(np.float32))
    with pytest.raises(InputError, match="the earlier film is this film itself"):
        earlier_film_set(model, picture(), picture(), spread)


def test_one_picture_does_not_tell_what_varies() -> None:
    model = wrap(TinyNet())
    spread = reference_set(model, reference_features(1, 8).astype(np.float32))
    with pytest.raises(InputError, match="must hold at least 2 other pictures"):
        earlier_film_set(model, picture(), picture(seed=3), spread)


def test_a_spread_of_another_model_is_refused() -> None:
    spread = reference_set(wrap(TinyNet(1)), reference_features(9, 8).astype(np.float32))
    with pytest.raises(BankError, match="made with other weights"):
        earlier_film_set(wrap(TinyNet()), picture(), picture(seed=3), spread)
