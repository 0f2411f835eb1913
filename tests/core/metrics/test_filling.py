"""Imputation against a sparse direct solve, and against the solver of pytorch-grad-cam."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

import explain_core as xc
from explain_core.metrics.filling import impute
from tests.oracles import removals


def pixels(size, num_channels=3, seed=0):
    return np.random.default_rng(seed).random((num_channels, *size))


def disc(size, share):
    """Return a hole in the middle: of all holes the one farthest from what remains."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    far = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    return removals.top(-far, round(share * far.size))


def scattered(size, share):
    return removals.top(np.random.default_rng(1).random(size), round(share * size[0] * size[1]))


def all_but_a_corner(size):
    removed = np.ones(size, bool)
    removed[-1, -1] = removed[-1, -2] = False
    return removed


def frame(size):
    removed = np.ones(size, bool)
    removed[5:-9, 4:-4] = False
    return removed


HOLES = {
    "disc": disc((37, 50), 0.7),
    "scattered": scattered((37, 50), 0.5),
    "scattered, most": scattered((33, 47), 0.95),
    "all but a corner": all_but_a_corner((30, 25)),
    "frame": frame((32, 32)),
    "one pixel": disc((9, 14), 1 / 126),
    "nothing": np.zeros((9, 14), bool),
    "a line": disc((1, 40), 0.5),
    "two lines": scattered((60, 2), 0.8),
}


@pytest.mark.parametrize("name", HOLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_direct_solution(name, dtype):
    removed = HOLES[name]
    picture = pixels(removed.shape)
    found = impute(torch.tensor(picture, dtype=dtype)[None], torch.tensor(removed)[None])[0]
    expected = removals.imputed(picture, removed) if removed.any() else picture
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
def test_it_is_pytorch_grad_cam_s():
    size = (40, 56)
    picture = torch.tensor(pixels(size), dtype=torch.float32)
    removed = torch.tensor(disc(size, 0.25) | scattered(size, 0.3))
    expected = NoisyLinearImputer(noise=0.0)(picture, 1 - removed.float())
    np.testing.assert_allclose(impute(picture[None], removed[None])[0], expected, atol=1e-4)


def test_batch_is_its_pictures_one_by_one():
    size = (24, 30)
    pictures = torch.tensor(np.stack([pixels(size, 1, seed) for seed in range(5)]))
    removed = torch.tensor(np.stack([scattered(size, share) for share in (0, 0.2, 0.5, 0.8, 0.9)]))
    together = impute(pictures, removed)
    for one, hole, found in zip(pictures, removed, together, strict=True):
        np.testing.assert_allclose(impute(one[None], hole[None])[0], found, atol=1e-4)


def test_what_remains_stays_as_it_is_and_nothing_is_written_to():
    size = (24, 30)
    picture, removed = torch.tensor(pixels(size))[None], torch.tensor(disc(size, 0.4))[None]
    before = picture.clone()
    found = impute(picture, removed)
    assert torch.equal(picture, before)
    assert torch.equal(found[..., ~removed[0]], before[..., ~removed[0]])


def test_even_picture_is_filled_evenly():
    picture = torch.full((1, 1, 30, 41), 0.3)
    removed = torch.tensor(scattered((30, 41), 0.9))[None]
    np.testing.assert_allclose(impute(picture, removed), 0.3, atol=1e-5)


def test_picture_of_which_nothing_remains_is_refused():
    removed = torch.ones(2, 6, 7, dtype=torch.bool)
    removed[0, 0, 0] = False
    with pytest.raises(xc.InputError, match="no pixel of the picture remains"):
        impute(torch.ones(2, 3, 6, 7), removed)
