"""Which pictures a bank is to be made of: a folder per class, or a table of paths and labels."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from explain_core.errors import InputError

# What `read_image` accepts, by the names that such files have.
PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".dib"),
    *(".tif", ".tiff", ".gif", ".pbm", ".pgm", ".ppm", ".pnm"),
)
_COLUMNS = ("path", "label")

Entry = tuple[str, str | None]


@dataclass(frozen=True)
class Listing:
    """Name the pictures below a folder.

    Attributes:
        entries: (path, class name or None) of each, in a fixed order; paths are relative, with
            forward slashes, and none comes twice.
        num_ignored: files that are no pictures by their name.
    """

    entries: tuple[Entry, ...]
    num_ignored: int = 0


def list_folder(images: Path, without: Path | None = None) -> Listing:
    """Return the pictures below a folder, those in one sub-folder being of one class.

    Deeper folders count to the class folder that they lie in; pictures that lie in the folder
    itself have no class. Names are sorted. Links are followed, but not in circles; what is hidden
    (a name with a leading dot) is ignored.

    Args:
        without: a folder to leave out: the bank itself may lie among the pictures.

    Raises:
        InputError: no such folder, one that cannot be read, or no pictures in it.
    """
    entries: list[Entry] = []
    ignored: Counter[str] = Counter()
    left_out = _identity(without) if without is not None and without.exists() else None
    for path in _files(_require_folder(images), "", frozenset({left_out})):
        first, _, rest = path.partition("/")
        if PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES:
            entries.append((path, first if rest else None))
        else:
            ignored[PurePosixPath(path).suffix.lower() or "without suffix"] += 1
    if not entries:
        others = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(3))
        raise InputError(
            f"there are no pictures in '{images}' ({others or 'it is empty'}); it needs files such "
            "as CLASS/NAME.png, or give a table of paths and labels"
        )
    return Listing(tuple(entries), ignored.total())


def list_table(images: Path, table: Path) -> Listing:
    """Return the pictures that a CSV file names, in its order.

    Args:
        images: the folder at which paths start.
        table: with the columns `path` and `label`, named in the first line, in UTF-8; other
            columns are ignored. An empty label means no class.

    Raises:
        InputError: the table cannot be read, lacks a column, or a line of it has no path, one
            that leaves `images`, or one that was there before.
    """
    _require_folder(images)
    entries: dict[str, str | None] = {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"'{table.name}' must name the columns path and label in its first line "
                    f"(got {list(reader.fieldnames or ())}); separate them by commas"
                )
            for row in reader:
                where = f"'{table.name}', line {reader.line_num}"
                path = _inner_path(row["path"], where)
                if row["label"] is None:
                    raise InputError(f"{where} has no label; write path,label, or path, for none")
                if path in entries:
                    raise InputError(f"{where} names '{path}' again; name each picture once")
                entries[path] = row["label"].strip() or None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"'{table}' cannot be read as a table ({error}); give a CSV file in UTF-8"
        ) from error
    if not entries:
        raise InputError(f"'{table.name}' names no pictures; add lines of path,label")
    return Listing(tuple(entries.items()))


def _inner_path(given: str | None, where: str) -> str:
    path = PurePosixPath((given or "").strip())
    if path == PurePosixPath("."):
        raise InputError(f"{where} has no path; name a picture below the folder of images")
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"{where}: '{given}' leaves the folder of images; give paths that start there"
        )
    return path.as_posix()


def _require_folder(images: Path) -> Path:
    if not images.is_dir():
        raise InputError(f"there is no folder '{images}'; name the one that holds the pictures")
    return images


def _files(folder: Path, prefix: str, above: frozenset[tuple[int, int] | None]) -> Iterator[str]:
    """Yield relative paths, sorted within each folder.

    Args:
        prefix: of the paths: "" or "class/".
        above: identities of folders that must not be entered, those around this one among them.
    """
    identity = _identity(folder)
    if identity in above:
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            f"the folder '{folder}' cannot be read ({error.strerror}); check that you may read it"
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), f"{prefix}{entry.name}/", above | {identity})
        else:
            yield f"{prefix}{entry.name}"


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
