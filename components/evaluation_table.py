"""The table of an evaluation: methods in rows, metrics in columns, a mean with its interval each.

It is an HTML table, which a screen reader reads and a person can copy, in a component of its own,
for only there both themes' colours are known. All texts in it are escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from components.evaluation_words import arrow, ends, is_control, method_text, metric_text, number
from explain_core.evaluation.intervals import Interval
from explain_core.evaluation.plan import Variant
from explain_core.evaluation.tables import MIN_COMPARED, Summary
from explain_core.metrics.table import METRICS

_CSS = """
.scores { overflow-x: auto; border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); font-family: var(--st-font); color: var(--st-text-color); }
.scores:focus-visible { outline: 2px solid var(--st-primary-color); }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.6rem; text-align: left; vertical-align: top;
  border-top: 1px solid var(--st-border-color); }
td small { white-space: normal; }
td small:first-of-type { white-space: nowrap; }
th { min-width: 5rem; font-weight: 500; }
thead th { border-top: none; font-weight: 600; vertical-align: bottom;
  background: var(--st-secondary-background-color); }
th:first-child { position: sticky; left: 0; min-width: 9rem; }
tbody th { background: var(--st-background-color); }
small { display: block; font-size: 0.78rem; font-weight: 400; opacity: 0.72; }
.is-best > b { color: var(--st-link-color); }
.is-best > b::after { content: " ●"; font-size: 0.7rem; }
.is-weak { color: color-mix(in srgb, var(--st-text-color) 55%, var(--st-background-color)); }
.is-weak small { opacity: 1; }
.is-control > * { font-style: italic; }
.is-first-control > * { border-top: 2px solid var(--st-border-color); }
"""
_JS = """
export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".scores");
  if (place.shown === data) return;
  place.shown = data;
  place.innerHTML = data;
  place.setAttribute("aria-label", place.querySelector("caption").textContent);
}
"""
_table = st.components.v2.component(
    "whynot_scores",
    html='<div class="scores" tabindex="0" role="region"></div>',
    css=_CSS,
    js=_JS,
)
_WORDS = {"worse": "beaten by a control", "not told apart": "like a control"}


def show_means(summary: Summary, best: Sequence[int | None]) -> None:
    """Show means with intervals; what does not beat the controls is grey and says so.

    Args:
        best: by metric, the method that is marked; None for none.
    """
    plan = summary.results.plan
    rows = []
    for i, method in enumerate(plan.methods):
        cells = []
        for j in range(len(plan.metrics)):
            said = summary.over_controls[i][j]
            words, name = _WORDS.get(said, ""), "is-weak" if said in _WORDS else ""
            if best[j] == i:
                words, name = " · ".join(filter(None, ["best", words])), f"is-best {name}".strip()
            cells.append(_cell(summary.means[i][j], words, name))
        rows.append(_row(summary, i, method, cells))
    _show(plan.metrics, rows, "Means", "evaluation-means")


def show_differences(summary: Summary) -> None:
    """Show the paired differences to the baseline, in words too."""
    plan, baseline = summary.results.plan, summary.baseline
    assert baseline is not None
    rows = []
    for i, method in enumerate(plan.methods):
        if i == baseline:
            continue
        cells = [
            _difference(difference, METRICS[metric.name].is_higher_better)
            for difference, metric in zip(summary.differences[i], plan.metrics, strict=True)
        ]
        rows.append(_row(summary, i, method, cells))
    label = f"Differences to {method_text(plan.methods[baseline])}"
    _show(plan.metrics, rows, label, "evaluation-differences")


def _difference(difference: Interval | None, is_higher_better: bool) -> str:
    assert difference is not None
    if difference.count < MIN_COMPARED:
        words = ""
    elif difference.is_above_zero:
        words = "▲ better" if is_higher_better else "▼ worse"
    elif difference.is_below_zero:
        words = "▼ worse" if is_higher_better else "▲ better"
    else:
        words = "" if np.isnan(difference.low) else "not told apart"
    name = "is-weak" if words == "not told apart" else ""
    return _cell(difference, words, name, is_signed=True)


def _cell(interval: Interval, words: str, name: str, *, is_signed: bool = False) -> str:
    parts = ends(interval, is_signed=is_signed), words
    below = "".join(f"<small>{escape(part)}</small>" for part in parts if part)
    mean = (
        f"<b>{number(interval.mean, is_signed=is_signed)}</b>"
        if "is-best" in name
        else (number(interval.mean, is_signed=is_signed))
    )
    return f'<td class="{name}">{mean}{below}</td>'


def _row(summary: Summary, place: int, method: Variant, cells: Sequence[str]) -> str:
    names = []
    if is_control(method):
        names.append("is-control")
        before = summary.results.plan.methods[place - 1 : place]
        if before and not is_control(before[0]):
            names.append("is-first-control")
    head = f'<th scope="row">{escape(method_text(method))}</th>'
    return f'<tr class="{" ".join(names)}">{head}{"".join(cells)}</tr>'


def _show(metrics: Sequence[Variant], rows: Sequence[str], label: str, key: str) -> None:
    heads = "".join(
        f'<th scope="col" title="{escape(METRICS[each.name].summary)}">'
        f"{escape(metric_text(each))}\N{NO-BREAK SPACE}{arrow(each)}</th>"
        for each in metrics
    )
    _table(
        key=key,
        data=f'<table><caption hidden>{escape(label)}</caption><thead><tr><th scope="col">Method'
        f"</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>",
    )
