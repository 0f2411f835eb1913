"""What a person sees on the Explain page and does there, in Streamlit's own simulation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parents[2] / "app.py"
TIMEOUT_S = 60


@dataclass(frozen=True)
class ShownPanel:
    """One map as it is shown; equal pictures have equal addresses."""

    head: str
    picture: str
    legend: str
    foot: str


def open_app() -> AppTest:
    """Start a session and let the first page appear."""
    return run(AppTest.from_file(APP, default_timeout=TIMEOUT_S))


def run(at: AppTest) -> AppTest:
    """Run the page; a traceback on it fails the test."""
    at.run()
    assert not at.exception, [error.message for error in at.exception]
    return at


def shown_panels(at: AppTest) -> dict[str, ShownPanel]:
    """Return the maps on the page by the method's name, in their order."""
    panels = {}
    for block in _blocks(at._tree):
        key = getattr(block, "key", None)
        if isinstance(key, str) and key.startswith("panel-"):
            texts = [_bare(each.value) for each in block.get("html")]
            marks = [each.value for each in block.get("html")]
            (picture,) = block.get("image")
            panels[key.removeprefix("panel-")] = ShownPanel(
                head=texts[0],
                picture=picture.value[0],
                legend=marks[1],
                foot=" ".join(each.value for each in block.get("caption")),
            )
    return panels


def keyed(elements: Any, prefix: str) -> Any:
    """Return the one widget whose key begins so."""
    (found,) = [each for each in elements if each.key and each.key.startswith(prefix)]
    return found


def target(at: AppTest) -> Any:
    return keyed(at.selectbox, "target-")


def references(at: AppTest) -> Any:
    return keyed(at.multiselect, "references-")


def texts(at: AppTest) -> str:
    """Return every text on the page, one per line."""
    kinds = ("title", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(each.value) for kind in kinds for each in at.get(kind))


def passes(at: AppTest) -> int:
    """Return how many pictures went through networks, as the page says."""
    (count,) = re.findall(r"Network passes in this session: ([\d,]+)", texts(at))
    return int(count.replace(",", ""))


def prediction(at: AppTest) -> str:
    """Return the class that the page says the model says."""
    (name,) = re.findall(r"The model says (.+?)\*\*", texts(at))
    return name


def _blocks(block: Any) -> Any:
    for child in block.children.values():
        if hasattr(child, "children"):
            yield child
            yield from _blocks(child)


def _bare(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html).strip()
