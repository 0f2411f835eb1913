"""`datasets.toml`: the file in which the operator lists data sets that visitors may evaluate on.

    [chest]                                  # a name of your own
    source = "siim:sets/siim"                # KIND:FOLDER, as `evaluate --data` takes it
    title = "Chest films with pneumothorax"  # left out, the name is shown

A relative folder starts at the file's folder. Only the operator names folders: visitors cannot.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explain_core import InputError
from explain_core.evaluation.sources import SOURCES

LIST_VARIABLE = "WHYNOT_DATASETS"
_FILE = "datasets.toml"
_KEYS = {"source", "title"}


@dataclass(frozen=True)
class Offered:
    """Describe a data set that is offered.

    Attributes:
        name: unique among those offered.
        title: as people read it.
        source: what `open_dataset` takes; never shown.
        is_generated: whether its pictures are made when they are asked for, any number of them.
        model: the bundled model that knows its classes; empty where there is none.
    """

    name: str
    title: str
    source: str
    is_generated: bool
    model: str = ""


def offered_sets() -> dict[str, Offered]:
    """Return the bundled families and the operator's sets by name.

    Raises:
        InputError: the operator's file cannot be read; the message says what is wrong in it.
    """
    return bundled_sets() | operators_sets()


def bundled_sets() -> dict[str, Offered]:
    """Return the families whose pictures are generated here."""
    return {
        name: Offered(name, source.title, name, is_generated=True, model=source.model)
        for name, source in SOURCES.items()
        if not source.needs_folder
    }


def operators_sets(path: Path | None = None) -> dict[str, Offered]:
    """Return the operator's sets; none where there is no file.

    Args:
        path: None takes the environment's `WHYNOT_DATASETS`, else `datasets.toml` where we run.

    Raises:
        InputError: `WHYNOT_DATASETS` names no file, the file is not TOML, or an entry lacks what
            it needs.
    """
    named = os.environ.get(LIST_VARIABLE)
    if path is None and named and not Path(named).is_file():
        raise InputError(
            f"{LIST_VARIABLE} names '{named}', which is no file; correct it, or unset it to read "
            f"{_FILE} where we run"
        )
    path = path or Path(named or _FILE)
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not valid TOML: {error}") from error
    return {name: _offered(name, table, path) for name, table in content.items()}


def _offered(name: str, table: object, path: Path) -> Offered:
    where = f"{path.name}, '{name}'"
    if name in SOURCES and not SOURCES[name].needs_folder:
        raise InputError(f"{where}: this is the name of a bundled set; choose another")
    if not isinstance(table, Mapping) or not table.keys() <= _KEYS or "source" not in table:
        raise InputError(f'{where}: give source = "KIND:FOLDER", and title if you like')
    if not all(isinstance(value, str) for value in table.values()):
        raise InputError(f"{where}: source and title must be texts")
    kind, colon, folder = table["source"].partition(":")
    known = sorted(each for each, source in SOURCES.items() if source.needs_folder)
    if not colon or kind.partition("/")[0] not in known or not folder:
        raise InputError(
            f"{where}: source must be KIND:FOLDER with one of the kinds {known} "
            f"(got {table['source']!r})"
        )
    whole = (path.parent / Path(folder).expanduser()).resolve()
    return Offered(name, table.get("title", name), f"{kind}:{whole}", is_generated=False)
