"""The truth bench as Markdown: which of the papers' claims hold where the truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain_core.evaluation.claims import CLAIMS, Claim, Finding, find
from explain_core.evaluation.intervals import Interval, mean_intervals
from explain_core.evaluation.results import Results
from explain_core.evaluation.sanity import Sanity
from explain_core.evaluation.sources import Source
from explain_core.evaluation.tables import (
    LEGEND,
    interval_text,
    markdown,
    markdown_table,
    summarise,
)

_SIGNS = {"holds": "✓", "does not hold": "✗", "cannot be told": "~", "not tried": "–"}

_HEAD = """# Truth bench

Made by `python -m explain_core evaluate --preset truth-bench`; do not edit by hand.

All methods on generated pictures in which the evidence for a class *rather than another one* is
known pixel by pixel, scored by small networks that were trained on such pictures. What holds here
need not hold on photographs, and the other way round; no claim stands without its interval. The
networks for films were also told where the findings lie while they were trained, by a head on their
last maps that was thrown away: that favours maps of this layer.
"""
_CLAIMS_HEAD = """## Which claims hold here

Each claim of the papers is taken apart into comparisons of two methods by one metric on the same
pictures. The effect is the mean paired difference, turned so that positive speaks for the claim,
with its 95 % bootstrap interval. A comparison ✓ holds where all of the interval is positive, ✗ does
not hold where all of it is negative, and ~ cannot be told where it holds zero. – was not tried.
"""
_SANITY_HEAD = """## Sanity

All weights of the network are drawn at random, and the map is made anew (Adebayo et al., 2018).
Given is the rank correlation |ρ| with the map before, less that of pairs of random maps that are as
smooth: ✓ the interval is not above zero, the map was made of what the network had learned; ✗ it is
above zero, the map is still like the one before. In brackets: on how many pictures |ρ| was no
larger than 95 % of the random pairs'.
"""


@dataclass(frozen=True, eq=False)
class Part:
    """Hold what was found on one data set.

    Attributes:
        name: of the set.
        source: what it is.
        results: all scores.
        sanity: a line per method.
    """

    name: str
    source: Source
    results: Results
    sanity: tuple[Sanity, ...]


def truth_report(parts: Sequence[Part]) -> str:
    """Return the report of several data sets as Markdown."""
    findings = {claim: {part.name: find(claim, part.results) for part in parts} for claim in CLAIMS}
    sections = [_HEAD, _sets_section(parts), _CLAIMS_HEAD, _overview(findings, parts)]
    sections += [_claim_section(claim, found) for claim, found in findings.items()]
    sections += [_SANITY_HEAD, _sanity_table(parts), f"## Scores\n\n{LEGEND}\n"]
    sections += [_scores_section(part) for part in parts]
    return "\n".join(sections)


def _sets_section(parts: Sequence[Part]) -> str:
    rows = [
        (
            f"`{part.name}`",
            part.source.layout,
            f"`{part.results.plan.model}`",
            f"{len(part.results.scored):,}",
            interval_text(_certainty(part.results)),
        )
        for part in parts
    ]
    head = (
        "set",
        "what is drawn, and what is the evidence",
        "network",
        "pictures",
        "probability given",
    )
    return markdown(head, rows)


def _certainty(results: Results) -> Interval:
    """Return the probability that the model gives to the pictures' classes."""
    given = np.array([[row.probability] for row in results.scored], np.float64)
    (interval,) = mean_intervals(given.reshape(-1, 1), results.groups)
    return interval


def _overview(findings: dict[Claim, dict[str, list[Finding]]], parts: Sequence[Part]) -> str:
    rows = [
        (claim.title, *(_counts(found[part.name]) for part in parts))
        for claim, found in findings.items()
    ]
    return markdown(("claim", *(f"`{part.name}`" for part in parts)), rows)


def _counts(found: Sequence[Finding]) -> str:
    counts = Counter(_SIGNS[each.answer] for each in found)
    return " ".join(f"{counts[sign]} {sign}" for sign in _SIGNS.values() if counts[sign])


def _claim_section(claim: Claim, found: dict[str, list[Finding]]) -> str:
    names = list(found)
    rows = [
        (
            found[names[0]][place].text,
            *(_effect_text(found[name][place]) for name in names),
        )
        for place in range(len(claim.parts))
    ]
    table = markdown(("comparison", *(f"`{name}`" for name in names)), rows)
    return f"### {claim.title}\n\n{claim.paper}.\n\n{table}"


def _effect_text(finding: Finding) -> str:
    if finding.answer == "not tried":
        return _SIGNS[finding.answer]
    return f"{interval_text(finding.effect, True)} {_SIGNS[finding.answer]}"


def _sanity_table(parts: Sequence[Part]) -> str:
    lines = {part.name: {each.method.label: each for each in part.sanity} for part in parts}
    labels = list(dict.fromkeys(label for line in lines.values() for label in line))
    rows = [
        (label, *(_sanity_text(lines[part.name].get(label)) for part in parts)) for label in labels
    ]
    return markdown(("method", *(f"`{part.name}`" for part in parts)), rows)


def _sanity_text(sanity: Sanity | None) -> str:
    if sanity is None or sanity.passes is None:
        return "–"
    sign = "✓" if sanity.passes else "✗"
    chance = f"({sanity.num_at_chance} of {sanity.count})"
    return f"{interval_text(sanity.excess, True)} {sign} {chance}"


def _scores_section(part: Part) -> str:
    table = markdown_table(summarise(part.results)).replace(f"{LEGEND}\n\n", "")
    return f"### `{part.name}`\n\n{table}"
