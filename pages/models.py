"""Models: what is loaded, what can be explained, and which classes are alike."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from components import caching
from components.model_picker import model_picker
from components.notices import shown_errors
from components.page import page_head
from explain_core import Model
from explain_core.references.similar import similarity_curve

_CHANNELS = {1: "gray", 3: "colour"}
_ADDING = """
List your own weights in `models.toml`, beside `app.py` (or wherever `WHYNOT_MODELS` points):

```toml
[birds]
architecture = "torchvision/mobilenet_v2"
weights = "weights/birds.safetensors"
classes = "weights/birds.txt"        # one name per line, or a JSON list
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
```

Weights are safetensors, or a plain `state_dict` saved by PyTorch. Pickled code is refused.
"""


def main() -> None:
    """Lay out the page."""
    page_head("Models", "The network behind the maps: its input, its layers, its look-alikes.")
    model = None
    with shown_errors(), st.sidebar:
        model = model_picker()
    if model is not None:
        _show_card(model)
        layers, curve = st.columns(2, gap="large")
        with layers:
            _show_layers(model)
        with curve:
            _show_similarity(model)
    with st.expander("Add a model", expanded=model is None):
        st.markdown(_ADDING)


def _show_card(model: Model) -> None:
    height, width = model.preprocessing.size
    facts = {
        "Classes": f"{model.num_classes:,}",
        "Input": f"{width} × {height} px, {_CHANNELS[model.preprocessing.num_channels]}",
        "Fit": model.preprocessing.fit,
        "Explained layer": model.layer,
        "Reference bank": ", ".join(bank.name for bank in caching.banks_of(model)) or "none",
        "Weights’ hash": model.fingerprint[:12],
    }
    for column, (label, value) in zip(st.columns(len(facts)), facts.items(), strict=True):
        column.caption(label)
        column.markdown(f"**{value}**")


def _show_layers(model: Model) -> None:
    st.markdown("#### Layers that can be explained")
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
    st.markdown("#### How alike are its classes?")
    curve = similarity_curve(model)
    if curve is None:
        st.info("This model has no linear head, so its classes have no weights to compare.")
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
        yaxis_title="cosine of classifier weights",
        legend={"orientation": "h", "y": 1.08},
    )
    st.plotly_chart(figure, config={"displayModeBar": False})
    st.caption(
        "For each class the others are sorted by the cosine of their weight vectors (Finer-CAM, "
        "eq. 11–12). High on the left: most classes have a look-alike to compare with."
    )


main()
