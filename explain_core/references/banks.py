"""Which banks there are: the bundled ones, and those in the operator's folder.

The operator names a folder by the environment variable `WHYNOT_REFERENCES`; each folder in its
`banks` is a bank. What a visitor calls a bank is compared with the names that are there, and never
becomes a path.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from explain_core.errors import BankError, InputError
from explain_core.models.bundled import ASSETS
from explain_core.models.model import Model
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import MANIFEST
from explain_core.types import ReferenceSet

ENVIRONMENT = "WHYNOT_REFERENCES"

# The bundled banks, and the folder of assets that each lies in.
_FAMILIES = {
    "digits": "digits",
    "drawn-digits": "digits",
    "birds": "birds",
    "birds-confounded": "birds",
    "phantom-films": "films",
    "phantom-films-confounded": "films",
}
_BUNDLED = tuple(_FAMILIES)
_BUNDLED_FOLDER = ASSETS
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_MAX_OPEN = 16
_ALL_BUT = "all-but-"


def references_folder() -> Path | None:
    """Return the operator's folder of reference material, None where none is named."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else None


def bank_names() -> tuple[str, ...]:
    """Return the names of all banks: the bundled first, then the operator's, sorted."""
    return tuple(_bank_folders())


def banks_of(model: Model) -> tuple[Bank, ...]:
    """Return the banks whose features this model would give, the best first.

    Weights and preprocessing must be the model's. Banks of the model's own classes come before
    others, and otherwise the bundled ones, in their order, before the operator's. Where the model's
    classes were put on after loading, a bank's classes are looked up among those.
    """
    banks = (_opened(name) for name in _bank_folders())
    fitting = [bank for bank in banks if isinstance(bank, Bank) and _misfit(bank, model) is None]
    if model.head:
        fitting = [_with_classes(bank, model.classes) for bank in fitting]
    return tuple(sorted(fitting, key=lambda bank: not bank.is_aligned))


def bank_of(model: Model) -> Bank | None:
    """Return the bank that a model's classes are looked up in; None where there is none.

    Its classes are the model's; for a model without a head it is the first bank there is.
    """
    for bank in banks_of(model):
        if bank.is_aligned or not model.has_head:
            return bank
    return None


def require_bank_fits(bank: Bank, model: Model) -> None:
    """Raise `BankError` where a bank's features are not what a model would give."""
    reason = _misfit(bank, model)
    if reason is not None:
        raise BankError(reason)


def refused_banks(model: Model) -> tuple[tuple[str, str], ...]:
    """Return name and reason of each bank that seems meant for a model but is not used.

    These are damaged banks, and those of this model's name with other weights or preprocessing.
    """
    refused = []
    for name in _bank_folders():
        bank = _opened(name)
        if isinstance(bank, BankError):
            refused.append((name, str(bank)))
        elif model.fingerprint == bank.fingerprint or model.name == bank.model:
            reason = _misfit(bank, model)
            if reason is not None:
                refused.append((name, reason))
    return (*refused, *_taken_names())


def load_bank(name: str) -> Bank:
    """Open a bank by its name.

    Raises:
        BankError: there is no such bank, or it is damaged.
    """
    folders = _bank_folders()
    if name not in folders:
        own = [known for known in folders if known not in _BUNDLED]
        there = f"bundled: {list(_BUNDLED)}" + (f", the operator's: {own}" if own else "")
        raise BankError(f"there is no bank '{name}'; {there}")
    bank = _opened(name)
    if isinstance(bank, BankError):
        raise bank
    return bank


def reference_set(key: str) -> ReferenceSet:
    """Return examples from a bank.

    Args:
        key: "digits/5", "digits/5+8" for a union, "digits/all-but-3"; a class by its name or its
            index, such as "films/healthy".

    Raises:
        InputError: a key of another form.
        BankError: no such bank, or a class it does not hold.
    """
    name, _, which = key.partition("/")
    bank = load_bank(name)
    index = _class_index(bank, which)
    if index is not None:
        return bank.reference_set((index,), key)
    if which.startswith(_ALL_BUT):
        target = _class_index(bank, which.removeprefix(_ALL_BUT))
        if target is not None:
            return bank.all_but(target)
    else:
        parts = [_class_index(bank, part) for part in which.split("+")]
        classes = tuple(index for index in parts if index is not None)
        if len(classes) == len(parts):
            return bank.reference_set(classes, key)
    raise InputError(
        f"'{key}' names no reference set; write BANK/CLASS, BANK/CLASS+CLASS or "
        f"BANK/all-but-CLASS, such as {name}/{bank.classes[0] if bank.classes else 5}"
    )


def _class_index(bank: Bank, name: str) -> int | None:
    """Return the index that a class's name or a written number stands for."""
    if name in bank.classes:
        return bank.classes.index(name)
    return int(name) if name.isascii() and name.isdecimal() else None


def _bank_folders() -> dict[str, Path]:
    folders = {name: _BUNDLED_FOLDER / _FAMILIES[name] / "banks" / name for name in _BUNDLED}
    for name, folder in _operators_folders():
        folders.setdefault(name, folder)
    return folders


def _operators_folders() -> list[tuple[str, Path]]:
    root = references_folder()
    if root is None or not (root / "banks").is_dir():
        return []
    try:
        folders = sorted((root / "banks").iterdir())
    except OSError as error:
        raise BankError(
            f"the banks in {ENVIRONMENT} cannot be listed ({error.strerror}); see that the folder "
            "may be read"
        ) from error
    return [
        (folder.name, folder)
        for folder in folders
        if folder.is_dir() and _NAME.fullmatch(folder.name)
    ]


def _taken_names() -> list[tuple[str, str]]:
    return [
        (name, f"the bundled bank '{name}' has this name; give the operator's bank another one")
        for name, _ in _operators_folders()
        if name in _BUNDLED
    ]


def _misfit(bank: Bank, model: Model) -> str | None:
    """Return why a bank cannot be used with a model, None where it can."""
    if bank.fingerprint != model.fingerprint:
        return (
            f"bank '{bank.name}' was made with other weights than those of '{model.name}'; build "
            "it again with this model"
        )
    if bank.preprocessing != model.preprocessing:
        return (
            f"bank '{bank.name}' was made from pictures prepared in another way "
            f"({bank.preprocessing}) than '{model.name}' does now ({model.preprocessing}); build "
            "it again, or set the model's preprocessing back"
        )
    if len(bank) == 0:
        return f"bank '{bank.name}' holds no pictures yet; finish building it"
    return None


def _opened(name: str) -> Bank | BankError:
    """Return a bank, or why it cannot be opened; opened again only where it has changed."""
    folder = _bank_folders()[name]
    try:
        return _open(folder, _state_of(folder / MANIFEST))
    except BankError as error:
        return error


def _state_of(path: Path) -> tuple[int, ...]:
    """Return what changes with a file's content, nothing for a file that is not there."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_ino, state.st_mtime_ns, state.st_size


@lru_cache(maxsize=_MAX_OPEN)
def _open(folder: Path, _state: tuple[int, ...]) -> Bank:
    return open_bank(folder)


@lru_cache(maxsize=_MAX_OPEN)
def _with_classes(bank: Bank, classes: tuple[str, ...]) -> Bank:
    return bank.with_classes(classes)
