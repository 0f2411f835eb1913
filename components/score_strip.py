"""Scores below the maps, on demand: for the settings that they have now, beside controls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from components import caching, state
from components.caching import Scored
from components.slow_methods import about
from components.wording import class_name, literal, minus
from explain_core import METHODS, METRICS, Image, Model, ReferenceSet, render
from explain_core.methods.controls import CONTROLS
from explain_core.methods.method import Passes
from explain_core.methods.settings import SEED
from explain_core.metrics.deletion import NUM_STEPS
from explain_core.metrics.verdicts import CONTROL_WORDS, MARGIN, unbeaten
from explain_core.types import Basis, ParameterValue

Values = Mapping[str, ParameterValue]

TOLD_FROM_S = 2.0
MAX_IN_ROW = 4
_MAX_CARD_PX = 432  # of the viewer's panels, below which the cards stand
_RCAP_STEPS = 5
_ICON = ":material/straighten:"
_SLID = ("gamma", "lam", "p")
_SCIENTIFIC_BELOW = 0.01
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_NO_CLASSES = "This model has no classes, so there is no probability that a map could account for."
_REVERSED = "reversed: it speaks for what it is compared with"
# What the panel "Can a map be trusted?" asks.
CURVES = ("rcap", "deletion", "insertion", "road")


@dataclass(frozen=True, eq=False)
class ShownMap:
    """Hold one map as it is set now.

    Attributes:
        title: as people read it.
        values: of its sliders.
        references: classes that the question compares with.
        reference_set: pictures that the question compares with.
    """

    model: Model
    image: Image
    title: str
    basis: Basis
    values: Values
    target: int | None
    references: tuple[int, ...]
    reference_set: ReferenceSet | None

    @property
    def name(self) -> str:
        """Return the method."""
        return self.basis.provenance.method

    @property
    def asked(self) -> Hashable:
        """Return what tells it from others, its sliders apart."""
        pictures = self.reference_set
        is_used = METHODS[self.name].compares_with == "pictures" and pictures is not None
        return (
            self.model.key,
            self.basis.provenance,
            pictures.digest if is_used and pictures is not None else None,
            self.target,
            self.references,
        )

    @property
    def key(self) -> Hashable:
        """Return what tells it from others, its sliders included."""
        return (self.asked, tuple(sorted(self.values.items())))

    @property
    def is_reversed(self) -> bool:
        """Return whether it shows what speaks against the target."""
        return bool(self.values.get("reverse", False))


@dataclass(frozen=True, eq=False)
class Scoring:
    """Hold maps to score in one call, with controls where those have no scores yet."""

    maps: tuple[ShownMap, ...]

    @property
    def title(self) -> str:
        """Return what it is called in a sentence."""
        return "scoring"

    @property
    def passes(self) -> Passes:
        """Return the pictures that the network processes, at most."""
        count = len(self.maps) + len(CONTROLS) * (kept_controls(self.maps[0]) is None)
        return Passes(forward=2 + count * _passes_each(metrics_of(self.maps[0])))

    @property
    def passes_done(self) -> int:
        """Return none: it is done in one go."""
        return 0

    @property
    def seconds(self) -> float:
        """Return about how long that takes."""
        return caching.pass_seconds(self.maps[0].model) * self.passes.total

    @property
    def id(self) -> str:
        """Return what tells it from others of the session, for widget keys."""
        return _id_of("scores", [each.key for each in self.maps])

    def coarse(self) -> None:
        """Return None: there is no first part."""

    def doing(self, share: float) -> str:
        """Return nothing: it is done in one go."""
        return ""

    def is_kept(self) -> bool:
        """Return whether all of them have scores."""
        return all(caching.kept_scores(each.key) is not None for each in self.maps)

    def run(self, progress: Callable[[float], None]) -> None:
        """Score the maps, and the controls where they have no scores."""
        first = self.maps[0]
        maps = {each.key: render(each.basis, **each.values) for each in self.maps}
        if kept_controls(first) is None:
            maps |= {
                _control_key(first, name): render(basis)
                for name, basis in control_bases(first).items()
            }
        with caching.counted_passes():
            found = caching.score(
                first.model,
                first.image,
                maps,
                metrics_of(first),
                target=first.target,
                references=first.references,
                progress=progress,
            )
        for each in self.maps:
            scored = Scored(dict(each.values), found[each.key])
            caching.keep_scores(each.key, scored)
            caching.keep_scores(each.asked, scored)
        for name in CONTROL_WORDS:
            key = _control_key(first, name)
            if key in found:
                caching.keep_scores(key, Scored({}, found[key]))


def metrics_of(shown: ShownMap) -> tuple[str, ...]:
    """Return the metrics of the strip."""
    return ("rcap", "relative-drop" if shown.references else "deletion")


def control_bases(shown: ShownMap) -> dict[str, Basis]:
    """Return the controls of a map's picture, the same ones for all maps; no network runs."""
    return {
        each.name: caching.basis_of(
            shown.model,
            shown.image,
            each.name,
            target=shown.target,
            references=(),
            reference_set=None,
            layer=shown.model.layer_named(None).name,
            parameters={},
            progress=lambda share: None,
        )
        for each in CONTROLS
    }


def kept_controls(shown: ShownMap) -> dict[str, Scored] | None:
    """Return the controls' scores for a map's question; None where any is missing."""
    found = {each.name: caching.kept_scores(_control_key(shown, each.name)) for each in CONTROLS}
    known = {name: scored for name, scored in found.items() if scored is not None}
    return known if len(known) == len(found) else None


def score_button(maps: Sequence[ShownMap]) -> Scoring | None:
    """Show the button that scores what has no scores at these settings.

    Returns:
        The task where it was started and is not done.
    """
    if not maps:
        return None
    if maps[0].target is None:
        st.button("Score these maps", icon=_ICON, disabled=True, help=_NO_CLASSES)
        return None
    scoring = _wanted(maps)
    state.keep_started_of("scores", set() if scoring is None else {scoring.id})
    if scoring is None:
        return None
    # Kept free while it runs, lest the button of the last run is left standing.
    slot = st.empty()
    if state.is_started(scoring.id):
        return scoring
    is_again = any(caching.kept_scores(each.asked) is not None for each in scoring.maps)
    told = f", about {about(scoring.seconds)}" if scoring.seconds > TOLD_FROM_S else ""
    with slot.container(width="content"):
        is_pressed = st.button(
            f"Score {_what(maps, is_again)}{told}",
            key="score-maps",
            icon=_ICON,
            help="How well each map accounts for the model’s answer, and whether it does better "
            "than maps that know nothing of the model.",
        )
    if is_pressed:
        state.start(scoring.id)
        st.rerun()
    return None


def _what(maps: Sequence[ShownMap], is_again: bool) -> str:
    if is_again:
        return "again"
    return "this map" if len(maps) == 1 else "these maps"


def show_scores(maps: Sequence[ShownMap]) -> None:
    """Show a card of scores for each map, if any was asked for; outdated ones are grey."""
    if not maps or maps[0].target is None:
        return
    latest = [caching.kept_scores(each.asked) for each in maps]
    if not any(latest):
        return
    controls = kept_controls(maps[0])
    in_row = min(len(maps), MAX_IN_ROW)
    with st.container(key="scores", gap="xsmall"):
        _head(maps[0])
        cards = st.container(width=in_row * _MAX_CARD_PX)
    with cards:
        for begin in range(0, len(maps), in_row):
            places = st.columns(in_row, gap="small")
            for place, shown in zip(places, maps[begin : begin + in_row], strict=False):
                with place:
                    _card(shown, controls)


def _wanted(maps: Sequence[ShownMap]) -> Scoring | None:
    missing = [
        each for each in maps if not each.is_reversed and caching.kept_scores(each.key) is None
    ]
    return Scoring(tuple(missing)) if missing else None


def _control_key(shown: ShownMap, control: str) -> Hashable:
    return ("control", control, shown.model.key, shown.image.digest, shown.target, shown.references)


def _passes_each(metrics: Sequence[str]) -> int:
    """Return how many pictures a map's scores take, apart from those that all maps share."""
    each = {"rcap": _RCAP_STEPS, "relative-drop": 1, "deletion": int(NUM_STEPS.default) - 1}
    return sum(each[name] for name in metrics)


def _id_of(what: str, key: object) -> str:
    return f"{what}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


# ---- what is shown -----------------------------------------------------------------------------


def _head(first: ShownMap) -> None:
    assert first.target is not None
    target, *others = (
        literal(class_name(first.model, each)) for each in (first.target, *first.references)
    )
    told = f"of {target}" + (f" against {', '.join(others)}" if others else "")
    st.markdown(
        f"**Scores** :small[:gray[{told} · controls: random (noise with seed {SEED.default}), "
        "centre (a spot in the middle), edges (of the picture)]]",
        help=_help(metrics_of(first)),
    )


def _help(metrics: Sequence[str]) -> str:
    parts = [
        f"**{METRICS[name].title} {_arrow(name)}** "
        f"({'higher' if METRICS[name].is_higher_better else 'lower'} is better): "
        f"{METRICS[name].summary}"
        for name in metrics
    ]
    return "\n\n".join(
        [
            *parts,
            "**Beats the controls**: ahead of each of the three by more than "
            f"{MARGIN:g}, in every number above. “Can a map be trusted?” judges by "
            f"{_listed([METRICS[name].title for name in CURVES], 'and')}, and may say otherwise.",
            "Only positive evidence counts. One picture says little of a method: Evaluate asks "
            "many.",
        ]
    )


def _arrow(metric: str) -> str:
    return "↑" if METRICS[metric].is_higher_better else "↓"


def _card(shown: ShownMap, controls: Mapping[str, Scored] | None) -> None:
    lines = [f"**{shown.title}**"]
    now, before = caching.kept_scores(shown.key), caching.kept_scores(shown.asked)
    if shown.is_reversed:
        lines.append(f":gray[Not scored: {_REVERSED}.]")
    elif now is not None:
        lines += [_line(name, score.value, score.reason) for name, score in now.scores.items()]
        lines += _against_controls(shown, now, controls)
        # Told of current ones too: a slider moved during a long run waits for its end.
        settings = main_settings(now.values)
        lines[0] += f" :gray[{settings}]" if settings else ""
    elif before is not None:
        lines += [
            f":gray[{_plain(name, score.value, score.reason)}]"
            for name, score in before.scores.items()
        ]
        lines.append(f":gray[scored at {settings_text(before.values, shown.values)}]")
    else:
        lines.append(":gray[not scored yet]")
    st.markdown("  \n".join(f":small[{line}]" for line in lines))


def _plain(metric: str, value: float | None, reason: str) -> str:
    told = f"– ({reason})" if value is None else minus(f"{value:.3f}")
    return f"{METRICS[metric].title} {_arrow(metric)} {told}"


def _line(metric: str, value: float | None, reason: str) -> str:
    if value is None:
        return f"{METRICS[metric].title} {_arrow(metric)} – :gray[{reason}]"
    return f"{METRICS[metric].title} {_arrow(metric)} **{minus(f'{value:.3f}')}**"


def _against_controls(
    shown: ShownMap, now: Scored, controls: Mapping[str, Scored] | None
) -> list[str]:
    if METHODS[shown.name].is_control:
        return [":gray[a control itself]"]
    if controls is None:
        return []
    found = unbeaten(now.scores, {name: each.scores for name, each in controls.items()})
    if not found:
        return ["Beats the controls: –"]
    losing = {metric: names for metric, names in found.items() if names}
    if not losing:
        return [f"Beats the controls: **yes** :gray[{_by_all(list(found))}]"]
    told = "; than ".join(
        f"{_listed([CONTROL_WORDS[name] for name in names], 'or')} by {METRICS[metric].title}"
        for metric, names in losing.items()
    )
    return [f"Beats the controls: **no** :gray[(no better than {told})]"]


def _by_all(metrics: Sequence[str]) -> str:
    return "by both measures" if len(metrics) == 2 else f"by {METRICS[metrics[0]].title}"


def _listed(names: Sequence[str], word: str) -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def main_settings(values: Values) -> str:
    """Return what a person slides: "γ = 0.60"; empty for a map without sliders."""
    return ", ".join(_setting(name, values[name]) for name in _SLID if name in values)


def settings_text(then: Values, now: Values) -> str:
    """Return what was set otherwise: "γ = 0.60, not reversed"; "the same settings" for nothing."""
    parts = [_setting(name, value) for name, value in then.items() if value != now.get(name, value)]
    return ", ".join(parts) or "the same settings"


def _setting(name: str, value: ParameterValue) -> str:
    if isinstance(value, bool):
        words = {"reverse": "reversed", "softmax": "softmax"}
        return f"{'' if value else 'not '}{words.get(name, name)}"
    if name == "gamma":
        return f"γ = {value:.2f}"
    if name == "lam":
        return f"λ = {_as_viewed(float(value))}"
    if name == "p":
        return f"p = {value:g} %"
    return str(value)


def _as_viewed(value: float) -> str:
    """Return a number as the viewer writes it: "10⁻³", "1.8 · 10⁻³", "1.00"."""
    if value >= _SCIENTIFIC_BELOW:
        return f"{value:#.3g}"
    mantissa, _, power = f"{value:.1e}".partition("e")
    raised = f"10{str(int(power)).translate(_RAISED)}"
    return raised if mantissa == "1.0" else f"{mantissa} · {raised}"
