"""DiffCAM on models without a head, and by class token: against a float64 solve."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

import explain_core as xc
from explain_core.__main__ import main
from explain_core.errors import BankError, InputError
from explain_core.methods.cautions import question_cautions
from explain_core.methods.evidence import gather_class_evidence, gather_clean_gradient
from explain_core.references.similar import similarity_curve
from tests.oracles import cams
from tests.oracles.comparing import assert_same_map
from tests.oracles.diffcams import diffcam
from tests.oracles.nets import (
    Headless,
    TinyNet,
    TinyVit,
    network_input,
    picture,
    preprocessing,
    reference_features,
    reference_set,
    wrap,
    wrap_headless,
)
from tests.oracles.stretching import stretch

EPSILONS = [1e-6, 1e-3, 1e2]
GRID = (5, 7)  # patches of 4 x 4 in 20 x 28
VIT_PX = 64
POOLINGS = ["mean", "class-token", "both"]
NEEDS_CLASS = [name for name, method in xc.METHODS.items() if method.needs_class]


@pytest.fixture(scope="module")
def image():
    return picture()


@pytest.fixture(scope="module")
def encoder():
    return wrap_headless(Headless())


def features_of(count, dim=8):
    return reference_features(count, dim).astype(np.float32)


def tokens_of(network, image, layer="norm"):
    """Return (T, K) float64: a layer's tokens for a picture."""
    return cams.forward(network, network_input(image), layer)[1][0].detach().numpy()


def maps_of(tokens, num_prefix, grid):
    """Return (K, h, w): the patch tokens, row by row."""
    rows, columns = grid
    maps = np.zeros((tokens.shape[1], rows, columns))
    for row in range(rows):
        for column in range(columns):
            maps[:, row, column] = tokens[num_prefix + row * columns + column]
    return maps


def feature_of(tokens, num_prefix, pooling):
    patches = sum(tokens[num_prefix:]) / (len(tokens) - num_prefix)
    return {"mean": patches, "class-token": tokens[0], "both": (tokens[0] + patches) / 2}[pooling]


# ---- convolutional encoders -------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("count", [1, 5, 40])
def test_map_is_that_of_the_linear_system(encoder, image, count, epsilon):
    features = features_of(count)
    activations = cams.forward(TinyNet(), network_input(image), "stage3")[1][0].detach().numpy()
    smap = xc.explain(
        encoder, image, method="diffcam", references=reference_set(encoder, features), lam=epsilon
    )
    assert_same_map(smap.values, stretch(diffcam(activations, features, epsilon), (20, 28)))


@pytest.mark.parametrize("layer", ["stage1", "stage2", "stage3"])
def test_map_is_that_of_the_same_network_with_a_head(encoder, image, layer):
    with_head = wrap(TinyNet())
    features = features_of(20, with_head.layer_named(layer).num_channels)
    without, with_class = (
        xc.explain(
            model,
            image,
            method="diffcam",
            layer=layer,
            references=reference_set(model, features, layer=layer),
        )
        for model in (encoder, with_head)
    )
    np.testing.assert_array_equal(without.values, with_class.values)


def test_the_question_has_no_target(encoder, image):
    smap = xc.explain(encoder, image, method="diffcam", references=reference_set(encoder))
    assert smap.provenance.contrast == xc.Contrast(None, (), "made-up")


FORMS = {
    "maps": lambda maps: maps,
    "vector": lambda maps: maps.mean(dim=(2, 3)),
    "number": lambda maps: maps.mean(),
    "tuple": lambda maps: (maps.mean(dim=(2, 3)), None, maps),
    "list": lambda maps: [maps],
    "dict": lambda maps: {"x": maps.mean(dim=(2, 3)), "names": ["a"], "mask": maps > 0},
    "nested": lambda maps: {"out": [(maps,)]},
}


@pytest.mark.parametrize("form", FORMS)
def test_any_output_will_do(encoder, image, form):
    model = wrap_headless(Headless(FORMS[form]))
    assert model.layer == "stage3"
    smap = xc.explain(model, image, method="diffcam", references=reference_set(model))
    expected = xc.explain(encoder, image, method="diffcam", references=reference_set(encoder))
    np.testing.assert_array_equal(smap.values, expected.values)


class WithoutGradients(Headless):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


def test_an_encoder_that_runs_without_gradients_is_explained(encoder, image):
    model = wrap_headless(WithoutGradients())
    assert model.layer == "stage3"
    smap = xc.explain(model, image, method="diffcam", references=reference_set(model))
    assert np.abs(smap.values).max() > 0


@pytest.mark.parametrize(
    "output", [None, "features", [], {"mask": torch.ones(2, dtype=torch.bool)}]
)
def test_an_output_without_numbers_is_refused(output):
    with pytest.raises(xc.ModelError, match="without a tensor of numbers; give a module that"):
        wrap_headless(Headless(lambda maps: output))


class DeadEnd(Headless):
    """Run a stage whose maps nobody reads, after the others."""

    def __init__(self):
        super().__init__()
        self.stage4 = nn.Conv2d(8, 3, 3)

    def forward(self, x):
        maps = super().forward(x)
        self.stage4(maps)
        return maps


def test_a_stage_that_nobody_reads_is_not_the_default():
    assert wrap_headless(DeadEnd()).layer == "stage3"


def test_class_names_of_a_model_without_a_head_are_refused():
    with pytest.raises(xc.ModelError, match="has no head, so it cannot have class names"):
        xc.wrap_model(Headless(), preprocessing=preprocessing(), output="none", classes=["cat"])


# ---- vision transformers ----------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("num_prefix", [1, 5], ids=["class token", "with registers"])
def test_map_of_tokens_is_that_of_the_linear_system(image, num_prefix, pooling, epsilon):
    network = TinyVit(num_prefix)
    model = wrap_headless(network)
    assert (model.layer, model.layer_named(None).size) == ("norm", GRID)
    tokens, features = tokens_of(network, image), features_of(12)
    expected = diffcam(
        maps_of(tokens, num_prefix, GRID),
        features,
        epsilon,
        feature_of(tokens, num_prefix, pooling),
    )
    references = reference_set(model, features, pooling=pooling)
    smap = xc.explain(model, image, method="diffcam", references=references, lam=epsilon)
    assert_same_map(smap.values, stretch(expected, (20, 28)))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooled_tokens_are_those_of_the_slow_form(image, pooling):
    network = TinyVit(5)
    model = wrap_headless(network)
    pooled = model.pooled(model.preprocess(image), "norm", pooling)
    expected = feature_of(tokens_of(network, image), 5, pooling)
    np.testing.assert_allclose(pooled[0].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_the_class_token_is_the_default_feature(image):
    model = wrap_headless(TinyVit(2))
    x = model.preprocess(image)
    assert torch.equal(model.pooled(x, "norm"), model.pooled(x, "norm", "class-token"))


def test_the_class_token_is_what_the_encoder_returns(image):
    network = TinyVit()
    model = wrap_headless(network)
    x = model.preprocess(image)
    with torch.no_grad():
        expected = network(x)
    torch.testing.assert_close(model.pooled(x, "norm"), expected)


def test_a_transformer_with_a_head_compares_by_class_token_too(image):
    network = TinyVit(num_classes=4)
    model = xc.wrap_model(network, layer="norm", preprocessing=preprocessing())
    tokens, features = tokens_of(network, image), features_of(12)
    expected = diffcam(maps_of(tokens, 1, GRID), features, 1e-3, tokens[0])
    references = reference_set(model, features, pooling="class-token")
    smap = xc.explain(model, image, method="diffcam", target=2, references=references)
    assert_same_map(smap.values, stretch(expected, (20, 28)))


def test_the_picture_is_left_out_by_its_pooled_tokens(image):
    network = TinyVit()
    model = wrap_headless(network)
    own = tokens_of(network, image)[0].astype(np.float32)
    features = np.vstack([features_of(6), own])
    references = reference_set(model, features, pooling="class-token")
    basis = xc.prepare(model, image, method="diffcam", references=references)
    assert basis.provenance.parameter("left_out") == 1


@pytest.mark.parametrize("pooling", ["class-token", "both"])
def test_tokens_without_a_class_token_are_not_pooled_by_it(image, pooling):
    model = wrap_headless(TinyVit(num_prefix=0))
    with pytest.raises(InputError, match=f"'norm' has no class token, so pooling '{pooling}'"):
        model.pooled(model.preprocess(image), "norm", pooling)


@pytest.mark.parametrize("pooling", ["class-token", "both"])
def test_references_by_class_token_do_not_fit_a_layer_without_one(encoder, image, pooling):
    references = reference_set(encoder, pooling=pooling)
    with pytest.raises(InputError, match=r"'stage3' has no class token, so .*; use 'mean'"):
        xc.prepare(encoder, image, method="diffcam", references=references)


@pytest.fixture(scope="module")
def vit():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.VisionTransformer(
            image_size=VIT_PX, patch_size=16, num_layers=2, num_heads=2, hidden_dim=24, mlp_dim=48
        )
        nn.init.normal_(network.heads.head.weight, std=0.02)  # zero until it is trained
    return network.eval()


@pytest.fixture(scope="module")
def headless_vit(vit):
    headless = copy.deepcopy(vit)
    headless.heads = nn.Identity()
    return headless


@pytest.mark.parametrize("output", ["none", "softmax"])
def test_torchvisions_transformer_is_compared_by_class_token(vit, headless_vit, output):
    photo = picture(size=(VIT_PX, VIT_PX))
    network = headless_vit if output == "none" else vit
    model = xc.wrap_model(
        network,
        layer="encoder.ln",
        output=output,
        preprocessing=preprocessing(size=(VIT_PX, VIT_PX)),
    )
    assert "encoder.ln" in [layer.name for layer in model.layers]
    with torch.no_grad():
        patches = vit._process_input(model.preprocess(photo))
        tokens = vit.encoder(torch.cat([vit.class_token, patches], dim=1))[0].double().numpy()
    features = features_of(9, 24)
    expected = diffcam(maps_of(tokens, 1, (4, 4)), features, 1e-3, tokens[0])
    references = reference_set(model, features, pooling="class-token")
    smap = xc.explain(model, photo, method="diffcam", references=references)
    assert_same_map(smap.values, stretch(expected, (VIT_PX, VIT_PX)))


def test_torchvisions_headless_transformer_is_explained_after_its_last_norm(headless_vit):
    model = xc.wrap_model(
        headless_vit, output="none", preprocessing=preprocessing(size=(VIT_PX, VIT_PX))
    )
    assert (model.layer, model.layer_named(None).pooling) == ("encoder", "class-token")
    x = torch.zeros(1, 3, VIT_PX, VIT_PX)
    with torch.no_grad():
        torch.testing.assert_close(model.pooled(x, "encoder"), headless_vit(x))


# ---- what asks for classes --------------------------------------------------------------------

NO_CLASSES = "'module' has no classes, only features; ask without a target, and compare with a ref"


@pytest.mark.parametrize(
    "ask",
    [
        lambda model, image: model.predict(image),
        lambda model, image: model.logits(model.preprocess(image)),
        lambda model, image: model.probabilities(np.zeros(0)),
        lambda model, image: model.class_index(0),
        lambda model, image: model.class_index("cat"),
        lambda model, image: xc.similar_classes(model, 0, logits=np.zeros(0)),
        lambda model, image: xc.similar_classes(model, 0, logits=np.zeros(0), by="logits"),
        lambda model, image: gather_class_evidence(model, image, "stage3", (0,)),
        lambda model, image: gather_clean_gradient(model, image, 0),
        lambda model, image: question_cautions(model, np.zeros(0), xc.Contrast(0)),
        lambda model, image: xc.prepare(model, image, method="diffcam", target=0),
        lambda model, image: xc.prepare(model, image, method="diffcam", references=[1]),
    ],
    ids=[
        "predict", "logits", "probabilities", "class index", "class name", "similar by weights",
        "similar by logits", "class evidence", "gradient", "cautions", "target", "references",
    ],
)  # fmt: skip
def test_what_asks_for_classes_is_told_that_there_are_none(encoder, image, ask):
    with pytest.raises(InputError, match=NO_CLASSES):
        ask(encoder, image)


def test_rcap_is_told_that_there_are_no_classes(encoder, image):
    smap = xc.explain(encoder, image, method="diffcam", references=reference_set(encoder))
    with pytest.raises(InputError, match=NO_CLASSES):
        xc.metrics.rcap(encoder, image, smap, target=0)


@pytest.mark.parametrize("method", NEEDS_CLASS)
def test_methods_that_explain_a_class_are_refused(encoder, image, method):
    with pytest.raises(InputError, match=r"a class, and 'module' has none; .*'diffcam'"):
        xc.explain(encoder, image, method=method)


def test_no_reference_pictures_are_asked_for(encoder, image):
    with pytest.raises(BankError, match="pass a reference set made with this model"):
        xc.prepare(encoder, image, method="diffcam")


def test_a_question_without_a_target_has_no_cautions(encoder):
    assert question_cautions(encoder, np.zeros(0), xc.Contrast(None)) == ()


def test_there_is_no_similarity_curve(encoder):
    assert similarity_curve(encoder) is None


def test_there_are_no_classes(encoder):
    assert (encoder.has_head, encoder.classes, encoder.num_classes) == (False, (), 0)


# ---- the command line -------------------------------------------------------------------------


@pytest.fixture
def command(encoder, image, tmp_path, monkeypatch):
    """Give the command line, with the encoder for a model and a set for its name."""
    import PIL.Image

    PIL.Image.fromarray(image.pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(xc, "load_model", lambda name, layer=None: encoder)
    monkeypatch.setattr(xc, "reference_set", lambda key: reference_set(encoder, key=key))

    def run(*options):
        files = [str(tmp_path / "a.png"), "--out", str(tmp_path / "map.npy")]
        return main(["explain", *files, "--model", "encoder", "--method", "diffcam", *options])

    return run


def test_command_writes_the_map_of_a_model_without_a_head(command, encoder, image, tmp_path):
    assert command("--reference-set", "saved/birds") == 0
    smap = xc.explain(encoder, image, method="diffcam", references=reference_set(encoder))
    np.testing.assert_array_equal(np.load(tmp_path / "map.npy"), smap.on_original())


def test_command_reports_no_probability_without_a_head(command, capsys):
    command("--reference-set", "saved/birds")
    printed = capsys.readouterr().out
    assert "reference pictures: saved/birds (12)" in printed
    assert "class" not in printed


def test_command_refuses_a_target_without_a_head(command, capsys):
    assert command("--reference-set", "saved/birds", "--target", "3") == 2
    assert "has no classes, only features; ask without a target" in capsys.readouterr().err


def test_command_asks_for_a_reference_set(command, capsys):
    assert command() == 2
    assert "pass a reference set made with this model" in capsys.readouterr().err
