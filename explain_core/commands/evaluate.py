"""The command `evaluate`: score methods by metrics over a data set, beside the controls."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from explain_core.commands.meter import Meter, duration, ended_like_ctrl_c
from explain_core.datasets.dataset import Dataset
from explain_core.datasets.protocols import protocol_named
from explain_core.errors import InputError
from explain_core.evaluation.estimating import estimate
from explain_core.evaluation.plan import (
    Against,
    Plan,
    Variant,
    make_plan,
    metric_named,
    usable_methods,
    usable_metrics,
)
from explain_core.evaluation.presets import PRESETS, preset_named, run_preset
from explain_core.evaluation.protocol_plans import protocol_plan
from explain_core.evaluation.results import Results
from explain_core.evaluation.runner import Engine, EvaluationProgress, evaluate
from explain_core.evaluation.sources import SOURCES, open_dataset
from explain_core.evaluation.sweep import SWEEPS, sweep_methods, sweep_named
from explain_core.evaluation.tables import markdown_table, summarise
from explain_core.methods.preparing import method_named
from explain_core.models.loading import load_model
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import ParameterValue

ALL = "all"
_DEFAULT_METRICS = ("rcap", "deletion", "insertion", "relative-drop", "energy-inside", "auprc")
_TRUE, _FALSE = ("yes", "true"), ("no", "false")

_HELP = """
Score maps over a data set, with 95 % intervals, beside controls that know nothing of the model.

  python -m explain_core evaluate --model birds --data birds --limit 50 \\
      --methods grad-cam finer-grad-cam:gamma=1.2 --metrics rcap relative-drop:share=0.1 --out OUT
  python -m explain_core evaluate --model NAME --data cub:FOLDER --methods all --out OUT
  python -m explain_core evaluate --model birds --data birds --sweep gamma --out OUT
  python -m explain_core evaluate --preset truth-bench --out OUT

It says how long it will take before it starts. Ctrl-C or a kill loses nothing: the same command
goes on where it stopped. OUT then holds scores.csv (and scores.parquet), a line per picture and
method, summary.csv and summary.md.
"""


def add_evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    command = commands.add_parser(
        "evaluate",
        help="score methods over a data set",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--model", help="see the command 'models'; default: the set's own")
    command.add_argument(
        "--data",
        metavar="SET",
        help=f"{', '.join(name for name, each in SOURCES.items() if not each.needs_folder)}, as "
        "NAME, NAME/NUM or NAME/NUM/SEED; or KIND:FOLDER or KIND/PART:FOLDER with KIND of "
        f"{', '.join(name for name, each in SOURCES.items() if each.needs_folder)}",
    )
    command.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="names, with values as NAME:gamma=1.2,weights=softmax; or 'all' that the model "
        "allows. The controls are always added",
    )
    command.add_argument(
        "--metrics",
        nargs="+",
        metavar="METRIC",
        help=f"likewise; default: those of {', '.join(_DEFAULT_METRICS)} that can be taken, or of "
        "the sweep",
    )
    command.add_argument(
        "--sweep",
        choices=tuple(SWEEPS),
        help="every step of a setting instead of single values: the papers' ablation tables; "
        "--methods names which, by default the paper's",
    )
    command.add_argument(
        "--preset",
        choices=tuple(PRESETS),
        help="several sets that belong together, and a report; takes --limit, --seed and --report",
    )
    command.add_argument(
        "--protocol",
        metavar="NAME",
        help="the methods, metrics and pictures of an experiment of the papers, see "
        "docs/datasets.md; with --model and --data",
    )
    command.add_argument(
        "--report", type=Path, metavar="FILE.md", help="of a preset; default: its own in docs"
    )
    command.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="an empty or a new folder"
    )
    command.add_argument("--limit", type=int, metavar="N", help="draw so many pictures")
    command.add_argument("--seed", type=int, default=0, help="of the draw and of noise; default 0")
    command.add_argument(
        "--against",
        choices=get_args(Against),
        help="what is compared with: the nearest class whose truth is known (the default where "
        "the set knows any), one drawn at random, or the three most similar classes together",
    )
    command.add_argument(
        "--reference-set",
        metavar="KEY",
        help="pictures that DiffCAM compares with, such as NAME/CLASS; see 'bank list'; default: "
        "those of the classes in the model's own bank",
    )
    command.add_argument(
        "--min-probability",
        type=float,
        default=0.0,
        metavar="P",
        help="leave out pictures to whose class the model gives less",
    )
    command.add_argument(
        "--right-only", action="store_true", help="leave out pictures that the model takes wrongly"
    )
    command.add_argument("--baseline", metavar="METHOD", help="show differences to this method")
    command.add_argument("--layer", help="layer to explain; default: the model's last stage")
    command.add_argument(
        "--engine",
        choices=get_args(Engine),
        default="local",
        help="ray: the workers of a Ray cluster (RAY_ADDRESS), or of one started here",
    )
    command.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> None:
    if given.preset is not None:
        _run_preset(given)
        return
    if given.data is None:
        raise InputError("name the pictures with --data, or a --preset")
    name = given.model or _own_model(given.data)
    with ended_like_ctrl_c():
        model = load_model(name, layer=given.layer)
        dataset, plan = _planned(given, model, open_dataset(given.data))
        baseline = _baseline(given.baseline, plan)
        _tell_estimate(plan, model, given.out)
        results = run_plan(plan, model, dataset, given.out, engine=given.engine, source=given.data)
    print(markdown_table(summarise(results, baseline)))
    print(f"{given.out}: {len(results.scored):,} pictures scored")
    _tell_failed(results)


def _planned(given: argparse.Namespace, model: Model, dataset: Dataset) -> tuple[Dataset, Plan]:
    if given.protocol is None:
        return dataset, make_plan(
            model,
            dataset,
            _methods(given, model),
            _metrics(given, model, dataset),
            against=given.against,
            layer=given.layer,
            seed=given.seed,
            limit=given.limit,
            min_probability=given.min_probability,
            is_right_only=given.right_only,
            reference_set=given.reference_set,
        )
    protocol = protocol_named(given.protocol)
    settled = ("methods", "metrics", "sweep", "against", "min_probability", "right_only")
    others = [f"--{key.replace('_', '-')}" for key in settled if getattr(given, key)]
    if others:
        raise InputError(f"--protocol settles {', '.join(others)}; leave it out")
    selected, plan, departures = protocol_plan(
        protocol,
        model,
        dataset,
        seed=given.seed,
        limit=given.limit,
        layer=given.layer,
        reference_set=given.reference_set,
    )
    print(f"{protocol.name}: {protocol.summary} ({protocol.table})", file=sys.stderr)
    for departure in (*departures, protocol.notes):
        print(f"    {departure}", file=sys.stderr)
    return selected, plan


def _run_preset(given: argparse.Namespace) -> None:
    taken = {"run", "preset", "report", "out", "limit", "seed", "engine"}
    others = [key for key, value in vars(given).items() if key not in taken and value]
    if others:
        flags = ", ".join(f"--{key.replace('_', '-')}" for key in others)
        raise InputError(f"--preset settles {flags}; leave it out, or leave the preset out")
    preset = preset_named(given.preset)
    report = Path(preset.written_to) if given.report is None else given.report
    meter = Meter()

    def run(plan: Plan, model: Model, dataset: Dataset, out: Path, source: str) -> Results:
        print(f"{plan.dataset}:", file=sys.stderr)
        _tell_estimate(plan, model, out)
        return run_plan(plan, model, dataset, out, engine=given.engine, source=source)

    def tell(name: str, share: float) -> None:
        meter.show(f"{name}: sanity {share:.0%}", is_last=False)

    with ended_like_ctrl_c():
        try:
            run_preset(
                preset,
                given.out,
                report,
                run_plan=run,
                num=given.limit,
                seed=given.seed,
                tell=tell,
            )
        finally:
            meter.end()
    print(f"{report}: written")


def run_plan(
    plan: Plan, model: Model, dataset: Dataset, out: Path, *, engine: Engine, source: str | None
) -> Results:
    """Evaluate with a line of progress on the error output.

    Raises:
        As `evaluate`.
    """
    meter = Meter()

    def show(now: EvaluationProgress) -> None:
        meter.show(progress_text(now), is_last=now.done == now.total)

    try:
        return evaluate(plan, model, dataset, out, engine=engine, source=source, progress=show)
    finally:
        meter.end()


def progress_text(now: EvaluationProgress) -> str:
    """Return one line: how many of how many, the time left, how many without scores."""
    parts = [f"{now.done:,} of {now.total:,} pictures ({now.done / now.total:.0%})"]
    if now.seconds_left is not None and now.done < now.total:
        parts.append(f"{duration(now.seconds_left)} left")
    if now.num_failed:
        parts.append(f"{now.num_failed:,} without scores")
    return ", ".join(parts)


def parse_variant(text: str, parameters: Sequence[Parameter], what: str) -> Variant:
    """Return what `NAME:name=value,name=value` says.

    Args:
        parameters: those that the method or metric has; they settle the values' types.
        what: "method" or "metric", for the message.

    Raises:
        InputError: a value without a name, an unknown parameter, or a value of another type.
    """
    name, _, rest = text.partition(":")
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, ParameterValue] = {}
    for part in rest.split(",") if rest else []:
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"write {what} values as NAME:name=value,name=value (got '{text}')")
        if key not in known:
            raise InputError(f"{what} '{name}' has no parameter '{key}'; it has {sorted(known)}")
        values[key] = known[key].check(_value(value, known[key]))
    return Variant(name, tuple(sorted(values.items())))


def _value(text: str, parameter: Parameter) -> ParameterValue:
    if isinstance(parameter.default, bool):
        return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}.get(text, text)
    if parameter.choices:
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _methods(given: argparse.Namespace, model: Model) -> list[Variant]:
    asked = given.methods or []
    if given.sweep is not None:
        return sweep_methods(given.sweep, model, tuple(asked) or None, given.layer)
    if not asked:
        raise InputError("name --methods, or 'all' for every one that the model allows")
    if asked == [ALL]:
        reasons = usable_methods(model, given.layer)
        _tell_left_out(reasons)
        return [Variant(name) for name, reason in reasons.items() if reason is None]
    return [
        parse_variant(each, method_named(each.partition(":")[0]).parameters, "method")
        for each in asked
    ]


def _metrics(given: argparse.Namespace, model: Model, dataset: Dataset) -> list[Variant]:
    asked = given.metrics
    if asked and asked != [ALL]:
        return [
            parse_variant(each, metric_named(each.partition(":")[0]).parameters, "metric")
            for each in asked
        ]
    reasons = usable_metrics(model, dataset)
    if asked:
        _tell_left_out(reasons)
    else:
        wanted = _DEFAULT_METRICS if given.sweep is None else sweep_named(given.sweep).metrics
        reasons = {name: reasons[name] for name in wanted}
    return [Variant(name) for name, reason in reasons.items() if reason is None]


def _own_model(source: str) -> str:
    name = source.partition(":")[0].partition("/")[0]
    model = SOURCES[name].model if name in SOURCES else ""
    if not model:
        raise InputError(f"name the --model that is to look at '{source}'")
    return model


def _baseline(name: str | None, plan: Plan) -> int | None:
    if name is None:
        return None
    labels = [each.label for each in plan.methods]
    places = [i for i, each in enumerate(plan.methods) if name in (each.name, each.label)]
    if not places:
        raise InputError(f"--baseline must be one of {labels} (got '{name}')")
    return places[0]


def _tell_left_out(reasons: Mapping[str, str | None]) -> None:
    for name, reason in reasons.items():
        if reason is not None:
            print(f"left out: {name}: {reason}", file=sys.stderr)


def _tell_estimate(plan: Plan, model: Model, out: Path) -> None:
    cost = estimate(plan, model, out=out)
    known = cost.num_pictures - cost.num_left
    text = f"{cost.num_left:,} pictures" + (f" ({known:,} are done)" if known else "")
    print(
        f"{text}, {len(plan.methods)} methods, {len(plan.metrics)} metrics: about "
        f"{duration(cost.seconds_each)} each, {duration(cost.seconds)} here",
        file=sys.stderr,
    )


def _tell_failed(results: Results, num_listed: int = 10) -> None:
    failed = results.failed
    if not failed:
        return
    print(f"without scores: {len(failed):,}")
    for row in failed[:num_listed]:
        print(f"    {row.id}: {row.failure}")
    if len(failed) > num_listed:
        print(f"    and {len(failed) - num_listed:,} more: see rows.jsonl")
