"""Where the bundled digits lie, and MNIST where somebody has it."""

import os
from pathlib import Path

import pytest

from explain_core.datasets.strokes import SAMPLES
from tests.conftest import REPO

ASSETS = REPO / "assets" / "digits"
SAMPLES_FOLDER = REPO / "assets" / "samples" / "digits"
MNIST = Path(os.environ.get("WHYNOT_DATA", REPO.parent / "shared" / "data")) / "mnist"

needs_mnist = pytest.mark.skipif(
    not MNIST.is_dir(), reason=f"needs MNIST in {MNIST}; set WHYNOT_DATA to the folder above it"
)
AMBIGUOUS = [sample for sample in SAMPLES if sample.like is not None]
