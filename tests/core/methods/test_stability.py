"""How much the map owes to the members: every replicate against a linear system of its own."""

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import BankError, InputError
from explain_core.methods import stability as module
from explain_core.methods.stability import (
    Stability,
    agreement,
    difference_map,
    is_unstable,
    question_change,
    stability,
)
from explain_core.methods.store import EvidenceStore
from explain_core.references.statistics import group_statistics
from explain_core.types import ReferenceSet, picture_id
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.diffcams import diffcam
from tests.oracles.nets import TinyNet, network_input, picture, reference_features, wrap

EPSILONS = [1e-6, 1e-3, 1.0, 1e2]
COUNTS = [2, 3, 8, 9, 40]  # of 8-dimensional features
DIM = 8


@pytest.fixture(scope="module")
def network():
    return TinyNet().double()


@pytest.fixture(scope="module")
def model(network):
    return wrap(network)


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture(scope="module")
def activations(network, image):
    return cams.forward(network, network_input(image), "stage2")[1][0].detach().numpy()


def made(model, features, knows=False, **changes):
    fields = {
        "key": "made-up",
        "features": features,
        "labels": np.full(len(features), -1),
        "layer": "stage2",
        "fingerprint": model.fingerprint,
        "statistics": (lambda: group_statistics(features)) if knows else None,
    }
    return ReferenceSet(**(fields | changes))


def drawn_members(count, num, seed):
    """Repeat the draws, written down from the docstring: n of n with replacement."""
    rng = np.random.default_rng(seed)
    return [rng.integers(count, size=count) for _ in range(num)]


# ---- replicates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", COUNTS)
def test_each_bootstrap_map_is_that_of_its_draw(model, image, activations, count, epsilon):
    features = reference_features(count, DIM)
    found = stability(model, image, made(model, features), epsilon=epsilon, num=6, seed=3)
    assert found.left_out is None
    for values, draw in zip(found.maps, drawn_members(count, 6, 3), strict=True):
        assert_same_map(values, diffcam(activations, features[draw], epsilon))


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("knows", [False, True])
@pytest.mark.parametrize("count", COUNTS)
def test_each_left_out_map_is_that_of_the_others(model, image, activations, count, knows, epsilon):
    features = reference_features(count, DIM)
    references = made(model, features, knows)
    found = stability(model, image, references, epsilon=epsilon, kind="leave-one-out", num=count)
    assert sorted(found.left_out.tolist()) == sorted(references.ids.tolist())
    for values, id in zip(found.maps, found.left_out, strict=True):
        others = features[references.ids != id]
        assert_same_map(values, diffcam(activations, others, epsilon))


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", [1, *COUNTS])
def test_the_reference_map_is_the_one_that_is_shown(model, image, count, epsilon):
    references = made(model, reference_features(count, DIM))
    basis = xc.prepare(model, image, method="diffcam", references=references)
    shown = module.difference_map(model, image, references, epsilon=epsilon)
    expected = np.tensordot(
        basis.coefficients / (basis.eigenvalues + epsilon * basis.lam_unit),
        basis.projections,
        axes=1,
    ) + basis.rest / (epsilon * basis.lam_unit)
    assert_same_map(shown, expected)


@pytest.mark.parametrize("count", COUNTS)
def test_agreements_are_correlations_with_the_reference_map(model, image, count):
    found = stability(model, image, made(model, reference_features(count, DIM)), num=5)
    expected = [np.corrcoef(each.ravel(), found.reference_map.ravel())[0, 1] for each in found.maps]
    np.testing.assert_allclose(found.agreement, expected, rtol=1e-9)


def test_of_many_members_the_furthest_are_left_out(model, image):
    features = reference_features(40, DIM)
    references = made(model, features)
    far = np.linalg.norm(features - features.mean(axis=0), axis=1)
    found = stability(model, image, references, kind="leave-one-out", num=4)
    assert found.left_out.tolist() == references.ids[np.argsort(-far)[:4]].tolist()
    assert len(found.maps) == 4


def test_members_beyond_one_chunk_are_all_counted(model, image, activations, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_ROWS", 7)
    features = reference_features(40, DIM)
    found = stability(model, image, made(model, features), num=2)
    for values, draw in zip(found.maps, drawn_members(40, 2, 0), strict=True):
        assert_same_map(values, diffcam(activations, features[draw], 1e-3))


@pytest.mark.parametrize("stored", [np.float16, np.float32])
def test_replicates_are_those_of_the_features_as_stored(model, image, activations, stored):
    features = reference_features(5, DIM).astype(stored)
    found = stability(model, image, made(model, features), num=2)
    for values, draw in zip(found.maps, drawn_members(5, 2, 0), strict=True):
        assert_same_map(values, diffcam(activations, features[draw], 1e-3))


# ---- sets that hardly vary -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bootstrap", "leave-one-out"])
@pytest.mark.parametrize("count", [2, 5, 30])
def test_equal_references_give_one_map(model, image, activations, count, kind):
    features = np.repeat(reference_features(1, DIM), count, axis=0)
    found = stability(model, image, made(model, features, ids=None), kind=kind, num=4)
    for values in found.maps:
        assert_same_map(values, diffcam(activations, features[:1], 1e-3))
    np.testing.assert_allclose(found.agreement, 1)


def test_draws_of_one_member_alone_are_handled(model, image, activations):
    """Of two members, half of the draws have the same one twice: nothing varies in them."""
    features = reference_features(2, DIM)
    found = stability(model, image, made(model, features), num=12)
    draws = drawn_members(2, 12, 0)
    assert any(len(set(draw.tolist())) == 1 for draw in draws)
    for values, draw in zip(found.maps, draws, strict=True):
        assert_same_map(values, diffcam(activations, features[draw], 1e-3))


@pytest.mark.parametrize("knows", [False, True])
def test_leaving_out_the_only_member_that_differs_is_exact(model, image, activations, knows):
    """The difference of two scatters would be rounding alone."""
    features = np.repeat(reference_features(1, DIM), 20, axis=0)
    features[4] += 5
    references = made(model, features, knows, ids=np.arange(20, dtype=np.uint64))
    found = stability(model, image, references, kind="leave-one-out", num=1)
    assert found.left_out.tolist() == [4]
    assert_same_map(found.maps[0], diffcam(activations, features[:1], 1e-3))


@pytest.mark.parametrize("kind", ["bootstrap", "leave-one-out"])
def test_one_reference_cannot_be_judged(model, image, kind):
    with pytest.raises(InputError, match="'made-up' has one picture besides the image"):
        stability(model, image, made(model, reference_features(1, DIM)), kind=kind)


def test_the_image_itself_is_not_among_the_members(model, image, activations):
    features = reference_features(6, DIM)
    ids = np.array([1, 2, picture_id(image), 3, 4, 5], np.uint64)
    found = stability(model, image, made(model, features, ids=ids), kind="leave-one-out")
    assert sorted(found.left_out.tolist()) == [1, 2, 3, 4, 5]
    others = features[[0, 1, 3, 4, 5]]
    assert_same_map(found.reference_map, diffcam(activations, others, 1e-3))


# ---- how it runs ---------------------------------------------------------------------------------


def test_the_network_runs_once(image):
    network = TinyNet()
    model = wrap(network)
    references = made(model, reference_features(12, DIM))
    alternative = made(model, reference_features(20, DIM, seed=4), key="others")
    store = EvidenceStore()
    before = network.calls.count
    stability(model, image, references, store=store)
    question_change(model, image, references, alternative, store=store)
    assert network.calls.count == before + 1


def test_the_same_seed_gives_the_same_maps(model, image):
    references = made(model, reference_features(12, DIM))
    one, again, other = (stability(model, image, references, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.maps, again.maps)
    assert np.abs(one.maps - other.maps).max() > 0


def test_progress_rises_to_one(model, image):
    shares = []
    stability(model, image, made(model, reference_features(12, DIM)), num=4, progress=shares.append)
    assert shares == [0, 0.25, 0.5, 0.75, 1]


def test_progress_may_cancel(model, image):
    class Cancelled(Exception):
        pass

    def cancel(share):
        if share > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        stability(model, image, made(model, reference_features(12, DIM)), progress=cancel)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0.0}, "lam"),
        ({"epsilon": float("nan")}, "lam"),
        ({"num": 0}, "num must be at least 1"),
        ({"kind": "jackknife"}, "kind must be 'bootstrap' or 'leave-one-out'"),
    ],
)
def test_parameters_out_of_range_are_refused(model, image, parameters, message):
    with pytest.raises(InputError, match=message):
        stability(model, image, made(model, reference_features(12, DIM)), **parameters)


def test_references_of_another_layer_are_refused(model, image):
    with pytest.raises(BankError, match="features of layer 'stage3', but 'stage2'"):
        stability(model, image, made(model, reference_features(12, DIM), layer="stage3"))


def test_another_layer_can_be_asked_for(model, network, image):
    features = reference_features(12, DIM)
    activations = cams.forward(network, network_input(image), "stage3")[1][0].detach().numpy()
    values = difference_map(model, image, made(model, features, layer="stage3"), layer="stage3")
    assert_same_map(values, diffcam(activations, features, 1e-3))


def test_a_model_without_a_head_is_judged_too(image):
    model = xc.wrap_model(
        TinyNet(),
        layer="stage2",
        output="none",
        preprocessing=wrap(TinyNet()).preprocessing,
    )
    found = stability(model, image, made(model, reference_features(12, DIM)), num=3)
    assert found.maps.shape == (3, *found.reference_map.shape)


# ---- agreement -----------------------------------------------------------------------------------


def test_agreement_leaves_scale_and_offset_out():
    one = np.random.default_rng(0).normal(size=(4, 5))
    np.testing.assert_allclose(agreement(one, 7 * one - 3), 1)
    np.testing.assert_allclose(agreement(one, -one), -1)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), 1),
        (np.full((2, 3), 0.1), np.full((2, 3), -4.0), 1),
        (np.zeros((2, 3)), np.arange(6.0).reshape(2, 3), 0),
        (np.full((2, 3), 0.1), np.arange(6.0).reshape(2, 3), 0),
        (np.ones((1, 1)), np.full((1, 1), 5.0), 1),
    ],
)
def test_constant_maps_agree_with_each_other_alone(one, other, expected):
    assert agreement(one, other) == agreement(other, one) == expected


def test_question_change_is_the_agreement_of_the_two_maps(model, image, activations):
    features, others = reference_features(12, DIM), reference_features(30, DIM, seed=5)
    found = question_change(
        model, image, made(model, features), made(model, others, knows=True), epsilon=0.1
    )
    maps = [diffcam(activations, each, 0.1).ravel() for each in (features, others)]
    np.testing.assert_allclose(found, np.corrcoef(*maps)[0, 1], rtol=1e-6)


def of_agreements(*values):
    empty = np.zeros((len(values), 1, 1))
    return Stability("bootstrap", 1e-3, 9, empty[0], empty, None, np.array(values))


def test_mean_and_interval_of_agreements():
    found = of_agreements(*np.linspace(0, 1, 41))
    assert found.mean_agreement == pytest.approx(0.5)
    assert found.interval == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(("alternative", "expected"), [(0.5, False), (0.7, False), (0.9, True)])
def test_a_map_is_unstable_where_the_members_matter_more_than_the_question(alternative, expected):
    assert is_unstable(of_agreements(0.6, 0.9), alternative) is expected
