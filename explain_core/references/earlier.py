"""An earlier picture of the same thing as a reference, a patient's earlier film for instance.

One picture has a feature but no scatter, and DiffCAM weighs the difference by a scatter. So the
mean is the earlier film's feature `z_e`, and the scatter that of other pictures, healthy films for
instance: `w = (S_v + λI)^-1 (z - z_e)` (DiffCAM, Li et al., CVPR 2025, eq. 6 with `z_e` for the
mean). Departure: the paper takes mean and scatter from one group.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from explain_core.errors import InputError
from explain_core.models.model import Model
from explain_core.references.sets import check_fit, chunks, without
from explain_core.references.statistics import group_statistics
from explain_core.types import (
    GroupStatistics,
    Image,
    ReferenceSet,
    id_of_bytes,
    picture_id,
    read_only,
)

# No name that people or banks can have holds a comma.
_KEY = "earlier film, weighed by "
MIN_SPREAD = 2


def earlier_film_set(
    model: Model, film: Image, earlier: Image, spread: ReferenceSet
) -> ReferenceSet:
    """Return the set whose mean is the earlier film and whose scatter is that of other pictures.

    Its rows are those of `spread`, moved so that their mean is the earlier film's feature. `film`
    and `earlier` themselves do not count among them.

    Args:
        film: that the set is for; no row of the set is taken for it.
        earlier: of the same patient.
        spread: pictures that tell what varies from film to film anyway.

    Raises:
        InputError: both films are the same, or fewer than 2 pictures are left of `spread`.
        BankError: `spread` was made by another model.
    """
    ids = (picture_id(film), picture_id(earlier))
    if ids[0] == ids[1]:
        raise InputError(
            "the earlier film is this film itself, so there is no difference to show; choose "
            "another film of the patient"
        )
    if np.isin(spread.ids, ids).sum() > len(spread.ids) - MIN_SPREAD:
        raise InputError(
            f"reference set '{spread.key}' must hold at least {MIN_SPREAD} other pictures, which "
            "tell what varies from film to film; choose a larger set"
        )
    others = without(spread, ids)
    tapped = model.layer_named(spread.layer).name
    feature = model.pooled(model.preprocess(earlier), tapped, spread.pooling)
    moved_to = feature[0].double().cpu().numpy()
    check_fit(spread, model, tapped, len(moved_to))
    mean = np.concatenate([*chunks(others.features)]).mean(axis=0)
    moved = np.concatenate([(rows - mean + moved_to) for rows in chunks(others.features)])

    @cache
    def statistics() -> GroupStatistics:
        known = others.statistics
        found = group_statistics(others.features) if known is None else known()
        return GroupStatistics(found.count, read_only(moved_to), found.scatter)

    own = [id_of_bytes(f"{each} weighs {ids[1]}".encode()) for each in others.ids.tolist()]
    return ReferenceSet(
        key=f"{_KEY}{spread.key}",
        features=read_only(moved.astype(np.float32)),
        labels=read_only(np.full(len(moved), -1)),
        layer=spread.layer,
        fingerprint=spread.fingerprint,
        pooling=spread.pooling,
        ids=read_only(np.array(own, np.uint64)),
        statistics=statistics,
    )


def spread_of_earlier(key: str | None) -> str | None:
    """Return the key of the pictures that weigh the difference; None for any other set's key."""
    return key.removeprefix(_KEY) if key is not None and key.startswith(_KEY) else None
