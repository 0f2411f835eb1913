"""The command line: `python -m explain_core explain IMAGE --model digits --method diffcam ...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

import explain_core as xc
from explain_core.commands.bank import add_bank
from explain_core.commands.evaluate import add_evaluate
from explain_core.commands.methods import add_methods
from explain_core.commands.probe import add_probe
from explain_core.maps import normalise
from explain_core.methods.cautions import question_cautions
from explain_core.parameters import Parameter
from explain_core.types import Array, ParameterValue

_EXPLAIN_HELP = """
Write one saliency map of one picture.

  python -m explain_core explain three.png --method finer-grad-cam --references 8 --out map.png
  python -m explain_core explain three.png --method diffcam --target 3 --references 8 --out map.npy
  python -m explain_core explain three.png --method diffcam --reference-set digits/3 --out m.png

FILE.npy holds the map's values on the picture's pixels: float32, not normalised, NaN where the
model never looked. FILE.png is gray: black is nothing and white the strongest evidence; with
--signed, middle gray is nothing and black the strongest evidence against.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0; 2 with a message for what the user can mend; 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m explain_core",
        description="Why this class, and why not that one? Saliency maps that compare.",
        epilog="The dashboard: make run, or streamlit run app.py.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_explain(commands)
    add_bank(commands)
    add_probe(commands)
    add_methods(commands)
    add_evaluate(commands)
    _add_lists(commands)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except xc.ExplainError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"{parser.prog}: {error or 'stopped'}", file=sys.stderr)
        return 130
    return 0


def _add_explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "explain",
        help="write a saliency map of a picture",
        description=_EXPLAIN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("image", metavar="IMAGE", help="PNG, JPEG, WebP, BMP or TIFF")
    command.add_argument("--model", default="digits", help="see the command 'models'")
    command.add_argument("--method", required=True, help="see the command 'methods'")
    command.add_argument(
        "--target",
        help="class index or name; default: the predicted class. Models without classes have none",
    )
    command.add_argument(
        "--references",
        nargs="+",
        metavar="CLASS",
        help="classes to compare with, by index or name; default: the most similar ones for "
        "Finer-CAM, all other classes for DiffCAM",
    )
    command.add_argument(
        "--reference-set",
        metavar="KEY",
        help="reference pictures for DiffCAM, from a bank: digits/5, digits/5+8, "
        "digits/all-but-3, NAME/CLASS; see the command 'bank list'",
    )
    command.add_argument(
        "--texts",
        nargs="+",
        metavar="TEXT",
        help='for models that know texts, such as CLIP: their classes, "red epaulets" "bird"',
    )
    command.add_argument("--layer", help="layer to explain; default: the model's last stage")
    command.add_argument("--signed", action="store_true", help="keep evidence against, too")
    command.add_argument(
        "--out",
        action="append",
        required=True,
        type=Path,
        metavar="FILE",
        help="where to write: .png or .npy; may be given twice",
    )
    for parameter in _all_parameters():
        _add_parameter(command, parameter)
    command.set_defaults(run=_explain)


def _add_lists(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_list_models)


def _all_parameters() -> list[Parameter]:
    known = {p.name: p for method in xc.METHODS.values() for p in method.parameters}
    return list(known.values())


def _add_parameter(command: argparse.ArgumentParser, parameter: Parameter) -> None:
    users = [method.name for method in xc.METHODS.values() if parameter in method.parameters]
    text = f"{parameter.help} [{', '.join(users)}]".replace("%", "%%")
    flag = f"--{parameter.name.replace('_', '-')}"
    if isinstance(parameter.default, bool):
        command.add_argument(flag, action="store_true", default=None, help=text)
    elif parameter.choices:
        command.add_argument(flag, choices=parameter.choices, help=text)
    else:
        kind = type(parameter.default)
        limits = f"{parameter.min:g} to {parameter.max:g}, default {parameter.default:g}. "
        command.add_argument(flag, type=kind, metavar=kind.__name__.upper(), help=limits + text)


def _explain(given: argparse.Namespace) -> None:
    unwritable = [path.name for path in given.out if path.suffix not in (".png", ".npy")]
    if unwritable:
        raise xc.InputError(f"--out must end in .png or .npy (got {unwritable})")
    missing = [str(path.parent) for path in given.out if not path.parent.is_dir()]
    if missing:
        raise xc.InputError(f"--out names folders that do not exist: {missing}; make them first")
    if given.references and given.reference_set:
        raise xc.InputError("give either --references or --reference-set, not both")
    parameters: dict[str, ParameterValue] = {
        p.name: value for p in _all_parameters() if (value := getattr(given, p.name)) is not None
    }
    model = xc.load_model(given.model, layer=given.layer)
    if given.texts:
        model = xc.with_texts(model, given.texts)
    image = xc.read_image(given.image)
    references = xc.reference_set(given.reference_set) if given.reference_set else given.references
    smap = xc.explain(
        model,
        image,
        method=given.method,
        target=given.target,
        references=references,
        layer=given.layer,
        signed=given.signed,
        progress=None,
        **parameters,
    )
    placed = smap.on_original()
    for path in given.out:
        if path.suffix == ".npy":
            np.save(path, placed)
        else:
            PIL.Image.fromarray(_as_gray(placed, smap.is_signed)).save(path)
    _report(model, image, smap)


def _as_gray(values: Array, is_signed: bool) -> Array:
    level = np.nan_to_num(normalise(values, is_signed))
    if is_signed:
        level = (level + 1) / 2
    gray: Array = np.rint(level * 255).astype(np.uint8)
    return gray


def _report(model: xc.Model, image: xc.Image, smap: xc.SaliencyMap) -> None:
    made = smap.provenance
    target = made.contrast.target
    logits = model.predict(image) if target is not None else np.empty(0)
    print(f"{made.method} on {made.model}, layer {made.layer}")
    if target is not None:
        print(f"class {model.classes[target]}: {model.probabilities(logits)[target]:.1%}")
    if made.contrast.references:
        names = ", ".join(model.classes[index] for index in made.contrast.references)
        print(f"compared with {names}")
    if made.contrast.reference_set:
        count = made.parameter("num_references")
        print(f"reference pictures: {made.contrast.reference_set} ({count})")
    for name, value in made.parameters:
        print(f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}")
    if not smap.values.any():
        print("no positive evidence: the map is empty")
    for caution in question_cautions(model, logits, made.contrast):
        print(f"caution: {caution.text}")


def _list_models(given: argparse.Namespace) -> None:
    for name, is_ready in xc.available_models().items():
        print(name if is_ready else f"{name}  (downloads its weights)")


if __name__ == "__main__":
    sys.exit(main())
