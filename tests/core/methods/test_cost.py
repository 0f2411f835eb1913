"""What methods are said to cost, and how a machine's speed is measured."""

import gc

import pytest

import explain_core as xc
from explain_core.methods import perturbation
from explain_core.methods.cost import Pace, SpeedMeter, coarse_values, passes
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


def estimated(meter, name, model, values):
    """Return how many seconds a meter expects."""
    method = xc.METHODS[name]
    needed = passes(method, model, "stage2", values)
    return meter.pace(method, model, "stage2", values).seconds(needed)


class Clock:
    """Tell a time that stands still but for what is said to take long."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def slowed(monkeypatch, clock, module, name, seconds):
    """Let a function take as long as `seconds` says of its result or arguments."""
    real = getattr(module, name)

    def slow(*arguments, **values):
        clock.now_s += seconds(*arguments, **values)
        return real(*arguments, **values)

    monkeypatch.setattr(module, name, slow)


def test_estimate_counts_what_a_method_does_besides_its_passes(model, monkeypatch, clock):
    slowed(monkeypatch, clock, perturbation, "draw_masks", lambda rng, count, **_: 0.03 * count)
    slowed(monkeypatch, clock, xc.Model, "logits", lambda model, x: 0.01 * len(x))
    seconds = estimated(SpeedMeter(clock), "rise", model, {"num_masks": 5000})
    assert seconds == pytest.approx(5000 * (0.03 + 0.01))


def test_estimate_tells_what_is_done_once_from_what_is_done_for_every_pass(
    model, monkeypatch, clock
):
    slowed(monkeypatch, clock, xc.Model, "to_pixels", lambda *_: 7.0)
    slowed(monkeypatch, clock, xc.Model, "logits", lambda model, x: 0.02 * len(x))
    meter = SpeedMeter(clock)
    for num in (1000, 4000):
        seconds = estimated(meter, "rise", model, {"num_masks": num})
        assert seconds == pytest.approx(7.0 + 0.02 * num)


def test_a_quick_pass_is_timed_in_a_larger_chunk(model, monkeypatch, clock):
    drawn = []

    def draw(rng, count, **_):
        drawn.append(count)
        return 0.001 * count

    slowed(monkeypatch, clock, perturbation, "draw_masks", draw)
    estimated(SpeedMeter(clock), "rise", model, {"num_masks": 5000})
    assert drawn == [1, 1, 4, 16, 64, 256, 256]


def test_a_disturbance_while_it_is_timed_does_not_count(model, monkeypatch, clock):
    drawn = []

    def draw(rng, count, **_):
        drawn.append(count)
        return 0.04 * count + (5.0 if drawn == [1, 1, 4] else 0.0)

    slowed(monkeypatch, clock, perturbation, "draw_masks", draw)
    seconds = estimated(SpeedMeter(clock), "rise", model, {"num_masks": 5000})
    assert seconds == pytest.approx(0.04 * 5000)


def test_no_more_is_timed_than_the_whole(model, monkeypatch, clock):
    slowed(monkeypatch, clock, xc.Model, "logits", lambda model, x: 1e-6 * len(x))
    with count_passes() as counter:
        seconds = estimated(SpeedMeter(clock), "rise", model, {"num_masks": 10})
    assert counter.passes == 1 + 1 + 4 + 10 + 10
    assert seconds == pytest.approx(10e-6)


@pytest.mark.parametrize("name", list(xc.METHODS))
def test_every_method_can_be_timed(model, name, clock):
    values = {"num_masks": 20, "num_updates": 5, "num_samples": 5, "num_steps": 5}
    known = {p.name for p in xc.METHODS[name].parameters_of("prepare")}
    chosen = {key: value for key, value in values.items() if key in known}
    assert estimated(SpeedMeter(clock), name, model, chosen) == 0


def test_methods_are_timed_apart_and_each_once(model, clock):
    meter = SpeedMeter(clock)
    for expected in (True, False):
        for name in ("smooth-grad", "rise"):
            with count_passes() as counter:
                meter.pace(xc.METHODS[name], model, "stage2")
            assert (counter.passes > 0) is expected


# ---- coarse maps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "values", "expected"),
    [
        ("rise", {"num_masks": 400, "grid": 5}, {"num_masks": 40, "grid": 5}),
        ("rise", {"num_masks": 9}, None),
        ("mask", {}, {"num_updates": 30}),
        ("smooth-grad", {}, None),
        ("grad-cam", {}, None),
        ("score-cam", {"top_channels": 0}, {"top_channels": 16}),
        ("ablation-cam", {"top_channels": 300}, {"top_channels": 30}),
        ("finer-score-cam", {"top_channels": 8192}, {"top_channels": 40}),
        ("score-cam", {"top_channels": 16}, None),
    ],
)
def test_coarse_map_takes_a_tenth_of_the_steps(wide, method, values, expected):
    assert coarse_values(xc.METHODS[method], wide[method], "stage2", values) == expected


@pytest.fixture(scope="module")
def wide():
    """Return models with as many channels as each case asks about."""
    few, many = wrap(TinyNet(width=64)), wrap(TinyNet(width=400))
    return {name: few if name == "score-cam" else many for name in xc.METHODS}


def test_coarse_map_of_few_channels_is_the_whole(model):
    assert coarse_values(xc.METHODS["score-cam"], model, "stage2") is None


# ---- whose pace ----------------------------------------------------------------------------------


def test_time_is_what_is_done_once_and_for_every_pass():
    assert Pace(fixed_s=2, pass_s=5).seconds(Passes(forward=3, gradient=4)) == 37


def test_nothing_is_measured_for_what_runs_no_network(model):
    with count_passes() as counter:
        assert SpeedMeter().pace(xc.METHODS["edges"], model, "stage2") == Pace(0, 0)
    assert counter.passes == 0


def test_each_model_has_its_own_pace(model):
    meter, grad_cam = SpeedMeter(), xc.METHODS["grad-cam"]
    assert meter.pace(grad_cam, model, "stage2") is meter.pace(grad_cam, model, "stage2")
    other = meter.pace(grad_cam, wrap(TinyNet()), "stage2")
    assert meter.pace(grad_cam, model, "stage2") is not other


def test_model_is_not_held_on_to():
    meter, model = SpeedMeter(), wrap(TinyNet())
    meter.pace(xc.METHODS["grad-cam"], model, "stage2")
    del model
    gc.collect()
    assert len(meter._paces) == 0


def test_model_without_a_head_has_a_pace():
    model = wrap_headless(Headless())
    assert SpeedMeter().pace(xc.METHODS["eigen-cam"], model, model.layer).pass_s > 0
