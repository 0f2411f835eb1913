"""What a method is said to take before it starts, against what it then takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import torch

import explain_core as xc
from benchmarks.measuring import Row, random_network, random_photo, synchronise, wrapped
from explain_core.methods.cost import SpeedMeter, passes

ARCHITECTURES = ("resnet18", "mobilenet_v2")
# Below this nobody is told an estimate: the method simply runs.
LEAST_S = 1.0
WITHIN = 1.5


def measure_estimates(device: torch.device, turns: int) -> Iterator[Row]:
    """The larger of real / estimated and its inverse, for every method worth an estimate."""
    for architecture in ARCHITECTURES:
        model, photo = wrapped(random_network(architecture), device), random_photo()
        meter = SpeedMeter()
        for name, method in xc.METHODS.items():
            estimated = meter.pace(method, model, model.layer).seconds(
                passes(method, model, model.layer)
            )
            if estimated < LEAST_S:
                continue
            references = [1] if method.compares_with == "classes" else None
            taken = []
            for _ in range(max(1, turns // 2)):
                synchronise(device)
                start = time.perf_counter()
                xc.prepare(model, photo, method=name, target=0, references=references)
                synchronise(device)
                taken.append(time.perf_counter() - start)
            real = statistics.median(taken)
            yield Row(
                "estimates",
                f"{architecture}, {name}",
                max(real / estimated, estimated / real),
                "x",
                WITHIN,
                note=f"took {real:.1f} s, said {estimated:.1f} s",
            )
