"""What scores, randomised weights and repetitions say of one map, in plain words.

The papers give measures, not the marks from which on they satisfy. The marks here are ours, and
each verdict comes with the figures that it rests on:

- `MARGIN`: scores of one picture that are closer than a hundredth count as equal. A hundredth of
  the probability is less than what moving a slider by one step changes.
- Randomised weights: `Randomisation.ends_at_chance`, the 95th percentile of random pairs.
- `WELL` and `PARTLY`: mean rank correlations of repeated maps. At 0.8 the order of most pixels is
  the same and details can be read; below 0.5 other places stand out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from explain_core.errors import InputError
from explain_core.metrics.metric import Metric, Score
from explain_core.metrics.randomisation import Randomisation
from explain_core.metrics.repeatability import Agreement
from explain_core.metrics.table import METRICS
from explain_core.types import Array

MARGIN = 0.01
WELL = 0.8
PARTLY = 0.5

ONE_PICTURE = (
    "All of this is of one picture, and another may say otherwise: judge a method by many pictures."
)

Topic = Literal["controls", "weights", "noise", "seed"]
Scores = Mapping[str, Score]

CONTROL_WORDS = {"random": "random", "center-gaussian": "centre", "edges": "edges"}


@dataclass(frozen=True)
class Verdict:
    """Say whether a map stood a test.

    Attributes:
        topic: which test.
        is_good: None where the test does not decide.
        text: one or two sentences.
        figures: what the text rests on.
    """

    topic: Topic
    is_good: bool | None
    text: str
    figures: str


def unbeaten(scores: Scores, controls: Mapping[str, Scores]) -> dict[str, tuple[str, ...]]:
    """Return, for each metric that tells, the controls than which a map does no better.

    A map does better if it is ahead by more than `MARGIN`. Scores without a value are left out, of
    the map and of the controls; so is a metric that no control has a value of.

    Args:
        scores: of the map, by metric, as `score_maps` names them.
        controls: the same of each control.

    Raises:
        InputError: a metric that there is not.
    """
    found = {}
    for key, score in scores.items():
        others = _values(key, controls)
        if score.value is not None and others:
            sign = 1 if _metric(key).is_higher_better else -1
            found[key] = tuple(
                name for name, value in others.items() if sign * (score.value - value) <= MARGIN
            )
    return found


def controls_verdict(scores: Scores, controls: Mapping[str, Scores]) -> Verdict:
    """Return whether a map does better than maps that know nothing of the model.

    It does if it beats every control by every metric that tells, and does not if by none. The text
    names for each metric the controls that are not beaten, the figures all of them.

    Args:
        scores, controls: as `unbeaten`.

    Raises:
        InputError: a metric that there is not.
    """
    found = unbeaten(scores, controls)
    if not found:
        reasons = dict.fromkeys(score.reason for score in scores.values() if score.reason)
        return Verdict(
            "controls", None, "It cannot be held against the controls.", "; ".join(reasons)
        )
    figures = "; ".join(_against(key, scores[key], _values(key, controls)) for key in found)
    winning = [key for key, names in found.items() if not names]
    if len(winning) == len(found):
        text = f"It beats {_named(controls)} by {_titles(winning)}."
        return Verdict("controls", True, text, figures)
    standing = "; ".join(
        f"{_metric(key).title}: {_named(names)}" for key, names in found.items() if names
    )
    if not winning:
        text = f"It does not beat every control by {_titles(list(found), 'or')}."
        return Verdict("controls", False, f"{text} Not beaten: {standing}.", figures)
    text = f"The measures disagree: it beats every control by {_titles(winning)} alone."
    return Verdict("controls", None, f"{text} Not beaten: {standing}.", figures)


def weights_verdict(found: Randomisation) -> Verdict:
    """Return whether a map depends on what the network learned."""
    last = float(found.rank_correlations[-1])
    bound = float(np.nanpercentile(found.random_rank_correlations, 95))
    similarity = float(found.similarities[-1])
    pairs = float(np.nanmean(found.random_similarities))
    figures = (
        f"with all weights random: |ρ| = {last:.2f}, where 95 % of unrelated maps as smooth stay "
        f"below {bound:.2f}; SSIM = {similarity:.2f}, of unrelated maps {pairs:.2f} on average"
    )
    if np.isnan(last):
        figures = "with all weights random nothing is left of the map"
    if found.ends_at_chance:
        text = (
            "This map changes when the network is randomised: it depends on what the network "
            "learned."
        )
        return Verdict("weights", True, text, figures)
    text = (
        "Much of this map stays when the network is randomised: it shows the picture, or the "
        "network's build, more than what the network learned."
    )
    return Verdict("weights", False, text, figures)


def noise_verdict(found: Agreement, sigma: float) -> Verdict:
    """Return whether a map comes out again where the picture is a little noisy.

    Args:
        sigma: of the noise, as a share of white.
    """
    return _repeated(
        "noise",
        found,
        f"noise of {100 * sigma:g} % of white",
        (
            "It comes out again when the picture is a little noisy.",
            "Its broad shape stays when the picture is a little noisy, its details do not: do not "
            "read details from it.",
            "It becomes another map when the picture is a little noisy: do not lean on it.",
        ),
    )


def seed_verdict(found: Agreement) -> Verdict:
    """Return whether a map comes out again with other random numbers."""
    return _repeated(
        "seed",
        found,
        "other seeds",
        (
            "It comes out again with another seed.",
            "Its broad shape stays with another seed, its details are chance: take more samples.",
            "With another seed it is another map: it shows chance. Take many more samples.",
        ),
    )


def _repeated(topic: Topic, found: Agreement, what: str, texts: tuple[str, str, str]) -> Verdict:
    """Judge by the mean rank correlation; a map that is gone agrees by 0."""
    correlation = _mean(found.rank_correlations)
    figures = (
        f"{len(found.rank_correlations)} maps with {what}: ρ = {correlation:.2f} on average, "
        f"lowest {float(np.nan_to_num(found.rank_correlations).min()):.2f}; the top fifths overlap "
        f"by {100 * _mean(found.top_area_ious):.0f} %, SSIM = {_mean(found.similarities):.2f}"
    )
    if correlation >= WELL:
        return Verdict(topic, True, texts[0], figures)
    if correlation >= PARTLY:
        return Verdict(topic, None, texts[1], figures)
    return Verdict(topic, False, texts[2], figures)


def _mean(values: Array) -> float:
    return float(np.nan_to_num(values).mean())


def _metric(key: str) -> Metric:
    name = key.partition("@")[0]
    if name not in METRICS:
        raise InputError(f"there is no metric '{name}'; choose from {sorted(METRICS)}")
    return METRICS[name]


def _values(key: str, controls: Mapping[str, Scores]) -> dict[str, float]:
    """Return the controls' values by a metric, of those that have one."""
    found = {}
    for name, scores in controls.items():
        value = scores[key].value if key in scores else None
        if value is not None:
            found[name] = value
    return found


def _against(key: str, score: Score, others: Mapping[str, float]) -> str:
    metric = _metric(key)
    told = ", ".join(f"{CONTROL_WORDS.get(name, name)} {each:.3f}" for name, each in others.items())
    return (
        f"{metric.title} {score.value:.3f} "
        f"({'higher' if metric.is_higher_better else 'lower'} is better), {told}"
    )


def _titles(keys: Sequence[str], word: str = "and") -> str:
    return _joined([_metric(key).title for key in keys], word)


def _named(controls: Iterable[str]) -> str:
    return _joined([CONTROL_WORDS.get(name, name) for name in controls], "and")


def _joined(names: Sequence[str], word: str) -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
