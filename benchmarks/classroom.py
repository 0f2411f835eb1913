"""Thirty students at once in lesson 2: how long answers take, and what the server needs.

Run: python -m benchmarks.classroom [--students 30] [--rounds 2] [--json FILE]

Starts the dashboard on this machine and opens sessions without browsers, each of which clicks
through the lesson with pauses to think: it opens the page, takes a sample, draws (the bars follow
while it draws), erases, changes method, digits and question. One student first, then all at once.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import torch
import websockets
from websockets.asyncio.client import connect

from benchmarks.measuring import Row, as_line, cpu_of_others, machine
from benchmarks.serving import busy_seconds, resident_mb, serve
from benchmarks.students import Student, patiently

PATIENCE_S = 30
THINK_S = (1.0, 3.0)
LIVE_S = 0.25  # as components/draw_canvas/canvas.js
STROKE_S = 1.0
P95_MS = 1000
MB = 2**20

LESSON = "lesson"
CANVAS = "lesson-canvas"
VIEWER = "lesson-not-eight"
THREE = ((0.3, 0.25), (0.5, 0.16), (0.68, 0.3), (0.5, 0.48), (0.7, 0.66), (0.5, 0.84), (0.3, 0.74))
CLOSING = ((0.34, 0.28), (0.34, 0.42), (0.5, 0.48), (0.32, 0.6), (0.32, 0.74))


@dataclass
class Tally:
    """Hold what students waited for.

    Attributes:
        seconds: from sending what was set to the end of the run, by kind of step.
        faults: what went wrong.
        num_bytes: received.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    num_bytes: int = 0

    @property
    def all(self) -> list[float]:
        return [each for step in self.seconds.values() for each in step]


# ---- a student -------------------------------------------------------------------------------


def drawing(share: float, rng: random.Random, *, is_closed: bool = False) -> PIL.Image.Image:
    """Draw the first part of a 3, never twice the same, or of what makes an 8 of it."""
    canvas = PIL.Image.new("RGB", (280, 280))
    pen = PIL.ImageDraw.Draw(canvas)
    for points in (THREE, CLOSING) if is_closed else (THREE,):
        steps = np.linspace(0, len(points) - 1, 40)[: max(2, round(40 * share))]
        shifted = np.array(points) * 280 + [[rng.uniform(-8, 8) for _ in "xy"] for _ in points]
        line = [tuple(np.interp(steps, range(len(points)), shifted[:, axis])) for axis in (0, 1)]
        pen.line(list(zip(*line, strict=True)), fill="white", width=22, joint="curve")
    return canvas


def erased(picture: PIL.Image.Image, rng: random.Random) -> PIL.Image.Image:
    left = picture.copy()
    x, y = (rng.uniform(60, 200) for _ in "xy")
    PIL.ImageDraw.Draw(left).ellipse((x, y, x + 50, y + 50), fill="black")
    return left


def data_url(picture: PIL.Image.Image) -> str:
    file = io.BytesIO()
    picture.convert("RGBA").save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


class Lesson:
    """Go through lesson 2 as a student does, and tally the waiting."""

    def __init__(self, student: Student, rng: random.Random, tally: Tally) -> None:
        self.student = student
        self.rng = rng
        self.tally = tally
        self.number = 0
        self.start = ""

    async def go(self, num_rounds: int) -> None:
        student = self.student
        await self.step("open the page", student.open())
        (lesson,) = [each for each in student.options(LESSON) if "not an 8" in each]
        await self.step("choose the lesson", student.choose(LESSON, lesson))
        if VIEWER in student.elements:
            look = {"values": {}, "own": {}, "look": {"evidence": "For"}}
            await self.step("the viewer tells", student.send(VIEWER, "settings", look))
        for _ in range(num_rounds):
            await self.draw_and_erase()
            await self.ask_otherwise()
            await self.look_at_zeros()

    async def draw_and_erase(self) -> None:
        sample = self.rng.choice(self.student.options("not-eight-sample"))
        await self.step("take a sample", self.student.pick("not-eight-sample", sample))
        told = self.student.elements[CANVAS][0].mixed.json or self.student.elements[CANVAS][0].json
        self.start = json.loads(told)["sketch"]["start"]
        for is_closed in (False, True):
            await self.stroke(is_closed)
        picture = drawing(1.0, self.rng, is_closed=True)
        await self.sketch("erase", erased(picture, self.rng), picture)

    async def stroke(self, is_closed: bool) -> None:
        """Draw one stroke: the bars follow, each time once the last answer is there."""
        began = time.perf_counter()
        while (share := (time.perf_counter() - began) / STROKE_S) < 1:
            picture = drawing(share, self.rng, is_closed=is_closed)
            await self.sketch("while drawing", picture, is_drawing=True, thinks=False)
            await asyncio.sleep(LIVE_S)
        await self.sketch("end a stroke", drawing(1.0, self.rng, is_closed=is_closed))

    async def sketch(
        self,
        what: str,
        now: PIL.Image.Image,
        before: PIL.Image.Image | None = None,
        *,
        is_drawing: bool = False,
        thinks: bool = True,
    ) -> None:
        self.number += 1
        sketch = {
            "start": self.start,
            "now": data_url(now),
            "before": "" if before is None else data_url(before),
            "is_drawn": True,
            "is_drawing": is_drawing,
            "number": self.number,
        }
        await self.step(what, self.student.send(CANVAS, "sketch", sketch), thinks=thinks)

    async def ask_otherwise(self) -> None:
        student, rng = self.student, self.rng
        against = rng.sample(student.options("not-eight-against"), 3)
        await self.step("change the digits", student.choose("not-eight-against", *against))
        for method in ("Finer-CAM", "DiffCAM"):
            await self.step("change the method", student.choose("not-eight-method", method))

    async def look_at_zeros(self) -> None:
        student, rng = self.student, self.rng
        why_not, varies = student.options("not-eight-part")
        await self.step("switch the question", student.choose("not-eight-part", varies))
        letter = rng.choice(student.options("not-eight-picked"))
        await self.step("look at a zero", student.choose("not-eight-picked", letter))
        digit = rng.choice(student.options("not-eight-digit"))
        await self.step("change the digit", student.choose("not-eight-digit", digit))
        await self.step("switch the question", student.choose("not-eight-part", why_not))

    async def step(self, what: str, work: Awaitable[None], *, thinks: bool = True) -> None:
        begin = time.perf_counter()
        await patiently(work, PATIENCE_S)
        self.tally.seconds.setdefault(what, []).append(time.perf_counter() - begin)
        if thinks:
            await asyncio.sleep(self.rng.uniform(*THINK_S))


async def attend(host: str, seed: int, num_rounds: int, tally: Tally) -> None:
    """Go through the lesson; what goes wrong is tallied."""
    rng = random.Random(seed)
    await asyncio.sleep(rng.uniform(0, THINK_S[1]))
    address = f"ws://{host}/_stcore/stream"
    async with connect(address, subprotocols=["streamlit"], max_size=None) as opened:
        student = Student(opened, "classroom")
        try:
            await Lesson(student, rng, tally).go(num_rounds)
        except (TimeoutError, websockets.ConnectionClosed, KeyError, ValueError) as error:
            tally.faults.append(f"{type(error).__name__}: {error}")
        tally.faults += student.faults
        tally.num_bytes += student.num_bytes


async def attend_all(host: str, num_students: int, num_rounds: int) -> Tally:
    tally = Tally()
    await asyncio.gather(*(attend(host, seed, num_rounds, tally) for seed in range(num_students)))
    return tally


# ---- the table -------------------------------------------------------------------------------


def p95(seconds: list[float]) -> float:
    return 1000 * float(np.percentile(seconds, 95))


def answer_rows(tally: Tally, who: str) -> Iterator[Row]:
    count = len(tally.all)
    yield Row("answers", f"{who}: median", 1000 * statistics.median(tally.all), "ms")
    yield Row("answers", f"{who}: 95th percentile", p95(tally.all), "ms", P95_MS, note=f"{count}")
    yield Row("answers", f"{who}: failures", len(tally.faults), "", 0)
    for what, seconds in tally.seconds.items():
        note = f"median {1000 * statistics.median(seconds):.0f} ms of {len(seconds)}"
        yield Row("steps", f"{who}: {what}, 95th percentile", p95(seconds), "ms", note=note)


def measure(num_students: int, num_rounds: int) -> Iterator[Row]:
    with serve() as (host, process):
        asyncio.run(attend_all(host, 1, 1))  # loads the network and the bank
        alone = asyncio.run(attend_all(host, 1, num_rounds))
        yield from answer_rows(alone, "1 student")
        before_mb, before_s, begin = resident_mb(process), busy_seconds(process), time.time()
        others_before_s = cpu_of_others()
        together = asyncio.run(attend_all(host, num_students, num_rounds))
        elapsed = time.time() - begin
        who = f"{num_students} students"
        yield from answer_rows(together, who)
        for fault in sorted(set(alone.faults + together.faults)):
            print(f"failure: {fault}", file=sys.stderr)
        ratio = p95(together.all) / p95(alone.all)
        yield Row("answers", f"{who} / 1 student, 95th percentiles", ratio, "x")
        busy_s = busy_seconds(process) - before_s
        others_s = cpu_of_others() - others_before_s - busy_s
        per_step = 1000 * busy_s / len(together.all)
        yield Row("server", f"{who}: processor time for each answer", per_step, "ms")
        yield Row("server", f"{who}: cores that the server keeps busy", busy_s / elapsed, "")
        yield Row("server", "cores that other processes keep busy", others_s / elapsed, "")
        received = together.num_bytes / MB / num_students
        yield Row("server", f"{who}: received by each in the lesson", received, "MB")
        after_mb = resident_mb(process)
        yield Row("memory", "the server before", before_mb, "MB")
        yield Row("memory", f"the server after {who}", after_mb, "MB")
        yield Row("memory", "for each student", (after_mb - before_mb) / num_students, "MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2, help="times through the lesson")
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    arguments = parser.parse_args()
    about = machine(torch.device("cpu"))
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    rows = []
    for row in measure(arguments.students, arguments.rounds):
        print(as_line(row), flush=True)
        rows.append(row)
    if arguments.json:
        table = [asdict(row) | {"verdict": row.verdict} for row in rows]
        Path(arguments.json).write_text(
            json.dumps({"machine": about, "rows": table}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
