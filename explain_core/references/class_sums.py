"""The sum of each class's features, kept beside a bank and brought up to date when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from explain_core.errors import BankError
from explain_core.references.bank_files import BankFiles, replace_file
from explain_core.types import Array

CLASS_MEANS = "class_means.safetensors"

_PIECE_BYTES = 2**25


@dataclass(frozen=True, eq=False)
class ClassSums:
    """Hold sums over the first pictures of a bank.

    Attributes:
        sums: (C, d) float64.
        counts: (C,) int64.
        rows: how many pictures are counted, with those of no class.
    """

    sums: Array
    counts: Array
    rows: int


def add_up(features: Array, labels: Array, num_classes: int, known: ClassSums | None) -> ClassSums:
    """Return the sums over all of `features`, reading only the rows that `known` lacks.

    Args:
        features: (n, d), read in pieces.
        labels: (n,) below `num_classes`; negative ones are left out.
        known: of the first rows, with as many classes or fewer.
    """
    dim = features.shape[1]
    sums, counts = np.zeros((num_classes, dim)), np.zeros(num_classes, np.int64)
    if known is not None:
        sums[: len(known.sums)] = known.sums
        counts[: len(known.counts)] = known.counts
    rows_at_once = max(1, _PIECE_BYTES // (8 * dim))
    for begin in range(known.rows if known is not None else 0, len(features), rows_at_once):
        of_class = np.asarray(labels[begin : begin + rows_at_once])
        order = np.argsort(of_class, kind="stable")
        values = np.asarray(features[begin : begin + rows_at_once])[order].astype(np.float64)
        present, starts = np.unique(of_class[order], return_index=True)
        for index, rows in zip(present, np.split(values, starts[1:]), strict=True):
            if index >= 0:  # faster than reduceat, which adds row by row
                sums[index] += rows.sum(axis=0)
                counts[index] += len(rows)
    return ClassSums(sums, counts, len(features))


def class_sums(files: BankFiles, *, is_kept: bool) -> ClassSums:
    """Return the sums over all pictures of a bank, by the manifest's classes.

    Args:
        is_kept: whether to write sums that were brought up to date back into the folder, where
            that is possible, and where no other process has done so for a longer bank.

    Raises:
        BankError: the file of sums is damaged, or a feature is NaN or infinite.
    """
    known = _read(files)
    if known is not None and known.rows == files.manifest.rows:
        return known
    is_older = known is not None and known.rows > files.manifest.rows
    usable = None if is_older else known
    now = add_up(files.features, files.labels, len(files.manifest.classes), usable)
    if not np.isfinite(now.sums).all():
        raise files.fault("features.f16", "there is NaN or infinity")
    if is_kept and not is_older:
        _write(files.folder, now)
    return now


def _write(folder: Path, sums: ClassSums) -> None:
    content = safetensors.numpy.save(
        {"sums": sums.sums, "counts": sums.counts, "rows": np.array([sums.rows], np.int64)}
    )
    try:
        replace_file(folder / CLASS_MEANS, content)
    except OSError:
        return  # a folder that may only be read, or a full disk: they are made anew the next time


def _read(files: BankFiles) -> ClassSums | None:
    path = files.folder / CLASS_MEANS
    try:
        content = safetensors.numpy.load(path.read_bytes())
        sums = ClassSums(content["sums"], content["counts"], int(content["rows"][0]))
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, IndexError, ValueError) as error:
        raise _fault(files, str(error)) from error
    if sums.rows > files.manifest.rows:  # pictures were added since these files were opened
        return sums
    num_classes = len(sums.counts)
    covered = files.labels[: sums.rows]
    is_sound = (
        sums.rows >= 0
        and num_classes <= len(files.manifest.classes)
        and sums.sums.shape == (num_classes, files.manifest.dim)
        and sums.sums.dtype == np.float64
        and np.isfinite(sums.sums).all()
        and int(covered.max(initial=-1)) < num_classes
        and np.array_equal(np.bincount(covered + 1, minlength=num_classes + 1)[1:], sums.counts)
    )
    if not is_sound:
        raise _fault(files, "it does not fit the pictures")
    return sums


def _fault(files: BankFiles, what: str) -> BankError:
    return BankError(
        f"bank '{files.folder.name}': {CLASS_MEANS}: {what}; delete this file, it is made anew"
    )
