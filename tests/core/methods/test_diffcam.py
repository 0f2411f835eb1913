"""DiffCAM against a float64 solve for every λ."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import explain_core as xc
from explain_core.errors import BankError, NumericsError
from explain_core.methods import preparing
from explain_core.methods.diffcam import spectral_parts
from explain_core.methods.rendering import render_spectral
from explain_core.methods.store import EvidenceStore
from explain_core.references.banks import banks_of
from explain_core.references.sets import without_image
from explain_core.references.spectrum import spectrum_of_features
from explain_core.references.statistics import group_statistics
from explain_core.types import Contrast, Geometry, Provenance, SpectralBasis, picture_id
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.diffcams import diffcam
from tests.oracles.nets import (
    TinyNet,
    network_input,
    picture,
    reference_features,
    reference_set,
    wrap,
)
from tests.oracles.stretching import stretch

EPSILONS = [10.0**exponent for exponent in range(-6, 3)]


def activations_of(network, image, layer="stage2"):
    return cams.forward(network, network_input(image), layer)[1][0].detach().numpy()


def pooled(network, image):
    return activations_of(network, image).mean(axis=(1, 2))


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", [1, 5, 8, 40])  # of 8-dimensional features
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_map_is_that_of_the_linear_system(dtype, count, epsilon):
    network, image = TinyNet().to(dtype), picture()
    model = wrap(network)
    features = reference_features(count, 8).astype(np.float32)
    expected = diffcam(activations_of(network, image), features, epsilon)
    references = reference_set(model, features)
    smap = xc.explain(model, image, method="diffcam", target=0, references=references, lam=epsilon)
    assert_same_map(smap.values, stretch(expected, (20, 28)))


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64])
def test_map_is_that_of_the_features_as_stored(stored):
    network, image = TinyNet(1), picture(1)
    model = wrap(network)
    features = reference_features(30, 8).astype(stored)
    expected = diffcam(activations_of(network, image), features, 1e-3)
    smap = xc.explain(
        model, image, method="diffcam", target=0, references=reference_set(model, features)
    )
    assert_same_map(smap.values, stretch(expected, (20, 28)))


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", [1, 20, 127, 128, 129, 500])
def test_many_dimensions_agree_with_the_linear_system(count, epsilon):
    rng = np.random.default_rng(count)
    activations = np.abs(rng.normal(size=(128, 3, 4)))
    features = np.abs(rng.normal(size=(count, 128)) * 0.95 ** np.arange(128))
    spectrum = spectrum_of_features(features)
    parts = spectral_parts(activations, activations.mean(axis=(1, 2)), spectrum)
    basis = SpectralBasis(
        Provenance("diffcam", "", "", "", "", Contrast(None)),
        Geometry((3, 4), (3, 4), (1, 1), (0, 0)),
        parts.eigenvalues,
        parts.coefficients,
        parts.projections,
        parts.rest,
        spectrum.lam_unit,
        count,
        128,
    )
    fast = render_spectral(basis, {"lam": epsilon})
    assert_same_map(fast, diffcam(activations, features, epsilon))


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("count", [2, 3, 7, 30])
def test_equal_references_are_as_one(count, stored):
    network, image = TinyNet(), picture()
    model = wrap(network)
    one = reference_features(1, 8).astype(stored)
    expected = diffcam(activations_of(network, image), one, 1e-3)
    references = reference_set(model, np.repeat(one, count, axis=0))
    smap = xc.explain(model, image, method="diffcam", target=0, references=references)
    assert_same_map(smap.values, stretch(expected, (20, 28)))


def test_positive_part_is_shown_on_demand():
    network, image = TinyNet(), picture()
    model = wrap(network)
    basis = xc.prepare(model, image, method="diffcam", target=0, references=reference_set(model))
    low = diffcam(activations_of(network, image), reference_set(model).features, 1e-3)
    shown = xc.render(basis, signed=False).values
    assert_same_map(shown, stretch(np.maximum(low, 0), (20, 28)))


def test_absolute_lambda_is_recorded():
    model, image = wrap(TinyNet()), picture()
    features = reference_features(12, 8).astype(np.float32)
    smap = xc.explain(
        model,
        image,
        method="diffcam",
        target=0,
        references=reference_set(model, features),
        lam=0.1,
    )
    centred = features.astype(np.float64) - features.astype(np.float64).mean(axis=0)
    recorded = smap.provenance.parameter("lam_absolute")
    np.testing.assert_allclose(recorded, 0.1 * (centred**2).sum() / 8, rtol=1e-12)


def test_asking_needs_no_head():
    """The map does not depend on the target: DiffCAM asks how the pictures differ."""
    model, image = wrap(TinyNet()), picture()
    maps = [
        xc.explain(
            model, image, method="diffcam", target=target, references=reference_set(model)
        ).values
        for target in (0, 3)
    ]
    np.testing.assert_array_equal(*maps)


# ---- the picture inside its own references ----------------------------------------------------


@pytest.mark.parametrize("stored", [np.float16, np.float32])
@pytest.mark.parametrize("row", [0, 6, 12])
def test_picture_is_left_out_of_its_own_references(row, stored):
    network, image = TinyNet(), picture()
    model = wrap(network)
    others = reference_features(12, 8).astype(stored)
    features = np.insert(others, row, pooled(network, image).astype(stored), axis=0)
    with_own = xc.explain(
        model, image, method="diffcam", target=0, references=reference_set(model, features)
    )
    without = xc.explain(
        model, image, method="diffcam", target=0, references=reference_set(model, others)
    )
    np.testing.assert_array_equal(with_own.values, without.values)


@pytest.mark.parametrize("stored", [np.float16, np.float32])
def test_pictures_left_out_are_counted(stored):
    network, image = TinyNet(), picture()
    model = wrap(network)
    own = pooled(network, image).astype(stored)
    features = np.vstack([own, reference_features(12, 8).astype(stored), own])
    basis = xc.prepare(
        model, image, method="diffcam", target=0, references=reference_set(model, features)
    )
    recorded = dict(basis.provenance.parameters)
    assert (recorded["left_out"], recorded["num_references"]) == (2, 12)


@pytest.mark.parametrize("stored", [np.float16, np.float32])
def test_references_of_the_picture_alone_are_refused(stored):
    network, image = TinyNet(), picture()
    model = wrap(network)
    own = pooled(network, image).astype(stored)
    references = reference_set(model, np.stack([own, own]))
    with pytest.raises(BankError, match=r"'made-up' holds nothing but this image; add other"):
        xc.prepare(model, image, method="diffcam", target=0, references=references)


@pytest.mark.parametrize("row", [0, 6, 11])
def test_picture_is_left_out_by_its_id(row):
    """Features of another machine differ by more than rounding; the id is the same."""
    network, image = TinyNet(), picture()
    model = wrap(network)
    features = reference_features(12, 8).astype(np.float32)
    ids = np.arange(12, dtype=np.uint64)
    ids[row] = picture_id(image)
    expected = diffcam(activations_of(network, image), np.delete(features, row, axis=0), 1e-3)
    smap = xc.explain(
        model, image, method="diffcam", target=0, references=reference_set(model, features, ids=ids)
    )
    assert_same_map(smap.values, stretch(expected, (20, 28)))
    assert smap.provenance.parameter("left_out") == 1


def test_another_pictures_id_leaves_nothing_out():
    model = wrap(TinyNet())
    ids = np.arange(12, dtype=np.uint64)
    ids[3] = picture_id(picture(seed=1))
    basis = xc.prepare(
        model, picture(), method="diffcam", target=0, references=reference_set(model, ids=ids)
    )
    assert basis.provenance.parameter("left_out") == 0


def test_labels_follow_the_pictures_that_are_kept():
    model = wrap(TinyNet())
    features = reference_features(3, 8).astype(np.float32)
    references = reference_set(model, features, labels=[7, 8, 9])
    kept, _ = without_image(references, picture(), features[1].astype(np.float64))
    assert kept.labels.tolist() == [7, 9]


def test_a_picture_that_is_merely_alike_is_kept():
    model = wrap(TinyNet())
    features = reference_features(3, 8).astype(np.float16)
    alike = features[1].astype(np.float64)
    alike[0] += 0.01 * np.abs(alike).max()
    _, left_out = without_image(reference_set(model, features), picture(), alike)
    assert left_out == 0


# ---- statistics that are known beforehand -----------------------------------------------------


def with_statistics(model, features, **values):
    calls = []

    def statistics():
        calls.append(1)
        halves = features[: len(features) // 2], features[len(features) // 2 :]
        return group_statistics(halves[0]) + group_statistics(halves[1])

    return reference_set(model, features, statistics=statistics, **values), calls


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", [5, 8, 40])
def test_map_from_statistics_is_that_from_features(count, epsilon):
    model, image = wrap(TinyNet()), picture()
    features = reference_features(count, 8).astype(np.float32)
    known, _ = with_statistics(model, features)
    maps = [
        xc.explain(
            model, image, method="diffcam", target=0, references=references, lam=epsilon
        ).values
        for references in (known, reference_set(model, features))
    ]
    assert_same_map(*maps)


def test_statistics_are_asked_for_once():
    model = wrap(TinyNet())
    references, calls = with_statistics(model, reference_features(40, 8).astype(np.float32))
    store = EvidenceStore()
    for seed in range(3):
        xc.prepare_many(
            model, picture(seed=seed), ["diffcam"], target=0, reference_set=references, store=store
        )
    assert len(calls) == 1


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_map_from_statistics_leaves_the_picture_out(epsilon):
    network, image = TinyNet(), picture()
    model = wrap(network)
    features = reference_features(40, 8).astype(np.float32)
    ids = np.arange(40, dtype=np.uint64)
    ids[7] = picture_id(image)
    references, _ = with_statistics(model, features, ids=ids)
    expected = diffcam(activations_of(network, image), np.delete(features, 7, axis=0), epsilon)
    smap = xc.explain(model, image, method="diffcam", target=0, references=references, lam=epsilon)
    assert_same_map(smap.values, stretch(expected, (20, 28)))


# ---- references that do not fit ---------------------------------------------------------------


def test_references_of_another_model_are_refused():
    references = reference_set(wrap(TinyNet(seed=1)))
    with pytest.raises(BankError, match="made with other weights than those of 'module'"):
        xc.prepare(wrap(TinyNet()), picture(), method="diffcam", target=0, references=references)


def test_references_of_another_layer_are_refused():
    model = wrap(TinyNet())
    references = reference_set(model, layer="stage3")
    with pytest.raises(BankError, match="features of layer 'stage3', but 'stage2' is explained"):
        xc.prepare(model, picture(), method="diffcam", target=0, references=references)


def test_references_of_another_width_are_refused():
    model = wrap(TinyNet())
    references = reference_set(model, reference_features(4, 9))
    with pytest.raises(BankError, match="holds 9-d features, but layer 'stage2' gives 8-d"):
        xc.prepare(model, picture(), method="diffcam", target=0, references=references)


def test_a_model_without_a_bank_asks_for_references():
    with pytest.raises(BankError, match="'module' has no reference bank; pass a reference set"):
        xc.prepare(wrap(TinyNet()), picture(), method="diffcam", target=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("stored", [np.float16, np.float32])
def test_references_that_are_not_finite_are_refused(stored, bad):
    """Not left out either: a comparison with NaN must not pass for the picture itself."""
    model = wrap(TinyNet())
    features = reference_features(4, 8).astype(stored)
    features[1, 2] = bad
    with pytest.raises(xc.ExplainError, match="NaN or infinity"):
        xc.prepare(
            model,
            picture(),
            method="diffcam",
            target=0,
            references=reference_set(model, features),
        )


def test_map_beyond_float32_is_told():
    """Two references that all but agree make λ so small that the map overflows."""
    model = wrap(TinyNet())
    features = np.zeros((2, 8), dtype=np.float32)
    features[1, 0] = 1e-22
    basis = xc.prepare(
        model, picture(), method="diffcam", target=0, references=reference_set(model, features)
    )
    with pytest.raises(NumericsError, match="NaN or infinity"):
        xc.render(basis, lam=1e-6)


# ---- the bundled bank -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return xc.load_model("digits", device="cpu")


@pytest.fixture(scope="module")
def digit():
    rng = np.random.default_rng(3)
    return picture(1, (28, 28), seed=int(rng.integers(100)))


def test_classes_stand_for_their_examples_in_the_bank(digits, digit):
    by_class = xc.explain(digits, digit, method="diffcam", target=3, references=(8, 5))
    by_set = xc.explain(
        digits, digit, method="diffcam", target=3, references=xc.reference_set("digits/5+8")
    )
    np.testing.assert_array_equal(by_class.values, by_set.values)


def test_all_other_classes_are_the_default(digits, digit):
    by_default = xc.explain(digits, digit, method="diffcam", target=3)
    by_set = xc.explain(
        digits, digit, method="diffcam", target=3, references=xc.reference_set("digits/all-but-3")
    )
    np.testing.assert_array_equal(by_default.values, by_set.values)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 1e2])
def test_bundled_references_agree_with_the_linear_system(digits, digit, epsilon):
    references = xc.reference_set("digits/8")
    basis = xc.prepare(digits, digit, method="diffcam", target=3, references=references)
    with torch.no_grad():
        x = digits.preprocess(digit)
        activations = digits.network.features(x)[0].double().numpy()
    expected = diffcam(activations, references.features, epsilon)
    values = xc.render(basis, lam=epsilon).values
    assert_same_map(values, stretch(expected, (28, 28)))


@pytest.mark.parametrize("references", [None, (8, 5)], ids=["all others", "classes"])
def test_a_bank_of_another_layer_is_refused_and_named(digits, digit, references):
    layer = digits.layers[0].name
    message = rf"banks of 'digits' hold features of \['{digits.layer}'\], but layer '{layer}' is ex"
    with pytest.raises(BankError, match=message):
        xc.prepare(digits, digit, method="diffcam", target=3, layer=layer, references=references)


def test_of_several_banks_the_layers_own_is_taken(digits, digit, monkeypatch):
    bank = banks_of(digits)[0]
    layer = next(each for each in digits.layers if each.name != bank.layer)
    features = np.zeros((20, layer.num_channels), np.float16)
    features[:, 0] = np.arange(20)
    other = replace(
        bank,
        name="other",
        features=features,
        labels=np.arange(20, dtype=np.int32) % 10,
        ids=np.arange(20, dtype=np.uint64),
        layer=layer.name,
    )
    monkeypatch.setattr(preparing, "banks_of", lambda model: (bank, other))
    basis = xc.prepare(digits, digit, method="diffcam", target=3, layer=layer.name)
    assert basis.provenance.contrast.reference_set == "other/all-but-3"


def test_banks_of_other_classes_are_not_looked_up(digits, digit, monkeypatch):
    """Their labels count other classes: the model's index 3 names none of them."""
    foreign = replace(banks_of(digits)[0], is_aligned=False)
    monkeypatch.setattr(preparing, "banks_of", lambda model: (foreign,))
    with pytest.raises(BankError, match="'digits' has no reference bank; pass a reference set"):
        xc.prepare(digits, digit, method="diffcam", target=3)


def test_classes_for_another_method_are_not_recorded_beside_a_set(digits, digit):
    bases = xc.prepare_many(
        digits,
        digit,
        ["finer-grad-cam", "diffcam"],
        target=3,
        references=(8,),
        reference_set=xc.reference_set("digits/5"),
    )
    assert bases["finer-grad-cam"].provenance.contrast == Contrast(3, (8,))
    assert bases["diffcam"].provenance.contrast == Contrast(3, (), "digits/5")


def test_own_class_can_be_compared_with(digits, digit):
    smap = xc.explain(
        digits, digit, method="diffcam", target=3, references=xc.reference_set("digits/3")
    )
    assert smap.provenance.contrast == Contrast(3, (), "digits/3")
