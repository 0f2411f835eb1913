"""Architectures that are the operator's own code: `package.module:function`."""

from __future__ import annotations

import importlib
import re

import torch
from torch import nn

from explain_core.errors import InputError, ModelError
from explain_core.models.catalogue import Entry
from explain_core.models.model import Model, wrap_model
from explain_core.models.preprocessing import Preprocessing
from explain_core.models.weights import does_not_fit, read_weights

_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_own_code(architecture: str) -> bool:
    """Return whether an architecture is of the form `package.module:function`."""
    return _PATTERN.fullmatch(architecture) is not None


def load_own_code(
    name: str, entry: Entry, layer: str | None = None, device: torch.device | None = None
) -> Model:
    """Load the module that the entry's function returns, with the entry's weights.

    The function takes no arguments and returns the module; Python imports it as it imports
    anything. It runs with all of our rights, so only the operator's files may name it.

    Args:
        name: under which the model is shown.
        layer: explained by default.

    Raises:
        ModelError: nothing of that name can be imported, what it returns is no module, weights or
            preprocessing that do not fit.
    """
    module_name, _, function = entry.architecture.partition(":")
    try:
        make = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"'{name}': {entry.architecture} cannot be imported ({error}); install its package, or "
            "put its folder on PYTHONPATH"
        ) from error
    try:
        with torch.random.fork_rng(devices=[]):
            network = make()
    except TypeError as error:
        raise ModelError(
            f"'{name}': {entry.architecture} cannot be called without arguments ({error}); name a "
            "function that takes none and returns the module"
        ) from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"'{name}': {entry.architecture} returns {type(network).__name__}; it must return a "
            "torch.nn.Module"
        )
    if entry.weights is not None:
        try:
            network.load_state_dict(read_weights(entry.weights))
        except RuntimeError as error:
            raise does_not_fit(name, entry.architecture, error) from error
    try:
        preprocessing = Preprocessing(**entry.preprocessing)
    except InputError as error:
        raise ModelError(f"'{name}': {error}") from error
    return wrap_model(
        network.to(device),
        layer=layer or entry.layer,
        classes=entry.classes,
        preprocessing=preprocessing,
        output=entry.output or "softmax",
        name=name,
    )
