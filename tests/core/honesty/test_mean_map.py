"""Mean maps of reference films, and maps that look like them."""

from __future__ import annotations

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import InputError
from explain_core.honesty.mean_map import MeanMap, alikeness, border_peaks, mean_map
from explain_core.types import Array, Contrast, Geometry, Image, Provenance, SaliencyMap
from tests.oracles.nets import TinyNet, picture, wrap

SIZE = (20, 28)


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return wrap(TinyNet())


def map_of(values: Array, model: xc.Model, geometry: Geometry | None = None) -> SaliencyMap:
    fingerprint = Provenance("made-up", "", model.fingerprint, "", "", Contrast(None))
    geometry = geometry or Geometry(SIZE, SIZE, (1, 1), (0, 0))
    return SaliencyMap(values.astype(np.float32), True, fingerprint, geometry)


def averaged(maps: list[Array], model: xc.Model) -> MeanMap:
    given = iter(maps)
    images = [picture(seed=seed) for seed in range(len(maps))]
    return mean_map(model, images, lambda _: map_of(next(given), model))


def blob(row: float, column: float, width: float = 2.0) -> Array:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    found: Array = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
    return found


def test_each_film_counts_by_the_shape_of_its_positive_part(model: xc.Model) -> None:
    rng = np.random.default_rng(0)
    maps = [scale * rng.normal(size=SIZE) for scale in (1.0, 1000.0, 0.01)]
    expected = np.zeros(SIZE)
    for values in maps:
        positive = np.where(values > 0, values, 0).astype(np.float32).astype(np.float64)
        expected += positive / positive.sum() / 3
    found = averaged(maps, model)
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert (found.count, found.num_empty) == (3, 0)


def test_maps_without_evidence_are_counted_apart(model: xc.Model) -> None:
    found = averaged([-blob(5, 5), blob(4, 9), np.zeros(SIZE)], model)
    assert (found.count, found.num_empty) == (1, 2)
    np.testing.assert_allclose(found.values.sum(), 1)
    assert (
        "of 1 reference film (2 more have an empty map)"
        in alikeness(map_of(blob(4, 9), model), found).figures
    )


def test_progress_is_told_film_by_film(model: xc.Model) -> None:
    told: list[float] = []
    mean_map(model, [picture()] * 4, lambda _: map_of(blob(1, 1), model), told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_peaks_are_shares_of_the_film_inside_its_borders(model: xc.Model) -> None:
    # a film of 40 x 40, letterboxed into 20 x 28: 4 columns of border at either side
    geometry = Geometry((40, 40), SIZE, (0.5, 0.5), (0.0, -4.0))
    maps = {0: blob(10.5, 14.5), 1: blob(0.5, 1.5)}
    images: list[Image] = [picture(seed=0), picture(seed=1)]
    digests = {image.digest: number for number, image in enumerate(images)}
    found = mean_map(
        model, images, lambda image: map_of(maps[digests[image.digest]], model, geometry)
    )
    np.testing.assert_allclose(found.peaks, [(21 / 40, 21 / 40), (1 / 40, 0)])


def test_one_corner_in_every_film_is_an_artefact(model: xc.Model) -> None:
    rng = np.random.default_rng(1)
    corner = blob(1, 1)
    maps = [corner + 0.1 * blob(*rng.uniform(6, 18, 2)) for _ in range(12)]
    mean = averaged(maps[:11], model)
    found = alikeness(map_of(maps[11], model), mean)
    assert found.is_alike
    assert found.text.startswith("This film's map looks like the mean map of the reference films")
    assert "a peak in the upper left corner of 11 of 11 reference films" in border_peaks(mean)


def test_a_map_of_its_own_is_none(model: xc.Model) -> None:
    mean = averaged([blob(5, 20), blob(14, 20), blob(10, 18)], model)
    found = alikeness(map_of(blob(10, 6), model), mean)
    assert not found.is_alike
    assert found.overlap == 0
    assert found.rho < 0
    assert "does not look like" in found.text
    assert border_peaks(mean) == ""


def test_the_mean_of_equal_maps_is_as_alike_as_can_be(model: xc.Model) -> None:
    found = alikeness(map_of(3 * blob(10, 6), model), averaged([blob(10, 6)] * 3, model))
    assert found.rho == pytest.approx(1)
    assert found.overlap == 1


def test_borders_beside_the_film_do_not_count(model: xc.Model) -> None:
    inside = np.random.default_rng(3).random((20, 20))
    geometry = Geometry((40, 40), SIZE, (0.5, 0.5), (0.0, -4.0))
    padded = np.pad(inside, ((0, 0), (4, 4)), constant_values=9.0)
    found = alikeness(map_of(padded, model, geometry), MeanMap(1 - padded, ((0.5, 0.5),), 0))
    assert found.rho == pytest.approx(-1)


def test_corners_that_change_from_film_to_film_are_all_named(model: xc.Model) -> None:
    places = [(1, 1)] * 2 + [(1, 27)] * 2 + [(19, 1), (10, 27), (10, 14)]
    text = border_peaks(averaged([blob(*place) for place in places], model))
    assert "in the outer tenth of the film in 6 of 7 reference films (upper left corner 2" in text
    assert "right edge 1" in text
    assert "lower left corner 1" in text


def test_half_of_the_films_is_not_most(model: xc.Model) -> None:
    assert border_peaks(averaged([blob(1, 1), blob(10, 14)], model)) == ""


def test_films_without_any_evidence_have_no_mean(model: xc.Model) -> None:
    with pytest.raises(InputError, match="none of the 2 reference films has a map with positive"):
        averaged([-blob(1, 1), np.zeros(SIZE)], model)


def test_maps_of_another_model_are_refused(model: xc.Model) -> None:
    other = wrap(TinyNet(1))
    with pytest.raises(InputError, match="reference films' maps are not of"):
        mean_map(model, [picture()], lambda _: map_of(blob(1, 1), other))


def test_maps_of_another_size_are_refused(model: xc.Model) -> None:
    mean = MeanMap(np.ones((5, 5)) / 25, ((0.5, 0.5),), 0)
    with pytest.raises(InputError, match=r"the map is \(20, 28\), the mean map \(5, 5\)"):
        alikeness(map_of(blob(1, 1), model), mean)
