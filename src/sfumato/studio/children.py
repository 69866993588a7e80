"""The two children of the server: asked, watched, replaced when they die or hang. Imports no torch."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any, Literal

from ..errors import SfumatoError
from ..terminal import warn
from .child import KINDS
from .frames import LENGTH, Message, packed, unpacked

Kind = Literal["moves", "work"]
Advance = Callable[[int, int], object]
START = 120.0  # seconds that a child may take to be ready
GRACE = 3.0  # seconds that a cancelled request may take to end
RESTARTS = 3  # deaths in a row, before anything was answered, after which no new one is started


class Gone(SfumatoError):
    """The child died, or was ended, before it had answered."""


@dataclass
class Waiting:
    answer: "asyncio.Future[Any]"
    advance: Advance
    begun: bool = False  # whether the child is at it


@dataclass
class Child:
    """One of the two. `nice`: how far it steps back for others."""

    kind: Kind
    threads: int = 1
    nice: int = 0
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    deaths: int = 0
    place: "TemporaryDirectory[str] | None" = None  # for its files, which go when it does, however it ends
    heard: float = 0.0  # when it last said something, or was asked something after it had nothing to do
    _count: int = 0
    _dying: bool = False  # killed, and not yet seen to have ended
    _reader: "asyncio.Task[None] | None" = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        assert self.kind in KINDS

    @property
    def state(self) -> Literal["starting", "ready", "failed"]:
        if self.ready.is_set():
            return "ready"
        return "failed" if self.deaths > RESTARTS else "starting"

    async def start(self) -> None:
        """Starts it, if it is not there, and waits until it is ready. Raises Gone if it does not come up."""
        async with self._starting:
            if self._dying and self._reader:
                await asyncio.wait({self._reader})
            if self.process is None:
                if self.deaths > RESTARTS:
                    raise Gone(f"{self.kind}: does not come up; the terminal says why")
                self.ready.clear()
                self.place = TemporaryDirectory(prefix="sfumato-", ignore_cleanup_errors=True)
                own = {"OMP_NUM_THREADS": str(self.threads), "TMPDIR": self.place.name}
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "sfumato.studio.child", self.kind, stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE, env={**os.environ, **own}, start_new_session=True,
                )  # fmt: skip
                if self.nice and sys.platform != "win32":
                    with suppress(OSError):
                        os.setpriority(os.PRIO_PROCESS, self.process.pid, self.nice)
                self._reader = asyncio.create_task(self._read(self.process))
        try:
            await asyncio.wait_for(self.ready.wait(), START)
        except TimeoutError:
            self.kill()
            raise Gone(f"{self.kind}: did not start within {START:.0f} seconds") from None
        if self.process is None:
            raise Gone(f"{self.kind}: ended while it started; the terminal says why")

    async def ask(self, message: Message, limit: float, advance: Advance = lambda *_: None) -> Any:
        """What it answers. A task that is cancelled while it waits cancels the request. Raises SfumatoError with its
        words, Gone if it died or said nothing, to anybody, for `limit` seconds, in which case it is replaced."""
        await self.start()
        process = self.process
        assert process
        assert process.stdin
        self._count += 1
        loop = asyncio.get_running_loop()
        number, answer = self._count, loop.create_future()
        if not self.waiting:
            self.heard = loop.time()
        self.waiting[number] = waiting = Waiting(answer, advance)
        try:
            process.stdin.write(packed({**message, "id": number}))
            await process.stdin.drain()
            while (left := self.heard + limit - loop.time()) > 0:
                await asyncio.wait({answer}, timeout=left)
                if answer.done():
                    return answer.result()
            self.kill(f"did not answer for {limit:.0f} seconds")
            raise Gone(f"{self.kind}: did not answer for {limit:.0f} seconds and was started anew")
        except (BrokenPipeError, ConnectionResetError):
            raise Gone(f"{self.kind}: ended, and is started anew") from None
        except asyncio.CancelledError:
            await self._cancel(number, waiting)
            raise
        finally:
            self.waiting.pop(number, None)

    async def _cancel(self, number: int, waiting: Waiting) -> None:
        """Asks it to stop; after GRACE it is ended, if it is at that and not at what others wait for."""
        if self.process is None or self.process.stdin is None or waiting.answer.done():
            return
        with suppress(OSError):
            self.process.stdin.write(packed({"cancel": number}))
        if not waiting.begun:
            return
        with suppress(SfumatoError):
            try:
                await asyncio.wait_for(asyncio.shield(waiting.answer), GRACE)
            except TimeoutError:
                self.deaths -= 1  # one that was asked for
                self.kill()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        try:
            while True:
                (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                self._take(unpacked(await process.stdout.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        except SfumatoError:
            self.kill("said what is no message")
        self._lost(process, await process.wait())

    def _take(self, message: Message) -> None:
        self.heard = asyncio.get_running_loop().time()
        if message["id"] == 0:
            self.ready.set()
            return
        waiting = self.waiting.get(message["id"])
        if waiting is None:
            return
        waiting.begun = True
        if "progress" in message:
            waiting.advance(*message["progress"])
        elif not waiting.answer.done():
            self.deaths = 0
            if "fault" in message:
                waiting.answer.set_exception(SfumatoError(message["fault"]))
            else:
                waiting.answer.set_result(message["result"])

    def _lost(self, process: asyncio.subprocess.Process, code: int) -> None:
        if process is not self.process:
            return
        self.process, self._dying = None, False
        self._clear()
        self.ready.clear()
        self.deaths += 1
        if code:
            warn(f"studio: {self.kind} ended with {code} and is started anew when it is needed")
        for waiting in self.waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(Gone(f"{self.kind}: ended, and is started anew"))
        if not self.ready.is_set():  # whoever waits for it to come up
            self.ready.set()
            self.ready.clear()

    def kill(self, why: str = "") -> None:
        """Ends it at once."""
        if self.process is not None:
            if why:
                warn(f"studio: {self.kind} {why} and is started anew")
            self._dying = True
            with suppress(ProcessLookupError):
                self.process.kill()

    def _clear(self) -> None:
        if self.place is not None:
            self.place.cleanup()

    async def end(self) -> None:
        """For good."""
        self.deaths = RESTARTS + 1
        process, reader = self.process, self._reader
        self.process = None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._clear()
        if reader is not None:
            reader.cancel()
