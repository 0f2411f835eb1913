"""The command `probe`: what it prints, how it exits, what it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import explain_core as xc
from explain_core.__main__ import main
from tests.core.models.probe_making import made_probe

Output = pytest.CaptureFixture[str]


def fit(out: Path, *more: str, bank: str = "drawn-digits", model: str = "digits") -> int:
    return main(["probe", "fit", "--bank", bank, "--model", model, "--out", str(out), *more])


def test_fit_writes_a_probe_and_tells_how_good_it_is(tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "p.safetensors"
    assert fit(out) == 0
    probe = xc.read_probe(out)
    assert (probe.bank, probe.num_train + probe.num_held_out) == ("drawn-digits", 1000)
    printed = capsys.readouterr().out
    assert "10 classes" in printed
    assert f"right on {probe.accuracy:.1%} of {probe.num_held_out} pictures kept apart" in printed


def test_fit_takes_a_bank_s_folder_penalty_and_seed(tmp_path: Path) -> None:
    folder = Path(xc.__file__).parents[1] / "assets" / "digits" / "banks" / "drawn-digits"
    out = tmp_path / "p.safetensors"
    assert fit(out, "--l2", "0.5", "--seed", "9", bank=str(folder)) == 0
    assert (xc.read_probe(out).l2, xc.read_probe(out).seed) == (0.5, 9)


def test_info_tells_what_a_probe_is(tmp_path: Path, capsys: Output) -> None:
    xc.save_probe(made_probe(xc.load_model("digits")), tmp_path / "p.safetensors")
    assert main(["probe", "info", str(tmp_path / "p.safetensors")]) == 0
    printed = capsys.readouterr().out
    for part in ("4 classes, 64 features", "encoder digits", "bank birds", "95.0%", "Zaunkönig"):
        assert part in printed


def test_a_list_of_classes_is_cut_short(tmp_path: Path, capsys: Output) -> None:
    weight, bias = np.zeros((30, 64), np.float32), np.zeros(30, np.float32)
    names = tuple(f"class {index}" for index in range(30))
    probe = made_probe(xc.load_model("digits"), weight=weight, bias=bias, classes=names)
    xc.save_probe(probe, tmp_path / "p.safetensors")
    main(["probe", "info", str(tmp_path / "p.safetensors")])
    printed = capsys.readouterr().out
    assert "class 9\n" in printed
    assert "class 10" not in printed
    assert "and 20 more" in printed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bank": "gone"}, "there is no bank 'gone'"),
        ({"model": "gone"}, "there is no model 'gone'"),
        ({"out": "p.npy"}, "must end in .safetensors"),
        ({"out": "gone/p.safetensors"}, "a folder that does not exist"),
        ({"more": ("--l2", "0")}, "l2 must be above 0"),
    ],
)
def test_what_does_not_fit_exits_with_2(
    tmp_path: Path, capsys: Output, change: dict[str, object], message: str
) -> None:
    more = change.pop("more", ())
    out = tmp_path / str(change.pop("out", "p.safetensors"))
    assert fit(out, *more, **change) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_is_no_probe_exits_with_2(tmp_path: Path, capsys: Output) -> None:
    assert main(["probe", "info", str(tmp_path / "gone.safetensors")]) == 2
    assert "cannot be read as a probe" in capsys.readouterr().err
