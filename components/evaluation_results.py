"""What an evaluation found: table, plots, downloads, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec

import streamlit as st

from components import caching, state
from components.evaluation_marks import is_all_but_zero
from components.evaluation_setup import Setup
from components.evaluation_table import show_differences, show_means
from components.evaluation_words import method_text, metric_text
from components.metric_charts import show_bars, show_curves
from components.wording import counted
from explain_core.evaluation.exports import scores_csv, scores_parquet
from explain_core.evaluation.results import Results
from explain_core.evaluation.tables import MIN_COMPARED, Summary, csv_table, markdown_table

_LEGEND = (
    "Mean over {pictures} [95 % bootstrap interval]; in italics, the controls. **Best**: ahead of "
    "every other on the same pictures. **Grey**: it does not beat every control there, in words "
    "below the number; one that is not grey does. Arrows: ↑ more is better, ↓ less is better."
)
_TOO_FEW = "Too few pictures to compare ({count}): marks appear from {least} on."
_NO_RCAP = (
    "RCAP is all but zero for every map here: the network recognises nothing in the masked "
    "pictures, so it tells nothing."
)
_DIFFERENCES = (
    "On the same pictures, method by method less {baseline} [95 % bootstrap interval]. *Not told "
    "apart*: the interval holds zero."
)


def show_results(setup: Setup, results: Results, *, is_under_way: bool) -> None:
    """Show the table, the plots and the downloads of the pictures that are scored."""
    if not results.scored:
        st.info(
            f"None of the {counted(len(results.rows), 'picture')} so far has scores; the list "
            "below says why.",
            icon=":material/info:",
        )
        return
    summary = caching.summary_of(results, None)
    table, plots = st.tabs(["Table", "Plots"])
    count = len(results.scored)
    is_compared = count >= MIN_COMPARED
    too_few = _TOO_FEW.format(count=count, least=MIN_COMPARED)
    with table:
        show_means(summary, caching.best_of(results))
        st.caption(_LEGEND.format(pictures=counted(count, "picture")) if is_compared else too_few)
        if is_all_but_zero(results, "rcap"):
            st.caption(_NO_RCAP)
        baseline = _baseline(results)
        if baseline is not None:
            summary = caching.summary_of(results, baseline)
            show_differences(summary)
            name = method_text(results.plan.methods[baseline])
            st.caption(_DIFFERENCES.format(baseline=name) if is_compared else too_few)
    with plots:
        if setup.sweep is None:
            show_bars(summary)
            st.caption(
                "Bars: means; whiskers: 95 % bootstrap intervals. Grey: controls, and a dotted "
                "line at the best of them. "
                + ("Faint: does not beat them all." if is_compared else too_few)
            )
        else:
            show_curves(summary, setup.sweep)
            st.caption("Lines: means; bands: 95 % bootstrap intervals. Dotted: the best control.")
    _downloads(setup, results, summary, is_under_way)


def _baseline(results: Results) -> int | None:
    methods = results.plan.methods
    baseline: int | None = st.selectbox(
        "Differences to a method",
        range(len(methods)),
        index=None,
        format_func=lambda place: method_text(methods[place]),
        key=f"{state.EVALUATION_BASELINE}-{results.plan.digest[:16]}",
        persist_state="session",
        placeholder="Choose a method",
        help="Compares each method with this one on the same pictures.",
        width=360,
    )
    return baseline


def _downloads(setup: Setup, results: Results, summary: Summary, is_under_way: bool) -> None:
    """Offer the files; not under way, for a press would ask for what the next look replaces."""
    name = f"whynot-{setup.material.offered.name}-{results.plan.digest[:8]}"
    files: dict[str, tuple[Callable[[], str | bytes], str, str]] = {
        "Scores, CSV": (lambda: scores_csv(results), ".csv", "text/csv"),
        "Scores, Parquet": (
            lambda: scores_parquet(results),
            ".parquet",
            "application/vnd.apache.parquet",
        ),
        "Table, Markdown": (lambda: markdown_table(summary), ".md", "text/markdown"),
        "Table, CSV": (lambda: csv_table(summary), "-table.csv", "text/csv"),
    }
    if find_spec("pyarrow") is None:
        del files["Scores, Parquet"]
    with st.container(horizontal=True):
        for label, (make, ending, mime) in files.items():
            st.download_button(
                label,
                make,
                file_name=f"{name}{ending}",
                mime=mime,
                on_click="ignore",
                disabled=is_under_way,
                icon=":material/download:",
                help="A line for each picture and method." if label == "Scores, CSV" else None,
            )
    if is_under_way:
        st.caption("The files can be taken once it has ended or is cancelled.")


def show_missing(results: Results) -> None:
    """List the pictures without scores and the numbers that are not defined, with the reasons."""
    if results.failed:
        with st.expander(f"{counted(len(results.failed), 'picture')} without scores"):
            st.dataframe(
                {
                    "Picture": [row.id for row in results.failed],
                    "Class": [row.label for row in results.failed],
                    "Why": [row.failure for row in results.failed],
                },
                hide_index=True,
            )
    undefined = Counter(reason for row in results.scored for reason in row.reasons)
    if undefined:
        plan = results.plan
        with st.expander(f"{counted(undefined.total(), 'number')} not defined"):
            st.dataframe(
                {
                    "Method": [method_text(plan.methods[method]) for method, _, _ in undefined],
                    "Metric": [metric_text(plan.metrics[metric]) for _, metric, _ in undefined],
                    "Why": [why for _, _, why in undefined],
                    "Pictures": list(undefined.values()),
                },
                hide_index=True,
            )
            st.caption("Left out of the means, and of the differences.")
