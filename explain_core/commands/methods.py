"""The command `methods`: list them, and make the table of what works on which kind of network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from explain_core.commands.families import FAMILIES, Family
from explain_core.errors import ExplainError, InputError
from explain_core.images.reading import image_from_pixels
from explain_core.methods.cautions import basis_cautions
from explain_core.methods.cost import passes
from explain_core.methods.explaining import prepare_many, render
from explain_core.methods.method import Method, why_not_at
from explain_core.methods.table import METHODS
from explain_core.models.loading import load_model
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Image, ParameterValue, ReferenceSet

WORKS = "✓"
# So few steps that the whole table takes a minute; what works does not depend on their number.
_FEW_STEPS = 4
_FEW_CHANNELS = 16
_NUM_REFERENCES = 6
_PICTURE = (70, 90)

_HEAD = """# Methods

Made by `python -m explain_core methods --table docs/methods.md`; do not edit by hand.
"""
_MATRIX_HEAD = f"""## On which networks

Each method was prepared and rendered on one small network of each family, with random weights, at
the layer taken by default. {WORKS} works; a number is the reason of a refusal, below.
"""


def add_methods(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    command = commands.add_parser("methods", help="list the methods and their parameters")
    command.add_argument(
        "--table",
        type=Path,
        metavar="FILE.md",
        help="run every method on every kind of network and write what works as Markdown",
    )
    command.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> None:
    if given.table is None:
        for method in METHODS.values():
            print(f"{method.name}: {method.summary} ({method.paper})")
            for parameter in method.parameters:
                print(f"    --{parameter.name.replace('_', '-')}: {parameter.label}")
        return
    if not given.table.parent.is_dir():
        raise InputError(f"--table names a folder that does not exist: {given.table.parent}")

    def tell(family: Family) -> None:
        print(f"{family.name}: {family.stands_for}", file=sys.stderr, flush=True)

    with _one_thread():
        matrix = matrix_section(FAMILIES, tell)
    sections = (_HEAD, method_section(), parameter_section(), matrix)
    given.table.write_text("\n".join(sections), encoding="utf-8")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: for networks as small as these more only wait for each other."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


# ---- what methods say of themselves ----------------------------------------------------------


def method_section() -> str:
    """Return what each method shows, needs and costs, and where it comes from."""
    model = load_model("digits")
    rows = [
        (f"`{method.name}`", method.summary, needs(method), cost(method, model), method.paper)
        for method in METHODS.values()
    ]
    head = ("method", "shows", "needs", "pictures through the network", "source")
    return "## What they show, need and cost\n\n" + _table(head, rows)


def needs(method: Method) -> str:
    """Return what a method cannot do without."""
    found = ["a class"] if method.needs_class else []
    if method.compares_with != "nothing":
        found.append(f"reference {method.compares_with}")
    if method.needs_gradient:
        found.append(f"a gradient at the {method.needs_gradient}")
    return ", ".join(found) or "nothing"


def cost(method: Method, model: Model) -> str:
    """Return how many pictures go through the network, by the parameter that counts them."""
    layer = model.layer
    whole = passes(method, model, layer).total
    if not method.counted_by:
        return str(whole)
    default = {p.name: p.default for p in method.parameters}[method.counted_by]
    few = passes(method, model, layer, {method.counted_by: _FEW_CHANNELS}).total
    if few == whole:  # as Guided Backprop: its copies count with some processing only
        return f"{whole}; with processing G or GA `{method.counted_by}` more"
    beside = f" + {few - _FEW_CHANNELS}" if few > _FEW_CHANNELS else ""
    usual = f"{default:,}" if default else "one per channel"
    return f"`{method.counted_by}`{beside} ({usual})"


def parameter_section() -> str:
    """Return every parameter with its range, its default and the methods that have it."""
    known: dict[str, Parameter] = {}
    users: dict[str, list[str]] = {}
    for method in METHODS.values():
        for parameter in method.parameters:
            known.setdefault(parameter.name, parameter)
            users.setdefault(parameter.name, []).append(f"`{method.name}`")
    rows = [
        (
            f"`{name}`",
            parameter.help,
            allowed(parameter),
            _value(parameter.default),
            {"prepare": "the network runs again", "render": "slider"}[parameter.phase],
            ", ".join(users[name]),
        )
        for name, parameter in known.items()
    ]
    head = ("parameter", "what it does", "allowed", "default", "a change", "methods")
    return "## Parameters\n\n" + _table(head, rows)


def allowed(parameter: Parameter) -> str:
    """Return the values that a parameter may take."""
    if isinstance(parameter.default, bool):
        return "yes, no"
    if parameter.choices:
        return ", ".join(parameter.choices)
    unit = f" {parameter.unit}" if parameter.unit else ""
    scale = ", logarithmic" if parameter.scale == "log" else ""
    ends = [f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in _ends(parameter)]
    return f"{' to '.join(ends)}{unit}{scale}"


def _ends(parameter: Parameter) -> tuple[float, float]:
    return parameter.min, parameter.max


def _value(value: ParameterValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


# ---- what works where ------------------------------------------------------------------------


def matrix_section(
    families: Sequence[Family],
    tell: Callable[[Family], None] = lambda family: None,
    methods: Iterable[str] = tuple(METHODS),
) -> str:
    """Return the table of methods and families, with the reasons of refusals below it.

    Args:
        tell: called with each family before its turn.
        methods: names in `METHODS`.

    Raises:
        Exception: whatever a method raises that is no `ExplainError`, for that is a fault of ours.
    """
    columns, footnotes = [], []
    for family in families:
        tell(family)
        columns.append(reasons(family, methods))
    numbers: dict[str, int] = {}
    rows = []
    for name in methods:
        cells = []
        for column in columns:
            reason = column[name]
            if reason and reason not in numbers:
                numbers[reason] = len(numbers) + 1
                footnotes.append(f"{len(numbers)}. {reason}")
            cells.append(str(numbers[reason]) if reason else WORKS)
        rows.append((f"`{name}`", *cells))
    legend = [f"- **{family.name}**: {family.stands_for}" for family in families]
    table = _table(("method", *(family.name for family in families)), rows)
    return "\n".join((_MATRIX_HEAD, table, *footnotes, "", *legend, ""))


def reasons(family: Family, methods: Iterable[str]) -> dict[str, str]:
    """Return for each method why it does not work on a family; empty where it works."""
    try:
        model = family.load()
    except ImportError as error:
        missing = f"not tried: the package {error.name} was not installed."
        return dict.fromkeys(methods, missing)
    picture = _picture()
    return {name: _reason(model, picture, METHODS[name]) for name in methods}


def _reason(model: Model, picture: Image, method: Method) -> str:
    known = why_not_at(method, model, model.layer)
    if known is not None:
        return known
    pictures = _references(model, picture) if method.compares_with == "pictures" else None
    try:
        basis = prepare_many(
            model,
            picture,
            [method.name],
            target=0 if model.has_head else None,
            reference_set=pictures,
            parameters=_few(method),
        )[method.name]
        values_map = render(basis).values
    except ExplainError as error:
        return str(error)
    if values_map.shape != model.preprocessing.size or not np.isfinite(values_map).all():
        raise RuntimeError(f"{method.name}: a map {values_map.shape} of {model.name} is no map")
    rendered = {p.name: p.default for p in method.parameters_of("render")}
    cautions: Mapping[str, str] = {
        caution.code: caution.text
        for caution in basis_cautions(basis, rendered, model.gradient_layer)
    }
    return cautions.get("dead-gradient", "")


def _few(method: Method) -> dict[str, ParameterValue]:
    if not method.counted_by:
        return {}
    return {method.counted_by: _FEW_CHANNELS if method.least_steps > _FEW_STEPS else _FEW_STEPS}


def _picture() -> Image:
    rng = np.random.default_rng(0)
    return image_from_pixels(rng.integers(0, 256, (*_PICTURE, 3), dtype=np.uint8))


def _references(model: Model, picture: Image) -> ReferenceSet:
    """Return features that vary about the picture's own."""
    layer = model.layer_named(None)
    own = model.pooled(model.preprocess(picture), layer.name).float().cpu().numpy()
    rng = np.random.default_rng(1)
    features = own * rng.uniform(0.5, 1.5, (_NUM_REFERENCES, own.shape[1]))
    return ReferenceSet(
        key="made-up",
        features=features.astype(np.float32),
        labels=np.full(_NUM_REFERENCES, -1),
        layer=layer.name,
        fingerprint=model.fingerprint,
        pooling=layer.pooling,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )
