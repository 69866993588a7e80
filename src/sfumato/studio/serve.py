"""`sfumato studio`: listens on the loopback, prints one address, and opens it. Imports no torch."""

import asyncio
import socket
import webbrowser
from pathlib import Path

import uvicorn

from ..errors import SfumatoError
from ..files import in_words, make_folder
from ..terminal import tell, warn
from .app import Studio, application
from .guard import Guard

BODY = 2**20  # bytes of a message on a socket
USUAL = 8765  # the port, if it is free
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WAIT = 1  # seconds that open requests are given at the end


def serve(
    runs: Path, data: Path | None = None, host: str = "127.0.0.1", port: int | None = None, names: tuple[str, ...] = (),
    device: str = "auto", offline: bool = False, show: bool = True,
) -> None:  # fmt: skip
    """Until it is interrupted. `port`: by default the usual one, or any if that is taken; 0, any. `names`: other
    names that the page is reached by. Raises SfumatoError if it cannot listen, or a folder cannot be."""
    if data is not None and not data.is_dir():
        raise SfumatoError(f"{data}: not a folder")
    make_folder(runs)
    listening = _listen(host, port)
    number = listening.getsockname()[1]
    studio = Studio(runs, data, device, offline)
    guard = Guard(application(studio), number, (*names, *(() if host in LOOPBACK else (host,))))
    if host not in LOOPBACK:
        warn(f"studio: listens on {host}: whoever reaches this machine and has the address below can use it")
    shown = f"[{host}]" if ":" in host else host
    tell(f"http://{shown}:{number}/#token={guard.token}")
    if show:
        webbrowser.open(f"http://{shown}:{number}/#token={guard.once}")
    config = uvicorn.Config(
        guard, ws="websockets-sansio", ws_max_size=BODY, ws_per_message_deflate=False, log_level="warning",
        server_header=False, access_log=False, timeout_graceful_shutdown=WAIT, timeout_keep_alive=30, lifespan="on",
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
        listening.listen()  # whoever has read the address may come
    except OSError as error:
        listening.close()
        if port is None:
            return _listen(host, 0)
        raise SfumatoError(f"port {port}: cannot be listened on at {host} ({in_words(error)})") from None
    return listening
