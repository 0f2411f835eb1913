"""The model and the picture that contracts are held against."""

import pytest

from tests.oracles.nets import TinyNet, picture, wrap


@pytest.fixture(scope="module")
def model():
    return wrap(TinyNet())


@pytest.fixture(scope="module")
def image():
    return picture()
