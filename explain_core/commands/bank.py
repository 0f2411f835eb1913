"""The command `bank`: build banks of reference pictures, look at them, check them."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from explain_core.commands.meter import Meter, duration, ended_like_ctrl_c
from explain_core.errors import BankError
from explain_core.models.loading import load_model
from explain_core.references.bank import Bank, open_bank
from explain_core.references.bank_files import check_bank
from explain_core.references.banks import ENVIRONMENT, bank_names, load_bank
from explain_core.references.building import BuildProgress, build_bank

_HELP = """
Banks hold the pooled features of many pictures; DiffCAM takes its reference pictures from them.

  python -m explain_core bank build --model torchvision/resnet50 --images DIR --out BANK

makes one of a folder that has a folder per class, or goes on with one where it stopped: Ctrl-C
loses nothing, and new pictures are appended. Pictures that cannot be read are listed and left
out. A bank in the folder `banks` of what the environment's WHYNOT_REFERENCES names is found by
its name: explain --reference-set NAME/CLASS.
"""
_NUM_LISTED = 10


def add_bank(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    command = commands.add_parser(
        "bank",
        help="build and check banks of reference pictures",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = command.add_subparsers(required=True, metavar="WHAT")
    build = parts.add_parser("build", help="make a bank of pictures, or go on with one")
    build.add_argument("--model", required=True, help="see the command 'models'")
    build.add_argument(
        "--images", required=True, type=Path, metavar="DIR", help="the pictures, a folder per class"
    )
    build.add_argument("--out", required=True, type=Path, metavar="BANK", help="the bank's folder")
    build.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="a table with the columns path (below --images) and label, instead of folders",
    )
    build.add_argument("--layer", help="layer to pool; default: the model's last stage")
    build.add_argument(
        "--pooling",
        choices=("mean", "class-token", "both"),
        help="default: the class token where the layer has one, else the mean",
    )
    build.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: the workers of a Ray cluster (RAY_ADDRESS), or of one started here",
    )
    build.add_argument("--no-thumbnails", action="store_true", help="keep no small pictures")
    build.set_defaults(run=_build)
    for name, run, text in (
        ("info", _info, "tell what a bank holds"),
        ("check", _check, "read all of a bank and compare it with its digests"),
    ):
        part = parts.add_parser(name, help=text)
        part.add_argument("bank", metavar="BANK", help="a bank's folder, or its name")
        part.set_defaults(run=run)
    listed = parts.add_parser("list", help="list the banks that are found by name")
    listed.set_defaults(run=_list)


def _build(given: argparse.Namespace) -> None:
    with ended_like_ctrl_c():
        model = load_model(given.model, layer=given.layer)
        meter = Meter()

        def show(now: BuildProgress) -> None:
            meter.show(progress_text(now), is_last=now.done == now.total)

        try:
            built = build_bank(
                model,
                given.images,
                given.out,
                csv=given.csv,
                layer=given.layer,
                pooling=given.pooling,
                engine=given.engine,
                has_thumbnails=not given.no_thumbnails,
                progress=show,
            )
        finally:
            meter.end()
    bank = open_bank(given.out)
    known = f", {built.num_known:,} were known" if built.num_known else ""
    print(f"{given.out}: {built.num_added:,} pictures added{known}, {len(bank):,} in all")
    if built.num_ignored:
        print(f"ignored: {built.num_ignored:,} files that are no pictures by their name")
    if built.num_skipped:
        _print_skipped(bank)


def _info(given: argparse.Namespace) -> None:
    bank = bank_at(given.bank)
    counts = bank.counts()
    print(f"{bank.name}: {len(bank):,} pictures, {bank.features.shape[1]:,} features each")
    print(f"model {bank.model}, layer {bank.layer}, pooling {bank.pooling}")
    print(f"weights {bank.fingerprint}")
    print(f"pictures in {bank.images}" if bank.images else "pictures: not known where")
    held = np.flatnonzero(counts)
    print(f"{len(held):,} classes" + (", the model's own" if bank.is_aligned else ""))
    for index in held[:_NUM_LISTED]:
        print(f"    {bank.classes[index]}: {counts[index]:,}")
    if len(held) > _NUM_LISTED:
        print(f"    and {len(held) - _NUM_LISTED:,} more")
    if len(bank) > counts.sum():
        print(f"    without a class: {len(bank) - counts.sum():,}")
    _print_skipped(bank)


def _check(given: argparse.Namespace) -> None:
    bank = bank_at(given.bank)
    assert bank.files is not None
    faults = check_bank(bank.files.folder)
    if faults:
        more = f"\nand {len(faults) - _NUM_LISTED:,} more" if len(faults) > _NUM_LISTED else ""
        raise BankError("\n".join(faults[:_NUM_LISTED]) + more)
    print(f"{bank.name}: {len(bank):,} pictures, sound")


def _list(given: argparse.Namespace) -> None:
    for name in bank_names():
        try:
            bank = load_bank(name)
        except BankError as error:
            print(f"{name}: {error}")
        else:
            print(f"{name}: {len(bank):,} pictures, {bank.model}, layer {bank.layer}")


def bank_at(named: str) -> Bank:
    """Return the bank in a folder, or of a name."""
    if Path(named).is_dir():
        return open_bank(named)
    if named in bank_names():
        return load_bank(named)
    raise BankError(
        f"there is no bank '{named}'; give its folder, or one of these names: "
        f"{list(bank_names())} ({ENVIRONMENT} says where more are)"
    )


def _print_skipped(bank: Bank) -> None:
    assert bank.files is not None
    count = bank.files.manifest.num_skipped
    if not count:
        return
    print(f"left out: {count:,}")
    for number, (path, reason) in enumerate(bank.files.skipped()):
        if number == _NUM_LISTED:
            print(f"    and {count - number:,} more: {bank.files.folder / 'skipped.jsonl'}")
            return
        print(f"    {path}: {reason}")


def progress_text(now: BuildProgress) -> str:
    """Return one line: how many of how many, the rate, the time left."""
    parts = [f"{now.done:,} of {now.total:,} pictures ({now.done / now.total:.0%})"]
    if now.rate:
        parts.append(f"{now.rate:,.1f} per second")
    if now.seconds_left is not None and now.done < now.total:
        parts.append(f"{duration(now.seconds_left)} left")
    if now.num_skipped:
        parts.append(f"{now.num_skipped:,} left out")
    return ", ".join(parts)
