"""The format of a bank: a folder of files that only grow, and a manifest that says what counts.

    manifest.json          whose features these are, and how many bytes of each file are committed
    features.f16           (n, d) float16
    labels.i32             (n,) index into the manifest's classes, -1 for a picture without one
    ids.u64                (n,) `picture_id`
    records.jsonl          one JSON object per picture: path, class
    record_ends.u64        (n,) where each record ends, in bytes
    thumbnails.bin         small pictures, one after the other
    thumbnail_ends.u64     (n,) where each thumbnail ends; one of no bytes is none
    skipped.jsonl          one JSON object per picture that was left out: path, reason
    digests.jsonl          one JSON object per commit: the SHA-256 of what it added to each file

Numbers are little-endian. Bytes beyond the committed sizes are left by a writer that was killed;
the next writer cuts them off. Two more files are made from these and may be deleted at any time:
`class_means.safetensors` (see `class_sums`) and `nearest.safetensors` (see `nearest`). The file
`lock` is held by the process that writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from explain_core.errors import BankError, InputError
from explain_core.models.preprocessing import Preprocessing
from explain_core.types import Array, Pooling

FORMAT = "whynot-bank"
VERSION = 1

MANIFEST = "manifest.json"
FEATURES = "features.f16"
LABELS = "labels.i32"
IDS = "ids.u64"
RECORDS = "records.jsonl"
RECORD_ENDS = "record_ends.u64"
THUMBNAILS = "thumbnails.bin"
THUMBNAIL_ENDS = "thumbnail_ends.u64"
SKIPPED = "skipped.jsonl"
DIGESTS = "digests.jsonl"
LOCK = "lock"
PARTIAL = ".partial"

# What grows with every picture, in the order in which it is written.
DATA_FILES = (
    FEATURES,
    LABELS,
    IDS,
    RECORDS,
    RECORD_ENDS,
    THUMBNAILS,
    THUMBNAIL_ENDS,
    SKIPPED,
)
GROWING_FILES = (*DATA_FILES, DIGESTS)

_CHUNK_BYTES = 2**24
_LATER_FIELDS = {"halves"}  # of preprocessing; older banks were made with its default
_POOLINGS = ("mean", "class-token", "both")
_RESTORE = "restore the folder from a copy, or build the bank again"


@dataclass(frozen=True)
class Manifest:
    """State whose features a bank holds, and how much of its files is committed.

    Attributes:
        model: name of the model that made the features.
        model_classes: its class names; empty without a head.
        fingerprint: of its weights.
        layer, pooling, preprocessing: how a feature came from a picture.
        dim: d.
        classes: names of the pictures' own classes, in the order in which they came.
        counts: pictures of each class.
        images: where the originals lie, relative to the bank's folder or absolute; None where
            nobody knows.
        rows: n.
        num_skipped: pictures that were left out.
        sizes: committed bytes of each growing file.
    """

    model: str
    model_classes: tuple[str, ...]
    fingerprint: str
    layer: str
    pooling: Pooling
    preprocessing: Preprocessing
    dim: int
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    images: str | None
    rows: int
    num_skipped: int
    sizes: Mapping[str, int]


def expected_sizes(rows: int, dim: int) -> dict[str, int]:
    """Return the bytes of the files whose size follows from the number of pictures."""
    return {
        FEATURES: 2 * rows * dim,
        LABELS: 4 * rows,
        IDS: 8 * rows,
        RECORD_ENDS: 8 * rows,
        THUMBNAIL_ENDS: 8 * rows,
    }


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the old one, at once and for good."""
    content = {"format": FORMAT, "version": VERSION} | asdict(manifest)
    replace_file(folder / MANIFEST, json.dumps(content, indent=1).encode() + b"\n")


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds either the old content or the new, never a part."""
    mine = f"{path.name}.{os.getpid()}-{threading.get_ident()}{PARTIAL}"
    partial = path.with_name(mine)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a bank.

    Raises:
        BankError: there is none, or it cannot be believed.
    """
    name = folder.name
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BankError(
            f"'{name}' is no bank: it has no {MANIFEST}; build one with "
            "`python -m explain_core bank build`"
        ) from error
    except OSError as error:
        raise BankError(
            f"bank '{name}': {MANIFEST} cannot be read ({error.strerror}); see that it may be read"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BankError(f"bank '{name}': {MANIFEST} is no JSON ({error}); {_RESTORE}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BankError(f"bank '{name}': {MANIFEST} is not that of a bank; {_RESTORE}")
    if content.get("version") != VERSION:
        raise BankError(
            f"bank '{name}' is of version {content.get('version')!r}, but version {VERSION} is "
            "read here; use the WhyNot that made it, or build the bank again"
        )
    try:
        return _as_manifest(content)
    except (KeyError, TypeError, ValueError, InputError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"cannot be believed ({error})"
        raise BankError(f"bank '{name}': {MANIFEST} {what}; {_RESTORE}") from error


Value = TypeVar("Value")


def _checked(content: Mapping[str, Any], key: str, kind: type[Value]) -> Value:
    value = content[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key} should be a {kind.__name__}, not {value!r}")
    if isinstance(value, int) and value < 0:
        raise ValueError(f"{key} is {value}")
    return value


def _strings(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = _checked(content, key, list)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key} should be names")
    return tuple(values)


def _as_manifest(content: Mapping[str, Any]) -> Manifest:
    known = {field.name for field in fields(Preprocessing)}
    preprocessing = _checked(content, "preprocessing", dict)
    if not known - _LATER_FIELDS <= set(preprocessing) <= known:
        raise ValueError(f"preprocessing should have the fields {sorted(known)}")
    pooling = _checked(content, "pooling", str)
    if pooling not in _POOLINGS:
        raise ValueError(f"pooling '{pooling}' is unknown")
    images = content["images"]
    if images is not None and not isinstance(images, str):
        raise ValueError(f"images should be a folder or null, not {images!r}")
    all_sizes = _checked(content, "sizes", dict)
    manifest = Manifest(
        model=_checked(content, "model", str),
        model_classes=_strings(content, "model_classes"),
        fingerprint=_checked(content, "fingerprint", str),
        layer=_checked(content, "layer", str),
        pooling=cast(Pooling, pooling),
        preprocessing=Preprocessing(**preprocessing),
        dim=_checked(content, "dim", int),
        classes=_strings(content, "classes"),
        counts=tuple(_checked(content, "counts", list)),
        images=images,
        rows=_checked(content, "rows", int),
        num_skipped=_checked(content, "num_skipped", int),
        sizes={file: _checked(all_sizes, file, int) for file in GROWING_FILES},
    )
    if manifest.dim < 1:
        raise ValueError("features of no dimension")
    if len(set(manifest.classes)) != len(manifest.classes):
        raise ValueError("a class is named twice")
    if len(manifest.counts) != len(manifest.classes):
        raise ValueError(f"{len(manifest.classes)} classes, but {len(manifest.counts)} counts")
    for file, size in expected_sizes(manifest.rows, manifest.dim).items():
        if manifest.sizes[file] != size:
            raise ValueError(
                f"{manifest.rows} pictures need {size} bytes of {file}, not {manifest.sizes[file]}"
            )
    return manifest


@dataclass(frozen=True, eq=False)
class BankFiles:
    """Hold the files of a bank as they lie on disk, memory-mapped up to the last commit.

    Attributes:
        folder: absolute.
        features: (n, d) float16.
        labels: (n,) int32 into `manifest.classes`, or -1.
        ids: (n,) uint64.
        record_ends, thumbnail_ends: (n,) uint64.
    """

    folder: Path
    manifest: Manifest
    features: Array
    labels: Array
    ids: Array
    record_ends: Array
    thumbnail_ends: Array

    @property
    def images(self) -> Path | None:
        """Return the folder of the originals, as the manifest has it."""
        root = self.manifest.images
        return None if root is None else Path(os.path.normpath(self.folder / root))

    def record(self, row: int) -> dict[str, Any]:
        """Return what is known of a picture: its path and class.

        Raises:
            BankError: the record is damaged.
        """
        try:
            record = json.loads(self._part(RECORDS, self.record_ends, row))
            if not isinstance(record["path"], str):
                raise ValueError("its path is no text")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.fault(RECORDS, f"the record of picture {row} is damaged") from error
        return cast(dict[str, Any], record)

    def thumbnail(self, row: int) -> bytes | None:
        """Return a picture's thumbnail as it was stored, None where there is none."""
        return self._part(THUMBNAILS, self.thumbnail_ends, row) or None

    def paths(self) -> Iterator[str]:
        """Return the path of each picture, in order."""
        for row, line in enumerate(self._lines(RECORDS)):
            yield self._path_in(line, RECORDS, row)

    def skipped(self) -> Iterator[tuple[str, str]]:
        """Return path and reason of each picture that was left out, in order."""
        for row, line in enumerate(self._lines(SKIPPED)):
            path = self._path_in(line, SKIPPED, row)
            yield path, str(json.loads(line).get("reason"))

    def fault(self, file: str, what: str) -> BankError:
        """Return the error that names a file of this bank and what is wrong with it."""
        return BankError(f"bank '{self.folder.name}': {file}: {what}; {_RESTORE}")

    def _path_in(self, line: bytes, file: str, row: int) -> str:
        try:
            path = json.loads(line)["path"]
            if not isinstance(path, str):
                raise ValueError("no text")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self.fault(file, f"line {row + 1} is damaged") from error
        return path

    def _lines(self, file: str) -> Iterator[bytes]:
        left = self.manifest.sizes[file]
        with (self.folder / file).open("rb") as stream:
            while left > 0 and (line := stream.readline(left)):
                left -= len(line)
                yield line

    def _part(self, file: str, ends: Array, row: int) -> bytes:
        begin, end = int(ends[row - 1]) if row else 0, int(ends[row])
        if not begin <= end <= self.manifest.sizes[file]:
            raise self.fault(file, f"picture {row} should lie at bytes {begin} to {end}")
        with (self.folder / file).open("rb") as stream:
            stream.seek(begin)
            return stream.read(end - begin)


def open_files(folder: Path) -> BankFiles:
    """Map the files of a bank; only the manifest and the labels are read.

    Raises:
        BankError: a file is missing or too short, or the labels are not what the manifest says.
    """
    folder = Path(os.path.abspath(folder))
    manifest = read_manifest(folder)
    for file, size in manifest.sizes.items():
        try:
            there = (folder / file).stat().st_size
        except OSError as error:
            raise BankError(f"bank '{folder.name}': {file} is missing; {_RESTORE}") from error
        if there < size:
            raise BankError(
                f"bank '{folder.name}': {file} has {there} bytes, and {size} are needed; {_RESTORE}"
            )

    def mapped(file: str, dtype: str, shape: tuple[int, ...]) -> Array:
        if manifest.rows == 0:
            return np.empty(shape, dtype)
        return np.memmap(folder / file, dtype, "r", shape=shape)

    rows = manifest.rows
    try:
        files = BankFiles(
            folder,
            manifest,
            features=mapped(FEATURES, "<f2", (rows, manifest.dim)),
            labels=mapped(LABELS, "<i4", (rows,)),
            ids=mapped(IDS, "<u8", (rows,)),
            record_ends=mapped(RECORD_ENDS, "<u8", (rows,)),
            thumbnail_ends=mapped(THUMBNAIL_ENDS, "<u8", (rows,)),
        )
    except OSError as error:
        raise BankError(
            f"bank '{folder.name}' cannot be read ({error}); see that its files may be read"
        ) from error
    _check_labels(files)
    return files


def _check_labels(files: BankFiles) -> None:
    classes = files.manifest.classes
    low, high = int(files.labels.min(initial=-1)), int(files.labels.max(initial=-1))
    if low < -1 or high >= len(classes):
        raise files.fault(LABELS, f"labels from {low} to {high} for {len(classes)} classes")
    counts = np.bincount(files.labels + 1, minlength=len(classes) + 1)[1:]
    if tuple(counts.tolist()) != files.manifest.counts:
        raise files.fault(LABELS, f"the classes' counts differ from those in {MANIFEST}")


def digest_of(path: Path, begin: int, end: int) -> str:
    """Return the SHA-256 of the bytes `begin` to `end` of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        stream.seek(begin)
        while begin < end and (chunk := stream.read(min(_CHUNK_BYTES, end - begin))):
            begin += len(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def check_bank(path: Path) -> list[str]:
    """Read all of a bank and compare it with its digests.

    Returns:
        One sentence per fault; empty for a sound bank.
    """
    try:
        files = open_files(Path(path))
        return [*_digest_faults(files), *_feature_faults(files), *_record_faults(files)]
    except BankError as error:
        return [str(error)]


def _digest_faults(files: BankFiles) -> Iterator[str]:
    begins = dict.fromkeys(DATA_FILES, 0)
    for number, line in enumerate(files._lines(DIGESTS), start=1):
        try:
            commit = json.loads(line)
            ends = {file: int(commit["sizes"][file]) for file in DATA_FILES}
            digests = {file: str(commit["sha256"][file]) for file in DATA_FILES}
            if ends[LABELS] != 4 * commit["rows"]:
                raise ValueError("rows and sizes differ")
        except (ValueError, KeyError, TypeError, RecursionError):
            yield str(files.fault(DIGESTS, f"line {number} is damaged"))
            return
        for file in DATA_FILES:
            if digest_of(files.folder / file, begins[file], ends[file]) != digests[file]:
                yield str(files.fault(file, f"bytes {begins[file]} to {ends[file]} were changed"))
        begins = ends
    for file in DATA_FILES:
        if begins[file] != files.manifest.sizes[file]:
            yield str(
                files.fault(
                    DIGESTS,
                    f"covers {begins[file]} of {files.manifest.sizes[file]} bytes of {file}",
                )
            )


def _feature_faults(files: BankFiles) -> Iterator[str]:
    rows_at_once = max(1, _CHUNK_BYTES // (2 * files.manifest.dim))
    for begin in range(0, files.manifest.rows, rows_at_once):
        is_finite = np.isfinite(files.features[begin : begin + rows_at_once]).all(axis=1)
        for row in begin + np.flatnonzero(~is_finite):
            yield str(files.fault(FEATURES, f"picture {row} has NaN or infinity"))


def _record_faults(files: BankFiles) -> Iterator[str]:
    for file, ends in ((RECORDS, files.record_ends), (THUMBNAILS, files.thumbnail_ends)):
        is_rising = len(ends) == 0 or bool((ends[1:] >= ends[:-1]).all())
        last = int(ends[-1]) if len(ends) else 0
        if not is_rising or last != files.manifest.sizes[file]:
            yield str(files.fault(file, "the places of its parts do not add up"))
            return
    for row in range(files.manifest.rows):
        try:
            files.record(row)
        except BankError as error:
            yield str(error)
    num_skipped = sum(1 for _ in files.skipped())
    if num_skipped != files.manifest.num_skipped:
        yield str(
            files.fault(
                SKIPPED, f"{num_skipped} pictures, and {MANIFEST} says {files.manifest.num_skipped}"
            )
        )
