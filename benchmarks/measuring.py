"""What the benchmarks share: works in turns, rows of a table, and what they run on."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision

import explain_core as xc
from explain_core.images.reading import image_from_pixels

REPO = Path(__file__).resolve().parents[1]
PHOTO_SIZE = (375, 500)
PATIENCE_S = 40
TICKS_S = 0.03  # how coarse the system's accounting is

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        part: which part of the benchmark it belongs to.
        what: in words.
        measured: in `unit`; None where it was skipped.
        bound: of the budget; None where the figure is for information.
        is_least: whether the bound is the least rather than the most.
        note: what it was measured from, or why it was skipped.
    """

    part: str
    what: str
    measured: float | None
    unit: str
    bound: float | None = None
    is_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "skipped"
        if self.bound is None:
            return ""
        is_met = self.measured >= self.bound if self.is_least else self.measured <= self.bound
        return "ok" if is_met else "OVER" if not self.is_least else "UNDER"


def measure(works: Mapping[str, Work], device: torch.device, turns: int) -> dict[str, list[float]]:
    """Return the seconds of each work in each turn, after one turn to warm up.

    A turn in which other processes were busy is taken again, as long as patience lasts: two
    networks that compete for the cores slow each other down several times over, and unevenly.
    """
    take_turn(works, device)
    quiet: list[dict[str, float]] = []
    disturbed: list[dict[str, float]] = []
    latest = time.perf_counter() + PATIENCE_S
    while len(quiet) < turns:
        before, start = cpu_of_others(), time.perf_counter()
        seconds = take_turn(works, device)
        elapsed = time.perf_counter() - start
        is_quiet = cpu_of_others() - before <= TICKS_S + 0.1 * elapsed
        (quiet if is_quiet else disturbed).append(seconds)
        if time.perf_counter() > latest:
            break
    if not quiet:
        print("The machine was busy all the time: what follows is rough.", file=sys.stderr)
    return {name: [turn[name] for turn in quiet or disturbed] for name in works}


def take_turn(works: Mapping[str, Work], device: torch.device) -> dict[str, float]:
    seconds = {}
    for name, work in works.items():
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        seconds[name] = time.perf_counter() - start
    return seconds


def cpu_of_others() -> float:
    """Return the seconds that all cores have worked for others than this process; 0 if unknown."""
    file = Path("/proc/stat")
    if not file.is_file():
        return 0.0
    user, nice, system, _idle, _wait, *interrupts_and_steal = (
        int(ticks) for ticks in file.read_text().split("\n", 1)[0].split()[1:9]
    )
    ticks = user + nice + system + sum(interrupts_and_steal)
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()


def synchronise(device: torch.device) -> None:
    """Wait for what the device still computes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def ms(seconds: list[float]) -> str:
    milliseconds = 1000 * statistics.median(seconds)
    return f"{milliseconds:.3f} ms" if milliseconds < 1 else f"{milliseconds:.1f} ms"


def random_photo(size: tuple[int, int] = PHOTO_SIZE) -> xc.Image:
    rng = np.random.default_rng(0)
    return image_from_pixels(rng.integers(0, 256, (*size, 3), dtype=np.uint8))


def random_network(name: str) -> torch.nn.Module:
    """Return one of torchvision's networks with weights drawn from seed 0."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network: torch.nn.Module = torchvision.models.get_model(name, weights=None)
    return network.eval()


def random_resnet50() -> torch.nn.Module:
    return random_network("resnet50")


def wrapped(network: torch.nn.Module, device: torch.device) -> xc.Model:
    return xc.wrap_model(network.to(device), name=f"random-{type(network).__name__.lower()}")


def as_line(row: Row) -> str:
    measured = "-" if row.measured is None else f"{row.measured:.3g} {row.unit}"
    if row.measured is not None and row.measured >= 1000:
        measured = f"{row.measured:.0f} {row.unit}"
    sign = ">=" if row.is_least else "<="
    bound = "" if row.bound is None else f"{sign} {row.bound:g} {row.unit}"
    return f"{row.what:<64}{measured:>11}  {bound:<11}{row.verdict:<8}{row.note}".rstrip()


def machine(device: torch.device) -> dict[str, str | int | float]:
    is_cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if is_cuda else device.type,
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "whynot": xc.__version__,
    }
