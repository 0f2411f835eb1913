"""The three verbs: `prepare` runs the network, `render` cannot, `explain` does both."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from explain_core.errors import BankError, InputError
from explain_core.methods.evidence import CLASS_GRADIENTS, Asked, ClassEvidence, Progress
from explain_core.methods.method import KnownReferences, Method, Request
from explain_core.methods.rendering import render_map
from explain_core.methods.store import EvidenceStore
from explain_core.methods.table import METHODS
from explain_core.models.model import Model
from explain_core.parameters import fill_in
from explain_core.references.banks import banks_of
from explain_core.references.sets import check_fit, without_image
from explain_core.references.similar import similar_classes
from explain_core.types import (
    Basis,
    Contrast,
    Image,
    ParameterValue,
    Provenance,
    ReferenceSet,
    SaliencyMap,
    SpectralBasis,
)

DEFAULT_NUM_REFERENCES = 3
References = Sequence[int | str] | ReferenceSet


def method_named(name: str) -> Method:
    """Return a method of `METHODS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in METHODS:
        raise InputError(f"there is no method '{name}'; choose one of {sorted(METHODS)}")
    return METHODS[name]


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
    chosen = [method_named(name) for name in methods]
    given = dict(parameters or {})
    known = {p.name for method in chosen for p in method.parameters_of("prepare")}
    for name in given:
        if name not in known:
            raise InputError(
                f"{', '.join(methods)}: no parameter '{name}' acts before rendering; "
                f"these do: {sorted(known) or 'none'}"
            )
    store = EvidenceStore() if store is None else store
    layer = model.layer_named(layer).name
    for method in chosen:
        if method.needs_class and not model.has_head:
            raise InputError(
                f"method '{method.name}' explains a class, and '{model.name}' has none; choose "
                f"one of {[each.name for each in METHODS.values() if not each.needs_class]}"
            )
    index = _target(model, image, target)
    classes = _reference_classes(model, image, chosen, index, references)

    wanted = _wanted_classes(chosen, index, classes)
    gathered: dict[Hashable, Any] = {}
    bases: dict[str, Basis] = {}
    for method in chosen:
        mine = {p.name: given[p.name] for p in method.parameters_of("prepare") if p.name in given}
        values = fill_in(method.parameters_of("prepare"), mine, f"method '{method.name}'")
        kind = method.evidence.for_values(values)
        shared_by = (kind.name, *(values[name] for name in kind.parameters))
        if shared_by not in gathered:  # even what is too large to be kept is gathered once
            asked = Asked(model, image, layer, index, wanted, values, progress)
            gathered[shared_by] = store.evidence(kind, asked)
        evidence = gathered[shared_by]
        known_references = None
        extra: dict[str, ParameterValue] = {}
        contrast = Contrast(index)
        if method.compares_with == "classes":
            contrast = Contrast(index, classes)
        if method.compares_with == "pictures":
            assert isinstance(evidence, ClassEvidence)
            given_classes = () if references is None or reference_set is not None else classes
            pictures = reference_set
            if pictures is None:
                pictures = _pictures(model, layer, index, given_classes, evidence)
            check_fit(pictures, model, layer, len(evidence.activations))
            pooled = evidence.pooled(pictures.pooling, layer)
            pictures, left_out = without_image(pictures, image, pooled)
            contrast = Contrast(index, given_classes, pictures.key)
            extra = {
                "num_references": len(pictures.features),
                "left_out": left_out,
                "reference_digest": pictures.digest[:16],
                "pooling": pictures.pooling,
            }
            known_references = KnownReferences(store.spectrum(pictures), pictures.pooling, layer)
        provenance = Provenance(
            method=method.name,
            model=model.name,
            fingerprint=model.fingerprint,
            layer=layer if kind.at == "layer" else "input",
            image=image.digest,
            contrast=contrast,
            parameters=tuple((values | extra).items()),
        )
        request = Request(provenance, model.geometry(image), known_references)
        bases[method.name] = method.build(request, evidence, values)
    return bases


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


def _target(model: Model, image: Image, target: int | str | None) -> int | None:
    if target is None:
        if not model.has_head:
            return None
        return int(np.argmax(model.predict(image)))
    return model.class_index(target)


def _reference_classes(
    model: Model,
    image: Image,
    methods: Sequence[Method],
    target: int | None,
    references: Sequence[int | str] | None,
) -> tuple[int, ...]:
    if references is not None:
        if isinstance(references, str) or not isinstance(references, Sequence):
            raise InputError(
                f"references must be a list of classes (got {references!r}); write [{references!r}]"
            )
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
    if model.class_weights is not None:
        suggested = similar_classes(
            model, target, logits=np.empty(0), by="weights", count=DEFAULT_NUM_REFERENCES
        )
    else:
        suggested = similar_classes(
            model, target, logits=model.predict(image), by="logits", count=DEFAULT_NUM_REFERENCES
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
