"""Methods that change the picture and watch the target's probability: RISE and Mask.

Both act on displayed pixels in [0, 1], before they are normalised for the network, and both go on
from what was kept: the map of a few masks or steps is the beginning of the map of many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explain_core.maps import require_finite
from explain_core.methods.evidence import Asked, EvidenceKind, gradients_on
from explain_core.methods.method import Method, Request, forward_passes, gradient_passes
from explain_core.methods.settings import SEED
from explain_core.models.device import batch_size, halve_on_out_of_memory
from explain_core.models.model import Model
from explain_core.parameters import Parameter
from explain_core.types import Array, Basis, ParameterValue, StaticBasis, as_size, read_only

# Of a picture whose shorter side is 224 pixels; other sizes take the same share.
_USUAL_PX = 224
_BLUR_PX = 10
_JITTER_PX = 4

_MASK_CELL_PX = 8
_MIN_MASK_CELLS = 14
_TV_POWER = 3
_LEARNING_RATE = 0.1
_ADAM_MEAN, _ADAM_SQ, _ADAM_EPS = 0.9, 0.999, 1e-8

NUM_MASKS = Parameter(
    name="num_masks",
    label="Masks (RISE)",
    default=2000,
    phase="prepare",
    help="How many masked copies of the picture RISE asks the model about.",
    min=1,
    max=20_000,
    step=100,
)
GRID = Parameter(
    name="grid",
    label="Mask grid (RISE)",
    default=7,
    phase="prepare",
    help="Cells of a mask along each side: more cells, finer map, more masks needed.",
    min=1,
    max=32,
    step=1,
)
KEEP = Parameter(
    name="keep",
    label="Share kept (RISE)",
    default=0.5,
    phase="prepare",
    help="With which probability a cell of a mask leaves the picture visible.",
    min=0.05,
    max=0.95,
    step=0.05,
)
NO_SCORE, MEAN_SCORE = "no probability", "mean probability"
ZERO = Parameter(
    name="zero",
    label="Zero means (RISE)",
    default=MEAN_SCORE,
    phase="prepare",
    help="mean probability: the map less the mean over all masks, so that it is positive only "
    "where seeing a pixel raises the probability. no probability: the paper's map, which is far "
    "above zero all over a picture that is easy to recognise. Both rank pixels alike.",
    choices=(MEAN_SCORE, NO_SCORE),
)
NUM_UPDATES = Parameter(
    name="num_updates",
    label="Steps (Mask)",
    default=300,
    phase="prepare",
    help="How many gradient steps the mask is learned by.",
    min=1,
    max=2000,
    step=50,
)
PERTURBATION = Parameter(
    name="perturbation",
    label="Deleted means (Mask)",
    default="blur",
    phase="prepare",
    help="What takes the place of deleted parts: the blurred picture, or black.",
    choices=("blur", "black"),
)
L1 = Parameter(
    name="l1",
    label="Price of size (Mask)",
    default=0.08,
    phase="prepare",
    help="What deleting the whole picture costs, in units of the target's probability.",
    min=0.0,
    max=10.0,
    step=0.01,
)
TV = Parameter(
    name="tv",
    label="Price of roughness (Mask)",
    default=8.0,
    phase="prepare",
    help="How much edges of the mask cost.",
    min=0.0,
    max=1000.0,
    step=1.0,
)


# ---- RISE ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class RiseEvidence:
    """Hold the scores of the first masks, added up.

    Attributes:
        weighted_sum: (H, W) float64, `Σ_i f^c(x ⊙ m_i) m_i`.
        score_sum: `Σ_i f^c(x ⊙ m_i)`.
        num_masks: how many.
        rng_state: of the generator behind the last of them.
    """

    weighted_sum: Array
    score_sum: float
    num_masks: int
    rng_state: Array


def draw_masks(
    rng: torch.Generator,
    count: int,
    *,
    grid: int,
    keep: float,
    size: tuple[int, int],
    device: torch.device,
) -> Tensor:
    """Return (count, H, W) float32 in [0, 1]: smooth random masks (Petsiuk et al., section 3.2).

    Each is a grid of s x s cells, 1 with probability p, else 0, stretched bilinearly to
    `(s + 1) C_H x (s + 1) C_W`, from which H x W are cut out at a random place within the first
    cell. They are drawn one after the other, so that it does not matter how many at once.

    Departure: cells measure `C_H = ceil(H / s)`, as in the authors' code; the paper's
    `floor(H / s)` leaves too little to cut out where s does not divide H.

    Args:
        rng: on the CPU; advanced.
        size: (H, W) of the network's input.
    """
    cell = [math.ceil(side / grid) for side in size]
    cells, shifts = [], []
    for _ in range(count):
        cells.append(torch.rand((grid, grid), generator=rng) < keep)
        shifts.append([int(torch.randint(side, (1,), generator=rng)) for side in cell])
    stretched = functional.interpolate(
        torch.stack(cells)[:, None].to(device, torch.float32),
        size=[(grid + 1) * side for side in cell],
        mode="bilinear",
        align_corners=False,
    )[:, 0]
    height, width = size
    return torch.stack(
        [
            mask[top : top + height, left : left + width]
            for mask, (top, left) in zip(stretched, shifts, strict=True)
        ]
    )


def gather_rise(asked: Asked, kept: RiseEvidence | None) -> RiseEvidence:
    """Add up the masks, each weighted with the target's probability behind it.

    Black, 0 of displayed pixels, is what masked parts become. Goes on from `kept` where that has
    fewer masks; memory does not grow with their number.

    Raises:
        NumericsError: NaN or infinity in a score.
    """
    model, target = asked.model, asked.target_class
    pixels = model.to_pixels(asked.image)
    size = as_size(pixels.shape[2:])
    num_masks = int(asked.values["num_masks"])
    begun = kept if kept is not None and kept.num_masks < num_masks else None

    def run(batch: int) -> RiseEvidence:
        rng = torch.Generator().manual_seed(int(asked.values["seed"]))
        total, score_sum, done = np.zeros(size), 0.0, 0
        if begun is not None:
            rng.set_state(torch.from_numpy(begun.rng_state.copy()))
            total, score_sum = begun.weighted_sum.copy(), begun.score_sum
            done = begun.num_masks
        while done < num_masks:
            if asked.progress is not None:
                asked.progress(done / num_masks)
            masks = draw_masks(
                rng,
                min(batch, num_masks - done),
                grid=int(asked.values["grid"]),
                keep=float(asked.values["keep"]),
                size=size,
                device=pixels.device,
            )
            masked = pixels * masks[:, None].to(pixels.dtype)
            logits = model.logits(model.normalise(masked)).double().cpu().numpy()
            require_finite(logits, f"the output of '{model.name}' behind masks")
            scores = model.probabilities(logits)[:, target]
            weights = torch.from_numpy(scores).to(masks)
            total += torch.tensordot(weights, masks, dims=1).double().cpu().numpy()
            score_sum += float(scores.sum())
            done += len(masks)
        if asked.progress is not None:
            asked.progress(1.0)
        state = read_only(rng.get_state().numpy())
        return RiseEvidence(read_only(total), score_sum, num_masks, state)

    return halve_on_out_of_memory(run, batch_size(model.device, size))


def _rise(request: Request, evidence: RiseEvidence, values: Mapping[str, ParameterValue]) -> Basis:
    """Return `1 / (N p) Σ_i f^c(x ⊙ m_i) m_i` (Petsiuk et al., eq. 6), less the mean score.

    The paper's map estimates the target's mean probability when a pixel is visible. That is far
    above 0 all over a picture that is easy to recognise, and looks washed out; less
    `1 / N Σ_i f^c(x ⊙ m_i)`, its zero is a pixel whose visibility changes nothing.

    Departure: the mean is subtracted by default; zero="no probability" is the paper's map. On
    photographs with the object's mask, the positive part's energy inside it was, with the paper's
    zero and with ours, 0.24 and 0.36 (37 photographs, MobileNetV1 0.25, 1,000 masks), 0.24 and
    0.37 (35 photographs, MobileNetV2, 300 masks), where objects cover 0.23 of the picture. Masked
    parts are black, as in the metrics. The mean colour or the blurred picture instead gave 0.40
    and 0.40 on the first network, 0.37 and 0.36 on the second: no clear gain.
    """
    expected = evidence.weighted_sum / (evidence.num_masks * float(values["keep"]))
    if values["zero"] == MEAN_SCORE:
        expected = expected - evidence.score_sum / evidence.num_masks
    return StaticBasis(request.provenance, request.geometry, read_only(expected))


RISE_SCORES = EvidenceKind(
    name="scores behind random masks",
    gather=gather_rise,
    parameters=("grid", "keep", "seed"),
    covers=lambda kept, asked: kept.num_masks == asked.values["num_masks"],
)


# ---- Mask ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MaskEvidence:
    """Hold a mask that is being learned, and what learning goes on from.

    Attributes:
        mask: (h, w) in [0, 1]; 1 leaves the picture as it is.
        mean, mean_sq: (h, w), Adam's running mean of the gradient and of its square.
        num_updates: steps so far.
        rng_state: of the jitter's generator behind the last step.
    """

    mask: Array
    mean: Array
    mean_sq: Array
    num_updates: int
    rng_state: Array


def mask_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return (h, w) of the mask for an input (H, W): a cell per 8 pixels, not below 14 a side."""
    height, width = (
        min(side, max(math.ceil(side / _MASK_CELL_PX), _MIN_MASK_CELLS)) for side in size
    )
    return height, width


def blur(pixels: Tensor, sigma_px: float) -> Tensor:
    """Return (N, C, H, W) smoothed by a Gaussian up to 3 sigma, edges repeated."""
    reach = math.ceil(3 * sigma_px)
    distance = torch.arange(-reach, reach + 1, dtype=pixels.dtype, device=pixels.device)
    kernel = torch.exp(-0.5 * (distance / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).expand(pixels.shape[1], 1, 1, -1)
    for weight, padding in (
        (kernel, (reach, reach, 0, 0)),
        (kernel.mT, (0, 0, reach, reach)),
    ):
        padded = functional.pad(pixels, padding, mode="replicate")
        pixels = functional.conv2d(padded, weight, groups=pixels.shape[1])
    return pixels


def roughness(mask: Tensor) -> Tensor:
    """Return `Σ |∂m|^3 / (h w)` over steps down and to the right (Fong & Vedaldi, eq. 4)."""
    steps = (
        mask.diff(dim=0).abs().pow(_TV_POWER).sum() + mask.diff(dim=1).abs().pow(_TV_POWER).sum()
    )
    return steps / mask.numel()


def gather_mask(asked: Asked, kept: MaskEvidence | None) -> MaskEvidence:
    """Learn the small, smooth mask that deletes the target (Fong & Vedaldi, eq. 4).

    `min_m  l1 mean|1 - m| + tv Σ|∂m|^3 / (h w) + E_τ f^c(m ⊙ x_τ + (1 - m) ⊙ b_τ)` over m in
    [0, 1], by Adam with rate 0.1 from m = 0; `x_τ` is the picture moved by up to 4 of 224 pixels,
    a new τ at each step, `b` the picture blurred with a sigma of 10 of 224 pixels, or black. m is
    coarser than the input and stretched bilinearly. Goes on from `kept` where that has fewer steps.

    Departure: both prices are means over the mask, so that they do not depend on its size; the
    paper's 1e-4 and 1e-2 on sums over 28 x 28 cells are 0.08 and 8 here. The paper starts from the
    smallest centred disc that takes 99 % of the score; here all is deleted at first, for at m = 1 a
    sure prediction has hardly a gradient. The bilinear stretching alone smooths the mask.

    Raises:
        NumericsError: NaN or infinity in a gradient.
    """
    model = asked.model
    num_updates = int(asked.values["num_updates"])
    sharp = model.to_pixels(asked.image).to(_precise(model))
    size = as_size(sharp.shape[2:])
    share = min(size) / _USUAL_PX
    replaced = torch.zeros_like(sharp)
    if asked.values["perturbation"] == "blur":
        replaced = blur(sharp, _BLUR_PX * share)
    reach = max(1, round(_JITTER_PX * share))
    pictures = functional.pad(torch.cat([sharp, replaced]), (reach,) * 4, mode="replicate")

    rng = torch.Generator().manual_seed(int(asked.values["seed"]))
    mask = torch.zeros(mask_size(size), dtype=sharp.dtype, device=sharp.device)
    mean, mean_sq, done = torch.zeros_like(mask), torch.zeros_like(mask), 0
    stretch_down, stretch_right = (
        _stretching(few, many).to(mask) for few, many in zip(mask.shape, size, strict=True)
    )
    if kept is not None and kept.num_updates < num_updates:
        rng.set_state(torch.from_numpy(kept.rng_state.copy()))
        mask, mean, mean_sq = (
            torch.from_numpy(each.copy()).to(sharp) for each in (kept.mask, kept.mean, kept.mean_sq)
        )
        done = kept.num_updates
    while done < num_updates:
        if asked.progress is not None:
            asked.progress(done / num_updates)
        top, left = (int(each) for each in torch.randint(2 * reach + 1, (2,), generator=rng))
        seen = pictures[:, :, top : top + size[0], left : left + size[1]]
        with gradients_on():
            leaf = mask.clone().requires_grad_()
            stretched = stretch_down @ leaf @ stretch_right.T
            mixed = stretched * seen[:1] + (1 - stretched) * seen[1:]
            loss = (
                _probability(model, mixed, asked.target_class)
                + float(asked.values["l1"]) * (1 - leaf).abs().mean()
                + float(asked.values["tv"]) * roughness(leaf)
            )
            (gradient,) = torch.autograd.grad(loss, leaf)
        done += 1
        mean = _ADAM_MEAN * mean + (1 - _ADAM_MEAN) * gradient
        mean_sq = _ADAM_SQ * mean_sq + (1 - _ADAM_SQ) * gradient.square()
        step = mean / (1 - _ADAM_MEAN**done)
        scale = (mean_sq / (1 - _ADAM_SQ**done)).sqrt() + _ADAM_EPS
        mask = (mask - _LEARNING_RATE * step / scale).clamp(0, 1)
    require_finite(mean.cpu().numpy(), "the mask's gradient")
    if asked.progress is not None:
        asked.progress(1.0)
    return MaskEvidence(
        mask=read_only(mask.cpu().numpy()),
        mean=read_only(mean.cpu().numpy()),
        mean_sq=read_only(mean_sq.cpu().numpy()),
        num_updates=num_updates,
        rng_state=read_only(rng.get_state().numpy()),
    )


def _probability(model: Model, pixels: Tensor, target: int) -> Tensor:
    """Return the target's probability for displayed pixels (1, C, H, W), in their precision."""
    model.require_head()
    logits = model.network(model.normalise(pixels.to(model.dtype))).to(pixels.dtype)[0]
    probabilities = logits.sigmoid() if model.output == "sigmoid" else logits.softmax(dim=0)
    return cast(Tensor, probabilities[target])


def _stretching(few: int, many: int) -> Tensor:
    """Return (many, few): the matrix that stretches a line bilinearly with half-pixel centres.

    The backward pass of `interpolate` adds up in any order on a GPU; a product does not.
    """
    lines = torch.eye(few, dtype=torch.float64)[None]
    return functional.interpolate(lines, size=many, mode="linear", align_corners=False)[0].T


def _precise(model: Model) -> torch.dtype:
    return torch.float64 if model.dtype == torch.float64 else torch.float32


def _mask(request: Request, evidence: MaskEvidence, values: Mapping[str, ParameterValue]) -> Basis:
    """Return `1 - m`: how much of each place is deleted."""
    return StaticBasis(request.provenance, request.geometry, read_only(1 - evidence.mask))


LEARNED_MASK = EvidenceKind(
    name="learned mask",
    gather=gather_mask,
    parameters=("seed", "perturbation", "l1", "tv"),
    covers=lambda kept, asked: kept.num_updates == asked.values["num_updates"],
)

PERTURBATION_FAMILY = (
    Method(
        name="rise",
        title="RISE",
        evidence=RISE_SCORES,
        can_be_signed=True,
        parameters=(NUM_MASKS, GRID, KEEP, ZERO, SEED),
        summary="Mean probability of the target when a pixel is visible, over random masks.",
        paper="Petsiuk et al., BMVC 2018",
        build=_rise,
        cost=forward_passes("num_masks"),
        counted_by="num_masks",
        grows=True,
        least_steps=1,
    ),
    Method(
        name="mask",
        title="Mask",
        evidence=LEARNED_MASK,
        parameters=(NUM_UPDATES, PERTURBATION, L1, TV, SEED),
        summary="The smallest smooth part whose deletion makes the target's probability fall.",
        paper="Fong & Vedaldi, ICCV 2017",
        build=_mask,
        cost=gradient_passes("num_updates"),
        needs_gradient="input",
        counted_by="num_updates",
        grows=True,
        least_steps=1,
    ),
)
