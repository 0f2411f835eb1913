"""Reference sets that were saved on purpose, in the operator's folder.

The folder is `sets` in the one that `WHYNOT_REFERENCES` names. A file holds features, labels, ids
and thumbnails, and where they came from in the words of whoever saved them; no file name of a
picture. Files are safetensors; a set is asked for by its name, never by a path.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from explain_core.errors import BankError, InputError
from explain_core.models.model import Model
from explain_core.references.banks import ENVIRONMENT, references_folder
from explain_core.references.pictures import KeptPictures
from explain_core.references.sets import check_name
from explain_core.types import Array, Pooling, ReferenceSet, read_only

MAX_ABOUT_LENGTH = 2_000

_ENDING = ".safetensors"
_FORMAT = "whynot-reference-set-1"

# What file systems without hard links answer.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True)
class SavedInfo:
    """Describe a saved set without reading its features.

    Attributes:
        name: by which it is loaded.
        count: n, pictures.
        layer, pooling: how its features came about.
        about: what was said of it on saving.
    """

    name: str
    count: int
    layer: str
    pooling: Pooling
    about: str


@dataclass(frozen=True)
class _Header:
    """Hold what a file says of itself."""

    info: SavedInfo
    fingerprint: str
    num_features: int


def sets_folder() -> Path | None:
    """Return where sets are saved, whether or not it exists yet; None: the operator named none.

    Raises:
        BankError: the variable names no folder.
    """
    folder = references_folder()
    if folder is None:
        return None
    if not folder.is_dir():
        raise BankError(
            f"{ENVIRONMENT} names '{folder}', which is no folder; create it, or correct or unset "
            "the variable"
        )
    return folder / "sets"


def save_set(
    references: ReferenceSet,
    name: str,
    thumbnails: Mapping[int, bytes],
    about: str,
    *,
    replace: bool = False,
) -> Path:
    """Save a set under a name, whole or not at all.

    Args:
        name: see `check_name`.
        thumbnails: by id; those of other pictures are not saved, and some may be missing.
        about: where the set comes from, for people; no names of files.
        replace: whether a saved set of this name may be replaced.

    Returns:
        The file, with the permissions that the process's umask gives.

    Raises:
        InputError: a name that is not allowed or is taken, or a text that is too long.
        BankError: the operator named no folder, or it cannot be written to.
    """
    name = check_name(name)
    if len(about) > MAX_ABOUT_LENGTH:
        raise InputError(f"about has {len(about)} characters; say it in at most {MAX_ABOUT_LENGTH}")
    folder = sets_folder()
    if folder is None:
        raise BankError(
            f"sets cannot be saved here: set {ENVIRONMENT} to a folder for them and start again"
        )
    path = folder / f"{name}{_ENDING}"
    part = folder / f".{secrets.token_hex(8)}.part"
    content = _packed(references, thumbnails, about)
    try:
        folder.mkdir(exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            is_in_place = _put_in_place(part, path, replace)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BankError(
            f"set '{name}' cannot be saved in '{folder}' ({error.strerror or error}); free space "
            "on the disk, or let the dashboard write there"
        ) from error
    if not is_in_place:
        raise InputError(
            f"there is a saved set '{name}' already; choose another name, or replace it"
        )
    return path


def saved_sets(model: Model) -> tuple[SavedInfo, ...]:
    """Return the saved sets that were made with a model's weights, by name.

    Files that cannot be read are not among them; `broken_sets` tells of those.

    Raises:
        BankError: `WHYNOT_REFERENCES` names no folder.
    """
    headers = (found for _, found in _files() if isinstance(found, _Header))
    return tuple(header.info for header in headers if header.fingerprint == model.fingerprint)


def broken_sets() -> tuple[tuple[str, str], ...]:
    """Return (name, reason) of the files in the folder that are no saved sets.

    Raises:
        BankError: `WHYNOT_REFERENCES` names no folder.
    """
    return tuple((path.stem, found) for path, found in _files() if isinstance(found, str))


def load_set(name: str, model: Model) -> tuple[ReferenceSet, KeptPictures, str]:
    """Load a saved set.

    Args:
        name: as `saved_sets` lists it.

    Returns:
        The set, whose key is its name; its thumbnails; what was said of it on saving.

    Raises:
        BankError: no such set, one of another model, or one that is damaged.
    """
    for path, found in _files():
        if path.stem != name:
            continue
        if isinstance(found, str):
            raise BankError(f"saved set '{name}' cannot be used: {found}")
        if found.fingerprint != model.fingerprint:
            raise BankError(
                f"saved set '{name}' was made with other weights than those of '{model.name}'; "
                "make it again with this model"
            )
        return _load(path, found)
    known = [info.name for info in saved_sets(model)]
    raise BankError(f"there is no saved set '{name}'; saved for '{model.name}': {known or 'none'}")


def _packed(references: ReferenceSet, thumbnails: Mapping[int, bytes], about: str) -> bytes:
    """Return the file's content; thumbnails stand one after the other, in the order of the ids."""
    each = [thumbnails.get(id, b"") for id in references.ids.tolist()]
    arrays = {
        "features": np.ascontiguousarray(references.features),
        "labels": references.labels.astype(np.int64),
        "ids": references.ids.astype(np.uint64),
        "thumbnail_sizes": np.array([len(content) for content in each], np.int64),
        "thumbnails": np.frombuffer(b"".join(each), np.uint8),
    }
    metadata = {
        "format": _FORMAT,
        "about": about,
        "layer": references.layer,
        "pooling": references.pooling,
        "fingerprint": references.fingerprint,
    }
    return save(arrays, metadata)


def _put_in_place(part: Path, path: Path, replace: bool) -> bool:
    """Give a finished file its name in one step, and tell whether it has it; not a taken name."""
    if not replace:
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
        else:
            return True
    part.replace(path)
    return True


def _files() -> Iterator[tuple[Path, _Header | str]]:
    """Yield every file in the folder by name, with what it says of itself or why it is broken."""
    folder = sets_folder()
    if folder is None:
        return
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == _ENDING)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BankError(
            f"the folder of saved sets '{folder}' cannot be read ({error.strerror}); let the "
            "dashboard read it"
        ) from error
    for path in paths:
        try:
            yield path, _header(path)
        except _BrokenError as error:
            yield path, str(error)
        except (OSError, SafetensorError) as error:
            yield path, f"the file cannot be read ({type(error).__name__}); save the set again"


class _BrokenError(Exception):
    """Tell what is wrong with a file."""


def _header(path: Path) -> _Header:
    """Read what a file says of itself.

    Raises:
        _BrokenError: it is no saved set, or does not hold together.
        OSError, SafetensorError: it cannot be read.
    """
    with safe_open(path, framework="numpy") as file:
        said = file.metadata() or {}
        if said.get("format") != _FORMAT:
            raise _BrokenError("the file is no saved reference set of this version; save it again")
        missing = {"about", "layer", "pooling", "fingerprint"} - set(said)
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        features = shapes.get("features", ())
        count = features[0] if len(features) == 2 else 0
        expected = dict.fromkeys(("labels", "ids", "thumbnail_sizes"), (count,))
        if (
            missing
            or said["pooling"] not in get_args(Pooling)
            or count == 0
            or any(shapes.get(name) != shape for name, shape in expected.items())
            or len(shapes.get("thumbnails", ())) != 1
        ):
            raise _BrokenError("the file is incomplete; save the set again")
    info = SavedInfo(
        name=path.stem,
        count=count,
        layer=said["layer"],
        pooling=cast(Pooling, said["pooling"]),
        about=said["about"],
    )
    return _Header(info, said["fingerprint"], features[1])


def _load(path: Path, header: _Header) -> tuple[ReferenceSet, KeptPictures, str]:
    info = header.info
    try:
        with safe_open(path, framework="numpy") as file:
            arrays: dict[str, Array] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        references = ReferenceSet(
            key=info.name,
            features=read_only(arrays["features"]),
            labels=read_only(arrays["labels"].astype(np.int64)),
            layer=info.layer,
            fingerprint=header.fingerprint,
            pooling=info.pooling,
            ids=read_only(arrays["ids"].astype(np.uint64)),
        )
        sizes = arrays["thumbnail_sizes"].astype(np.int64)
        packed = arrays["thumbnails"].astype(np.uint8, copy=False)
        if (sizes < 0).any() or sizes.sum() != len(packed):
            raise _BrokenError("its thumbnails do not hold together; save the set again")
    except (OSError, SafetensorError, TypeError, InputError, _BrokenError) as error:
        raise BankError(f"saved set '{info.name}' cannot be used: {error}") from error
    stops = np.cumsum(sizes)
    thumbnails = {
        id: packed[stop - size : stop].tobytes()
        for id, stop, size in zip(references.ids.tolist(), stops, sizes, strict=True)
        if size > 0
    }
    return references, KeptPictures(thumbnails), info.about
