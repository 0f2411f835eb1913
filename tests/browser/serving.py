"""The dashboard's server as people run it: what lies in its folder, its start, its log."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
from safetensors.torch import save_file

import explain_core as xc
from explain_core.references.building import build_bank
from tests.conftest import REPO

START_S = 120

# Streamlit 1.67 itself: a window closes while its socket is being read.
CLOSED_WINDOW = re.compile(
    r"Exception in ASGI application\n.*?starlette_websocket\.py.*?"
    r'WebSocketDisconnected: Cannot call "send" once a close message has been sent\.\n',
    re.DOTALL,
)

# The server has, beside digits, a model of a thousand classes with random weights, with a bank of
# some of them, and the same network without its head.
OWN_MODEL = "thousand"
HEADLESS_MODEL = "encoder"
MODELS = f"""
[{OWN_MODEL}]
architecture = "torchvision/mobilenet_v3_small"
weights = "random.safetensors"
size = 96
resize_px = 110

[{HEADLESS_MODEL}]
architecture = "torchvision/mobilenet_v3_small"
weights = "random.safetensors"
output = "none"
size = 64
resize_px = 64
"""
NUM_BANK_CLASSES = 130


def fill_folder(folder: Path) -> None:
    """Put there what an operator would: models.toml, random weights, a bank."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.mobilenet_v3_small()
    save_file(network.state_dict(), folder / "random.safetensors")
    (folder / "models.toml").write_text(MODELS, encoding="utf-8")
    make_bank(folder, folder / "references" / "banks" / "few-of-each")


def make_bank(folder: Path, out: Path) -> None:
    """Build a bank of random pictures, one or two of each class, as an operator would."""
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHYNOT_MODELS", str(folder / "models.toml"))
        model = xc.load_model(OWN_MODEL, device="cpu")
    lines = ["path,label"]
    for index in range(NUM_BANK_CLASSES):
        for copy in range(1 + index % 2):
            name = f"{index}-{copy}.png"
            pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(images / name)
            lines.append(f'{name},"{model.classes[index]}"')
    table = folder / "labels.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    out.parent.mkdir(parents=True)
    build_bank(model, images, out, csv=table)


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Run the dashboard with what lies in a folder: models, references, a log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = os.environ | {
        "TORCH_HOME": str(folder / "torch"),
        "WHYNOT_MODELS": str(folder / "models.toml"),
        "WHYNOT_REFERENCES": str(folder / "references"),
    }
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_for_health(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    text = CLOSED_WINDOW.sub(drop_if_streamlits, log.read_text(encoding="utf-8", errors="replace"))
    assert "Traceback" not in text, f"the server's log has a traceback:\n{text[-5000:]}"


def drop_if_streamlits(found: re.Match[str]) -> str:
    """Drop what Streamlit logs of a closed window; keep it where a page's traceback is inside."""
    return found.group() if "Uncaught" in found.group() else ""


def wait_for_health(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Return when the server answers; fail when it ends or takes too long."""
    for _ in range(START_S * 4):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            pass
        try:
            process.wait(timeout=0.25)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the server ended:\n{log.read_text(errors='replace')[-5000:]}")
    pytest.fail(f"no answer in {START_S} s:\n{log.read_text(errors='replace')[-5000:]}")
