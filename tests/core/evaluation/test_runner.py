"""Whole evaluations: interrupted in every way, and the same files in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import explain_core as xc
from explain_core.datasets.dataset import Dataset
from explain_core.errors import InputError
from explain_core.evaluation import job as job_module
from explain_core.evaluation import runner
from explain_core.evaluation.job import EvaluationJob
from explain_core.evaluation.plan import Plan, make_plan
from explain_core.evaluation.results import read_results
from explain_core.evaluation.runner import EvaluationProgress, EvaluationStoppedError, evaluate
from tests.core.evaluation.making import (
    METRICS,
    dataset_of,
    example,
    tiny_dataset,
    tiny_model,
    unreadable,
)

REPO = Path(__file__).resolve().parents[3]
PATIENCE_S = 400
NUM_KILLS = 10
FILES = {
    *("plan.json", "rows.jsonl", "lock", "scores.csv", "scores.parquet"),
    *("summary.csv", "summary.md"),
}


@pytest.fixture(scope="module")
def model() -> xc.Model:
    return tiny_model()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    examples = [example(index) for index in range(6)]
    examples[2] = example(2, read=unreadable)
    return dataset_of(examples)


@pytest.fixture(scope="module")
def plan(model: xc.Model, dataset: Dataset) -> Plan:
    return make_plan(model, dataset, ["grad-cam", "smooth-grad"], METRICS)


@pytest.fixture(scope="module")
def whole(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole")
    evaluate(plan, model, dataset, out)
    return files_in(out)


def files_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


# ---- without a disturbance -------------------------------------------------------------------


def test_all_files_are_written(whole: dict[str, bytes]) -> None:
    assert set(whole) == FILES


def test_one_bad_picture_is_told_and_the_others_are_scored(
    plan: Plan, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for name in ("plan.json", "rows.jsonl"):
        (tmp_path / name).write_bytes(whole[name])
    found = read_results(tmp_path)
    assert found.is_complete
    assert [row.index for row in found.failed] == [2]
    assert found.values.shape == (5, 5, 2)
    assert "1 more have no scores" in whole["summary.md"].decode()


def test_a_finished_evaluation_is_not_done_again(
    plan: Plan,
    model: xc.Model,
    dataset: Dataset,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(runner, "score_picture", None)
    evaluate(plan, model, dataset, tmp_path)
    assert files_in(tmp_path) == whole


def test_progress_counts_pictures_and_tells_the_time_left(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path: Path
) -> None:
    told: list[EvaluationProgress] = []
    evaluate(plan, model, dataset, tmp_path, progress=told.append)
    rows = [now.row for now in told if now.row is not None]
    assert [row.index for row in rows] == [0, 1, 2, 3, 4, 5]
    assert told[0] == EvaluationProgress(0, 6, 0)
    assert (told[-1].done, told[-1].total, told[-1].num_failed) == (6, 6, 1)
    assert told[-1].seconds_left == 0
    assert any(0 < now.share < 1 for now in told)
    assert all(now.seconds_left is None for now in told if now.done == now.share == 0)


def test_the_time_left_is_told_by_the_last_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(monotonic=lambda: now.s, s=0.0)
    monkeypatch.setattr(runner, "time", now)
    clock = runner._Clock(20)
    now.s = 5
    assert clock.seconds_left(0) is None
    for done in range(1, 5):
        now.s = 10.0 * done
        assert clock.seconds_left(done) == 10 * (20 - done)
    now.s += 4
    assert clock.seconds_left(4) == 156
    now.s += 96  # a picture that hangs takes no more off than the others took
    assert clock.seconds_left(4) == 150
    for done in range(5, 14):
        now.s = 1000 + 2.0 * done
        left = clock.seconds_left(done)
    assert left == 2 * 7


# ---- stopped and gone on ---------------------------------------------------------------------


@pytest.mark.parametrize("moment", [0, 1, 3, 9, 20])
def test_stopped_by_the_callback_and_gone_on(
    moment: int,
    plan: Plan,
    model: xc.Model,
    dataset: Dataset,
    whole: dict[str, bytes],
    tmp_path: Path,
) -> None:
    left = moment

    def stop(now: EvaluationProgress) -> None:
        nonlocal left
        if not left:
            raise RuntimeError("enough")
        left -= 1

    with pytest.raises(RuntimeError, match="enough"):
        evaluate(plan, model, dataset, tmp_path, progress=stop)
    done = read_results(tmp_path).rows
    told: list[EvaluationProgress] = []
    evaluate(plan, model, dataset, tmp_path, progress=told.append)
    assert sum(now.row is not None for now in told) == 6 - len(done)
    assert told[0].done == len(done)
    assert files_in(tmp_path) == whole


def test_ctrl_c_says_what_is_kept(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path: Path
) -> None:
    def stop(now: EvaluationProgress) -> None:
        if now.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(EvaluationStoppedError, match="4 of 6 pictures are kept in"):
        evaluate(plan, model, dataset, tmp_path, progress=stop)


# Children of one process that has the model already are killed at a call of a function or of C
# that was drawn among all calls of an undisturbed run.
KILLING = """
import os, random, signal, sys
from pathlib import Path
from types import SimpleNamespace
import torch
from explain_core.evaluation.plan import make_plan
from explain_core.evaluation.runner import evaluate
from explain_core.models.loading import load_model
from tests.core.evaluation.making import drawn_digits

torch.set_num_threads(1)
model = load_model("digits", device="cpu")
dataset = drawn_digits(3)
plan = make_plan(model, dataset, ["grad-cam", "finer-grad-cam"], ["rcap", "relative-drop"])
evaluate(plan, model, dataset, sys.argv[1])  # so that children inherit all that is loaded

def run(out, moment):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    count = 0
    def profile(frame, event, argument):
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(profile)
    evaluate(plan, model, dataset, out)
    sys.setprofile(None)
    Path(sys.argv[3]).write_text(str(count))
    os._exit(0)

assert run(sys.argv[2] + "-counted", 0) == 0
num_moments = int(Path(sys.argv[3]).read_text())
rng = random.Random(int(sys.argv[4]))
num_kept = []
for number in range(int(sys.argv[5])):
    out = f"{sys.argv[2]}-{number}"
    status = run(out, rng.randrange(1, num_moments))
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    rows = Path(out, "rows.jsonl")
    num_kept.append(rows.read_bytes().count(b"\\n") if rows.exists() else 0)
    assert run(out, 0) == 0
print(num_kept)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills children that it forks")
def test_killed_at_ten_random_moments_and_gone_on_gives_the_same_files(tmp_path: Path) -> None:
    out = tmp_path / "killed"
    done = subprocess.run(
        [
            *(sys.executable, "-c", KILLING, str(tmp_path / "whole"), str(out)),
            *(str(tmp_path / "count"), "20251121", str(NUM_KILLS)),
        ],
        cwd=REPO,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    expected = files_in(tmp_path / "whole")
    assert set(expected) == FILES
    for number in range(NUM_KILLS):
        assert files_in(Path(f"{out}-{number}")) == expected, number
    assert len(set(done.stdout.strip("[]\n").split(", "))) > 2  # killed early, late and between


# ---- what does not fit -----------------------------------------------------------------------


def test_a_plan_of_another_model_or_data_set_is_refused(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="not for 'module' with these weights"):
        evaluate(plan, tiny_model(seed=1), dataset, tmp_path)
    with pytest.raises(InputError, match="6 pictures of 'made-up', not for 7"):
        evaluate(plan, model, tiny_dataset(7), tmp_path)


# ---- in a thread of its own ------------------------------------------------------------------


def test_a_plan_of_another_head_on_the_same_encoder_is_refused(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path: Path
) -> None:
    probed = replace(model, head="5" * 64)
    other = make_plan(probed, dataset, ["grad-cam", "smooth-grad"], METRICS)
    assert other.digest != plan.digest
    with pytest.raises(InputError, match="with these weights"):
        evaluate(plan, probed, dataset, tmp_path)


def test_a_job_finishes_with_the_same_files(
    plan: Plan, model: xc.Model, dataset: Dataset, whole: dict[str, bytes], tmp_path: Path
) -> None:
    job = EvaluationJob(plan, model, dataset, tmp_path)
    assert job.state == "ready"
    job.start()
    assert job.wait(PATIENCE_S)
    assert job.state == "finished"
    assert job.progress.done == 6
    assert job.results.is_complete
    assert files_in(tmp_path) == whole


def test_a_job_is_cancelled_looked_at_and_gone_on(
    plan: Plan,
    model: xc.Model,
    dataset: Dataset,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, third = runner.score_picture, threading.Event()
    may_go_on = threading.Event()

    def scored(plan, model, dataset, index, **options):
        if index == 3:
            third.set()
            assert may_go_on.wait(PATIENCE_S)
        return real(plan, model, dataset, index, **options)

    monkeypatch.setattr(runner, "score_picture", scored)
    job = EvaluationJob(plan, model, dataset, tmp_path)
    job.start()
    assert third.wait(PATIENCE_S)
    assert job.state == "running"
    assert [row.index for row in job.results.rows] == [0, 1, 2]
    job.cancel()
    may_go_on.set()
    assert job.wait(PATIENCE_S)
    assert job.state == "cancelled"
    assert len(job.results.rows) == 3

    again = EvaluationJob(plan, model, dataset, tmp_path)
    again.start()
    assert again.wait(PATIENCE_S)
    assert again.state == "finished"
    assert [row.index for row in again.results.rows] == [0, 1, 2, 3, 4, 5]
    assert files_in(tmp_path) == whole


def test_a_job_that_cannot_write_says_why(
    plan: Plan, model: xc.Model, dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("…")
    job = EvaluationJob(plan, model, dataset, tmp_path)
    job.start()
    assert job.wait(PATIENCE_S)
    assert job.state == "failed"
    assert "holds other files" in job.failure


def test_a_jobs_fault_of_ours_surfaces(
    plan: Plan,
    model: xc.Model,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*arguments, **options):
        raise TypeError("our own fault")

    monkeypatch.setattr(job_module, "evaluate", broken)
    job = EvaluationJob(plan, model, dataset, tmp_path)
    job.start()
    assert job.wait(PATIENCE_S)
    with pytest.raises(TypeError, match="our own fault"):
        _ = job.state


def test_a_job_in_a_folder_of_another_plan_fails_with_the_difference(
    plan: Plan, model: xc.Model, dataset: Dataset, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in whole.items():
        (tmp_path / name).write_bytes(content)
    job = EvaluationJob(replace(plan, seed=8), model, dataset, tmp_path)
    job.start()
    assert job.wait(PATIENCE_S)
    assert (job.state, job.results.rows) == ("failed", ())
    assert "its seed is 0, not 8" in job.failure
    assert files_in(tmp_path) == whole
