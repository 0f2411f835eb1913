"""Finished evaluations as files that other programs read: CSV, Parquet, Markdown."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from explain_core.errors import InputError
from explain_core.evaluation.results import Results
from explain_core.evaluation.tables import csv_table, markdown_table, summarise
from explain_core.methods.table import METHODS
from explain_core.references.bank_files import replace_file

SCORES_CSV = "scores.csv"
SCORES_PARQUET = "scores.parquet"
SUMMARY_CSV = "summary.csv"
SUMMARY_MARKDOWN = "summary.md"

_COLUMNS = (
    *("index", "id", "label", "group", "target", "references", "predicted", "probability"),
    *("failure", "method", "is_control"),
)


def write_exports(results: Results, folder: Path) -> None:
    """Write scores and summary; Parquet too where pyarrow is installed.

    Raises:
        InputError: the disk is full or fails.
    """
    summary = summarise(results)
    try:
        replace_file(folder / SCORES_CSV, scores_csv(results).encode())
        if importlib.util.find_spec("pyarrow") is not None:
            replace_file(folder / SCORES_PARQUET, scores_parquet(results))
        replace_file(folder / SUMMARY_CSV, csv_table(summary).encode())
        replace_file(folder / SUMMARY_MARKDOWN, markdown_table(summary).encode())
    except OSError as error:
        raise InputError(
            f"the tables of '{folder.name}' cannot be written ({error.strerror or error}); the "
            "scores are kept: make room and give the same command again"
        ) from error


def scores_csv(results: Results) -> str:
    """Return a line per picture and method, a column per metric; empty where not defined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *(each.label for each in results.plan.metrics), "reasons"])
    writer.writerows(["" if cell is None else cell for cell in line] for line in _lines(results))
    return text.getvalue()


def scores_parquet(results: Results) -> bytes:
    """Return the same table in the Parquet format.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet files need pyarrow, which is not installed; install it with "
            "pip install pyarrow, or take the CSV"
        ) from error
    metrics = [each.label for each in results.plan.metrics]
    types = {"index": pyarrow.int64(), "probability": pyarrow.float64()}
    types |= {"is_control": pyarrow.bool_()} | dict.fromkeys(metrics, pyarrow.float64())
    names = [*_COLUMNS, *metrics, "reasons"]
    schema = pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in names])
    lines = list(_lines(results))
    columns = [
        pyarrow.array([line[place] for line in lines], schema.field(place).type)
        for place in range(len(names))
    ]
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), content)
    return content.getvalue()


def _lines(results: Results) -> Iterator[list[Any]]:
    plan = results.plan
    for row in results.rows:
        shared = [row.index, row.id, row.label, row.group, row.target, ", ".join(row.references)]
        shared += [row.predicted, row.probability, row.failure]
        if row.failure:
            yield [*shared, None, None, *[None] * len(plan.metrics), None]
            continue
        for i, method in enumerate(plan.methods):
            told = [f"{plan.metrics[b].label}: {why}" for a, b, why in row.reasons if a == i]
            is_control = METHODS[method.name].is_control
            yield [*shared, method.label, is_control, *row.scores[i], "; ".join(told)]
