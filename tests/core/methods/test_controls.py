"""The controls against closed forms."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.images.reading import image_from_pixels
from explain_core.methods.cautions import basis_cautions
from explain_core.methods.controls import center_gaussian, edges, random_map
from explain_core.models.tap import count_passes
from tests.oracles.nets import Headless, TinyNet, picture, wrap, wrap_headless

CONTROLS = ["random", "center-gaussian", "edges"]


def test_controls_are_marked():
    assert [name for name, method in xc.METHODS.items() if method.is_control] == CONTROLS


@pytest.mark.parametrize("name", CONTROLS)
def test_control_says_that_it_is_one(name):
    assert "a control to compare with" in xc.METHODS[name].summary


@pytest.mark.parametrize("name", CONTROLS)
def test_control_runs_no_network(name):
    model = wrap(TinyNet())
    with count_passes() as counter:
        xc.explain(model, picture(), method=name, target=0)
    assert counter.passes == 0


@pytest.mark.parametrize("name", CONTROLS)
def test_control_needs_no_class(name):
    smap = xc.explain(wrap_headless(Headless()), picture(), method=name)
    assert smap.values.any()


@pytest.mark.parametrize("name", CONTROLS)
def test_control_is_the_same_for_every_class(name):
    model = wrap(TinyNet())
    maps = [xc.explain(model, picture(), method=name, target=c).values for c in (0, 3)]
    np.testing.assert_array_equal(*maps)


# ---- random --------------------------------------------------------------------------------------


def test_random_map_is_uniform():
    values = random_map((200, 300), seed=1)
    shares, _ = np.histogram(values, bins=10, range=(0, 1))
    np.testing.assert_allclose(shares / values.size, 0.1, atol=0.01)


def test_random_map_s_neighbours_are_independent():
    values = random_map((200, 300), seed=1)
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.02


def test_seed_makes_the_random_map():
    np.testing.assert_array_equal(random_map((4, 5), 7), random_map((4, 5), 7))
    assert not np.array_equal(random_map((4, 5), 7), random_map((4, 5), 8))


# ---- centred Gaussian ----------------------------------------------------------------------------


def test_gaussian_by_hand():
    # sigma is 3 pixels; the centre lies on the middle pixel
    values = center_gaussian((5, 3), 1.0)
    assert values[2, 1] == 1.0
    assert values[0, 1] == pytest.approx(np.exp(-(2**2) / (2 * 3**2)))
    assert values[4, 2] == pytest.approx(np.exp(-(2**2 + 1**2) / (2 * 3**2)))


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 1), (1, 8)])
def test_gaussian_lies_in_the_middle(size):
    values = center_gaussian(size, 0.25)
    np.testing.assert_array_equal(values, values[::-1])
    np.testing.assert_array_equal(values, values[:, ::-1])


def test_gaussian_is_as_wide_as_it_is_high():
    values = center_gaussian((41, 81), 0.25)
    np.testing.assert_allclose(values[:, 40], values[20, 20:61])


# ---- edges ---------------------------------------------------------------------------------------


def test_slope_has_its_own_steepness():
    ramp = np.add.outer(0.03 * np.arange(6), 0.04 * np.arange(7))[None]
    np.testing.assert_allclose(edges(ramp)[1:-1, 1:-1], 0.05)


def test_step_has_an_edge_on_both_sides():
    step = np.zeros((1, 5, 6))
    step[:, :, 3:] = 1
    np.testing.assert_allclose(edges(step), [[0, 0, 0.5, 0.5, 0, 0]] * 5)


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_colours_count_as_the_eye_sees_them(channel, weight):
    step = np.zeros((3, 5, 6))
    step[channel, :, 3:] = 1
    np.testing.assert_allclose(edges(step)[2], [0, 0, weight / 2, weight / 2, 0, 0])


def test_edges_are_those_of_the_displayed_picture():
    model, image = wrap(TinyNet()), picture()
    smap = xc.explain(model, image, method="edges", target=0)
    pixels = image.pixels.astype(np.float64).transpose(2, 0, 1) / image.white
    np.testing.assert_allclose(smap.values, edges(pixels), atol=1e-6)


def test_plain_picture_has_no_edges_and_says_so():
    plain = image_from_pixels(np.full((20, 28, 3), 90, np.uint8))
    basis = xc.prepare(wrap(TinyNet()), plain, method="edges", target=0)
    (found,) = basis_cautions(basis, {})
    assert found.code == "empty-control"
