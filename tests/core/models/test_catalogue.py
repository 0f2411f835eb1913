"""`models.toml`: what the operator may write, and what a mistake says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import explain_core as xc
from explain_core.errors import ModelError
from explain_core.models.bundled import BUNDLED_LOADERS
from explain_core.models.catalogue import CATALOGUE_VARIABLE, Entry, read_catalogue

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder with a weights file, far from where tests run."""
    monkeypatch.delenv(CATALOGUE_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "w.safetensors").write_bytes(b"")
    return tmp_path / "operator"


def read(folder: Path, text: str) -> dict[str, Entry]:
    (folder / "models.toml").write_text(text, encoding="utf-8")
    return read_catalogue(folder / "models.toml")


# ---- what may be written -------------------------------------------------------------------


def test_every_key(folder: Path) -> None:
    (entry,) = read(
        folder,
        """
        [wrens]
        architecture = "torchvision/mobilenet_v2"
        weights = "w.safetensors"
        classes = ["wren", "robin"]
        size = 192
        resize_px = 220
        mean = [0.5, 0.4, 0.3]
        std = [0.1, 0.2, 0.3]
        fit = "letterbox"
        interpolation = "bicubic"
        layer = "features.16"
        """,
    ).values()
    assert entry == Entry(
        name="wrens",
        architecture="torchvision/mobilenet_v2",
        weights=folder / "w.safetensors",
        classes=("wren", "robin"),
        preprocessing={
            "size": (192, 192),
            "resize_px": 220,
            "mean": (0.5, 0.4, 0.3),
            "std": (0.1, 0.2, 0.3),
            "fit": "letterbox",
            "interpolation": "bicubic",
        },
        layer="features.16",
        folder=folder,
    )


@pytest.mark.parametrize("output", ["none", "softmax", "sigmoid", "single-logit"])
def test_an_output_is_kept(folder: Path, output: str) -> None:
    lines = f'[moco]\narchitecture = "torchvision/resnet50"\noutput = "{output}"'
    assert read(folder, lines)["moco"].output == output


def test_the_architectures_own_output_is_the_default(folder: Path) -> None:
    assert read(folder, '[a]\narchitecture = "torchvision/resnet50"')["a"].output is None


@pytest.mark.parametrize("output", ['"Sigmoid"', '"None"', '""', "3", "false", '["none"]'])
def test_another_output_is_refused(folder: Path, output: str) -> None:
    with pytest.raises(ModelError, match=r"models\.toml, 'a': output must be "):
        read(folder, f'[a]\narchitecture = "torchvision/resnet50"\noutput = {output}')


def test_classes_without_a_classifier_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"'a': output = \"none\" takes the classifier off, so"):
        read(folder, '[a]\nclasses = ["wren"]\noutput = "none"')


def test_weights_are_enough_for_a_published_name(folder: Path) -> None:
    catalogue = read(folder, '["torchvision/resnet50"]\nweights = "w.safetensors"')
    assert catalogue == {
        "torchvision/resnet50": Entry(
            name="torchvision/resnet50",
            architecture="torchvision/resnet50",
            weights=folder / "w.safetensors",
            classes=None,
            preprocessing={},
            layer=None,
            folder=folder,
        )
    }


def test_size_may_be_height_and_width(folder: Path) -> None:
    assert read(folder, "[a]\nsize = [128, 96]")["a"].preprocessing == {"size": (128, 96)}


def test_an_absolute_path_is_kept(folder: Path) -> None:
    path = (folder / "w.safetensors").resolve()
    entry = read(folder, f"[a]\nweights = '{path}'")["a"]
    assert entry.weights == path


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("names.txt", "tench\ngreat white shark\n"),
        ("names.txt", "tench\r\ngreat white shark\r\n\r\n"),
        ("names.txt", "\ufefftench\n great white shark \n"),
        ("names.json", '["tench", "great white shark"]'),
        ("names.json", '{"1": "great white shark", "0": "tench"}'),
        ("names.json", '{"0": ["n01440764", "tench"], "1": ["n01484850", "great white shark"]}'),
    ],
    ids=["lines", "windows", "mark", "list", "index", "wordnet"],
)
def test_classes_from_a_file(folder: Path, file: str, content: str) -> None:
    (folder / file).write_bytes(content.encode())
    entry = read(folder, f'[a]\nclasses = "{file}"')["a"]
    assert entry.classes == ("tench", "great white shark")


def test_an_index_is_sorted_by_number(folder: Path) -> None:
    (folder / "n.json").write_text(json.dumps({str(i): f"c{i}" for i in (10, 9, 11, 2)}))
    assert read(folder, '[a]\nclasses = "n.json"')["a"].classes == ("c2", "c9", "c10", "c11")


def test_names_may_hold_any_letters(folder: Path) -> None:
    (folder / "n.txt").write_text("Mésange bleue\n红嘴蓝鹊\n", encoding="utf-8")
    assert read(folder, '[a]\nclasses = "n.txt"')["a"].classes == ("Mésange bleue", "红嘴蓝鹊")


# ---- where it is read from -----------------------------------------------------------------


def test_no_file_is_no_entry(folder: Path) -> None:
    assert read_catalogue() == {}


def test_read_from_where_we_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "models.toml").write_text("[here]\n")
    monkeypatch.chdir(folder)
    assert list(read_catalogue()) == ["here"]


def test_the_environment_names_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.toml").write_text('[there]\nweights = "w.safetensors"')
    monkeypatch.setenv(CATALOGUE_VARIABLE, str(folder / "mine.toml"))
    assert read_catalogue()["there"].weights == folder / "w.safetensors"


def test_a_named_file_must_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CATALOGUE_VARIABLE, "mdoels.toml")
    with pytest.raises(ModelError, match=r"WHYNOT_MODELS names 'mdoels.toml', which is no file"):
        read_catalogue()


def test_entries_are_listed_before_torchvisions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "models.toml").write_text('[wrens]\nweights = "w.safetensors"')
    monkeypatch.chdir(folder)
    first = [*BUNDLED_LOADERS, "wrens", "torchvision/alexnet"]
    assert list(xc.available_models())[: len(first)] == first


def test_an_entry_without_weights_is_as_ready_as_its_architecture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(folder))
    monkeypatch.chdir(folder)
    (folder / "models.toml").write_text(
        '[own]\narchitecture = "torchvision/resnet18"\nweights = "w.safetensors"\n'
        '[theirs]\narchitecture = "torchvision/resnet18"\n'
        '[odd]\narchitecture = "torchvision/resnet19"\n'
    )
    available = xc.available_models()
    assert (available["own"], available["theirs"], available["odd"]) == (True, False, False)


# ---- mistakes ------------------------------------------------------------------------------

MISTAKES = {
    "no TOML": ("[wrens", r"models\.toml is not valid TOML"),
    "no table": ("wrens = 3", r"models\.toml: 'wrens' must be a table"),
    "unknown key": ("[wrens]\nlabels = 'x'", r"'wrens': unknown keys \['labels'\]; known: \["),
    "no weights": ("[wrens]\nweights = 'gone.pth'", "'wrens': the weights file gone.pth is mis"),
    "weights no text": ("[wrens]\nweights = 3", r"'wrens': weights must be a text \(got 3\)"),
    "layer no text": ("[wrens]\nlayer = 4", r"'wrens': layer must be a text \(got 4\)"),
    "architecture": ("[wrens]\narchitecture = ['a']", "'wrens': architecture must be a text"),
    "no class file": ("[wrens]\nclasses = 'gone.txt'", "'wrens': the class file gone.txt is mis"),
    "no classes": ("[wrens]\nclasses = []", "'wrens': classes must be a list of names or a file"),
    "a number": ("[wrens]\nclasses = 7", "'wrens': classes must be a list of names or a file"),
    "numbers": ("[wrens]\nclasses = [1, 2]", "'wrens': 1 is no class name"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(folder, text)


def test_a_file_that_is_not_utf8(folder: Path) -> None:
    (folder / "models.toml").write_bytes(b"[b\xfcrds]")
    with pytest.raises(ModelError, match=r"models\.toml is not valid TOML"):
        read_catalogue(folder / "models.toml")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("n.json", b"[1, 2", "class file n.json cannot be read"),
        ("n.txt", b"\xff\xfe\x00", "class file n.txt cannot be read"),
        ("n.json", b'{"tench": 0}', "classes must be a list of names"),
        ("n.json", b'[{"name": "tench"}]', "is no class name"),
        ("n.txt", b"\n", "classes must be a list of names"),
    ],
    ids=["broken", "no text", "turned round", "tables", "empty"],
)
def test_a_bad_class_file_is_named(folder: Path, file: str, content: bytes, message: str) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=f"'a': .*{message}"):
        read(folder, f'[a]\nclasses = "{file}"')


# ---- the example ---------------------------------------------------------------------------


def test_the_example_is_all_comments() -> None:
    assert tomllib.loads((REPO / "models.toml.example").read_text("utf-8")) == {}


def test_the_example_without_its_marks_is_valid(folder: Path) -> None:
    lines = (REPO / "models.toml.example").read_text("utf-8").splitlines()
    code = [line.removeprefix("# ") for line in lines if line.startswith("# [") or " = " in line]
    (folder / "weights").mkdir()
    for line in code:
        if line.startswith(("weights = ", "probe = ")):
            (folder / line.split('"')[1]).write_bytes(b"")
    (folder / "models" / "ours").mkdir(parents=True)
    (folder / "models" / "ours" / "w.safetensors").write_bytes(b"")
    own = 'architecture = "package.module:function"'
    (folder / "models" / "ours" / "model.toml").write_text(own)
    (folder / "weights" / "birds.txt").write_text("wren\n")
    catalogue = read(folder, "\n".join(code))
    assert list(catalogue) == [
        "torchvision/resnet50",
        "garden-birds",
        "moco",
        "wrens",
        "timm/vit_small_patch14_reg4_dinov2.lvd142m",
        "clip",
        "chest",
        "pneumonia",
        "ours",
        "mine",
        "hf/facebook/dinov2-small",
        "skin",
        "torchxrayvision/densenet121-res224-all",
        "moco-birds",
    ]
    assert catalogue["ours"].architecture == "package.module:function"
    assert [catalogue[name].output for name in ("chest", "pneumonia")] == [
        "sigmoid",
        "single-logit",
    ]
    assert catalogue["moco"].output == "none"
    assert catalogue["wrens"].classes == ("house wren", "marsh wren", "winter wren")
