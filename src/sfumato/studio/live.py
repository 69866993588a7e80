"""The socket of a page: moves up, pictures down, and what happens meanwhile. Of each canvas one move is under way
and the newest waits: none is queued, and the last is always answered."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import SfumatoError
from ..files import json_of
from ..visible import one_line
from .frames import LENGTH

CANVASES = 16  # of one page
SOCKETS = 8
WATCHED = 12  # runs
Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Client:
    """One open page. `watched`: ids of the runs whose curves it shows."""

    def __init__(self, socket: WebSocket, answer: Answer) -> None:
        self.socket, self.answer = socket, answer
        self.watched: dict[str, Any] = {}
        self._newest: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Until the page is closed."""
        try:
            while True:
                self._hear(await self.socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass
        finally:
            for task in list(self._tasks.values()):
                task.cancel()

    def _hear(self, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        if isinstance(said.get("watch"), list):
            names = [name for name in said["watch"][:WATCHED] if isinstance(name, str)]
            self.watched = {name: self.watched.get(name) for name in names}
            return
        canvas = said.get("canvas")
        if not isinstance(canvas, str) or (canvas not in self._tasks and len(self._tasks) >= CANVASES):
            return
        self._newest[canvas] = said
        if canvas not in self._tasks:
            self._tasks[canvas] = asyncio.create_task(self._move(canvas))

    async def _move(self, canvas: str) -> None:
        try:
            while (said := self._newest.pop(canvas, None)) is not None:
                about = {"canvas": canvas, "seq": said.get("seq")}
                try:
                    made = await self.answer(said)
                except SfumatoError as error:
                    await self.send({**about, "fault": one_line(str(error))})
                    continue
                content = made.pop("bytes", b"")
                head = json_of({**about, **_without_bytes(made)}).encode()
                await self._send(LENGTH.pack(len(head)) + head + content)
        finally:
            self._tasks.pop(canvas, None)

    async def send(self, message: dict[str, Any]) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            async with self._sending:
                await self.socket.send_text(json_of(message))

    async def _send(self, content: bytes) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            async with self._sending:
                await self.socket.send_bytes(content)


def _without_bytes(made: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if not isinstance(value, bytes)}
