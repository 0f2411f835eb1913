"""Presets: evaluations of several data sets that belong together, and the report they end in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from explain_core.datasets.dataset import Dataset
from explain_core.errors import InputError
from explain_core.evaluation.localisation_report import localisation_report
from explain_core.evaluation.plan import (
    CONTROLS,
    Plan,
    Variant,
    make_plan,
    usable_methods,
    usable_metrics,
    variant,
)
from explain_core.evaluation.results import Results
from explain_core.evaluation.sanity import (
    NUM_PICTURES,
    Sanity,
    check_sanity,
    sanity_from_json,
    sanity_to_json,
)
from explain_core.evaluation.sources import SOURCES, generated_source, open_dataset
from explain_core.evaluation.truth_report import Part, truth_report
from explain_core.methods.settings import FILM_LAM
from explain_core.models.loading import load_model
from explain_core.models.model import Model
from explain_core.references.bank_files import replace_file

_SANITY = "sanity.json"


@dataclass(frozen=True)
class Preset:
    """Describe a preset.

    Attributes:
        name: kebab-case.
        title: as people read it.
        sets: generated data sets, each read by its own model.
        settings: values for methods that would else take too long; the others take their defaults.
        metrics: those of them that a set allows are taken.
        report: from the parts to Markdown.
        written_to: the report's file, from the repository's root.
        methods: names; empty takes every one that a set's model allows.
        further: methods once more, with other values.
        num: pictures of each set, where nobody says how many.
        has_sanity: whether the report needs to know if maps change with the weights.
    """

    name: str
    title: str
    sets: tuple[str, ...]
    settings: tuple[Variant, ...]
    metrics: tuple[Variant, ...]
    report: Callable[[Sequence[Part]], str]
    written_to: str
    methods: tuple[str, ...] = ()
    further: tuple[Variant, ...] = ()
    num: int = 60
    has_sanity: bool = True


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="truth-bench",
                title="All methods where the truth is known",
                sets=("strokes", "birds", "films", "birds-confounded", "films-confounded"),
                settings=(variant("rise", num_masks=500), variant("mask", num_updates=100)),
                metrics=(
                    *(variant(name) for name in ("rcap", "deletion", "insertion", "road")),
                    *(variant("relative-drop"), variant("relative-drop", share=0.1)),
                    *(variant(name) for name in ("energy-inside", "pointing-game", "iou-otsu")),
                    *(variant(name) for name in ("auprc", "part-f1")),
                ),
                report=truth_report,
                written_to="docs/truth-bench.md",
            ),
            Preset(
                name="films-localisation",
                title="Where the maps of DiffCAM's table on films point",
                sets=("films-one-finding", "films"),
                settings=(),
                metrics=(variant("auprc"),),
                report=localisation_report,
                written_to="docs/localisation-films.md",
                methods=(
                    *("diffcam", "grad-cam", "score-cam", "layer-cam", "xgrad-cam"),
                    *("integrated-gradients", "guided-backprop"),
                ),
                further=(variant("diffcam", lam=FILM_LAM),),
                num=120,
                has_sanity=False,
            ),
        )
    }
)

# Evaluates a plan: with model, data set, folder and the text that names the set.
RunPlan = Callable[[Plan, Model, Dataset, Path, str], Results]
# Told the share of a set's sanity check that is done.
Tell = Callable[[str, float], None]


def run_preset(
    preset: Preset,
    out: Path,
    report: Path,
    *,
    run_plan: RunPlan,
    num: int | None = None,
    seed: int = 0,
    num_checked: int = NUM_PICTURES,
    tell: Tell = lambda name, share: None,
) -> None:
    """Evaluate every set of a preset into a folder of its own, and write the report.

    What is done already is not done again.

    Args:
        out: holds a folder per set.
        report: the Markdown file.
        run_plan: evaluates one plan.
        num: pictures of each set; None takes as many as the preset names.
        seed: of pictures, noise and bootstrap.
        num_checked: pictures of each set on which sanity is checked.
        tell: called while it is.

    Raises:
        InputError: a folder that does not exist or cannot be written; as `evaluate`.
        ModelError: a set's model cannot be loaded.
    """
    if not report.parent.is_dir():
        raise InputError(
            f"the report's folder does not exist: {report.parent}; make it, or name another file"
        )
    parts = []
    for name in preset.sets:
        source = generated_source(name, preset.num if num is None else num, seed)
        dataset = open_dataset(source)
        model = load_model(SOURCES[name].model)
        plan = preset_plan(preset, model, dataset, seed=seed)
        results = run_plan(plan, model, dataset, out / name, source)

        def show(share: float, name: str = name) -> None:
            tell(name, share)

        sane: list[Sanity] | None = None
        if preset.has_sanity:
            seeing = _without_controls(plan)
            file = out / name / _SANITY
            known = file.read_text(encoding="utf-8") if file.exists() else ""
            sane = sanity_from_json(known, seeing)
            if sane is None:
                sane = check_sanity(seeing, model, dataset, num_pictures=num_checked, progress=show)
                replace_file(file, sanity_to_json(sane, seeing).encode())
        parts.append(Part(name, SOURCES[name], results, tuple(sane or ())))
    try:
        replace_file(report, preset.report(parts).encode())
    except OSError as error:
        raise InputError(f"{report} cannot be written ({error.strerror or error})") from error


def preset_plan(preset: Preset, model: Model, dataset: Dataset, seed: int = 0) -> Plan:
    """Return the plan of one set: every method that its model allows, every metric it has."""
    settings = {each.name: each for each in preset.settings}
    methods = [
        settings.get(name, Variant(name))
        for name, reason in usable_methods(model).items()
        if reason is None and (not preset.methods or name in preset.methods)
    ]
    methods += preset.further
    reasons = usable_metrics(model, dataset)
    metrics = [each for each in preset.metrics if reasons[each.name] is None]
    return make_plan(model, dataset, methods, metrics, seed=seed)


def preset_named(name: str) -> Preset:
    """Return a preset of `PRESETS`.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PRESETS:
        raise InputError(f"there is no preset '{name}'; choose one of {sorted(PRESETS)}")
    return PRESETS[name]


def _without_controls(plan: Plan) -> Plan:
    """Return a plan of the methods that look at the model."""
    return replace(plan, methods=tuple(each for each in plan.methods if each.name not in CONTROLS))
