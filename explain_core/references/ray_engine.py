"""Reading and pooling by the workers of a Ray cluster, for banks that outgrow one machine.

Every worker loads the model once, by its name, and reads the pictures where they lie: the folder
must be there, under the same path, on every machine, and this package installed. What comes back
is what `embed` gives, in any order; writing it down stays with the one process that asked.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.errors import BankError, ExplainError, InputError
from explain_core.models.catalogue import CATALOGUE_VARIABLE
from explain_core.models.loading import available_models, load_model
from explain_core.models.model import Model
from explain_core.references.embedding import Embedded, Item, embed
from explain_core.references.listing import Entry
from explain_core.types import Array, Pooling, read_only

_PICTURES_PER_TASK = 64
_MAX_LOCAL_WORKERS = 4
_OBJECT_STORE_BYTES = 256 * 2**20
# Set before Ray is loaded: no calls home, no lines in between ours.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
# Ray's own switch for "this machine only": all of it then listens on 127.0.0.1.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def require_ray() -> None:
    """Raise `InputError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            "the engine 'ray' needs Ray Data, which is not installed; install it with "
            "pip install 'ray[data]', or use the engine 'local'"
        )


def embed_by_ray(
    model: Model,
    images: Path,
    entries: Sequence[Entry],
    layer: str,
    pooling: Pooling,
) -> Generator[Embedded, None, None]:
    """Read and pool pictures in workers: one per GPU of the cluster, else one per core.

    A running cluster is used where `RAY_ADDRESS` names it or the process is connected to it; else
    one is started on this machine, on its loopback address, and ended with the generator. Lost
    workers are replaced, and what they had begun is done again, so pictures may come twice.

    Args:
        model: one that `load_model` knows by name.
        images: the folder at which paths start.
        entries: (path, class name or None).

    Raises:
        InputError: a model that has no name to load it by.
        BankError: the workers find other weights under that name, or Ray gave up.
    """
    if model.name not in available_models():
        raise InputError(
            f"Ray's workers load the model by name, and '{model.name}' is none; list it in "
            "models.toml, or use the engine 'local'"
        )
    if not entries:
        return
    with connected() as ray:
        yield from _embed(ray, model, images, entries, layer, pooling)


def _embed(
    ray: Any,
    model: Model,
    images: Path,
    entries: Sequence[Entry],
    layer: str,
    pooling: Pooling,
) -> Iterator[Embedded]:
    classes = dict(entries)
    num_gpus, num_cpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
    num_workers = max(1, num_gpus or num_cpus - 1)  # a core is left to Ray's own small tasks
    cpus_each = max(1, (num_cpus - 1) // num_workers)
    num_tasks = max(1, len(entries) // _PICTURES_PER_TASK)
    rows = ray.data.from_items(
        [{"path": path} for path, _ in entries], override_num_blocks=num_tasks
    ).map_batches(
        _Worker,
        fn_constructor_kwargs={
            "name": model.name,
            "fingerprint": model.fingerprint,
            "images": str(images.resolve()),
            "layer": layer,
            "pooling": pooling,
            "readers": max(2, cpus_each),
            "catalogue": str(Path(os.environ.get(CATALOGUE_VARIABLE) or "models.toml").resolve()),
        },
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=min(num_workers, num_tasks)),
        num_cpus=cpus_each,
        num_gpus=1 if num_gpus else 0,
    )
    try:
        for columns in rows.iter_batches(batch_size=None, batch_format="numpy"):
            yield _embedded(columns, classes)
    except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
        raise _ours(error) from error


class _Worker:
    """Hold the model in a worker, and read and pool the pictures of a task."""

    def __init__(
        self,
        *,
        name: str,
        fingerprint: str,
        images: str,
        layer: str,
        pooling: Pooling,
        readers: int,
        catalogue: str,
    ) -> None:
        if Path(catalogue).is_file():
            os.environ[CATALOGUE_VARIABLE] = catalogue
        self._images = Path(images)
        self._layer = layer
        self._pooling = pooling
        self._readers = readers
        self._model = load_model(name, layer=layer)
        self._is_same = self._model.fingerprint == fingerprint

    def __call__(self, columns: dict[str, Array]) -> Iterator[dict[str, Array]]:
        if not self._is_same:
            raise BankError(
                f"a worker loads other weights under the name '{self._model.name}' than were "
                "loaded here; give every machine the same weights"
            )
        items = (Item(str(path), None, self._images / str(path)) for path in columns["path"])
        batches = embed(
            self._model, items, layer=self._layer, pooling=self._pooling, readers=self._readers
        )
        for batch in batches:
            yield _columns(batch)


def _columns(batch: Embedded) -> dict[str, Array]:
    """Return a batch as columns of one length: what was read, then what was refused."""
    count, dim = batch.features.shape
    num_refused = len(batch.refused)
    features = np.zeros((count + num_refused, dim), np.float32)
    features[:count] = batch.features
    return {
        "path": np.array(
            [item.path for item in batch.items] + [path for path, _ in batch.refused], object
        ),
        "id": np.concatenate([batch.ids, np.zeros(num_refused, np.uint64)]),
        "features": features,
        "thumbnail": np.array([*batch.thumbnails, *[b""] * num_refused], object),
        "reason": np.array([""] * count + [reason for _, reason in batch.refused], object),
    }


def _embedded(columns: dict[str, Array], classes: dict[str, str | None]) -> Embedded:
    paths = [str(path) for path in columns["path"]]
    reasons = [str(reason) for reason in columns["reason"]]
    read = [i for i, reason in enumerate(reasons) if not reason]
    return Embedded(
        features=read_only(np.asarray(columns["features"], np.float32)[read]),
        items=tuple(Item(paths[i], classes[paths[i]], b"") for i in read),
        ids=read_only(columns["id"].astype(np.uint64)[read]),
        thumbnails=tuple(bytes(columns["thumbnail"][i]) for i in read),
        refused=tuple(
            (path, reason) for path, reason in zip(paths, reasons, strict=True) if reason
        ),
    )


@contextmanager
def connected() -> Iterator[Any]:
    """Give Ray, connected to a cluster; end what was started here."""
    is_local = not os.environ.get("RAY_ADDRESS")
    for name, value in (_QUIET | (_LOOPBACK if is_local else {})).items():
        os.environ.setdefault(name, value)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    import ray
    import ray.data

    if ray.is_initialized():
        yield ray
        return
    # Workers find this package where it lies, installed or not.
    package = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}
    if is_local:
        ray.init(
            num_cpus=min(_MAX_LOCAL_WORKERS, os.cpu_count() or 1) + 1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
            runtime_env=package,
        )
    else:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    if on_sigterm is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own in the place
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what failed is raised
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield ray
    finally:
        ray.shutdown()


def _ours(error: BaseException) -> BankError:
    """Return the error of ours that a worker raised, or one that tells of Ray's own."""
    cause: BaseException | None = error
    while cause is not None:
        for each in (getattr(cause, "cause", None), cause):
            if isinstance(each, ExplainError):
                return BankError(str(each).partition("\n")[0])  # Ray adds advice of its own
        cause = cause.__cause__
    last_line = str(error).strip().rpartition("\n")[2]
    return BankError(
        f"Ray gave up ({type(error).__name__}: {last_line}); what came back is kept: give the same "
        "command again to go on"
    )
