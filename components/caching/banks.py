"""Reference banks and the sets of whole classes taken from them, shared by all sessions."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import streamlit as st

import explain_core as xc
from components.caching.models import MAX_MODELS
from explain_core.memory import BoundedMemory
from explain_core.references import banks
from explain_core.references.bank import Bank
from explain_core.references.judging import Plane, project
from explain_core.types import Array, ReferenceSet

MAX_PLANES = 8
MAX_BANK_SETS_BYTES = 2**30


def banks_of(model: xc.Model) -> tuple[Bank, ...]:
    """Return the reference banks made with a model's weights, shared by all sessions."""
    return _banks(model.key, model)


@st.cache_resource(max_entries=MAX_MODELS, ttl="1m", show_spinner=False)
def _banks(key: Hashable, _model: xc.Model) -> tuple[Bank, ...]:
    return banks.banks_of(_model)


@st.cache_data(ttl="1m", max_entries=MAX_MODELS, show_spinner=False)
def _refused_banks(key: str, _model: xc.Model) -> tuple[tuple[str, str], ...]:
    return banks.refused_banks(_model)


def refused_banks(model: xc.Model) -> tuple[tuple[str, str], ...]:
    """Return the banks that look made for a model but cannot be used: (name, reason)."""
    return _refused_banks(f"{model.fingerprint} {model.preprocessing}", model)


@st.cache_resource(max_entries=MAX_PLANES, show_spinner="Laying the features out in a plane …")
def _plane(key: Hashable, _features: Array) -> Plane:
    return project(_features)


def plane_of(bank: Bank) -> Plane:
    """Return a bank's features in two dimensions, shared by all sessions."""
    return _plane((bank.name, bank.fingerprint, len(bank.features)), bank.features)


@st.cache_resource(show_spinner=False)
def _bank_sets() -> BoundedMemory[ReferenceSet]:
    """Return the sets of whole classes that any session took from a bank."""
    return BoundedMemory(MAX_BANK_SETS_BYTES)


def bank_set(bank: Bank, classes: tuple[int, ...]) -> ReferenceSet:
    """Return the examples of some classes of a bank, shared by all sessions.

    Raises:
        BankError: the bank has no example of one of them.
    """
    return _from_bank(bank, classes, lambda: bank.reference_set(classes))


def all_but(bank: Bank, target: int) -> ReferenceSet:
    """Return the examples of every class of a bank but one, shared by all sessions.

    Raises:
        BankError: there is no other class.
    """
    return _from_bank(bank, target, lambda: bank.all_but(target))


def _from_bank(bank: Bank, which: Hashable, make: Callable[[], ReferenceSet]) -> ReferenceSet:
    key = (bank.name, bank.fingerprint, len(bank), bank.classes, which)
    kept = _bank_sets().get(key)
    if kept is None:
        kept = make()
        _bank_sets().put(key, kept)
    return kept
