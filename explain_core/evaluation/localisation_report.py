"""DiffCAM's table of localisation on films, in small, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from explain_core.evaluation.results import Results
from explain_core.evaluation.tables import LEGEND, interval_text, markdown, summarise, verdict_sign
from explain_core.evaluation.truth_report import Part
from explain_core.methods.table import METHODS
from explain_core.metrics.table import METRICS

BASELINE = "diffcam"

_HEAD = """# Where maps point on films

Made by `python -m explain_core evaluate --preset films-localisation --out DIR`; do not edit by
hand.

Table 3 of DiffCAM (Li et al., CVPR 2025) in small: maps for a finding on a chest film are scored
against where it is, by the area under the curve of precision over recall of their pixels (AUPRC).
There the films are patients' and radiologists marked the findings; here they are phantoms, and the
masks are exactly the pixels that a finding changes, its faintest edge included. What holds here
need not hold on real films, and the other way round.

DiffCAM compares with healthy phantoms; the other methods explain the finding's own score. Every
method has its default values; DiffCAM also stands here with the larger λ that the X-ray page begins
with. Healthy phantoms vary little, and with a small λ the rare ways in which they do vary are blown
up. DiffCAM is not told which finding is asked about: on films with
several it shows all that sets the film apart from healthy ones, while the mask holds one finding.
So the first table, of films with one finding each, is the one to be held against the paper's.

Every film counts, whether or not the network finds what is there. While it was trained, the network
was also told where findings lie, by a head on its last maps that was thrown away: that favours maps
of this layer, of all methods here but Integrated Gradients and Guided Backprop. The controls know
nothing of the network.
"""


def localisation_report(parts: Sequence[Part]) -> str:
    """Return a table for every data set and metric: methods by findings, with intervals."""
    return "\n".join([_HEAD, *(_section(part) for part in parts), f"{LEGEND}\n"])


def _section(part: Part) -> str:
    results = part.results
    told = f"{part.source.layout[:1].upper()}{part.source.layout[1:]}."
    lines = [
        f"## `{part.name}`",
        f"{told} {len(results.scored):,} films, network `{results.plan.model}`, reference films "
        f"`{results.plan.reference_set}`.",
    ]
    if results.failed:
        lines.append(f"{len(results.failed):,} more films have no scores.")
    lines += [_table(results, metric) for metric in range(len(results.plan.metrics))]
    return "\n\n".join(line.rstrip("\n") for line in lines) + "\n"


def _table(results: Results, metric: int) -> str:
    plan = results.plan
    names = [each.name for each in plan.methods]
    labels = [name for name in plan.classes if any(row.label == name for row in results.scored)]
    by_label = [
        replace(results, rows=tuple(row for row in results.scored if row.label == label))
        for label in labels
    ]
    baseline = names.index(BASELINE) if BASELINE in names else None
    summaries = [summarise(each, baseline) for each in (results, *by_label)]
    rows = []
    for place, method in enumerate(plan.methods):
        title = METHODS[method.name].title + method.label.removeprefix(method.name)
        is_control = METHODS[method.name].is_control
        difference = summaries[0].differences[place][metric]
        rows.append(
            [
                f"*{title}* (control)" if is_control else title,
                *(
                    interval_text(each.means[place][metric])
                    + verdict_sign(each.over_controls[place][metric])
                    for each in summaries
                ),
                "–" if difference is None else interval_text(difference, is_signed=True),
            ]
        )
    counts = [f"{label} ({len(each.scored)})" for label, each in zip(labels, by_label, strict=True)]
    head = ["method", f"all ({len(results.scored)})", *counts, "all, less DiffCAM's"]
    title = METRICS[plan.metrics[metric].name].title
    return f"{title}, the mean over films:\n\n{markdown(head, rows)}"
