"""What a person sees on the Explain page and does there, in Streamlit's own simulation."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parents[2] / "app.py"
TIMEOUT_S = 60


@dataclass(frozen=True)
class SentPanel:
    """Hold what the viewer was sent of one map.

    Attributes:
        head: title and what it is in contrast to.
        foot: what took effect besides the sliders.
        knows: the parameters whose sliders drive it.
        data: a digest of its arrays; equal bases have equal digests.
    """

    head: str
    foot: str
    knows: tuple[str, ...]
    data: str


def open_app() -> AppTest:
    """Start a session and let the first page appear."""
    return run(AppTest.from_file(APP, default_timeout=TIMEOUT_S))


def run(at: AppTest) -> AppTest:
    """Run the page; a traceback on it fails the test."""
    at.run()
    assert not at.exception, [error.message for error in at.exception]
    return at


def sent(at: AppTest) -> bytes | None:
    """Return the message to the viewer; None where the page shows no maps."""
    parts = [each.proto for each in at.get("bidi_component")]
    messages = [part.bytes for part in parts if part.component_name.endswith("map_viewer")]
    assert len(messages) < 2
    return messages[0] if messages else None


def header_of(message: bytes) -> dict[str, Any]:
    """Return the message's header."""
    (length,) = struct.unpack_from("<I", message)
    header: dict[str, Any] = json.loads(message[4 : 4 + length])
    return header


def shown_panels(at: AppTest) -> dict[str, SentPanel]:
    """Return the maps on the page by the method's name, in their order."""
    message = sent(at)
    if message is None:
        return {}
    header = header_of(message)
    start = 4 + struct.unpack_from("<I", message)[0]

    def digest(panel: dict[str, Any]) -> str:
        found = hashlib.sha256(json.dumps([panel["kind"], panel["numbers"]]).encode())
        for name, index in sorted(panel["fields"].items()):
            array = header["arrays"][index]
            found.update(f"{name} {array['shape']}".encode())
            scales = [array[each] for each in ("steps", "lows") if each in array]
            for part in (array, *(header["arrays"][scale] for scale in scales)):
                offset = start + part["offset"]
                found.update(message[offset : offset + part["num_bytes"]])
        return found.hexdigest()

    return {
        panel["name"]: SentPanel(
            head=f"{panel['title']} {panel['subtitle']}",
            foot=panel["foot"],
            knows=tuple(panel["knows"]),
            data=digest(panel),
        )
        for panel in header["panels"]
    }


def tell(at: AppTest, told: object) -> AppTest:
    """Let the viewer tell what is set in it, as it does when a control is released."""
    at.session_state["viewer"] = {"settings": told}
    return run(at)


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
