"""Models on the pages: the operator's list, weights that are missing, a thousand classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

import explain_core as xc
from components import caching, model_picker
from tests.ui import steps

REPO = Path(__file__).resolve().parents[2]

BROKEN_LISTS = {
    "no TOML": ("[wrens\n", "not valid TOML"),
    "unknown key": ("[wrens]\ncolour = 1\n", "unknown keys ['colour']"),
    "missing weights": ('[wrens]\nweights = "none.safetensors"\n', "none.safetensors is missing"),
    "not a table": ("wrens = 1\n", "must be a table"),
}


def write_list(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this be the operator's models.toml."""
    (folder / "list.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("WHYNOT_MODELS", str(folder / "list.toml"))


def write_weights(path: Path, architecture: str) -> None:
    """Write random weights, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.get_model(architecture, weights=None)
    save_file(network.state_dict(), path)


def photo(height: int, width: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def button(at: AppTest, label: str) -> Button:
    return next(each for each in at.button if each.label == label)


def choose(at: AppTest, name: str) -> AppTest:
    at.selectbox(key="model").set_value(name)
    return steps.run(at)


# ---- models.toml ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["pages/explain.py", "pages/models.py"])
@pytest.mark.parametrize("fault", BROKEN_LISTS)
def test_a_broken_list_gives_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, page: str
) -> None:
    text, message = BROKEN_LISTS[fault]
    write_list(tmp_path, text, monkeypatch)
    at = steps.run(steps.open_app().switch_page(page))
    assert any("ist.toml" in each.value and message in each.value for each in at.error)


def test_a_list_that_is_not_there_gives_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYNOT_MODELS", "/nowhere/models.toml")
    at = steps.open_app()
    assert any("/nowhere/models.toml" in each.value for each in at.error)


@pytest.mark.parametrize("fault", BROKEN_LISTS)
def test_a_broken_list_leaves_the_bundled_model_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    write_list(tmp_path, BROKEN_LISTS[fault][0], monkeypatch)
    at = steps.open_app()
    assert steps.shown_panels(at)


def test_a_mended_list_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_list(tmp_path, "[wrens\n", monkeypatch)
    at = steps.open_app()
    write_list(tmp_path, "", monkeypatch)
    steps.run(at)
    assert not at.error
    assert steps.shown_panels(at)


def test_weights_that_do_not_fit_give_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weights(tmp_path / "small.safetensors", "squeezenet1_1")
    lines = '[odd]\narchitecture = "torchvision/resnet18"\nweights = "small.safetensors"\n'
    write_list(tmp_path, lines, monkeypatch)
    at = choose(steps.open_app(), "odd")
    assert any("resnet18" in each.value for each in at.error)
    assert steps.shown_panels(choose(at, "digits"))


# ---- weights that are not here -------------------------------------------------------------


@pytest.mark.parametrize("page", ["pages/explain.py", "pages/models.py"])
def test_missing_weights_say_what_to_put_where(at: AppTest, page: str) -> None:
    at.switch_page(page)
    steps.run(at)
    choose(at, "torchvision/resnet18")
    (message,) = [each.value for each in at.error]
    for part in ("resnet18-f37072fd.pth", "hub/checkpoints", "models.toml", "no network"):
        assert part in message


def test_after_missing_weights_digits_works_again(at: AppTest) -> None:
    before = steps.shown_panels(at)
    choose(at, "torchvision/resnet18")
    assert not steps.shown_panels(at)
    choose(at, "digits")
    assert not at.error
    assert steps.shown_panels(at) == before


def test_models_that_would_be_downloaded_are_marked(at: AppTest) -> None:
    options = at.selectbox(key="model").options
    assert options[0] == "digits"
    assert "torchvision/resnet18 ↓" in options


# ---- a thousand classes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    write_weights(path, "mobilenet_v3_small")
    return path


@pytest.fixture
def thousand(random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Give a session with a 1,000-class model of random weights and a picture, H ≠ W."""
    lines = (
        '[thousand]\narchitecture = "torchvision/mobilenet_v3_small"\n'
        f'weights = "{random_weights}"\nsize = 96\nresize_px = 110\n'
    )
    write_list(tmp_path, lines, monkeypatch)
    at = choose(steps.open_app(), "thousand")
    at.file_uploader[0].set_value(("photo.jpg", photo(120, 200), "image/jpeg"))
    return steps.run(at)


def test_a_thousand_classes_run_end_to_end(thousand: AppTest) -> None:
    panels = steps.shown_panels(thousand)
    assert list(panels) == [
        "finer-grad-cam",
        "finer-layer-cam",
        "grad-cam",
        "guided-absolute-grad",
    ]
    assert not thousand.error
    assert "200 × 120 px" in steps.texts(thousand)


def test_diffcam_without_a_bank_is_explained_away(thousand: AppTest) -> None:
    thousand.multiselect(key="methods-no-bank").set_value(["diffcam", "grad-cam"])
    steps.run(thousand)
    assert any("has no bank of them for its classes" in each.value for each in thousand.info)


def test_a_thousand_classes_are_all_on_offer(thousand: AppTest) -> None:
    target, references = steps.target(thousand), steps.references(thousand)
    assert len(target.options) == 1000
    assert len(references.options) == 999
    assert len(references.value) == 3
    assert all("%" in option for option in target.options)


def test_any_of_a_thousand_classes_can_be_explained(thousand: AppTest) -> None:
    steps.target(thousand).set_value(999)
    steps.run(thousand)
    steps.references(thousand).set_value([0])
    head = steps.shown_panels(steps.run(thousand))["finer-grad-cam"].head
    assert "toilet tissue against tench" in head


def test_another_model_does_not_take_the_first_ones_classes(thousand: AppTest) -> None:
    steps.target(thousand).set_value(999)
    steps.run(thousand)
    at = choose(thousand, "digits")
    assert not at.error
    assert steps.target(at).value in range(10)


def test_the_models_page_shows_a_thousand_classes(thousand: AppTest) -> None:
    """AppTest, unlike a browser, brings a shared widget's value along one run late."""
    thousand.switch_page("pages/models.py")
    steps.run(thousand)
    choose(thousand, "thousand")
    assert "1,000" in steps.texts(thousand)


def test_the_models_page_lists_the_layers_of_digits(at: AppTest) -> None:
    at.switch_page("pages/models.py")
    steps.run(at)
    layers = at.dataframe[0].value
    assert dict(zip(layers["Layer"], layers["Size"], strict=True))["features.5"] == "14 × 14"


# ---- the Models page ------------------------------------------------------------------------


@pytest.fixture
def models_page(at: AppTest) -> AppTest:
    at.switch_page("pages/models.py")
    return steps.run(at)


def test_the_memory_of_the_weights_is_shown(models_page: AppTest) -> None:
    weights = load_file(REPO / "assets" / "digits" / "weights.safetensors")
    size_mb = sum(each.nbytes for each in weights.values()) / 1e6
    assert f"**{size_mb:,.1f} MB**" in steps.texts(models_page)


def test_each_layer_has_a_preview_once_asked_for(models_page: AppTest) -> None:
    assert not any("14 × 14" in each.value for each in models_page.caption)
    models_page.toggle[0].set_value(True)
    captions = [each.value for each in steps.run(models_page).caption]
    layers = [each for each in captions if each.startswith("features.")]
    assert len(layers) == len(models_page.dataframe[0].value)
    assert "features.5 (14 × 14)" in layers


def test_the_nearest_classes_of_a_class(models_page: AppTest) -> None:
    models_page.selectbox(key="nearest-to-digits").set_value(0)
    table = steps.run(models_page).dataframe[1].value
    model = xc.load_model("digits")
    expected = xc.similar_classes(model, 0, logits=np.empty(0), count=10)
    assert table["Class"].tolist() == [model.classes[each.index] for each in expected]
    assert "0" not in table["Class"].tolist()


def test_a_model_can_be_unloaded(models_page: AppTest) -> None:
    first = caching.model_named("digits")
    assert caching.model_named("digits") is first
    button(models_page, "Unload").click()
    at = steps.run(models_page)
    assert "digits is unloaded" in steps.texts(at)
    assert caching.model_named("digits") is not first


def test_an_unloaded_model_comes_back_when_asked_for(models_page: AppTest) -> None:
    button(models_page, "Unload").click()
    steps.run(models_page)
    assert "features.5" in str(steps.run(models_page).dataframe[0].value)


def test_a_browser_cannot_ask_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a browser sends what the list does not offer, nothing is loaded by its path."""
    monkeypatch.setattr(model_picker.st, "selectbox", lambda *_args, **_options: "file:/tmp")
    monkeypatch.setattr(caching, "probes", dict)
    with pytest.raises(xc.ModelError, match="no model 'file:/tmp' on this dashboard"):
        model_picker.model_picker()


# ---- labels, and yes or no ------------------------------------------------------------------


def with_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, num_outputs: int
) -> AppTest:
    """Open Explain with a small network of that output, and a picture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.mobilenet_v3_small(weights=None, num_classes=num_outputs)
        torch.nn.init.constant_(network.classifier[3].weight, 0)
        network.classifier[3].bias.data = torch.linspace(2, -2, num_outputs + 1)[:num_outputs]
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    lines = (
        f'[{output}]\narchitecture = "torchvision/mobilenet_v3_small"\nweights = "w.safetensors"\n'
        f'size = 64\nlayer = "features.12"\noutput = "{output}"\n'
    )
    write_list(tmp_path, lines, monkeypatch)
    at = choose(steps.open_app(), output)
    at.file_uploader[0].set_value(("photo.jpg", photo(60, 90), "image/jpeg"))
    return steps.run(at)


def test_a_multi_label_model_says_which_labels_it_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Biases of 2, 2/3, -2/3 alone: sigmoids of 88, 66 and 34 %."""
    at = with_output(tmp_path, monkeypatch, "sigmoid", 3)
    assert "**The model finds 0 (88.1 %), 1 (66.1 %)**" in steps.texts(at)


def test_one_logit_is_a_yes_or_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = with_output(tmp_path, monkeypatch, "single-logit", 1)
    assert "**The model says positive** — 88.1 %" in steps.texts(at)
