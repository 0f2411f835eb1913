"""Reading of zip archives that nobody vouches for, in memory, within bounds.

Nothing is unpacked to disk, and no size that a header claims is believed: bytes are counted as
they are inflated. What cannot be an honest archive is refused as a whole (`ImageError`); a member
that is broken or not allowed is refused by itself, and the others are kept.
"""

from __future__ import annotations

import io
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

from explain_core.errors import ImageError
from explain_core.images.reading import MAX_BYTES

MAX_MEMBERS = 5_000
MAX_ARCHIVE_BYTES = 2**30
MAX_UNPACKED_BYTES = 2 * 2**30
MAX_RATIO = 100
RATIO_COUNTS_FROM_BYTES = 2**20

# More than 800 bytes for each of `MAX_MEMBERS`: a longer table of contents is not even parsed.
_MAX_DIRECTORY_BYTES = 4 * 2**20
_CHUNK_BYTES = 2**18
_LOCAL_HEADER_BYTES = 30
_IS_ENCRYPTED = 0x1
_MAX_SHOWN = 120

_IGNORED_FOLDERS = frozenset({"__MACOSX"})
_IGNORED_FILES = frozenset({"thumbs.db", "desktop.ini"})
_ARCHIVE_ENDINGS = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
_ARCHIVE_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b")

# What `zipfile` is seen to raise on damaged or hostile bytes.
_PARSE_ERRORS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)


class Archive:
    """Give the pictures of a zip, one at a time, as they are asked for.

    Attributes:
        paths: of the members that `pictures` will try, in the archive's order.
    """

    def __init__(
        self,
        file: zipfile.ZipFile,
        members: Sequence[tuple[str, zipfile.ZipInfo]],
        refused: Sequence[tuple[str, str]],
    ) -> None:
        self.paths = tuple(path for path, _ in members)
        self._file = file
        self._members = tuple(members)
        self._refused = tuple(refused)
        self._refused_while_reading: list[tuple[str, str]] = []

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """Return (path, reason) of what was refused so far; complete after `pictures` has ended."""
        return (*self._refused, *self._refused_while_reading)

    def pictures(self) -> Iterator[tuple[str, bytes]]:
        """Yield (path, content) of every member that can be unpacked within the bounds.

        May be called again; each call begins anew.
        """
        self._refused_while_reading = []
        num_left = MAX_UNPACKED_BYTES
        for path, info in self._members:
            try:
                content = _unpack(self._file, path, info, num_left)
            except _RefusedError as refusal:
                num_left -= refusal.num_bytes
                self._refused_while_reading.append((path, str(refusal)))
            else:
                num_left -= len(content)
                yield path, content


def read_zip(content: bytes | BinaryIO) -> Archive:
    """Open a zip and look at its table of contents; members are unpacked by `Archive.pictures`.

    Folders, hidden files and what systems add by themselves (`__MACOSX`, `Thumbs.db`) are left
    out silently. Refused by name are paths that climb or begin at a root, links, encrypted
    members, archives within the archive, and packing methods other than the two usual ones.

    Args:
        content: the whole file, or a seekable stream of it, which must stay open.

    Raises:
        ImageError: no zip, a broken one, one with overlapping members, or one that is too large.
    """
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    num_bytes = stream.seek(0, os.SEEK_END)
    if num_bytes > MAX_ARCHIVE_BYTES:
        raise ImageError(
            f"the archive takes {num_bytes / 2**20:.0f} MB; at most {MAX_ARCHIVE_BYTES // 2**20} "
            "MB are read: split it"
        )
    try:
        file = zipfile.ZipFile(_Guarded(stream, num_bytes))
    except _TooLongError as error:
        raise _too_many("far more entries than that") from error
    except _PARSE_ERRORS as error:
        raise ImageError(
            "the file is not a zip archive, or is damaged or cut short; pack the pictures again "
            "into an ordinary .zip"
        ) from error
    _require_apart(file.infolist())
    members: list[tuple[str, zipfile.ZipInfo]] = []
    refused: list[tuple[str, str]] = []
    for info in file.infolist():
        reason = _path_fault(info.orig_filename) or _kind_fault(info)
        path = "/".join(part for part in info.filename.split("/") if part not in ("", "."))
        if reason is not None:
            refused.append((_shown(info.orig_filename), reason))
        elif not info.is_dir() and not _is_ignored(path):
            members.append((path, info))
        if len(members) + len(refused) > MAX_MEMBERS:
            raise _too_many(f"{len(file.infolist())} entries")
    return Archive(file, members, refused)


def class_of(path: str) -> str | None:
    """Return a member's class: the first folder of its path, None where it lies in none."""
    folder, slash, _ = path.partition("/")
    return folder if slash else None


class _TooLongError(Exception):
    """Tell on opening that a single read asked for more than any honest archive needs."""


class _RefusedError(Exception):
    """Tell why a member is refused, and how many bytes it unpacked to until then."""

    def __init__(self, reason: str, num_bytes: int = 0) -> None:
        super().__init__(reason)
        self.num_bytes = num_bytes


class _Guarded(io.RawIOBase):
    """Pass reads on, but none so long that parsing what it returns would fill the memory.

    `zipfile` reads a table of contents in one piece, however long the archive says that it is.
    """

    def __init__(self, stream: BinaryIO, num_bytes: int) -> None:
        self._stream = stream
        self._num_bytes = num_bytes

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1) -> bytes:
        there = max(0, self._num_bytes - self._stream.tell())
        wanted = there if size is None or size < 0 else min(size, there)
        if wanted > _MAX_DIRECTORY_BYTES:
            raise _TooLongError
        return self._stream.read(wanted)


def _too_many(found: str) -> ImageError:
    return ImageError(
        f"the archive holds more than {MAX_MEMBERS} files ({found}); split it, or have the "
        "operator build a bank"
    )


def _require_apart(infos: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse members that share packed bytes: only bombs are made like that."""
    spans = sorted(
        (info.header_offset, info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size)
        for info in infos
    )
    if any(stop > start for (_, stop), (start, _) in pairwise(spans)):
        raise ImageError(
            "the archive's members overlap, which no ordinary program does; pack the pictures "
            "again into an ordinary .zip"
        )


def _path_fault(path: str) -> str | None:
    """Return why a path as it stands in the archive is not allowed, None where it is."""
    parts = path.split("/")
    if any(unicodedata.category(character) == "Cc" for character in path):
        return "its name holds control characters; rename it"
    if "\\" in path:
        return "its path has a backslash; pack again with a program that writes '/'"
    if ".." in parts:
        return "its path climbs out of the archive ('..'); pack again without such paths"
    if path.startswith("/") or path[1:2] == ":":
        return "its path begins at a root or a drive; pack again with relative paths"
    return None


def _kind_fault(info: zipfile.ZipInfo) -> str | None:
    """Return why a member of this kind is not read, None where it is."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "it is a link, which is not followed; pack the picture itself"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is not a file; pack pictures only"
    if info.is_dir() or _is_ignored(info.filename):
        return None
    if info.flag_bits & _IS_ENCRYPTED:
        return "it is encrypted; unpack the archive and pack it again without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is packed by an unusual method; pack again by 'deflate' or 'store'"
    if info.filename.lower().endswith(_ARCHIVE_ENDINGS):
        return _NESTED
    return None


_NESTED = "it is an archive in the archive, which is not opened; unpack it first"


def _is_ignored(path: str) -> bool:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return not parts or (
        any(part.startswith(".") or part in _IGNORED_FOLDERS for part in parts)
        or parts[-1].lower() in _IGNORED_FILES
    )


def _unpack(file: zipfile.ZipFile, path: str, info: zipfile.ZipInfo, num_left: int) -> bytes:
    """Return a member's content, counting what comes out, not what the header claims."""
    content = bytearray()
    try:
        with file.open(info) as member:
            while chunk := member.read(_CHUNK_BYTES):
                content += chunk
                _require_bounded(len(content), info.compress_size, num_left)
    except _PARSE_ERRORS as error:
        reason = "it is damaged or cut short; pack the picture again"
        raise _RefusedError(reason, len(content)) from error
    if content.startswith(_ARCHIVE_MAGIC):
        raise _RefusedError(_NESTED, len(content))
    return bytes(content)


def _require_bounded(num_bytes: int, num_packed: int, num_left: int) -> None:
    if num_bytes > MAX_BYTES:
        reason = f"it takes more than {MAX_BYTES // 2**20} MB unpacked; scale the picture down"
    elif num_bytes > RATIO_COUNTS_FROM_BYTES and num_bytes > MAX_RATIO * num_packed:
        reason = (
            f"it unpacks to more than {MAX_RATIO} times its packed size, as bombs do; save the "
            "picture as PNG or JPEG"
        )
    elif num_bytes > num_left:
        reason = (
            f"the archive unpacks to more than {MAX_UNPACKED_BYTES // 2**30} GB in total; split it"
        )
    else:
        return
    raise _RefusedError(reason, num_bytes)


def _shown(path: str) -> str:
    """Return a hostile name as people can be shown it: printable, and of bounded length."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in path)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
