"""Repeatability: what is the same agrees by 1, chance agrees by nothing, noise is as asked for."""

import dataclasses

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.metrics.agreement import rank_correlation, structural_similarity, top_area_iou
from explain_core.metrics.repeatability import (
    model_agreement,
    noise_agreement,
    noisy,
    seed_agreement,
)
from tests.core.metrics.made_up import brightness_of, gradient_of, signed_map
from tests.oracles.nets import TinyNet, picture, wrap


def chance(model, image, seed):
    return signed_map(model, image, np.random.default_rng(seed).normal(size=(20, 28)))


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet(is_smooth=True))


@pytest.fixture(scope="module")
def image():
    return picture()


def numbers_of(agreement):
    return agreement.rank_correlations, agreement.top_area_ious, agreement.similarities


def test_a_method_without_chance_agrees_with_itself(model, image):
    found = seed_agreement(model, image, gradient_of, num_repeats=2)
    for numbers in numbers_of(found):
        np.testing.assert_allclose(numbers, [1, 1])


def test_chance_agrees_with_nothing(model, image):
    found = seed_agreement(model, image, chance, num_repeats=6, seed=4)
    np.testing.assert_array_equal(found.maps[0], chance(model, image, 5).values)
    assert np.abs(found.rank_correlations).max() < 0.15
    assert found.top_area_ious.max() < 0.25


def test_numbers_are_of_the_positive_parts(model, image):
    found = seed_agreement(model, image, chance, num_repeats=1, seed=1)
    one, other = (np.maximum(chance(model, image, seed).values, 0) for seed in (1, 2))
    measures = (rank_correlation, top_area_iou, structural_similarity)
    assert [each[0] for each in numbers_of(found)] == [measure(one, other) for measure in measures]


def test_more_noise_agrees_less(model, image):
    little, much = (
        noise_agreement(model, image, gradient_of, sigma=sigma, num_repeats=3)
        for sigma in (0.004, 0.3)
    )
    for low, high in zip(numbers_of(much), numbers_of(little), strict=True):
        assert low.mean() < high.mean() < 1
    assert little.rank_correlations.min() > 0.9


def test_each_repeat_has_noise_of_its_own_and_the_seed_settles_it(model, image):
    first, again, other = (
        noise_agreement(model, image, brightness_of, num_repeats=2, seed=seed).maps
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_noise_has_the_deviation_asked_for(num_channels, dtype):
    model = wrap(TinyNet(num_channels))
    gray = picture(num_channels, dtype=dtype)
    middle = np.full_like(gray.pixels, gray.white // 2)
    image = dataclasses.replace(gray, pixels=middle, notes=("a note",))
    drawn = noisy(model, image, 0.05, np.random.default_rng(0))
    added = (drawn.pixels.astype(float) - middle) / image.white
    assert added.std() == pytest.approx(0.05, rel=0.08)
    assert (drawn.pixels.dtype, drawn.kind, drawn.white) == (dtype, image.kind, image.white)
    assert drawn.notes == ("a note",)
    assert drawn.digest != image.digest
    if num_channels == 3:
        assert not np.array_equal(drawn.pixels[..., 0], drawn.pixels[..., 1])


def test_noise_of_a_large_picture_survives_its_shrinking(model):
    large = picture(size=(400, 560))
    image = dataclasses.replace(large, pixels=np.full_like(large.pixels, 128))
    drawn = noisy(model, image, 0.1, np.random.default_rng(0))
    change = (model.to_pixels(drawn) - model.to_pixels(image)).numpy()
    assert 0.03 < change.std() < 0.1


def test_black_and_white_are_not_passed(model, image):
    pixels = noisy(model, image, 1.0, np.random.default_rng(0)).pixels
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.mean(pixels == 255) > 0.1  # and not wrapped around


def test_two_models_are_compared_on_the_original_where_both_looked(image):
    one = wrap(TinyNet(is_smooth=True))
    other = wrap(TinyNet(is_smooth=True, seed=2), size=(12, 12))
    large = picture(size=(40, 40))
    found = model_agreement(one, other, large, brightness_of)
    maps = [brightness_of(each, large, 0).on_original() for each in (one, other)]
    assert found.maps.shape == (1, 40, 40)
    assert found.rank_correlations[0] == pytest.approx(rank_correlation(*maps), abs=1e-12)
    assert model_agreement(one, one, large, brightness_of).rank_correlations[0] == 1


def test_a_map_that_vanishes_has_no_rank_correlation(model, image):
    def shy(model, image, seed):
        values = chance(model, image, 0).values
        return signed_map(model, image, values if seed == 0 else -np.abs(values))

    found = seed_agreement(model, image, shy, num_repeats=1)
    assert np.isnan(found.rank_correlations).all()
    assert found.top_area_ious == [0]


def test_progress_rises_to_one(model, image):
    for agree in (noise_agreement, seed_agreement):
        told = []
        agree(model, image, brightness_of, num_repeats=3, progress=told.append)
        assert told == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("agree", [noise_agreement, seed_agreement])
def test_what_cannot_be_repeated_is_refused(agree, model, image):
    with pytest.raises(InputError, match="no positive evidence"):
        agree(model, image, lambda *_: signed_map(model, image, np.zeros((20, 28))))
    with pytest.raises(InputError, match="num_repeats must be at least 1"):
        agree(model, image, brightness_of, num_repeats=0)


@pytest.mark.parametrize("sigma", [0, -0.1, 1.5, float("nan")])
def test_a_deviation_out_of_its_range_is_refused(sigma, model, image):
    with pytest.raises(InputError, match="sigma must be above 0 and at most 1"):
        noise_agreement(model, image, brightness_of, sigma=sigma)
