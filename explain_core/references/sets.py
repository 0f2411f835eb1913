"""Sets of reference pictures: whether they fit a model, and what can be made of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path

import numpy as np

from explain_core.errors import BankError, ImageError, InputError
from explain_core.models.model import Model
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.references.statistics import group_statistics
from explain_core.types import (
    Array,
    GroupStatistics,
    Image,
    Pooling,
    ReferenceSet,
    picture_id,
    read_only,
)

MAX_NAME_LENGTH = 60

_ALLOWED = "letters, digits, spaces, '-', '_' and '.'"
_CHUNK_ROWS = 4096

# Names that Windows keeps for devices, whatever the ending.
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL"} | {f"{name}{i}" for name in ("COM", "LPT") for i in range(10)}
)


def check_fit(references: ReferenceSet, model: Model, layer: str, num_channels: int) -> None:
    """Raise `BankError` where features were not made by this layer of this model."""
    if references.fingerprint != model.fingerprint:
        raise BankError(
            f"reference set '{references.key}' was made with other weights than those of "
            f"'{model.name}'; build it again with this model"
        )
    if references.layer != layer:
        raise BankError(
            f"reference set '{references.key}' holds features of layer '{references.layer}', but "
            f"'{layer}' is explained; choose layer '{references.layer}'"
        )
    if references.features.shape[1] != num_channels:
        raise BankError(
            f"reference set '{references.key}' holds {references.features.shape[1]}-d features, "
            f"but layer '{layer}' gives {num_channels}-d; build it again"
        )


def without_image(
    references: ReferenceSet, image: Image, feature: Array
) -> tuple[ReferenceSet, int]:
    """Leave out the rows that are the image itself, and say how many there were.

    Args:
        references: features as stored.
        image: known by its id.
        feature: (d,), the image's own; a row within the stored type's rounding counts as it, so
            that the same picture is found in another file format, too.

    Raises:
        BankError: nothing else is in the set.
    """
    scale = float(np.abs(feature).max())
    tolerance = max(float(np.finfo(references.features.dtype).eps), 1e-5) * scale
    distance = np.concatenate(
        [np.abs(rows - feature).max(axis=1) for rows in chunks(references.features)]
    )
    others = (distance > tolerance) & (references.ids != picture_id(image))
    if others.all():
        return references, 0
    if not others.any():
        raise BankError(
            f"reference set '{references.key}' holds nothing but this image; add other pictures"
        )
    return subset(references, others), int((~others).sum())


def subset(references: ReferenceSet, rows: Array, key: str | None = None) -> ReferenceSet:
    """Return some members of a set.

    Args:
        rows: (n,) booleans, which to keep; at least one.
        key: of the result; None keeps the set's own.

    Raises:
        InputError: none is left.
    """
    if not rows.any():
        raise InputError(
            f"nothing is left of reference set '{references.key}'; keep at least one picture"
        )
    return ReferenceSet(
        key=key or references.key,
        features=read_only(references.features[rows]),
        labels=read_only(references.labels[rows]),
        layer=references.layer,
        fingerprint=references.fingerprint,
        pooling=references.pooling,
        ids=read_only(references.ids[rows]),
        statistics=_statistics_of_subset(references, rows),
    )


def without(references: ReferenceSet, ids: Iterable[int], key: str | None = None) -> ReferenceSet:
    """Return a set without some pictures, an outlier for instance.

    Args:
        ids: of the pictures to leave out; those that are not in the set change nothing.
        key: of the result; None keeps the set's own.

    Raises:
        InputError: none is left.
    """
    left_out = np.isin(references.ids, np.fromiter(ids, np.uint64))
    return subset(references, ~left_out, key)


def difference(a: ReferenceSet, b: ReferenceSet, key: str) -> ReferenceSet:
    """Return the pictures of `a` that are not in `b`.

    Raises:
        InputError: all of them are in `b`.
    """
    rows = ~np.isin(a.ids, b.ids)
    if not rows.any():
        raise InputError(
            f"every picture of reference set '{a.key}' is in '{b.key}' too, so nothing is left; "
            "take another set away"
        )
    return subset(a, rows, key)


def union(sets: Sequence[ReferenceSet], key: str) -> ReferenceSet:
    """Return the pictures of all sets, each once; of copies the first is kept.

    Statistics are the sum of the parts', where any part's are known and no picture is in two.

    Args:
        sets: at least one; features of different number types become the widest.

    Raises:
        InputError: no set at all.
        BankError: sets of different models, layers, poolings or widths.
    """
    if not sets:
        raise InputError("a union needs at least one reference set; choose one")
    _require_alike(sets)
    ids = np.concatenate([part.ids for part in sets])
    _, first = np.unique(ids, return_index=True)
    rows = np.sort(first)
    is_disjoint = len(rows) == len(ids)
    dtype = np.result_type(*(part.features.dtype for part in sets))
    features = np.empty((len(rows), sets[0].features.shape[1]), dtype)
    stop = offset = 0
    for part in sets:
        own = rows[(rows >= offset) & (rows < offset + len(part.ids))] - offset
        features[stop : stop + len(own)] = part.features[own]
        stop, offset = stop + len(own), offset + len(part.ids)
    return ReferenceSet(
        key=key,
        features=read_only(features),
        labels=read_only(np.concatenate([part.labels for part in sets])[rows]),
        layer=sets[0].layer,
        fingerprint=sets[0].fingerprint,
        pooling=sets[0].pooling,
        ids=read_only(ids[rows]),
        statistics=_statistics_of_union(sets) if is_disjoint else None,
    )


def set_of(
    embedded: Sequence[Embedded],
    model: Model,
    layer: str,
    pooling: Pooling,
    key: str,
    labels: Sequence[int] | Array | None = None,
) -> tuple[ReferenceSet, int]:
    """Make a set of pictures that were read, each once.

    Args:
        embedded: batches, in order.
        model, layer, pooling: how the features came about.
        labels: one for each picture of all batches, in order; None says -1 for all.

    Returns:
        The set with float32 features, and how many copies were dropped.

    Raises:
        InputError: no picture at all, or not one label for each.
    """
    num_pictures = sum(len(batch.ids) for batch in embedded)
    if num_pictures == 0:
        refused = [path for batch in embedded for path, _ in batch.refused]
        because = f"none of the {len(refused)} files could be read" if refused else "there is none"
        raise InputError(f"reference set '{key}' needs at least one picture ({because}); add some")
    given = np.full(num_pictures, -1) if labels is None else np.asarray(labels, np.int64)
    if given.shape != (num_pictures,):
        raise InputError(
            f"reference set '{key}' has {num_pictures} pictures but labels of shape "
            f"{given.shape}; give one label for each"
        )
    ids = np.concatenate([batch.ids for batch in embedded])
    _, first = np.unique(ids, return_index=True)
    rows = np.sort(first)
    features = np.concatenate([batch.features for batch in embedded])
    made = ReferenceSet(
        key=key,
        features=read_only(features[rows].astype(np.float32, copy=False)),
        labels=read_only(given[rows]),
        layer=model.layer_named(layer).name,
        fingerprint=model.fingerprint,
        pooling=pooling,
        ids=read_only(ids[rows]),
    )
    return made, num_pictures - len(rows)


def make_reference_set(
    model: Model,
    pictures: Sequence[Path | str | bytes],
    *,
    key: str = "pictures",
    layer: str | None = None,
    pooling: Pooling | None = None,
) -> ReferenceSet:
    """Read pictures and pool them into a set; equal ones count once.

    Args:
        pictures: files, or their content.
        key: of the set.
        layer: None takes the model's default.
        pooling: None takes the layer's own.

    Raises:
        InputError: no picture at all.
        ImageError: pictures that cannot be read; the text names the first.
    """
    items = [
        Item(path=_shown(index, each), class_name=None, content=_content(each))
        for index, each in enumerate(pictures)
    ]
    tapped = model.layer_named(layer)
    parts = list(embed(model, items, layer=tapped.name, pooling=pooling))
    refused = [each for part in parts for each in part.refused]
    if refused:
        path, reason = refused[0]
        raise ImageError(
            f"{len(refused)} of {len(items)} pictures cannot be read; {path}: {reason}"
        )
    return set_of(parts, model, tapped.name, pooling or tapped.pooling, key)[0]


def _shown(index: int, picture: Path | str | bytes) -> str:
    return f"picture {index + 1}" if isinstance(picture, bytes) else Path(picture).name


def _content(picture: Path | str | bytes) -> Path | bytes:
    return picture if isinstance(picture, bytes) else Path(picture)


def check_name(name: str) -> str:
    """Return a set's name as it is kept: trimmed, accents composed; never a path.

    Raises:
        InputError: empty, too long, of other characters, or a name that systems keep for
            themselves.
    """
    trimmed = unicodedata.normalize("NFC", name).strip()
    wrong = sorted({c for c in trimmed if not (c in " -_." or unicodedata.category(c)[0] in "LMN")})
    if not 1 <= len(trimmed) <= MAX_NAME_LENGTH:
        found = f"{len(trimmed)} characters"
    elif wrong:
        found = "other characters: " + " ".join(ascii(c)[1:-1] for c in wrong[:5])
    elif trimmed[0] == "." or trimmed[-1] == ".":
        found = "a dot at its beginning or end"
    elif trimmed.split(".")[0].strip().upper() in _RESERVED:
        found = "a word that Windows keeps for itself"
    else:
        return trimmed
    raise InputError(
        f"a name has 1 to {MAX_NAME_LENGTH} {_ALLOWED}, no dot first or last, and is no path (got "
        f"{found}); choose another name"
    )


def chunks(features: Array) -> Iterator[Array]:
    """Yield the rows of `features` in order as float64, a bounded number at a time."""
    for start in range(0, len(features), _CHUNK_ROWS):
        yield features[start : start + _CHUNK_ROWS].astype(np.float64)


def _require_alike(sets: Sequence[ReferenceSet]) -> None:
    first = sets[0]
    for other in sets[1:]:
        whose = f"reference sets '{first.key}' and '{other.key}' cannot be put together: "
        if other.fingerprint != first.fingerprint:
            raise BankError(f"{whose}they were made with different weights; build both with one")
        for what, one, two in (
            ("layer", first.layer, other.layer),
            ("pooling", first.pooling, other.pooling),
            ("width", f"{first.features.shape[1]}-d", f"{other.features.shape[1]}-d"),
        ):
            if one != two:
                raise BankError(
                    f"{whose}their {what} differs ('{one}' and '{two}'); build both with the same"
                )


def _statistics_of_subset(
    references: ReferenceSet, rows: Array
) -> Callable[[], GroupStatistics] | None:
    whole = references.statistics
    num_left_out = int((~rows).sum())
    if whole is None or num_left_out == 0:
        return whole
    if num_left_out >= len(rows) - num_left_out:
        return None  # summing up those that stay is cheaper
    left_out = references.features[~rows]

    def statistics() -> GroupStatistics:
        return whole() - group_statistics(left_out)

    return statistics


def _statistics_of_union(sets: Sequence[ReferenceSet]) -> Callable[[], GroupStatistics] | None:
    if all(part.statistics is None for part in sets):
        return None

    def statistics() -> GroupStatistics:
        parts = (
            group_statistics(part.features) if part.statistics is None else part.statistics()
            for part in sets
        )
        return reduce(GroupStatistics.__add__, parts)

    return statistics
