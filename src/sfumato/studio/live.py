"""The socket of a page: moves up, pictures down, and what happens meanwhile. Of each canvas one move is under way
and the newest waits: none is queued, and the last is always answered."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import SfumatoError
from ..strict import decode
from .frames import LENGTH, text_of

CANVASES = 16  # of one page
SOCKETS = 8
WATCHED = 12  # runs
PATIENCE = 5.0  # seconds that a page may take to read what it is sent
Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Client:
    """One open page. `watched`: ids of the runs whose curves it shows."""

    def __init__(self, socket: WebSocket, answer: Answer) -> None:
        self.socket, self.answer = socket, answer
        self.watched: dict[str, Any] = {}
        self._newest: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._stuck = False

    async def run(self) -> None:
        """Until the page is closed."""
        try:
            while True:
                self._hear(await self.socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass
        except KeyError:  # bytes, and no text
            await self._close(1003)
        finally:
            self._newest.clear()  # what is under way ends by itself: a child is not ended because a page is closed

    def _hear(self, text: str) -> None:
        try:
            said = decode(text, dict[str, Any], "message")
        except SfumatoError:
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
                    await self.send({**about, "fault": str(error)})
                    continue
                content = made.pop("bytes", b"")
                head = text_of({**about, **_without_bytes(made)}).encode()
                await self._send(self.socket.send_bytes(LENGTH.pack(len(head)) + head + content))
        finally:
            self._tasks.pop(canvas, None)

    async def send(self, message: dict[str, Any]) -> None:
        await self._send(self.socket.send_text(text_of(message)))

    async def _send(self, sending: Coroutine[Any, Any, None]) -> None:
        """Whoever does not read gets nothing more: others do not wait for him."""
        try:
            async with self._sending:
                if self._stuck:
                    sending.close()
                else:
                    await asyncio.wait_for(sending, PATIENCE)
        except TimeoutError:
            self._stuck = True
            self._tasks["\n"] = asyncio.create_task(self._close(1013))  # once it reads again: it may come back
        except (WebSocketDisconnect, RuntimeError):
            pass

    async def _close(self, code: int) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):
            await self.socket.close(code)


def _without_bytes(made: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if not isinstance(value, bytes)}
