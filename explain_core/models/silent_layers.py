"""Layers whose maps the output does not depend on, such as a vision transformer's last block."""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

import torch

from explain_core.errors import ModelError
from explain_core.models.model import Model
from explain_core.models.tap import record

_KNOWN: WeakKeyDictionary[Model, dict[str, bool]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def is_silent(model: Model, layer: str) -> bool:
    """Return whether no class's logit depends on the layer's maps, whatever the picture.

    The patch tokens of a transformer's last block are silent where only its class token is handed
    on, and so is a branch that nothing reads. Layers up to `model.gradient_layer` are not; for a
    later one the network runs once, on noise, and the answer is kept.

    Args:
        layer: a tapped layer of a model with a head.

    Raises:
        ModelError: a layer without a tap.
        InputError: a model without a head.
    """
    model.require_head()
    names = [each.name for each in model.layers]
    index = names.index(model.layer_named(layer).name)
    if model.gradient_layer in names[index:]:
        return False
    with _LOCK:
        known = _KNOWN.setdefault(model, {})
        if layer not in known:
            known[layer] = _has_no_gradient(model, layer)
        return known[layer]


def _has_no_gradient(model: Model, layer: str) -> bool:
    prep, generator = model.preprocessing, torch.Generator().manual_seed(0)
    noise = torch.randn((1, prep.num_channels, *prep.size), generator=generator)
    # Of all classes: in a network of several heads a layer may serve some of them only.
    mixture = torch.randn(model.num_classes, generator=generator)
    with torch.inference_mode(False):
        try:
            logits, outputs = record(model.network, noise.to(model.device, model.dtype), [layer])
        except ModelError:  # not every input reaches it
            return False
        if not logits.requires_grad:
            return True
        with torch.enable_grad():
            score = (logits[0] * mixture.to(logits)).sum()
        (gradient,) = torch.autograd.grad(
            score, outputs[layer], allow_unused=True, materialize_grads=True
        )
    return not bool(model.layer_named(layer).as_maps(gradient).any())
