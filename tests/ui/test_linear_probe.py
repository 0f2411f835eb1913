"""The Models page's linear probe: fitted, cancelled, used at once, taken away."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

import explain_core as xc
from components import caching, linear_probe, state
from components.caching import session
from explain_core.references.banks import load_bank
from tests.ui import steps
from tests.ui.reference_steps import Counted

FIT = "Fit a probe on digits"
NAME = "digits + probe"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> caching.SessionMemory:
    """Give what the session remembers: from outside it, Streamlit tells nothing."""
    memory = caching.SessionMemory()
    monkeypatch.setattr(session, "session_memory", lambda: memory)
    return memory


@pytest.fixture
def models_page(at: AppTest) -> AppTest:
    at.switch_page("pages/models.py")
    return steps.run(at)


def buttons(at: AppTest) -> dict[str, Button]:
    return {each.label: each for each in at.button}


def fit(at: AppTest) -> AppTest:
    buttons(at)[FIT].click()
    return steps.run(at)


def code(at: AppTest) -> str:
    return "\n".join(each.value for each in at.code)


def test_a_bank_with_classes_offers_a_probe(models_page: AppTest) -> None:
    assert FIT in buttons(models_page)
    assert "### Linear probe" in [each.value for each in models_page.markdown]
    assert not models_page.code


def test_a_fitted_probe_says_how_good_it_is(models_page: AppTest) -> None:
    probe = xc.fit_probe(load_bank("digits"), xc.load_model("digits"))
    texts = steps.texts(fit(models_page))
    assert f"right on {100 * probe.accuracy:.1f} %" in texts
    assert "1,000 pictures that were kept apart" in texts
    assert "right on 10.0 %" in texts
    assert "fitted to 4,000 pictures of 10 classes" in texts


def test_fitting_runs_no_network_but_to_look_at_gradients(
    models_page: AppTest, counted: Counted
) -> None:
    """The bank has the features; putting the probe on asks at each layer whether it matters."""
    before = counted.num
    fit(models_page)
    assert counted.num - before <= len(xc.load_model("digits").layers)


def test_the_lines_for_the_operator_make_the_model(
    models_page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = code(fit(models_page))
    (entry,) = tomllib.loads(lines).values()
    probe = caching.kept_probe(caching.model_named("digits"))
    assert probe is not None
    xc.save_probe(probe, tmp_path / entry["probe"])
    (tmp_path / "models.toml").write_text(lines, encoding="utf-8")
    assert xc.load_model(NAME).key == caching.probed_model(NAME).key


def test_the_probe_can_be_chosen_in_this_session(models_page: AppTest) -> None:
    at = fit(models_page)
    assert at.selectbox(key="model").options[:2] == ["digits", NAME]
    assert at.selectbox(key="model").value == "digits"
    at.selectbox(key="model").set_value(NAME)
    at = steps.run(at)
    assert not at.exception
    assert not at.error
    assert FIT not in buttons(at)
    assert "digits, drawn-digits" in steps.texts(at)


def test_the_probed_model_is_explained(models_page: AppTest) -> None:
    at = fit(models_page)
    at.switch_page("pages/explain.py")
    at = steps.run(at)
    plain = steps.shown_panels(at)
    at.selectbox(key="model").set_value(NAME)
    at = steps.run(at)
    assert not at.error
    assert "diffcam" in steps.shown_panels(at)
    assert list(steps.shown_panels(at)) == list(plain)


@pytest.mark.parametrize("name", ["digits", NAME])
def test_unloading_keeps_the_probe(models_page: AppTest, name: str) -> None:
    at = fit(models_page)
    at.selectbox(key="model").set_value(name)
    at = steps.run(at)
    buttons(at)["Unload"].click()
    at = steps.run(at)
    assert f"{name} is unloaded" in at.info[0].value
    buttons(at)["Load it again"].click()
    at = steps.run(at)
    assert not at.exception
    assert at.selectbox(key="model").value == name
    assert list(caching.probes()) == [NAME]


def test_a_discarded_probe_is_gone(models_page: AppTest) -> None:
    at = fit(models_page)
    at.selectbox(key="model").set_value(NAME)
    buttons(steps.run(at))["Discard this probe"].click()
    at = steps.run(at)
    assert not at.exception
    assert at.selectbox(key="model").value == "digits"
    assert NAME not in at.selectbox(key="model").options
    assert not caching.probes()


def test_a_probe_tells_how_good_it_is_where_it_is_chosen(models_page: AppTest) -> None:
    at = fit(models_page)
    at.selectbox(key="model").set_value(NAME)
    assert "1,000 pictures that were kept apart" in steps.texts(steps.run(at))


def test_it_is_one_press_from_a_probe_to_its_maps(models_page: AppTest) -> None:
    buttons(fit(models_page))[f"Explain with {NAME}"].click()
    steps.run(models_page)
    models_page.switch_page("pages/explain.py")  # what Streamlit's own test does not follow
    at = steps.run(models_page)
    assert at.selectbox(key="model").value == NAME
    assert steps.shown_panels(at)


def test_only_the_last_few_probes_are_kept(memory: caching.SessionMemory) -> None:
    model = caching.model_named("digits")
    probe = xc.fit_probe(load_bank("digits"), model)
    for index in range(caching.MAX_PROBES + 2):
        memory.probes[f"{index}"] = probe
    caching.keep_probe(model, probe)
    assert list(caching.probes()) == ["3", "4", "5", NAME]


def test_cancelling_keeps_nothing(models_page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A press of Cancel reaches a running script at its next call of Streamlit."""

    def press(*_args: object, progress: object, **_options: object) -> None:
        state.cancel(next(iter(st.session_state["started-methods"])))
        pressed.append(True)
        st.rerun()

    pressed: list[bool] = []
    monkeypatch.setattr(linear_probe, "fit_probe", press)
    at = fit(models_page)
    assert pressed == [True]
    assert not at.exception
    assert FIT in buttons(at)
    assert "Cancelled" in steps.texts(at)
    assert not caching.probes()


def test_what_goes_wrong_is_said(models_page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise xc.BankError("the features hold NaN")

    monkeypatch.setattr(linear_probe, "fit_probe", fail)
    at = fit(models_page)
    assert ["The features hold NaN." in each.value for each in at.error] == [True]
    assert FIT in buttons(steps.run(at))
