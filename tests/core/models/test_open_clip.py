"""open_clip's networks: random weights in local files, a made-up cache, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file, save_file

import explain_core as xc
from explain_core.images.reading import image_from_pixels
from explain_core.models import hub
from explain_core.models.catalogue import CATALOGUE_VARIABLE
from tests.core.models.checkpoints import PHOTO, Hostile, list_model
from tests.core.models.test_layers import black, bright_corner, is_in_corner
from tests.oracles import tiny_clips

open_clip = pytest.importorskip("open_clip", reason="pip install open_clip_torch")
constants = pytest.importorskip("huggingface_hub").constants

TEXTS = ["red epaulets", "bird", "a long yellow beak"]
PREPARED = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "interpolation": "bicubic"}
LAYERS = {
    "tiny-vit": ("ln_post", "transformer.resblocks.2.ln_1"),
    "tiny-vit-avg": ("ln_post", "ln_post"),
    "tiny-resnet": ("layer4", "layer4"),
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_clips.register(monkeypatch)


@pytest.fixture
def folder(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder, with no network and an empty cache of Hugging Face's."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(no_network / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(no_network / "hub"))
    monkeypatch.setenv("HOME", str(no_network))
    return no_network


def own(folder: Path, tower: str = "tiny-vit", **values: Any) -> xc.Model:
    """Load a tower's random weights through models.toml."""
    if not (folder / f"{tower}.safetensors").is_file():
        tiny_clips.save(tiny_clips.tiny_clip(tower), folder / f"{tower}.safetensors")
    (folder / "models.toml").unlink(missing_ok=True)
    values = {"architecture": f"open_clip/{tower}", "weights": f"{tower}.safetensors"} | values
    list_model(folder, "own", **values)
    return xc.load_model("own", device="cpu")


def publish(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tower: str = "tiny-vit", **about: Any
) -> Any:
    """Let open_clip publish random weights that lie in the cache; return the network."""
    about = {"hf_hub": "birds/tiny/", "url": "", **PREPARED, "resize_mode": "squash", **about}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tower, {"made_up": about})
    network = tiny_clips.tiny_clip(tower, force_quick_gelu=about.get("quick_gelu", False))
    snapshot = folder / "hub" / "models--birds--tiny" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    tiny_clips.save(network, snapshot / "open_clip_model.safetensors")
    return network


def pictures() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


# ---- own weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("tower", LAYERS)
def test_logits_are_open_clips(folder: Path, tower: str) -> None:
    model = xc.with_texts(own(folder, tower), TEXTS)
    network = tiny_clips.tiny_clip(tower)
    with torch.no_grad():
        expected = tiny_clips.logits_of_texts(network, pictures(), TEXTS)
        torch.testing.assert_close(model.logits(pictures()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tower", LAYERS)
def test_loading_gives_an_encoder(folder: Path, tower: str) -> None:
    model = own(folder, tower)
    assert (model.output, model.classes, model.class_weights) == ("none", (), None)


@pytest.mark.parametrize("tower", LAYERS)
def test_default_layers_are_the_last_that_count(folder: Path, tower: str) -> None:
    """Of features the final norm; of a text's logit the last whose patches are looked at."""
    encoder = own(folder, tower)
    model = xc.with_texts(encoder, TEXTS)
    assert (encoder.layer, model.layer) == LAYERS[tower]
    assert model.gradient_layer == model.layer


def test_the_operator_says_the_default_layer(folder: Path) -> None:
    encoder = own(folder, layer="transformer.resblocks.1")
    assert encoder.layer == xc.with_texts(encoder, TEXTS).layer == "transformer.resblocks.1"


def test_what_attention_has_pooled_is_no_map(folder: Path) -> None:
    """CoCa's queries are as many as the patches here, but lie nowhere on the picture."""
    model = own(folder, "tiny-coca")
    assert not [each for each in model.layers if each.name.startswith(("attn_pool", "ln_post"))]
    assert model.layer == xc.with_texts(model, TEXTS).layer == "transformer"


def test_a_tokenizer_that_is_not_here_fails_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = open_clip.factory._MODEL_CONFIGS["tiny-vit"]
    text = {**config["text_cfg"], "hf_tokenizer_name": "birds/words"}
    own(folder)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-vit", {**config, "text_cfg": text})

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", refuse)
    with pytest.raises(xc.ModelError, match=r"tokenizer of open_clip's tiny-vit .*no route"):
        own(folder)


@pytest.mark.parametrize("tower", LAYERS)
@pytest.mark.parametrize(("top", "left"), [(True, False), (False, True)], ids=["right", "below"])
def test_maps_are_the_right_way_up(folder: Path, tower: str, top: bool, left: bool) -> None:
    model = own(folder, tower)
    names = [layer.name for layer in model.layers if min(layer.size) > 1]
    bright, dark = (
        model.record(model.preprocess(image), names)[1]
        for image in (bright_corner((64, 64), top, left), black((64, 64)))
    )
    for name in names:
        gap = model.layer_named(name).as_maps((bright[name] - dark[name]).detach())[0]
        assert is_in_corner(gap.abs().sum(dim=0), top, left), name


@pytest.mark.parametrize("tower", ["tiny-vit", "tiny-resnet"])
def test_each_picture_has_its_own_maps(folder: Path, tower: str) -> None:
    """The first axis is the pictures', not the tokens'."""
    model = own(folder, tower)
    for layer in model.layers:
        both = model.pooled(pictures(), layer.name)
        alone = torch.cat([model.pooled(each[None], layer.name) for each in pictures()])
        torch.testing.assert_close(both, alone, rtol=1e-4, atol=1e-5)


def test_loading_leaves_the_global_generator(folder: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    xc.with_texts(own(folder), TEXTS)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_size_stretches_the_positions(folder: Path) -> None:
    model = xc.with_texts(own(folder, size=[96, 64]), TEXTS)
    assert model.preprocessing.size == (96, 64)
    assert model.layer_named(None).size == (6, 4)


def test_memory_counts_both_sides(folder: Path) -> None:
    network = tiny_clips.tiny_clip("tiny-vit")
    tensors = (*network.parameters(), *network.buffers())
    assert own(folder).num_bytes == sum(each.nbytes for each in tensors)


# ---- preprocessing ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_pictures_are_prepared_as_open_clip_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    publish(folder, monkeypatch, resize_mode=mode)
    model = xc.load_model("open_clip/tiny-vit/made_up", device="cpu")
    smooth = PIL.Image.fromarray(PHOTO.pixels).resize((240, 170), PIL.Image.Resampling.BICUBIC)
    config = open_clip.transform.PreprocessCfg(size=64, **PREPARED, resize_mode=mode)
    expected = open_clip.transform.image_transform_v2(config, is_train=False)(smooth)
    given = model.preprocess(image_from_pixels(np.asarray(smooth)))[0]
    # PIL rounds to whole grey values after each of its two passes
    assert float((given - expected).abs().max()) <= 3 / 255 / min(PREPARED["std"])


def test_own_weights_are_prepared_as_all_tags_agree(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, monkeypatch)
    preprocessing = own(folder).preprocessing
    assert (preprocessing.mean, preprocessing.fit) == (PREPARED["mean"], "stretch")


def test_the_operators_word_comes_first(folder: Path) -> None:
    preprocessing = own(folder, mean=[0.1, 0.2, 0.3], fit="letterbox").preprocessing
    assert (preprocessing.mean, preprocessing.fit) == ((0.1, 0.2, 0.3), "letterbox")


# ---- the operator's classes ------------------------------------------------------------------


def test_the_operators_classes_are_texts(folder: Path) -> None:
    model = own(folder, classes=["wren", "robin"], prompt="a photo of a {}, a bird")
    texts = xc.with_texts(own(folder), ["a photo of a wren, a bird", "a photo of a robin, a bird"])
    assert model.classes == ("wren", "robin")
    torch.testing.assert_close(model.logits(pictures()), texts.logits(pictures()))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": ["wren", "wren"]}, "'own', classes: the texts “wren” and “wren” are the same"),
        ({"classes": ["wren"]}, "give at least 2"),
        ({"classes": ["wren", "robin " * 20]}, "longer than 'own' reads"),
        ({"classes": ["wren", "robin"], "prompt": "a photo"}, "with one {} for the class"),
        ({"prompt": "a {}"}, "prompt is the text that each of the classes"),
        ({"output": "sigmoid"}, "leave output out"),
        ({"mean": [0.5], "std": [0.0, 1.0]}, "one value per channel"),
    ],
)
def test_what_the_operator_cannot_say(folder: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(xc.ModelError, match="(?s)" + message.replace("{", r"\{")):
        own(folder, **values)


def test_other_networks_take_no_prompt(folder: Path) -> None:
    list_model(
        folder, "own", architecture="torchvision/resnet18", classes=["a", "b"], prompt="a {}"
    )
    with pytest.raises(xc.ModelError, match=r"of an open_clip/.* is put into"):
        xc.load_model("own")


# ---- published weights -----------------------------------------------------------------------


def test_weights_in_the_cache_need_no_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = publish(folder, monkeypatch)
    model = xc.with_texts(xc.load_model("open_clip/tiny-vit/made_up", device="cpu"), TEXTS)
    with torch.no_grad():
        expected = tiny_clips.logits_of_texts(network, pictures(), TEXTS)
    torch.testing.assert_close(model.logits(pictures()), expected, rtol=1e-5, atol=1e-5)


def test_cached_weights_are_listed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(folder, monkeypatch)
    about = open_clip.pretrained._PRETRAINED["tiny-vit"]
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit-quickgelu", about)
    listed = {name: there for name, there in xc.available_models().items() if "open_clip" in name}
    assert listed == {"open_clip/tiny-vit/made_up": True}


def test_a_tag_gets_the_activation_it_was_trained_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = publish(folder, monkeypatch, quick_gelu=True)
    model = xc.with_texts(xc.load_model("open_clip/tiny-vit/made_up", device="cpu"), TEXTS)
    with torch.no_grad():
        expected = tiny_clips.logits_of_texts(network, pictures(), TEXTS)
    torch.testing.assert_close(model.logits(pictures()), expected, rtol=1e-5, atol=1e-5)


def test_a_download_that_fails_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"hf_hub": "birds/tiny/", "url": "", **PREPARED, "resize_mode": "squash"}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny-vit", {"made_up": about})
    asked: list[object] = []

    def refuse(*args: object, **_options: object) -> None:
        asked.append(args[0])
        raise OSError("no route")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "urlopen", refuse)
    with pytest.raises(xc.ModelError, match=r"no route.*Download birds/tiny .*weights = \"FILE\""):
        xc.load_model("open_clip/tiny-vit/made_up", device="cpu")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip/nothing", "open_clip has no architecture 'nothing'"),
        ("open_clip/ViT-B-32/nothing", "no weights 'nothing' for ViT-B-32; it has .*openai"),
        ("open_clip/ViT-B-32", "says no weights; name published ones .*ViT-B-32/openai"),
    ],
)
def test_names_that_are_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(xc.ModelError, match=message):
        xc.load_model(name, device="cpu")


# ---- what does not fit -----------------------------------------------------------------------


def test_weights_of_another_architecture_are_refused(folder: Path) -> None:
    tiny_clips.save(tiny_clips.tiny_clip("tiny-resnet"), folder / "tiny-vit.safetensors")
    with pytest.raises(xc.ModelError, match="do not fit open_clip's tiny-vit"):
        own(folder)


def test_an_image_tower_alone_is_refused(folder: Path) -> None:
    own(folder)
    state = load_file(folder / "tiny-vit.safetensors")
    half = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
    save_file(half, folder / "tiny-vit.safetensors")
    with pytest.raises(xc.ModelError, match="do not fit open_clip's tiny-vit"):
        own(folder)


def test_a_pickle_is_refused_and_runs_nothing(folder: Path) -> None:
    torch.save({"state_dict": Hostile(folder / "trace")}, folder / "clip.pth")
    with pytest.raises(xc.ModelError, match="no file of plain tensors"):
        own(folder, weights="clip.pth")
    assert not (folder / "trace").exists()


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(xc.ModelError, match='pip install "open_clip_torch'):
        xc.load_model("open_clip/ViT-B-32/openai")


def test_a_folder_holds_a_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    (folder / "clip").mkdir()
    tiny_clips.save(tiny_clips.tiny_clip("tiny-vit"), folder / "clip" / "w.safetensors")
    lines = {"architecture": "open_clip/tiny-vit", "classes": ["wren", "robin"]}
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
    (folder / "clip" / "model.toml").write_text(text, encoding="utf-8")
    assert xc.load_model(f"file:{folder / 'clip'}", device="cpu").classes == ("wren", "robin")
