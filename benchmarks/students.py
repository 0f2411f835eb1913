"""One person at the dashboard without a browser: Streamlit's messages over its socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection

_FAULTS = ("exception", "alert")


class Student:
    """Hold one session: the widgets that it was shown, what it set, and what went wrong.

    As a browser does, it keeps large messages and tells the server which, so that they are sent
    once; and it sends a widget of a fragment with the fragment's id, so that only that runs.
    """

    def __init__(self, socket: ClientConnection, page: str) -> None:
        self._socket = socket
        self._page = page
        self._kept: dict[str, ForwardMsg] = {}
        self._set: dict[str, WidgetState] = {}
        self.elements: dict[str, tuple[Any, str]] = {}
        self.faults: list[str] = []
        self.num_bytes = 0

    async def open(self) -> None:
        """Open the page."""
        await self._rerun("")

    async def choose(self, key: str, *labels: str) -> None:
        """Choose in a button group."""
        await self._tell(key, "string_array_value", list(labels))

    async def pick(self, key: str, label: str) -> None:
        """Choose in a select box."""
        await self._tell(key, "string_value", label)

    async def send(self, key: str, name: str, value: object) -> None:
        """Send what a component of ours sends."""
        await self._tell(key, "json_value", json.dumps({name: value}))

    def options(self, key: str) -> Sequence[str]:
        """Return what a widget offers."""
        element, _ = self.elements[key]
        return [getattr(each, "content", each) for each in element.options]

    async def _tell(self, key: str, field: str, value: Any) -> None:
        element, fragment = self.elements[key]
        told = WidgetState(id=element.id)
        if field == "string_array_value":
            told.string_array_value.data.extend(value)
        else:
            setattr(told, field, value)
        self._set[element.id] = told
        await self._rerun(fragment)

    async def _rerun(self, fragment: str) -> None:
        """Ask for a run, and return once it has finished."""
        asked = BackMsg()
        client = asked.rerun_script
        client.page_name = self._page
        client.fragment_id = fragment
        client.widget_states.widgets.extend(self._set.values())
        client.cached_message_hashes.extend(self._kept)
        if not fragment:
            self.elements = {}
        await self._socket.send(asked.SerializeToString())
        while not self._has_finished(await self._receive()):
            pass

    async def _receive(self) -> ForwardMsg:
        content = await self._socket.recv()
        assert isinstance(content, bytes)
        self.num_bytes += len(content)
        message = ForwardMsg()
        message.ParseFromString(content)
        if message.metadata.cacheable:
            self._kept[message.hash] = message
        return message

    def _has_finished(self, message: ForwardMsg) -> bool:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            message, kind = self._kept[message.ref_hash], "delta"
        if kind == "delta":
            self._look(message.delta)
        if kind != "script_finished":
            return False
        return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def _look(self, delta: Delta) -> None:
        """Note a widget that is shown, and a fault."""
        if delta.WhichOneof("type") != "new_element":
            return
        kind = delta.new_element.WhichOneof("type")
        element = getattr(delta.new_element, kind) if kind else None
        if kind == "exception":
            self.faults.append(f"exception: {element.type}")
        elif kind == "alert" and element.format == element.ERROR:
            self.faults.append(f"error: {element.body}")
        id = getattr(element, "id", "")
        if id.count("-") >= 2:
            self.elements[id.split("-", 2)[2]] = element, delta.fragment_id


async def patiently(work: Any, seconds: float) -> None:
    """Wait for a work, so long.

    Raises:
        TimeoutError: it took longer.
    """
    async with asyncio.timeout(seconds):
        await work
