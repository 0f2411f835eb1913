"""The command `bank`: what it prints, how it exits, what it keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from explain_core.__main__ import main
from explain_core.commands.bank import progress_text
from explain_core.references.bank import open_bank
from explain_core.references.building import BuildProgress
from tests.oracles.folders import NO_PICTURE, class_folders, encoded, fill

REPO = Path(__file__).resolve().parents[3]

Output = pytest.CaptureFixture[str]


def build(images: Path, out: Path, *more: str) -> int:
    paths = ["--images", str(images), "--out", str(out)]
    return main(["bank", "build", "--model", "digits", *paths, *more])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "images", num_classes=2, num_each=4)


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which an operator's banks are found by name."""
    monkeypatch.setenv("WHYNOT_REFERENCES", str(tmp_path / "operator"))
    return tmp_path / "operator" / "banks"


def test_build_tells_what_it_did(images: Path, tmp_path: Path, capsys: Output) -> None:
    fill(images, {"0/bad.png": NO_PICTURE, "0/notes.txt": b"."})
    assert build(images, tmp_path / "bank") == 0
    output = capsys.readouterr()
    assert "8 pictures added, 8 in all" in output.out
    assert "ignored: 1 files" in output.out
    assert "left out: 1" in output.out
    assert "0/bad.png: '0/bad.png' is not a picture of a known format" in output.out
    assert "9 of 9 pictures (100%)" in output.err


def test_a_second_build_tells_what_was_known(images: Path, tmp_path: Path, capsys: Output) -> None:
    build(images, tmp_path / "bank")
    fill(images, {"0/new.png": encoded((28, 28), seed=9)})
    capsys.readouterr()
    assert build(images, tmp_path / "bank") == 0
    assert "1 pictures added, 8 were known, 9 in all" in capsys.readouterr().out


def test_a_table_a_layer_and_no_thumbnails(images: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n1/000.png,seven\n")
    options = ["--csv", str(table), "--layer", "features.4", "--no-thumbnails"]
    assert build(images, tmp_path / "bank", *options, "--pooling", "mean") == 0
    bank = open_bank(tmp_path / "bank")
    assert (bank.layer, bank.classes, len(bank)) == ("features.4", ("seven",), 1)
    assert bank.thumbnail(int(bank.ids[0])) is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layer", "features.9"], "layer"),
        (["--pooling", "both"], "has no class token"),
        (["--csv", "gone.csv"], "cannot be read as a table"),
    ],
)
def test_what_does_not_fit_exits_with_2(
    images: Path, tmp_path: Path, capsys: Output, more: list[str], message: str
) -> None:
    assert build(images, tmp_path / "bank", *more) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_model_exits_with_2(tmp_path: Path, capsys: Output) -> None:
    paths = ["--images", str(tmp_path), "--out", str(tmp_path / "bank")]
    assert main(["bank", "build", "--model", "none", *paths]) == 2
    assert "there is no model 'none'" in capsys.readouterr().err


# A shell's background job hands "ignore Ctrl-C" down to its children.
STOPPED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from explain_core.__main__ import main
from explain_core.commands import meter
from explain_core.references import embedding

embedding._MAX_BATCH = 8
meter.SECONDS_BETWEEN_LINES = 0
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_exit_with_130_and_keep(number: signal.Signals, tmp_path: Path) -> None:
    images, out = class_folders(tmp_path / "images", 3, 200), tmp_path / "bank"
    command = ["bank", "build", "--model", "digits", "--images", str(images), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED, *command],
        cwd=REPO,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        next(line for line in process.stderr if "pictures (" in line)
        process.send_signal(number)
        told = process.stderr.read()
    kept = len(open_bank(out))
    assert process.returncode == 130
    assert f"stopped: {kept} of 600 pictures are kept in '{out}'; give the same command" in told
    assert 0 < kept < 600


def test_info_tells_what_a_bank_holds(images: Path, tmp_path: Path, capsys: Output) -> None:
    fill(images, {"loose.png": encoded((28, 28)), "0/bad.png": NO_PICTURE})
    build(images, tmp_path / "bank")
    capsys.readouterr()
    assert main(["bank", "info", str(tmp_path / "bank")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bank: 9 pictures, 64 features each"
    assert lines[1] == "model digits, layer features.5, pooling mean"
    assert f"pictures in {images}" in lines
    assert "2 classes, the model's own" in lines
    assert "    0: 4" in lines
    assert "    without a class: 1" in lines
    assert any(line.startswith("    0/bad.png: ") for line in lines)


def test_many_classes_are_told_in_short(tmp_path: Path, capsys: Output) -> None:
    images = class_folders(tmp_path / "images", num_classes=14, num_each=1)
    build(images, tmp_path / "bank")
    capsys.readouterr()
    main(["bank", "info", str(tmp_path / "bank")])
    output = capsys.readouterr().out
    assert "14 classes\n" in output
    assert "    and 4 more" in output


def test_check_of_a_sound_bank(images: Path, tmp_path: Path, capsys: Output) -> None:
    build(images, tmp_path / "bank")
    capsys.readouterr()
    assert main(["bank", "check", str(tmp_path / "bank")]) == 0
    assert capsys.readouterr().out == "bank: 8 pictures, sound\n"


def test_check_of_a_damaged_bank_exits_with_2(images: Path, tmp_path: Path, capsys: Output) -> None:
    build(images, tmp_path / "bank")
    with (tmp_path / "bank" / "features.f16").open("r+b") as file:
        file.write(b"\x01\x02")
    assert main(["bank", "check", str(tmp_path / "bank")]) == 2
    assert "features.f16: bytes 0 to 1024 were changed" in capsys.readouterr().err


def test_check_of_a_bank_by_name(capsys: Output) -> None:
    assert main(["bank", "check", "digits"]) == 0
    assert "digits: 5,000 pictures, sound" in capsys.readouterr().out


def test_a_bank_that_is_not_there_exits_with_2(tmp_path: Path, capsys: Output) -> None:
    assert main(["bank", "info", "gone"]) == 2
    assert "there is no bank 'gone'; give its folder, or one of these" in capsys.readouterr().err
    assert main(["bank", "info", str(tmp_path)]) == 2
    assert "is no bank: it has no manifest.json" in capsys.readouterr().err


def test_list_names_the_operators_banks_too(images: Path, operator: Path, capsys: Output) -> None:
    build(images, operator / "mine")
    fill(operator, {"broken/manifest.json": b"{"})
    capsys.readouterr()
    assert main(["bank", "list"]) == 0
    output = capsys.readouterr().out
    assert "digits: 5,000 pictures, digits, layer features.5" in output
    assert "mine: 8 pictures, digits, layer features.5" in output
    assert "broken: bank 'broken': manifest.json is no JSON" in output


def test_explain_compares_with_a_class_of_any_bank(
    images: Path, operator: Path, tmp_path: Path, capsys: Output
) -> None:
    build(images, operator / "mine")
    capsys.readouterr()
    pixels = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "three.png")
    out = tmp_path / "map.npy"
    command = ["explain", str(tmp_path / "three.png"), "--method", "diffcam", "--target", "3"]
    assert main([*command, "--reference-set", "mine/1", "--out", str(out)]) == 0
    assert "reference pictures: mine/1 (4)" in capsys.readouterr().out
    assert np.load(out).shape == (28, 28)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (BuildProgress(0, 1200, 0, 0.0, None), "0 of 1,200 pictures (0%)"),
        (
            BuildProgress(300, 1200, 2, 24.96, 36.0),
            "300 of 1,200 pictures (25%), 25.0 per second, 36 s left, 2 left out",
        ),
        (
            BuildProgress(1, 2, 0, 8, 125.0),
            "1 of 2 pictures (50%), 8.0 per second, 2 min 05 s left",
        ),
        (
            BuildProgress(1, 2, 0, 8, 7500.0),
            "1 of 2 pictures (50%), 8.0 per second, 2 h 05 min left",
        ),
        (BuildProgress(2, 2, 0, 8, 0.0), "2 of 2 pictures (100%), 8.0 per second"),
    ],
)
def test_progress_is_one_line(now: BuildProgress, text: str) -> None:
    assert progress_text(now) == text
