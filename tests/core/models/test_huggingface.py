"""Transformers' models: random weights in local folders, a made-up cache, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models import hub
from tests.core.models.checkpoints import Hostile, list_model
from tests.core.models.huggingface_making import FAMILIES, processor, random_classifier, save

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install transformers"
)
huggingface_hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def folder(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder, with no network and an empty cache of Hugging Face's."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(no_network / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(no_network / "hub"))
    return no_network


def own(folder: Path, family: str = "vit", network: Any = None, **values: Any) -> xc.Model:
    save(folder / "net", family, random_classifier(family) if network is None else network)
    list_model(folder, "own", architecture="hf/net", **values)
    return xc.load_model("own", device="cpu")


def put_into_hub(folder: Path, repository: str) -> Path:
    """Lay a classifier where Hugging Face's client keeps a download."""
    kept = folder / "hub" / f"models--{repository.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("1" * 40)
    save(kept / "snapshots" / ("1" * 40), "vit", random_classifier("vit"))
    return kept / "snapshots" / ("1" * 40)


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def random_input(model: xc.Model) -> torch.Tensor:
    shape = (2, model.preprocessing.num_channels, *model.preprocessing.size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# ---- a folder of the operator's --------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_packages_own(folder: Path, family: str) -> None:
    network = random_classifier(family)
    model = own(folder, family, network)
    x = random_input(model)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), network(x).logits, rtol=1e-5, atol=1e-5)


def test_classes_are_the_configs(folder: Path) -> None:
    names = {index: f"bird {index}" for index in range(12)}
    model = own(folder, network=random_classifier("vit", num_labels=12, id2label=names))
    assert model.classes == tuple(names.values())
    assert (model.name, model.output) == ("own", "softmax")


def test_the_operators_classes_come_first(folder: Path) -> None:
    assert own(folder, classes=["wren", "robin", "owl"]).classes == ("wren", "robin", "owl")


def test_a_multi_label_problem_has_sigmoids(folder: Path) -> None:
    network = random_classifier("vit", problem_type="multi_label_classification")
    assert own(folder, network=network).output == "sigmoid"


def test_one_label_has_two_sides(folder: Path) -> None:
    network = random_classifier("vit", num_labels=1)
    model = own(folder, network=network)
    assert (model.output, model.classes) == ("single-logit", ("negative", "positive"))
    x = random_input(model)
    with torch.no_grad():
        logit = network(x).logits[:, 0]
    torch.testing.assert_close(model.logits(x).diff(dim=1)[:, 0], logit, rtol=1e-5, atol=1e-5)


def test_a_regression_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="hf/net is a regression, which has no classes"):
        own(folder, network=random_classifier("vit", num_labels=1, problem_type="regression"))


@pytest.mark.parametrize("family", ["vit", "swin", "resnet", "dinov2"])
def test_a_classifier_loses_its_head_on_demand(folder: Path, family: str) -> None:
    network = random_classifier(family)
    model = own(folder, family, network, output="none")
    assert (model.output, model.classes) == ("none", ())
    x = random_input(model)
    with torch.no_grad():
        expected = network.base_model(x).last_hidden_state
        torch.testing.assert_close(model.network(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["vit", "swin", "dinov2"])
def test_a_published_encoder_has_no_head(folder: Path, family: str) -> None:
    encoder = random_classifier(family).base_model
    model = own(folder, family, encoder)
    assert model.output == "none"
    x = random_input(model)
    with torch.no_grad():
        expected = encoder(x).last_hidden_state
        torch.testing.assert_close(model.network(x), expected, rtol=1e-5, atol=1e-5)


def test_an_encoders_untrained_pooler_is_left_out(folder: Path) -> None:
    """The base of a classifier is saved without one; two loads must not differ by chance."""
    first = own(folder, "vit", random_classifier("vit").base_model)
    assert first.fingerprint == xc.load_model("own", device="cpu").fingerprint
    assert not [name for name, _ in first.network.named_parameters() if "pooler" in name]


def test_an_encoder_gives_no_classes(folder: Path) -> None:
    with pytest.raises(ModelError, match=r'published without a classifier.*write output = "none"'):
        own(folder, "vit", random_classifier("vit").base_model, output="softmax")


def test_gray_pictures(folder: Path) -> None:
    network = random_classifier("vit", num_channels=1)
    network.save_pretrained(folder / "net")
    gray = transformers.ViTImageProcessor(
        size={"height": 96, "width": 64}, image_mean=[0.5], image_std=[0.25]
    )
    gray.save_pretrained(folder / "net")
    list_model(folder, "own", architecture="hf/net")
    assert xc.load_model("own").preprocessing == xc.Preprocessing(
        size=(96, 64), mean=(0.5,), std=(0.25,), fit="stretch"
    )


def test_weights_in_several_files(folder: Path) -> None:
    network = random_classifier("vit")
    network.save_pretrained(folder / "net", max_shard_size="20KB")
    processor("vit").save_pretrained(folder / "net")
    assert len(list((folder / "net").glob("model-*.safetensors"))) > 1
    list_model(folder, "own", architecture="hf/net")
    model = xc.load_model("own", device="cpu")
    x = random_input(model)
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), network(x).logits, rtol=1e-5, atol=1e-5)


def test_half_precision_is_loaded_in_full(folder: Path) -> None:
    assert own(folder, network=random_classifier("vit").half()).dtype == torch.float32


def test_attentions_that_a_config_asks_for_are_not_kept(folder: Path) -> None:
    model = own(folder, network=random_classifier("vit", output_hidden_states=True))
    hooks = sum(len(module._forward_hooks) for module in model.network.modules())
    model.logits(random_input(model))
    assert sum(len(module._forward_hooks) for module in model.network.modules()) == hooks


def test_loading_draws_nothing_from_the_global_generator(folder: Path) -> None:
    before = torch.random.get_rng_state()
    own(folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_folder_starts_at_the_file_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder / "site" / "net", "vit", random_classifier("vit"))
    list_model(folder / "site", "own", architecture="hf/net")
    monkeypatch.setenv("WHYNOT_MODELS", str(folder / "site" / "models.toml"))
    assert xc.available_models()["own"]
    assert xc.load_model("own").num_classes == 3


def test_a_folder_with_a_model_file_of_ours(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    (folder / "net" / "model.toml").write_text('architecture = "hf/."\nclasses = ["a", "b", "c"]\n')
    assert xc.load_model("file:net", device="cpu").classes == ("a", "b", "c")


def test_a_listed_folder_is_ready_and_a_missing_one_is_not(folder: Path) -> None:
    own(folder)
    list_model(folder, "gone", architecture="hf/nowhere")
    listed = xc.available_models()
    assert (listed["own"], listed["gone"]) == (True, False)


# ---- what is refused -------------------------------------------------------------------------


def test_pickled_weights_are_refused_with_the_way_to_convert(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    (folder / "net" / "model.safetensors").unlink()
    torch.save(Hostile(folder / "trace"), folder / "net" / "pytorch_model.bin")
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match=r"no model\.safetensors; pickled weights are refused.*-c"):
        xc.load_model("own")
    assert not (folder / "trace").exists()


def test_code_that_comes_along_is_not_run(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    (folder / "net" / "mine.py").write_text(f"open({str(folder / 'trace')!r}, 'w')\n")
    edit(
        folder / "net" / "config.json",
        model_type="mine",
        auto_map={"AutoConfig": "mine.Config", "AutoModelForImageClassification": "mine.Net"},
    )
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match=r"no model that transformers .* is not run"):
        xc.load_model("own")
    assert not (folder / "trace").exists()


def test_code_for_the_preprocessing_is_not_run(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    (folder / "net" / "mine.py").write_text(f"open({str(folder / 'trace')!r}, 'w')\n")
    path = folder / "net" / "preprocessor_config.json"
    edit(path, image_processor_type="Mine", auto_map={"AutoImageProcessor": "mine.Mine"})
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match="without an image processor that can be used"):
        xc.load_model("own")
    assert not (folder / "trace").exists()


def test_attention_from_the_hub_is_not_fetched(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    edit(folder / "net" / "config.json", _attn_implementation="someone/kernels")
    edit(folder / "net" / "config.json", attn_implementation="someone/kernels")
    list_model(folder, "own", architecture="hf/net")
    assert xc.load_model("own").network.config._attn_implementation == "eager"


def test_weights_without_the_head_are_refused(folder: Path) -> None:
    network = random_classifier("vit")
    save(folder / "net", "vit", network.base_model)
    edit(
        folder / "net" / "config.json",
        architectures=["ViTForImageClassification"],
        id2label={"0": "wren", "1": "owl"},
    )
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match=r"do not fit its config\.json: they lack .*classifier"):
        xc.load_model("own")


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    edit(folder / "net" / "config.json", hidden_size=32)
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match="hf/net cannot be loaded by transformers"):
        xc.load_model("own")


def test_a_model_of_texts_is_refused(folder: Path) -> None:
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=9
    )
    with torch.random.fork_rng(devices=[]):
        transformers.BertModel(config).save_pretrained(folder / "net")
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match="BertModel, which takes input_ids"):
        xc.load_model("own")


def test_weights_beside_the_folder_are_refused(folder: Path) -> None:
    shutil.copy(put_into_hub(folder, "birds/vit") / "model.safetensors", folder)
    with pytest.raises(ModelError, match="hf/net holds its own weights; leave out weights"):
        own(folder, weights="model.safetensors")


def test_a_broken_config_is_refused(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    (folder / "net" / "config.json").write_text("{")
    list_model(folder, "own", architecture="hf/net")
    with pytest.raises(ModelError, match="hf/net is no model that transformers"):
        xc.load_model("own")


def test_missing_transformers_are_named_with_their_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r'install it with pip install "transformers>=5\.0"'):
        xc.load_model("hf/birds/vit")


# ---- the hub ---------------------------------------------------------------------------------


def test_a_cached_repository_needs_no_network(folder: Path) -> None:
    put_into_hub(folder, "birds/vit")
    model = xc.load_model("hf/birds/vit", device="cpu")
    assert (model.name, model.num_classes) == ("hf/birds/vit", 3)


def test_only_complete_image_models_in_the_cache_are_listed(folder: Path) -> None:
    put_into_hub(folder, "birds/vit")
    (put_into_hub(folder, "birds/half") / "model.safetensors").unlink()
    texts = put_into_hub(folder, "texts/bert")
    edit(texts / "config.json", architectures=["BertForSequenceClassification"])
    (put_into_hub(folder, "birds/broken") / "config.json").write_text("[")
    listed = {name: there for name, there in xc.available_models().items() if "hf/" in name}
    assert listed == {"hf/birds/vit": True}


def test_the_main_branch_counts(folder: Path) -> None:
    snapshot = put_into_hub(folder, "birds/vit")
    older = snapshot.parent / ("0" * 40)
    save(older, "vit", random_classifier("vit", num_labels=5))
    assert xc.load_model("hf/birds/vit").num_classes == 3


def test_a_visitor_names_no_folder(folder: Path) -> None:
    save(folder / "net", "vit", random_classifier("vit"))
    for name in ("hf/net", "hf/./net", f"hf/{folder}/net", "hf/../net"):
        with pytest.raises(ModelError, match=r"could not be downloaded|names no repository"):
            xc.load_model(name)


def test_without_a_network_the_message_says_what_to_do(folder: Path) -> None:
    message = (
        r"weights of hf/birds/vit are not on this machine and could not be downloaded .*"
        r'Download birds/vit .*hub.*architecture = "hf/FOLDER"'
    )
    with pytest.raises(ModelError, match=message):
        xc.load_model("hf/birds/vit")


def test_without_a_network_nobody_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise URLError("no route")

    def retry(*_args: object, **_options: object) -> None:
        raise AssertionError("asked Hugging Face, which tries again and again")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", retry)
    with pytest.raises(ModelError, match=r"could not be downloaded \(no route\)"):
        xc.load_model("hf/birds/vit")


def test_a_download_fetches_weights_and_no_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = put_into_hub(folder, "other/place")

    def download(repository: str, allow_patterns: list[str]) -> str:
        assert repository == "birds/vit"
        assert not [name for name in allow_patterns if not name.endswith((".json", ".safetensors"))]
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert xc.load_model("hf/birds/vit").num_classes == 3
