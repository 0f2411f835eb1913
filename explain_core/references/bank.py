"""Banks: pooled features of many labelled pictures, from which reference sets are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial, reduce
from operator import add
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np

from explain_core.errors import BankError, ImageError, InputError
from explain_core.images.reading import read_image
from explain_core.memory import BoundedMemory
from explain_core.models.preprocessing import Preprocessing
from explain_core.references.alignment import class_map
from explain_core.references.bank_files import FEATURES, BankFiles, open_files
from explain_core.references.class_sums import ClassSums, add_up, class_sums
from explain_core.references.nearest import (
    Lists,
    is_large,
    load_faiss,
    nearest_rows,
    read_lists,
    rows_in_lists,
)
from explain_core.references.statistics import group_statistics
from explain_core.types import (
    Array,
    GroupStatistics,
    Image,
    Pooling,
    ReferenceSet,
    id_of_bytes,
    picture_id,
    read_only,
)

MAX_COMPARED_CLASSES = 100
"""With more other classes than this, their nearest means stand for them (DiffCAM)."""

MAX_SET_BYTES = 2**30
MAX_STATISTICS_BYTES = 512 * 2**20

_PIECE_BYTES = 2**26
_STATISTICS: BoundedMemory[GroupStatistics] = BoundedMemory(MAX_STATISTICS_BYTES)


@dataclass(frozen=True, eq=False)
class Bank:
    """Hold the features of a labelled picture collection, most often memory-mapped.

    Attributes:
        name: such as "digits".
        features: (n, d) float16, the pooled layer.
        labels: (n,) index into `classes`, -1 for a picture without a class.
        layer: that was pooled.
        fingerprint: of the weights that made the features.
        pooling: how.
        ids: (n,) uint64 `picture_id`; where none are given they come from the features.
        classes: names; where none are given, the labels' numbers.
        is_aligned: whether `classes` are the model's, and labels its class indices.
        model: the name of the model.
        preprocessing: of the pictures; None where it is not known.
        images: folder of the originals, None where nobody knows.
        files: where the bank lies on disk; None for one in memory.
    """

    name: str
    features: Array
    labels: Array
    layer: str
    fingerprint: str
    pooling: Pooling = "mean"
    ids: Array = None  # type: ignore[assignment]  # filled in from the features below
    classes: tuple[str, ...] = ()
    is_aligned: bool = True
    model: str = ""
    preprocessing: Preprocessing | None = None
    images: Path | None = None
    files: BankFiles | None = None
    _token: object = field(default_factory=object, repr=False)

    def __post_init__(self) -> None:
        if self.ids is None:
            ids = [id_of_bytes(row.tobytes()) for row in self.features]
            object.__setattr__(self, "ids", read_only(np.array(ids, np.uint64)))
        if not self.classes:
            num = int(self.labels.max(initial=-1)) + 1
            object.__setattr__(self, "classes", tuple(str(index) for index in range(num)))

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.features)

    def with_classes(self, model_classes: tuple[str, ...]) -> Bank:
        """Return a bank on disk with its pictures labelled for other classes of the same network.

        Where its own classes are not among them, it is as for a network without classes.
        """
        assert self.files is not None
        return _bank_of(self.files, model_classes)

    def counts(self) -> Array:
        """Return (C,): the pictures of each class."""
        return self._counts

    def reference_set(self, classes: Sequence[int], key: str | None = None) -> ReferenceSet:
        """Return the examples of some classes.

        Raises:
            BankError: the bank has no example of one of them, or too many for one set.
        """
        known = set(np.flatnonzero(self._counts).tolist())
        missing = sorted(set(classes) - known)
        if missing or not classes:
            raise BankError(
                f"bank '{self.name}' has no examples of the classes {missing or 'asked for'}; "
                f"it holds {_shortened(sorted(known))}"
            )
        chosen = tuple(sorted(set(classes)))
        rows = np.sort(np.concatenate([self._rows_of_class(index) for index in chosen]))
        key = key or f"{self.name}/{'+'.join(self._class_key(index) for index in classes)}"
        return self._set_of(rows, key, chosen)

    def all_but(self, target: int) -> ReferenceSet:
        """Return the examples of every class but one.

        Raises:
            BankError: there is no other class, or there are too many examples for one set.
        """
        others = self._other_classes(target)
        return self.reference_set(others, f"{self.name}/all-but-{self._class_key(target)}")

    def others(self, target: int, feature: Array) -> ReferenceSet:
        """Return what a class is compared with where nothing is said: all other classes.

        Of more than 100 other classes, the means of the 100 nearest to `feature` (d,) stand for
        the pictures: one row each, in float32, the nearest first. Their sums are float64.

        Raises:
            BankError: there is no other class; or there are so many, and no faiss.
        """
        others = self._other_classes(target)
        if len(others) <= MAX_COMPARED_CLASSES:
            return self.all_but(target)
        nearest = self.nearest_classes(feature, MAX_COMPARED_CLASSES, without=target)
        return ReferenceSet(
            key=f"{self.name}/nearest-{len(nearest)}-means-but-{self._class_key(target)}",
            features=read_only(self.class_means()[nearest]),
            labels=read_only(nearest if self.is_aligned else np.full(len(nearest), -1)),
            layer=self.layer,
            fingerprint=self.fingerprint,
            pooling=self.pooling,
        )

    def nearest_classes(self, feature: Array, count: int, without: int | None = None) -> Array:
        """Return (k,) int64: the classes whose means lie nearest to `feature` (d,), nearest first.

        Args:
            count: how many at most.
            without: a class to leave out.
        """
        self._check_feature(feature)
        index, held = self._means_index
        question = np.ascontiguousarray(feature, np.float32)[None]
        _, found = index.search(question, min(count + 1, len(held)))
        nearest = held[found[0]]
        return cast(Array, nearest[nearest != without][:count])

    def rows(self, indices: Array, key: str) -> ReferenceSet:
        """Return the set of the pictures in some rows, in the order given.

        Raises:
            InputError: no rows, or rows that the bank does not have.
            BankError: their features are damaged, or take too much memory.
        """
        rows = np.asarray(indices)
        if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer) or len(rows) == 0:
            raise InputError(
                f"rows must be (n,) whole numbers, n >= 1 (got {rows.dtype}, {rows.shape})"
            )
        if rows.min() < 0 or rows.max() >= len(self):
            raise InputError(
                f"bank '{self.name}' has the rows 0 to {len(self) - 1} "
                f"(got {rows.min()} to {rows.max()})"
            )
        return self._set_of(rows, key, None)

    def statistics(self, classes: Sequence[int]) -> GroupStatistics:
        """Return count, mean and scatter of all examples of some classes.

        They are the sum of the classes' own, each computed when it is asked for from the mapped
        rows, in pieces and float64, and kept as long as 512 MiB hold them. Of most of the classes
        it is the difference between all and the rest.

        Raises:
            BankError: a class without examples, or features that are NaN or infinite.
        """
        chosen = tuple(sorted(set(classes)))
        held = tuple(int(index) for index in np.flatnonzero(self._counts))
        missing = sorted(set(chosen) - set(held))
        if missing or not chosen:
            raise BankError(
                f"bank '{self.name}' has no examples of the classes {missing or 'asked for'}; "
                f"it holds {_shortened(held)}"
            )
        known = _STATISTICS.get((self._token, chosen))
        if known is not None:
            return known
        rest = tuple(index for index in held if index not in set(chosen))
        if len(chosen) == 1:
            found = self._statistics_of(self._rows_of_class(chosen[0]))
        elif rest and len(rest) < len(chosen) - 1:
            found = self.statistics(held) - self.statistics(rest)
        else:
            found = self.statistics(chosen[:1])
            for index in chosen[1:]:
                found = found + self.statistics((index,))
        _STATISTICS.put((self._token, chosen), found)
        return found

    def class_means(self) -> Array:
        """Return (C, d) float32: each class's mean; NaN for a class without examples.

        The sums lie beside the bank; those of pictures that came later are added when asked for.
        """
        return self._class_means

    def nearest(
        self, feature: Array, count: int, without: Sequence[int] | Array = ()
    ) -> tuple[Array, Array]:
        """Return the pictures nearest to a feature, the nearest first.

        Args:
            feature: (d,).
            count: how many at most, >= 1.
            without: ids of pictures to leave out.

        Returns:
            (k,) int64 rows, as `rows` takes them, and (k,) float64 Euclidean distances.

        Raises:
            InputError: a feature of another dimension, or a count below 1.
            BankError: faiss is not installed, or the index is damaged.
        """
        self._check_feature(feature)
        if count < 1:
            raise InputError(f"count must be at least 1 (got {count})")
        left_out = np.flatnonzero(np.isin(self.ids, np.asarray(without, np.uint64)))
        wanted = min(count + len(left_out), len(self))
        if wanted == 0:
            return np.empty(0, np.int64), np.empty(0)
        candidates = None
        if self._lists is not None:
            candidates = rows_in_lists(self._lists, len(self), feature, wanted)
        found, distances = nearest_rows(self.features, feature, wanted, candidates)
        is_kept = ~np.isin(found, left_out)
        return found[is_kept][:count], distances[is_kept][:count]

    def rows_of(self, ids: Sequence[int] | Array) -> Array:
        """Return (m,) int64: the first row of each picture, -1 where the bank has it not."""
        order, ordered = self._by_id
        wanted = np.asarray(ids, np.uint64).reshape(-1)
        if len(order) == 0:
            return np.full(len(wanted), -1, np.int64)
        places = np.minimum(np.searchsorted(ordered, wanted), len(order) - 1)
        return np.where(ordered[places] == wanted, order[places], -1)

    def thumbnail(self, id: int) -> bytes | None:
        """Return a small picture as an encoded file, None where there is none."""
        row = self._row_of(id)
        return None if row is None or self.files is None else self.files.thumbnail(row)

    def picture(self, id: int) -> Image | None:
        """Return a picture at its full size, None where it is not at hand.

        It comes from the folder of originals, if the file there is still the same picture, or
        from the thumbnail, if that has the picture's own pixels.
        """
        path = self.path_of(id)
        if path is not None and self.images is not None and _is_inside(path):
            image = _image_with_id(self.images / path, id)
            if image is not None:
                return image
        thumbnail = self.thumbnail(id)
        return None if thumbnail is None else _image_with_id(thumbnail, id)

    def path_of(self, id: int) -> str | None:
        """Return where a picture lay below the folder of originals, None for an unknown one."""
        row = self._row_of(id)
        if row is None or self.files is None:
            return None
        return cast(str, self.files.record(row)["path"])

    @cached_property
    def _counts(self) -> Array:
        labels = self.labels[self.labels >= 0]
        return read_only(np.bincount(labels, minlength=len(self.classes)))

    @cached_property
    def _by_class(self) -> tuple[Array, Array]:
        order = np.argsort(self.labels, kind="stable")
        return order, np.searchsorted(self.labels[order], np.arange(len(self.classes) + 1))

    @cached_property
    def _by_id(self) -> tuple[Array, Array]:
        order = np.argsort(self.ids, kind="stable")
        return order, self.ids[order]

    @cached_property
    def _lists(self) -> Lists | None:
        if self.files is None or not is_large(self.files):
            return None
        return read_lists(self.files)

    @cached_property
    def _class_means(self) -> Array:
        sums = self._class_sums
        with np.errstate(invalid="ignore"):
            return read_only((sums.sums / sums.counts[:, None]).astype(np.float32))

    @cached_property
    def _class_sums(self) -> ClassSums:
        if self.files is None:
            return add_up(self.features, self.labels, len(self.classes), None)
        own = class_sums(self.files, is_kept=True)
        if not self.is_aligned:
            return own
        mapped = class_map(self.files.manifest.classes, self.classes)
        assert mapped is not None
        sums, counts = np.zeros((len(self.classes), own.sums.shape[1])), self._counts
        np.add.at(sums, np.array(mapped), own.sums)
        return ClassSums(sums, counts, own.rows)

    @cached_property
    def _means_index(self) -> tuple[Any, Array]:
        """Return a faiss index of the means of the classes with examples, and those classes."""
        faiss = load_faiss()
        held = np.flatnonzero(self._counts)
        index = faiss.IndexFlatL2(self.features.shape[1])
        index.add(np.ascontiguousarray(self.class_means()[held]))
        return index, held

    def _row_of(self, id: int) -> int | None:
        row = int(self.rows_of([id])[0])
        return None if row < 0 else row

    def _rows_of_class(self, index: int) -> Array:
        order, starts = self._by_class
        return order[starts[index] : starts[index + 1]]

    def _other_classes(self, target: int) -> tuple[int, ...]:
        others = tuple(int(index) for index in np.flatnonzero(self._counts) if index != target)
        if not others:
            raise BankError(
                f"bank '{self.name}' holds no class but {self._class_key(target)}, so there is "
                "nothing to compare with; choose other reference pictures"
            )
        return others

    def _class_key(self, index: int) -> str:
        return str(index) if self.is_aligned else self.classes[index]

    def _statistics_of(self, rows: Array) -> GroupStatistics:
        rows_at_once = max(1, _PIECE_BYTES // (8 * self.features.shape[1]))
        parts = (
            group_statistics(self._finite(rows[begin : begin + rows_at_once]))
            for begin in range(0, len(rows), rows_at_once)
        )
        return reduce(add, parts)

    def _finite(self, rows: Array) -> Array:
        """Return the features of some rows.

        Raises:
            BankError: one of them is NaN or infinite.
        """
        features = np.asarray(self.features[rows])
        is_finite = np.isfinite(features).all(axis=1)
        if not is_finite.all():
            row = int(rows[np.flatnonzero(~is_finite)[0]])
            raise BankError(
                f"bank '{self.name}': {FEATURES}: picture {row} has NaN or infinity; restore the "
                "bank from a copy, or build it again"
            )
        return features

    def _set_of(self, rows: Array, key: str, classes: tuple[int, ...] | None) -> ReferenceSet:
        """Return the set of some rows; all of some classes' rows know their statistics."""
        num_bytes = len(rows) * self.features.shape[1] * self.features.dtype.itemsize
        if num_bytes > MAX_SET_BYTES:
            raise BankError(
                f"the {len(rows):,} pictures of '{key}' take {num_bytes / 2**30:.1f} GiB, but a "
                f"set may take {MAX_SET_BYTES / 2**30:g} GiB; compare with fewer classes, or with "
                "the nearest pictures"
            )
        labels = self.labels[rows].astype(np.int64)
        return ReferenceSet(
            key=key,
            features=read_only(self._finite(rows)),
            labels=read_only(labels if self.is_aligned else np.full(len(rows), -1)),
            layer=self.layer,
            fingerprint=self.fingerprint,
            pooling=self.pooling,
            ids=read_only(self.ids[rows]),
            statistics=None if classes is None else partial(self.statistics, classes),
        )

    def _check_feature(self, feature: Array) -> None:
        if feature.shape != self.features.shape[1:] or not np.isfinite(feature).all():
            raise InputError(
                f"bank '{self.name}' holds {self.features.shape[1]}-d features (got an array of "
                f"shape {feature.shape}); pool the picture with layer '{self.layer}', and see that "
                "it has no NaN"
            )


def open_bank(path: Path | str) -> Bank:
    """Open a bank on disk in an instant: its features are mapped, not read.

    What is appended later is seen by opening it again.

    Raises:
        BankError: the folder is no bank, or a damaged one; the message names the file.
    """
    files = open_files(Path(path))
    return _bank_of(files, files.manifest.model_classes)


def _bank_of(files: BankFiles, model_classes: tuple[str, ...]) -> Bank:
    """Return the bank in some files, aligned with a model's classes if its own are among them."""
    manifest = files.manifest
    mapped = class_map(manifest.classes, model_classes)
    labels = files.labels
    if mapped is not None and mapped != tuple(range(len(mapped))):
        labels = np.append(np.array(mapped, np.int32), np.int32(-1))[labels]
    return Bank(
        name=files.folder.name,
        features=files.features,
        labels=read_only(labels),
        layer=manifest.layer,
        fingerprint=manifest.fingerprint,
        pooling=manifest.pooling,
        ids=files.ids,
        classes=manifest.classes if mapped is None else model_classes,
        is_aligned=mapped is not None,
        model=manifest.model,
        preprocessing=manifest.preprocessing,
        images=files.images,
        files=files,
    )


def _image_with_id(source: Path | bytes, id: int) -> Image | None:
    try:
        image = read_image(source)
    except ImageError:
        return None
    return image if picture_id(image) == id else None


def _is_inside(path: str) -> bool:
    """Return whether a relative path stays below its folder."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def _shortened(classes: Sequence[int]) -> str:
    if len(classes) <= MAX_COMPARED_CLASSES:
        return str(list(classes))
    return f"{len(classes)} others, from {classes[0]} to {classes[-1]}"
