"""Parameters describe themselves: the panel, the command line and the docs are drawn from them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from explain_core.errors import InputError
from explain_core.types import ParameterValue


@dataclass(frozen=True)
class Parameter:
    """Describe one setting of a method.

    Attributes:
        name: as a keyword argument (`gamma`, `p`, `lam`).
        label: as people read it ("comparison strength γ").
        default: taken where nothing is given; its type is the parameter's type.
        phase: "prepare" where the network must run again, "render" where a slider only renders.
        help: one sentence.
        min, max, step: range of a number, both ends included.
        scale: "linear", or "log" for a slider over powers of ten.
        unit: such as "%"; empty where there is none.
        choices: the values that a text parameter may take.
    """

    name: str
    label: str
    default: ParameterValue
    phase: Literal["prepare", "render"]
    help: str
    min: float = -math.inf
    max: float = math.inf
    step: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    unit: str = ""
    choices: tuple[str, ...] = ()

    def check(self, value: object) -> ParameterValue:
        """Return `value` in the parameter's type, or raise `InputError` that says what fits."""
        if isinstance(self.default, bool):
            if not isinstance(value, bool):
                raise InputError(f"{self.name} must be True or False (got {value!r})")
            return value
        if self.choices:
            if value not in self.choices:
                raise InputError(f"{self.name} must be one of {list(self.choices)} (got {value!r})")
            return str(value)
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputError(f"{self.name} must be a number (got {value!r})")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not self.min <= number <= self.max:  # also refuses NaN
            raise InputError(
                f"{self.name} must lie between {self.min:g} and {self.max:g} (got {value!r})"
            )
        if isinstance(self.default, int):
            if not number.is_integer():
                raise InputError(f"{self.name} must be a whole number (got {value!r})")
            return int(number)
        return number


def fill_in(
    parameters: Iterable[Parameter], given: Mapping[str, object], owner: str
) -> dict[str, ParameterValue]:
    """Return the value of every parameter: what was given, checked, and else the default.

    Args:
        parameters: those that `owner` knows.
        given: values by name.
        owner: whose parameters they are, for the message.

    Raises:
        InputError: a name that `owner` does not know, or a value out of range.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise InputError(f"{owner} has no parameter '{name}'; it has {sorted(known) or 'none'}")
    return {
        name: parameter.check(given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }
