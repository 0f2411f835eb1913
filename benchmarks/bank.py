"""Measure banks: building, opening, searching, memory, and all of it at ImageNet's size.

    python -m benchmarks.bank                    # all of it: CUDA where there is one, else the CPU
    python -m benchmarks.bank --only build       # one part: build, open, search or imagenet
    python -m benchmarks.bank --rows 100000      # a smaller simulation
    python -m benchmarks.bank --json bank.json

Nothing is downloaded: the network has random weights, photographs are generated, and the features
of the simulation are random around a centre for each class. It takes 4 KiB of disk a picture, in
the system's temporary folder or that of --folder. Memory is that of fresh processes.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import torch

REPO = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # run as a file: Python then looks beside the file only
    sys.path.insert(0, str(REPO))

import explain_core as xc  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    Row,
    as_line,
    machine,
    measure,
    ms,
    random_resnet50,
    ratio,
)
from benchmarks.speed import INPUT_SIZE, MIB, memory  # noqa: E402
from explain_core.models.device import batch_size, pick_device  # noqa: E402
from explain_core.references.bank import Bank, open_bank  # noqa: E402
from explain_core.references.bank_files import open_files  # noqa: E402
from explain_core.references.bank_writer import Row as Record  # noqa: E402
from explain_core.references.bank_writer import open_writer  # noqa: E402
from explain_core.references.building import build_bank  # noqa: E402
from explain_core.references.class_sums import class_sums  # noqa: E402
from explain_core.references.nearest import keep_lists  # noqa: E402

PHOTO_SIZE = (375, 500)
NUM_CHANNELS = 2048
NUM_CLASSES = 1000
IMAGENET_ROWS = 1_300_000
SMALL_ROWS = 30_000
NUM_NEAREST = 100
UNION = tuple(range(0, 100, 5))
CHUNK_ROWS = 4000
GIB = 2**30


# ---- what is measured ----------------------------------------------------------------------


def measure_build(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Build a bank of photographs, against the network alone on tensors that are ready."""
    model = random_model(device)
    batch = batch_size(device, INPUT_SIZE)
    count = batch * (given.batches or (200 if device.type == "cuda" else 20))
    x = torch.randn((batch, 3, *INPUT_SIZE), generator=torch.Generator().manual_seed(0)).to(device)

    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        num_bytes = write_photos(folder / "images" / "photos", count)

        def forward() -> None:
            for _ in range(count // batch):
                model.pooled(x, model.layer)

        def build() -> None:
            shutil.rmtree(folder / "bank", ignore_errors=True)
            built = build_bank(model, folder / "images", folder / "bank")
            assert built.num_added == count

        seconds = measure({"forward": forward, "build": build}, device, given.turns)
    rate = {name: count / statistics.median(each) for name, each in seconds.items()}
    bound = 0.9 if device.type == "cuda" else 0.85
    photos = f"{count} JPEGs of {PHOTO_SIZE[0]} x {PHOTO_SIZE[1]}, {num_bytes / 1024:.0f} KiB"
    yield Row(
        "build", "building / the network alone, pictures per second, ResNet-50",
        ratio(seconds["forward"], seconds["build"]), "x", bound, True,
        f"{rate['build']:.1f} / {rate['forward']:.1f} per second, {batch} at once; {photos}",
    )  # fmt: skip


def measure_open(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Open banks of two sizes."""
    for rows in (SMALL_ROWS // 10, SMALL_ROWS):
        with simulated(rows, given) as folder:
            yield opening(folder, "open", f"{rows:,} pictures x {NUM_CHANNELS:,}")


def measure_search(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Search class means and pictures of a bank that is small enough to compare with all."""
    with simulated(SMALL_ROWS, given) as folder:
        bank = open_bank(folder)
        yield from searches(bank, "search", f"{SMALL_ROWS:,} pictures, flat")


def measure_imagenet(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Simulate ImageNet: 1,000 classes x 1,300 pictures x 2,048 features."""
    rows = given.rows - given.rows % NUM_CLASSES
    part, size = "imagenet", f"{rows:,} x {NUM_CHANNELS:,}"
    needed = int(rows * (2 * NUM_CHANNELS + 400) * 1.1)
    free = shutil.disk_usage(given.folder or tempfile.gettempdir()).free
    if free < needed:
        note = (
            f"needs {needed / GIB:.0f} GiB of disk, {free / GIB:.0f} are free; --folder or --rows"
        )
        yield Row(part, f"simulated ImageNet, {size}", None, "", note=note)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name) / "bank"
        random_model(torch.device("cpu"))
        seconds = timed(lambda: write_bank(folder, rows))
        num_bytes = sum(file.stat().st_size for file in folder.iterdir())
        yield Row(
            part, f"write, {size}", seconds, "s",
            note=f"{num_bytes / GIB:.1f} GiB, {rows / seconds:,.0f} pictures per second",
        )  # fmt: skip
        files = open_files(folder)
        yield Row(
            part, "sum the classes, once", timed(lambda: class_sums(files, is_kept=True)), "s"
        )
        seconds = timed(lambda: keep_lists(files))
        kind = "lists (IVF)" if (folder / "nearest.safetensors").exists() else "none: flat"
        yield Row(part, "build the index of pictures, once", seconds, "s", note=kind)
        yield opening(folder, part, size)
        bank = open_bank(folder)
        yield Row(part, "class means", 1000 * timed(bank.class_means), "ms")
        yield Row(part, "statistics of a class", 1000 * timed(lambda: bank.statistics((7,))), "ms")
        yield Row(
            part, f"statistics of {len(UNION)} classes",
            1000 * timed(lambda: bank.statistics(UNION)), "ms",
            note=f"{sum(int(bank.counts()[i]) for i in UNION):,} pictures",
        )  # fmt: skip
        again = statistics.median(timed(lambda: bank.statistics(UNION)) for _ in range(5))
        yield Row(part, "  the same again", 1000 * again, "ms")
        yield from searches(bank, part, size)
        for work in MEMORY_WORKS:
            peak, anonymous = memory_of_process(work, folder)
            yield Row(
                part, f"peak memory: {work}", anonymous / MIB, "MiB",
                note=f"above a process with the package loaded; with mapped pages {peak / MIB:.0f}",
            )  # fmt: skip


def opening(folder: Path, part: str, size: str) -> Row:
    seconds = [timed(lambda: open_bank(folder)) for _ in range(5)]
    return Row(
        part, f"open, {size}", 1000 * statistics.median(seconds), "ms",
        note=f"the first time {1000 * seconds[0]:.0f} ms",
    )  # fmt: skip


def searches(bank: Bank, part: str, size: str) -> Iterator[Row]:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(bank), 40)
    questions = [
        np.abs(bank.features[row].astype(np.float32) + 0.2 * rng.standard_normal(NUM_CHANNELS))
        for row in rows
    ]
    bank.nearest_classes(questions[0], NUM_NEAREST)
    seconds = [timed(lambda q=q: bank.nearest_classes(q, NUM_NEAREST)) for q in questions]
    held = int((bank.counts() > 0).sum())
    yield Row(
        part, f"{NUM_NEAREST} nearest class means of {held:,}",
        1000 * statistics.median(seconds), "ms", 5.0, note=f"at most {1000 * max(seconds):.2f} ms",
    )  # fmt: skip
    first = timed(lambda: bank.nearest(questions[0], NUM_NEAREST))
    found, seconds = 0, []
    for question, row in zip(questions, rows, strict=True):
        start = time.perf_counter()
        nearest, _ = bank.nearest(question, NUM_NEAREST)
        seconds.append(time.perf_counter() - start)
        found += int(row in nearest)
    yield Row(
        part, f"{NUM_NEAREST} nearest pictures, {size}", 1000 * statistics.median(seconds), "ms",
        note=f"{ms([max(seconds)])} at most, the first {ms([first])}; the picture itself is found "
        f"in {found} of {len(questions)}",
    )  # fmt: skip


# ---- made-up material ----------------------------------------------------------------------


@cache
def random_model(device: torch.device) -> xc.Model:
    prep = xc.Preprocessing(resize_px=256)
    return xc.wrap_model(random_resnet50().to(device), name="random-resnet50", preprocessing=prep)


def write_photos(folder: Path, count: int) -> float:
    """Write JPEGs that are as large as photographs of their size; return their mean size."""
    folder.mkdir(parents=True)
    num_bytes = 0
    for number in range(count):
        rng = np.random.default_rng(number)
        layers = [
            (0.7, rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)),
            (0.3, rng.integers(0, 256, (94, 125, 3), dtype=np.uint8)),
        ]
        picture = rng.normal(0, 6, (*PHOTO_SIZE, 3))
        for share, coarse in layers:
            smooth = PIL.Image.fromarray(coarse).resize(PHOTO_SIZE[::-1])
            picture += share * np.asarray(smooth, np.float64)
        file = io.BytesIO()
        PIL.Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        (folder / f"{number:05}.jpg").write_bytes(file.getvalue())
        num_bytes += len(file.getvalue())
    return num_bytes / count


@contextmanager
def simulated(rows: int, given: argparse.Namespace) -> Iterator[Path]:
    """Give the folder of a bank with random features; it is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name) / "bank"
        write_bank(folder, rows)
        class_sums(open_files(folder), is_kept=True)
        yield folder


def write_bank(folder: Path, rows: int) -> None:
    """Write a bank through the writer: as many pictures of each of 1,000 classes, in their order.

    Features are as pooled ReLU outputs are: non-negative, around a centre for each class.
    """
    rng = np.random.default_rng(0)
    centres = rng.gamma(0.7, 0.6, (NUM_CLASSES, NUM_CHANNELS)).astype(np.float32)
    writer = open_writer(folder, random_model(torch.device("cpu")))
    for begin in range(0, rows, CHUNK_ROWS):
        numbers = np.arange(begin, min(begin + CHUNK_ROWS, rows))
        labels = numbers * NUM_CLASSES // rows
        noise = rng.standard_normal((len(numbers), NUM_CHANNELS), dtype=np.float32)
        records = [
            Record(f"{label:04}/{number:07}.jpg", f"{label:04}", int(number), None)
            for number, label in zip(numbers, labels, strict=True)
        ]
        writer.append(records, np.abs(centres[labels] + 0.3 * noise))
    writer.close()


# ---- time and memory -----------------------------------------------------------------------


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory_of_process(work: str, folder: Path) -> tuple[int, int]:
    """Return what `work` adds at its peak, with and without mapped pages, in a fresh process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--memory-of", work]
    done = subprocess.run(
        [*command, "--bank", str(folder)], capture_output=True, text=True, check=True
    )
    peak, anonymous = done.stdout.split()[-2:]
    return int(peak), int(anonymous)


def memory_of(work: str, folder: Path) -> tuple[int, int]:
    import faiss  # noqa: F401  # its libraries are no part of the work

    device = torch.device("cpu")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins now
    before, before_anonymous = memory(device, "VmRSS"), memory(device, "RssAnon")
    peak_anonymous, is_over = before_anonymous, threading.Event()

    def watch() -> None:
        nonlocal peak_anonymous
        while not is_over.wait(0.002):
            peak_anonymous = max(peak_anonymous, memory(device, "RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    MEMORY_WORKS[work](folder)
    is_over.set()
    watcher.join()
    return memory(device, "VmHWM") - before, peak_anonymous - before_anonymous


def _question(bank: Bank) -> np.ndarray:
    return bank.features[0].astype(np.float32)


MEMORY_WORKS: Mapping[str, Callable[[Path], object]] = {
    "open": open_bank,
    "class means": lambda folder: open_bank(folder).class_means(),
    "nearest class means": lambda folder: (bank := open_bank(folder)).nearest_classes(
        _question(bank), NUM_NEAREST
    ),
    "statistics of a class": lambda folder: open_bank(folder).statistics((7,)),
    f"statistics of {len(UNION)} classes": lambda folder: open_bank(folder).statistics(UNION),
    "nearest pictures": lambda folder: (bank := open_bank(folder)).nearest(
        _question(bank), NUM_NEAREST
    ),
}

PARTS: Mapping[str, Callable[[torch.device, argparse.Namespace], Iterator[Row]]] = {
    "build": measure_build,
    "open": measure_open,
    "search": measure_search,
    "imagenet": measure_imagenet,
}


# ---- the command ---------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.bank",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--device", help="cpu, cuda, cuda:1 or mps; the best there is if left out")
    made.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    made.add_argument("--turns", type=int, default=3, help="of building (default 3)")
    made.add_argument("--batches", type=int, help="pictures to build from, in batches")
    made.add_argument("--rows", type=int, default=IMAGENET_ROWS, help="of the simulation")
    made.add_argument("--folder", type=Path, help="for what is written and removed again")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    made.add_argument("--memory-of", choices=MEMORY_WORKS, help=argparse.SUPPRESS)
    made.add_argument("--bank", type=Path, help=argparse.SUPPRESS)
    return made


def main() -> None:
    given = parser().parse_args()
    if given.memory_of is not None:
        print(*memory_of(given.memory_of, given.bank))
        return
    device = pick_device() if given.device is None else torch.device(given.device)
    where = machine(device)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    print(f"{'':<64}{'measured':>11}  {'budget':<11}")
    rows = []
    for part in given.only or PARTS:
        for row in PARTS[part](device, given):
            rows.append(row)
            print(as_line(row), flush=True)
    if given.json is not None:
        figures = [asdict(row) | {"verdict": row.verdict} for row in rows]
        given.json.write_text(json.dumps({"machine": where, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
