"""Measure the metrics against other libraries, as ratios within one run; no download.

    python -m benchmarks.metrics                    # all of it
    python -m benchmarks.metrics --only flipping    # one part: imputing or flipping
    python -m benchmarks.metrics --cpu-time         # one thread's time, on a busy machine
    python -m benchmarks.metrics --json metrics.json

Both sides run in turns on the same pictures, maps and network (random weights). Quantus is not
among the development requirements: its plain installation replaces opencv-python-headless.
`pip install --no-deps quantus cachetools` leaves everything as it is.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import explain_core as xc
from benchmarks.measuring import (
    Row,
    Work,
    as_line,
    machine,
    measure,
    ms,
    random_network,
    random_photo,
    ratio,
    wrapped,
)
from explain_core.images.reading import image_from_pixels
from explain_core.metrics.filling import blurred, impute
from explain_core.models.device import pick_device
from explain_core.types import Contrast, Provenance, SaliencyMap

SIZE = (224, 224)
NUM_PICTURES = 16
SHARES = (0.25, 0.5, 0.75)
NUM_MAPS = 8
INSTALL = "pip install --no-deps quantus cachetools"

Maps = Mapping[str, SaliencyMap]


class Clock:
    """Take works in turns.

    Args:
        is_cpu: measure this process's own time rather than the wall clock's.
    """

    def __init__(self, device: torch.device, turns: int, is_cpu: bool) -> None:
        self.device, self.turns, self._is_cpu = device, turns, is_cpu

    def measure(
        self, works: Mapping[str, Work], turns: int | None = None
    ) -> dict[str, list[float]]:
        turns = self.turns if turns is None else turns
        if not self._is_cpu:
            return measure(works, self.device, turns)
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(turns + 1):
            for name, work in works.items():
                start = time.process_time()
                work()
                if turn:  # the first one warms up
                    seconds[name].append(time.process_time() - start)
        return seconds


def smooth_maps(count: int) -> torch.Tensor:
    """Return (count, H, W): noise, coarse to fine, as maps of networks are."""
    rng = torch.Generator().manual_seed(0)
    sigmas = np.geomspace(2, 30, count)
    noise = torch.randn((count, 1, *SIZE), generator=rng)
    return torch.cat(
        [blurred(each[None], sigma) for each, sigma in zip(noise, sigmas, strict=True)]
    )[:, 0]


# ---- ROAD's imputation -----------------------------------------------------------------------


def measure_imputing(clock: Clock) -> Iterator[Row]:
    """ROAD's linear systems for 16 pictures, a third of them at each share."""
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    warnings.filterwarnings("ignore", "__array_wrap__ must accept", DeprecationWarning)
    pictures = torch.rand((NUM_PICTURES, 3, *SIZE), generator=torch.Generator().manual_seed(1))
    maps = smooth_maps(NUM_PICTURES)
    shares = torch.tensor(SHARES * NUM_PICTURES)[:NUM_PICTURES]
    thresholds = [
        torch.quantile(each, 1 - float(share)) for each, share in zip(maps, shares, strict=True)
    ]
    removed = maps >= torch.stack(thresholds)[:, None, None]
    here = pictures.to(clock.device), removed.to(clock.device)
    imputer = NoisyLinearImputer(noise=0.0)

    def theirs() -> torch.Tensor:
        pairs = zip(pictures, 1 - removed.float(), strict=True)
        return torch.stack([imputer(one, kept) for one, kept in pairs])

    systems = [
        direct_system(imputer, one, hole) for one, hole in zip(pictures, removed, strict=True)
    ]
    gap = float((impute(*here).cpu() - theirs()).abs().max())
    works: dict[str, Work] = {
        "ours": lambda: impute(*here),
        "theirs": theirs,
        "solve": lambda: [solve() for solve in systems],
    }
    seconds = clock.measure(works)
    ours, all_of_theirs, solves = (seconds[name] for name in works)
    yield Row(
        "imputing", f"pytorch-grad-cam's direct solve, {NUM_PICTURES} pictures / ROAD's imputation",
        ratio(all_of_theirs, ours), "x", 10, True,
        f"{ms(all_of_theirs)} / {ms(ours)}; largest difference {gap:.0e} (1e-4 allowed)",
    )  # fmt: skip
    yield Row(
        "imputing", "  scipy's spsolve alone, its systems built beforehand / the same",
        ratio(solves, ours), "x", note=ms(solves),
    )  # fmt: skip


def direct_system(imputer: object, picture: torch.Tensor, removed: torch.Tensor) -> Work:
    """Return what solves a picture's system directly, which is built here."""
    from pytorch_grad_cam.metrics.road import neighbors_weights
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import spsolve

    system, right = imputer.setup_sparse_system(  # type: ignore[attr-defined]
        (1 - removed.float()).numpy(), picture.numpy(), neighbors_weights
    )
    matrix = csc_matrix(system)
    return lambda: spsolve(matrix, right)


# ---- deletion and insertion ------------------------------------------------------------------


def measure_flipping(clock: Clock) -> Iterator[Row]:
    """Deletion and insertion of 8 maps of one picture, against Quantus's pixel flipping."""
    try:
        import quantus
    except ImportError:
        yield Row("flipping", "Quantus / deletion and insertion", None, "x", 5, True, INSTALL)
        return
    rng = np.random.default_rng(0)
    digit = image_from_pixels(rng.integers(0, 256, (28, 28), dtype=np.uint8))
    digits = xc.load_model("digits")
    network = wrapped(random_network("mobilenet_v3_small"), clock.device)
    for model, photo, in_step in ((digits, digit, 16), (network, random_photo(SIZE), 3136)):
        scorer = xc.metrics.scorer_of(model, photo)
        maps = made_up_maps(model, photo)
        flip = flipping(quantus, model, scorer.pixels, maps)
        steps = scorer.pixels.numel() // in_step
        asked = {"deletion": {"steps": steps}, "insertion": {"steps": steps}}
        works: dict[str, Work] = {
            "ours": lambda s=scorer, m=maps, a=asked: xc.metrics.score_maps(s, m, a, target=0),
            "each": lambda f=flip, n=in_step: [f(i, n, sign) for sign in (1, -1) for i in range(8)],
            "together": lambda f=flip, n=in_step: [f(None, n, sign) for sign in (1, -1)],
        }
        seconds = clock.measure(works)
        where = f"{model.name}, {scorer.size[0]} px, {steps} steps"
        for way, said in (("each", "one map a call"), ("together", "all maps in one call")):
            yield Row(
                "flipping", f"Quantus, {said} / ours, the same pictures",
                ratio(seconds[way], seconds["ours"]), "x",
                note=f"{ms(seconds[way])} / {ms(seconds['ours'])}; {where}",
            )  # fmt: skip

    # As Quantus's own examples for ImageNet call it: 224 features, of one channel, in a step.
    few = dict(list(maps.items())[:2])
    flip = flipping(quantus, model, scorer.pixels, few)
    works = {
        "ours": lambda: xc.metrics.score_maps(scorer, few, ["deletion"], target=0),
        "theirs": lambda: flip(None, 224, 1),
    }
    seconds = clock.measure(works, turns=1)
    areas = [np.mean((curve[1:] + curve[:-1]) / 2) for curve in np.array(flip(None, 224, 1))]
    found = xc.metrics.score_maps(scorer, few, ["deletion"], target=0)
    gap = max(
        abs(area / float(row["deletion"].value or np.nan) - 1)
        for area, row in zip(areas, found.values(), strict=True)
    )
    yield Row(
        "flipping", "Quantus as in its examples / ours with its defaults, deletion",
        ratio(seconds["theirs"], seconds["ours"]), "x", 5, True,
        f"{ms(seconds['theirs'])} / {ms(seconds['ours'])}, {len(few)} maps; areas differ by up to "
        f"{gap:.1%}",
    )  # fmt: skip


def made_up_maps(model: xc.Model, photo: xc.Image) -> Maps:
    geometry = model.geometry(photo)
    rng = np.random.default_rng(2)
    return {
        f"map {index}": SaliencyMap(
            values=rng.random(geometry.input_size).astype(np.float32),
            is_signed=False,
            provenance=Provenance("", "", "", "", "", Contrast(0)),
            geometry=geometry,
        )
        for index in range(NUM_MAPS)
    }


def flipping(
    quantus: object, model: xc.Model, pixels: torch.Tensor, maps: Maps
) -> Callable[[int | None, int, int], list[list[float]]]:
    """Return Quantus's curves of one map, or of all in one batch, most or least relevant first.

    It acts on displayed pixels with black as 0, as ours; its network normalises them.
    """

    class Displayed(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return model.logits(model.normalise(pictures))

    network = Displayed().eval()
    picture = pixels.cpu().numpy()
    values: NDArray[np.float32] = np.stack([smap.values for smap in maps.values()])[:, None]

    def flip(which: int | None, in_step: int, sign: int) -> list[list[float]]:
        metric = quantus.PixelFlipping(  # type: ignore[attr-defined]
            features_in_step=in_step, perturb_baseline=0.0, normalise=False, disable_warnings=True
        )
        chosen = values if which is None else values[which : which + 1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            curves: list[list[float]] = metric(
                network,
                np.repeat(picture[None], len(chosen), axis=0),
                np.zeros(len(chosen), int),
                chosen if sign > 0 else 1 - chosen,
                channel_first=True,
                device=str(pixels.device),
            )
        return curves

    return flip


# ---- the command -----------------------------------------------------------------------------

PARTS = {"imputing": measure_imputing, "flipping": measure_flipping}


def main() -> None:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.metrics",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--device", help="cpu, cuda, cuda:1 or mps; the best there is if left out")
    made.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    made.add_argument("--turns", type=int, default=3, help="more are steadier (default 3)")
    made.add_argument("--cpu-time", action="store_true", help="one thread's time, not the wall's")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE too")
    arguments = made.parse_args()
    device = pick_device() if arguments.device is None else torch.device(arguments.device)
    if arguments.cpu_time:
        device = torch.device("cpu")
        torch.set_num_threads(1)
    where = machine(device)
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    print(f"{'':<64}{'measured':>11}  {'budget':<11}")
    clock = Clock(device, max(1, arguments.turns), arguments.cpu_time)
    rows = []
    for part in arguments.only or PARTS:
        for row in PARTS[part](clock):
            rows.append(row)
            print(as_line(row), flush=True)
    if arguments.json is not None:
        figures = [asdict(row) | {"verdict": row.verdict} for row in rows]
        arguments.json.write_text(json.dumps({"machine": where, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
