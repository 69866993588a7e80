"""A studio that was started as people start it, attacked over the wire: nothing is read, written or shown that should
not be, it lives, and its memory stays."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sfumato.studio.guard import HEADERS
from sfumato.studio.live import SOCKETS
from sfumato.studio.shelf import TRASH, id_of

from ..runs.test_manifest import OLD
from .started import Server, started, until
from .test_uploads import NO_PICTURES, jpeg, png

pytestmark = pytest.mark.slow
GROWTH = 200.0  # MB, of the server and its children
EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202e"
SECRET = "a secret of this machine"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a run of an evil name and evil classes, and secrets around; its memory is measured at the end."""
    home = tmp_path_factory.mktemp("home")
    (home / "secret.txt").write_text(SECRET)
    for name in ("a", EVIL):
        shutil.copytree(OLD / "autoencoders", home / "runs" / name)
        (home / "runs" / name / "report.html").write_text("<script>document.title = 1</script>")
    path = home / "runs" / EVIL / "config.json"
    values = json.loads(path.read_text())
    values["data"]["classes"] = ["<script>alert(1)</script>", "\x00\u202e"]
    path.write_text(json.dumps(values))
    with started(home / "runs") as made:
        made.ready()
        until(lambda: "a" in made.rows())
        assert made.get("/api/examples")  # the other child is there too
        before = made.megabytes()
        yield made
        assert made.get("/api/state")["ready"] == "ready"
        assert made.megabytes() - before <= GROWTH
        assert "Traceback" not in made.said.read_text(), made.said.read_text()


def root_of(server: Server) -> Path:
    return Path(server.get("/api/state")["runs"])


def request(server: Server, first: str, *headers: str, body: str = "", seconds: float = 30.0) -> bytes:
    lines = [first, *headers, f"cookie: {server.cookie}", "connection: close", "", body]
    return server.raw("\r\n".join(lines).encode("latin-1"), seconds)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_rebound_name_is_refused(server: Server) -> None:
    origin = f"origin: http://{server.host}"
    for host in ("evil.example", f"127.0.0.1:{server.port}.evil.example", "127.0.0.1", f"evil.example:{server.port}"):
        for first in (
            "GET / HTTP/1.1",
            "GET /api/state HTTP/1.1",
            "POST /api/runs HTTP/1.1",
            "HEAD /studio.js HTTP/1.1",
        ):
            answer = request(server, first, f"host: {host}", origin, "x-sfumato: 1", "content-length: 0")
            assert status_of(answer) == 403, (host, first)
            for name, value in HEADERS.items():
                assert f"{name}: {value}".encode() in answer
    assert status_of(request(server, "GET /api/state HTTP/1.1", f"host: {server.host}")) == 200
    assert status_of(request(server, f"GET http://{server.host}/api/state HTTP/1.1", "host: evil.example")) == 403
    assert status_of(request(server, "GET /api/state HTTP/1.0")) == 403
    assert status_of(request(server, "GET /api/state HTTP/1.1")) in (400, 403)
    both = request(server, "GET /api/state HTTP/1.1", f"host: {server.host}", "host: evil.example")
    assert status_of(both) in (400, 403)


def test_another_sites_page_can_change_nothing(server: Server) -> None:
    name = id_of("a")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://{server.host}"):
        for method, path in (
            ("POST", f"/api/runs/{name}/resume"),
            ("DELETE", f"/api/runs/{name}"),
            ("GET", "/api/runs"),
        ):
            assert server.ask(method, path, headers={"origin": origin})[0] == 403
        with pytest.raises(InvalidStatus, match="403"):
            server.live(origin=origin).__enter__()
    with pytest.raises(InvalidStatus, match="403"):
        server.live(origin=None).__enter__()
    with pytest.raises(InvalidStatus, match="403"):
        server.live(additional_headers={}).__enter__()
    assert server.ask("DELETE", f"/api/runs/{name}", headers={"x-sfumato": "0"})[0] == 403
    assert server.ask("DELETE", f"/api/runs/{name}", cookie="")[0] == 403
    assert server.ask("DELETE", f"/api/runs/{name}", headers={"sec-fetch-site": "cross-site"})[0] == 403
    assert server.ask("POST", "/api/login", headers={"x-sfumato-token": "x"}, cookie="")[0] == 403
    assert "a" in server.rows()


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/../../../../../../etc/passwd", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/..%5csecret.txt",
     "/..\\secret.txt", "/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/%252e%252e%252fsecret.txt", "/studio.js%00.txt", "/%00",
     "/api/runs/..%2f..%2fsecret.txt", "/api/runs/%2e%2e/report",
     f"/api/runs/{id_of('a')}/samples/..%2f..%2fconfig.json",
     f"/api/runs/{id_of('a')}/report/../../secret.txt", "/api/models/plane/..%2f..%2f..%2fREADME.md", "//etc/passwd",
     "/file:///etc/passwd", "/api/pictures/..%2fx", "/%c0%ae%c0%ae/secret.txt", "/static/%2e%2e/%2e%2e/app.py",
     "/app.py",
     "/?file=../secret.txt&path=/etc/passwd", "/api/state?" + "a" * 20_000, "/%", "/%zz", "*", "secret.txt"],
)  # fmt: skip
def test_no_path_leads_out(server: Server, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
        answer = request(
            server, f"{method} {path} HTTP/1.1", f"host: {server.host}", f"origin: http://{server.host}",
            "x-sfumato: 1",
            "content-length: 0",
        )  # fmt: skip
        assert SECRET.encode() not in answer
        assert b"root:" not in answer
        assert b"import " not in answer.partition(b"\r\n\r\n")[2][:2000]
        assert status_of(answer) < 500


def test_names_that_are_scripts_are_shown_as_text(server: Server) -> None:
    rows = server.get("/api/runs")
    row = next(row for row in rows if row["name"].startswith("<img"))
    assert row["name"] == "<img src=x onerror=alert(1)>%1B[2J%E2%80%AE"
    assert row["classes"] == ["<script>alert(1)</script>", "%00%E2%80%AE"]
    status, headers, body = server.ask("GET", "/api/runs")
    assert (status, headers["content-type"], headers["x-content-type-options"]) == (200, "application/json", "nosniff")
    assert body.decode().isprintable()
    status, headers, body = server.ask("GET", f"/api/runs/{row['id']}/report")
    assert (status, headers["content-security-policy"]) == (200, "sandbox allow-scripts")
    assert b"<script>" in body
    with server.live() as socket:
        assert socket.recv(30).isprintable()  # pyright: ignore[reportAttributeAccessIssue]


def test_bombs_and_what_is_no_picture_are_refused_at_once(server: Server) -> None:
    bomb, before = png(13_000, 13_000), server.megabytes()
    for content in (bomb, *NO_PICTURES.values(), png(60_000, 60_000), png(2**31 - 1, 1), jpeg()[:-200]):
        status, _, body = server.ask("POST", "/api/pictures", content)
        assert status == 422, content[:20]
        assert json.loads(body)["line"]
    assert server.megabytes() - before < GROWTH / 4


def test_large_bodies_are_counted_whatever_they_say(server: Server) -> None:
    large, before = bytes(40 * 2**20), server.megabytes()

    def whole(_: int) -> int:
        return server.ask("POST", "/api/pictures", large)[0]

    def chunked(_: int) -> int:
        return server.ask("POST", "/api/pictures", iter([bytes(2**20)] * 40))[0]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(whole, range(8))) == {422}
        assert set(pool.map(chunked, range(4))) == {422}
    for path in ("/api/runs", "/api/work", "/api/examples"):
        assert server.ask("POST", path, bytes(2 * 2**20))[0] == 422
    assert server.megabytes() - before < GROWTH
    head = ("POST /api/pictures HTTP/1.1", f"host: {server.host}", f"origin: http://{server.host}", "x-sfumato: 1")
    for lie in ("content-length: 99999999999999", "content-length: -1", "content-length: x", "content-length: 5",
                "transfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 3",
                "content-length: " + "9" * 400):  # fmt: skip
        answer = request(server, *head, lie, body="x" * 100, seconds=1.0)
        assert answer == b"" or 400 <= status_of(answer) < 500
    assert server.get("/api/state")


def test_slow_bodies_hold_up_nobody(server: Server) -> None:
    head = (
        f"POST /api/pictures HTTP/1.1\r\nhost: {server.host}\r\norigin: http://{server.host}\r\nx-sfumato: 1\r\n"
        f"cookie: {server.cookie}\r\ncontent-length: 1000\r\n\r\n"
    ).encode()
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    halves = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for line in halves:
        line.sendall(head[:50])
    try:
        for line in lines:
            line.sendall(head)
        began = time.monotonic()
        answers: dict[int, bytes] = {}
        while len(answers) < len(lines) and time.monotonic() - began < 240:
            for number, line in enumerate(lines):
                if number in answers:
                    continue
                line.settimeout(0.01)
                try:
                    line.sendall(b"x")
                    if part := line.recv(2**16):
                        answers[number] = part
                except TimeoutError:
                    continue
                except OSError:
                    answers[number] = b""
            assert server.get("/api/state")  # meanwhile others are answered
        assert len(answers) == len(lines)
        assert all(answer == b"" or status_of(answer) == 408 for answer in answers.values())
        for line in halves:  # which never said what they want
            line.settimeout(60)
            assert line.recv(1) == b""
    finally:
        for line in (*lines, *halves):
            line.close()
    assert server.ask("POST", "/api/pictures", jpeg())[0] == 201


def test_a_thousand_at_once_are_answered(server: Server) -> None:
    before = server.megabytes()
    paths = ["/api/state", "/", "/api/runs", "/studio.js", "/api/runs/x", "/missing"]

    def ask(number: int) -> int:
        return server.ask("GET", paths[number % len(paths)])[0]

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(ask, range(1000)))
    assert set(statuses) == {200, 404, 422}
    assert statuses.count(200) >= 4 * 166
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(1000)]
    try:
        for line in lines:
            line.sendall(f"GET /api/state HTTP/1.1\r\nhost: {server.host}\r\n\r\n".encode())
        assert all(line.recv(12) == b"HTTP/1.1 403" for line in lines)
    finally:
        for line in lines:
            line.close()
    until(lambda: server.handles() < 100, "the end of their sockets", 60)
    assert server.megabytes() - before < GROWTH


def test_the_ninth_socket_is_refused_with_a_line(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(SOCKETS):
            heard(stack.enter_context(server.live()))
        with server.live() as ninth:
            assert json.loads(ninth.recv(30))["fault"].startswith(f"{SOCKETS} pages are open")
            ended(ninth)
    until(lambda: joins(server), "a free place")


@pytest.mark.parametrize("content", ["x" * (2**20 + 1), b"\x00\x01"], ids=["too large", "no text"])
def test_an_odd_frame_ends_its_socket_alone(server: Server, content: str | bytes) -> None:
    with server.live() as page, server.live() as other:
        heard(page)
        page.send(content)
        ended(page)
        for odd in ("[" * 900_000, '{"canvas": ["a"]}', "x", '{"canvas": "a", "do": "decode", "run": {}}'):
            other.send(odd)
        while "canvas" not in (said := json.loads(other.recv(30))):
            pass
        assert said["fault"] == "run: must be an id"


def heard(page: Any) -> None:
    assert json.loads(page.recv(30))["event"] == "state"


def ended(page: Any) -> None:
    """Reads what is left, and the end."""
    with suppress(ConnectionClosed):
        while True:
            page.recv(30)
    assert page.close_code not in (None, 1006)


def joins(server: Server) -> bool:
    with server.live() as page:
        return "fault" not in json.loads(page.recv(30))


def test_a_page_that_reads_nothing_holds_up_nobody(server: Server) -> None:
    plane = "shipped-plane"
    line = socket.create_connection(("127.0.0.1", server.port))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall((
        f"GET /live HTTP/1.1\r\nhost: {server.host}\r\norigin: http://{server.host}\r\ncookie: {server.cookie}\r\n"
        "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode())  # fmt: skip
    before = server.megabytes()
    for number in range(3000):  # pictures that nobody reads
        text = json.dumps({"canvas": str(number % 16), "do": "plane", "run": plane}).encode()
        line.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    with server.live() as other:
        other.send(json.dumps({"canvas": "a", "do": "decode", "run": plane, "x": 0, "y": 0}))
        until(lambda: isinstance(other.recv(60), bytes), "the answer of another page")
        (root_of(server) / "beside").mkdir()
        shutil.copy(OLD / "autoencoders" / "config.json", root_of(server) / "beside")
        until(lambda: "beside" in str(other.recv(60)), "the news of another page")
    shutil.rmtree(root_of(server) / "beside")
    line.close()
    assert server.megabytes() - before < GROWTH


def test_odd_moves_are_lines_and_leave_the_child_alone(server: Server) -> None:
    plane, digits, a = "shipped-plane", "shipped-digits", id_of("a")
    odd: list[dict[str, Any]] = [
        {"do": "decode", "run": plane}, {"do": "decode", "run": plane, "x": "1", "y": []}, {"do": "catalog",
        "run": plane},
        {"do": "decode", "run": digits, "x": 0, "y": 0}, {"do": "draw", "run": digits, "around": 10**6},
        {"do": "draw", "run": digits, "seed": 2**64 - 1}, {"do": "draw", "run": digits, "label": 10**6},
        {"do": "draw", "run": digits, "moves": ["x"] * 10**5}, {"do": "draw", "run": digits, "__class__": 1},
        {"do": "decode", "run": plane, "x": 0, "y": 0, "mix": [["x", 1]]}, {"do": "__import__", "run": plane},
        {"do": "encode", "run": plane, "name": "../x"}, {"do": "plane", "run": "../a"}, {"do": "plane", "run": "/etc"},
        {"do": "preview"}, {"do": "preview", "content": "x", "styles": ["x"] * 10**5},
        {"do": "about", "run": a, "advance": 3}, {"do": "about", "run": a, "cancel": 7},
    ]  # fmt: skip
    pids = server.family()
    with server.live() as page:
        for number, said in enumerate(odd):
            page.send(json.dumps({"canvas": "a", "seq": number, **said}))
            while True:
                told = page.recv(120)
                assert isinstance(told, str), said
                if json.loads(told).get("seq") == number:
                    break
            assert json.loads(told)["fault"], said
            assert "bug of ours" not in told, told
        page.send(json.dumps({"canvas": "a", "seq": "last", "do": "decode", "run": plane, "x": 1e308, "y": -1e308}))
        while not isinstance(page.recv(120), bytes):
            pass
    assert server.family() == pids


def test_a_run_that_becomes_a_link_shows_nothing(server: Server) -> None:
    root = root_of(server)
    outside = root.parent / "outside"
    shutil.copytree(OLD / "autoencoders", root / "swap")
    (root / "swap" / "report.html").write_text("inside")
    until(lambda: "swap" in server.rows())
    name = id_of("swap")
    assert server.ask("GET", f"/api/runs/{name}/report")[2] == b"inside"
    shutil.copytree(root / "swap", outside)
    (outside / "report.html").write_text(SECRET)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):  # it may lie in the trash
                (root / "swap").rename(root.parent / "aside")
                (root / "swap").symlink_to(outside)
                (root / "swap").unlink()
                (root.parent / "aside").rename(root / "swap")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = [server.ask("GET", f"/api/runs/{name}/report") for _ in range(500)]
        for _ in range(20):
            server.ask("DELETE", f"/api/runs/{name}")
            server.ask("POST", f"/api/runs/{name}/restore")
    finally:
        stop.set()
        thread.join()
    assert {status for status, _, _ in seen} <= {200, 404, 422}
    assert {body for status, _, body in seen if status == 200} == {b"inside"}
    assert (outside / "report.html").read_text() == SECRET
    for path in (root / "swap", root.parent / "aside"):
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(outside)


def test_of_many_who_delete_one_does_and_nothing_is_lost(server: Server) -> None:
    root = root_of(server)
    shutil.copytree(OLD / "autoencoders", root / "race")
    until(lambda: "race" in server.rows())
    name = id_of("race")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            statuses = list(pool.map(lambda _: server.ask("DELETE", f"/api/runs/{name}")[0], range(8)))
            assert sorted(statuses) == [200, *[422] * 7]
            statuses = list(pool.map(lambda _: server.ask("POST", f"/api/runs/{name}/restore")[0], range(8)))
            assert sorted(statuses) == [200, *[422] * 7]
    assert not list((root / TRASH).glob(f"{name}-*"))
    assert sorted(path.name for path in (root / "race").iterdir()) == sorted(
        path.name for path in (OLD / "autoencoders").iterdir()
    )


def test_what_is_about_to_be_trained_is_not_deleted(server: Server) -> None:
    form = {"system": "stacked", "preset": "digits", "name": "train", "data": ["digits"],
            "fields": {"images": 3200, "widths": [8], "batch_size": 16}}  # fmt: skip
    assert server.post("/api/runs", {**form, "fields": {"images": 10**30}})[0] == 422
    assert server.post("/api/runs", {**form, "fields": {"start": "/etc"}})[0] == 422
    assert server.post("/api/runs", {**form, "name": "../train"})[0] == 422
    assert server.post("/api/runs", form)[0] == 201
    name, refused = id_of("train"), 0
    while not server.stands("train", "finished", "failed")():
        status, _, body = server.ask("DELETE", f"/api/runs/{name}")
        if status == 200:  # just ended
            assert server.ask("POST", f"/api/runs/{name}/restore")[0] == 200
            break
        refused += 1
        assert json.loads(body)["line"]
        time.sleep(0.1)
    assert refused > 5
    until(server.stands("train", "finished"))
    assert server.post(f"/api/runs/{name}/resume", {"images": 10**30})[0] == 200
    until(server.stands("train", "failed"))
    assert "images" in server.rows()["train"]["fault"]
    assert server.ask("DELETE", f"/api/runs/{name}")[0] == 200
    assert not (root_of(server) / "train").exists()
