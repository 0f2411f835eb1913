"""Drawn birds with known evidence, and the command that makes what is bundled of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from explain_core.datasets.bird_assets import ASSETS, NUM_HELD_OUT, NUM_PER_CLASS, train
from explain_core.datasets.bird_cub import write_cub
from explain_core.datasets.bird_examples import SIZE_PX, Bird, bird, birds
from explain_core.datasets.bird_training import KINDS
from explain_core.errors import ExplainError

__all__ = ["Bird", "bird", "birds", "main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m explain_core.datasets.birds",
        description="Make the bundled networks for drawn birds, or draw birds into a folder.",
        epilog=f"Run it from the repository's root: {ASSETS} is relative to where you are.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "train",
        help="draw, train and measure; write weights, banks, card and README (about 10 minutes on "
        "two cores for each network)",
    )
    command.add_argument(
        "--network",
        choices=[kind.name for kind in KINDS],
        help="train this one only (default: both)",
    )
    command.add_argument("--out", type=Path, metavar="DIR", default=ASSETS)
    command.add_argument("--epochs", type=int, help="default: as the README says")
    command.add_argument("--hands", type=int, help="each draws four species to learn from")
    command.add_argument(
        "--held-out", type=int, default=NUM_HELD_OUT, help="pictures to measure on"
    )
    command.add_argument(
        "--num-per-class", type=int, default=NUM_PER_CLASS, help="references in the bank"
    )
    command.add_argument("--seed", type=int, default=0, help="settles all that is random")
    command = commands.add_parser("export", help="draw birds into a folder in the form of CUB")
    command.add_argument("--out", type=Path, metavar="DIR", required=True)
    command.add_argument("--num-per-species", type=int, default=50)
    command.add_argument("--size", type=int, default=SIZE_PX, metavar="PX", help="of the pictures")
    command.add_argument("--seed", type=int, default=0, help="settles all that is random")
    command.add_argument("--confounded", action="store_true", help="with markers in a corner")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 1 after a message where it could not be done."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "export":
            write_cub(
                options.out,
                options.num_per_species,
                size_px=options.size,
                seed=options.seed,
                has_marker=options.confounded,
            )
            return 0
        for kind in KINDS:
            if options.network in (None, kind.name):
                card = train(
                    kind,
                    options.out,
                    num_epochs=options.epochs,
                    num_hands=options.hands,
                    num_held_out=options.held_out,
                    num_per_class=options.num_per_class,
                    seed=options.seed,
                )
                print(f"{kind.name}: {card['test_accuracy']:.2%} of {card['num_test']} held out")
    except ExplainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
