"""A studio that was started as people start it, and what it is asked over the wire."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE = 240.0  # seconds, for what takes few
Answer = tuple[int, dict[str, str], bytes]


def until(true: Callable[[], object], what: str = "it", seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"{what} did not come about"
        time.sleep(0.05)


class Server:
    """`sfumato studio` on a folder of runs, logged in."""

    def __init__(self, runs: Path, *words: str) -> None:
        self.said = runs.parent / f"{runs.name}-said.txt"
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sfumato", "studio", "--no-open", "--port", "0", "--runs", str(runs), *words],
                stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        assert self.process.stdout
        address, _, self.token = self.process.stdout.readline().strip().partition("/#token=")
        assert self.token, self.said.read_text()
        self.host = address.removeprefix("http://")
        self.port = int(self.host.rpartition(":")[2])
        status, headers, _ = self.ask("POST", "/api/login", headers={"x-sfumato-token": self.token}, cookie="")
        assert status == 204
        self.cookie = headers["set-cookie"].partition(";")[0]

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None,
        cookie: str | None = None,
    ) -> Answer:  # fmt: skip
        """As the page asks."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        own = {"origin": f"http://{self.host}", "x-sfumato": "1", "cookie": self.cookie if cookie is None else cookie}
        try:
            line.request(method, path, body, {**own, **(headers or {})})
            response = line.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            line.close()

    def get(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, values: Any = None) -> tuple[int, Any]:
        status, _, body = self.ask("POST", path, json.dumps(values or {}))
        return status, json.loads(body)

    def raw(self, content: bytes, seconds: float = 30.0) -> bytes:
        """What comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            line.sendall(content)
            parts = []
            try:
                while part := line.recv(2**16):
                    parts.append(part)
            except (TimeoutError, ConnectionResetError):
                pass
            return b"".join(parts)

    def live(self, **more: Any) -> AbstractContextManager[ClientConnection]:
        """A socket of its own."""
        headers = {"cookie": self.cookie}
        options = {"origin": f"http://{self.host}", "additional_headers": headers, "max_size": None, **more}
        return connect(f"ws://{self.host}/live", open_timeout=PATIENCE, **options)

    def ready(self) -> None:
        """Waits until it can compute."""
        until(lambda: self.get("/api/state")["ready"] == "ready", "the moves child")

    def rows(self) -> dict[str, dict[str, Any]]:
        """The runs by name, without what is shipped."""
        return {row["name"]: row for row in self.get("/api/runs") if not row["shipped"]}

    def stands(self, name: str, *states: str) -> Callable[[], bool]:
        return lambda: self.rows().get(name, {}).get("state") in states

    def family(self) -> list[int]:
        """The pids of the server and of its children."""
        found, parents = [self.process.pid], dict(_parents())
        for pid in sorted(parents):
            if parents[pid] in found:
                found.append(pid)
        return found

    def megabytes(self) -> float:
        """Resident, of all of them."""
        return sum(map(_megabytes, self.family()))

    def handles(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.communicate()


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue


def _megabytes(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


@contextmanager
def started(runs: Path, *words: str) -> Iterator[Server]:
    server = Server(runs, *words)
    try:
        yield server
    finally:
        server.end()
