"""The pictures whose features lie nearest to one: by reading all, or by lists of neighbours.

A bank of up to `MAX_FLAT_VALUES` numbers is searched flat: every feature is compared. A larger one
gets an inverted file (IVF): the features fall into lists around centroids trained on a sample, and
only the lists nearest to the question are compared. The lists hold row numbers alone: the features
that are compared are the bank's own, memory-mapped and exact, so the index takes 4 bytes per
picture in memory and on disk, and nothing that is compressed has to be ranked again. It is stored
as safetensors, because faiss's reader trusts its file and a damaged one could end the process.

Pictures that came after the index are searched flat beside it, so that appending needs no rebuild.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from explain_core.errors import BankError
from explain_core.references.bank_files import BankFiles, replace_file
from explain_core.types import Array

INDEX = "nearest.safetensors"

MAX_FLAT_VALUES = 2**26
"""Up to so many numbers (n * d) all features are compared: 32,768 pictures of 2,048 each."""

NUM_PROBED = 16
"""How many lists are compared with at first; more where they hold too few pictures."""

_PIECE_BYTES = 2**26
_SAMPLE_BYTES = 2**28
_MIN_PER_LIST = 39  # faiss's own advice: training points for each centroid
_NUM_ROUNDS = 10
_SEED = 0


@dataclass(frozen=True, eq=False)
class Lists:
    """Hold which pictures lie around which centroid.

    Attributes:
        centroids: (L, d) float32.
        order: (m,) uint32, the first m pictures of the bank, list by list, rising inside a list.
        starts: (L + 1,) int64, where each list begins in `order`.
    """

    centroids: Array
    order: Array
    starts: Array


def load_faiss() -> ModuleType:
    """Import faiss, which only those need who look for neighbours.

    Raises:
        BankError: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError as error:
        raise BankError(
            "looking for the nearest pictures or classes needs faiss; install it with "
            "`pip install faiss-cpu`, or choose classes to compare with"
        ) from error


def nearest_rows(
    features: Array, feature: Array, count: int, rows: Array | None = None
) -> tuple[Array, Array]:
    """Return the rows nearest to `feature` and their distances, the nearest first; exact.

    Args:
        features: (n, d), read in pieces.
        feature: (d,).
        count: how many at most.
        rows: (m,) rising, the only ones to look at; None for all.

    Returns:
        (k,) int64 and (k,) float64 Euclidean distances.
    """
    faiss = load_faiss()
    question = np.ascontiguousarray(feature, np.float32)[None]
    best_rows, best = np.empty(0, np.int64), np.empty(0, np.float32)
    rows_at_once = max(1, _PIECE_BYTES // (4 * features.shape[1]))
    total = len(features) if rows is None else len(rows)
    for begin in range(0, total, rows_at_once):
        if rows is None:
            numbers = np.arange(begin, min(begin + rows_at_once, total))
            piece = features[begin : begin + rows_at_once]
        else:
            numbers = rows[begin : begin + rows_at_once].astype(np.int64)
            piece = features[numbers]
        values = np.ascontiguousarray(piece, np.float32)
        squares, found = faiss.knn(question, values, min(count, len(values)))
        best_rows = np.concatenate([best_rows, numbers[found[0]]])
        best = np.concatenate([best, squares[0]])
        order = np.argsort(best, kind="stable")[:count]
        best_rows, best = best_rows[order], best[order]
    gaps = np.asarray(features[best_rows]).astype(np.float64) - feature
    distances = np.sqrt((gaps**2).sum(axis=1))
    order = np.lexsort((best_rows, distances))
    return best_rows[order], distances[order]


def rows_in_lists(
    lists: Lists, num_rows: int, feature: Array, count: int, num_probed: int | None = None
) -> Array:
    """Return (m,) rising: the rows worth comparing, at least `count` where there are as many.

    These are the pictures in the lists nearest to `feature`, and all that came after the index.
    """
    late = np.arange(len(lists.order), num_rows, dtype=np.int64)
    gaps = ((lists.centroids - feature.astype(np.float32)) ** 2).sum(axis=1)
    by_nearness = np.argsort(gaps, kind="stable")
    sizes = np.diff(lists.starts)[by_nearness]
    enough = int(np.searchsorted(np.cumsum(sizes), count - len(late))) + 1
    probed = by_nearness[: max(NUM_PROBED if num_probed is None else num_probed, enough)]
    parts = [lists.order[lists.starts[i] : lists.starts[i + 1]] for i in probed]
    return np.concatenate([np.sort(np.concatenate(parts)).astype(np.int64), late])


def train_lists(features: Array) -> Lists:
    """Return lists of all rows of `features` (n, d), around centroids trained on a sample.

    Memory beyond the result: the sample, at most 256 MiB of float32, and one piece.
    """
    faiss = load_faiss()
    num, dim = features.shape
    rng = np.random.default_rng(_SEED)
    num_sampled = min(num, max(1, _SAMPLE_BYTES // (4 * dim)))
    sampled = np.sort(rng.choice(num, num_sampled, replace=False))
    sample = np.ascontiguousarray(features[sampled], np.float32)
    num_lists = max(1, min(round(num**0.5), num_sampled // _MIN_PER_LIST))
    kmeans = faiss.Kmeans(
        dim,
        num_lists,
        niter=_NUM_ROUNDS,
        seed=_SEED,
        max_points_per_centroid=num_sampled,
        min_points_per_centroid=1,
    )
    kmeans.train(sample)
    nearest = np.empty(num, np.int64)
    for begin, piece in _pieces(features):
        _, found = kmeans.index.search(piece, 1)
        nearest[begin : begin + len(piece)] = found[:, 0]
    order = np.argsort(nearest, kind="stable")
    starts = np.searchsorted(nearest[order], np.arange(num_lists + 1))
    centroids = np.ascontiguousarray(kmeans.centroids, np.float32)
    return Lists(centroids, order.astype(np.uint32), starts.astype(np.int64))


def is_large(files: BankFiles) -> bool:
    """Return whether a bank is searched by lists."""
    return files.manifest.rows * files.manifest.dim > MAX_FLAT_VALUES


def keep_lists(files: BankFiles) -> Lists | None:
    """Make and store the lists of a large bank, unless those there hold most of its pictures.

    Returns:
        The lists; None for a small bank, which is searched flat, or where faiss is missing.

    Raises:
        BankError: there is no room for the index.
    """
    if not is_large(files) or importlib.util.find_spec("faiss") is None:
        return None
    lists = read_lists(files)
    if lists is not None and len(lists.order) >= 0.8 * files.manifest.rows:
        return lists
    lists = train_lists(files.features)
    content = {"centroids": lists.centroids, "order": lists.order, "starts": lists.starts}
    try:
        replace_file(files.folder / INDEX, safetensors.numpy.save(content))
    except OSError as error:
        raise BankError(
            f"bank '{files.folder.name}': {INDEX} cannot be written ({error.strerror}); the bank "
            "itself is sound, and searched more slowly without it; make room and build it again"
        ) from error
    return lists


def read_lists(files: BankFiles) -> Lists | None:
    """Return the lists stored beside a bank; None where there are none, or only newer ones.

    Raises:
        BankError: they are damaged, or not of this bank.
    """
    try:
        content = safetensors.numpy.load((files.folder / INDEX).read_bytes())
        lists = Lists(content["centroids"], content["order"], content["starts"])
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _fault(files, str(error)) from error
    num = len(lists.order)
    if num > files.manifest.rows:  # pictures were added since these files were opened
        return None
    is_sound = (
        lists.centroids.ndim == 2
        and lists.centroids.shape[1] == files.manifest.dim
        and lists.centroids.dtype == np.float32
        and lists.order.dtype == np.uint32
        and lists.starts.shape == (len(lists.centroids) + 1,)
        and lists.starts[0] == 0
        and lists.starts[-1] == num
        and (np.diff(lists.starts) >= 0).all()
        and np.array_equal(np.bincount(lists.order, minlength=num), np.ones(num, np.int64))
    )
    if not is_sound:
        raise _fault(files, "it does not fit the pictures")
    return lists


def _pieces(features: Array) -> Iterator[tuple[int, Array]]:
    rows_at_once = max(1, _PIECE_BYTES // (4 * features.shape[1]))
    for begin in range(0, len(features), rows_at_once):
        yield (
            begin,
            np.ascontiguousarray(features[begin : begin + rows_at_once], np.float32),
        )


def _fault(files: BankFiles, what: str) -> BankError:
    return BankError(
        f"bank '{files.folder.name}': {INDEX}: {what}; delete this file, the bank is sound without"
    )
