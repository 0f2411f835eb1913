"""An encoder with a probe: its logits, its gradients, its maps, and what does not fit."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models.tap import count_passes
from tests.core.models.leaving_nothing import assert_nothing_left, state_of
from tests.core.models.probe_making import CLASSES, made_probe
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import (
    Headless,
    TinyNet,
    TinyVit,
    network_input,
    picture,
    reference_set,
    wrap,
    wrap_headless,
)
from tests.oracles.stretching import stretch

QUICK = {"num_samples": 3, "num_steps": 3, "num_masks": 4, "num_updates": 2}


class Plain(nn.Module):
    """What a Headless encoder and a probe at one of its stages compute, written out."""

    def __init__(self, probe: xc.LinearProbe) -> None:
        super().__init__()
        network = TinyNet()
        self.stage1, self.stage2, self.stage3 = network.stage1, network.stage2, network.stage3
        self.layer = probe.layer
        self.weight = nn.Parameter(torch.tensor(probe.weight))
        self.bias = nn.Parameter(torch.tensor(probe.bias))

    def forward(self, x: Tensor) -> Tensor:
        for name in ("stage1", "stage2", "stage3"):
            x = getattr(self, name)(x)
            if name == self.layer:
                return x.mean(dim=(2, 3)) @ self.weight.T + self.bias
        raise AssertionError


@pytest.fixture(scope="module")
def image() -> xc.Image:
    return picture()


@pytest.fixture(scope="module")
def encoder() -> xc.Model:
    return wrap_headless(Headless())


# ---- the model --------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["stage1", "stage2", "stage3"])
def test_logits_are_those_of_the_pooled_layer(
    encoder: xc.Model, image: xc.Image, layer: str
) -> None:
    probe = made_probe(encoder, layer)
    expected = Plain(probe).double()(network_input(image))[0].detach().numpy()
    model = xc.with_probe(encoder, probe)
    np.testing.assert_allclose(model.predict(image), expected, rtol=1e-5, atol=1e-5)


def test_in_place_operations_behind_the_layer_make_no_difference(image: xc.Image) -> None:
    """`stage2.0` is followed by a batch norm and a ReLU that writes into its input."""
    encoder = wrap_headless(Headless(), layer="stage2.0")
    probe = made_probe(encoder, "stage2.0")
    network = Headless().double()
    maps = network.stage2[0](network.stage1(network_input(image)))
    expected = maps.mean(dim=(2, 3))[0].detach().numpy() @ probe.weight.T + probe.bias
    model = xc.with_probe(encoder, probe)
    np.testing.assert_allclose(model.predict(image), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "class-token", "both"])
def test_tokens_are_pooled_as_the_bank_was(image: xc.Image, pooling: str) -> None:
    encoder = wrap_headless(TinyVit())
    probe = made_probe(encoder, "blocks", pooling=pooling)
    tokens = TinyVit()
    x = tokens.patches(network_input(image).float()).flatten(2).transpose(1, 2)
    x = tokens.blocks(torch.cat([tokens.prefix, x], dim=1) + tokens.places)[0].detach().numpy()
    mean, class_token = x[1:].mean(axis=0), x[0]
    z = {"mean": mean, "class-token": class_token, "both": (mean + class_token) / 2}[pooling]
    model = xc.with_probe(encoder, probe)
    expected = probe.weight @ z + probe.bias
    np.testing.assert_allclose(model.predict(image), expected, rtol=1e-4, atol=1e-5)


def test_probed_model_says_what_it_is(encoder: xc.Model) -> None:
    probe = made_probe(encoder)
    model = xc.with_probe(encoder, probe)
    assert (model.name, model.classes, model.output) == ("module + probe", CLASSES, "softmax")
    assert (model.layer, model.gradient_layer) == ("stage3", "stage3")
    assert model.layers == encoder.layers  # they end at the probe's
    assert model.class_weights is probe.weight
    assert xc.with_probe(encoder, probe, "birds").name == "birds"


def test_two_probes_on_one_encoder_are_told_apart(encoder: xc.Model) -> None:
    first, other = made_probe(encoder), made_probe(encoder, bias=np.zeros(4, np.float32))
    models = [encoder, *(xc.with_probe(encoder, probe) for probe in (first, other))]
    assert len({model.key for model in models}) == 3
    assert len({model.fingerprint for model in models}) == 1


def test_weights_are_shared_and_the_encoder_stays_as_it_was(
    encoder: xc.Model, image: xc.Image
) -> None:
    before = state_of(encoder.network)
    model = xc.with_probe(encoder, made_probe(encoder))
    model.predict(image)
    shared = {each.data_ptr() for each in encoder.network.parameters()}
    assert {each.data_ptr() for each in model.network.parameters()} == shared
    assert_nothing_left(encoder, before)
    assert not encoder.has_head


def test_a_classifier_can_be_probed_too(image: xc.Image) -> None:
    classifier = wrap(TinyNet())
    probe = made_probe(classifier, "stage2")
    model = xc.with_probe(classifier, probe)
    expected = Plain(probe).double()(network_input(image))[0].detach().numpy()
    np.testing.assert_allclose(model.predict(image), expected, rtol=1e-5, atol=1e-5)
    assert classifier.num_classes == 5


def test_one_picture_is_one_pass(encoder: xc.Model, image: xc.Image) -> None:
    model = xc.with_probe(encoder, made_probe(encoder))
    with count_passes() as counter:
        model.predict(image)
        xc.explain(model, image, method="grad-cam", target=1)
    assert counter.passes == 2


def test_threads_do_not_mix_up_their_pictures(encoder: xc.Model) -> None:
    model = xc.with_probe(encoder, made_probe(encoder))
    pictures = [picture(seed=seed) for seed in range(8)]
    expected = [model.predict(each) for each in pictures]
    found: dict[int, np.ndarray] = {}

    def ask(index: int) -> None:
        for _ in range(10):
            found[index] = model.predict(pictures[index])

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, logits in enumerate(expected):
        np.testing.assert_allclose(found[index], logits, rtol=1e-6)


# ---- maps -------------------------------------------------------------------------------------


def test_grad_cam_at_the_probe_is_cam(encoder: xc.Model, image: xc.Image) -> None:
    """CAM (Zhou et al., eq. 2) is `sum_k W_ck A_k`; Grad-CAM's mean gradient is `W_ck / (h w)`."""
    probe = made_probe(encoder)
    model = xc.with_probe(encoder, probe)
    _, activations = cams.forward(Headless(), network_input(image), "stage3")
    maps = activations[0].detach().numpy()
    cam = sum(weight * channel for weight, channel in zip(probe.weight[2], maps, strict=True))
    basis = xc.prepare(model, image, method="grad-cam", target=2)
    assert_same_map(basis.map, cam / (maps.shape[1] * maps.shape[2]))


@pytest.mark.parametrize("layer", ["stage1", "stage2"])
@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "layer-cam", "ablation-cam"])
def test_maps_below_the_probe_are_those_of_the_whole(
    encoder: xc.Model, image: xc.Image, method: str, layer: str
) -> None:
    probe = made_probe(encoder)
    oracle = getattr(cams, method.replace("-", "_").replace("++", "_plus_plus"))
    low = oracle(Plain(probe), network_input(image), layer, 1)
    smap = xc.explain(xc.with_probe(encoder, probe), image, method=method, target=1, layer=layer)
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


def test_finer_cam_tells_the_probe_s_classes_apart(encoder: xc.Model, image: xc.Image) -> None:
    probe = made_probe(encoder)
    low = cams.finer_grad_cam(Plain(probe), network_input(image), "stage2", 0, (3,), 0.6)
    smap = xc.explain(
        xc.with_probe(encoder, probe),
        image,
        method="finer-grad-cam",
        target="wren",
        references=["Zaunkönig"],
        layer="stage2",
        gamma=0.6,
    )
    assert_same_map(smap.values, stretch(np.maximum(low, 0), (20, 28)))


@pytest.mark.parametrize("method", xc.METHODS)
def test_every_method_works_and_leaves_nothing(
    encoder: xc.Model, image: xc.Image, method: str
) -> None:
    model = xc.with_probe(encoder, made_probe(encoder))
    before = state_of(model.network)
    known = {parameter.name for parameter in xc.METHODS[method].parameters}
    uses_pictures = xc.METHODS[method].compares_with == "pictures"
    smap = xc.explain(
        model,
        image,
        method=method,
        target=1,
        references=reference_set(encoder) if uses_pictures else None,
        **{name: value for name, value in QUICK.items() if name in known},
    )
    assert np.isfinite(smap.values).all()
    assert_nothing_left(model, before)


def test_layers_behind_the_probe_are_not_on_offer(encoder: xc.Model, image: xc.Image) -> None:
    model = xc.with_probe(encoder, made_probe(encoder, "stage2"))
    assert (model.layer, model.layers[-1].name) == ("stage2", "stage2")
    with pytest.raises(ModelError, match="no tap at layer 'stage3'"):
        xc.explain(model, image, method="grad-cam", layer="stage3")


def test_a_class_token_at_the_end_is_explained_one_layer_earlier(image: xc.Image) -> None:
    """The maps of the last layer take no part, for only its class token is read."""
    encoder = wrap_headless(TinyVit())
    model = xc.with_probe(encoder, made_probe(encoder, "norm", pooling="class-token"))
    names = [layer.name for layer in model.layers]
    assert names.index(model.layer) < names.index("norm")
    assert xc.explain(model, image, method="grad-cam", target=1).values.any()


# ---- what does not fit ------------------------------------------------------------------------


def test_a_probe_of_another_encoder_is_refused(encoder: xc.Model) -> None:
    probe = made_probe(wrap(TinyNet(seed=1)))
    with pytest.raises(ModelError, match=r"has other weights .*; give that encoder, or fit"):
        xc.with_probe(encoder, probe)


def test_a_probe_of_a_layer_that_is_not_there_is_refused(encoder: xc.Model) -> None:
    probe = dataclasses.replace(made_probe(encoder), layer="stage9")
    with pytest.raises(ModelError, match=r"looks at layer 'stage9', .* layer='stage9'"):
        xc.with_probe(encoder, probe)


def test_a_probe_of_another_number_of_features_is_refused(encoder: xc.Model) -> None:
    probe = made_probe(encoder, weight=np.zeros((4, 5), np.float32))
    with pytest.raises(ModelError, match=r"takes 5 features, but layer 'stage3' .* gives 8"):
        xc.with_probe(encoder, probe)


def test_a_probe_of_other_preprocessing_is_refused(encoder: xc.Model) -> None:
    other = dataclasses.replace(encoder.preprocessing, fit="stretch")
    with pytest.raises(ModelError, match="prepared in another way"):
        xc.with_probe(encoder, made_probe(encoder, preprocessing=other))


def test_a_class_token_that_is_not_there_is_refused(encoder: xc.Model) -> None:
    with pytest.raises(ModelError, match="has no class token"):
        xc.with_probe(encoder, made_probe(encoder, pooling="class-token"))


def test_a_probe_on_a_probe_is_refused(encoder: xc.Model) -> None:
    probe = made_probe(encoder)
    with pytest.raises(ModelError, match="has a head put on already"):
        xc.with_probe(xc.with_probe(encoder, probe), probe)


def test_a_probe_that_no_maps_reach_is_refused() -> None:
    """A class token that looks at no patch."""

    class Blind(TinyVit):
        def forward(self, x: Tensor) -> Tensor:
            patches = self.patches(x).flatten(2).transpose(1, 2)
            return self.norm(torch.cat([self.prefix.expand(len(x), -1, -1), patches], dim=1))

    encoder = wrap_headless(Blind(), layer="norm")
    with pytest.raises(ModelError, match="no layer's maps reach the probe at 'norm'"):
        xc.with_probe(encoder, made_probe(encoder, "norm", pooling="class-token"))
