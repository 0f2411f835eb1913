"""Fitting a linear probe to a bank: its classes, told apart by an encoder's pooled features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explain_core.errors import BankError, InputError
from explain_core.models.model import Model
from explain_core.models.probes import LinearProbe
from explain_core.references.bank import Bank
from explain_core.references.banks import require_bank_fits
from explain_core.references.softmax_regression import fit_softmax, predicted
from explain_core.types import Array, read_only

HELD_OUT = 0.2
DEFAULT_L2 = 1e-3


def can_be_probed(bank: Bank) -> bool:
    """Return whether a bank has pictures of two classes at least."""
    return int((bank.counts() > 0).sum()) > 1


def fit_probe(
    bank: Bank,
    model: Model,
    *,
    l2: float = DEFAULT_L2,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> LinearProbe:
    """Fit a softmax classifier of a bank's classes to its features, see `fit_softmax`.

    A fifth of every class's pictures, drawn by `seed`, is kept apart; the accuracy is that of the
    returned probe on them. Pictures and classes without the other are left out.

    Args:
        model: whose features the bank holds.
        l2: penalty on the weights of the standardised features, above 0.
        progress: called with the share that is done, in [0, 1]; may raise to cancel.

    Raises:
        BankError: a bank of another model, with NaN or infinity, or with fewer than two classes.
        InputError: a penalty that is not above 0, or no class with two pictures.
    """
    require_bank_fits(bank, model)
    if not l2 > 0:
        raise InputError(f"l2 must be above 0 (got {l2:g}); 0.001 is the default")
    if not can_be_probed(bank):
        raise BankError(
            f"bank '{bank.name}' has pictures of no class, or of one class only, and a probe tells "
            "two or more apart; build a bank from a folder per class"
        )
    held = np.flatnonzero(bank.counts())
    rows = np.flatnonzero(bank.labels >= 0)
    labels = np.searchsorted(held, bank.labels[rows])
    is_apart = _kept_apart(labels, seed)
    if not is_apart.any():
        raise InputError(
            f"bank '{bank.name}' has one picture of each class, so none could be kept apart to "
            "measure the probe by; add pictures to the bank"
        )
    train, test = rows[~is_apart], rows[is_apart]
    weight, bias = fit_softmax(
        bank.features, train, labels[~is_apart], len(held), l2=l2, progress=progress
    )
    found = predicted(bank.features, test, weight, bias)
    return LinearProbe(
        weight=read_only(weight),
        bias=read_only(bias),
        classes=tuple(bank.classes[index] for index in held),
        encoder=model.name,
        fingerprint=model.fingerprint,
        layer=bank.layer,
        pooling=bank.pooling,
        preprocessing=model.preprocessing,
        bank=bank.name,
        num_train=len(train),
        num_held_out=len(test),
        accuracy=float((found == labels[is_apart]).mean()),
        commonest=float(np.bincount(labels[is_apart]).max() / len(test)),
        l2=float(l2),
        seed=seed,
    )


def _kept_apart(labels: Array, seed: int) -> Array:
    """Return (m,) bool: a fifth of each class, at least one of a class with two pictures."""
    rng = np.random.default_rng(seed)
    is_apart = np.zeros(len(labels), bool)
    order = np.argsort(labels, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(members) > 1:
            count = max(1, round(HELD_OUT * len(members)))
            is_apart[rng.choice(members, count, replace=False)] = True
    return is_apart
