"""A linear probe on a model's features: fitted on the page, used at once, taken away as a file."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import streamlit as st

from components import caching, state
from components.notices import shown_errors
from components.wording import counted, percent
from explain_core import LinearProbe, Model
from explain_core.models.probes import probe_bytes
from explain_core.references.bank import Bank
from explain_core.references.probing import can_be_probed, fit_probe

_ABOUT = (
    "A probe is a linear classifier on the model’s features, fitted to the classes of a reference "
    "bank. It gives an encoder classes to explain, and tells how well features alone keep these "
    "classes apart."
)


def linear_probe(model: Model) -> None:
    """Offer to fit a probe where a bank has classes; run what was started. Call it last."""
    kept = caching.kept_probe(model)
    if model.head and kept is not None:
        st.markdown("### Linear probe")
        _show(kept)
        return
    banks = _banks(model)
    if not banks or model.head:
        return
    st.markdown("### Linear probe")
    st.caption(_ABOUT)
    bank = banks[_bank_name(model, banks)]
    id = _id(model, bank)
    is_started = state.is_started(id)
    place, said = st.empty(), st.container()
    if not is_started:
        _offer(place, bank, id)
        if state.was_cancelled(id):
            said.caption("Cancelled; nothing has changed.")
    if kept is not None:
        _show(kept)
    if is_started:
        with said, shown_errors():
            _run(place, model, bank, id)
        state.forget_started(id)  # it failed; the message stands
        _offer(place, bank, id)


def has_classes_at_hand(model: Model) -> bool:
    """Return whether a probe can be fitted on a bank of the model."""
    return not model.head and bool(_banks(model))


def _banks(model: Model) -> dict[str, Bank]:
    return {bank.name: bank for bank in caching.banks_of(model) if can_be_probed(bank)}


def _offer(place: Any, bank: Bank, id: str) -> None:
    place.button(
        f"Fit a probe on {bank.name}",
        key=f"start-{id}",
        icon=":material/play_arrow:",
        on_click=state.start,
        args=(id,),
    )


def _bank_name(model: Model, banks: dict[str, Bank]) -> str:
    if len(banks) == 1:
        return next(iter(banks))
    name: str = st.selectbox(
        "Bank with the classes",
        list(banks),
        format_func=lambda name: f"{name} ({counted(len(banks[name]), 'picture')})",
        key=f"probe-bank-{model.name}",
    )
    return name


def _id(model: Model, bank: Bank) -> str:
    told = repr((model.key, bank.name, len(bank)))
    return f"probe-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _run(place: Any, model: Model, bank: Bank, id: str) -> None:
    """Fit with a bar and a way out; only a whole probe is kept."""
    with place.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Cancel",
            key=f"cancel-{id}",
            icon=":material/close:",
            on_click=state.cancel,
            args=(id,),
        )
        bar = st.empty()

    def progress(share: float) -> None:
        bar.progress(share, text=f"Fitting a probe on {bank.name}")

    caching.keep_probe(model, fit_probe(bank, model, progress=progress))
    state.forget_started(id)
    st.rerun()


def _show(probe: LinearProbe) -> None:
    """Tell how good a probe is, where it can be chosen, and how it is kept."""
    st.markdown(
        f"The probe on {probe.bank} is **right on {percent(probe.accuracy)}** "
        f"({round(probe.accuracy * probe.num_held_out):,}) of "
        f"{counted(probe.num_held_out, 'picture')} that were kept apart; always naming the "
        f"commonest class would be right on {percent(probe.commonest)}. It was fitted to "
        f"{counted(probe.num_train, 'picture')} of {len(probe.classes):,} classes, at layer "
        f"{probe.layer}."
    )
    name = caching.probed_name(probe.encoder)
    with st.container(horizontal=True):
        st.button(
            f"Explain with {name}",
            icon=":material/contrast:",
            on_click=state.choose_model,
            args=(name, "pages/explain.py"),
        )
        st.button(
            "Discard this probe",
            icon=":material/delete:",
            on_click=_discard,
            args=(probe, name),
        )
    st.markdown(
        f"In the list of models it is **{name}**, in this session only. To keep it, download it, "
        "put the file beside `models.toml`, and add these lines there:"
    )
    file = re.sub(r"[^\w.-]+", "-", f"{probe.encoder}-{probe.bank}-probe") + ".safetensors"
    st.code(
        f"[{json.dumps(name, ensure_ascii=False)}]\n"
        f"encoder = {json.dumps(probe.encoder, ensure_ascii=False)}\n"
        f"probe = {json.dumps(file, ensure_ascii=False)}",
        language="toml",
    )
    st.download_button(
        "Download as safetensors",
        data=probe_bytes(probe),
        file_name=file,
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
    )


def _discard(probe: LinearProbe, name: str) -> None:
    caching.forget_probe(name)
    state.choose_model(probe.encoder)
