"""Evidence that is kept: what is asked twice is computed once, and nothing is mixed up."""

import numpy as np
import pytest
from torch import nn

import explain_core as xc
from explain_core.methods.evidence import gather_class_evidence, gather_gradient_evidence
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.oracles.nets import TinyNet, picture, preprocessing, reference_set, wrap

CAMS = tuple(name for name, method in xc.METHODS.items() if method.evidence == "classes")
ALL = tuple(xc.METHODS)


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


def ask(store, model, image, methods=ALL, **changes):
    values = {"target": 0, "references": (1, 2), "reference_set": reference_set(model)} | changes
    return xc.prepare_many(model, image, methods, store=store, **values)


def gradients(store, model, image, target=0, num_samples=3, seed=0, is_clean_wanted=False):
    return store.gradient_evidence(
        model,
        image,
        target,
        is_clean_wanted=is_clean_wanted,
        num_samples=num_samples,
        spread=0.15,
        seed=seed,
        progress=None,
    )


def test_second_ask_costs_no_pass(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    with count_passes() as counter:
        ask(store, model, image)
    assert counter.passes == 0


def test_second_ask_gives_the_same_maps(model, image):
    store = EvidenceStore()
    first, second = ask(store, model, image), ask(store, model, image)
    for name in ALL:
        np.testing.assert_array_equal(
            xc.render(first[name]).values, xc.render(second[name]).values
        )


def test_fewer_classes_cost_no_pass(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1, 2))
    with count_passes() as counter:
        store.class_evidence(model, image, "stage2", (2,))
    assert counter.passes == 0


def test_more_classes_cost_one_pass(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1))
    with count_passes() as counter:
        store.class_evidence(model, image, "stage2", (0, 1, 2, 3))
    assert counter.passes == 1


def test_more_classes_keep_the_first_ones(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1))
    both = store.class_evidence(model, image, "stage2", (4,))
    assert sorted(both.gradients) == [0, 1, 4]


def test_more_classes_are_those_of_a_fresh_pass(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1))
    kept = store.class_evidence(model, image, "stage2", (4,))
    fresh = gather_class_evidence(model, image, "stage2", (0, 1, 4))
    for index in (0, 1, 4):
        np.testing.assert_array_equal(kept.gradients[index], fresh.gradients[index])


# ---- nothing is mixed up ----------------------------------------------------------------------


def assert_same_as_without_a_store(store, model, image, **changes):
    kept = ask(store, model, image, **changes)
    fresh = ask(None, model, image, **changes)
    for name in kept:
        np.testing.assert_array_equal(xc.render(kept[name]).values, xc.render(fresh[name]).values)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": 3},
        {"references": (4, 2)},
        {"parameters": {"seed": 1}},
        {"parameters": {"num_samples": 5}},
        {"parameters": {"spread": 0.3}},
        {"parameters": {"weights": "released"}},
    ],
    ids=str,
)
def test_another_question_is_not_mixed_up(model, image, changes):
    store = EvidenceStore()
    ask(store, model, image)
    assert_same_as_without_a_store(store, model, image, **changes)


def test_another_layer_is_not_mixed_up(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    references = reference_set(model, layer="stage3")
    assert_same_as_without_a_store(
        store, model, image, layer="stage3", reference_set=references
    )


def test_another_picture_is_not_mixed_up(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    assert_same_as_without_a_store(store, model, picture(seed=1))


def test_another_preprocessing_is_not_mixed_up(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    brighter = xc.Preprocessing(size=(20, 28), mean=(0.1, 0.1, 0.1), std=(0.2, 0.2, 0.2))
    other = xc.wrap_model(TinyNet(), layer="stage2", preprocessing=brighter)
    assert_same_as_without_a_store(store, other, image)


def test_other_weights_are_not_mixed_up(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    assert_same_as_without_a_store(store, wrap(TinyNet(seed=1)), image)


def test_another_network_with_the_same_weights_is_not_mixed_up(model, image):
    """Strides and activations are no weights: the fingerprint alone does not tell them apart."""
    store = EvidenceStore()
    ask(store, model, image)
    network = TinyNet()
    network.stage2[2] = nn.Softplus()
    assert_same_as_without_a_store(store, wrap(network), image)


def test_clean_and_noisy_gradients_are_not_mixed_up(model, image):
    store = EvidenceStore()
    gradients(store, model, image, num_samples=0, is_clean_wanted=True)
    noisy = gradients(store, model, image)
    assert (noisy.clean, noisy.mean is None) == (None, False)


def test_clean_and_noisy_gradients_can_be_asked_together(model, image):
    kept = gradients(EvidenceStore(), model, image, is_clean_wanted=True)
    fresh = gather_gradient_evidence(
        model, image, 0, is_clean_wanted=True, num_samples=3, spread=0.15, seed=0
    )
    for name in ("clean", "mean", "mean_absolute", "variance"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(fresh, name))


# ---- the bound --------------------------------------------------------------------------------


def test_bytes_are_those_of_the_arrays(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1))
    # activations and two gradients of 8 x 10 x 14 float32, 5 logits in float64
    assert store.num_bytes == 3 * 8 * 10 * 14 * 4 + 5 * 8


def test_gradient_bytes_are_those_of_the_arrays(model, image):
    store = EvidenceStore()
    gradients(store, model, image, is_clean_wanted=True)
    assert store.num_bytes == 4 * 3 * 20 * 28 * 4


def test_bound_is_kept(model):
    one = EvidenceStore()
    one.class_evidence(model, picture(), "stage2", (0, 1))
    store = EvidenceStore(max_bytes=3 * one.num_bytes)
    sizes = []
    for seed in range(8):
        store.class_evidence(model, picture(seed=seed), "stage2", (0, 1))
        sizes.append(store.num_bytes)
    assert max(sizes) == 3 * one.num_bytes


def test_what_was_used_last_is_kept(model):
    first, second, third = (picture(seed=seed) for seed in range(3))
    one = EvidenceStore()
    one.class_evidence(model, first, "stage2", (0,))
    store = EvidenceStore(max_bytes=2 * one.num_bytes)
    for image in (first, second, first, third):
        store.class_evidence(model, image, "stage2", (0,))
    with count_passes() as counter:
        store.class_evidence(model, first, "stage2", (0,))
    assert counter.passes == 0


def test_what_was_used_first_is_dropped(model):
    first, second, third = (picture(seed=seed) for seed in range(3))
    one = EvidenceStore()
    one.class_evidence(model, first, "stage2", (0,))
    store = EvidenceStore(max_bytes=2 * one.num_bytes)
    for image in (first, second, first, third):
        store.class_evidence(model, image, "stage2", (0,))
    with count_passes() as counter:
        store.class_evidence(model, second, "stage2", (0,))
    assert counter.passes == 1


def test_evidence_too_large_to_keep_is_given_all_the_same(model, image):
    store = EvidenceStore(max_bytes=10)
    evidence = store.class_evidence(model, image, "stage2", (0,))
    assert (evidence.activations.shape, store.num_bytes) == ((8, 10, 14), 0)


def test_methods_asked_together_share_evidence_too_large_to_keep(model, image):
    store = EvidenceStore(max_bytes=10)
    with count_passes() as counter:
        ask(store, model, image, CAMS)
    assert counter.passes == 1


def test_clearing_forgets_everything(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    store.clear()
    assert store.num_bytes == 0


def test_failure_keeps_nothing(model, image):
    store = EvidenceStore()

    def cancel(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.gradient_evidence(
            model,
            image,
            0,
            is_clean_wanted=True,
            num_samples=3,
            spread=0.15,
            seed=0,
            progress=cancel,
        )
    assert store.num_bytes == 0


def test_kept_arrays_cannot_be_written_to(model, image):
    evidence = EvidenceStore().class_evidence(model, image, "stage2", (0,))
    with pytest.raises(ValueError, match="read-only"):
        evidence.activations[0, 0, 0] = 1


def test_preprocessing_of_lists_can_be_a_key(image):
    lists = xc.Preprocessing(
        size=[20, 28], mean=list(preprocessing().mean), std=list(preprocessing().std)
    )
    model = xc.wrap_model(TinyNet(), layer="stage2", preprocessing=lists)
    assert xc.explain(model, image, method="grad-cam", target=1).has_positive_evidence
