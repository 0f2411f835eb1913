"""Sets of reference pictures: whether they fit a model, and what can be made of them."""

from __future__ import annotations

import numpy as np

from explain_core.errors import BankError
from explain_core.models.model import Model
from explain_core.references.statistics import group_statistics
from explain_core.types import (
    Array,
    GroupStatistics,
    Image,
    ReferenceSet,
    picture_id,
    read_only,
)


def check_fit(references: ReferenceSet, model: Model, layer: str, num_channels: int) -> None:
    """Raise `BankError` where features were not made by this layer of this model."""
    if references.fingerprint != model.fingerprint:
        raise BankError(
            f"reference set '{references.key}' was made with other weights than those of "
            f"'{model.name}'; build it again with this model"
        )
    if references.layer != layer:
        raise BankError(
            f"reference set '{references.key}' holds features of layer '{references.layer}', but "
            f"'{layer}' is explained; choose layer '{references.layer}'"
        )
    if references.features.shape[1] != num_channels:
        raise BankError(
            f"reference set '{references.key}' holds {references.features.shape[1]}-d features, "
            f"but layer '{layer}' gives {num_channels}-d; build it again"
        )


def without_image(
    references: ReferenceSet, image: Image, feature: Array
) -> tuple[ReferenceSet, int]:
    """Leave out the rows that are the image itself, and say how many there were.

    Args:
        references: features as stored.
        image: known by its id.
        feature: (d,), the image's own; a row within the stored type's rounding counts as it, so
            that the same picture is found in another file format, too.

    Raises:
        BankError: nothing else is in the set.
    """
    scale = float(np.abs(feature).max())
    tolerance = max(float(np.finfo(references.features.dtype).eps), 1e-5) * scale
    distance = np.abs(references.features.astype(np.float64) - feature).max(axis=1)
    others = (distance > tolerance) & (references.ids != picture_id(image))
    if others.all():
        return references, 0
    if not others.any():
        raise BankError(
            f"reference set '{references.key}' holds nothing but this image; add other pictures"
        )
    return subset(references, others), int((~others).sum())


def subset(references: ReferenceSet, rows: Array, key: str | None = None) -> ReferenceSet:
    """Return some members of a set.

    Args:
        rows: (n,) booleans, which to keep; at least one.
        key: of the result; None keeps the set's own.

    Raises:
        InputError: none is left.
    """
    known = references.statistics

    def statistics() -> GroupStatistics:
        assert known is not None
        return known() - group_statistics(references.features[~rows])

    return ReferenceSet(
        key=key or references.key,
        features=read_only(references.features[rows]),
        labels=read_only(references.labels[rows]),
        layer=references.layer,
        fingerprint=references.fingerprint,
        pooling=references.pooling,
        ids=read_only(references.ids[rows]),
        # few are left out in most cases, and then it is cheaper to take them off the sums
        statistics=statistics if known is not None and rows.sum() > (~rows).sum() > 0 else None,
    )
