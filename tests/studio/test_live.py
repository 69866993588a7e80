"""A page's socket: the newest move wins, the last is always answered, and nothing that is sent ends it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from sfumato.errors import SfumatoError
from sfumato.studio import live
from sfumato.studio.frames import LENGTH
from sfumato.studio.live import CANVASES, WATCHED, Client

Said = dict[str, Any]


class Socket:
    """A page's side: what it says, and what it was told. `deaf`: it reads nothing."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[str | None] = asyncio.Queue()
        self.told: list[Said] = []
        self.deaf, self.closed = False, 0

    async def receive_text(self) -> str:
        text = await self.says.get()
        if text is None:
            raise WebSocketDisconnect
        return text

    async def send_text(self, text: str) -> None:
        if self.deaf:
            await asyncio.Event().wait()
        self.told.append(json.loads(text))

    async def send_bytes(self, content: bytes) -> None:
        (length,) = LENGTH.unpack(content[:4])
        self.told.append({**json.loads(content[4 : 4 + length]), "picture": content[4 + length :]})

    async def close(self, code: int) -> None:
        self.closed = code


def played(
    play: Callable[[Socket, Client], Awaitable[None]], answer: Callable[[Said], Awaitable[Said]]
) -> tuple[Socket, Client]:
    async def whole() -> tuple[Socket, Client]:
        socket = Socket()
        client = Client(socket, answer)  # pyright: ignore[reportArgumentType] - a socket's like
        task = asyncio.create_task(client.run())
        await play(socket, client)
        socket.says.put_nowait(None)
        await asyncio.wait_for(task, 10)
        await asyncio.gather(*client._tasks.values())
        return socket, client

    return asyncio.run(whole())


async def settled() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


async def echoed(said: Said) -> Said:
    return {"x": said.get("x"), "bytes": b"\x01\x02", "one": b"left out"}


def test_a_move_is_answered_with_its_picture() -> None:
    async def play(socket: Socket, _: Client) -> None:
        socket.says.put_nowait(json.dumps({"canvas": "a\u202e", "seq": 7, "do": "decode", "x": 0.5}))
        await settled()

    socket, _ = played(play, echoed)
    assert socket.told == [{"canvas": "a%E2%80%AE", "seq": 7, "x": 0.5, "picture": b"\x01\x02"}]


def test_the_newest_wins_and_the_last_is_answered() -> None:
    asked: list[int] = []
    gate: list[asyncio.Event] = []

    async def answer(said: Said) -> Said:
        asked.append(said["x"])
        if said["x"] == 0:
            gate.append(asyncio.Event())
            await gate[0].wait()
        return {"x": said["x"]}

    async def play(socket: Socket, _: Client) -> None:
        for x in range(500):
            socket.says.put_nowait(json.dumps({"canvas": "a", "seq": x, "x": x}))
            await settled()
        assert asked == [0]
        socket.says.put_nowait(json.dumps({"canvas": "b", "x": -1}))
        await settled()
        assert asked == [0, -1]  # another canvas does not wait
        gate[0].set()
        await settled()

    socket, _ = played(play, answer)
    assert asked == [0, -1, 499]
    assert [row["x"] for row in socket.told] == [-1, 0, 499]


def test_a_fault_is_a_line_and_the_next_is_answered() -> None:
    async def answer(said: Said) -> Said:
        if said["x"]:
            raise SfumatoError("x: no\nsuch \u202ething")
        return {}

    async def play(socket: Socket, _: Client) -> None:
        for x in (1, 0):
            socket.says.put_nowait(json.dumps({"canvas": "a", "seq": x, "x": x}))
            await settled()

    socket, client = played(play, answer)
    assert socket.told[0] == {"canvas": "a", "seq": 1, "fault": "x: no\\nsuch \\u202ething"}
    assert socket.told[1] == {"canvas": "a", "seq": 0, "picture": b""}
    assert not client._tasks


MALFORMED = [
    "", "x", "[]", "3", "null", '"a"', "{", "{}", '{"canvas": 3}', '{"canvas": null, "do": "decode"}', '{"watch": 3}',
    '{"canvas": ["a"]}', '{"canvas": {"a": 1}}', "[" * 100_000, '{"canvas": ' + '{"a":' * 50_000, "[" * 900_000,
    '{"canvas": "a", "x": NaN}', '{"canvas": "a", "x": 1e999}', '{"canvas": "\\ud800"}', "\x00", "\ufeff{}",
    '{"canvas": "a", "x": ' + "9" * 5000 + "}", '{"canvas": "a", "x": ' + "[" * 40 + "]" * 40 + "}",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_message_is_passed_over(text: str) -> None:
    async def play(socket: Socket, client: Client) -> None:
        socket.says.put_nowait(text)
        socket.says.put_nowait(json.dumps({"canvas": "a", "x": 1}))
        await settled()
        assert not client._tasks

    socket, _ = played(play, echoed)
    assert [row["x"] for row in socket.told] == [1]


def test_canvases_are_bounded() -> None:
    asked: list[str] = []
    gate: list[asyncio.Event] = []

    async def answer(said: Said) -> Said:
        asked.append(said["canvas"])
        await gate[0].wait()
        return {}

    async def play(socket: Socket, client: Client) -> None:
        gate.append(asyncio.Event())
        for number in range(1000):
            socket.says.put_nowait(json.dumps({"canvas": str(number)}))
            await asyncio.sleep(0)
        await settled()
        assert len(client._tasks) == CANVASES
        gate[0].set()
        await settled()
        socket.says.put_nowait(json.dumps({"canvas": "again"}))
        await settled()

    played(play, answer)
    assert asked == [*map(str, range(CANVASES)), "again"]


def test_a_page_watches_a_few_runs() -> None:
    async def play(socket: Socket, client: Client) -> None:
        socket.says.put_nowait(json.dumps({"watch": [*map(str, range(100)), 3, None, ["x"]]}))
        await settled()
        assert list(client.watched) == list(map(str, range(WATCHED)))
        client.watched["3"] = "a tail"
        socket.says.put_nowait(json.dumps({"watch": ["3", [], {}, "5", "3"]}))
        await settled()
        assert client.watched == {"3": "a tail", "5": None}

    played(play, echoed)


def test_what_is_under_way_when_a_page_is_closed_ends_by_itself() -> None:
    """Else a child would be ended because somebody reloads a page."""
    seen: list[str] = []

    async def answer(said: Said) -> Said:
        try:
            await asyncio.sleep(0.05)
            seen.append(said["x"])
        except asyncio.CancelledError:
            seen.append("cancelled")
        return {}

    async def play(socket: Socket, _: Client) -> None:
        for x in ("first", "second"):
            socket.says.put_nowait(json.dumps({"canvas": "a", "x": x}))
            await settled()

    played(play, answer)
    assert seen == ["first"]


def test_a_page_that_does_not_read_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.05)

    async def play(socket: Socket, client: Client) -> None:
        socket.deaf = True
        for _ in range(100):
            await client.send({"event": "runs"})
        await settled()
        assert socket.closed == 1013

    socket, _ = played(play, echoed)
    assert socket.told == []


def test_a_socket_that_is_gone_is_no_error() -> None:
    async def play(_: Socket, client: Client) -> None:
        for error in (WebSocketDisconnect(), RuntimeError("closed")):

            async def fail(_: str, error: Exception = error) -> None:
                raise error

            client.socket.send_text = fail
            await client.send({})

    played(play, echoed)


def test_bytes_where_a_text_is_owed_end_the_socket() -> None:
    async def play(socket: Socket, client: Client) -> None:
        async def receive() -> str:
            raise KeyError("text")

        client.socket.receive_text = receive
        socket.says.put_nowait("{}")  # it waits for the last time
        await settled()
        assert socket.closed == 1003

    played(play, echoed)


def test_a_socket_is_what_starlette_gives() -> None:
    for name in ("receive_text", "send_text", "send_bytes", "close"):
        assert callable(getattr(WebSocket, name))
