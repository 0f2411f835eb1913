"""What readers share: folders and tables that may be wrong, and lists that stay small."""

from __future__ import annotations

import csv
import gzip
import io
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar, overload

from explain_core.datasets.dataset import Example
from explain_core.errors import ExplainError, InputError
from explain_core.images.reading import read_image
from explain_core.references.listing import PICTURE_SUFFIXES
from explain_core.truth import Box, Truth
from explain_core.types import Image

TruthOf = Callable[[str | None], Truth | None]
Asked = TypeVar("Asked")
Made = TypeVar("Made")


class Strings(Sequence[str]):
    """Hold many short strings end to end: some 10 bytes each beside their own letters."""

    def __init__(self, strings: Iterable[str] = ()) -> None:
        self._content = bytearray()
        self._ends = array("Q", [0])
        for string in strings:
            self.append(string)

    def append(self, string: str) -> None:
        """Add one more; only while a list is being made."""
        self._content += os.fsencode(string)
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        place = range(len(self))[index]
        return os.fsdecode(bytes(self._content[self._ends[place] : self._ends[place + 1]]))


class LazyExamples(Sequence[Example]):
    """Make each example when it is asked for; a slice of them is as lazy."""

    def __init__(self, make: Callable[[int], Example], indices: Sequence[int]) -> None:
        self._make = make
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> LazyExamples: ...
    def __getitem__(self, index: int | slice) -> Example | LazyExamples:
        if isinstance(index, slice):
            return LazyExamples(self._make, self._indices[index])
        return self._make(self._indices[index])


class Pictures:
    """Collect what a set lists: an id and a class for each picture, and how to learn the rest.

    Attributes:
        root: the folder at which paths start.
        classes: names, in the order of the class indices.
        ids: paths from `root`, with forward slashes, or what `path_of` makes one of.
        class_idx: of each picture.
        truth_of: from a picture's index to what `Example.truth` is to be.
        group_of: from a picture's index to its group.
        read: from a path to the picture.
        path_of: from an id to its path from `root`.
    """

    def __init__(self, root: Path, classes: Sequence[str]) -> None:
        self.root = root
        self.classes = tuple(classes)
        self.ids = Strings()
        self.class_idx = array("i")
        self.truth_of: Callable[[int], TruthOf] = lambda index: no_truth
        self.group_of: Callable[[int], str] = lambda index: ""
        self.read: Callable[[Path], Image] = read_image
        self.path_of: Callable[[str], str] = lambda id: id

    def append(self, id: str, class_idx: int) -> None:
        """Add one picture."""
        self.ids.append(id)
        self.class_idx.append(class_idx)

    def label(self, index: int) -> str:
        """Return the class of a picture."""
        return self.classes[self.class_idx[index]]

    def knows(
        self, evidence: Callable[[int], Truth | None], *, is_against_any: bool = False
    ) -> None:
        """Take `evidence`, from a picture's index, as all evidence for its class.

        Args:
            is_against_any: whether it is also the evidence for its class rather than any other.
        """
        self.truth_of = lambda index: partial(self._truth, evidence, is_against_any, index)

    def _truth(
        self,
        evidence: Callable[[int], Truth | None],
        is_against_any: bool,
        index: int,
        other: str | None,
    ) -> Truth | None:
        if other is not None:
            require_other(other, self.label(index), self.classes)
            if not is_against_any:
                return None
        return evidence(index)

    def examples(self) -> LazyExamples:
        """Return them as examples."""
        return LazyExamples(self._example, range(len(self.ids)))

    def _example(self, index: int) -> Example:
        id = self.ids[index]
        return Example(
            id=id,
            label=self.label(index),
            read=partial(_told_from, self.root, self.read, self.root / self.path_of(id)),
            truth=partial(_told_from, self.root, self.truth_of(index)),
            group=self.group_of(index),
        )


def _told_from(root: Path, make: Callable[[Asked], Made], asked: Asked) -> Made:
    """Make something; a message about it names files from `root` on, or from beside it, as ids do.

    What is said of one picture goes into results, which tell nothing of the machine.
    """
    try:
        return make(asked)
    except ExplainError as error:
        said = str(error).replace(f"{root}{os.sep}", "").replace(f"{root.parent}{os.sep}", "")
        raise type(error)(said) from error


def no_truth(other: str | None) -> None:
    """Know nothing of where the evidence lies."""


def require_other(other: str, label: str, classes: Sequence[str]) -> None:
    """Raise InputError unless `other` is a class of the set, and not the picture's own."""
    if other not in classes:
        raise InputError(
            f"'{other}' is no class of this set; it has {len(classes)}, such as "
            f"{', '.join(repr(name) for name in classes[:3])}"
        )
    if other == label:
        raise InputError(f"the picture itself shows '{label}'; compare with another class")


def require_folder(folder: Path, title: str, layout: str) -> Path:
    """Return `folder`, or raise InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"there is no folder '{folder}'; {title} needs {layout}")
    return folder


def require_part(part: str, parts: Sequence[str], title: str) -> None:
    """Raise InputError where a set has no such part."""
    if part not in parts:
        raise InputError(f"{title} has no part '{part}'; it has {', '.join(parts)}")


def find(folder: Path, names: Sequence[str], title: str, layout: str) -> Path:
    """Return the first of `names` (from `folder`) that exists, packed with gzip or not.

    Raises:
        InputError: none of them does.
    """
    found = find_any(folder, names)
    if found is None:
        places = " or ".join(f"'{name}'" for name in names)
        raise InputError(f"'{folder}' holds no {places}; {title} needs {layout}")
    return found


def find_any(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of `names` (from `folder`) that exists, packed with gzip or not."""
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.exists():
                return path
    return None


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, sorted; those that are hidden are left out."""
    return [entry.name for entry in _entries(folder) if entry.is_dir()]


def pictures_below(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield the paths of pictures below `folder`, by their names, sorted folder by folder.

    Args:
        prefix: set before each path, such as "class/".
    """
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from pictures_below(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.name.lower().endswith(PICTURE_SUFFIXES):
            yield f"{prefix}{entry.name}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(
            f"the folder '{folder}' cannot be read ({error.strerror}); check that you may read it"
        ) from error
    return sorted(entries, key=lambda entry: entry.name)


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (where, text) for each line of a text file that is not empty, stripped.

    Raises:
        InputError: it cannot be read as text.
    """
    try:
        with _open_text(path) as file:
            for number, line in enumerate(file, 1):
                if text := line.strip():
                    yield f"'{path.name}', line {number}", text
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"'{path}' cannot be read as text ({error}); fetch it again, in UTF-8"
        ) from error


def words(path: Path, num_words: int, form: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (where, words) for each line; the last word takes the rest of its line.

    Args:
        form: what a line must look like, for the message.

    Raises:
        InputError: a line has fewer words.
    """
    for where, text in lines(path):
        found = text.split(maxsplit=num_words - 1)
        if len(found) < num_words:
            raise InputError(f"{where} reads '{text[:60]}', but must be of the form {form}")
        yield where, found


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (where, values by column) for each row of a CSV file with a head.

    Args:
        columns: those that must be there; blanks around the names do not count.

    Raises:
        InputError: it cannot be read, lacks a column, or a row is too short.
    """
    try:
        with _open_text(path) as file:
            reader = csv.reader(file, strict=True)
            head = [name.strip() for name in next(reader, [])]
            missing = [name for name in columns if name not in head]
            if missing:
                raise InputError(
                    f"'{path.name}' must name the columns {', '.join(columns)} in its first line, "
                    f"separated by commas (it has {', '.join(head[:12]) or 'none'})"
                )
            for row in reader:
                where = f"'{path.name}', line {reader.line_num}"
                if not row:
                    continue
                if len(row) < len(head):
                    raise InputError(
                        f"{where} has {len(row)} values for {len(head)} columns; fetch it again"
                    )
                yield where, {name: value.strip() for name, value in zip(head, row, strict=False)}
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"'{path}' cannot be read as a table ({error}); give a CSV file in UTF-8"
        ) from error


def _open_text(path: Path) -> IO[str]:
    raw = gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")
    return io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")


def whole(text: str, where: str, what: str, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`, or raise InputError."""
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise InputError(f"{where}: {what} must be a number from {low} to {high} (got '{text}')")
    return value


def numbers(texts: Iterable[str], where: str, what: str) -> list[float]:
    """Return numbers, or raise InputError."""
    given = list(texts)
    try:
        return [float(text) for text in given]
    except ValueError as error:
        raise InputError(f"{where}: {what} must be numbers (got {' '.join(given)[:60]})") from error


def box(left: float, top: float, right: float, bottom: float, where: str) -> Box:
    """Return a box (right and bottom lie outside), or raise InputError that names the line."""
    try:
        return Box(top, left, bottom, right)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def inner_path(given: str, where: str) -> str:
    """Return a path that stays in the set's folder, or raise InputError."""
    path = PurePosixPath(given)
    if path == PurePosixPath(".") or path.is_absolute() or ".." in path.parts:
        raise InputError(f"{where}: '{given}' must be a path inside the set's folder")
    return path.as_posix()
