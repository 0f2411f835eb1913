"""Models: what is loaded, what can be explained, and which classes are alike."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components import caching
from components.image_input import image_input
from components.linear_probe import linear_probe
from components.map_strip import StripMap, map_strip, strip_legend
from components.model_picker import model_picker
from components.notices import shown_errors
from components.page import page_head
from explain_core import Image, Model, render, similar_classes
from explain_core.models.layers import Layer
from explain_core.references.similar import similarity_curve
from explain_core.types import Array

_CHANNELS = {1: "gray", 3: "colour"}
_OUTPUTS = {
    "softmax": "one of the classes",
    "sigmoid": "several labels",
    "single-logit": "yes or no",
    "none": "features only",
}
_NUM_NEAREST = 10
_NEAREST_PX = 560
_MAX_LINEAR_RANKS = 30  # of more, the first few would be a stroke at the edge
_MAX_CURVE_CLASSES = 5000  # the curve compares each with each
_ADDING = """
List your own weights in `models.toml`, beside `app.py` (or wherever `WHYNOT_MODELS` points):

```toml
[garden-birds]
architecture = "torchvision/mobilenet_v2"
weights = "weights/birds.safetensors"
classes = "weights/birds.txt"        # one name per line, or a JSON list
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
```

`architecture` is `torchvision/…`, `timm/…` (once `pip install timm` is done),
`open_clip/…` (`pip install open_clip_torch`: pictures against texts), or
`package.module:function` of your own. `output` says what the logits mean: `softmax`, `sigmoid`
(several labels), `single-logit` (yes or no) or `none` (an encoder). `folder = "…"` alone names a
folder with `model.toml` and safetensors weights. `encoder = "…"` with `probe = "…"` puts a linear
probe on a model that goes by that name.

Weights are safetensors, or a plain `state_dict` saved by PyTorch. Pickled code is refused.
"""


def main() -> None:
    """Lay out the page."""
    page_head("Models", "The network behind the maps: its input, its layers, its look-alikes.")
    model = image = None
    unloaded = ""
    with shown_errors(), st.sidebar:
        model = model_picker()
        image = image_input(model)
        if st.button(
            "Unload",
            icon=":material/eject:",
            help="Frees the model's memory, for everyone who uses this dashboard. It is loaded "
            "again when somebody asks for it.",
        ):
            caching.unload(model)
            unloaded, model = model.name, None
    if unloaded:
        st.info(f"{unloaded} is unloaded, until somebody asks for it.", icon=":material/eject:")
        st.button("Load it again", icon=":material/refresh:")
    if model is not None:
        _show_card(model)
        layers, curve = st.columns(2, gap="large")
        with layers:
            _show_layers(model)
        with curve:
            _show_similarity(model)
        with shown_errors():
            _show_previews(model, image)
        with shown_errors():
            _show_nearest(model)
    probe = st.container()
    with st.expander("Add a model", expanded=model is None):
        st.markdown(_ADDING)
    if model is not None:
        with probe, shown_errors():
            linear_probe(model)


def _show_card(model: Model) -> None:
    height, width = model.preprocessing.size
    facts = {
        "Classes": f"{model.num_classes:,}",
        "Says": _OUTPUTS[model.output],
        "Input": f"{width} × {height} px, {_CHANNELS[model.preprocessing.num_channels]}",
        "Fit": model.preprocessing.fit,
        "Explained layer": model.layer,
        "Reference bank": ", ".join(bank.name for bank in caching.banks_of(model)) or "none",
        "Memory": f"{model.num_bytes / 1e6:,.1f} MB",
        "Weights’ hash": model.fingerprint[:8],
    }
    for column, (label, value) in zip(st.columns(len(facts)), facts.items(), strict=True):
        column.caption(label)
        column.markdown(f"**{value}**")


def _show_layers(model: Model) -> None:
    st.markdown("### Layers that can be explained")
    st.dataframe(
        [
            {
                "Layer": layer.name,
                "Maps": layer.num_channels,
                "Size": f"{layer.size[1]} × {layer.size[0]}",
                "Explained": "by default" if layer.name == model.layer else "",
            }
            for layer in reversed(model.layers)
        ],
        hide_index=True,
        height=360,
    )


def _show_similarity(model: Model) -> None:
    st.markdown("### How alike are its classes?")
    if model.num_classes > _MAX_CURVE_CLASSES:
        st.info(f"With {model.num_classes:,} classes, comparing each with each takes too long.")
        return
    curve = similarity_curve(model)
    if curve is None:
        reason = (
            "no linear head, so its classes have no weights" if model.has_head else "no classes"
        )
        st.info(f"This model has {reason} to compare.")
        return
    ranks = list(range(1, len(curve.mean) + 1))
    figure = go.Figure(
        [
            go.Scatter(
                x=[*ranks, *reversed(ranks)],
                y=[*(curve.mean + curve.std), *reversed(curve.mean - curve.std)],
                fill="toself",
                mode="lines",
                line={"width": 0},
                fillcolor="rgba(128, 128, 128, 0.25)",
                name="± one standard deviation",
                hoverinfo="skip",
            ),
            go.Scatter(x=ranks, y=curve.mean, name="mean over classes", mode="lines"),
        ]
    )
    figure.update_layout(
        height=360,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        xaxis_title="rank of the other class",
        xaxis_type="log" if len(ranks) > _MAX_LINEAR_RANKS else "linear",
        yaxis_title="cosine of classifier weights",
        legend={"orientation": "h", "y": 1.08},
    )
    st.plotly_chart(figure, config={"displayModeBar": False})
    st.caption(
        "For each class the others are sorted by the cosine of their weight vectors (Finer-CAM, "
        "eq. 11–12). High on the left: most classes have a look-alike to compare with."
    )


def _show_previews(model: Model, image: Image | None) -> None:
    """Show Grad-CAM of the predicted class at every layer, computed once asked for."""
    st.markdown("### What does each layer show?")
    if not model.has_head:
        st.caption("This model has no classes, so no layer has a Grad-CAM.")
        return
    if image is None:
        st.caption("Give a picture on the left to see each layer's Grad-CAM.")
        return
    logits = caching.logits_of(model, image)
    target = int(np.argmax(logits))
    if not st.toggle(
        f"Grad-CAM of “{model.classes[target]}” at {len(model.layers)} layers",
        help="One pass through the network for each layer, the first time.",
    ):
        return
    seen = caching.seen_by(model, image)
    with st.spinner("Asking the network at every layer …"):
        strip = [_preview(model, image, target, layer, seen) for layer in reversed(model.layers)]
    map_strip(strip, "layer-previews")
    strip_legend()


def _preview(model: Model, image: Image, target: int, layer: Layer, seen: Array) -> StripMap:
    basis = caching.basis_of(
        model,
        image,
        "grad-cam",
        target=target,
        references=(),
        reference_set=None,
        layer=layer.name,
        parameters={},
        progress=lambda _share: None,
    )
    values = render(basis).values
    note = "" if values.any() else ", nothing"
    return StripMap(seen, values, f"{layer.name} ({layer.size[1]} × {layer.size[0]}{note})")


def _show_nearest(model: Model) -> None:
    """Show the classes whose weights are most like a chosen one's."""
    if model.class_weights is None or model.num_classes < 2:
        return
    st.markdown("### Which classes are nearest to one?")
    target = st.selectbox(
        "Class",
        range(model.num_classes),
        format_func=model.classes.__getitem__,
        key=f"nearest-to-{model.name}",
        width=_NEAREST_PX,
        help="Type to search by name.",
    )
    nearest = similar_classes(model, target, logits=np.empty(0), count=_NUM_NEAREST)
    st.dataframe(
        [
            {"Rank": each.rank, "Class": model.classes[each.index], "Cosine": each.score}
            for each in nearest
        ],
        hide_index=True,
        width=_NEAREST_PX,
        column_config={"Cosine": st.column_config.NumberColumn(format="%.3f")},
    )


main()
