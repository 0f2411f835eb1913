"""The live viewer in Chromium: data that did not arrive whole."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.sync_api import expect

from components.map_viewer.packing import pack
from components.parameter_panel import parameters_of
from explain_core import load_model, prepare_many, read_image
from tests.browser.viewing import point, saved, viewer
from tests.conftest import REPO

if TYPE_CHECKING:
    from tests.browser.dashboard import Dashboard


@pytest.fixture(scope="module")
def message() -> bytes:
    """Give the message of the four first panels."""
    model = load_model("digits")
    image = read_image(REPO / "assets" / "samples" / "digits" / "three.png")
    names = ["finer-grad-cam", "grad-cam", "finer-layer-cam", "guided-absolute-grad"]
    bases = prepare_many(model, image, names, target=3, references=(8,))
    meaning = {"unsigned": ("none", "most"), "signed": ("against", "for")}
    panels = [
        {
            "name": name,
            "title": name,
            "subtitle": "",
            "reversed_subtitle": "",
            "foot": "",
            "meaning": meaning,
        }
        for name in names
    ]
    return pack(
        panels,
        [bases[name] for name in names],
        image=image,
        seen=np.zeros((28, 28), np.uint8),
        parameters=parameters_of(names, "render"),
        viewer="viewer",
        question="Why 3?",
        source="three.png",
    )


def opened(message: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", message)
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def closed(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + rest


def filled(message: bytes, field: str, number: float) -> bytes:
    """Fill a float array of the first panel."""
    header, rest = opened(message)
    array = header["arrays"][header["panels"][0]["fields"][field]]
    kind = np.dtype("<" + array["type"])
    start = array["offset"]
    new = np.full(array["num_bytes"] // kind.itemsize, number, kind).tobytes()
    return closed(header, rest[:start] + new + rest[start + len(new) :])


def changed(message: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    header, rest = opened(message)
    change(header)
    return closed(header, rest)


def _other_shape(header: dict[str, Any]) -> None:
    header["arrays"][header["panels"][0]["fields"]["maps"]]["shape"] = [3, 5, 7]


def _other_arrays(header: dict[str, Any]) -> None:
    fields = header["panels"][2]["fields"]
    fields["target_gradient"] = header["panels"][0]["fields"]["maps"]


def _without_field(header: dict[str, Any]) -> None:
    del header["panels"][0]["fields"]["maps"]


def _unknown_array(header: dict[str, Any]) -> None:
    header["panels"][0]["fields"]["maps"] = 999


def _unknown_kind(header: dict[str, Any]) -> None:
    header["panels"][0]["kind"] = "cubic"


def _no_weights(header: dict[str, Any]) -> None:
    del header["panels"][0]["fields"]["weights"]


def _no_numbers(header: dict[str, Any]) -> None:
    header["panels"][0]["size"] = [0, 0]


def take(window: Dashboard, message: bytes) -> None:
    """Hand the viewer a message, as Streamlit does."""
    viewer(window).evaluate(
        """(root, text) => root.viewer.take(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)))""",
        base64.b64encode(message).decode(),
    )
    window.page.wait_for_timeout(200)


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "three bytes": lambda message: message[:3],
    "header cut short": lambda message: message[:200],
    "arrays cut short": lambda message: message[: len(message) // 2],
    "one byte missing": lambda message: message[:-1],
    "no JSON": lambda message: struct.pack("<I", 20) + b"this is not a header" + message,
    "length beyond the end": lambda message: b"\xff\xff\xff\x7f" + message[4:],
    "shape that does not fit": lambda message: changed(message, _other_shape),
    "empty header": lambda _: closed({}, b""),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_message_is_said(same_window: Dashboard, message: bytes, fault: str) -> None:
    take(same_window, UNREADABLE[fault](message))
    expect(viewer(same_window).get_by_role("alert")).to_contain_text("did not arrive whole")


def test_after_an_unreadable_message_a_good_one_is_drawn(
    same_window: Dashboard, message: bytes
) -> None:
    take(same_window, message[:100])
    take(same_window, message)
    expect(viewer(same_window).get_by_role("alert")).not_to_be_visible()
    assert same_window.pixels("grad-cam")[..., 3].all()


BROKEN_PANEL: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "NaN": (lambda message: filled(message, "maps", np.nan), "finer-grad-cam"),
    "infinity": (lambda message: filled(message, "maps", np.inf), "finer-grad-cam"),
    "NaN weights": (lambda message: filled(message, "weights", np.nan), "finer-grad-cam"),
    "a field missing": (lambda message: changed(message, _without_field), "finer-grad-cam"),
    "weights missing": (lambda message: changed(message, _no_weights), "finer-grad-cam"),
    "an array missing": (lambda message: changed(message, _unknown_array), "finer-grad-cam"),
    "an unknown kind": (lambda message: changed(message, _unknown_kind), "finer-grad-cam"),
    "shapes that differ": (lambda message: changed(message, _other_arrays), "finer-layer-cam"),
    "an empty map": (lambda message: changed(message, _no_numbers), "finer-grad-cam"),
}


@pytest.mark.parametrize("fault", BROKEN_PANEL)
def test_a_broken_panel_says_so_and_the_others_are_drawn(
    same_window: Dashboard, message: bytes, fault: str
) -> None:
    spoil, name = BROKEN_PANEL[fault]
    take(same_window, spoil(message))
    expect(same_window.panel(name).locator(".legend")).to_contain_text("cannot be drawn")
    for other in {"finer-grad-cam", "grad-cam", "guided-absolute-grad"} - {name}:
        assert same_window.pixels(other)[..., 3].all()
    expect(viewer(same_window).get_by_role("alert")).not_to_be_visible()


def test_beside_a_broken_panel_everything_still_works(
    same_window: Dashboard, message: bytes
) -> None:
    """The window's end checks that nothing was thrown."""
    take(same_window, filled(message, "maps", np.nan))
    for each in ("Both", "Shared", "For and against"):
        same_window.press(each)
    point(same_window, "grad-cam", 0.5, 0.5)
    same_window.page.mouse.wheel(0, -200)
    same_window.slider("gamma").focus()
    same_window.page.keyboard.press("End")
    same_window.page.get_by_role("button", name="Swipe two").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Own sliders").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Larger").click()
    same_window.panel("finer-grad-cam").get_by_role("button", name="Smaller").click()
    saved(same_window, same_window.panel("finer-grad-cam").get_by_role("button", name="PNG"))
    name, _ = saved(same_window, same_window.page.get_by_role("button", name="PNG of all"))
    assert name == "whynot-maps.png"


def test_a_map_of_zeros_has_no_positive_evidence(same_window: Dashboard, message: bytes) -> None:
    take(same_window, filled(message, "maps", 0.0))
    expect(same_window.panel("finer-grad-cam").locator(".legend")).to_have_text(
        "No positive evidence"
    )


def test_a_picture_that_cannot_be_read_is_said_and_the_maps_stay(
    same_window: Dashboard, message: bytes
) -> None:
    header, rest = opened(message)
    array = header["arrays"][header["picture"]["file"]]
    start = array["offset"]
    broken = (
        rest[: start + 8] + b"\0" * (array["num_bytes"] - 8) + rest[start + array["num_bytes"] :]
    )
    take(same_window, closed(header, broken))
    expect(viewer(same_window).get_by_role("alert")).to_contain_text("picture did not arrive whole")
    assert same_window.pixels("grad-cam")[..., 3].all()
