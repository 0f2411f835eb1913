"""Scoring by the workers of a Ray cluster, for evaluations that outgrow one machine.

Every worker loads the model by its name and opens the data set by the text that names it: the
folder must be there, under the same path, on every machine, and this package installed. Rows come
back in any order; writing them down stays with the one process that asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.errors import ExplainError, InputError
from explain_core.evaluation.pictures import Shared, score_picture
from explain_core.evaluation.plan import Plan, ids_digest, plan_from_json, weights_of
from explain_core.evaluation.rows import Row, line_of, row_of
from explain_core.evaluation.sources import open_dataset
from explain_core.models.catalogue import CATALOGUE_VARIABLE
from explain_core.models.loading import available_models, load_model
from explain_core.models.model import Model
from explain_core.references.ray_engine import connected, require_ray
from explain_core.types import Array

_PICTURES_PER_TASK = 8

Rows = Generator[Row, None, None]


def start_ray(
    plan: Plan, model: Model, source: str | None
) -> Callable[[Sequence[int], Callable[[float], None]], Rows]:
    """Return what scores pictures in workers: one per GPU of the cluster, else one per core.

    A running cluster is used where `RAY_ADDRESS` names it or the process is connected to it; else
    one is started on this machine and ended with the generator. Lost workers are replaced, and
    what they had begun is done again, so rows may come twice.

    Raises:
        InputError: Ray is not installed, a model that has no name to load it by, or no text to
            open the data set by; later, workers that find other weights, or Ray that gave up.
    """
    require_ray()
    if model.name not in available_models():
        raise InputError(
            f"Ray's workers load the model by name, and '{model.name}' is none; list it in "
            "models.toml, or use the engine 'local'"
        )
    if source is None:
        raise InputError(
            "Ray's workers open the data set by a text such as 'strokes' or 'cub:FOLDER'; give "
            "it as source, or use the engine 'local'"
        )

    def rows(waiting: Sequence[int], tell: Callable[[float], None]) -> Rows:
        if not waiting:
            return
        with connected() as ray:
            yield from _scored(ray, plan, source, waiting)

    return rows


def _scored(ray: Any, plan: Plan, source: str, waiting: Sequence[int]) -> Iterator[Row]:
    num_gpus, num_cpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
    num_workers = max(1, num_gpus or num_cpus - 1)  # a core is left to Ray's own small tasks
    num_tasks = max(min(num_workers, len(waiting)), len(waiting) // _PICTURES_PER_TASK)
    lines = ray.data.from_items(
        [{"index": index} for index in waiting], override_num_blocks=num_tasks
    ).map_batches(
        _Worker,
        fn_constructor_kwargs={
            "plan": plan.to_json(),
            "source": source,
            "catalogue": str(Path(os.environ.get(CATALOGUE_VARIABLE) or "models.toml").resolve()),
        },
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=min(num_workers, num_tasks)),
        num_cpus=max(1, (num_cpus - 1) // num_workers),
        num_gpus=1 if num_gpus else 0,
    )
    try:
        for columns in lines.iter_batches(batch_size=None, batch_format="numpy"):
            for line in columns["line"]:
                row = row_of(bytes(line), plan.digest)
                assert row is not None
                yield row
    except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
        raise _ours(error) from error


class _Worker:
    """Hold the model and the data set in a worker, and score the pictures of a task."""

    def __init__(self, *, plan: str, source: str, catalogue: str) -> None:
        if Path(catalogue).is_file():
            os.environ[CATALOGUE_VARIABLE] = catalogue
        self._plan = plan_from_json(plan)
        self._model = load_model(self._plan.model, layer=self._plan.layer)
        self._dataset = open_dataset(source)
        self._shared = Shared(self._plan)

    def __call__(self, columns: dict[str, Array]) -> Iterator[dict[str, Array]]:
        if weights_of(self._model) != self._plan.fingerprint:
            raise InputError(
                f"a worker loads other weights under the name '{self._plan.model}' than were "
                "loaded here; give every machine the same weights"
            )
        if ids_digest(self._dataset) != self._plan.ids:
            raise InputError(
                f"a worker finds other pictures of '{self._plan.dataset}' than were found here; "
                "give every machine the same folder, and name the set with its number and seed"
            )
        for index in columns["index"].tolist():
            row = score_picture(self._plan, self._model, self._dataset, index, shared=self._shared)
            yield {"line": np.array([line_of(row, self._plan.digest)], object)}


def _ours(error: BaseException) -> InputError:
    """Return the error of ours that a worker raised, or one that tells of Ray's own."""
    cause: BaseException | None = error
    while cause is not None:
        for each in (getattr(cause, "cause", None), cause):
            if isinstance(each, ExplainError):
                return InputError(str(each).partition("\n")[0])  # Ray adds advice of its own
        cause = cause.__cause__
    last_line = str(error).strip().rpartition("\n")[2]
    return InputError(
        f"Ray gave up ({type(error).__name__}: {last_line}); what came back is kept: give the same "
        "command again to go on"
    )
