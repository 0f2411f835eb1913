"""What methods share, what they cost, and how they grow."""

import contextlib

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.cost import passes
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.models.tap import count_passes
from explain_core.types import Basis
from tests.contracts.asking import (
    ALL,
    CAMS,
    CHOICES,
    CLEAN,
    CONTROLS,
    GROWING,
    NOISY,
    QUICK,
    arrays_of,
    guided,
    prepare,
    prepare_all,
    quick,
)
from tests.oracles.comparing import assert_same_map
from tests.oracles.nets import TinyNet, wrap

# ---- several methods at once ------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_preparing_together_is_preparing_each(model, image, name):
    together = prepare_all(model, image, ALL)[name]
    alone = prepare(model, image, name)
    assert type(together) is type(alone)
    for key, array in arrays_of(alone).items():
        np.testing.assert_array_equal(arrays_of(together)[key], array)


@pytest.mark.parametrize("order", [ALL, ALL[::-1]], ids=["as-listed", "reversed"])
def test_bases_come_in_the_order_asked_for(model, image, order):
    assert list(prepare_all(model, image, order)) == order


@pytest.mark.parametrize(
    ("methods", "shared"),
    [(CAMS, 1), (NOISY, 4), (CLEAN, 1), (CONTROLS, 0)],
    ids=["cams", "noisy", "clean", "controls"],
)
def test_methods_of_a_family_share_their_passes(model, image, methods, shared):
    with count_passes() as counter:
        prepare_all(model, image, methods)
    assert counter.passes == shared


def test_each_kind_of_evidence_is_gathered_once(model, image):
    kinds = {METHODS[name].evidence.name: name for name in ALL}
    with count_passes() as counter:
        prepare_all(model, image, ALL)
    assert counter.passes == sum(cost_of(model, name).total for name in kinds.values())


def test_family_runs_the_network_once(image):
    network = TinyNet()
    model = wrap(network)
    before = network.calls.count
    prepare_all(model, image, CAMS)
    assert network.calls.count - before == 1


@pytest.mark.parametrize("name", ALL)
def test_basis_is_one_of_the_kinds_that_can_be_rendered(model, image, name):
    from explain_core.methods.rendering import RENDERERS

    basis = prepare(model, image, name)
    assert isinstance(basis, Basis)
    assert type(basis) in RENDERERS


# ---- cost -------------------------------------------------------------------------------------


def cost_of(model, name, **values):
    return passes(METHODS[name], model, "stage2", quick(name) | values)


@pytest.mark.parametrize("name", ALL)
def test_cost_is_what_runs(model, image, name):
    with count_passes() as counter:
        prepare(model, image, name)
    assert counter.passes == cost_of(model, name).total


@pytest.mark.parametrize(("name", "values"), CHOICES)
def test_cost_is_what_runs_for_every_choice(model, image, name, values):
    with count_passes() as counter:
        prepare(model, image, name, **values)
    assert counter.passes == cost_of(model, name, **values).total


@pytest.mark.parametrize("name", CONTROLS)
def test_control_costs_nothing(model, name):
    assert cost_of(model, name).total == 0


@pytest.mark.parametrize("name", ALL)
def test_method_of_many_passes_tells_its_progress(model, image, name):
    shares = []
    prepare(model, image, name, progress=shares.append)
    assert shares == sorted(shares)
    if cost_of(model, name).total > 2:
        assert (shares[0], shares[-1]) == (0.0, 1.0)


class CancelledError(Exception):
    """What a page raises to end a method."""


@pytest.mark.parametrize("when", [0.0, 1.0], ids=["at once", "at the end"])
@pytest.mark.parametrize("name", [n for n in ALL if METHODS[n].grows_with or n in NOISY])
def test_cancelling_keeps_nothing(model, image, name, when):
    def cancel(share):
        if share >= when:
            raise CancelledError

    store = EvidenceStore()
    with pytest.raises(CancelledError):
        prepare_all(model, image, [name], store=store, progress=cancel)
    assert store.num_bytes == 0


@pytest.mark.parametrize("name", ALL)
def test_cancelling_leaves_nothing_on_the_model(image, name):
    def cancel(share):
        raise CancelledError

    model, other = wrap(TinyNet()), wrap(TinyNet())
    with contextlib.suppress(CancelledError):
        prepare(model, image, name, progress=cancel)
    for left, clean in zip(model.network.modules(), other.network.modules(), strict=True):
        assert type(left) is type(clean)
        assert len(left._forward_hooks) == len(clean._forward_hooks)
        assert not left._forward_pre_hooks
        assert not left._backward_hooks
        assert not left.training
    assert all(each.grad is None for each in model.network.parameters())
    np.testing.assert_array_equal(model.predict(image), other.predict(image))


@pytest.mark.parametrize("name", [n for n in CAMS if METHODS[n].needs_class])
def test_method_on_class_gradients_says_that_it_needs_them(name):
    assert METHODS[name].needs_gradient == "layer"


@pytest.mark.parametrize("name", [n for n in ALL if METHODS[n].counted_by])
def test_steps_are_counted_by_a_prepare_parameter(model, name):
    counted_by = METHODS[name].counted_by
    assert counted_by in {p.name for p in METHODS[name].parameters_of("prepare")}
    costs = [cost_of(model, name, **guided(name), **{counted_by: n}).total for n in (3, 5)]
    assert costs[1] - costs[0] == 2


@pytest.mark.parametrize("name", GROWING)
def test_method_that_grows_counts_its_steps(name):
    assert METHODS[name].grows_with in {p.name for p in METHODS[name].parameters_of("prepare")}


@pytest.mark.parametrize("name", GROWING)
def test_growing_costs_as_much_as_all_at_once(model, image, name):
    store, steps = EvidenceStore(), METHODS[name].grows_with
    with count_passes() as counter:
        for count in (1, QUICK[steps]):
            prepare_all(model, image, [name], store=store, parameters={steps: count})
    assert counter.passes == cost_of(model, name).total


@pytest.mark.parametrize("name", GROWING)
def test_growing_gives_the_map_of_all_at_once(model, image, name):
    store, steps = EvidenceStore(), METHODS[name].grows_with
    for count in (1, QUICK[steps]):
        grown = prepare_all(model, image, [name], store=store, parameters={steps: count})[name]
    assert_same_map(xc.render(grown).values, xc.render(prepare(model, image, name)).values)
