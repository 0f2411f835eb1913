"""ES modules of a component as the one inline module that Streamlit takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def joined(folder: Path, names: Sequence[str]) -> str:
    """Return a folder's modules, each after those that it imports, the default export kept.

    Their names share one scope, so no two modules may use the same one at their top.
    """
    source = "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    source = re.sub(r"^import .*? from .*?;\n", "", source, flags=re.MULTILINE)
    return re.sub(r"^export (?!default)", "", source, flags=re.MULTILINE)
