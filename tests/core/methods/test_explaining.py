"""What `prepare`, `render` and `explain` refuse, and what they find out by themselves."""

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.errors import InputError, ModelError, NumericsError
from tests.oracles.nets import TinyNet, picture, reference_set, references_for, wrap


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()


# ---- arguments that do not fit ----------------------------------------------------------------


def test_unknown_method_is_refused(model, image):
    with pytest.raises(InputError, match=r"there is no method 'gradcam'; choose one of \['abl"):
        xc.explain(model, image, method="gradcam")


def test_unknown_parameter_is_refused(model, image):
    with pytest.raises(InputError, match="method 'grad-cam' has no parameter 'gamma'"):
        xc.explain(model, image, method="grad-cam", gamma=1.0)


def test_parameter_of_the_slider_is_refused_before_it(model, image):
    with pytest.raises(InputError, match="no parameter 'gamma' acts before rendering"):
        xc.prepare(model, image, method="finer-grad-cam", target=0, gamma=1.0)


def test_parameter_of_the_basis_is_refused_by_the_slider(model, image):
    basis = xc.prepare(model, image, method="finer-grad-cam", target=0)
    with pytest.raises(InputError, match="'finer-grad-cam' has no parameter 'weights'"):
        xc.render(basis, weights="softmax")


@pytest.mark.parametrize("gamma", [-0.1, 2.1, float("nan")])
def test_slider_out_of_range_is_refused(model, image, gamma):
    basis = xc.prepare(model, image, method="finer-grad-cam", target=0)
    with pytest.raises(InputError, match="gamma must lie between 0 and 2"):
        xc.render(basis, gamma=gamma)


@pytest.mark.parametrize("num_samples", [0, 1, 501])
def test_number_of_samples_out_of_range_is_refused(model, image, num_samples):
    with pytest.raises(InputError, match="num_samples must lie between 2 and 500"):
        xc.explain(model, image, method="smooth-grad", target=0, num_samples=num_samples)


def test_unknown_layer_is_refused(model, image):
    with pytest.raises(ModelError, match="'module' has no tap at layer 'stage9'; choose one of"):
        xc.explain(model, image, method="grad-cam", layer="stage9")


@pytest.mark.parametrize("target", [5, -1, "cat", 2.5, True])
def test_unknown_target_is_refused(model, image, target):
    with pytest.raises(InputError, match=r"has no class .*; give an index from 0 to 4"):
        xc.explain(model, image, method="grad-cam", target=target)


@pytest.mark.parametrize("reference", [5, -1, "cat", None, True])
def test_unknown_reference_is_refused(model, image, reference):
    with pytest.raises(InputError, match="has no class"):
        xc.explain(model, image, method="finer-grad-cam", target=0, references=(1, reference))


@pytest.mark.parametrize("references", ["12", 1])
def test_references_that_are_no_list_are_refused(model, image, references):
    """A text would be taken letter by letter: '12' for the classes 1 and 2."""
    with pytest.raises(InputError, match="references must be a list"):
        xc.explain(model, image, method="finer-grad-cam", target=0, references=references)


@pytest.mark.parametrize("method", ["finer-grad-cam", "finer-layer-cam"])
@pytest.mark.parametrize("target", [0, 3])
def test_target_among_the_references_is_refused(model, image, method, target):
    with pytest.raises(InputError, match=rf"must not contain the target class {target} \(got"):
        xc.explain(model, image, method=method, target=target, references=(1, target))


def test_predicted_target_among_the_references_is_refused(model, image):
    predicted = int(np.argmax(model.predict(image)))
    with pytest.raises(InputError, match=f"must not contain the target class {predicted}"):
        xc.explain(model, image, method="finer-grad-cam", references=(predicted,))


def test_reference_named_twice_is_refused(model, image):
    with pytest.raises(InputError, match=r"references name a class twice: \[1, 2, 1\]"):
        xc.explain(model, image, method="finer-grad-cam", target=0, references=(1, 2, 1))


def test_no_reference_at_all_is_refused(model, image):
    with pytest.raises(InputError, match="references must name at least one class"):
        xc.explain(model, image, method="finer-grad-cam", target=0, references=())


def test_pictures_are_refused_where_classes_are_compared(model, image):
    with pytest.raises(InputError, match="compares with classes"):
        xc.explain(model, image, method="finer-grad-cam", target=0, references=reference_set(model))


def test_only_class_has_nothing_to_compare_with(image):
    single = wrap(TinyNet(num_classes=1))
    with pytest.raises(InputError, match="has one class only, so there is nothing to compare"):
        xc.explain(single, image, method="finer-grad-cam", target=0)


# ---- what is found out ------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(xc.METHODS))
def test_target_is_the_predicted_class_by_default(model, image, method):
    basis = xc.prepare(model, image, method=method, references=references_for(method, model))
    assert basis.provenance.contrast.target == int(np.argmax(model.predict(image)))


def test_predicted_class_zero_is_a_class_like_any_other(image):
    network = TinyNet()
    with torch.no_grad():
        network.head.bias[0] += 100
    assert xc.explain(wrap(network), image, method="grad-cam").provenance.contrast.target == 0


def test_class_can_be_named(image):
    named = xc.wrap_model(
        TinyNet(),
        layer="stage2",
        classes=["owl", "wren", "jay", "kite", "duck"],
        preprocessing=wrap(TinyNet()).preprocessing,
    )
    smap = xc.explain(named, image, method="finer-grad-cam", target="owl", references=["kite", 1])
    assert smap.provenance.contrast == xc.Contrast(0, (3, 1))


def test_similar_classes_are_the_default_references(model, image):
    basis = xc.prepare(model, image, method="finer-grad-cam", target=2)
    similar = xc.similar_classes(model, 2, logits=model.predict(image), by="weights")
    assert basis.provenance.contrast.references == tuple(each.index for each in similar)


def test_nearest_logits_are_the_default_where_the_head_is_not_linear(image):
    network = TinyNet()
    network.head = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 6), Narrow())
    deep = wrap(network)
    logits = deep.predict(image)
    basis = xc.prepare(deep, image, method="finer-grad-cam", target=2)
    expected = [index for index in np.argsort(-logits) if index != 2][:3]
    assert list(basis.provenance.contrast.references) == expected


class Narrow(nn.Module):
    def forward(self, x):
        return x[:, :5]


def test_one_other_class_is_enough(image):
    two = wrap(TinyNet(num_classes=2))
    basis = xc.prepare(two, image, method="finer-grad-cam", target=0)
    assert basis.provenance.contrast.references == (1,)


def test_thousand_classes_are_explained(image):
    large = wrap(TinyNet(num_classes=1000))
    smap = xc.explain(large, image, method="finer-grad-cam", target=999)
    assert len(smap.provenance.contrast.references) == 3


def test_explain_is_prepare_and_render(model, image):
    values = {"target": 1, "references": (0, 3)}
    at_once = xc.explain(
        model, image, method="finer-layer-cam", **values, gamma=1.2, weights="softmax"
    )
    basis = xc.prepare(model, image, method="finer-layer-cam", **values, weights="softmax")
    np.testing.assert_array_equal(at_once.values, xc.render(basis, gamma=1.2).values)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("method", ["grad-cam", "vanilla-gradient", "smooth-grad"])
def test_caller_s_grad_mode_does_not_matter(model, image, method, context):
    outside = xc.explain(model, image, method=method, target=0)
    with context():
        inside = xc.explain(model, image, method=method, target=0)
    np.testing.assert_array_equal(inside.values, outside.values)


def test_caller_s_default_number_type_does_not_matter(model, image):
    outside = xc.explain(model, image, method="smooth-grad", target=0)
    torch.set_default_dtype(torch.float64)
    try:
        inside = xc.explain(model, image, method="smooth-grad", target=0)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(inside.values, outside.values)


@pytest.mark.parametrize("method", list(xc.METHODS))
def test_nobody_s_random_numbers_are_used(model, image, method):
    before = torch.random.get_rng_state()
    xc.explain(model, image, method=method, target=0, references=references_for(method, model))
    assert torch.equal(torch.random.get_rng_state(), before)


# ---- numbers that are not finite --------------------------------------------------------------


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["stage1.0", "head"])
@pytest.mark.parametrize(
    "method", [name for name, method in xc.METHODS.items() if not method.is_control]
)
def test_broken_weights_are_told(image, method, where, bad):
    network = TinyNet()
    with torch.no_grad():
        network.get_submodule(where).weight.view(-1)[0] = bad
    broken = wrap(network)
    references = references_for(method, broken)
    with pytest.raises(NumericsError, match=r"holds NaN or infinity at .*: the network's numbers"):
        xc.explain(broken, image, method=method, target=0, references=references)


def test_broken_weights_are_told_where_the_class_is_to_be_predicted(image):
    network = TinyNet()
    with torch.no_grad():
        network.head.weight[0, 0] = float("nan")
    with pytest.raises(NumericsError, match="the output of 'module' holds NaN or infinity"):
        xc.explain(wrap(network), image, method="grad-cam")


# ---- maps without positive evidence -----------------------------------------------------------


@pytest.fixture(scope="module")
def opposed():
    """Give a network whose class 0 every activation of stage3 speaks against."""
    network = TinyNet()
    with torch.no_grad():
        network.head.weight[0] = -network.head.weight[0].abs()
    return wrap(network, layer="stage3")


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "xgrad-cam", "layer-cam"])
def test_map_without_positive_evidence_says_so(opposed, image, method):
    assert not xc.explain(opposed, image, method=method, target=0).has_positive_evidence


@pytest.mark.parametrize("method", ["grad-cam", "grad-cam++", "xgrad-cam", "layer-cam"])
def test_map_without_positive_evidence_is_normalised_to_nothing(opposed, image, method):
    from explain_core.maps import normalise

    smap = xc.explain(opposed, image, method=method, target=0)
    assert not normalise(smap.values).any()


def test_signed_view_keeps_the_evidence_against(opposed, image):
    smap = xc.render(xc.prepare(opposed, image, method="grad-cam", target=0), signed=True)
    assert smap.values.min() < 0


def test_map_with_positive_evidence_says_so(model, image):
    assert xc.explain(model, image, method="layer-cam", target=1).has_positive_evidence


def test_layer_that_the_target_ignores_gives_an_empty_map(image):
    network = TinyNet()
    with torch.no_grad():
        network.head.weight[0] = 0
    smap = xc.explain(wrap(network), image, method="grad-cam", target=0)
    assert not smap.values.any()
