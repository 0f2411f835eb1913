"""Banks: pooled features of many labelled pictures, from which reference sets are taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from explain_core.errors import BankError, InputError
from explain_core.models.bundled import ASSETS
from explain_core.models.model import Model
from explain_core.types import Array, Pooling, ReferenceSet, read_only

_BUNDLED = ("digits",)


@dataclass(frozen=True, eq=False)
class Bank:
    """Hold the features of a labelled picture collection.

    Attributes:
        name: such as "digits".
        features: (n, d) float16, the pooled layer.
        labels: (n,) class index of each.
        layer: that was pooled.
        fingerprint: of the weights that made the features.
    """

    name: str
    features: Array
    labels: Array
    layer: str
    fingerprint: str
    pooling: Pooling = "mean"

    def reference_set(self, classes: tuple[int, ...], key: str | None = None) -> ReferenceSet:
        """Return the examples of some classes.

        Raises:
            BankError: the bank has no example of one of them.
        """
        missing = sorted(set(classes) - set(np.unique(self.labels).tolist()))
        if missing or not classes:
            raise BankError(
                f"bank '{self.name}' has no examples of the classes {missing or 'asked for'}; "
                f"it holds {np.unique(self.labels).tolist()}"
            )
        rows = np.isin(self.labels, classes)
        return ReferenceSet(
            key=key or f"{self.name}/{'+'.join(str(index) for index in classes)}",
            features=read_only(self.features[rows]),
            labels=read_only(self.labels[rows].astype(np.int64)),
            layer=self.layer,
            fingerprint=self.fingerprint,
        )

    def all_but(self, target: int) -> ReferenceSet:
        """Return the examples of every class but one."""
        others = tuple(int(index) for index in np.unique(self.labels) if index != target)
        return self.reference_set(others, f"{self.name}/all-but-{target}")

    def others(self, target: int, feature: Array) -> ReferenceSet:
        """Return what a class is compared with where nothing is said: all other classes."""
        return self.all_but(target)


def bank_of(model: Model) -> Bank | None:
    """Return the bank that was made with a model's weights; None where there is none."""
    bank = load_bank("digits")
    return bank if bank.fingerprint == model.fingerprint else None


def load_bank(name: str) -> Bank:
    """Load a bundled bank.

    Raises:
        BankError: there is no such bank.
    """
    if name not in _BUNDLED:
        raise BankError(f"there is no bank '{name}'; bundled: {list(_BUNDLED)}")
    path = Path(ASSETS) / name / "bank.safetensors"
    if not path.is_file():
        raise BankError(
            f"the bundled bank assets/{name}/bank.safetensors is missing; restore it from the "
            "repository"
        )
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        return Bank(
            name=name,
            features=read_only(file.get_tensor("features")),
            labels=read_only(file.get_tensor("labels")),
            layer=metadata["layer"],
            fingerprint=metadata["fingerprint"],
        )


def reference_set(key: str) -> ReferenceSet:
    """Return examples from a bundled bank.

    Args:
        key: "digits/5", "digits/5+8" for a union, "digits/all-but-3".

    Raises:
        InputError: a key of another form.
        BankError: no such bank, or a class it does not hold.
    """
    name, _, which = key.partition("/")
    bank = load_bank(name)
    try:
        if which.startswith("all-but-"):
            return bank.all_but(int(which.removeprefix("all-but-")))
        return bank.reference_set(tuple(int(part) for part in which.split("+")), key)
    except ValueError as error:
        raise InputError(
            f"'{key}' names no reference set; write BANK/CLASS, BANK/CLASS+CLASS or "
            f"BANK/all-but-CLASS, such as {name}/5"
        ) from error
