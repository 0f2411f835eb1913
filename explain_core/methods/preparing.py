"""From what is asked to bases: plans, what is compared with what, and evidence gathered once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from explain_core.errors import BankError, InputError, ModelError
from explain_core.methods.evidence import (
    CLASS_GRADIENTS,
    Asked,
    ClassEvidence,
    EvidenceKind,
    Progress,
)
from explain_core.methods.method import KnownReferences, Method, Request, why_not_at
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.references.banks import banks_of
from explain_core.references.sets import check_fit, without_image
from explain_core.references.similar import similar_classes
from explain_core.types import (
    Array,
    Basis,
    Contrast,
    Image,
    ParameterValue,
    Provenance,
    ReferenceSet,
)

DEFAULT_NUM_REFERENCES = 3


def method_named(name: str) -> Method:
    """Return a method of `METHODS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in METHODS:
        raise InputError(f"there is no method '{name}'; choose one of {sorted(METHODS)}")
    return METHODS[name]


@dataclass(frozen=True, eq=False)
class Plan:
    """Hold a method with the values it takes and the evidence that they ask for."""

    method: Method
    values: dict[str, ParameterValue]
    kind: EvidenceKind[Any]

    @property
    def shared_by(self) -> Hashable:
        """Return what is the same for methods that build on the same evidence."""
        return (self.kind.name, *(self.values[name] for name in self.kind.parameters))


@dataclass(frozen=True, eq=False)
class _Row:
    """Hold one target and what it is compared with.

    Attributes:
        classes: given or found to be similar.
        are_given: whether somebody named the classes.
        pictures: None takes those of the bank.
    """

    target: int | None
    classes: tuple[int, ...]
    are_given: bool
    pictures: ReferenceSet | None


def prepare_all(
    model: Model,
    image: Image,
    methods: Sequence[str],
    targets: Sequence[int | str | None],
    references_of: Callable[[int | None], Sequence[int | str] | None],
    pictures_of: Callable[[int | None], ReferenceSet | None],
    *,
    layer: str | None,
    progress: Progress | None,
    parameters: Mapping[str, ParameterValue] | None,
    store: EvidenceStore | None,
) -> dict[tuple[int | None, str], Basis]:
    """Prepare every method for every target; `explaining.prepare_grid` says what is shared.

    Args:
        references_of: from a target's index to the classes it is compared with; None for the most
            similar ones.
        pictures_of: likewise to the pictures; None for those of the bank.
    """
    plans = plans_of(methods, parameters)
    store = EvidenceStore() if store is None else store
    layer = model.layer_named(layer).name
    for plan in plans:
        if plan.method.needs_class and not model.has_head:
            raise InputError(
                f"method '{plan.method.name}' explains a class, and '{model.name}' has none; "
                f"choose one of {[each.name for each in METHODS.values() if not each.needs_class]}"
            )
        reason = why_not_at(plan.method, model, layer)
        if reason is not None:
            raise ModelError(f"method '{plan.method.name}' cannot be used here: {reason}")
    chosen = [plan.method for plan in plans]
    predict = cache(lambda: model.predict(image))
    rows = []
    for each in targets:
        target = _target(model, predict, each)
        named = references_of(target)
        classes = _reference_classes(model, predict, chosen, target, named)
        pictures = pictures_of(target)
        rows.append(_Row(target, classes, named is not None and pictures is None, pictures))
    if len({row.target for row in rows}) != len(rows):
        raise InputError(f"targets name a class twice: {list(targets)}; name it once")

    wanted = tuple(
        dict.fromkeys(
            index for row in rows for index in _wanted_classes(chosen, row.target, row.classes)
        )
    )
    steps = _Steps(progress, _num_gathered(plans, len(rows)))
    gathered: dict[Hashable, Any] = {}
    bases: dict[tuple[int | None, str], Basis] = {}
    for row in rows:
        for plan in plans:
            shared_by = (plan.shared_by, row.target if plan.kind.needs_target else None)
            if shared_by not in gathered:  # even what is too large to be kept is gathered once
                asked = Asked(model, image, layer, row.target, wanted, plan.values, steps.progress)
                gathered[shared_by] = store.evidence(plan.kind, asked)
                steps.num_done += 1
            basis = _basis(model, image, layer, row, plan, gathered[shared_by], store)
            bases[row.target, plan.method.name] = basis
    return bases


def plans_of(methods: Sequence[str], parameters: Mapping[str, ParameterValue] | None) -> list[Plan]:
    """Return each method with its values, checked."""
    chosen = [method_named(name) for name in methods]
    given = dict(parameters or {})
    known = {p.name for method in chosen for p in method.parameters_of("prepare")}
    for name in given:
        if name not in known:
            raise InputError(
                f"{', '.join(methods)}: no parameter '{name}' acts before rendering; "
                f"these do: {sorted(known) or 'none'}"
            )
    plans = []
    for method in chosen:
        mine = {p.name: given[p.name] for p in method.parameters_of("prepare") if p.name in given}
        values = fill_in(method.parameters_of("prepare"), mine, f"method '{method.name}'")
        plans.append(Plan(method, values, method.evidence.for_values(values)))
    return plans


@dataclass
class _Steps:
    """Turn the progress of one step after the other into that of the whole."""

    tell: Progress | None
    num_steps: int
    num_done: int = 0

    @property
    def progress(self) -> Progress | None:
        """Return what the step under way is to call."""
        tell, done = self.tell, self.num_done
        if tell is None:
            return None
        return lambda share: tell((done + share) / self.num_steps)


def _num_gathered(plans: Sequence[Plan], num_rows: int) -> int:
    kinds = {plan.shared_by: plan.kind for plan in plans}
    return sum(num_rows if kind.needs_target else 1 for kind in kinds.values())


def _basis(
    model: Model,
    image: Image,
    layer: str,
    row: _Row,
    plan: Plan,
    evidence: Any,
    store: EvidenceStore,
) -> Basis:
    """Build one method's basis for one target from its evidence."""
    method = plan.method
    known_references = None
    extra: dict[str, ParameterValue] = {}
    contrast = Contrast(row.target)
    if method.compares_with == "classes":
        contrast = Contrast(row.target, row.classes)
    if method.compares_with == "pictures":
        assert isinstance(evidence, ClassEvidence)
        given_classes = row.classes if row.are_given else ()
        pictures = row.pictures
        if pictures is None:
            pictures = _pictures(model, layer, row.target, given_classes, evidence)
        check_fit(pictures, model, layer, len(evidence.activations))
        pooled = evidence.pooled(pictures.pooling, layer)
        pictures, left_out = without_image(pictures, image, pooled)
        contrast = Contrast(row.target, given_classes, pictures.key)
        extra = {
            "num_references": len(pictures.features),
            "left_out": left_out,
            "reference_digest": pictures.digest[:16],
            "pooling": pictures.pooling,
        }
        known_references = KnownReferences(store.spectrum(pictures), pictures.pooling, layer)
    if model.has_texts:
        asked = [] if row.target is None else [row.target, *contrast.references]
        extra["texts"] = " | ".join(model.classes[index] for index in asked)
    provenance = Provenance(
        method=method.name,
        model=model.name,
        fingerprint=model.fingerprint,
        layer=layer if plan.kind.at == "layer" else "input",
        image=image.digest,
        contrast=contrast,
        parameters=tuple((plan.values | extra).items()),
    )
    request = Request(provenance, model.geometry(image), known_references)
    return method.build(request, evidence, plan.values)


def _target(model: Model, predict: Callable[[], Array], target: int | str | None) -> int | None:
    if target is None:
        return int(np.argmax(predict())) if model.has_head else None
    return model.class_index(target)


def require_list(references: Sequence[int | str]) -> None:
    """Raise `InputError` where classes are not a list: a text would be taken letter by letter."""
    if isinstance(references, str) or not isinstance(references, Sequence):
        raise InputError(
            f"references must be a list of classes (got {references!r}); write [{references!r}]"
        )


def _reference_classes(
    model: Model,
    predict: Callable[[], Array],
    methods: Sequence[Method],
    target: int | None,
    references: Sequence[int | str] | None,
) -> tuple[int, ...]:
    if references is not None:
        require_list(references)
        classes = tuple(model.class_index(reference) for reference in references)
        if target in classes:
            raise InputError(
                f"references must not contain the target class {target} (got {list(classes)}); "
                "remove it"
            )
        if not classes:
            raise InputError(
                "references must name at least one class; leave them out for the most similar ones"
            )
        return Contrast(target, classes).references
    if target is None or not any(method.compares_with == "classes" for method in methods):
        return ()
    is_by_weights = model.class_weights is not None
    suggested = similar_classes(
        model,
        target,
        logits=np.empty(0) if is_by_weights else predict(),
        by="weights" if is_by_weights else "logits",
        count=DEFAULT_NUM_REFERENCES,
    )
    if not suggested:
        raise InputError(f"'{model.name}' has one class only, so there is nothing to compare with")
    return tuple(similar.index for similar in suggested)


def _wanted_classes(
    methods: Sequence[Method], target: int | None, references: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the classes whose gradients the methods need."""
    gradient_users = [m for m in methods if m.evidence is CLASS_GRADIENTS and m.needs_class]
    if target is None or not gradient_users:
        return ()
    if any(method.compares_with == "classes" for method in gradient_users):
        return (target, *references)
    return (target,)


def _pictures(
    model: Model,
    layer: str,
    target: int | None,
    classes: tuple[int, ...],
    evidence: ClassEvidence,
) -> ReferenceSet:
    if target is None:
        raise BankError(
            f"'{model.name}' has no classes, so say which pictures to compare with: pass a "
            "reference set made with this model"
        )
    banks = [bank for bank in banks_of(model) if bank.is_aligned]
    if not banks:
        raise BankError(
            f"DiffCAM compares with reference pictures, and '{model.name}' has no reference bank; "
            "pass a reference set made with this model"
        )
    bank = next((bank for bank in banks if bank.layer == layer), None)
    if bank is None:
        held = sorted({bank.layer for bank in banks})
        raise BankError(
            f"the reference banks of '{model.name}' hold features of {held}, but layer '{layer}' "
            f"is explained; choose layer '{held[0]}', or pass a reference set of '{layer}'"
        )
    if classes:
        return bank.reference_set(classes)
    return bank.others(target, evidence.pooled(bank.pooling, layer))
