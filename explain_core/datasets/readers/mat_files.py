"""MATLAB's .mat files, through scipy where it is installed."""

from __future__ import annotations

import importlib
import zlib
from pathlib import Path
from typing import Any

from explain_core.errors import InputError


def load_mat(path: Path, instead: str) -> dict[str, Any]:
    """Return the variables of a .mat file, with axes of length one dropped.

    Args:
        instead: what could be given in place of the file, for the message.

    Raises:
        InputError: scipy is not installed, or the file cannot be read.
    """
    try:
        io = importlib.import_module("scipy.io")
    except ImportError as error:
        raise InputError(
            f"'{path.name}' is read through scipy, which is not installed; run: pip install scipy "
            f"({instead})"
        ) from error
    errors = (OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error)
    try:
        found: dict[str, Any] = io.loadmat(path, squeeze_me=True)
    except (*errors, io.matlab.MatReadError) as error:
        raise InputError(f"'{path}' is no .mat file of version 4 to 7; fetch it again") from error
    return found
