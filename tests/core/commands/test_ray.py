"""Both commands that Ray's workers serve against the same done here, in one cluster.

Starting Ray and its workers takes longer than all that they do here, so it is done once.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.evaluation.plan import make_plan
from explain_core.evaluation.results import Results, read_results
from explain_core.evaluation.runner import evaluate
from explain_core.evaluation.sources import open_dataset
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.references.building import build_bank
from tests.oracles.folders import NO_PICTURE, class_folders, encoded, fill

REPO = Path(__file__).resolve().parents[3]
PATIENCE_S = 400
NUM_EACH = 60

# A bank, of whose two workers one is killed half way; then an evaluation by two workers.
COMMANDS = """
import os, signal, sys
from pathlib import Path
from explain_core.__main__ import main
from explain_core.commands import bank
from explain_core.references import ray_engine

ray_engine._PICTURES_PER_TASK = 4
os.cpu_count = lambda: 2
killed = []

def workers():
    parents, found = {}, []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
            if command.startswith(b"ray::MapWorker"):
                found.append(int(folder.name))
    for pid in found:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            yield pid

def build(*arguments, progress, **options):
    def watch(now):
        progress(now)
        if not killed and now.done < now.total:
            pids = sorted(workers())
            print("workers:", len(pids))
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    return real(*arguments, progress=watch, **options)

real, bank.build_bank = bank.build_bank, build
to_bank, bank_out, to_evaluate, out = sys.argv[1:]
engine = ["--engine", "ray", "--model", "digits"]
with ray_engine.connected():
    built = main(["bank", "build", *engine, "--images", to_bank, "--out", bank_out])
    print("killed:", len(killed))
    question = ["--methods", "grad-cam", "random", "--metrics", "rcap"]
    data = ["--data", f"images:{to_evaluate}"]
    evaluated = main(["evaluate", *engine, *data, *question, "--out", out])
sys.exit(built or evaluated)
"""


def run_with_ray(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with Ray in a process of its own; Ray leaves its token in `home`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def assert_same_bank(found: Bank, expected: Bank) -> None:
    """Assert that two banks hold the same pictures, once each, and the same statistics."""
    paths = list(found.files.paths())
    assert len(set(paths)) == len(paths)
    assert sorted(paths) == sorted(expected.files.paths())
    assert set(found.files.skipped()) == set(expected.files.skipped())
    assert check_bank(found.files.folder) == []
    for index in range(3):
        ours, theirs = found.statistics([index]), expected.statistics([index])
        assert ours.count == theirs.count == NUM_EACH
        scale = np.abs(theirs.scatter).max()
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(ours.scatter, theirs.scatter, atol=1e-5 * scale)


def assert_same_results(found: Results, expected: Results) -> None:
    assert found.is_complete
    assert found.plan == expected.plan
    assert [row.id for row in found.rows] == [row.id for row in expected.rows]
    assert [row.failure for row in found.rows] == [row.failure for row in expected.rows]
    assert sum(bool(row.failure) for row in found.rows) == 1
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'ray[data]'"
)
@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker's process in /proc")
def test_two_workers_give_the_same_bank_with_one_killed_half_way_and_the_same_scores(
    tmp_path: Path,
) -> None:
    to_bank = fill(class_folders(tmp_path / "to bank", 3, NUM_EACH), {"1/bad.png": NO_PICTURE})
    files = {f"{index % 3}/{index}.png": encoded((28, 28), seed=index) for index in range(17)}
    to_evaluate = fill(tmp_path / "to evaluate", files | {"1/bad.png": NO_PICTURE})
    bank, out = tmp_path / "bank", tmp_path / "out"
    folders = map(str, (to_bank, bank, to_evaluate, out))
    done = run_with_ray(["-c", COMMANDS, *folders], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "workers: 2" in done.stdout
    assert "killed: 1" in done.stdout
    assert "180 pictures added" in done.stdout

    model = xc.load_model("digits", device="cpu")
    build_bank(model, to_bank, tmp_path / "local bank")
    assert_same_bank(open_bank(bank), open_bank(tmp_path / "local bank"))
    dataset = open_dataset(f"images:{to_evaluate}")
    plan = make_plan(model, dataset, ["grad-cam", "random"], ["rcap"])
    assert_same_results(read_results(out), evaluate(plan, model, dataset, tmp_path / "local"))
