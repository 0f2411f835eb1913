"""Writing of banks: pictures are appended and committed; a writer that dies loses no commit."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np

from explain_core.errors import BankError, InputError
from explain_core.models.model import Model
from explain_core.references.bank_files import (
    DATA_FILES,
    DIGESTS,
    FEATURES,
    GROWING_FILES,
    IDS,
    LABELS,
    LOCK,
    MANIFEST,
    PARTIAL,
    RECORD_ENDS,
    RECORDS,
    SKIPPED,
    THUMBNAIL_ENDS,
    THUMBNAILS,
    Manifest,
    digest_of,
    open_files,
    read_manifest,
    write_manifest,
)
from explain_core.references.class_sums import class_sums
from explain_core.references.nearest import keep_lists
from explain_core.types import Array, Pooling

COMMIT_ROWS = 4096
COMMIT_SECONDS = 5.0


@dataclass(frozen=True)
class Row:
    """Describe a picture that goes into a bank.

    Attributes:
        path: below the folder of originals, with forward slashes; unique in the bank.
        class_name: None for a picture without a class.
        id: `picture_id`.
        thumbnail: an encoded small picture, None for none.
    """

    path: str
    class_name: str | None
    id: int
    thumbnail: bytes | None


class BankWriter:
    """Write one bank; hold its lock until closed. For one thread.

    Leaving the `with` block commits; leaving it without an error also stores what can be made of
    the features once: the sums by class and, for a large bank, the index of neighbours.
    """

    def __init__(self, folder: Path, lock: int, manifest: Manifest) -> None:
        """Continue the bank in `folder`; `open_writer` makes sure that it fits."""
        self._folder = folder
        self._lock: int | None = lock
        self._committed = manifest
        self._now = manifest
        self._files: dict[str, int] = {}
        self._known: set[str] = set()
        self._rows: dict[int, int] = {}  # by `_key`: the first row
        self._last_commit_s = time.monotonic()
        stored = open_files(folder)
        self._known.update(stored.paths())
        self._known.update(path for path, _ in stored.skipped())
        for row, (id, label) in enumerate(zip(stored.ids, stored.labels, strict=True)):
            self._rows.setdefault(_key(int(id), int(label)), row)
        try:
            for file in GROWING_FILES:
                self._files[file] = os.open(folder / file, os.O_RDWR)
            self._cut_off()
        except OSError:
            self._close_files()
            raise

    @property
    def known(self) -> set[str]:
        """Return the paths of all pictures that are in the bank or were left out; a live set."""
        return self._known

    @property
    def rows(self) -> int:
        """Return the number of pictures, with those not yet committed."""
        return self._now.rows

    @property
    def num_skipped(self) -> int:
        """Return the number of pictures left out, with those not yet committed."""
        return self._now.num_skipped

    def append(self, rows: Sequence[Row], features: Array) -> None:
        """Add pictures; those whose path is known are passed over.

        A picture is left out, with the reason, if float16 cannot hold its features, or if the bank
        has it already with the same class. The same picture in two classes is kept in both.
        Commits by itself after 4,096 pictures or 5 seconds.

        Args:
            features: (m, d), one row for each of `rows`.

        Raises:
            InputError: features of another shape.
            BankError: the disk is full or fails; the bank keeps its last commit.
        """
        if features.shape != (len(rows), self._now.dim):
            raise InputError(
                f"{len(rows)} pictures need features of shape {(len(rows), self._now.dim)} "
                f"(got {features.shape})"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            halves = np.ascontiguousarray(features, "<f2")
        is_finite = np.isfinite(halves).all(axis=1)
        new_classes = {name: index for index, name in enumerate(self._now.classes)}
        counts = list(self._now.counts)
        kept: list[int] = []
        labels: list[int] = []
        seen: dict[int, int] = {}
        paths: set[str] = set()
        left_out: list[tuple[str, str]] = []
        for index, row in enumerate(rows):
            if row.path in self._known or row.path in paths:
                continue
            paths.add(row.path)
            if not is_finite[index]:
                left_out.append((row.path, _why_not_finite(features[index])))
                continue
            label = -1
            if row.class_name is not None:
                label = new_classes.get(row.class_name, len(new_classes))
            key = _key(row.id, label)
            twin = self._rows.get(key, seen.get(key))
            if twin is not None:
                path = rows[kept[twin - self._now.rows]].path if twin >= self._now.rows else None
                left_out.append((row.path, f"the same picture as {path or self._path_of(twin)}"))
                continue
            if row.class_name is not None and label == len(new_classes):
                new_classes[row.class_name] = label
                counts.append(0)
            if label >= 0:
                counts[label] += 1
            seen[key] = self._now.rows + len(kept)
            kept.append(index)
            labels.append(label)
        if kept:
            self._write_rows([rows[i] for i in kept], halves[kept], labels, new_classes, counts)
            self._rows.update(seen)
            self._known.update(rows[i].path for i in kept)
        for path, reason in left_out:
            self.skip(path, reason)
        is_due = time.monotonic() - self._last_commit_s > COMMIT_SECONDS
        if is_due or self._now.rows - self._committed.rows >= COMMIT_ROWS:
            self.commit()

    def skip(self, path: str, reason: str) -> None:
        """Note a picture that was left out; once only for each path.

        Raises:
            BankError: the disk is full or fails; the bank keeps its last commit.
        """
        if path in self._known:
            return
        line = _line({"path": path, "reason": reason})
        self._put({SKIPPED: line}, num_skipped=self._now.num_skipped + 1)
        self._known.add(path)

    def commit(self) -> None:
        """Make all that was appended part of the bank, for good.

        Raises:
            BankError: the disk is full or fails; the bank keeps its last commit.
        """
        self._check_open()
        self._last_commit_s = time.monotonic()
        if self._now is self._committed:
            return
        before, now = self._committed.sizes, self._now.sizes
        try:
            digests = {
                file: digest_of(self._folder / file, before[file], now[file]) for file in DATA_FILES
            }
            sizes = {file: now[file] for file in DATA_FILES}
            line = _line({"rows": self._now.rows, "sizes": sizes, "sha256": digests})
            self._write_at(DIGESTS, before[DIGESTS], line)
            for file in GROWING_FILES:
                os.fsync(self._files[file])
            manifest = replace(self._now, sizes={**now, DIGESTS: before[DIGESTS] + len(line)})
            write_manifest(self._folder, manifest)
        except OSError as error:
            self._give_up(error)
        self._committed = self._now = manifest

    def close(self) -> None:
        """Commit and let go of the bank; a second call does nothing.

        Raises:
            BankError: the disk is full or fails; the bank keeps its last commit.
        """
        if self._lock is None:
            return
        try:
            self.commit()
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is None:  # it gave up, or was closed inside
            return
        try:
            self.commit()
            if error is None:
                files = open_files(self._folder)
                class_sums(files, is_kept=True)
                keep_lists(files)
        finally:
            self._release()

    def _write_rows(
        self,
        rows: Sequence[Row],
        halves: Array,
        labels: Sequence[int],
        classes: Iterable[str],
        counts: Iterable[int],
    ) -> None:
        records = [_line({"path": row.path, "class": row.class_name}) for row in rows]
        thumbnails = [row.thumbnail or b"" for row in rows]
        sizes = self._now.sizes
        self._put(
            {
                FEATURES: halves.tobytes(),
                LABELS: np.array(labels, "<i4").tobytes(),
                IDS: np.array([row.id for row in rows], "<u8").tobytes(),
                RECORDS: b"".join(records),
                RECORD_ENDS: _ends(records, sizes[RECORDS]),
                THUMBNAILS: b"".join(thumbnails),
                THUMBNAIL_ENDS: _ends(thumbnails, sizes[THUMBNAILS]),
            },
            rows=self._now.rows + len(rows),
            classes=tuple(classes),
            counts=tuple(counts),
        )

    def _put(self, parts: Mapping[str, bytes], **changes: Any) -> None:
        """Write behind what is there; it counts only when all of it is written."""
        self._check_open()
        sizes = dict(self._now.sizes)
        try:
            for file, content in parts.items():
                self._write_at(file, sizes[file], content)
                sizes[file] += len(content)
        except OSError as error:
            self._give_up(error)
        self._now = replace(self._now, sizes=sizes, **changes)

    def _write_at(self, file: str, place: int, content: bytes) -> None:
        left = memoryview(content)
        while left:
            num_written = os.pwrite(self._files[file], left, place)
            left, place = left[num_written:], place + num_written

    def _path_of(self, row: int) -> str:
        """Return the path of a picture, committed or not."""
        ends = np.frombuffer(
            os.pread(self._files[RECORD_ENDS], 16, 8 * max(0, row - 1)), "<u8"
        ).tolist()
        begin, end = (0, ends[0]) if row == 0 else ends
        record = json.loads(os.pread(self._files[RECORDS], end - begin, begin))
        return str(record["path"])

    def _cut_off(self) -> None:
        """Cut off what lies beyond the last commit, and files that were never finished."""
        for partial in self._folder.glob(f"*{PARTIAL}"):
            partial.unlink(missing_ok=True)
        for file, size in self._committed.sizes.items():
            if os.fstat(self._files[file]).st_size != size:
                os.ftruncate(self._files[file], size)

    def _give_up(self, error: OSError) -> NoReturn:
        """Go back to the last commit, let go of the bank and raise what the operator must know."""
        with suppress(OSError, BankError):  # if this fails too, the next writer does it
            self._committed = read_manifest(self._folder)  # the new one, if only its flush failed
            self._cut_off()
        self._release()
        raise _cannot_write(self._folder, error, self._committed.rows) from error

    def _check_open(self) -> None:
        if self._lock is None:
            raise BankError(
                f"bank '{self._folder.name}' is closed for writing; open it again to continue"
            )

    def _close_files(self) -> None:
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _release(self) -> None:
        self._close_files()
        if self._lock is not None:
            os.close(self._lock)  # which unlocks
            self._lock = None


def open_writer(
    path: Path | str,
    model: Model,
    *,
    layer: str | None = None,
    pooling: Pooling | None = None,
    images: Path | None = None,
) -> BankWriter:
    """Begin a bank, or continue the one that is there, from its last commit.

    Args:
        path: the bank's folder; its name is the bank's. Made where it is missing.
        model: whose features are written.
        layer: None takes the model's own, or that of the bank that is there.
        pooling: likewise.
        images: folder of the originals, stored relative to the bank; None where nobody knows, or
            for the one that the bank has.

    Raises:
        BankError: another process writes the bank; the bank is of other weights, or of another
            layer, pooling, preprocessing or folder of originals; the folder holds other files or
            cannot be written.
    """
    folder = Path(os.path.abspath(path))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_other_files(folder)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BankError(
                f"another process writes bank '{folder.name}'; wait until it is done, or stop it"
            ) from error
        if not (folder / MANIFEST).exists():
            _begin(folder, model, layer, pooling, images)
        before = read_manifest(folder)
        manifest = _continued(folder, before, model, layer, pooling, images)
        if manifest is not before:
            write_manifest(folder, manifest)
        return BankWriter(folder, lock, manifest)
    except OSError as error:
        os.close(lock)
        raise _cannot_write(folder, error) from error
    except BaseException:
        os.close(lock)
        raise


def _begin(
    folder: Path, model: Model, layer: str | None, pooling: Pooling | None, images: Path | None
) -> None:
    tapped = model.layer_named(layer)
    chosen: Pooling = pooling or tapped.pooling
    if chosen != "mean" and not tapped.num_prefix_tokens:
        raise BankError(
            f"layer '{tapped.name}' has no class token, so pooling '{chosen}' does not apply; use "
            "'mean'"
        )
    try:
        for file in GROWING_FILES:
            (folder / file).write_bytes(b"")
        write_manifest(
            folder,
            Manifest(
                model=model.name,
                model_classes=model.classes,
                fingerprint=model.fingerprint,
                layer=tapped.name,
                pooling=chosen,
                preprocessing=model.preprocessing,
                dim=tapped.num_channels,
                classes=(),
                counts=(),
                images=None if images is None else _relative(images, folder),
                rows=0,
                num_skipped=0,
                sizes=dict.fromkeys(GROWING_FILES, 0),
            ),
        )
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _refuse_other_files(folder: Path) -> None:
    if (folder / MANIFEST).exists():
        return
    for each in sorted(folder.iterdir()):
        if each.name not in (*GROWING_FILES, LOCK) and each.suffix != PARTIAL:
            raise BankError(
                f"'{folder.name}' is no bank but holds other files, such as '{each.name}'; name "
                "an empty or a new folder"
            )


def _continued(
    folder: Path,
    manifest: Manifest,
    model: Model,
    layer: str | None,
    pooling: Pooling | None,
    images: Path | None,
) -> Manifest:
    """Return the manifest to go on with, or say why this bank cannot be continued."""
    name = folder.name
    if manifest.fingerprint != model.fingerprint:
        raise BankError(
            f"bank '{name}' was made with other weights ('{manifest.model}') than those of "
            f"'{model.name}'; name another folder, or use the model that made it"
        )
    for what, there, asked in (
        ("layer", manifest.layer, layer),
        ("pooling", manifest.pooling, pooling),
        ("preprocessing", manifest.preprocessing, model.preprocessing),
    ):
        if asked is not None and asked != there:
            raise BankError(
                f"bank '{name}' was made with {what} {there!r}, not {asked!r}; use the same, or "
                "name another folder"
            )
    if images is None:
        return manifest
    root = _relative(images, folder)
    if manifest.images is not None and manifest.images != root:
        before = Path(os.path.normpath(folder / manifest.images))
        if before.is_dir():  # else it was moved
            raise BankError(
                f"the pictures of bank '{name}' lie in '{before}', not in '{images}'; put the new "
                "ones there, or name another folder for the bank"
            )
    return replace(manifest, images=root)


def _relative(images: Path, folder: Path) -> str:
    """Return the folder of originals as seen from the bank, so that both can be moved together."""
    try:
        return Path(os.path.relpath(images, folder)).as_posix()
    except ValueError:  # another drive, on Windows
        return str(Path(images).absolute())


def _key(id: int, label: int) -> int:
    """Return one number for a picture in a class."""
    return (id << 32) + label + 1


def _line(content: Mapping[str, Any]) -> bytes:
    # a name that is no Unicode (from an old disk) is written escaped
    return json.dumps(content).encode() + b"\n"


def _ends(parts: Sequence[bytes], begin: int) -> bytes:
    lengths = np.array([len(part) for part in parts], np.uint64)
    return (np.cumsum(lengths, dtype=np.uint64) + np.uint64(begin)).astype("<u8").tobytes()


def _why_not_finite(feature: Array) -> str:
    if not np.isfinite(feature).all():
        return "its features are NaN or infinite"
    return f"its features reach {np.abs(feature).max():.3g}, more than float16 holds (65504)"


def _cannot_write(folder: Path, error: OSError, rows: int | None = None) -> BankError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if is_full else f"it cannot be written ({error.strerror or error})"
    way_out = "make room" if is_full else "see that its folder and disk can be written"
    if rows is None:
        return BankError(f"bank '{folder.name}': {what}; {way_out} and run this again")
    return BankError(
        f"bank '{folder.name}': {what}; the {rows:,} pictures committed before are kept: {way_out} "
        "and run this again to continue from there"
    )
