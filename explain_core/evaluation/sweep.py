"""Sweeps over one parameter: the papers' ablation tables, a curve per method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from explain_core.errors import InputError
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.plan import Variant, usable_methods, variant
from explain_core.evaluation.tables import Summary
from explain_core.methods.settings import AGGREGATION, GAMMA, LAM, P
from explain_core.methods.table import METHODS
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import ParameterValue


@dataclass(frozen=True)
class Sweep:
    """Describe a sweep.

    Attributes:
        name: as the command takes it.
        title: as people read it.
        parameter: what is varied; it acts in rendering, so evidence is gathered once a picture.
        steps: its values, in the order of the table.
        methods: those that the paper varies; others with the parameter may be asked for.
        metrics: those of the paper's table.
        paper: the source.
    """

    name: str
    title: str
    parameter: Parameter
    steps: tuple[ParameterValue, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    paper: str


_FINER = ("finer-grad-cam", "finer-layer-cam", "finer-score-cam")

SWEEPS: Mapping[str, Sweep] = MappingProxyType(
    {
        sweep.name: sweep
        for sweep in (
            Sweep(
                name="gamma",
                title="Comparison strength γ of Finer-CAM",
                parameter=GAMMA,
                steps=tuple(round(0.2 * step, 1) for step in range(11)),
                methods=_FINER,
                metrics=("deletion", "relative-drop"),
                paper="Zhang et al., Finer-CAM, 2025: 0 to 1 in the main text, beyond it in the "
                "supplement, Fig. 13",
            ),
            Sweep(
                name="p",
                title="Guide percentile p of Guided AbsoluteGrad",
                parameter=P,
                steps=(0.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 85.0),
                methods=("guided-absolute-grad",),
                metrics=("rcap", "deletion", "insertion", "log-cosh-dice", "mae"),
                paper="Huang & Liu, Guided AbsoluteGrad, 2024, Table 1",
            ),
            Sweep(
                name="lam",
                title="Regularisation λ of DiffCAM",
                parameter=LAM,
                steps=tuple(10.0**power for power in range(-6, 3)),
                methods=("diffcam",),
                metrics=("energy-inside", "auprc", "deletion"),
                paper='DiffCAM, 2025, eq. 6; the paper says "small"',
            ),
            Sweep(
                name="aggregation",
                title="How Finer-CAM joins several references",
                parameter=AGGREGATION,
                steps=AGGREGATION.choices,
                methods=_FINER,
                metrics=("deletion", "relative-drop"),
                paper="Zhang et al., Finer-CAM, supplement, Table 7",
            ),
        )
    }
)


def sweep_named(name: str) -> Sweep:
    """Return a sweep of `SWEEPS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in SWEEPS:
        raise InputError(f"there is no sweep '{name}'; choose one of {sorted(SWEEPS)}")
    return SWEEPS[name]


def sweep_methods(
    name: str, model: Model, methods: tuple[str, ...] | None = None, layer: str | None = None
) -> list[Variant]:
    """Return every method at every step of a sweep, method by method.

    Args:
        methods: None takes those of the paper that the model allows.

    Raises:
        InputError: an unknown sweep, a method without its parameter, or no method that the model
            allows.
        ModelError: a layer without a tap.
    """
    sweep = sweep_named(name)
    parameter = sweep.parameter
    if methods is None:
        reasons = usable_methods(model, layer)
        methods = tuple(each for each in sweep.methods if reasons[each] is None)
        if not methods:
            why = "; ".join(f"{each}: {reasons[each]}" for each in sweep.methods)
            raise InputError(f"'{model.name}' allows no method of the sweep '{name}': {why}")
    for each in methods:
        if each not in METHODS or parameter not in METHODS[each].parameters:
            able = sorted(m.name for m in METHODS.values() if parameter in m.parameters)
            raise InputError(f"method '{each}' has no {parameter.name} to vary; these have: {able}")
    return [variant(each, **{parameter.name: value}) for each in methods for value in sweep.steps]


def sweep_curves(
    summary: Summary, name: str
) -> dict[str, list[tuple[ParameterValue, tuple[Interval, ...]]]]:
    """Return for every method of a sweep its steps, each with an interval per metric.

    Raises:
        InputError: an unknown sweep.
    """
    parameter = sweep_named(name).parameter.name
    curves: dict[str, list[tuple[ParameterValue, tuple[Interval, ...]]]] = {}
    for each, means in zip(summary.results.plan.methods, summary.means, strict=True):
        values = dict(each.values)
        if parameter in values:
            curves.setdefault(each.name, []).append((values[parameter], means))
    return curves
