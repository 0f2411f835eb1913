"""The three verbs: `prepare` runs the network, `render` cannot, `explain` does both."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from explain_core.errors import InputError
from explain_core.methods.evidence import Progress
from explain_core.methods.method import Passes
from explain_core.methods.preparing import method_named, plans_of, prepare_all, require_list
from explain_core.methods.rendering import render_map
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.types import (
    Basis,
    Image,
    ParameterValue,
    ReferenceSet,
    SaliencyMap,
    SpectralBasis,
)

References = Sequence[int | str] | ReferenceSet


def prepare(
    model: Model,
    image: Image,
    *,
    method: str,
    target: int | str | None = None,
    references: References | None = None,
    layer: str | None = None,
    progress: Progress | None = None,
    **parameters: ParameterValue,
) -> Basis:
    """Run the network and return all that sliders need; `prepare_many` for several methods.

    Args:
        method: a name in `METHODS`.
        target: class index or name; None takes the predicted class.
        references: classes to compare with, or a set of pictures. None: for Finer-CAM the three
            most similar classes, for DiffCAM the examples of all other classes in the model's
            bank. Classes given to DiffCAM stand for their examples in the bank.
        layer: None takes the model's default.
        progress: called with the share that is done; may raise to cancel.
        **parameters: of the method's "prepare" phase.

    Raises:
        InputError: an unknown method, class or parameter, or the target among the references.
        ModelError: a layer without a tap.
        BankError: DiffCAM without reference pictures, or with those of another model or layer.
        NumericsError: NaN or infinity.
    """
    pictures = references if isinstance(references, ReferenceSet) else None
    if pictures is not None and method_named(method).compares_with != "pictures":
        raise InputError(
            f"method '{method}' compares with {METHODS[method].compares_with}, not with pictures; "
            "give references as classes, or use diffcam"
        )
    return prepare_many(
        model,
        image,
        [method],
        target=target,
        references=None if isinstance(references, ReferenceSet) else references,
        reference_set=pictures,
        layer=layer,
        progress=progress,
        parameters=parameters,
    )[method]


def prepare_many(
    model: Model,
    image: Image,
    methods: Sequence[str],
    *,
    target: int | str | None = None,
    references: Sequence[int | str] | None = None,
    reference_set: ReferenceSet | None = None,
    layer: str | None = None,
    progress: Progress | None = None,
    parameters: Mapping[str, ParameterValue] | None = None,
    store: EvidenceStore | None = None,
) -> dict[str, Basis]:
    """Prepare several methods with shared passes: one for the CAM family, one set for gradients.

    Args:
        methods: names in `METHODS`.
        references: classes; taken by Finer-CAM, and by DiffCAM where `reference_set` is None.
        reference_set: pictures that DiffCAM compares with.
        parameters: of the "prepare" phase, by name; each method takes those it knows.
        store: evidence kept from before, and added to.

    Returns:
        A basis per method, in the order given.

    Raises:
        As `prepare`.
    """
    found = prepare_all(
        model,
        image,
        methods,
        [target],
        lambda _target: references,
        lambda _target: reference_set,
        layer=layer,
        progress=progress,
        parameters=parameters,
        store=store,
    )
    return {name: basis for (_target, name), basis in found.items()}


def prepare_grid(
    model: Model,
    image: Image,
    methods: Sequence[str],
    targets: Sequence[int | str | None],
    *,
    references: Sequence[int | str] | None = None,
    reference_sets: Mapping[int | None, ReferenceSet] | None = None,
    layer: str | None = None,
    progress: Progress | None = None,
    parameters: Mapping[str, ParameterValue] | None = None,
    store: EvidenceStore | None = None,
) -> dict[tuple[int | None, str], Basis]:
    """Prepare several methods for several classes of one picture, sharing what can be shared.

    One pass serves the CAM family of all targets: it gives the gradients of every target and
    every reference. One set of masked pictures serves Score-CAM, or Ablation-CAM, of all targets,
    for it gives every class's logit. Gradients at the input are those of one class: one noisy
    batch serves the noise family of one target.

    Args:
        targets: class indices or names, each once.
        references: the classes that are compared with each other: every target is compared with
            those of them that it is not itself. None: with its own three most similar classes.
        reference_sets: by target's index, the pictures that DiffCAM compares with; where there is
            none, the bank's, as in `prepare`.
        parameters: of the "prepare" phase, by name; each method takes those it knows.
        store: evidence kept from before, and added to.

    Returns:
        A basis per target and method, target by target, in the orders given.

    Raises:
        As `prepare`; a target given twice, or one that leaves no class to compare with.
    """
    pictures = dict(reference_sets or {})

    def others(target: int | None) -> list[int] | None:
        if references is None:
            return None
        require_list(references)
        return [each for each in map(model.class_index, references) if each != target]

    return prepare_all(
        model,
        image,
        methods,
        targets,
        others,
        pictures.get,
        layer=layer,
        progress=progress,
        parameters=parameters,
        store=store,
    )


def grid_passes(
    model: Model,
    methods: Sequence[str],
    num_targets: int,
    *,
    layer: str | None = None,
    parameters: Mapping[str, ParameterValue] | None = None,
) -> Passes:
    """Return how many pictures the network processes for a grid, nothing being kept from before.

    Raises:
        InputError: an unknown method or parameter, or a value out of its range.
        ModelError: a layer without a tap.
    """
    layer = model.layer_named(layer).name
    costs: dict[Hashable, tuple[Passes, int]] = {}
    for plan in plans_of(methods, parameters):
        cost = plan.method.cost(model, layer, plan.values)
        count = num_targets if plan.kind.needs_target else 1
        known, _ = costs.get(plan.shared_by, (cost, count))
        costs[plan.shared_by] = (max(known, cost, key=lambda each: each.total), count)
    return Passes(
        forward=sum(cost.forward * count for cost, count in costs.values()),
        gradient=sum(cost.gradient * count for cost, count in costs.values()),
    )


def render(
    basis: Basis, *, signed: bool | None = None, **parameters: ParameterValue
) -> SaliencyMap:
    """Turn a basis into a map for given slider values, without a network.

    Args:
        signed: keep negative values; None does so where the method is signed.
        **parameters: of the method's "render" phase; what is missing takes its default.

    Raises:
        InputError: a parameter the method does not have, or out of its range.
        NumericsError: NaN or infinity in the map.
    """
    method = method_named(basis.provenance.method)
    if signed and not method.can_be_signed:
        raise InputError(f"method '{method.name}' has no signed view; leave signed out")
    values = fill_in(method.parameters_of("render"), parameters, f"method '{method.name}'")
    recorded = dict(values)
    if isinstance(basis, SpectralBasis):
        recorded["lam_absolute"] = float(values["lam"]) * basis.lam_unit
    return render_map(
        basis,
        values,
        is_signed=method.is_signed if signed is None else signed,
        recorded=recorded,
    )


def explain(
    model: Model,
    image: Image,
    *,
    method: str,
    target: int | str | None = None,
    references: References | None = None,
    layer: str | None = None,
    signed: bool | None = None,
    progress: Progress | None = None,
    **parameters: ParameterValue,
) -> SaliencyMap:
    """Prepare and render in one call; takes the parameters of both phases.

    Raises:
        As `prepare` and `render`.
    """
    known = {p.name: p.phase for p in method_named(method).parameters}
    fill_in(METHODS[method].parameters, parameters, f"method '{method}'")
    basis = prepare(
        model,
        image,
        method=method,
        target=target,
        references=references,
        layer=layer,
        progress=progress,
        **{name: value for name, value in parameters.items() if known[name] == "prepare"},
    )
    rendered = {name: value for name, value in parameters.items() if known[name] == "render"}
    return render(basis, signed=signed, **rendered)
