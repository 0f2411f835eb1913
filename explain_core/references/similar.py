"""Classes that are easily taken for the target: the natural references."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from explain_core.errors import InputError
from explain_core.models.model import Model
from explain_core.types import Array, read_only

SimilarBy = Literal["weights", "logits"]


@dataclass(frozen=True)
class SimilarClass:
    """Name a class that is like the target, and say why it was suggested.

    Attributes:
        index: of the class.
        score: cosine of the classifier weights in [-1, 1], or the logit.
        rank: 1 is the most similar of all other classes.
        by: which of the two.
    """

    index: int
    score: float
    rank: int
    by: SimilarBy


def similar_classes(
    model: Model, target: int, *, logits: Array, by: SimilarBy = "weights", count: int = 3
) -> tuple[SimilarClass, ...]:
    """Return the classes most similar to `target`, the most similar first, never itself.

    "weights" ranks by the cosine of the classifier's weight vectors (Finer-CAM, eq. 11), the same
    for every image; "logits" by this image's logits.

    Args:
        logits: (num_classes,) of the image.
        count: how many at most.

    Raises:
        InputError: "weights" for a model whose head is not linear, or a model without a head.
    """
    model.require_head()
    scores = weight_cosines(model, target) if by == "weights" else logits
    if scores is None:
        raise InputError(
            f"'{model.name}' has no linear head to compare classes by; choose the nearest logit"
        )
    order = [int(index) for index in np.argsort(-scores, kind="stable") if index != target]
    return tuple(
        SimilarClass(index, float(scores[index]), rank, by)
        for rank, index in enumerate(order[:count], start=1)
    )


def weight_cosines(model: Model, target: int) -> Array | None:
    """Return (num_classes,): the cosine of each class's weight vector with the target's.

    None for a head that is not linear.
    """
    weights = model.class_weights
    if weights is None:
        return None
    norms = np.linalg.norm(weights, axis=1)
    lengths = np.maximum(norms * norms[target], np.finfo(np.float32).tiny)
    return cast(Array, weights @ weights[target] / lengths)


@dataclass(frozen=True, eq=False)
class SimilarityCurve:
    """Hold how similar classes are by rank, over all classes (Finer-CAM, eq. 12).

    Attributes:
        mean, std: (num_classes - 1,), of the cosine with the most similar class, the second ...
    """

    mean: Array
    std: Array


def similarity_curve(model: Model) -> SimilarityCurve | None:
    """Return mean and deviation of the sorted weight cosines, each class's own left out.

    None without a head, for one that is not linear, or with a single class.
    """
    weights = model.class_weights
    if weights is None or model.num_classes < 2:
        return None
    lengths = np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    unit = weights / lengths
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    ranked = -np.sort(-cosines, axis=1)[:, :-1]
    return SimilarityCurve(read_only(ranked.mean(axis=0)), read_only(ranked.std(axis=0)))
