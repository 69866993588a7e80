"""`sfumato studio`: listens on the loopback, prints one address, and opens it. Imports no torch."""

import asyncio
import os
import socket
import warnings
import webbrowser
from pathlib import Path

import h11
import uvicorn
from PIL import Image
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..cache import OFFLINE
from ..errors import SfumatoError
from ..files import in_words, make_folder
from ..terminal import tell, warn
from .app import Studio
from .guard import Guard
from .routes import SLOW, application

BODY = 2**20  # bytes of a message on a socket
USUAL = 8765  # the port, if it is free
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKLOG = 2048  # who may wait to be let in
WAIT = 1  # seconds that open requests are given at the end


class Patient(H11Protocol):
    """Ends a connection on which the head of a request does not come whole within SLOW seconds."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect()
        else:
            self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(SLOW, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def serve(
    runs: Path, data: Path | None = None, host: str = "127.0.0.1", port: int | None = None, names: tuple[str, ...] = (),
    offline: bool = False, show: bool = True,
) -> None:  # fmt: skip
    """Until it is interrupted. `port`: by default the usual one, or any if that is taken; 0, any. `names`: other
    names that the page is reached by. Raises SfumatoError if it cannot listen, or a folder cannot be."""
    if data is not None and not data.is_dir():
        raise SfumatoError(f"{data}: not a folder")
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # what is too large is refused by us
    make_folder(runs)
    listening = _listen(host, port)
    number = listening.getsockname()[1]
    if offline:
        os.environ[OFFLINE] = "1"  # for the children and the trainings too
    studio = Studio(runs, data, offline)
    shown = f"[{host}]" if ":" in host else host
    guard = Guard(application(studio), number, (*names, shown))
    if host not in LOOPBACK:
        warn(f"studio: listens on {host}: whoever reaches this machine and has the address below can use it")
    tell(f"http://{shown}:{number}/#token={guard.token}")
    if show:
        webbrowser.open(f"http://{shown}:{number}/#token={guard.once}")
    config = uvicorn.Config(
        guard, http=Patient, ws="websockets-sansio", ws_max_size=BODY, ws_per_message_deflate=False,
        log_level="warning", server_header=False, access_log=False, timeout_graceful_shutdown=WAIT,
        timeout_keep_alive=30, lifespan="on",
    )  # fmt: skip
    try:
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))
    finally:
        for training in studio.trainings.left():
            assert training.process
            tell(f"{training.run.name} goes on; to stop it: kill {training.process.pid}")
        for training in studio.trainings.queue:
            tell(f"{training.run.name} had not begun")


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, USUAL if port is None else port))
        listening.listen(BACKLOG)  # from now on nobody else has the port, and whoever has read the address may come
    except OverflowError:
        listening.close()
        raise SfumatoError(f"port {port}: must lie between 0 and 65535") from None
    except OSError as error:
        listening.close()
        if port is None:
            return _listen(host, 0)
        raise SfumatoError(f"port {port}: cannot be listened on at {host} ({in_words(error)})") from None
    return listening
