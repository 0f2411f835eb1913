"""What Ray's workers do for an evaluation; `commands/test_ray.py` runs them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.errors import InputError
from explain_core.evaluation import ray_engine
from explain_core.evaluation.plan import Plan, make_plan
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import row_of
from explain_core.evaluation.runner import evaluate
from explain_core.evaluation.sources import open_dataset
from tests.core.evaluation.making import tiny_dataset, tiny_model
from tests.oracles.folders import NO_PICTURE, encoded, fill


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {f"{index % 3}/{index}.png": encoded((28, 28), seed=index) for index in range(17)}
    return fill(tmp_path_factory.mktemp("images"), files | {"1/bad.png": NO_PICTURE})


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return xc.load_model("digits", device="cpu")


@pytest.fixture(scope="module")
def plan(model: xc.Model, images: Path) -> Plan:
    return make_plan(model, open_dataset(f"images:{images}"), ["grad-cam", "random"], ["rcap"])


@pytest.fixture(scope="module")
def local(
    plan: Plan, model: xc.Model, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Results:
    return evaluate(plan, model, open_dataset(f"images:{images}"), tmp_path_factory.mktemp("here"))


def test_what_a_worker_sends_back_is_what_was_scored(
    plan: Plan, local: Results, images: Path
) -> None:
    worker = ray_engine._Worker(
        plan=plan.to_json(), source=f"images:{images}", catalogue="no such file"
    )
    sent = [row_of(part["line"][0], plan.digest) for part in worker({"index": np.array([4, 0])})]
    assert sent == [local.rows[4], local.rows[0]]


def test_a_worker_with_other_weights_is_refused(plan: Plan, images: Path) -> None:
    other = plan.to_json().replace(plan.fingerprint, "0" * 64)
    worker = ray_engine._Worker(plan=other, source=f"images:{images}", catalogue="no such file")
    with pytest.raises(InputError, match="a worker loads other weights under the name 'digits'"):
        next(worker({"index": np.array([0])}))


def test_a_worker_with_other_pictures_is_refused(plan: Plan, tmp_path: Path) -> None:
    fill(tmp_path, {"0/other.png": encoded((28, 28))})
    worker = ray_engine._Worker(
        plan=plan.to_json(), source=f"images:{tmp_path}", catalogue="no such file"
    )
    with pytest.raises(InputError, match="a worker finds other pictures of"):
        next(worker({"index": np.array([0])}))


def test_a_workers_error_is_told_without_rays_advice() -> None:
    error = RuntimeError("ray::MapWorker ...")
    error.__cause__ = InputError("other weights; give the same\nTo change retry attempts, ...")
    assert str(ray_engine._ours(error)) == "other weights; give the same"
    told = str(ray_engine._ours(RuntimeError("a long story\nthe node was lost")))
    assert told.startswith("Ray gave up (RuntimeError: the node was lost); what came back is kept")


def test_what_workers_cannot_open_is_refused(plan: Plan, model: xc.Model, tmp_path: Path) -> None:
    nameless, data = tiny_model(), tiny_dataset()
    own = make_plan(nameless, data, ["grad-cam"], ["rcap"])
    with pytest.raises(InputError, match="workers load the model by name, and 'module' is none"):
        evaluate(own, nameless, data, tmp_path, engine="ray", source="birds")
    with pytest.raises(InputError, match="workers open the data set by a text"):
        ray_engine.start_ray(plan, model, None)


def test_without_ray_the_command_that_installs_it_is_told(
    plan: Plan, model: xc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'ray\[data\]'"):
        ray_engine.start_ray(plan, model, "birds")
