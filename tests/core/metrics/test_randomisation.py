"""Randomisation: the model stays, weights go stage by stage, and chance is held beside it."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import nn

import explain_core as xc
from explain_core.errors import InputError
from explain_core.metrics import randomisation
from explain_core.metrics.randomisation import (
    cascading_randomisation,
    label_randomisation,
    random_pairs,
    randomised,
    stages_of,
)
from tests.core.metrics.made_up import brightness_of, gradient_of, signed_map
from tests.oracles.nets import TinyNet, TinyVit, picture, preprocessing, wrap


def weights_of(model):
    return {name: tensor.clone() for name, tensor in model.network.state_dict().items()}


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet(is_smooth=True, strides=(1, 1, 1)))


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture(scope="module")
def cascade(model, image):
    return cascading_randomisation(model, image, gradient_of, num_pairs=1, seed=3)


# ---- stages --------------------------------------------------------------------------------


def test_stages_run_from_the_head_down_and_norms_go_with_what_they_follow(model, image):
    found = [stage.modules for stage in stages_of(model, image)]
    assert found == [
        ("head",),
        ("stage3.1", "stage3.0"),
        ("stage2.1", "stage2.0"),
        ("stage1.1", "stage1.0"),
    ]


def test_neighbours_are_put_together_where_there_are_too_many(model, image):
    titles = [stage.title for stage in stages_of(model, image, 3)]
    assert titles == ["head", "stage3.1 to stage2.0", "stage1.1 to stage1.0"]
    (everything,) = stages_of(model, image, 1)
    assert everything.modules[0] == "head"
    assert everything.modules[-1] == "stage1.0"


class Odd(nn.Module):
    """Registered out of order, wrapped, and with a part that never runs."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 5)
        self.auxiliary = nn.Linear(8, 5)
        self.body = nn.Module()
        self.body.late = nn.Conv2d(6, 8, 3, padding=1)
        self.body.early = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        return self.head(self.body.late(self.body.early(x).relu()).relu().mean(dim=(2, 3)))


def test_the_order_is_that_of_running_and_what_never_runs_is_left_out(image):
    model = xc.wrap_model(Odd(), layer="body.late", preprocessing=preprocessing())
    found = [stage.title for stage in stages_of(model, image)]
    assert found == ["head", "body.late", "body.early"]


def test_blocks_of_a_transformer_are_stages(image):
    model = xc.wrap_model(TinyVit(num_classes=4), preprocessing=preprocessing())
    found = [stage.modules for stage in stages_of(model, image)]
    assert found == [("head",), ("norm", "blocks.1"), ("blocks.0",), ("patches",)]


# ---- random weights ------------------------------------------------------------------------


def test_the_named_modules_change_and_no_others(model):
    before, after = weights_of(model), weights_of(randomised(model, ["stage3", "head"], 0))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        *(f"stage3.{part}" for part in ("0.weight", "1.weight", "1.bias")),
        *("head.weight", "head.bias"),
    }


def test_the_model_itself_stays_as_it_was(model, image):
    before, hooks = weights_of(model), copy.copy(model.network._forward_hooks)
    logits = model.predict(image)
    cascading_randomisation(model, image, brightness_of, num_pairs=1)
    for name, tensor in weights_of(model).items():
        assert torch.equal(before[name], tensor), name
    assert model.network._forward_hooks == hooks
    assert not any(parameter.requires_grad for parameter in model.network.parameters())
    np.testing.assert_array_equal(model.predict(image), logits)


def test_a_tensor_gets_the_same_values_whatever_else_is_named(model):
    alone, all_of_it = randomised(model, ["stage3"], 5), randomised(model, [""], 5)
    assert torch.equal(
        alone.network.stage3[0].weight,
        all_of_it.network.stage3[0].weight,
    )
    other = randomised(model, ["stage3"], 6)
    assert not torch.equal(alone.network.stage3[0].weight, other.network.stage3[0].weight)


def test_weights_keep_their_mean_and_deviation():
    network = TinyNet(width=64)
    changed = randomised(wrap(network), ["stage3.0"], 0).network.stage3[0].weight
    kept = network.stage3[0].weight
    assert changed.std().item() == pytest.approx(kept.std().item(), rel=0.03)
    assert changed.mean().item() == pytest.approx(kept.mean().item(), abs=0.03 * kept.std().item())
    assert np.corrcoef(changed.flatten(), kept.detach().flatten())[0, 1] < 0.03


def test_weights_that_are_shared_stay_shared(image):
    network = Odd()
    network.auxiliary.weight = network.head.weight
    model = xc.wrap_model(network, layer="body.late", preprocessing=preprocessing())
    changed = randomised(model, ["head"], 0).network
    assert changed.head.weight is changed.auxiliary.weight
    assert not torch.equal(changed.head.weight, network.head.weight)


def test_a_randomised_model_is_another_model(model):
    changed = randomised(model, ["head"], 0)
    assert changed.key != model.key
    assert changed.key == randomised(model, ["head"], 0).key
    np.testing.assert_array_equal(changed.class_weights, changed.network.head.weight.numpy())


# ---- the cascade ---------------------------------------------------------------------------


def test_each_map_is_that_of_a_model_without_its_last_stages(model, image, cascade):
    names = []
    stages = stages_of(model, image)
    assert cascade.stages == tuple(stage.title for stage in stages)
    np.testing.assert_array_equal(cascade.original, gradient_of(model, image, 0).values)
    for stage, values in zip(stages, cascade.maps, strict=True):
        names += stage.modules
        expected = gradient_of(randomised(model, names, 3), image, 0).values
        np.testing.assert_array_equal(values, expected)


def test_what_belongs_to_no_stage_goes_with_the_last_one(image):
    model = xc.wrap_model(TinyVit(num_classes=4), preprocessing=preprocessing())

    def places(model, image, seed):
        values = model.network.places.detach().abs()[0, 1:].mean(dim=1).reshape(5, 7)
        return signed_map(model, image, np.kron(values, np.ones((4, 4))))

    found = cascading_randomisation(model, image, places, num_pairs=1)
    for values in found.maps[:-1]:
        np.testing.assert_array_equal(values, found.original)
    assert found.rank_correlations[-1] < 0.9


def test_numbers_are_those_of_scipy_and_scikit_image(cascade):
    original = np.maximum(cascade.original, 0).astype(float)
    for index, values in enumerate(cascade.maps):
        values = np.maximum(values, 0).astype(float)
        rho = spearmanr(original.ravel(), values.ravel()).statistic
        ssim = structural_similarity(original / original.max(), values / values.max(), data_range=1)
        assert cascade.rank_correlations[index] == pytest.approx(abs(rho), abs=1e-12)
        assert cascade.similarities[index] == pytest.approx(ssim, abs=1e-9)


def test_a_gradient_depends_on_the_model_but_for_what_chance_may_do(model, image):
    found = [
        cascading_randomisation(model, image, gradient_of, num_stages=1, num_pairs=20, seed=seed)
        for seed in range(8)
    ]
    assert sum(each.ends_at_chance for each in found) >= 6
    assert np.mean([each.rank_correlations[-1] for each in found]) < 0.1


def test_brightness_does_not_depend_on_the_model(model, image):
    blind = cascading_randomisation(model, image, brightness_of, num_pairs=8)
    np.testing.assert_allclose(blind.rank_correlations, 1)
    np.testing.assert_allclose(blind.similarities, 1)
    assert not blind.ends_at_chance


def test_a_map_that_vanishes_has_changed(model, image):
    def shy(asked, image, seed):
        values = np.random.default_rng(0).random((20, 28))
        return signed_map(model, image, values if asked is model else -values)

    found = cascading_randomisation(model, image, shy, num_pairs=2)
    assert np.isnan(found.rank_correlations).all()
    assert found.ends_at_chance


def test_every_map_is_made_with_the_same_seed(model, image):
    seeds = []

    def note(model, image, seed):
        seeds.append(seed)
        return brightness_of(model, image, seed)

    cascading_randomisation(model, image, note, num_pairs=1, num_stages=2, seed=9)
    assert seeds == [9, 9, 9]


def test_labels_at_random_compare_two_models(model, image):
    other = wrap(TinyNet(is_smooth=True, strides=(1, 1, 1), seed=4))
    found = label_randomisation(model, other, image, gradient_of, num_pairs=1)
    assert found.stages == (other.name,)
    np.testing.assert_array_equal(found.maps[0], gradient_of(other, image, 0).values)
    assert found.rank_correlations.shape == found.similarities.shape == (1,)


# ---- chance --------------------------------------------------------------------------------


def smooth(seed, size=(24, 30)):
    rng = np.random.default_rng(seed)
    return np.kron(rng.random((3, 3)), np.ones((8, 10)))


def test_random_pairs_of_smooth_maps_are_alike_by_chance():
    rough, _ = random_pairs(np.random.default_rng(0).random((24, 30)), 40, 0)
    patchy, _ = random_pairs(smooth(0), 40, 0)
    assert rough.mean() < 0.06 < 0.15 < patchy.mean()


def test_a_random_map_has_the_amplitudes_of_the_map(monkeypatch):
    drawn = []
    monkeypatch.setattr(randomisation, "_likeness", lambda a, b: drawn.extend([a, b]) or (0, 0))
    values = 5 + smooth(1)  # so far above 0 that nothing is cut off
    random_pairs(values, 3, 0)
    for each in drawn:
        np.testing.assert_allclose(
            np.abs(np.fft.fft2(each)), np.abs(np.fft.fft2(values)), atol=1e-9 * values.sum()
        )
    assert not np.allclose(drawn[0], drawn[1])


def test_the_same_seed_draws_the_same_pairs():
    np.testing.assert_array_equal(random_pairs(smooth(0), 3, 7), random_pairs(smooth(0), 3, 7))


# ---- progress and what is refused ----------------------------------------------------------


def test_progress_rises_to_one_and_may_stop_it(model, image):
    told = []
    cascading_randomisation(model, image, brightness_of, num_pairs=1, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cascading_randomisation(model, image, brightness_of, progress=stop)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((20, 28)), "the map has no positive evidence"),
        (-np.ones((20, 28)), "the map has no positive evidence"),
        (np.ones((20, 28)), "the map is the same everywhere"),
    ],
)
def test_a_map_that_says_nothing_is_refused(model, image, values, message):
    with pytest.raises(InputError, match=message):
        cascading_randomisation(model, image, lambda *_: signed_map(model, image, values))


@pytest.mark.parametrize("setting", ["num_stages", "num_pairs"])
def test_numbers_below_one_are_refused(model, image, setting):
    with pytest.raises(InputError, match=f"{setting} must be at least 1"):
        cascading_randomisation(model, image, brightness_of, **{setting: 0})
