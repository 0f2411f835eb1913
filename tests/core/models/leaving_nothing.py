"""Whether an explanation left anything on a model."""

import torch
from torch import nn

import explain_core as xc
from explain_core.models import tap
from tests.oracles.nets import references_for

HOOKS = [name for name in vars(nn.Module()) if name.endswith("hooks")]


def state_of(network):
    """Return all that an explanation could leave behind: hooks, modes, gradients, weights."""
    return {
        "hooks": {
            (name, kind): tuple(getattr(module, kind))
            for name, module in network.named_modules()
            for kind in HOOKS
        },
        "modes": {name: module.training for name, module in network.named_modules()},
        "gradients": {name: p.grad is None for name, p in network.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in network.named_parameters()},
        "weights": {name: t.detach().clone() for name, t in network.state_dict().items()},
        "versions": {name: t._version for name, t in network.state_dict().items()},
        "places": {name: t.data_ptr() for name, t in network.state_dict().items()},
    }


def assert_same_state(before, after):
    for name, weight in before.pop("weights").items():
        assert torch.equal(after["weights"][name], weight), f"{name} changed"
    after.pop("weights")
    assert after == before


def assert_nothing_left(model, before):
    assert_same_state(before, state_of(model.network))
    assert all(p.grad is None for p in model.network.parameters())
    assert not any(module.training for module in model.network.modules())
    assert tap._tape.get() is None
    assert tap._counter.get() is None


def explain(model, image, method, **changes):
    values = {"target": 0, "references": references_for(method, model, changes.get("layer"))}
    return xc.explain(model, image, method=method, **(values | changes))
