"""Judging a reference set before anyone trusts a map made with it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components import caching, state
from components.map_strip import StripMap, map_strip, strip_legend
from explain_core import Image, Model, ReferenceSet
from explain_core.maps import upsample
from explain_core.methods.settings import LAM
from explain_core.methods.stability import Kind, Stability, is_unstable
from explain_core.references.judging import Judgement, LamCurve
from explain_core.types import as_size

_HEIGHT_PX = 260
_NUM_SHOWN = 6
_ABOUT: dict[Kind, str] = {
    "bootstrap": "Twenty maps, each with as many pictures drawn from the set at random, some of "
    "them twice: what another sample of the same kind would have given.",
    "leave-one-out": "Up to twenty maps, each without one of the pictures farthest out: whether "
    "the map hangs on a single one. High agreement here does not say that the set is large enough.",
}
_KINDS: dict[Kind, str] = {"bootstrap": "Draw the set again", "leave-one-out": "Leave one out"}


def show_judgement(judgement: Judgement, num_outliers: int) -> None:
    """Show the set's figures, and what is doubtful about it in words."""
    facts = (
        ("Pictures", f"{judgement.count:,}", "In the set; each counts once."),
        ("Features", f"{judgement.num_features:,}", "Channels of the layer, pooled."),
        (
            "Rank of the scatter",
            f"{judgement.rank:,}",
            "In how many directions the pictures differ at all: at most their number less one. In "
            "the others the set says nothing of what varies.",
        ),
        (
            "Effective rank",
            f"{judgement.effective_rank:.1f}",
            "The same, weighted by how much they differ: the exponential of the entropy of the "
            "scatter's eigenvalues (Roy and Vetterli, 2007).",
        ),
        (
            "Outliers",
            f"{num_outliers:,}",
            "Pictures unusually unlike the others, by a Mahalanobis distance that leaves each "
            "out of its own yardstick, against the median and its deviation.",
        ),
    )
    for column, (label, value, meaning) in zip(st.columns(len(facts)), facts, strict=True):
        column.metric(label, value, help=meaning)
    for finding in judgement.findings:
        st.warning(finding.text, icon=":material/warning:")


def show_lam(curve: LamCurve, key: str) -> float:
    """Show what λ does over its range; return the place that is chosen.

    It begins where the viewer's slider stands.
    """
    begin = float(np.log10(state.noted_lam() or LAM.default))
    power = st.slider(
        "λ, in units of the mean eigenvalue",
        float(np.log10(LAM.min)),
        float(np.log10(LAM.max)),
        begin,
        LAM.step,
        format="10^%.2f",
        key=f"{state.LAM}-{begin:.2f}",
        persist_state="session",
        help=f"{LAM.help} Begins where the slider on Explain stands.",
    )
    chosen = 10**power
    figure = go.Figure()
    figure.add_scatter(x=curve.epsilon, y=curve.num_directions, name="directions in use")
    figure.add_scatter(
        x=curve.epsilon,
        y=curve.share_rest,
        name="share of the map that no reference spans",
        yaxis="y2",
        line={"dash": "dash"},
    )
    figure.add_vline(x=chosen, line={"width": 2, "color": "#8a949e"})
    figure.update_layout(
        height=_HEIGHT_PX,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis={
            "type": "log",
            "title": "λ in units of the mean eigenvalue",
            "exponentformat": "power",
        },
        yaxis={"title": "directions", "rangemode": "tozero"},
        yaxis2={
            "title": "share",
            "overlaying": "y",
            "side": "right",
            "range": [0, 1.02],
            "tickmode": "array",
            "tickvals": [0, 0.5, 1],
            "ticktext": ["0 %", "50 %", "100 %"],
            "showgrid": False,
        },
        legend={"orientation": "h", "y": 1.15},
        dragmode=False,
    )
    st.plotly_chart(figure, config={"displayModeBar": False}, key=f"{key}-lam-curve")
    st.caption(
        "A small λ uses every direction in which the references vary, and blows up those in which "
        "they hardly do; a large λ keeps few, and the map becomes the plain difference of means."
    )
    return chosen


def show_stability(
    model: Model,
    image: Image,
    references: ReferenceSet,
    alternative: ReferenceSet | None,
    epsilon: float,
    key: str,
) -> None:
    """Test on demand how much the map depends on which pictures are in the set."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind: Kind = st.segmented_control(
            "What happens to the map if the set were another sample?",
            list(_KINDS),
            format_func=_KINDS.__getitem__,
            default="bootstrap",
            required=True,
            key=f"{key}-stability-kind",
        )
        asked = st.button("Test it", icon=":material/science:", key=f"{key}-stability")
    place = st.empty()

    def progress(share: float) -> None:
        place.progress(share, text="Maps with the set drawn again")

    result = caching.stability_of(
        model,
        image,
        references,
        alternative,
        epsilon=epsilon,
        kind=kind,
        progress=progress if asked else None,
    )
    place.empty()
    if result is None:
        st.caption(_ABOUT[kind])
        return
    _show_agreement(*result)
    seen = caching.seen_by(model, image)
    size = as_size(seen.shape[:2])
    found = result[0]
    order = np.argsort(found.agreement, kind="stable")
    picked = order[np.linspace(0, len(order) - 1, min(_NUM_SHOWN, len(order))).round().astype(int)]
    strip = [StripMap(seen, upsample(found.reference_map, size), "the whole set")]
    strip += [
        StripMap(seen, upsample(found.maps[index], size), f"r = {found.agreement[index]:.2f}")
        for index in picked
    ]
    map_strip(strip, f"{key}-stability-maps")
    strip_legend()


def _show_agreement(found: Stability, with_alternative: float | None) -> None:
    low, high = found.interval
    st.markdown(
        f"Agreement of the maps: **{found.mean_agreement:.2f}** on average (95 % of them between "
        f"{low:.2f} and {high:.2f}); 1 is the same map, 0 is unrelated."
    )
    if with_alternative is None:
        return
    if is_unstable(found, with_alternative):
        st.warning(
            f"The map changes more with the sample (agreement {found.mean_agreement:.2f}) than "
            f"with the question (agreement {with_alternative:.2f} with the map against the whole "
            "bank): do not read details from it. Take more pictures, or raise λ.",
            icon=":material/warning:",
        )
    else:
        st.caption(
            f"It agrees by {with_alternative:.2f} with the map against the whole bank: the "
            "question changes the map more than the sample does."
        )
