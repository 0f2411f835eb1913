"""Texts as classes: what the model shares with its encoder, and what makes it another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.methods.store import EvidenceStore
from explain_core.models.tap import count_passes
from tests.core.models.checkpoints import PHOTO
from tests.oracles import tiny_clips
from tests.oracles.comparing import assert_same_map
from tests.oracles.folders import encoded
from tests.oracles.stretching import stretch

pytest.importorskip("open_clip", reason="pip install open_clip_torch")

TEXTS = ["red epaulets", "bird", "a long yellow beak"]
GRIDS = {
    "tiny-vit": ("transformer.resblocks.2.ln_1", 4),
    "tiny-vit-avg": ("ln_post", 4),
    "tiny-resnet": ("layer3", 4),
}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, xc.Model]]:
    """Give an encoder for each of the tiny towers."""
    folder = tmp_path_factory.mktemp("clips")
    with pytest.MonkeyPatch.context() as patch:
        tiny_clips.register(patch)
        lines = []
        for name in tiny_clips.TOWERS:
            tiny_clips.save(tiny_clips.tiny_clip(name), folder / f"{name}.safetensors")
            lines += [f"[{name}]", f'architecture = "open_clip/{name}"']
            lines += [f'weights = "{name}.safetensors"']
        (folder / "models.toml").write_text("\n".join(lines), encoding="utf-8")
        patch.setenv("WHYNOT_MODELS", str(folder / "models.toml"))
        yield {name: xc.load_model(name, device="cpu") for name in tiny_clips.TOWERS}


@pytest.fixture
def encoder(encoders: dict[str, xc.Model]) -> xc.Model:
    return encoders["tiny-vit"]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    tiny_clips.register(monkeypatch)
    network: nn.Module = tiny_clips.tiny_clip("tiny-vit")
    return network


def hooks_of(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


# ---- maps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("tower", GRIDS)
def test_finer_cam_of_text_against_text(
    encoders: dict[str, xc.Model], monkeypatch: pytest.MonkeyPatch, tower: str, gamma: float
) -> None:
    tiny_clips.register(monkeypatch)
    model = xc.with_texts(encoders[tower], TEXTS)
    layer, grid = GRIDS[tower]
    saliency = xc.explain(
        model,
        PHOTO,
        method="finer-grad-cam",
        target="red epaulets",
        references=["bird"],
        layer=layer,
        gamma=gamma,
    )
    x, clip = model.preprocess(PHOTO), tiny_clips.tiny_clip(tower)
    low = tiny_clips.finer_cam_of_texts(clip, x, layer, ("red epaulets", "bird"), gamma, grid)
    assert_same_map(saliency.values, stretch(low, (64, 64)))
    assert saliency.values.any()


def test_a_layer_behind_the_patches_has_no_gradient(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    x = model.preprocess(PHOTO)
    logits, outputs = model.record(x, ["ln_post"])
    (gradient,) = torch.autograd.grad(logits[0, 0], outputs["ln_post"])
    assert gradient[:, 0].any()
    assert not gradient[:, 1:].any()


def test_one_forward_pass_serves_all_texts(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    with count_passes() as counter:
        xc.prepare(model, PHOTO, method="finer-grad-cam", target=0, references=[1, 2])
    assert counter.passes == 1


def test_eight_threads_get_the_maps_of_one(encoder: xc.Model) -> None:
    questions = [(f"a bird number {index}", "a bird") for index in range(8)]

    def ask(texts: tuple[str, str]) -> np.ndarray:
        model = xc.with_texts(encoder, texts)
        saliency = xc.explain(model, PHOTO, method="finer-grad-cam", target=0, references=[1])
        return saliency.values

    alone = [ask(texts) for texts in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, questions * 4))
    for values, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-7)
    assert len({values.tobytes() for values in alone}) == 8


def test_a_map_tells_the_texts_that_it_compares(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    basis = xc.prepare(model, PHOTO, method="finer-grad-cam", target=2, references=[0])
    assert basis.provenance.parameter("texts") == "a long yellow beak | red epaulets"


# ---- what is shared, and what is not ---------------------------------------------------------


def test_the_image_network_is_shared(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    shared = {id(each) for each in encoder.network.parameters()}
    assert {id(each) for each in model.network.parameters()} == shared
    assert model.num_bytes - encoder.num_bytes == 4 * len(TEXTS) * 24


def test_nothing_is_left_on_the_encoder(encoder: xc.Model) -> None:
    xc.with_texts(encoder, TEXTS)
    before = hooks_of(encoder.network)
    model = xc.with_texts(encoder, ["a", "b"])
    xc.explain(model, PHOTO, method="finer-grad-cam", target=0, references=[1])
    assert hooks_of(encoder.network) == before
    assert not any(each.requires_grad for each in model.network.parameters())
    assert not model.network.training
    assert encoder.classes == ()


def test_features_fit_and_answers_do_not(encoder: xc.Model) -> None:
    """Equal fingerprints let reference sets fit; the key keeps answers apart."""
    first, second = xc.with_texts(encoder, TEXTS), xc.with_texts(encoder, ["a bird", "a plane"])
    assert encoder.fingerprint == first.fingerprint == second.fingerprint
    assert len({encoder.key, first.key, second.key}) == 3
    assert first.key == xc.with_texts(second, TEXTS).key


def test_kept_evidence_is_that_of_its_texts(encoder: xc.Model) -> None:
    store, shared = EvidenceStore(), {"target": 0, "references": [1]}

    def prepared(texts: list[str]) -> np.ndarray:
        model = xc.with_texts(encoder, texts)
        bases = xc.prepare_many(model, PHOTO, ["finer-grad-cam"], store=store, **shared)
        return xc.render(bases["finer-grad-cam"], gamma=1.0).values

    first = prepared(TEXTS)  # its model is gone before the next comes, perhaps in the same place
    second = prepared(["a bird", "a plane"])
    assert not np.array_equal(first, second)
    fresh = xc.explain(
        xc.with_texts(encoder, ["a bird", "a plane"]),
        PHOTO,
        method="finer-grad-cam",
        gamma=1.0,
        **shared,
    )
    np.testing.assert_array_equal(second, fresh.values)


def test_an_encoders_reference_set_serves_its_texts(encoder: xc.Model) -> None:
    others = [encoded((64, 64, 3), seed=seed) for seed in range(6)]
    layer = "transformer.resblocks.1"
    references = xc.make_reference_set(encoder, others, layer=layer)
    asked = {"method": "diffcam", "references": references, "layer": layer}
    expected = xc.explain(encoder, PHOTO, **asked)
    given = xc.explain(xc.with_texts(encoder, TEXTS), PHOTO, target=0, **asked)
    np.testing.assert_array_equal(given.values, expected.values)


def test_class_weights_are_the_texts_vectors(encoder: xc.Model, network: nn.Module) -> None:
    import open_clip

    tokens = open_clip.tokenize(TEXTS, context_length=tiny_clips.CONTEXT_LENGTH)
    with torch.no_grad():
        expected = network.encode_text(tokens)
    expected = expected / expected.norm(dim=1, keepdim=True)
    weights = xc.with_texts(encoder, TEXTS).class_weights
    assert weights is not None
    np.testing.assert_allclose(weights, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_the_nearest_text_is_suggested(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    weights = model.class_weights
    assert weights is not None
    (nearest,) = xc.similar_classes(model, 0, logits=np.empty(0), count=1)
    assert nearest.score == pytest.approx(max(float(weights[0] @ weights[i]) for i in (1, 2)))


# ---- probabilities ---------------------------------------------------------------------------


def test_probabilities_are_shared_out_among_the_texts(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, TEXTS)
    logits = model.predict(PHOTO)
    exponentials = np.exp(logits)
    np.testing.assert_allclose(model.probabilities(logits), exponentials / exponentials.sum())


def test_a_network_trained_with_a_sigmoid_gives_each_text_its_own(
    encoders: dict[str, xc.Model],
) -> None:
    """SigLIP's head: `sigmoid(scale * cos + bias)`, for one text as for many."""
    sigmoid, softmax = (
        xc.with_texts(encoders[name], TEXTS) for name in ("tiny-sigmoid", "tiny-vit")
    )
    logits = sigmoid.predict(PHOTO)
    np.testing.assert_allclose(logits, softmax.predict(PHOTO) - 2, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sigmoid.probabilities(logits), 1 / (1 + np.exp(-logits)))
    alone = xc.with_texts(encoders["tiny-sigmoid"], TEXTS[:1])
    np.testing.assert_allclose(alone.predict(PHOTO), logits[:1], rtol=1e-5, atol=1e-5)


# ---- texts -----------------------------------------------------------------------------------


def test_blanks_around_a_text_do_not_count(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, ["  red epaulets\n", "bird"])
    assert model.classes == ("red epaulets", "bird")


def test_a_text_as_long_as_is_read_is_taken(encoder: xc.Model) -> None:
    words = tiny_clips.CONTEXT_LENGTH - 2  # beginning and end are tokens, too
    assert xc.with_texts(encoder, ["dog " * words, "cat"]).num_classes == 2
    with pytest.raises(xc.InputError, match=r"“dog dog .*longer than 'tiny-vit' reads \(12 tokens"):
        xc.with_texts(encoder, ["dog " * (words + 1), "cat"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "give at least 2"),
        (["red epaulets"], "to ask for one, give a plain one beside it"),
        (["bird", " "], "a text is empty"),
        (["bird", "bird"], "“bird” and “bird” are the same"),
        (["Bird", "bird "], "“Bird” and “bird” are the same"),
        (["bird", "x" * 2000], "“x{40}…” is longer"),
        ("bird", "texts must be a list"),
    ],
)
def test_texts_that_are_refused(encoder: xc.Model, texts: list[str], message: str) -> None:
    with pytest.raises(xc.InputError, match=message):
        xc.with_texts(encoder, texts)


def test_a_model_without_a_text_side_takes_none() -> None:
    with pytest.raises(xc.InputError, match="'digits' has no text side; load a model"):
        xc.with_texts(xc.load_model("digits"), ["three", "eight"])


def test_letters_of_any_script_are_read(encoder: xc.Model) -> None:
    model = xc.with_texts(encoder, ["鳥", "πουλί", "🐦", "!!!"])
    assert np.isfinite(model.predict(PHOTO)).all()
