"""The central types: plain, frozen data with read-only arrays.

Layouts: pictures are (H, W) or (H, W, 3); activations and gradients (K, h, w); maps (h, w) at the
tapped layer and (H, W) at the model's input. Sizes are always written height first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explain_core.errors import InputError

Array = NDArray[Any]
ParameterValue = float | int | bool | str
Pooling = Literal["mean", "class-token", "both"]


def read_only(array: Array) -> Array:
    """Return a C-contiguous array that refuses to be written to, copied only where it must be."""
    frozen = np.ascontiguousarray(array)
    if frozen is array and frozen.flags.writeable:
        frozen = frozen.view()
    frozen.flags.writeable = False
    return frozen


@dataclass(frozen=True, eq=False)
class Image:
    """Hold one picture as it was read, at its full size and depth.

    Attributes:
        pixels: (H, W) or (H, W, 3), uint8 or uint16, upright (EXIF orientation applied).
        kind: "rgb", "gray" or "dicom".
        digest: SHA-256 of shape, depth and pixels; the same picture in another file has the same.
        white: the pixel value shown as white: 255, or for deeper pictures the largest value of
            the smallest of 8, 10, 12, 14 and 16 bits that holds them.
        spacing_mm: (row, column) distance of pixel centres in millimetres, where it is known.
        notes: what was done on reading that a person should know ("first of 4 frames").
    """

    pixels: Array
    kind: Literal["rgb", "gray", "dicom"]
    digest: str
    white: int
    spacing_mm: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Return (H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Geometry:
    """Tell where on the original each pixel of the model's input lies.

    Both axes are independent and use half-pixel centres: a point `y` of the original, measured
    in pixels from its upper edge, lies at `y * scale[0] - offset_px[0]` of the model's input.
    A centre crop has a positive offset, a letterbox border a negative one.

    Attributes:
        original_size: (H0, W0) of the picture.
        input_size: (H, W) of the model's input.
        scale: input pixels per original pixel, (rows, columns).
        offset_px: what is cut off before the input begins, in input pixels, (rows, columns).
    """

    original_size: tuple[int, int]
    input_size: tuple[int, int]
    scale: tuple[float, float]
    offset_px: tuple[float, float]

    def seen_box(self) -> tuple[float, float, float, float]:
        """Return (top, left, bottom, right) in original pixels of what the model looked at."""
        edges = []
        for axis in (0, 1):
            start = self.offset_px[axis] / self.scale[axis]
            stop = (self.input_size[axis] + self.offset_px[axis]) / self.scale[axis]
            edges.append((max(0.0, start), min(float(self.original_size[axis]), stop)))
        (top, bottom), (left, right) = edges
        return top, left, bottom, right

    def place_on_original(self, values: Array) -> Array:
        """Lay a map at the model's input onto the original picture.

        Args:
            values: (H, W), of the size `input_size`.

        Returns:
            (H0, W0) float32, bilinear with half-pixel centres; NaN where the model never looked.
        """
        low, high, weight, seen = [], [], [], []
        for axis in (0, 1):
            length = self.input_size[axis]
            centres = (np.arange(self.original_size[axis]) + 0.5) * self.scale[axis]
            centres -= self.offset_px[axis]
            seen.append((centres >= 0) & (centres <= length))
            position = np.clip(centres - 0.5, 0, length - 1)
            low.append(np.floor(position).astype(np.intp))
            high.append(np.minimum(low[axis] + 1, length - 1))
            weight.append((position - low[axis]).astype(np.float32))
        values = values.astype(np.float32, copy=False)
        rows = values[low[0]] * (1 - weight[0])[:, None] + values[high[0]] * weight[0][:, None]
        placed: Array = rows[:, low[1]] * (1 - weight[1]) + rows[:, high[1]] * weight[1]
        placed[~seen[0]] = np.nan
        placed[:, ~seen[1]] = np.nan
        return placed


@dataclass(frozen=True)
class Contrast:
    """State what is asked: why `target`, rather than `references`.

    Attributes:
        target: class index; None for a model without a head.
        references: class indices to compare with, in the order in which they are weighted.
        reference_set: key of a set of pictures to compare with, instead of or beside classes.
    """

    target: int | None
    references: tuple[int, ...] = ()
    reference_set: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.references)) != len(self.references):
            raise InputError(
                f"references name a class twice: {list(self.references)}; name it once"
            )


@dataclass(frozen=True)
class Provenance:
    """Record how a map came about, so that it can be made again.

    Attributes:
        method: name in `METHODS`.
        model: the name that `load_model` takes.
        fingerprint: of the weights.
        layer: the tapped layer, or "input" for methods that look at the input's gradient.
        image: digest of the picture.
        contrast: the question.
        parameters: name and value of every parameter that took effect.
    """

    method: str
    model: str
    fingerprint: str
    layer: str
    image: str
    contrast: Contrast
    parameters: tuple[tuple[str, ParameterValue], ...] = ()

    def parameter(self, name: str) -> ParameterValue:
        """Return the value of a parameter that took effect."""
        return dict(self.parameters)[name]


@dataclass(frozen=True, eq=False)
class Basis:
    """Hold all that a slider needs; made by `prepare`, read any number of times by `render`."""

    provenance: Provenance
    geometry: Geometry


@dataclass(frozen=True, eq=False)
class StaticBasis(Basis):
    """Hold a finished map.

    Attributes:
        map: (h, w), signed.
    """

    map: Array


@dataclass(frozen=True, eq=False)
class LinearBasis(Basis):
    """Hold one map per class; a slider mixes them.

    Attributes:
        maps: (1 + R, h, w), signed; the target's first, then one per reference class.
        weights: (R,), of the references; they sum to 1.
    """

    maps: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class LayerBasis(Basis):
    """Hold activations and one gradient per class; a slider mixes them position by position.

    Attributes:
        activations: (K, h, w).
        target_gradient: (K, h, w), of the target's logit.
        reference_gradients: (R, K, h, w), of each reference class's logit.
        weights: (R,), of the references; they sum to 1.
    """

    activations: Array
    target_gradient: Array
    reference_gradients: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class ScoreBasis(Basis):
    """Hold activations and what each channel, laid over the picture, scores.

    Attributes:
        activations: (K, h, w).
        scores: (1 + R, K), `f(x * H_k)`, the target's first, then one row per reference class.
        baselines: (1 + R,), `f(x_b)` of the same classes.
        weights: (R,), of the references; they sum to 1. Empty without references.
    """

    activations: Array
    scores: Array
    baselines: Array
    weights: Array


@dataclass(frozen=True, eq=False)
class SpectralBasis(Basis):
    """Hold the reference scatter's eigenpairs, projected onto the activations.

    `M(lam) = sum_i coefficients[i] / (eigenvalues[i] + lam) * projections[i] + rest / lam`.

    Attributes:
        eigenvalues: (r,), positive, falling.
        coefficients: (r,), of the feature difference along each eigenvector.
        projections: (r, h, w), the activations along each eigenvector.
        rest: (h, w), the activations along the part of the difference that no reference spans.
        lam_unit: what `epsilon = 1` means as `lam`: the scatter's mean eigenvalue `tr(S_v) / d`.
        num_references: n, how many pictures the scatter comes from.
        num_features: d, how many channels were pooled.
    """

    eigenvalues: Array
    coefficients: Array
    projections: Array
    rest: Array
    lam_unit: float
    num_references: int
    num_features: int


@dataclass(frozen=True, eq=False)
class GuidedBasis(Basis):
    """Hold the size of aggregated gradients and the gradient's variance over modified inputs.

    Attributes:
        mean_absolute: (C, H, W), non-negative: what the guide weighs. For Guided AbsoluteGrad the
            mean absolute gradient (eq. 2); for the processing variants G and GA of the other
            methods the absolute value of their own aggregate, of all gradients or of their sizes.
        variance: (C, H, W), non-negative, with n - 1.
    """

    mean_absolute: Array
    variance: Array


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """Hold one rendered map at the size of the model's input, not normalised.

    Attributes:
        values: (H, W) float32, finite. Signed maps have both signs; the others are >= 0.
        is_signed: whether negative values carry meaning.
        provenance: how it was made.
        geometry: where it lies on the original.
    """

    values: Array
    is_signed: bool
    provenance: Provenance
    geometry: Geometry

    def on_original(self) -> Array:
        """Return (H0, W0) float32: the map on the picture, NaN where the model never looked."""
        return self.geometry.place_on_original(self.values)

    @property
    def has_positive_evidence(self) -> bool:
        """Return whether any value is above zero."""
        return bool((self.values > 0).any())


@dataclass(frozen=True, eq=False)
class GroupStatistics:
    """Summarise pooled features of a group; `a + b` summarises the union of disjoint groups.

    Attributes:
        count: n.
        mean: (d,) float64.
        scatter: (d, d) float64, `S_v = sum_i (z_i - mean)(z_i - mean)^T` (DiffCAM, eq. 5).
    """

    count: int
    mean: Array
    scatter: Array

    def __add__(self, other: GroupStatistics) -> GroupStatistics:
        """Return the statistics of the union, exact up to rounding."""
        if self.mean.shape != other.mean.shape:
            raise InputError(
                f"cannot merge groups of {len(self.mean)}-d and {len(other.mean)}-d features; "
                "use features of one layer of one model"
            )
        count = self.count + other.count
        gap = other.mean - self.mean
        return GroupStatistics(
            count=count,
            mean=read_only(self.mean + gap * (other.count / count)),
            scatter=read_only(
                self.scatter
                + other.scatter
                + np.outer(gap, gap) * (self.count * other.count / count)
            ),
        )

    def __sub__(self, part: GroupStatistics) -> GroupStatistics:
        """Return the statistics of the group without a part of it, exact up to rounding."""
        count = self.count - part.count
        if count < 1:
            raise InputError(
                f"cannot take {part.count} members from a group of {self.count}; at least one "
                "must stay"
            )
        mean = (self.mean * self.count - part.mean * part.count) / count
        gap = part.mean - mean
        return GroupStatistics(
            count=count,
            mean=read_only(mean),
            scatter=read_only(
                self.scatter - part.scatter - np.outer(gap, gap) * (count * part.count / self.count)
            ),
        )


@dataclass(frozen=True, eq=False)
class ReferenceSet:
    """Hold the pooled features of the pictures that an image is compared with.

    Attributes:
        key: short name, such as "digits/5".
        features: (n, d), as stored (float16 or float32).
        labels: (n,) class index of each, -1 where there is none.
        layer: the layer that was pooled.
        fingerprint: of the weights that made the features.
        pooling: how one feature came from the layer's maps.
        ids: (n,) uint64, one per picture, so that unions count none twice (`picture_id`); where
            none are given they come from the features.
        statistics: gives count, mean and scatter without the features, where they are known.
    """

    key: str
    features: Array
    labels: Array
    layer: str
    fingerprint: str
    pooling: Pooling = "mean"
    ids: Array = None  # type: ignore[assignment]  # filled in from the features below
    statistics: Callable[[], GroupStatistics] | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or len(self.features) == 0:
            raise InputError(
                f"reference set '{self.key}' needs features of shape (n, d) with n >= 1 "
                f"(got {self.features.shape}); choose at least one reference picture"
            )
        if not np.issubdtype(self.features.dtype, np.floating):
            raise InputError(
                f"reference set '{self.key}' needs features of a floating-point type "
                f"(got {self.features.dtype}); convert them to float16 or float32"
            )
        if not np.isfinite(self.features).all():
            raise InputError(
                f"reference set '{self.key}' holds NaN or infinity; leave those pictures out, or "
                "pool the features again in float32"
            )
        if len(self.labels) != len(self.features):
            raise InputError(
                f"reference set '{self.key}' has {len(self.features)} features "
                f"but {len(self.labels)} labels; give one label for each"
            )
        if self.ids is None:
            ids = [id_of_bytes(row.tobytes()) for row in self.features]
            object.__setattr__(self, "ids", read_only(np.array(ids, np.uint64)))
        if self.ids.shape != (len(self.features),):
            raise InputError(
                f"reference set '{self.key}' has {len(self.features)} features but ids of shape "
                f"{self.ids.shape}; give one for each"
            )

    @property
    def digest(self) -> str:
        """Return SHA-256 of which pictures are in the set, under which model, layer and pooling."""
        whose = f"{self.fingerprint} {self.layer} {self.pooling} {self.features.dtype}".encode()
        return hashlib.sha256(whose + self.ids.tobytes()).hexdigest()


def id_of_bytes(content: bytes) -> int:
    """Return 64 bits of the content's SHA-256: the same content has the same id everywhere."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "little")


def picture_id(image: Image) -> int:
    """Return the 64 bits by which reference sets know a picture."""
    return int.from_bytes(bytes.fromhex(image.digest)[:8], "little")


def as_size(size: Sequence[int]) -> tuple[int, int]:
    """Return (height, width) of anything that holds two integers."""
    height, width = size
    return int(height), int(width)
