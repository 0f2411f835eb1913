"""Making a bank of a folder of pictures: read, pooled, written down, and taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from explain_core.errors import BankError
from explain_core.models.model import Model
from explain_core.references.bank_writer import BankWriter, Row, open_writer
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.references.listing import Entry, list_folder, list_table
from explain_core.types import Pooling

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class BuildProgress:
    """Tell how far a build is.

    Attributes:
        done: pictures that were looked at, those of earlier runs included.
        total: pictures that there are.
        num_skipped: of those looked at in this run, how many were left out.
        rate: pictures per second since the first batch of this run; 0 with the first.
        seconds_left: None where the rate is not known.
    """

    done: int
    total: int
    num_skipped: int
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class Built:
    """Tell what a build did.

    Attributes:
        num_added: pictures added in this run.
        num_known: pictures that earlier runs had looked at.
        num_skipped: pictures left out in this run; the bank lists them with the reasons.
        num_ignored: files that are no pictures by their name.
    """

    num_added: int
    num_known: int
    num_skipped: int
    num_ignored: int


class BuildStoppedError(KeyboardInterrupt):
    """Report a build that was interrupted; the text says what is kept and how to go on."""


Report = Callable[[BuildProgress], object]
Batches = Generator[Embedded, None, None]
Start = Callable[[Model, Path, Sequence[Entry], str, Pooling], Batches]


def build_bank(
    model: Model,
    images: Path,
    out: Path,
    *,
    csv: Path | None = None,
    layer: str | None = None,
    pooling: Pooling | None = None,
    engine: Engine = "local",
    has_thumbnails: bool = True,
    progress: Report | None = None,
) -> Built:
    """Make a bank of pictures, or go on with one where it stopped.

    Args:
        model: "ray" loads it again by its name in every worker.
        images: a folder per class, see `list_folder`; the paths of `csv` start here.
        out: the bank's folder; what it holds already is not read again.
        csv: a table of paths and labels instead of folders, see `list_table`.
        layer: None takes the model's default.
        pooling: None takes the layer's own.
        engine: "local" reads in threads here, "ray" in the workers of a Ray cluster.
        has_thumbnails: whether small pictures are kept beside the features.
        progress: called after every batch; may raise to stop, which keeps what was done.

    Raises:
        InputError: no pictures, a table that does not fit, or Ray that is not installed.
        BankError: `out` holds a bank of another model, layer or pooling, or cannot be written.
        BuildStoppedError: Ctrl-C; what was done is kept.
    """
    listing = list_table(images, csv) if csv is not None else list_folder(images, without=out)
    tapped = model.layer_named(layer)
    pooling = pooling or tapped.pooling
    tapped.require_pooling(pooling)
    start = _engine(engine)
    total = len(listing.entries)
    with open_writer(out, model, layer=tapped.name, pooling=pooling, images=images) as writer:
        waiting = [entry for entry in listing.entries if entry[0] not in writer.known]
        num_known = total - len(waiting)
        rows_before, skipped_before = writer.rows, writer.num_skipped
        elsewhere = len(writer.known) - num_known  # known, but not listed now
        clock = _Clock(len(waiting))
        try:
            with closing(start(model, images, waiting, tapped.name, pooling)) as batches:
                for batch in batches:
                    _append(writer, batch, has_thumbnails)
                    done = len(writer.known) - elsewhere
                    rate, seconds_left = clock.read(done - num_known)
                    skipped = writer.num_skipped - skipped_before
                    if progress is not None:
                        progress(BuildProgress(done, total, skipped, rate, seconds_left))
        except KeyboardInterrupt as error:
            done = len(writer.known) - elsewhere
            raise BuildStoppedError(
                f"stopped: {done:,} of {total:,} pictures are kept in '{out}'; give the same "
                "command again to go on"
            ) from error
        num_lost = total - (len(writer.known) - elsewhere)
    if num_lost:
        raise BankError(
            f"{num_lost:,} pictures never came back from the workers; the others are kept in "
            f"'{out}': give the same command again to go on"
        )
    return Built(
        num_added=writer.rows - rows_before,
        num_known=num_known,
        num_skipped=writer.num_skipped - skipped_before,
        num_ignored=listing.num_ignored,
    )


def _engine(name: Engine) -> Start:
    if name == "ray":
        from explain_core.references.ray_engine import embed_by_ray, require_ray

        require_ray()
        return embed_by_ray
    return _embed_here


def _embed_here(
    model: Model, images: Path, entries: Sequence[Entry], layer: str, pooling: Pooling
) -> Batches:
    items = (Item(path, class_name, images / path) for path, class_name in entries)
    return embed(model, items, layer=layer, pooling=pooling)


def _append(writer: BankWriter, batch: Embedded, has_thumbnails: bool) -> None:
    thumbnails = batch.thumbnails if has_thumbnails else (None,) * len(batch.items)
    rows = [
        Row(item.path, item.class_name, int(id), small)
        for item, id, small in zip(batch.items, batch.ids, thumbnails, strict=True)
    ]
    writer.append(rows, batch.features)
    for path, reason in batch.refused:
        writer.skip(path, reason)


class _Clock:
    """Tell the rate, beginning with the first batch: what starts before it is no measure."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._first: tuple[int, float] | None = None

    def read(self, done: int) -> tuple[float, float | None]:
        """Return pictures per second and the seconds left; 0 and None where they are not known."""
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now)
        rate = (done - self._first[0]) / max(now - self._first[1], 1e-6)
        if done == self._total:
            return rate, 0.0
        return rate, (self._total - done) / rate if rate else None
