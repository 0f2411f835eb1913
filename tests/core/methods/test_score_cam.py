"""Score-CAM and Finer-CAM on Score-CAM against one masked picture after the other."""

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file

import explain_core as xc
from explain_core.datasets.strokes import three_and_eight
from explain_core.images.reading import image_from_pixels
from explain_core.methods import masking
from explain_core.methods.evidence import Asked
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, network_input, picture, wrap
from tests.oracles.stretching import stretch

GAMMAS = [0.0, 0.6, 1.0, 2.0]
REFERENCES = (4, 1, 2)
STRIDES = [(1, 1, 1), (1, 2, 2), (2, 3, 1)]
BOTH = ["score-cam", "finer-score-cam"]


def shown(low):
    return stretch(np.maximum(low, 0), (20, 28))


def finer(model, image, target=0, references=REFERENCES, **values):
    return xc.explain(
        model, image, method="finer-score-cam", target=target, references=references, **values
    )


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_map_is_that_of_the_formula(dtype, strides, num_channels):
    network = TinyNet(num_channels, strides=strides).to(dtype)
    image = picture(num_channels)
    low = cams.score_cam(network, network_input(image), "stage2", 0)
    smap = xc.explain(wrap(network), image, method="score-cam", target=0)
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("layer", ["stage1", "stage2.0", "stage3"])
def test_map_of_another_layer_is_that_of_the_formula(layer):
    network, image = TinyNet(), picture()
    low = cams.score_cam(network, network_input(image), layer, 4)
    smap = xc.explain(wrap(network, layer=layer), image, method="score-cam", target=4)
    assert_same_map(smap.values, shown(low))


def test_without_a_softmax_channels_are_weighed_by_their_scores():
    network, image = TinyNet(), picture()
    low = cams.score_cam(network, network_input(image), "stage2", 0, is_softmax=False)
    basis = xc.prepare(wrap(network), image, method="score-cam", target=0)
    smap = xc.render(basis, softmax=False, signed=True)
    assert_same_map(smap.values, stretch(low, (20, 28)))


@pytest.mark.parametrize("is_softmax", [True, False])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("gamma", GAMMAS)
def test_finer_map_averages_the_scores_of_single_references(gamma, is_reversed, is_softmax):
    network, image = TinyNet(), picture()
    low = cams.finer_score_cam(
        network, network_input(image), "stage2", 0, REFERENCES, gamma, is_reversed, is_softmax
    )
    basis = xc.prepare(
        wrap(network), image, method="finer-score-cam", target=0, references=REFERENCES
    )
    smap = xc.render(basis, gamma=gamma, reverse=is_reversed, softmax=is_softmax, signed=True)
    assert_same_map(smap.values, stretch(low, (20, 28)))


@pytest.mark.parametrize("is_softmax", [True, False])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("how", ["maximum before ReLU", "average after ReLU"])
def test_aggregation_takes_the_maps_of_single_references(how, gamma, is_reversed, is_softmax):
    """At a layer with both signs: else a map may have one sign, and be empty after the ReLU."""
    network, image = TinyNet(), picture()
    x = network_input(image)
    singles = [
        cams.finer_score_cam(network, x, "stage2.0", 4, [d], gamma, is_reversed, is_softmax)
        for d in (0, 1, 2)
    ]
    basis = xc.prepare(
        wrap(network, layer="stage2.0"),
        image,
        method="finer-score-cam",
        target=4,
        references=(0, 1, 2),
    )
    smap = xc.render(
        basis,
        gamma=gamma,
        reverse=is_reversed,
        softmax=is_softmax,
        aggregation=how,
        signed=True,
    )
    assert_same_map(smap.values, stretch(cams.aggregated(singles, how), (20, 28)))


@pytest.mark.parametrize("weights", ["softmax", "released"])
def test_references_are_weighed_by_the_picture_s_logits(weights):
    from explain_core.methods.finer_cam import reference_weights

    model, image = wrap(TinyNet()), picture()
    basis = xc.prepare(
        model, image, method="finer-score-cam", target=0, references=(1, 2), weights=weights
    )
    expected = reference_weights(model.predict(image), (1, 2), weights)
    np.testing.assert_allclose(basis.weights, expected, rtol=1e-5)


@pytest.mark.parametrize("weights", ["uniform", "softmax", "released"])
@pytest.mark.parametrize("is_softmax", [True, False])
def test_gamma_zero_is_score_cam_bit_for_bit(is_softmax, weights):
    model, image = wrap(TinyNet()), picture()
    base = xc.explain(model, image, method="score-cam", target=0, softmax=is_softmax)
    smap = finer(model, image, gamma=0.0, softmax=is_softmax, weights=weights)
    np.testing.assert_array_equal(smap.values, base.values)


def test_scores_are_those_of_one_channel_after_the_other():
    network, image = TinyNet(), picture()
    _, rows, baseline = cams.channel_logits(network, network_input(image), "stage2")
    basis = xc.prepare(wrap(network), image, method="finer-score-cam", target=3, references=(0, 4))
    np.testing.assert_allclose(basis.scores, rows[:, [3, 0, 4]].T, atol=1e-5)
    np.testing.assert_allclose(basis.baselines, baseline[[3, 0, 4]], atol=1e-5)


def test_a_channel_that_is_the_same_everywhere_lets_nothing_through():
    network, image = TinyNet(), picture()
    with torch.no_grad():
        network.stage2[1].weight[2], network.stage2[1].bias[2] = 0, 0.7
        network.stage2[1].weight[5], network.stage2[1].bias[5] = 0, -1
    basis = xc.prepare(wrap(network), image, method="score-cam", target=1)
    np.testing.assert_array_equal(basis.scores[0, [2, 5]], basis.baselines[[0, 0]])


def silenced(*channels):
    """Return a network whose `stage2` is zero in some channels."""
    network = TinyNet()
    with torch.no_grad():
        for k in channels:
            network.stage2[1].weight[k], network.stage2[1].bias[k] = 0, -1
    return network


@pytest.mark.parametrize(("method", "extra"), [("score-cam", 2), ("ablation-cam", 3)])
def test_a_silent_channel_needs_no_pass(method, extra):
    model = wrap(silenced(2, 5, 6))
    with count_passes() as counter:
        xc.prepare(model, picture(), method=method, target=1)
    assert counter.passes == 5 + extra


@pytest.mark.parametrize("method", ["score-cam", "ablation-cam"])
def test_map_with_silent_channels_is_that_of_the_formula(method):
    network, image = silenced(2, 5), picture()
    slow = getattr(cams, method.replace("-", "_"))
    low = slow(network, network_input(image), "stage2", 1)
    smap = xc.explain(wrap(network), image, method=method, target=1)
    assert_same_map(smap.values, shown(low))


@pytest.mark.parametrize("method", ["score-cam", "ablation-cam"])
def test_a_layer_that_is_silent_everywhere_gives_an_empty_map(method):
    model = wrap(silenced(*range(8)))
    shares = []
    smap = xc.explain(model, picture(), method=method, target=1, progress=shares.append)
    assert not smap.values.any()
    assert shares[-1] == 1.0


# ---- passes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", BOTH)
def test_cost_is_a_pass_per_channel_one_for_the_picture_and_one_for_nothing(method):
    model, references = wrap(TinyNet()), None if method == "score-cam" else (1, 2)
    with count_passes() as counter:
        xc.prepare(model, picture(), method=method, target=0, references=references)
    assert counter.passes == 8 + 2


def test_both_methods_share_their_passes():
    model = wrap(TinyNet())
    with count_passes() as counter:
        xc.prepare_many(model, picture(), BOTH, target=0, references=(1, 2))
    assert counter.passes == 8 + 2


@pytest.mark.parametrize("question", [{"target": 3}, {"references": (4, 0)}])
def test_another_class_costs_no_pass(question):
    model, image, store = wrap(TinyNet()), picture(), EvidenceStore()
    values = {"target": 1, "references": (2,)}
    xc.prepare_many(model, image, BOTH, store=store, **values)
    with count_passes() as counter:
        xc.prepare_many(model, image, BOTH, store=store, **(values | question))
    assert counter.passes == 0


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_map_does_not_depend_on_the_batch_size(monkeypatch, size):
    network, image = TinyNet(), picture()
    low = cams.score_cam(network, network_input(image), "stage2", 1)
    monkeypatch.setattr(masking, "batch_size", lambda device, input_size: size)
    smap = xc.explain(wrap(network), image, method="score-cam", target=1)
    assert_same_map(smap.values, shown(low))


# ---- the channels with the largest mean only ---------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 7])
def test_top_channels_are_those_with_the_largest_mean(count):
    network, image = TinyNet(), picture()
    activations, rows, _ = cams.channel_logits(network, network_input(image), "stage2")
    chosen = sorted(sorted(range(8), key=lambda k: -activations[k].mean())[:count])
    expected = cams.weighted(cams.softmax(rows[chosen, 0]), activations[chosen])
    model = wrap(network)
    smap = xc.explain(model, image, method="score-cam", target=0, top_channels=count)
    assert_same_map(smap.values, shown(expected))


@pytest.mark.parametrize("count", [8, 9, 8192])
@pytest.mark.parametrize("method", ["score-cam", "ablation-cam"])
def test_as_many_channels_as_there_are_is_all(method, count):
    model, image = wrap(TinyNet()), picture()
    every = xc.explain(model, image, method=method, target=0)
    smap = xc.explain(model, image, method=method, target=0, top_channels=count)
    np.testing.assert_array_equal(smap.values, every.values)


@pytest.mark.parametrize(("method", "extra"), [("score-cam", 2), ("ablation-cam", 3)])
def test_top_channels_cost_a_pass_each(method, extra):
    model = wrap(TinyNet())
    with count_passes() as counter:
        xc.explain(model, picture(), method=method, target=0, top_channels=3)
    assert counter.passes == 3 + extra


@pytest.mark.parametrize("method", [*BOTH, "ablation-cam"])
def test_the_help_names_fewer_channels_an_approximation(method):
    (parameter,) = (p for p in xc.METHODS[method].parameters if p.name == "top_channels")
    assert "approximation" in parameter.help
    assert parameter.default == 0


def agreements(model, image, method, counts):
    """Return the correlations over the pixels of maps of a few channels with that of all."""
    every, *few = (
        xc.explain(model, image, method=method, top_channels=number).values.ravel()
        for number in (0, *counts)
    )
    return [np.corrcoef(every, each)[0, 1] for each in few]


def test_few_of_512_channels_agree_with_all_on_photographs(data_dir):
    """Measured for Ablation-CAM on two photographs: 16 channels 0.98, 32 0.99, 64 0.998."""
    network = torchvision.models.squeezenet1_0(weights=None).eval()
    network.load_state_dict(load_file(data_dir / "weights/squeezenet1_0_imagenet.safetensors"))
    preprocessing = xc.Preprocessing(size=(224, 224), resize_px=256)
    model = xc.wrap_model(network, preprocessing=preprocessing, layer="features.12")
    for photo in ("n02091635_otterhound", "n02085936_Maltese_dog"):
        image = xc.read_image(data_dir / "imagenet_samples" / "images" / f"{photo}.jpg")
        of_16, of_64 = agreements(model, image, "ablation-cam", (16, 64))
        assert of_16 >= 0.97
        assert of_64 >= 0.99


@pytest.mark.parametrize("method", [*BOTH, "ablation-cam"])
def test_16_of_64_channels_agree_with_all_on_digits(method):
    """Measured on eight digits: a median of 0.998, at least 0.986."""
    model = xc.load_model("digits")
    found = []
    for seed in range(5):
        three, *_ = three_and_eight(np.random.default_rng(seed), 140)
        found += agreements(model, image_from_pixels(three), method, (16,))
    assert np.median(found) >= 0.99


# ---- growing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "extra"), [("score-cam", 2), ("ablation-cam", 3)])
def test_more_channels_go_on_from_the_kept_ones(method, extra):
    model, image, store = wrap(TinyNet()), picture(), EvidenceStore()
    ran = []
    for count in (3, 5, 0, 4):
        with count_passes() as counter:
            basis = xc.prepare_many(
                model, image, [method], target=0, store=store, parameters={"top_channels": count}
            )[method]
        ran.append(counter.passes)
        alone = xc.explain(model, image, method=method, target=0, top_channels=count)
        assert_same_map(xc.render(basis).values, alone.values)
    assert ran == [3 + extra, 2, 3, 0]


@pytest.mark.parametrize("method", ["score-cam", "ablation-cam"])
def test_progress_goes_on_from_the_kept_channels(method, monkeypatch):
    monkeypatch.setattr(masking, "batch_size", lambda device, input_size: 1)
    monkeypatch.setattr(masking, "_NUMBERS_PER_BATCH", 0)
    model, image, store = wrap(TinyNet()), picture(), EvidenceStore()
    shares = []
    for count in (2, 4):
        xc.prepare_many(
            model,
            image,
            [method],
            target=0,
            store=store,
            progress=shares.append,
            parameters={"top_channels": count},
        )
    assert shares == [0.0, 0.5, 1.0, 0.5, 0.75, 1.0]


# ---- evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gather", [masking.gather_channel_scores, masking.gather_ablations])
def test_evidence_holds_every_class(gather):
    model, image = wrap(TinyNet()), picture()
    found = gather(Asked(model, image, "stage2", 0, values={"top_channels": 0}))
    assert found.strongest(0)[1].shape == (8, 5)
    np.testing.assert_allclose(found.logits, model.predict(image), rtol=1e-6)


def test_ablated_logits_are_those_of_one_channel_after_the_other():
    network, image = TinyNet(), picture()
    found = masking.gather_ablations(
        Asked(wrap(network), image, "stage2", 0, values={"top_channels": 0})
    )
    x = network_input(image)
    expected = [cams.logits_without(network, x, "stage2", k) for k in range(8)]
    np.testing.assert_allclose(found.strongest(0)[1], expected, atol=1e-5)


class Dimming(TinyNet):
    """Scale the input in place before anything else."""

    def forward(self, x):
        x *= 0.5
        return super().forward(x)


@pytest.mark.parametrize("method", ["score-cam", "ablation-cam", "smooth-grad-cam++"])
def test_network_may_write_into_its_input(method):
    network, image = Dimming(is_smooth=True), picture()
    changes = {"num_samples": 5} if method == "smooth-grad-cam++" else {}
    plain = TinyNet(is_smooth=True)
    with torch.no_grad():
        plain.stage1[0].weight *= 0.5
    smap = xc.explain(wrap(network), image, method=method, target=1, **changes)
    expected = xc.explain(wrap(plain), image, method=method, target=1, **changes)
    assert_same_map(smap.values, expected.values)
