"""What a person does on the Evaluate page, in Streamlit's own simulation."""

from __future__ import annotations

import json
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from components import caching
from components.evaluation_queue import EvaluationQueue
from explain_core.evaluation.results import Results, read_results, results_of
from tests.ui import steps

WAIT_S = 20
PAGE = steps.APP.parent / "pages" / "evaluate.py"


class FakeJob:
    """Stand in for an evaluation that runs until it is told to end."""

    def __init__(self, folder: Path, plan: Any = None) -> None:
        self.folder, self.plan = folder, plan
        self.begun, self.ended = threading.Event(), threading.Event()
        self.state, self.failure, self.progress = "ready", "", None
        self.refusal: Exception | None = None

    def start(self) -> None:
        self.begun.set()
        if self.refusal is not None:
            raise self.refusal
        self.state = "running"

    def end(self, state: str) -> None:
        self.state = state
        self.ended.set()

    def cancel(self) -> None:
        self.end("cancelled")

    def wait(self, timeout_s: float | None = None) -> bool:
        return self.ended.wait(timeout_s)

    @property
    def results(self) -> Results:
        return results_of(self.plan, ())


class Cells(HTMLParser):
    """Read a table's rows, each the texts of its cells with their lines apart."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.is_inside = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.is_inside = True
        elif tag == "small":
            self.rows[-1][-1] += "|"

    def handle_endtag(self, tag: str) -> None:
        self.is_inside = self.is_inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.is_inside:
            self.rows[-1][-1] += data


def open_evaluate() -> AppTest:
    """Start a session on the Evaluate page, as if the navigation had chosen it."""
    at = AppTest.from_file(PAGE, default_timeout=steps.TIMEOUT_S)
    at.session_state["has-navigation"] = True
    return steps.run(at)


def choose(at: AppTest, *, pictures: int, methods: list[str], metrics: list[str]) -> AppTest:
    """Choose what is evaluated, on the bundled strokes."""
    at.number_input(key="evaluation-count-strokes").set_value(pictures)
    at.multiselect(key="evaluation-methods").set_value(methods)
    steps.keyed(at.multiselect, "evaluation-metrics").set_value(metrics)
    return steps.run(at)


def kept(folder: Path) -> Results:
    """Return the one evaluation that an operator's folder holds."""
    (found,) = folder.iterdir()
    return read_results(found)


def start(at: AppTest, label: str = "Start") -> AppTest:
    """Press the button, wait until the evaluation ended, and look again."""
    steps.press(at, label)
    wait_for_all(caching.evaluation_queue())
    return steps.run(at)


def wait_for_all(queue: EvaluationQueue) -> None:
    """Return when no evaluation of this server runs or waits."""
    worker = queue._worker
    if worker is not None:
        worker.join(WAIT_S)
        assert not worker.is_alive()


def table(at: AppTest, key: str = "evaluation-means") -> list[list[str]]:
    """Return the rows of a table of scores, heads included."""
    parts = [each.proto for each in at.get("bidi_component")]
    (found,) = [part for part in parts if part.id.endswith(key)]
    cells = Cells()
    cells.feed(json.loads(found.json))
    return cells.rows


def tables(at: AppTest) -> int:
    """Return how many tables of scores there are."""
    parts = [each.proto for each in at.get("bidi_component")]
    return len([part for part in parts if part.component_name.endswith("whynot_scores")])


def click_point(at: AppTest, index: int) -> AppTest:
    """Click the point of a picture; AppTest itself knows no charts."""
    (chart,) = [each.proto for each in at.get("plotly_chart") if each.proto.id.endswith("-points")]
    states = at._tree.get_widget_states()
    told = states.widgets.add()
    told.id = chart.id
    points = [{"customdata": index, "point_index": index}]
    selection = {"points": points, "point_indices": [index], "box": [], "lasso": []}
    told.string_value = json.dumps({"selection": selection})
    at._run(states)
    assert not at.exception, [error.message for error in at.exception]
    return at


def numbers(cell: str) -> list[float]:
    """Return the numbers of a cell: mean, low, high."""
    return [float(each.replace("−", "-")) for each in re.findall(r"[−+]?\d+\.\d+", cell)]
