"""RCAP against a loop, and what the paper proves of it."""

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.errors import InputError
from explain_core.types import Contrast, Provenance, SaliencyMap
from tests.oracles import rcaps
from tests.oracles.nets import MEANS, STDS, TinyNet, picture, wrap


def as_map(model, image, values, is_signed=False):
    return SaliencyMap(
        values=values.astype(np.float32),
        is_signed=is_signed,
        provenance=Provenance("", "", "", "", "", Contrast(0)),
        geometry=model.geometry(image),
    )


def random_values(seed=0):
    return np.random.default_rng(seed).random((20, 28)).astype(np.float32)


def pixels_of(image):
    pixels = image.pixels.astype(np.float64) / image.white
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@pytest.mark.parametrize(("lower_bound", "interval"), [(50, 10), (0, 20), (90, 2.5), (0, 100)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_score_is_that_of_the_loop(dtype, num_channels, lower_bound, interval):
    network, image = TinyNet(num_channels).to(dtype), picture(num_channels)
    model, values = wrap(network), random_values()
    expected = rcaps.rcap(
        network,
        pixels_of(image),
        values.astype(np.float64),
        0,
        MEANS[num_channels],
        STDS[num_channels],
        lower_bound,
        interval,
    )
    score = xc.metrics.rcap(
        model,
        image,
        as_map(model, image, values),
        target=0,
        lower_bound=lower_bound,
        interval=interval,
    )
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_scale_and_offset_of_the_map_do_not_matter():
    model, image = wrap(TinyNet()), picture()
    scores = [
        xc.metrics.rcap(model, image, as_map(model, image, values), target=1)
        for values in (random_values(), 1000 * random_values() + 20)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-5)


def test_positive_part_of_a_signed_map_counts():
    model, image = wrap(TinyNet()), picture()
    values = random_values() - 0.3
    scores = [
        xc.metrics.rcap(model, image, as_map(model, image, each, is_signed=True), target=1)
        for each in (values, np.maximum(values, 0))
    ]
    assert scores[0] == scores[1]


def test_class_can_be_named():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    by_name = xc.metrics.rcap(model, image, smap, target="0")
    assert by_name == xc.metrics.rcap(model, image, smap, target=0)


def test_even_map_recovers_everything():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, np.full((20, 28), 7.0))
    probability = model.probabilities(model.predict(image))[2]
    np.testing.assert_allclose(
        xc.metrics.rcap(model, image, smap, target=2), probability, rtol=1e-5
    )


@pytest.mark.parametrize("values", [np.zeros((20, 28)), -random_values()])
def test_map_without_positive_evidence_is_refused(values):
    model, image = wrap(TinyNet()), picture()
    with pytest.raises(InputError, match="no positive evidence, so RCAP is undefined"):
        xc.metrics.rcap(model, image, as_map(model, image, values), target=0)


@pytest.mark.parametrize(
    ("lower_bound", "interval"), [(50, 30), (50, 0), (50, -10), (100, 10), (-10, 10), (90, 20)]
)
def test_bounds_that_do_not_fit_are_refused(lower_bound, interval):
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    with pytest.raises(InputError, match="interval must divide 100 - lower_bound"):
        xc.metrics.rcap(model, image, smap, target=0, lower_bound=lower_bound, interval=interval)


def test_map_of_another_size_is_refused():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, np.ones((28, 20)))
    with pytest.raises(
        InputError, match=r"the map is \(28, 20\), but 'module' looks at \(20, 28\)"
    ):
        xc.metrics.rcap(model, image, smap, target=0)


def test_unknown_class_is_refused():
    model, image = wrap(TinyNet()), picture()
    with pytest.raises(InputError, match="'module' has no class 5"):
        xc.metrics.rcap(model, image, as_map(model, image, random_values()), target=5)


def test_map_is_not_written_to():
    model, image = wrap(TinyNet()), picture()
    smap = as_map(model, image, random_values())
    before = smap.values.copy()
    xc.metrics.rcap(model, image, smap, target=0)
    np.testing.assert_array_equal(smap.values, before)


# ---- the two propositions, with Gaussians as in Figure 4 --------------------------------------


class Patch(nn.Module):
    """Tell class 1 by the light in the middle of the picture; half of it is enough to notice."""

    def __init__(self):
        super().__init__()
        kernel = torch.zeros(2, 1, 40, 40)
        kernel[1, 0, 12:28, 12:28] = 8 / 16**2
        self.maps = nn.Conv2d(1, 2, 40, padding=20)
        self.maps.weight = nn.Parameter(kernel)
        self.maps.bias = nn.Parameter(torch.tensor([3.0, 0.0]))

    def forward(self, x):
        return self.maps(x)[:, :, 20, 20]


def gaussian(row, column, sigma):
    rows, columns = np.mgrid[:40, :40] + 0.5
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))


@pytest.fixture(scope="module")
def patch_model():
    preprocessing = xc.Preprocessing(size=(40, 40), mean=(0.0,), std=(1.0,))
    return xc.wrap_model(Patch(), layer="maps", preprocessing=preprocessing)


@pytest.fixture(scope="module")
def light():
    from explain_core.images.reading import image_from_pixels

    return image_from_pixels(np.full((40, 40), 255, dtype=np.uint8))


def score_of(patch_model, light, values):
    return xc.metrics.rcap(patch_model, light, as_map(patch_model, light, values), target=1)


def test_of_equally_noisy_maps_the_better_placed_one_wins(patch_model, light):
    """Proposition 1: the same Gaussian over the object and beside it."""
    placed = score_of(patch_model, light, gaussian(20, 20, 6))
    beside = score_of(patch_model, light, gaussian(20, 36, 6))
    assert placed > 1.5 * beside


def test_of_equally_placed_maps_the_less_noisy_one_wins(patch_model, light):
    """Proposition 2: a narrow and a wide Gaussian, which rank all pixels alike."""
    narrow = score_of(patch_model, light, gaussian(20, 20, 6))
    wide = score_of(patch_model, light, gaussian(20, 20, 18))
    assert narrow > 1.2 * wide
