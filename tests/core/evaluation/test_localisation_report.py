"""DiffCAM's table of localisation on films: what it holds, and where its numbers come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explain_core.datasets.dataset import Dataset
from explain_core.evaluation.localisation_report import localisation_report
from explain_core.evaluation.plan import CONTROLS, Plan
from explain_core.evaluation.presets import PRESETS, preset_plan, run_preset
from explain_core.evaluation.results import Results
from explain_core.evaluation.rows import Row
from explain_core.evaluation.sources import SOURCES, open_dataset
from explain_core.evaluation.truth_report import Part
from explain_core.methods.table import METHODS
from explain_core.models.loading import load_model
from explain_core.models.model import Model

PRESET = PRESETS["films-localisation"]
METHODS_OF_THE_PAPER = {
    *("diffcam", "grad-cam", "score-cam", "layer-cam", "xgrad-cam"),
    *("integrated-gradients", "guided-backprop"),
}


@pytest.fixture(scope="module")
def part() -> Part:
    dataset = open_dataset("films-one-finding/12/0")
    plan = preset_plan(PRESET, load_model("films", device="cpu"), dataset)
    rows = tuple(
        Row(
            index=index,
            id=str(index),
            label=plan.classes[index % 4],
            scores=tuple(((place + index) / 100,) for place in range(len(plan.methods))),
        )
        for index in range(12)
    )
    return Part("films-one-finding", SOURCES["films-one-finding"], Results(plan, rows), ())


def test_plan_is_that_of_the_papers_table(part: Part) -> None:
    plan = part.results.plan
    names = {each.name for each in plan.methods}
    assert names == METHODS_OF_THE_PAPER | set(CONTROLS)
    assert [each.name for each in plan.metrics] == ["auprc"]
    assert plan.reference_set == "phantom-films/healthy"
    assert PRESET.num >= 100


def test_a_line_holds_the_means_of_all_and_of_each_finding(part: Part) -> None:
    text = localisation_report([part])
    lines = {line.split(" | ")[0].strip("| *"): line for line in text.splitlines() if "| " in line}
    assert "opacity (3)" in lines["method"]
    plan = part.results.plan
    place = [each.name for each in plan.methods].index("score-cam")
    cells = [cell.strip() for cell in lines[METHODS["score-cam"].title].strip("|").split("|")]
    expected = [(place + np.arange(12)).mean() / 100] + [
        (place + np.arange(first, 12, 4)).mean() / 100 for first in range(4)
    ]
    assert [float(cell.split()[0]) for cell in cells[1:6]] == pytest.approx(expected, abs=6e-4)
    diffcam = [each.name for each in plan.methods].index("diffcam")
    assert float(cells[6].split()[0]) == pytest.approx((place - diffcam) / 100)


def test_it_is_written_without_asking_for_sanity(part: Part, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def run(plan: Plan, model: Model, dataset: Dataset, out: Path, source: str) -> Results:
        asked.append((out.name, source))
        return part.results

    report = tmp_path / "table.md"
    run_preset(PRESET, tmp_path / "out", report, run_plan=run)
    assert asked == [("films-one-finding", "films-one-finding/120/0"), ("films", "films/120/0")]
    text = report.read_text(encoding="utf-8")
    assert text.count("AUPRC, the mean over films") == 2
    assert not (tmp_path / "out").exists()
