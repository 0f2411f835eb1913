"""RISE against a loop over masks and pixels, and what its evidence promises."""

from functools import cache

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.methods import perturbation
from explain_core.methods.evidence import Asked
from explain_core.methods.perturbation import MEAN_SCORE, NO_SCORE, RISE_SCORES, draw_masks
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.oracles import perturbations
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import SIZE, TinyNet, picture, wrap

NUM_MASKS = 9
VALUES = {"num_masks": NUM_MASKS, "grid": 3, "keep": 0.4, "seed": 5}
PAPER = VALUES | {"zero": NO_SCORE}


@cache
def network_of(num_channels=3, dtype=torch.float32):
    return TinyNet(num_channels).to(dtype)


def pixels_of(image):
    pixels = image.pixels.astype(np.float64) / image.white
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


@cache
def slow(num_channels=3, target=0, num=NUM_MASKS, grid=3, keep=0.4):
    masks = perturbations.rise_masks(num, grid, keep, 5, SIZE)
    pixels = pixels_of(picture(num_channels))
    return perturbations.rise(network_of(num_channels), pixels, target, masks, keep)


def explain(model, **changes):
    image = picture(model.preprocessing.num_channels)
    return xc.explain(model, image, method="rise", **({"target": 0} | PAPER | changes)).values


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("target", [0, 3])
def test_map_is_the_mean_of_masks_by_their_scores(num_channels, dtype, target):
    model = wrap(network_of(num_channels, dtype))
    expected, _ = slow(num_channels, target)
    assert_same_map(explain(model, target=target), expected)


def test_one_mask_is_enough():
    assert_same_map(explain(wrap(network_of()), num_masks=1), slow(num=1)[0])


@pytest.mark.parametrize("grid", [1, 7, 32])
def test_grid_need_not_divide_the_picture(grid):
    assert_same_map(explain(wrap(network_of()), grid=grid), slow(grid=grid)[0])


@pytest.mark.parametrize("keep", [0.05, 0.95])
def test_map_is_divided_by_the_share_kept(keep):
    assert_same_map(explain(wrap(network_of()), keep=keep), slow(keep=keep)[0])


def test_zero_is_the_mean_probability():
    model, image = wrap(network_of()), picture()
    smap = xc.explain(model, image, method="rise", target=0, signed=True, **VALUES)
    expected, mean = slow()
    assert_same_map(smap.values, expected - mean)


def test_both_zeros_rank_pixels_alike():
    model, image = wrap(network_of()), picture()
    maps = [
        xc.prepare(model, image, method="rise", target=0, zero=zero, **VALUES).map
        for zero in (MEAN_SCORE, NO_SCORE)
    ]
    assert np.ptp(maps[1] - maps[0]) < 1e-12


# ---- masks ---------------------------------------------------------------------------------------


def masks_of(rng, count, **changes):
    values = {"grid": 7, "keep": 0.5, "size": SIZE, "device": torch.device("cpu")} | changes
    return draw_masks(rng, count, **values)


def test_masks_do_not_depend_on_how_many_are_drawn_at_once():
    rng = torch.Generator().manual_seed(0)
    chunks = [masks_of(rng, count) for count in (1, 4, 2)]
    together = masks_of(torch.Generator().manual_seed(0), 7)
    torch.testing.assert_close(torch.cat(chunks), together, rtol=0, atol=0)


def test_masks_keep_the_share_asked_for():
    masks = masks_of(torch.Generator().manual_seed(0), 2000, keep=0.3)
    assert abs(float(masks.mean()) - 0.3) < 0.01


def test_masks_lie_between_nothing_and_all():
    masks = masks_of(torch.Generator().manual_seed(0), 200)
    assert float(masks.min()) == 0.0
    assert float(masks.max()) == 1.0
    assert masks.shape == (200, *SIZE)


# ---- evidence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_map_does_not_depend_on_the_batch_size(monkeypatch, size):
    monkeypatch.setattr(perturbation, "batch_size", lambda device, input_size: size)
    assert_same_map(explain(wrap(network_of())), slow()[0])


def test_out_of_memory_halves_the_batch_and_changes_nothing(monkeypatch):
    sizes = []
    real = xc.Model.logits

    def forgetful(model, x):
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("made up")
        return real(model, x)

    monkeypatch.setattr(xc.Model, "logits", forgetful)
    assert_same_map(explain(wrap(network_of())), slow()[0])
    assert sizes[-1] <= 2


def asked_of(model, num_masks, progress=None):
    values = VALUES | {"num_masks": num_masks}
    return Asked(model, picture(), model.layer, 0, values=values, progress=progress)


def test_more_masks_go_on_from_the_kept_ones():
    store, model = EvidenceStore(), wrap(network_of())
    store.evidence(RISE_SCORES, asked_of(model, 3))
    with count_passes() as counter:
        more = store.evidence(RISE_SCORES, asked_of(model, NUM_MASKS))
    assert counter.passes == NUM_MASKS - 3
    assert_same_map(more.weighted_sum / (NUM_MASKS * 0.4), slow()[0])


def test_fewer_masks_begin_anew():
    store, model = EvidenceStore(), wrap(network_of())
    store.evidence(RISE_SCORES, asked_of(model, NUM_MASKS))
    fewer = store.evidence(RISE_SCORES, asked_of(model, 1))
    assert_same_map(fewer.weighted_sum / 0.4, slow(num=1)[0])


class CancelledError(Exception):
    pass


def test_cancelling_keeps_nothing_of_what_was_begun(monkeypatch):
    monkeypatch.setattr(perturbation, "batch_size", lambda device, input_size: 2)
    store, model = EvidenceStore(), wrap(network_of())

    def cancel(share):
        if share > 0.5:
            raise CancelledError

    with pytest.raises(CancelledError):
        store.evidence(RISE_SCORES, asked_of(model, NUM_MASKS, cancel))
    assert store.num_bytes == 0


def test_cancelling_leaves_what_was_kept_before(monkeypatch):
    monkeypatch.setattr(perturbation, "batch_size", lambda device, input_size: 2)
    store, model = EvidenceStore(), wrap(network_of())
    kept = store.evidence(RISE_SCORES, asked_of(model, 3))

    def cancel(share):
        if share > 0.5:
            raise CancelledError

    with pytest.raises(CancelledError):
        store.evidence(RISE_SCORES, asked_of(model, NUM_MASKS, cancel))
    assert store.evidence(RISE_SCORES, asked_of(model, 3)) is kept


def test_progress_goes_from_nothing_to_all(monkeypatch):
    monkeypatch.setattr(perturbation, "batch_size", lambda device, input_size: 2)
    shares = []
    explain(wrap(network_of()), progress=shares.append)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert shares == sorted(shares)
    assert len(shares) == 6


def test_overflow_is_told():
    network = TinyNet()
    with torch.no_grad():
        network.head.weight.fill_(torch.inf)
    with pytest.raises(xc.NumericsError, match="NaN or infinity"):
        explain(wrap(network))
