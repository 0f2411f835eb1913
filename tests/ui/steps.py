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


# ---- reference sets ------------------------------------------------------------------------


def open_references() -> AppTest:
    """Start a session and go to the References page."""
    return show_page(open_app(), "references")


def show_page(at: AppTest, name: str) -> AppTest:
    """Go to a page of this session."""
    at.switch_page(f"pages/{name}.py")
    return run(at)


def button(at: AppTest, label: str) -> Any:
    """Return the one button with this label."""
    (found,) = [each for each in at.button if each.label == label]
    return found


def press(at: AppTest, label: str) -> AppTest:
    """Press the one button with this label."""
    button(at, label).click()
    return run(at)


def kept_sets(at: AppTest) -> dict[str, Any]:
    """Return the session's reference sets by name, of whatever model; no two of one name."""
    sets = at.session_state.to_dict().get("kept-sets", ())
    named = {each.name: each for each in sets}
    assert len(named) == len(sets)
    return named


def delete_set(at: AppTest, name: str) -> AppTest:
    """Choose a set on the References page and delete it."""
    keyed(at.selectbox, "reference-set").set_value(name)
    return press(run(at), f"Delete “{name}”")


def make_by(at: AppTest, way: str) -> AppTest:
    """Choose how a set is made."""
    keyed(at.button_group, "make-by").set_value(way)
    return run(at)


def add_set(at: AppTest, name: str = "") -> AppTest:
    """Give a name, if any, and press the button."""
    if name:
        keyed(at.text_input, "set-name").set_value(name)
    return press(at, "Add the set")


def add_classes(at: AppTest, classes: list[int], name: str = "", *, inverted: bool = False) -> None:
    """Make a set of classes of the bank."""
    make_by(at, "Classes")
    keyed(at.multiselect, "set-classes").set_value(classes)
    keyed(at.toggle, "set-all-but").set_value(inverted)
    run(at)
    add_set(at, name)


def give_files(at: AppTest, files: dict[str, bytes]) -> AppTest:
    """Upload files that a set is to be made of."""
    make_by(at, "Uploads")
    given = [(name, content, "application/octet-stream") for name, content in files.items()]
    keyed(at.file_uploader, "set-upload").set_value(given)
    return run(at)


def add_files(at: AppTest, files: dict[str, bytes], name: str = "") -> AppTest:
    """Make a set of uploaded files."""
    return add_set(give_files(at, files), name)


def choose_in_plot(at: AppTest, rows: list[int]) -> AppTest:
    """Draw a loop around these rows of the bank; AppTest itself knows no charts."""
    make_by(at, "Plot")
    (chart,) = [each.proto for each in at.get("plotly_chart") if "-plot-" in each.proto.id]
    points = [{"customdata": row, "point_index": row} for row in rows]
    states = at._tree.get_widget_states()
    told = states.widgets.add()
    told.id = chart.id
    told.string_value = json.dumps(
        {"selection": {"points": points, "point_indices": rows, "box": [], "lasso": []}}
    )
    at._run(states)
    assert not at.exception, [error.message for error in at.exception]
    return at


def left_out(at: AppTest) -> dict[str, str]:
    """Return the pictures that the page lists as left out, with the reasons."""
    tables = [each.value for each in at.table if "Why" in each.value]
    assert len(tables) < 2
    return dict(zip(tables[0]["Picture"], tables[0]["Why"], strict=True)) if tables else {}


def errors(at: AppTest) -> str:
    """Return the text of all error messages."""
    return "\n".join(each.value for each in at.error)


def choose_methods(at: AppTest, *methods: str) -> AppTest:
    """Choose methods on Explain, where the model has a bank, and return the page with them."""
    at.multiselect(key="methods-bank").set_value(list(methods))
    return run(at)
