"""Mask against its objective written out place by place, and what its evidence promises."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods.cautions import basis_cautions
from explain_core.methods.evidence import Asked
from explain_core.methods.perturbation import LEARNED_MASK, blur, mask_size, roughness
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.oracles import perturbations
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import SIZE, TinyNet, picture, wrap

VALUES = {"num_updates": 4, "seed": 3, "l1": 0.05, "tv": 2.0}


@cache
def network_of(num_channels=3):
    """A smooth activation and float64: Adam's first steps take only the gradient's sign."""
    return TinyNet(num_channels, is_smooth=True).double()


def pixels_of(image):
    pixels = image.pixels.astype(np.float64) / image.white
    return (pixels[:, :, None] if pixels.ndim == 2 else pixels).transpose(2, 0, 1)


def slow(num_channels=3, target=0, perturbation="blur", **changes):
    return perturbations.learned_mask(
        network_of(num_channels),
        # as the model sees it, in float32
        pixels_of(picture(num_channels)).astype(np.float32).astype(np.float64),
        target,
        size=mask_size(SIZE),
        is_blurred=perturbation == "blur",
        **(VALUES | changes),
    )


def prepared(num_channels=3, model=None, **changes):
    model = model or wrap(network_of(num_channels))
    values = {"target": 0} | VALUES | changes
    return xc.prepare(model, picture(model.preprocessing.num_channels), method="mask", **values)


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("perturbation", ["blur", "black"])
def test_map_is_that_of_the_objective_written_out(num_channels, perturbation):
    basis = prepared(num_channels, perturbation=perturbation)
    assert_same_map(basis.map, slow(num_channels, perturbation=perturbation))


@pytest.mark.parametrize("target", [0, 3])
def test_target_is_the_one_asked_for(target):
    assert_same_map(prepared(target=target).map, slow(target=target))


@pytest.mark.parametrize(
    "changes", [{"l1": 3.0}, {"tv": 200.0}, {"seed": 8}, {"num_updates": 12, "l1": 0.0, "tv": 0.0}]
)
def test_setting_does_what_the_objective_says(changes):
    assert_same_map(prepared(**changes).map, slow(**changes))


def test_map_is_stretched_to_the_input():
    basis = prepared()
    smap = xc.render(basis)
    assert_same_map(smap.values, perturbations.stretched(basis.map, SIZE))


def test_deleting_lowers_the_probability_more_than_as_much_elsewhere():
    """The learned part against the same part turned over."""
    model, image = wrap(network_of()), picture()
    target = int(np.argmax(model.predict(image)))
    basis = prepared(target=target, num_updates=200, l1=0.1, tv=0.01, perturbation="black")
    assert 0 < basis.map.mean() < 1
    pixels = model.to_pixels(image)

    def left(deleted):
        large = torch.from_numpy(perturbations.stretched(deleted, SIZE))
        logits = model.logits(model.normalise(pixels * (1 - large))).numpy()
        return model.probabilities(logits)[0, target]

    assert left(basis.map) < left(basis.map[::-1, ::-1])


def test_a_price_too_high_deletes_nothing():
    basis = prepared(num_updates=30, l1=10.0)
    assert not basis.map.any()


def test_an_empty_map_says_what_to_do():
    (found,) = basis_cautions(prepared(num_updates=30, l1=10.0), {})
    assert found.code == "nothing-deleted"


@pytest.mark.parametrize(
    ("perturbation", "is_now", "advice"),
    [("blur", "become blurred", "be black"), ("black", "become black", "be blurred")],
)
def test_an_empty_map_says_what_deleted_parts_become(perturbation, is_now, advice):
    basis = prepared(num_updates=30, l1=10.0, perturbation=perturbation)
    (found,) = basis_cautions(basis, {})
    assert is_now in found.text
    assert f"Let deleted parts {advice}" in found.text


# ---- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [((224, 224), (28, 28)), ((28, 28), (14, 14)), ((10, 300), (10, 38)), ((1, 1), (1, 1))],
)
def test_mask_has_a_cell_per_eight_pixels(size, expected):
    assert mask_size(size) == expected


def test_blur_is_the_gaussian_mean():
    pixels = np.random.default_rng(0).random((2, 7, 9))
    expected = np.stack([perturbations.blurred(channel, 1.3) for channel in pixels])
    np.testing.assert_allclose(blur(torch.from_numpy(pixels)[None], 1.3)[0], expected, atol=1e-12)


def test_blur_reaches_beyond_a_small_picture():
    np.testing.assert_allclose(blur(torch.ones(1, 1, 1, 2), 5.0), np.ones((1, 1, 1, 2)), rtol=1e-6)


def test_roughness_by_hand():
    # steps down: 1, 0; to the right: 0, 1, each to the third power, over four cells
    assert float(roughness(torch.tensor([[0.0, 0.0], [1.0, 0.0]]))) == pytest.approx(2 / 4)


# ---- evidence ------------------------------------------------------------------------------------


def asked_of(model, num_updates, progress=None):
    values = VALUES | {"num_updates": num_updates, "perturbation": "blur"}
    return Asked(model, picture(), model.layer, 0, values=values, progress=progress)


def test_more_steps_go_on_from_the_kept_ones():
    store, model = EvidenceStore(), wrap(network_of())
    store.evidence(LEARNED_MASK, asked_of(model, 2))
    with count_passes() as counter:
        more = store.evidence(LEARNED_MASK, asked_of(model, 5))
    assert counter.passes == 3
    alone = EvidenceStore().evidence(LEARNED_MASK, asked_of(model, 5))
    np.testing.assert_array_equal(more.mask, alone.mask)


class CancelledError(Exception):
    pass


def test_cancelling_leaves_what_was_kept_before():
    store, model = EvidenceStore(), wrap(network_of())
    kept = store.evidence(LEARNED_MASK, asked_of(model, 2))

    def cancel(share):
        if share > 0.5:
            raise CancelledError

    with pytest.raises(CancelledError):
        store.evidence(LEARNED_MASK, asked_of(model, 6, cancel))
    assert store.evidence(LEARNED_MASK, asked_of(model, 2)) is kept


def test_progress_goes_from_nothing_to_all():
    shares = []
    prepared(progress=shares.append)
    assert shares == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_network_s_gradients_stay_off():
    network = network_of()
    before = {name: each.grad for name, each in network.named_parameters()}
    prepared()
    assert {name: each.grad for name, each in network.named_parameters()} == before


def test_overflow_is_told():
    network = TinyNet()
    with torch.no_grad():
        network.head.weight.fill_(torch.inf)
    with pytest.raises(xc.NumericsError, match="NaN or infinity"):
        prepared(model=wrap(network))
