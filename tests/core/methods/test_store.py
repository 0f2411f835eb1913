"""Evidence that is kept: what is asked twice is computed once, and nothing is mixed up."""

import numpy as np
import pytest
from torch import nn

import explain_core as xc
from explain_core.methods import store as store_module
from explain_core.methods.evidence import (
    CLASS_GRADIENTS,
    CLEAN_GRADIENT,
    Asked,
    gather_class_evidence,
)
from explain_core.methods.sampling import NOISY_GRADIENTS
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from explain_core.references.spectrum import spectrum_of
from tests.oracles.nets import (
    TinyNet,
    picture,
    preprocessing,
    reference_features,
    reference_set,
    wrap,
)

CAMS = tuple(name for name, method in xc.METHODS.items() if method.evidence is CLASS_GRADIENTS)
ALL = tuple(xc.METHODS)
# Of what takes hundreds of passes as few as there may be: what is kept does not depend on it.
FEW = {"num_updates": 2, "num_masks": 10, "num_steps": 3}


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


def ask(store, model, image, methods=ALL, **changes):
    values = {"target": 0, "references": (1, 2), "reference_set": reference_set(model)} | changes
    known = {each.name for name in methods for each in xc.METHODS[name].parameters}
    values["parameters"] = {
        **{name: value for name, value in FEW.items() if name in known},
        **values.get("parameters", {}),
    }
    return xc.prepare_many(model, image, methods, store=store, **values)


def clean_gradient(store, model, image):
    return store.evidence(CLEAN_GRADIENT, Asked(model, image, model.layer, 0))


def noisy_gradients(store, model, image, progress=None):
    values = {"num_samples": 3, "spread": 0.1, "seed": 0}
    asked = Asked(model, image, model.layer, 0, values=values, progress=progress)
    return store.evidence(NOISY_GRADIENTS, asked)


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
        np.testing.assert_array_equal(xc.render(first[name]).values, xc.render(second[name]).values)


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
    assert_same_as_without_a_store(store, model, image, layer="stage3", reference_set=references)


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
    clean = clean_gradient(store, model, image)
    noisy = noisy_gradients(store, model, image)
    assert not np.array_equal(noisy.mean, clean.clean)


# ---- spectra of reference sets ----------------------------------------------------------------


@pytest.fixture
def spectra(monkeypatch):
    """Give the list of sets whose spectrum was computed."""
    computed = []

    def counted(references):
        computed.append(references)
        return spectrum_of(references)

    monkeypatch.setattr(store_module, "spectrum_of", counted)
    return computed


def other_set(model, **values):
    return reference_set(model, reference_features(12, 8, seed=1).astype(np.float32), **values)


def test_a_spectrum_is_computed_once_for_all_pictures(model, spectra):
    store = EvidenceStore()
    for seed in range(3):
        ask(store, model, picture(seed=seed), ["diffcam"])
    assert len(spectra) == 1


def test_sets_of_one_key_but_other_pictures_are_not_mixed_up(model, image):
    store = EvidenceStore()
    ask(store, model, image)
    assert_same_as_without_a_store(store, model, image, reference_set=other_set(model))


def test_sets_of_the_same_pictures_preprocessed_otherwise_are_not_mixed_up(model, image):
    """Neither the weights nor the pictures' ids tell them apart."""
    store = EvidenceStore()
    ids = np.arange(12, dtype=np.uint64)
    ask(store, model, image, reference_set=reference_set(model, ids=ids))
    assert_same_as_without_a_store(store, model, image, reference_set=other_set(model, ids=ids))


def test_a_set_under_another_key_is_known(model, image, spectra):
    store = EvidenceStore()
    ask(store, model, image)
    bases = ask(store, model, image, reference_set=reference_set(model, key="renamed"))
    assert bases["diffcam"].provenance.contrast.reference_set == "renamed"
    assert len(spectra) == 1


def test_a_set_without_the_picture_is_not_mixed_up_with_the_whole(model, image, spectra):
    store = EvidenceStore()
    own = model.pooled(model.preprocess(image), "stage2").numpy()
    features = np.vstack([reference_features(12, 8).astype(np.float32), own])
    references = reference_set(model, features)
    ask(store, model, picture(seed=1), reference_set=references)
    assert_same_as_without_a_store(store, model, image, reference_set=references)
    assert [len(each.features) for each in spectra] == [13, 12, 12]


def test_spectra_count_towards_the_bound(model):
    store = EvidenceStore()
    spectrum = store.spectrum(reference_set(model))
    arrays = (spectrum.mean, spectrum.eigenvalues, spectrum.left)
    assert store.num_bytes == sum(array.nbytes for array in arrays) > 0


def test_spectra_and_evidence_share_one_bound(model, image):
    one = EvidenceStore()
    ask(one, model, image, ["diffcam"])
    store = EvidenceStore(max_bytes=one.num_bytes)
    for seed in range(4):
        features = reference_features(12, 8, seed).astype(np.float32)
        ask(
            store,
            model,
            picture(seed=seed),
            ["diffcam"],
            reference_set=reference_set(model, features),
        )
        assert store.num_bytes <= one.num_bytes


# ---- the bound --------------------------------------------------------------------------------


def test_bytes_are_those_of_the_arrays(model, image):
    store = EvidenceStore()
    store.class_evidence(model, image, "stage2", (0, 1))
    # activations and two gradients of 8 x 10 x 14 float32, 5 logits in float64
    assert store.num_bytes == 3 * 8 * 10 * 14 * 4 + 5 * 8


def test_gradient_bytes_are_those_of_the_arrays(model, image):
    store = EvidenceStore()
    clean_gradient(store, model, image)
    noisy_gradients(store, model, image)
    assert store.num_bytes == 4 * 3 * 20 * 28 * 4


def test_bound_is_kept(model):
    one = EvidenceStore()
    ask(one, model, picture())
    store = EvidenceStore(max_bytes=3 * one.num_bytes)
    sizes = []
    for seed in range(8):
        ask(store, model, picture(seed=seed), parameters={"num_samples": 2})
        sizes.append(store.num_bytes)
    assert one.num_bytes <= max(sizes) <= 3 * one.num_bytes


def test_evidence_too_large_to_keep_is_given_all_the_same(model, image):
    store = EvidenceStore(max_bytes=10)
    evidence = store.class_evidence(model, image, "stage2", (0,))
    assert (evidence.activations.shape, store.num_bytes) == ((8, 10, 14), 0)


def test_methods_asked_together_share_evidence_too_large_to_keep(model, image):
    store = EvidenceStore(max_bytes=10)
    with count_passes() as counter:
        ask(store, model, image, CAMS)
    assert counter.passes == 1


def test_failure_keeps_nothing(model, image):
    store = EvidenceStore()

    def cancel(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        noisy_gradients(store, model, image, progress=cancel)
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
