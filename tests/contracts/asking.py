"""How the contracts ask every method, quickly."""

import dataclasses

import numpy as np
import pytest

import explain_core as xc
from explain_core.methods.table import METHODS
from tests.oracles.nets import references_for

ALL = list(METHODS)
CAMS = [name for name in ALL if METHODS[name].evidence.name == "class gradients"]
NOISY = [name for name in ALL if METHODS[name].evidence.name == "noisy gradients"]
CLEAN = [name for name in ALL if METHODS[name].evidence.name == "clean gradient"]
CONTROLS = [name for name in ALL if METHODS[name].is_control]
SEEDED = [name for name in ALL if "seed" in {p.name for p in METHODS[name].parameters}]
GROWING = [name for name in ALL if METHODS[name].grows_with]
CHOICES = [
    pytest.param(name, {parameter.name: choice}, id=f"{name}-{parameter.name}-{choice}")
    for name in ALL
    for parameter in METHODS[name].parameters_of("prepare")
    for choice in parameter.choices
]
PARAMETERS = [
    pytest.param(parameter, id=f"{name}-{parameter.name}")
    for name, method in METHODS.items()
    for parameter in method.parameters
]
NUMBERS = [each for each in PARAMETERS if not isinstance(each.values[0].default, bool | str)]
QUICK = {"num_samples": 4, "num_steps": 3, "num_masks": 6, "num_updates": 3, "top_channels": 0}


def quick(method):
    """Return prepare parameters that make slow methods quick."""
    return {p.name: QUICK[p.name] for p in METHODS[method].parameters if p.name in QUICK}


def guided(method):
    """Return the choice without which noise and percentile may take no part."""
    known = {parameter.name for parameter in METHODS[method].parameters_of("prepare")}
    return {"processing": "GA"} if "processing" in known else {}


def prepare(model, image, method, **changes):
    values = {"target": 0, "references": references_for(method, model)} | quick(method) | changes
    return xc.prepare(model, image, method=method, **values)


def prepare_all(model, image, methods, **changes):
    from tests.oracles.nets import reference_set

    values = {"target": 0, "references": (1, 2), "reference_set": reference_set(model)}
    known = {name for method in methods for name in quick(method)}
    parameters = {name: value for name, value in QUICK.items() if name in known}
    return xc.prepare_many(model, image, methods, **(values | {"parameters": parameters} | changes))


def another(parameter):
    """Return a value that is not the default."""
    if isinstance(parameter.default, bool):
        return not parameter.default
    if parameter.choices:
        return next(choice for choice in parameter.choices[::-1] if choice != parameter.default)
    return parameter.max


def arrays_of(value):
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if isinstance(getattr(value, field.name), np.ndarray)
    }
