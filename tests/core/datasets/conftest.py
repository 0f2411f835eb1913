"""What tests of data sets share."""

from pathlib import Path

import pytest

from tests.core.datasets.mnist_making import write_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")
