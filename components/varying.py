"""What varies within a class: its pictures by how far they lie from it, each with its own map."""

from __future__ import annotations

import numpy as np
import streamlit as st

from components import caching
from components.map_strip import StripMap, map_strip, strip_legend
from components.question_picker import Question
from components.reference_builder import Place
from components.wording import class_name
from explain_core import Image, ReferenceSet, render
from explain_core.references.bank import Bank
from explain_core.types import Array

_NUM_SHOWN = 8


def show_varying(place: Place, question: Question, lam: float) -> None:
    """Rank the class's pictures by their distance from it, and show each one's DiffCAM map.

    Args:
        lam: of the maps, as the viewer's slider stands.
    """
    references, target = question.reference_set, question.target
    if references is None or target is None or references.layer != place.layer:
        return
    name = class_name(place.model, target)
    st.subheader(f"Which pictures of {name} are unlike the others?", anchor=False)
    source = _with_pictures(place, target)
    if source is None:
        st.info(
            "The pictures themselves are not at hand: the bank holds features, and perhaps "
            "thumbnails. Where the folder that it was built from is still in its place, they are "
            "shown here, each with its map.",
            icon=":material/info:",
        )
        return
    candidates = caching.bank_set(source, (target,))
    distance = _distances(candidates, references)
    order = np.argsort(-distance, kind="stable")
    with st.spinner("Maps of the class's pictures …"):
        st.markdown(
            f"**Farthest out of {len(order):,}** — the strange ones, each with its distance"
        )
        _strip(place, source, references, target, lam, candidates, distance, order, "strange")
        st.markdown("**Nearest** — the typical ones")
        _strip(place, source, references, target, lam, candidates, distance, order[::-1], "typical")
    strip_legend()
    st.caption(
        f"Pictures of {name} in the bank “{source.name}”, by the Euclidean distance of their "
        f"features from the mean of the {len(references.features):,} pictures of {name} that the "
        "picture above is compared with. Each map is DiffCAM against those, the picture itself "
        "left out, at the λ set above."
    )


def _with_pictures(place: Place, target: int) -> Bank | None:
    """Return the first of the model's banks with pictures of a class; the chosen one first."""
    banks = sorted(caching.banks_of(place.model), key=lambda bank: bank is not place.bank)
    for bank in banks:
        if bank.is_aligned and bank.layer == place.layer and bank.counts()[target]:
            first = int(caching.bank_set(bank, (target,)).ids[0])
            if bank.picture(first) is not None:
                return bank
    return None


def _distances(candidates: ReferenceSet, references: ReferenceSet) -> Array:
    mean = references.features.mean(axis=0, dtype=np.float64)
    distance: Array = np.linalg.norm(candidates.features - mean, axis=1)
    return distance


def _strip(
    place: Place,
    source: Bank,
    references: ReferenceSet,
    target: int,
    lam: float,
    candidates: ReferenceSet,
    distance: Array,
    order: Array,
    key: str,
) -> None:
    shown = []
    for row in order[:_NUM_SHOWN]:
        picture = source.picture(int(candidates.ids[row]))
        if picture is None:
            continue
        shown.append(_mapped(place, picture, references, target, lam, f"{distance[row]:.2f}"))
    map_strip(shown, f"varying-{key}")


def _mapped(
    place: Place,
    picture: Image,
    references: ReferenceSet,
    target: int,
    lam: float,
    text: str,
) -> StripMap:
    basis = caching.basis_of(
        place.model,
        picture,
        "diffcam",
        target=target,
        references=(),
        reference_set=references,
        layer=place.layer,
        parameters={},
        progress=lambda share: None,
    )
    smap = render(basis, signed=True, lam=lam)
    return StripMap(caching.seen_by(place.model, picture), smap.values, text)
