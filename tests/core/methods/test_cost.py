"""What methods are said to cost, and how a machine's speed is measured."""

import gc
from itertools import count

import pytest
import torch

import explain_core as xc
from explain_core.methods import cost
from explain_core.methods.cost import Speed, SpeedMeter, passes
from explain_core.methods.method import Passes
from explain_core.models.tap import count_passes
from tests.oracles.nets import Headless, TinyNet, wrap, wrap_headless


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.mark.parametrize(
    ("method", "values", "expected"),
    [
        ("rise", {}, Passes(forward=2000)),
        ("rise", {"num_masks": 7}, Passes(forward=7)),
        ("mask", {}, Passes(gradient=300)),
        ("mask", {"num_updates": 2}, Passes(gradient=2)),
        ("grad-cam", {}, Passes(forward=1)),
        ("diffcam", {}, Passes(forward=1)),
        ("vanilla-gradient", {}, Passes(gradient=1)),
        ("smooth-grad", {"num_samples": 12}, Passes(gradient=12)),
        ("edges", {}, Passes()),
    ],
)
def test_cost_follows_the_parameters(model, method, values, expected):
    assert passes(xc.METHODS[method], model, "stage2", values) == expected


def test_wrong_values_are_refused(model):
    with pytest.raises(xc.InputError, match="num_masks must lie between"):
        passes(xc.METHODS["rise"], model, "stage2", {"num_masks": 0})


def test_unknown_layer_is_refused(model):
    with pytest.raises(xc.ModelError, match="no tap at layer"):
        passes(xc.METHODS["rise"], model, "nowhere")


def test_total_is_both_kinds():
    assert Passes(3, 4).total == 7


# ---- time ----------------------------------------------------------------------------------------


def meter_of(tick_s):
    """Return a meter by whose clock every timed batch takes as long."""
    ticks = count()
    return SpeedMeter(lambda: next(ticks) * tick_s)


def test_time_is_that_of_one_picture(model, monkeypatch):
    monkeypatch.setattr(cost, "batch_size", lambda device, size: 4)
    assert meter_of(2.0).speed(model) == Speed(forward_s=0.5, gradient_s=0.5)


def test_estimate_is_passes_times_seconds(model, monkeypatch):
    monkeypatch.setattr(cost, "batch_size", lambda device, size: 1)
    assert meter_of(0.25).estimate(xc.METHODS["rise"], model, "stage2") == 500


def test_each_kind_of_pass_has_its_own_speed():
    assert Speed(forward_s=2, gradient_s=5).seconds(Passes(forward=3, gradient=4)) == 26


def test_speed_is_measured_once(model):
    meter = SpeedMeter()
    first = meter.speed(model)
    with count_passes() as counter:
        assert meter.speed(model) is first
    assert counter.passes == 0


def test_nothing_is_measured_for_what_runs_no_network(model):
    with count_passes() as counter:
        assert SpeedMeter().estimate(xc.METHODS["edges"], model, "stage2") == 0
    assert counter.passes == 0


def test_each_model_has_its_own_speed(model):
    meter = SpeedMeter()
    assert meter.speed(model) is not meter.speed(wrap(TinyNet()))


def test_model_is_not_held_on_to():
    meter, model = SpeedMeter(), wrap(TinyNet())
    meter.speed(model)
    del model
    gc.collect()
    assert len(meter._kept) == 0


def test_model_without_a_head_has_a_speed():
    assert SpeedMeter().speed(wrap_headless(Headless())).forward_s > 0


def test_out_of_memory_halves_what_is_timed(model, monkeypatch):
    sizes = []
    real = cost._gradient

    def forgetful(model, x):
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("made up")
        real(model, x)

    monkeypatch.setattr(cost, "_gradient", forgetful)
    assert SpeedMeter().speed(model).gradient_s > 0
    assert sizes[-1] == 2
