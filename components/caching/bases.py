"""Bases of maps: of one picture or of a grid, and what the viewer is sent of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import explain_core as xc
from components.caching import session
from explain_core.types import Basis, ParameterValue


def basis_of(
    model: xc.Model,
    image: xc.Image,
    method: str,
    *,
    target: int | None,
    references: tuple[int, ...],
    reference_set: xc.ReferenceSet | None,
    layer: str,
    parameters: Mapping[str, ParameterValue],
    progress: Callable[[float], None],
) -> Basis:
    """Return a method's basis, running the network only for what this session never asked."""
    memory = session.session_memory()

    def prepare() -> Basis:
        return xc.prepare_many(
            model,
            image,
            [method],
            target=target,
            references=references or None,
            reference_set=reference_set,
            layer=layer,
            progress=progress,
            parameters=prepare_values(method, parameters),
            store=memory.store,
        )[method]

    key = basis_key(
        model,
        image,
        method,
        target=target,
        references=references,
        reference_set=reference_set,
        layer=layer,
        parameters=parameters,
    )
    return session.kept(memory, memory.bases, key, prepare)


def grid_of(
    model: xc.Model,
    image: xc.Image,
    method: str,
    targets: tuple[int | None, ...],
    *,
    references: tuple[int, ...],
    reference_sets: Mapping[int | None, xc.ReferenceSet],
    layer: str,
    parameters: Mapping[str, ParameterValue],
    progress: Callable[[float], None] | None,
) -> dict[int | None, Basis]:
    """Return a method's basis for each class, running the network for what was never asked.

    Args:
        references: every class is compared with those of them that it is not itself.
        progress: None returns only the ones that this session has asked for before.
    """
    memory = session.session_memory()
    keys = {
        target: basis_key(
            model,
            image,
            method,
            target=target,
            references=tuple(each for each in references if each != target),
            reference_set=reference_sets.get(target),
            layer=layer,
            parameters=parameters,
        )
        for target in targets
    }
    bases = {target: memory.bases.get(key) for target, key in keys.items()}
    missing = [target for target, basis in bases.items() if basis is None]
    if missing and progress is not None:
        with session.counted_passes():
            fresh = xc.prepare_grid(
                model,
                image,
                [method],
                missing,
                references=references or None,
                reference_sets=reference_sets,
                layer=layer,
                progress=progress,
                parameters=prepare_values(method, parameters),
                store=memory.store,
            )
        for target in missing:
            bases[target] = fresh[target, method]
            memory.bases.put(keys[target], fresh[target, method])
    return {target: basis for target, basis in bases.items() if basis is not None}


def kept_basis(key: Hashable) -> Basis | None:
    """Return a basis by its `basis_key` where this session has asked for it before, else None."""
    return session.session_memory().bases.get(key)


def basis_key(
    model: xc.Model,
    image: xc.Image,
    method: str,
    *,
    target: int | None,
    references: tuple[int, ...],
    reference_set: xc.ReferenceSet | None,
    layer: str,
    parameters: Mapping[str, ParameterValue],
) -> Hashable:
    """Return what tells a basis from others; references only where the method compares."""
    uses = xc.METHODS[method].compares_with
    return (
        model.key,
        image.digest,
        method,
        target,
        references if uses != "nothing" else (),
        reference_set.digest if reference_set is not None and uses == "pictures" else None,
        layer,
        tuple(sorted(prepare_values(method, parameters).items())),
    )


def prepare_values(
    method: str, parameters: Mapping[str, ParameterValue]
) -> dict[str, ParameterValue]:
    """Return the parameters that act before a basis is made; the others only draw it."""
    known = {p.name for p in xc.METHODS[method].parameters_of("prepare")}
    return {name: value for name, value in parameters.items() if name in known}


def message_of(key: Hashable, make: Callable[[], bytes]) -> bytes:
    """Return the viewer's message for a set of bases, made once."""
    memory = session.session_memory()
    return session.kept(memory, memory.messages, key, make)
