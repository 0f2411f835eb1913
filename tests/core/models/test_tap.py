"""The one place where the network is touched: what it records, and that it leaves nothing."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.errors import ModelError, NumericsError
from explain_core.models import tap
from explain_core.models.tap import count_passes
from tests.core.models.leaving_nothing import assert_nothing_left, explain, state_of
from tests.oracles.nets import TinyNet, picture, preprocessing, wrap

METHODS = list(xc.METHODS)
ASKING = [name for name, method in xc.METHODS.items() if not method.is_control]


@pytest.fixture(scope="module")
def image():
    return picture()


# ---- nothing is left --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_explanation_leaves_nothing_behind(image, method):
    model = wrap(TinyNet())
    before = state_of(model.network)
    explain(model, image, method)
    assert_nothing_left(model, before)


class Failing(nn.Module):
    """Raise when armed."""

    def __init__(self):
        super().__init__()
        self.switch = Switch()

    def forward(self, x):
        if self.switch.is_on:
            raise RuntimeError("made up")
        return x


class Switch:
    def __init__(self):
        self.is_on = False

    def __deepcopy__(self, memo):
        return self


def failing_model(position):
    """Give a model that can be made to fail below ("stage1") or above ("stage3") the tap."""
    network, failing = TinyNet(), Failing()
    setattr(network, position, nn.Sequential(*getattr(network, position), failing))
    return wrap(network), failing.switch


@pytest.mark.parametrize("position", ["stage1", "stage3"])
@pytest.mark.parametrize("method", ASKING)
def test_failure_inside_the_network_leaves_nothing_behind(image, method, position):
    model, switch = failing_model(position)
    before = state_of(model.network)
    switch.is_on = True
    with pytest.raises(RuntimeError, match="made up"):
        explain(model, image, method)
    assert_nothing_left(model, before)


@pytest.mark.parametrize("method", ASKING)
def test_explaining_works_after_a_failure(image, method):
    model, switch = failing_model("stage3")
    expected = explain(model, image, method).values
    switch.is_on = True
    with pytest.raises(RuntimeError, match="made up"):
        explain(model, image, method)
    switch.is_on = False
    np.testing.assert_array_equal(explain(model, image, method).values, expected)


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_cancelling_leaves_nothing_behind(image, monkeypatch, at):
    from explain_core.methods import derivatives

    monkeypatch.setattr(derivatives, "batch_size", lambda device, size: 2)
    model = wrap(TinyNet())
    before = state_of(model.network)

    def cancel(share):
        if share >= at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain(model, image, "smooth-grad", num_samples=4, progress=cancel)
    assert_nothing_left(model, before)


@pytest.mark.parametrize("method", ASKING)
def test_numbers_that_are_not_finite_leave_nothing_behind(image, method):
    network = TinyNet()
    with torch.no_grad():
        network.stage1[0].weight[0, 0, 0, 0] = float("nan")
    model = wrap(network)
    before = state_of(model.network)
    before["weights"] = {}  # NaN differs from itself
    with pytest.raises(NumericsError):
        explain(model, image, method)
    after = state_of(model.network)
    assert {**after, "weights": {}} == before


@pytest.mark.parametrize("value", ["layer", "target", "references"])
def test_argument_that_does_not_fit_leaves_nothing_behind(image, value):
    model = wrap(TinyNet())
    before = state_of(model.network)
    wrong = {"layer": "stage9", "target": 99, "references": (99,)}[value]
    with pytest.raises(xc.errors.ExplainError):
        xc.explain(model, image, method="finer-grad-cam", **{value: wrong})
    assert_nothing_left(model, before)


def test_predicting_leaves_nothing_behind(image):
    model = wrap(TinyNet())
    before = state_of(model.network)
    model.predict(image)
    assert_nothing_left(model, before)


# ---- the tape ---------------------------------------------------------------------------------


def test_layer_s_output_is_recorded(image):
    network = TinyNet()
    model = wrap(network)
    x = model.preprocess(image)
    _, outputs = model.record(x, ["stage2"])
    with torch.no_grad():
        expected = network.stage2(network.stage1(x.clone()))
    assert torch.equal(outputs["stage2"], expected)


def test_recorded_logits_are_those_of_the_network(image):
    network = TinyNet()
    model = wrap(network)
    x = model.preprocess(image)
    logits, _ = model.record(x, ["stage2"])
    with torch.no_grad():
        assert torch.equal(logits, network(x.clone()))


@pytest.mark.parametrize("layer", ["stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage3.1"])
def test_operation_in_place_above_does_not_reach_the_record(image, layer):
    """Each is followed by batch norm or an in-place ReLU, which would lift its minimum."""
    network = TinyNet()
    model = wrap(network, layer=layer)
    x = model.preprocess(image)
    kept = []
    hook = network.get_submodule(layer).register_forward_hook(
        lambda module, args, output: kept.append(output.detach().clone())
    )
    network(x.clone())
    hook.remove()
    _, outputs = model.record(x, [layer])
    assert outputs[layer].min() < 0
    assert torch.equal(outputs[layer], kept[0])


def test_several_layers_are_recorded_at_once(image):
    model = wrap(TinyNet())
    x = model.preprocess(image)
    _, together = model.record(x, ["stage3", "stage1", "stage2"])
    for layer in ("stage1", "stage2", "stage3"):
        _, alone = model.record(x, [layer])
        assert torch.equal(together[layer], alone[layer])


def test_gradients_of_several_layers_are_those_of_each(image):
    model = wrap(TinyNet())
    x = model.preprocess(image)
    layers = ["stage1", "stage2", "stage3"]
    logits, together = model.record(x, layers)
    gradients = torch.autograd.grad(logits[0, 0], [together[layer] for layer in layers])
    for layer, gradient in zip(layers, gradients, strict=True):
        logits, alone = model.record(x, [layer])
        (expected,) = torch.autograd.grad(logits[0, 0], alone[layer])
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)


class Branches(nn.Module):
    """Two branches side by side, of which neither feeds the other."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        both = torch.cat([self.left(x).relu(), self.right(x).relu()], dim=1)
        return self.head(both.mean(dim=(2, 3)))


def test_layers_side_by_side_have_gradients(image):
    model = xc.wrap_model(Branches(), preprocessing=preprocessing())
    logits, outputs = model.record(model.preprocess(image), ["left", "right"])
    for layer in ("left", "right"):
        (gradient,) = torch.autograd.grad(logits[0, 0], outputs[layer], retain_graph=True)
        assert gradient.any()


def test_first_layer_is_a_leaf(image):
    model = wrap(TinyNet())
    _, outputs = model.record(model.preprocess(image), ["stage2", "stage3"])
    assert (outputs["stage2"].is_leaf, outputs["stage3"].is_leaf) == (True, False)


def test_nothing_below_the_first_layer_is_in_the_graph(image):
    model = wrap(TinyNet())
    x = model.preprocess(image).requires_grad_()
    logits, _ = model.record(x, ["stage2"])
    (gradient,) = torch.autograd.grad(logits.sum(), x, allow_unused=True)
    assert gradient is None


def test_layer_that_is_never_reached_is_told(image):
    class Sometimes(TinyNet):
        def forward(self, x):
            maps = self.stage1(x)
            if x.abs().sum() == 0:  # the example that layers are found with
                maps = self.stage2(maps)
                return self.head(self.stage3(maps).mean(dim=(2, 3)))
            return self.head(maps.mean(dim=(2, 3)).repeat(1, 2)[:, :8])

    model = wrap(Sometimes())
    with pytest.raises(ModelError, match=r"never reached the layers \['stage2'\]"):
        explain(model, image, "grad-cam")


def test_without_a_tape_nothing_is_recorded(image):
    model = wrap(TinyNet())
    assert not model.network(model.preprocess(image)).requires_grad


def test_tape_is_not_seen_by_another_thread(image):
    model = wrap(TinyNet())
    x = model.preprocess(image)
    own = tap.Tape(wanted=frozenset(["stage2"]))
    token = tap._tape.set(own)
    try:
        thread = threading.Thread(target=lambda: model.network(x))
        thread.start()
        thread.join()
    finally:
        tap._tape.reset(token)
    assert own.outputs == {}


def test_passes_of_another_thread_are_not_counted(image):
    model = wrap(TinyNet())
    with count_passes() as counter:
        thread = threading.Thread(target=lambda: model.predict(image))
        thread.start()
        thread.join()
    assert counter.passes == 0


def test_pictures_are_counted_and_not_calls(image):
    model = wrap(TinyNet())
    with count_passes() as counter:
        model.logits(model.preprocess(image).repeat(3, 1, 1, 1))
    assert counter.passes == 3


def test_inner_counts_add_to_outer_ones(image):
    model = wrap(TinyNet())
    with count_passes() as outer:
        model.predict(image)
        with count_passes() as inner:
            model.predict(image)
    assert (inner.passes, outer.passes) == (1, 2)


def test_count_survives_an_error(image):
    model = wrap(TinyNet())

    def fail():
        with count_passes():
            model.predict(image)
            raise RuntimeError("made up")

    with count_passes() as outer:
        with pytest.raises(RuntimeError, match="made up"):
            fail()
        model.predict(image)
    assert outer.passes == 2
