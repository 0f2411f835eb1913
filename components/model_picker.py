"""Choosing a model and the layer that is explained."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components import caching, state
from components.notices import shown_errors
from components.text_classes import text_classes
from explain_core import Model, ModelError
from explain_core.references.bank import Bank


def model_picker(
    key: str = state.MODEL,
    first: str = "digits",
    is_offered: Callable[[str], bool] = lambda name: True,
) -> Model:
    """Show the models and return the chosen one, loaded, with the texts that were typed for it.

    Args:
        key: of the widget; pages with a key of their own choose for themselves.
        first: the model that is chosen at first.
        is_offered: which names are among them.

    Raises:
        ModelError: it cannot be loaded, or is not among those on offer.
        InputError: a text that it cannot take.
    """
    ready = {first: True}
    with shown_errors():
        ready = {name: there for name, there in caching.model_names().items() if is_offered(name)}
    probed = {probe.encoder: name for name, probe in caching.probes().items()}
    names = [each for name in ready for each in (name, probed.get(name)) if each is not None]
    ready |= dict.fromkeys(probed.values(), True)
    name = st.selectbox(
        "Model",
        names,
        index=names.index(first),
        format_func=lambda each: each if ready[each] else f"{each} ↓",
        key=key,
        persist_state="session",
        help="Bundled, listed in models.toml, or from timm, open_clip or torchvision. ↓: downloads "
        "its weights first. Type to search.",
    )
    if name not in ready:  # only what the operator offers, whatever a browser sends
        raise ModelError(f"there is no model '{name}' on this dashboard; choose one of the list")
    if name in probed.values():
        return caching.probed_model(name)
    return text_classes(caching.model_named(name))


def bank_picker(model: Model) -> Bank | None:
    """Show a model's banks where there are several, and return the chosen one; None without."""
    banks = {bank.name: bank for bank in caching.banks_of(model)}
    for name, reason in caching.refused_banks(model):
        st.caption(f":material/report: Bank “{name}” is not used: {reason}")
    if len(banks) < 2:
        return next(iter(banks.values()), None)
    name = st.selectbox(
        "Bank of references",
        list(banks),
        format_func=lambda name: f"{name} ({len(banks[name].features):,} pictures)",
        key=f"{state.REFERENCE_BANK}-{model.name}",
        persist_state="session",
        help="Whose pictures stand for the classes when DiffCAM compares.",
    )
    return banks[name]


def layer_picker(model: Model) -> str:
    """Show the layers that can be explained and return the chosen one's name."""
    names = [layer.name for layer in model.layers]
    sizes = {layer.name: layer for layer in model.layers}
    chosen: str = st.selectbox(
        "Layer",
        names,
        index=names.index(model.layer),
        format_func=lambda name: (
            f"{name} — {sizes[name].num_channels} maps of "
            f"{sizes[name].size[0]} × {sizes[name].size[1]}"
        ),
        key=state.layer_key(model),
        persist_state="session",
        help="CAM methods and DiffCAM explain this layer. Later layers know more about classes, "
        "earlier ones more about places.",
    )
    return chosen
