"""Layer-CAM over several stages: against its formula, and which layers are the stages."""

import numpy as np
import pytest
import torch
import torchvision

import explain_core as xc
from explain_core.methods.cost import passes
from explain_core.methods.fused_cam import fuse, stages
from explain_core.methods.store import EvidenceStore
from explain_core.models.layers import Layer
from explain_core.models.tap import count_passes
from tests.oracles.comparing import assert_same_map
from tests.oracles.fused_cams import fused, fused_layer_cam
from tests.oracles.nets import (
    Headless,
    TinyNet,
    TinyVit,
    network_input,
    picture,
    preprocessing,
    wrap,
    wrap_headless,
)
from tests.oracles.stretching import stretch

NAME = "fused-layer-cam"
STAGES = ("stage1", "stage2", "stage3")  # 20 x 28, 10 x 14 and 5 x 7


def explain(model, image, target=1, **values):
    return xc.explain(model, image, method=NAME, target=target, **values)


def layer(name, *size):
    return Layer(name, 4, size)


# ---- the map ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("num_stages", [1, 2, 3])
@pytest.mark.parametrize("last", [1, 2, 3])
def test_map_is_that_of_the_formula(last, num_stages, num_channels):
    network, image = TinyNet(num_channels), picture(num_channels)
    names = STAGES[max(0, last - num_stages) : last]
    low = fused_layer_cam(network, network_input(image), names, 1)
    smap = explain(wrap(network), image, layer=STAGES[last - 1], num_stages=num_stages)
    assert_same_map(smap.values, stretch(low, (20, 28)))


def test_map_of_a_layer_with_both_signs_is_that_of_the_formula():
    """`stage2.0` is listed last, because it was asked for, but runs before `stage2`."""
    network, image = TinyNet(), picture()
    low = fused_layer_cam(network, network_input(image), ("stage1", "stage2.0"), 2)
    smap = explain(wrap(network, layer="stage2.0"), image, target=2)
    assert_same_map(smap.values, stretch(low, (20, 28)))


def test_map_has_the_finest_stage_s_resolution():
    basis = xc.prepare(wrap(TinyNet()), picture(), method=NAME, target=1, layer="stage3")
    assert basis.map.shape == (20, 28)


def test_one_stage_is_layer_cam_scaled_by_its_maximum():
    model, image = wrap(TinyNet()), picture()
    alone = xc.prepare(model, image, method="layer-cam", target=1)
    found = xc.prepare(model, image, method=NAME, target=1, num_stages=1)
    np.testing.assert_allclose(found.map, alone.map / alone.map.max(), atol=1e-6)


def test_largest_stage_counts_at_each_place():
    shallow = np.array([[0.0, 4.0], [1.0, -3.0]])
    deep = np.array([[5.0]])
    np.testing.assert_allclose(fuse([shallow, deep]), np.ones((2, 2)))
    np.testing.assert_allclose(
        fuse([shallow, np.array([[-5.0]])]), [[0, np.tanh(2)], [np.tanh(0.5), 0]]
    )


def test_stages_without_positive_evidence_leave_the_map_empty():
    assert not fuse([-np.ones((4, 6)), np.zeros((2, 3))]).any()


def test_a_coarser_shallow_stage_is_stretched_too():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(2, 3)), rng.normal(size=(6, 5)), rng.normal(size=(4, 4))]
    np.testing.assert_allclose(fuse(maps), fused(maps), atol=1e-12)


# ---- which stages -----------------------------------------------------------------------------


def names_of(layers, last, count):
    return [each.name for each in stages(layers, last, count)]


def test_last_layer_of_each_resolution_stands_for_its_stage():
    layers = [layer("a", 8, 8), layer("b", 4, 4), layer("c", 4, 4), layer("d", 2, 2)]
    assert names_of(layers, "d", 3) == ["a", "c", "d"]
    assert names_of(layers, "d", 2) == ["c", "d"]


def test_stages_end_at_the_layer_that_is_explained():
    layers = [layer("a", 8, 8), layer("b", 4, 4), layer("c", 4, 4), layer("d", 2, 2)]
    assert names_of(layers, "b", 3) == ["a", "b"]
    assert names_of(layers, "a", 3) == ["a"]


def test_fewer_stages_than_asked_for_are_all_taken():
    assert names_of([layer("a", 8, 8), layer("b", 4, 4)], "b", 8) == ["a", "b"]
    assert names_of([layer("a", 8, 8)], "a", 8) == ["a"]


def test_a_resolution_that_comes_back_is_one_stage():
    layers = [layer("down", 8, 8), layer("middle", 4, 4), layer("up", 8, 8)]
    assert names_of(layers, "up", 3) == ["middle", "up"]


@pytest.mark.parametrize(
    ("count", "names"), [(1, "l"), (2, "fl"), (3, "dhl"), (4, "cfil"), (12, "abcdefghijkl")]
)
def test_layers_of_one_resolution_are_evenly_spread(count, names):
    blocks = [layer(name, 7, 9) for name in "abcdefghijkl"]
    assert names_of(blocks, "l", count) == list(names)


# ---- networks ---------------------------------------------------------------------------------


def test_vision_transformer_s_blocks_are_fused():
    network, image = TinyVit(num_classes=4), picture()
    model = xc.wrap_model(network, preprocessing=preprocessing())
    names = [each.name for each in model.layers]
    names = names[: names.index(model.layer) + 1]
    maps = []
    for name in names:
        logits, outputs = model.record(model.preprocess(image), [name])
        (gradient,) = torch.autograd.grad(logits[0, 2], outputs[name])
        tapped = model.layer_named(name)
        positive = tapped.as_maps(gradient)[0].clamp(min=0) * tapped.as_maps(outputs[name])[0]
        maps.append(positive.sum(dim=0).detach().numpy().astype(np.float64))
    smap = explain(model, image, target=2, num_stages=8)
    assert len(names) > 1
    assert_same_map(smap.values, stretch(fused(maps), (20, 28)))


@pytest.mark.parametrize("architecture", ["resnet18", "swin_t", "squeezenet1_1"])
def test_real_architectures_are_fused(architecture):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.get_model(architecture, weights=None)
    model = xc.wrap_model(network, preprocessing=preprocessing(size=(64, 96)))
    smap = explain(model, picture(size=(64, 96)), target=7)
    assert smap.values.shape == (64, 96)
    assert 0 < smap.values.max() <= 1


def test_encoder_without_classes_is_refused():
    with pytest.raises(xc.InputError, match="explains a class"):
        xc.explain(wrap_headless(Headless()), picture(), method=NAME)


# ---- cost -------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_stages", [1, 3])
def test_all_stages_take_one_pass(num_stages):
    network = TinyNet()
    model, image = wrap(network), picture()
    before = network.calls.count
    with count_passes() as counter:
        explain(model, image, layer="stage3", num_stages=num_stages)
    assert (counter.passes, network.calls.count - before) == (1, 1)
    assert passes(xc.METHODS[NAME], model, "stage3", {"num_stages": num_stages}).total == 1


def test_a_question_asked_twice_runs_the_network_once():
    model, image, store = wrap(TinyNet()), picture(), EvidenceStore()
    with count_passes() as counter:
        for _ in range(2):
            xc.prepare_many(model, image, [NAME], target=1, store=store)
    assert counter.passes == 1
