"""The command `probe`: fit a linear probe to a bank, look at one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from explain_core.commands.bank import bank_at
from explain_core.errors import InputError
from explain_core.models.loading import load_model
from explain_core.models.probes import LinearProbe, read_probe, save_probe
from explain_core.references.probing import DEFAULT_L2, fit_probe

_HELP = """
A linear probe turns an encoder into a classifier of a bank's classes: softmax regression on the
bank's features. A fifth of the pictures is kept apart to measure it by.

  python -m explain_core probe fit --bank BANK --model NAME --out probe.safetensors

These lines in models.toml make it a model:

  [my-probe]
  encoder = "NAME"
  probe = "probe.safetensors"
"""
_NUM_LISTED = 10


def add_probe(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    command = commands.add_parser(
        "probe",
        help="fit linear probes to banks",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = command.add_subparsers(required=True, metavar="WHAT")
    fit = parts.add_parser("fit", help="fit a probe to a bank's classes")
    fit.add_argument("--bank", required=True, metavar="BANK", help="a bank's folder, or its name")
    fit.add_argument(
        "--model", required=True, metavar="NAME", help="whose features it holds; see 'models'"
    )
    fit.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="where to write: .safetensors"
    )
    fit.add_argument(
        "--l2", type=float, default=DEFAULT_L2, help=f"penalty on weights; default {DEFAULT_L2:g}"
    )
    fit.add_argument("--seed", type=int, default=0, help="of what is kept apart; default 0")
    fit.set_defaults(run=_fit)
    info = parts.add_parser("info", help="tell what a probe is")
    info.add_argument("file", metavar="FILE", type=Path)
    info.set_defaults(run=_info)


def _fit(given: argparse.Namespace) -> None:
    if given.out.suffix != ".safetensors":
        raise InputError(f"--out must end in .safetensors (got {given.out.name})")
    if not given.out.parent.is_dir():
        raise InputError(f"--out names a folder that does not exist: {given.out.parent}; make it")
    bank = bank_at(given.bank)
    model = load_model(given.model)
    meter = _Meter()
    try:
        probe = fit_probe(bank, model, l2=given.l2, seed=given.seed, progress=meter.show)
    finally:
        meter.end()
    save_probe(probe, given.out)
    print(f"{given.out}: {len(probe.classes):,} classes")
    print(accuracy_text(probe))


def _info(given: argparse.Namespace) -> None:
    probe = read_probe(given.file)
    print(f"{given.file.name}: {len(probe.classes):,} classes, {probe.weight.shape[1]:,} features")
    print(f"encoder {probe.encoder}, layer {probe.layer}, pooling {probe.pooling}")
    print(f"weights {probe.fingerprint}")
    print(f"bank {probe.bank}, l2 {probe.l2:g}, seed {probe.seed}")
    print(accuracy_text(probe))
    for name in probe.classes[:_NUM_LISTED]:
        print(f"    {name}")
    if len(probe.classes) > _NUM_LISTED:
        print(f"    and {len(probe.classes) - _NUM_LISTED:,} more")


def accuracy_text(probe: LinearProbe) -> str:
    """Return in one line how good a probe is, beside what guessing would reach."""
    return (
        f"right on {probe.accuracy:.1%} of {probe.num_held_out:,} pictures kept apart (always the "
        f"commonest class: {probe.commonest:.1%}); fitted to {probe.num_train:,}"
    )


class _Meter:
    """Show a share on a line that is drawn again, on a terminal only."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()

    def show(self, share: float) -> None:
        """Show how far a fit is."""
        if self._is_terminal:
            print(f"\r\x1b[Kfitting: {share:.0%}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._is_terminal:
            print(file=sys.stderr)
