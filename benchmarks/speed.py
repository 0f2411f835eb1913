"""Measure speed as ratios within one run, on networks with random weights; no download.

    python -m benchmarks.speed                # all of it: CUDA where there is one, else the CPU
    python -m benchmarks.speed --only peers   # one part: cam, gradients, peers ...
    python -m benchmarks.speed --json speed.json

What is compared runs in turns, and each figure is the median over the turns of the ratio within
one turn. Turns in which other processes were busy are left out. Memory is that of fresh processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

REPO = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):  # run as a file: Python then looks beside the file only
    sys.path.insert(0, str(REPO))

import explain_core as xc  # noqa: E402
from benchmarks.estimates import measure_estimates  # noqa: E402
from benchmarks.measuring import (  # noqa: E402
    PHOTO_SIZE,
    Row,
    Work,
    as_line,
    machine,
    measure,
    ms,
    random_photo,
    random_resnet50,
    ratio,
    synchronise,
    wrapped,
)
from benchmarks.peers import measure_peers  # noqa: E402
from explain_core.methods.store import EvidenceStore  # noqa: E402
from explain_core.models.device import batch_size, pick_device  # noqa: E402

CAM_FAMILY = (
    "grad-cam",
    "grad-cam++",
    "xgrad-cam",
    "layer-cam",
    "finer-grad-cam",
    "finer-layer-cam",
)
TARGET = 0
REFERENCES = (1, 2, 3, 4, 5)
INPUT_SIZE = (224, 224)
NUM_SAMPLES = 20
MANY_SAMPLES = 80
NUM_CHANNELS = 2048
MIB = 2**20


# ---- the parts -----------------------------------------------------------------------------


def measure_cam(device: torch.device, turns: int) -> Iterator[Row]:
    """All CAM-family maps of one photo against one forward pass, and against pytorch-grad-cam."""
    network = random_resnet50()
    model, photo = wrapped(network, device), random_photo()
    x = model.preprocess(photo)

    def ours() -> None:
        cam_maps(model, photo)

    works: dict[str, Work] = {
        "forward": lambda: model.logits(x),
        "ours": ours,
        "preprocess": lambda: model.preprocess(photo),
    }
    seconds = measure(works, device, 4 * turns)
    forward, all_maps, preprocess = (seconds[name] for name in ("forward", "ours", "preprocess"))
    what = f"{len(CAM_FAMILY)} CAM maps, 1 target + {len(REFERENCES)} references"
    yield Row(
        "cam", f"{what} / forward pass", ratio(all_maps, forward), "x", 1.2,
        note=f"{ms(all_maps)} / {ms(forward)}, preprocessing included",
    )  # fmt: skip
    yield Row(
        "cam", "  of which preprocessing", ratio(preprocess, forward), "x",
        note=f"{ms(preprocess)}, photo of {PHOTO_SIZE[0]} x {PHOTO_SIZE[1]}",
    )  # fmt: skip

    what = f"pytorch-grad-cam, the same {len(CAM_FAMILY)} maps / ours"
    theirs = pytorch_grad_cam_maps(network, x)
    if theirs is None:
        yield Row("cam", what, None, "x", 10, True, "pip install -r requirements-dev.txt")
        return
    seconds = measure({"ours": ours, "theirs": theirs}, device, turns)
    yield Row(
        "cam", what, ratio(seconds["theirs"], seconds["ours"]), "x", 10, True,
        f"{ms(seconds['theirs'])}, without preprocessing, / {ms(seconds['ours'])}",
    )  # fmt: skip


def cam_maps(model: xc.Model, photo: xc.Image) -> None:
    bases = xc.prepare_many(model, photo, CAM_FAMILY, target=TARGET, references=REFERENCES)
    for basis in bases.values():
        xc.render(basis)


def pytorch_grad_cam_maps(network: torch.nn.Module, x: torch.Tensor) -> Work | None:
    """Return what makes the CAM family's maps with pytorch-grad-cam, None where it is missing."""
    try:
        import pytorch_grad_cam
        from pytorch_grad_cam.finer_cam import FinerCAM
        from pytorch_grad_cam.utils import model_targets
    except ImportError:
        return None
    layers = [network.get_submodule("layer4")]
    plain = [model_targets.ClassifierOutputTarget(TARGET)]
    finer = [model_targets.FinerWeightedTarget(TARGET, list(REFERENCES), 0.6)]

    def maps() -> None:
        for kind in ("GradCAM", "GradCAMPlusPlus", "XGradCAM", "LayerCAM"):
            with getattr(pytorch_grad_cam, kind)(model=network, target_layers=layers) as cam:
                cam(input_tensor=x, targets=plain)
        for kind in ("GradCAM", "LayerCAM"):
            base = getattr(pytorch_grad_cam, kind)
            with FinerCAM(model=network, target_layers=layers, base_method=base) as cam:
                cam(input_tensor=x, targets=finer)

    return maps


def measure_gradients(device: torch.device, turns: int) -> Iterator[Row]:
    """Guided AbsoluteGrad against the passes that it cannot do without."""
    model, photo = wrapped(random_resnet50(), device), random_photo()
    x = model.preprocess(photo)
    size = min(batch_size(model.device, INPUT_SIZE), NUM_SAMPLES)

    def passes(batch: int) -> None:
        done = 0
        while done < NUM_SAMPLES:
            leaf = x.repeat(min(batch, NUM_SAMPLES - done), 1, 1, 1).requires_grad_()
            (_,) = torch.autograd.grad(model.network(leaf)[:, TARGET].sum(), leaf)
            done += len(leaf)

    works: dict[str, Work] = {
        "ours": lambda: prepare_guided(model, photo, NUM_SAMPLES),
        "batched": lambda: passes(size),
        "one by one": lambda: passes(1),
    }
    seconds = measure(works, device, turns)
    yield Row(
        "gradients", f"Guided AbsoluteGrad, n={NUM_SAMPLES} / n batched forward+gradient passes",
        ratio(seconds["ours"], seconds["batched"]), "x", 1.15,
        note=f"{ms(seconds['ours'])} / {ms(seconds['batched'])}, {size} at once",
    )  # fmt: skip
    yield Row(
        "gradients", "  n passes one by one / ours",
        ratio(seconds["one by one"], seconds["ours"]), "x",
        note=f"{ms(seconds['one by one'])} / {ms(seconds['ours'])}",
    )  # fmt: skip
    basis = prepare_guided(model, photo, 2)
    percentiles = iter(range(1_000_000))
    seconds = measure(
        {"render": lambda: xc.render(basis, p=float(next(percentiles) % 100))}, device, 50
    )
    milliseconds = 1000 * statistics.median(seconds["render"])
    yield Row("gradients", "  a render", milliseconds, "ms")


def prepare_guided(model: xc.Model, photo: xc.Image, num_samples: int) -> object:
    return xc.prepare(
        model, photo, method="guided-absolute-grad", target=TARGET, num_samples=num_samples
    )


def measure_diffcam(device: torch.device, turns: int) -> Iterator[Row]:
    """A DiffCAM basis from random features, without the network's pass, and its renders."""
    model, photo = wrapped(random_resnet50(), device), random_photo()
    store = EvidenceStore()
    store.class_evidence(model, photo, model.layer, ())
    for num_references, bound in ((1000, 250.0), (5000, None)):
        references = random_references(model, num_references)
        bases = []

        def prepare(references: xc.ReferenceSet = references, bases: list = bases) -> None:
            bases[:] = xc.prepare_many(
                model, photo, ["diffcam"], target=TARGET, reference_set=references, store=store
            ).values()

        seconds = measure({"prepare": prepare}, device, turns if bound else 1)
        what = f"{NUM_CHANNELS} channels, {num_references:,} references"
        yield Row(
            "diffcam", f"DiffCAM basis, {what}",
            1000 * statistics.median(seconds["prepare"]), "ms", bound,
            note="the network's pass not included",
        )  # fmt: skip
        (basis,) = bases
        exponents = iter(np.linspace(-6, 2, 2001))
        seconds = measure(
            {"render": lambda b=basis, e=exponents: xc.render(b, lam=10.0 ** float(next(e)))},
            device,
            500,
        )
        yield Row(
            "diffcam", f"  a render, {num_references:,} references",
            1000 * statistics.median(seconds["render"]), "ms", 0.2,
            note="a new λ each time, to 224 x 224",
        )  # fmt: skip


def random_references(model: xc.Model, count: int) -> xc.ReferenceSet:
    """Return features as pooled ReLU outputs are: non-negative, correlated, float16."""
    rng = np.random.default_rng(count)
    causes = rng.standard_normal((count, 256), dtype=np.float32)
    mixing = rng.standard_normal((256, NUM_CHANNELS), dtype=np.float32) / 16
    noise = rng.standard_normal((count, NUM_CHANNELS), dtype=np.float32)
    features = np.abs(causes @ mixing + 0.3 * noise)
    return xc.ReferenceSet(
        key=f"random/{count}",
        features=features.astype(np.float16),
        labels=np.zeros(count, np.int64),
        layer=model.layer,
        fingerprint=model.fingerprint,
    )


# ---- memory --------------------------------------------------------------------------------


def measure_memory(device: torch.device, turns: int) -> Iterator[Row]:
    """What each kind of work adds to the memory of a fresh process that holds the model."""
    needs = {work: memory_of_process(work, device) / MIB for work in MEMORY_WORKS}
    few, many = needs["few samples"], needs["many samples"]
    if few <= 0:
        yield Row("memory", "peak memory", None, "MiB", note="this system does not tell")
        return
    note = "above the loaded model"
    yield Row("memory", "one forward pass", needs["forward"], "MiB", note=note)
    yield Row("memory", f"{len(CAM_FAMILY)} CAM maps", needs["cam"], "MiB", note=note)
    yield Row("memory", f"Guided AbsoluteGrad, n={NUM_SAMPLES}", few, "MiB", note=note)
    yield Row(
        "memory", f"  n={MANY_SAMPLES} / n={NUM_SAMPLES}", many / few, "x", 1.05,
        note=f"{many:.0f} MiB / {few:.0f} MiB",
    )  # fmt: skip


def memory_of_process(work: str, device: torch.device) -> int:
    """Return the bytes that `work` needs at its peak, measured by a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--device", str(device)]
    done = subprocess.run(
        [*command, "--memory-of", work], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1])


def memory_of(work: str, device: torch.device) -> int:
    """Return the bytes that `work` adds to a loaded model at its peak; 0 where nobody tells."""
    network = random_resnet50()
    model, photo = wrapped(network, device), random_photo()
    x = model.preprocess(photo)
    forget_peak(device)
    before = memory(device, "VmRSS")
    MEMORY_WORKS[work](model, photo, x)
    synchronise(device)
    return memory(device, "VmHWM") - before


def forget_peak(device: torch.device) -> None:
    """Let the peak begin at what is held now; loading the model needed more for a moment."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def memory(device: torch.device, which: str) -> int:
    """Return the bytes now ("VmRSS") or at the peak ("VmHWM") of the device or the process.

    `getrusage` would do, but a child's figure there begins with its parent's.
    """
    if device.type == "cuda":
        is_now = which == "VmRSS"
        return (torch.cuda.memory_allocated if is_now else torch.cuda.max_memory_allocated)(device)
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) * 1024
    return 0


MEMORY_WORKS: Mapping[str, Callable[[xc.Model, xc.Image, torch.Tensor], object]] = {
    "forward": lambda model, photo, x: model.logits(x),
    "cam": lambda model, photo, x: cam_maps(model, photo),
    "few samples": lambda model, photo, x: prepare_guided(model, photo, NUM_SAMPLES),
    "many samples": lambda model, photo, x: prepare_guided(model, photo, MANY_SAMPLES),
}

PARTS: Mapping[str, Callable[[torch.device, int], Iterator[Row]]] = {
    "cam": measure_cam,
    "gradients": measure_gradients,
    "diffcam": measure_diffcam,
    "peers": measure_peers,
    "estimates": measure_estimates,
    "memory": measure_memory,
}


# ---- the command ---------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--device", help="cpu, cuda, cuda:1 or mps; the best there is if left out")
    made.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    made.add_argument("--turns", type=int, default=5, help="more are steadier (default 5)")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    made.add_argument("--memory-of", choices=MEMORY_WORKS, help=argparse.SUPPRESS)
    return made


def main() -> None:
    arguments = parser().parse_args()
    device = pick_device() if arguments.device is None else torch.device(arguments.device)
    if arguments.memory_of is not None:
        print(memory_of(arguments.memory_of, device))
        return
    where = machine(device)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    print(f"{'':<64}{'measured':>11}  {'budget':<11}")
    rows = []
    for part in arguments.only or PARTS:
        for row in PARTS[part](device, max(1, arguments.turns)):
            rows.append(row)
            print(as_line(row), flush=True)
    if arguments.json is not None:
        figures = [asdict(row) | {"verdict": row.verdict} for row in rows]
        arguments.json.write_text(json.dumps({"machine": where, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
