"""The command `methods`: the list, the table of what works where, and that docs do not go stale."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import explain_core as xc
from explain_core.__main__ import main
from explain_core.commands import methods
from explain_core.commands.families import FAMILIES, Family, small
from tests.oracles.nets import Headless, TinyNet, TinyVit, wrap, wrap_headless

DOCS = Path(__file__).resolve().parents[3] / "docs" / "methods.md"
QUICK = ("grad-cam", "diffcam", "finer-grad-cam", "guided-backprop", "rise", "edges")

Output = pytest.CaptureFixture[str]


class Broken(TinyNet):
    """Fail as no network should, once it is loaded."""

    is_broken = False

    def forward(self, x: Tensor) -> Tensor:
        if self.is_broken:
            raise ZeroDivisionError("our own fault")
        return super().forward(x)


def tiny_vit() -> nn.Module:
    return TinyVit(num_classes=5, size=(64, 64))


def family(name: str, make=TinyNet, **values) -> Family:
    return Family(name, f"a {name}", small(make, **values))


def cells(section: str) -> dict[str, list[str]]:
    """Return the cells of each row of the first table, by its first cell."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in rows if row[0] != "---"}


# ---- the matrix ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def section() -> str:
    families = [
        family("net"),
        family("transformer", tiny_vit),
        family("encoder", Headless, output="none"),
    ]
    return methods.matrix_section(families, methods=QUICK)


def test_what_works_and_what_does_not(section: str) -> None:
    works = methods.WORKS
    assert cells(section) == {
        "method": ["net", "transformer", "encoder"],
        "grad-cam": [works, works, "1"],
        "diffcam": [works, works, works],
        "finer-grad-cam": [works, works, "1"],
        "guided-backprop": [works, "2", "1"],
        "rise": [works, works, "1"],
        "edges": [works, works, works],
    }


def test_reasons_stand_below_each_once(section: str) -> None:
    below = [line for line in section.splitlines() if line[:1].isdigit()]
    assert below[0] == "1. it explains a class, and the network has none."
    assert below[1].startswith("2. 'the network' has no ReLU")
    assert len(below) == 2


def test_families_are_named_with_their_network(section: str) -> None:
    assert "- **transformer**: a transformer" in section


def test_a_dead_target_does_not_count_as_working() -> None:
    def dead() -> xc.Model:
        network = TinyNet()
        with torch.no_grad():
            network.head.weight[0] = 0
        return wrap(network)

    found = methods.reasons(Family("dead", "made up", dead), ["grad-cam"])
    assert "does not depend" in found["grad-cam"]


def test_a_missing_package_is_named() -> None:
    def load() -> xc.Model:
        raise ModuleNotFoundError("No module named 'timm'", name="timm")

    found = methods.reasons(Family("timm", "made up", load), ["grad-cam", "rise"])
    assert set(found.values()) == {"not tried: the package timm was not installed."}


def test_a_crash_is_no_refusal() -> None:
    def load() -> xc.Model:
        model = wrap(Broken())
        Broken.is_broken = True
        return model

    try:
        with pytest.raises(ZeroDivisionError, match="our own fault"):
            methods.matrix_section([Family("broken", "made up", load)], methods=["grad-cam"])
    finally:
        Broken.is_broken = False


@pytest.mark.parametrize("name", list(xc.METHODS))
def test_every_method_has_its_cell(name: str) -> None:
    found = methods.reasons(Family("tiny", "made up", lambda: wrap(TinyNet())), [name])
    assert found == {name: ""}


@pytest.mark.parametrize("name", list(xc.METHODS))
def test_without_a_head_methods_on_classes_are_refused(name: str) -> None:
    tiny = Family("tiny", "made up", lambda: wrap_headless(Headless()))
    assert bool(methods.reasons(tiny, [name])[name]) is xc.METHODS[name].needs_class


# ---- what is committed ---------------------------------------------------------------------------

STALE = "run: python -m explain_core methods --table docs/methods.md"


def test_docs_say_what_methods_say_of_themselves() -> None:
    assert methods.method_section() in DOCS.read_text(encoding="utf-8"), STALE


def test_docs_say_what_parameters_say_of_themselves() -> None:
    assert methods.parameter_section() in DOCS.read_text(encoding="utf-8"), STALE


def test_docs_have_every_method_and_family() -> None:
    section = DOCS.read_text(encoding="utf-8").split("## On which networks")[1]
    found = cells(section)
    assert found.pop("method") == [each.name for each in FAMILIES], STALE
    assert list(found) == list(xc.METHODS), STALE


# ---- the command ---------------------------------------------------------------------------------


def test_list_names_every_method(capsys: Output) -> None:
    assert main(["methods"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: " in printed for name in xc.METHODS)
    assert "    --top-channels: Channels taken (0: all)" in printed


def test_table_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Output) -> None:
    monkeypatch.setattr(methods, "FAMILIES", (family("net"),))
    assert main(["methods", "--table", str(tmp_path / "methods.md")]) == 0
    text = (tmp_path / "methods.md").read_text(encoding="utf-8")
    assert text.index("## What they show") < text.index("## Parameters") < text.index("## On which")
    assert "net: a net" in capsys.readouterr().err


def test_table_in_no_folder_is_refused_at_once(tmp_path: Path, capsys: Output) -> None:
    assert main(["methods", "--table", str(tmp_path / "nowhere" / "methods.md")]) == 2
    assert "names a folder that does not exist" in capsys.readouterr().err
