"""What a page asks the server for: ids and numbers, never paths; what is refused is a line."""

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sfumato.errors import SfumatoError
from sfumato.runs.lock import owned
from sfumato.studio import app
from sfumato.studio.app import JOBS, Studio
from sfumato.studio.live import SOCKETS
from sfumato.studio.routes import application
from sfumato.studio.shelf import TRASH, id_of
from sfumato.studio.trainings import Training

from ..runs.test_manifest import OLD
from .test_uploads import NO_PICTURES, jpeg, png

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for a successor of httpx
    from starlette.testclient import TestClient

FORM = [{"name": "images", "default": 10}]
CATALOG = {
    "systems": {"stacked": {"name": "stacked", "presets": ["digits"], "fields": {"digits": FORM}}},
    "sources": [{"name": "digits", "fetched": False}, {"name": "mnist", "fetched": True}],
}


class Fake:
    """A child: it keeps what it is asked."""

    state, ready = "ready", True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.made: dict[str, Any] = {}

    async def ask(self, message: dict[str, Any], limit: float, advance: Any = None) -> Any:
        self.asked.append(message)
        match message["do"]:
            case "catalog":
                return CATALOG
            case "check":
                if message["system"] != "stacked":
                    raise SfumatoError("system: there is none of that name")
                return {"images": 4000, "batch_size": 16}
        return self.made

    async def end(self) -> None:
        pass


class Page:
    """The studio with its children faked, and a client of it."""

    def __init__(self, root: Path, data: Path | None = None, offline: bool = False) -> None:
        self.studio = Studio(root, data, offline=offline)
        self.moves, self.work = Fake(), Fake()
        self.studio.moves, self.studio.work = self.moves, self.work  # pyright: ignore[reportAttributeAccessIssue]
        self.client = TestClient(application(self.studio), raise_server_exceptions=True)

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, path: str, values: Any = None) -> Any:
        return self.client.post(path, content=json.dumps(values or {}))

    def line(self, response: Any, status: int = 422) -> str:
        assert response.status_code == status, response.text
        (line,) = response.json().values()
        assert line.isprintable()
        return line

    def hears(self, socket: Any, event: str) -> Any:
        while True:
            said = socket.receive_json()
            if said.get("event") == event:
                return said


@pytest.fixture
def root(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "a"
    shutil.copytree(OLD / "autoencoders", run)
    (run / "samples").mkdir()
    (run / "samples" / "000000000016.png").write_bytes(b"a picture")
    (run / "report.html").write_text("<script>1</script>")
    return tmp_path / "runs"


@pytest.fixture
def page(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A page of a studio that starts no training."""
    monkeypatch.setattr("sfumato.studio.trainings.Trainings.tend", lambda *_: None)
    made = Page(root)
    with made.client:
        yield made


A = id_of("a")


def test_runs_are_listed_without_paths(page: Page, root: Path) -> None:
    time.sleep(0)
    with page.client.websocket_connect("/live") as socket:
        rows = page.hears(socket, "runs")["runs"]
        while all(row["id"] != A for row in rows):
            rows = page.hears(socket, "runs")["runs"]
    rows = page.get("/api/runs").json()
    row = next(row for row in rows if row["id"] == A)
    assert row["state"] == "stopped"
    assert row["samples"] == [16]
    assert {row["id"] for row in rows if row["shipped"]} == {f"shipped-{path.name}" for path in app.models()}
    assert str(root) not in page.get("/api/runs").text


def test_a_run_is_told_with_its_pictures_and_its_report(page: Page) -> None:
    said = page.get(f"/api/runs/{A}").json()
    assert (said["seed"], said["report"]) == (0, True)
    assert page.get(f"/api/runs/{A}/samples/16").content == b"a picture"
    report = page.get(f"/api/runs/{A}/report")
    assert report.headers["content-security-policy"] == "sandbox allow-scripts"
    assert report.headers["content-type"].startswith("text/html")
    for path in app.models():
        assert page.get(f"/api/runs/shipped-{path.name}").status_code == 200
        assert (
            page.get(f"/api/models/{path.name}/model.safetensors").content == (path / "model.safetensors").read_bytes()
        )


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/x", "/api/runs/..", "/api/runs/shipped-", "/api/runs/shipped-..", "/api/runs/shipped-x",
        f"/api/runs/{A}/samples/17", f"/api/runs/{A}/samples/-1", f"/api/runs/{A}/samples/x", "/api/pictures/x",
        f"/api/runs/{A}/samples/" + "9" * 5000, f"/api/runs/{A}/samples/1.0", f"/api/runs/{A}/samples/%D9%A3",
        f"/api/runs/{A}/samples/..%2F..%2Fconfig.json", f"/api/runs/{A}/..%2Fa", "/api/models/plane/card.md",
        "/api/models/plane/..%2Fplane%2Fconfig.json", "/api/models/..%2Fstudio/config.json",
        "/api/models/x/config.json",
        "/api/systems/stacked/x/fields", "/api/systems/x/digits/fields", "/%2e%2e/app.py", "/..%2fapp.py", "/a%00b",
        "/..%5capp.py", "/%2fetc%2fpasswd", "/static/../app.py", "/x" * 3000, "/%ff", "/api", "/api/", "//api/state",
    ],
)  # fmt: skip
def test_nothing_else_is_there(page: Page, path: str) -> None:
    response = page.get(path)
    assert response.status_code in (404, 422)
    assert "import" not in response.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(page: Page, method: str) -> None:
    for path in ("/", "/studio.js", "/api/state", "/api/runs", f"/api/runs/{A}/stop"):
        assert page.client.request(method, path).status_code == 405


def test_heads_and_ranges_are_harmless(page: Page) -> None:
    assert page.client.head("/api/state").content == b""
    whole = page.get("/studio.js").content
    for asked in (
        "bytes=0-3",
        "bytes=0-0," * 500 + "1-1",
        "bytes=-0",
        "bytes=5-1",
        "bytes=99999999999-",
        "x=1",
        "bytes=a-b",
    ):
        response = page.client.get("/studio.js", headers={"range": asked})
        assert response.status_code in (200, 206, 400, 416)
        assert len(response.content) <= len(whole) + 100_000


NO_OBJECTS = [b"", b"x", b"[]", b"3", b'"a"', b"null", b"{", b"[" * 500_000, b'{"a":' * 100_000, b"\xff\xfe",
              b'{"a": NaN}',
              b'{"a": "\\ud800"}', b'{"a": ' + b"9" * 5000 + b"}", b"{}" * 2, b'{"a": 1e999}']  # fmt: skip


@pytest.mark.parametrize("content", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_a_body_that_is_no_object_is_refused(page: Page, content: bytes) -> None:
    for path in ("/api/runs", "/api/work", "/api/examples", f"/api/runs/{A}/resume"):
        assert page.line(page.client.post(path, content=content)).startswith("body: ")
    assert "more than 1 MB" in page.line(page.client.post("/api/runs", content=b" " * (2**20 + 1)))


def test_a_form_becomes_a_training(page: Page, root: Path) -> None:
    values = {"system": "stacked", "preset": "digits", "name": "neu", "data": ["digits"], "fields": {"images": 4000}}
    response = page.post("/api/runs", values)
    assert (response.status_code, response.json()) == (201, {"id": id_of("neu")})
    (training,) = page.studio.trainings.queue
    assert training.command[3:] == [
        "train", "stacked:digits", f"--run={root / 'neu'}", "--log-every=20", "--data=digits", "--images=4000",
    ]  # fmt: skip
    row = next(row for row in page.get("/api/runs").json() if row["id"] == id_of("neu"))
    assert (row["state"], row["system"]) == ("queued", "stacked")
    assert "in the queue" in page.line(page.post("/api/runs", values))
    assert "in the queue" in page.line(page.client.delete(f"/api/runs/{id_of('neu')}"))
    assert page.post(f"/api/runs/{id_of('neu')}/stop").status_code == 200
    assert not page.studio.trainings.queue
    assert not (root / "neu").exists()


@pytest.mark.parametrize(
    "values",
    [
        {"name": "../x"}, {"name": "-x"}, {"name": "a"}, {"name": 3}, {"name": ["x"]}, {"name": None}, {"system": 3},
        {"preset": {}}, {"fields": []}, {"fields": "x"}, {"data": "digits"}, {"data": [3]}, {"data": ["x"]},
        {"data": ["/etc"]}, {"data": ["./x"]}, {"data": ["digits"] * 3}, {"data": {}}, {"system": "x"},
    ],
)  # fmt: skip
def test_a_bad_form_becomes_none(page: Page, root: Path, values: dict[str, Any]) -> None:
    form = {"system": "stacked", "preset": "digits", "name": "neu", "data": ["digits"], "fields": {}}
    page.line(page.post("/api/runs", {**form, **values}))
    assert not page.studio.trainings.queue
    assert sorted(path.name for path in root.iterdir()) == ["a"]


def test_data_lie_under_one_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfumato.studio.trainings.Trainings.tend", lambda *_: None)
    data = tmp_path / "data"
    for name in ("cats", ".hidden", os.fsdecode(b"\xff\xfe"), "a\nb"):
        (data / name).mkdir(parents=True)
    for name in ("dogs.zip", "notes.txt", "x.TAR"):
        (data / name).touch()
    (data / "link").symlink_to("/etc")
    page = Page(root, data, offline=True)
    with page.client:
        while not page.studio.catalog:
            page.get("/api/state")
        names = [row["name"] for row in page.get("/api/data").json()]
        assert sorted(names) == ["./%FF%FE", "./a%0Ab", "./cats", "./dogs.zip", "./x.TAR", "digits", "mnist"]
        assert str(tmp_path) not in page.get("/api/data").text
        assert page.studio.data_named(["./cats", "./%FF%FE"]) == [
            str(data / "cats"),
            str(data / os.fsdecode(b"\xff\xfe")),
        ]
        for name in ("./link", "./notes.txt", "./.hidden", "./../runs", str(data / "cats")):
            with pytest.raises(SfumatoError):
                page.studio.data_named([name])
        with pytest.raises(SfumatoError, match="--offline"):
            page.studio.data_named(["mnist"])


@pytest.mark.parametrize("images", [0, -1, 1.5, True, "x", [3], {}])
def test_a_resume_owes_a_number(page: Page, images: object) -> None:
    assert "must be a whole number" in page.line(page.post(f"/api/runs/{A}/resume", {"images": images}))
    assert not page.studio.trainings.queue


@pytest.mark.parametrize(
    "odd", [{"images": "many"}, {"images": [], "batch_size": {}}, {"batch_size": -1}, {}, {"images": 10**30}]
)
def test_a_run_with_odd_fields_is_told_and_resumed(page: Page, root: Path, odd: dict[str, Any]) -> None:
    """Whether they can be trained on says `sfumato resume`."""
    path = root / "a" / "config.json"
    values = json.loads(path.read_text())
    values["config"] = odd
    path.write_text(json.dumps(values))
    assert page.get(f"/api/runs/{A}").status_code in (200, 422)
    assert page.post(f"/api/runs/{A}/resume").status_code in (200, 422)
    assert page.get("/api/runs").status_code == 200


def test_what_is_queued_or_trained_is_not_deleted(page: Page, root: Path) -> None:
    assert page.post(f"/api/runs/{A}/resume", {"images": 10**9}).status_code == 200
    assert "in the queue" in page.line(page.client.delete(f"/api/runs/{A}"))
    assert page.post(f"/api/runs/{A}/kill").status_code == 200
    with owned(root / "a"):
        assert "in use" in page.line(page.client.delete(f"/api/runs/{A}"))
    assert page.client.post(f"/api/runs/{A}/other").status_code == 405
    assert page.client.delete(f"/api/runs/{A}").status_code == 200
    assert not (root / "a").exists()
    page.line(page.client.delete(f"/api/runs/{A}"))
    assert page.post(f"/api/runs/{A}/restore").status_code == 200
    assert (root / "a").is_dir()
    assert not list((root / TRASH).iterdir())
    page.line(page.post(f"/api/runs/{A}/restore"))


def test_one_that_failed_before_it_had_a_folder_can_be_dismissed(page: Page, root: Path) -> None:
    run = root / "neu"
    page.studio.trainings.begun[run] = Training(run, ["", "", "", "train", "stacked:digits"], root / "no.log")
    row = next(row for row in page.get("/api/runs").json() if row["id"] == id_of("neu"))
    assert (row["state"], row["fault"]) == ("failed", "ended without a word")
    assert page.client.delete(f"/api/runs/{id_of('neu')}").status_code == 200
    assert all(row["id"] != id_of("neu") for row in page.get("/api/runs").json())


def test_links_in_a_run_are_not_followed(page: Page, root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    run = root / "a"
    for place in (run / "report.html", run / "samples" / "000000000016.png"):
        place.unlink()
        place.symlink_to(secret)
    assert page.get(f"/api/runs/{A}/report").status_code == 404
    assert page.get(f"/api/runs/{A}/samples/16").status_code == 404
    shutil.rmtree(run / "samples")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "000000000016.png").write_text("a secret")
    (run / "samples").symlink_to(tmp_path / "elsewhere")
    assert page.get(f"/api/runs/{A}/samples/16").status_code == 404
    for name in ("config.json", "evaluation.json", "plane.json", "measures.jsonl"):
        kept = (run / name).read_bytes() if (run / name).is_file() else None
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(secret)
        for response in (page.get(f"/api/runs/{A}"), page.post(f"/api/runs/{A}/resume")):
            assert "a secret" not in response.text
            assert "link" in page.line(response)
        with pytest.raises(SfumatoError, match="link"):
            page.studio.place(A)
        (run / name).unlink()
        if kept is not None:
            (run / name).write_bytes(kept)
    os.mkfifo(run / "report.html.part")
    (run / "report.html").unlink()
    (run / "report.html.part").rename(run / "report.html")
    assert page.get(f"/api/runs/{A}/report").status_code == 404


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_an_upload_that_is_no_picture_is_refused(page: Page, content: bytes) -> None:
    page.line(page.client.post("/api/pictures", content=content))
    assert not page.studio.pictures._kept


def test_an_upload_comes_back_as_bytes_that_nobody_runs(page: Page) -> None:
    said = page.client.post("/api/pictures", content=jpeg(40, 20)).json()
    assert (said["width"], said["height"]) == (40, 20)
    for address in (f"/api/pictures/{said['id']}", f"/api/pictures/{said['id']}?save=%0d%0aset-cookie:x=1"):
        response = page.get(address)
        assert response.content == jpeg(40, 20)
        assert response.headers["content-type"] == "application/octet-stream"
        assert "set-cookie" not in response.headers
    assert response.headers["content-disposition"] == 'attachment; filename="sfumato.png"'
    assert "more than 32 MB" in page.line(page.client.post("/api/pictures", content=iter([bytes(2**20)] * 40)))
    assert page.get("/api/state").status_code == 200


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_clip_is_judged_by_who_reads_it_and_read_as_nothing_else(page: Page) -> None:
    """Else a bomb would come in by that way."""
    bomb = png(13_000, 13_000)
    page.line(page.client.post("/api/pictures", content=bomb))
    name = page.client.post("/api/pictures?clip", content=bomb).json()["id"]
    given = page.studio.pictures.keep(jpeg(), 40, 20)
    for work in (
        {"do": "stylize", "content": name, "styles": [given]},
        {"do": "stylize", "content": given, "styles": [name]},
        {"do": "restyle_clip", "content": name, "styles": [given], "masks": [name]},
        {"do": "predict", "content": name, "run": "shipped-plane"},
    ):
        assert page.line(page.post("/api/work", work)) == "picture: was given as a clip"
    assert page.post("/api/work", {"do": "restyle_clip", "content": name, "styles": [given]}).status_code == 202
    while not page.work.asked:
        page.get("/api/state")
    assert page.work.asked == [{"do": "restyle_clip", "content": bomb, "styles": [jpeg()]}]


def test_moves_name_runs_by_ids(page: Page, root: Path) -> None:
    page.moves.made = {"x": 1.0, "bytes": b"\x00"}
    (name,) = [page.studio.pictures.keep(b"a picture", 1, 1)]
    given = page.studio.pictures.keep(jpeg(), 40, 20)
    bad: list[dict[str, Any]] = [
        {"do": "decode"}, {"do": "decode", "run": 3}, {"do": "decode", "run": ["a"]}, {"do": "decode", "run": {}},
        {"do": "decode", "run": "../a"}, {"do": "decode", "run": str(root / "a")}, {"do": "decode",
        "path": str(root / "a")},
        {"do": "catalog", "run": A}, {"do": "check", "run": A}, {"do": ["decode"], "run": A}, {"run": A}, {"do": {}},
        {"do": "encode", "run": A, "name": "x"}, {"do": "encode", "run": A, "name": []}, {"do": "stylize", "run": A},
        {"do": "preview", "content": "x"}, {"do": "preview", "content": given, "styles": [given] * 9},
        {"do": "preview", "content": given, "run": "x"}, {"do": "preview", "options": {"run": "/etc"}},
        {"do": "preview", "options": {"weights_file": "/etc/passwd"}}, {"do": "preview", "options": [1]},
    ]  # fmt: skip
    with page.client.websocket_connect("/live") as socket:
        for said in bad:
            socket.send_json({"canvas": "a", **said})
            while "fault" not in (told := socket.receive_json()):
                pass
        socket.send_json({"canvas": "a", "do": "decode", "run": A, "x": 1, "path": "/etc"})
        while not socket.receive().get("bytes"):
            pass
        socket.send_json({"canvas": "a", "do": "encode", "run": A, "name": name, "content": "x"})
        while not socket.receive().get("bytes"):
            pass
    asked = [message for message in page.moves.asked if message["do"] != "catalog"]
    assert asked == [
        {"do": "decode", "path": str(root / "a"), "x": 1},
        {"do": "encode", "path": str(root / "a"), "name": name, "content": b"a picture"},
    ]
    assert told["fault"].startswith("options")
    assert not page.work.asked


def test_works_name_pictures_and_runs_by_ids(page: Page, root: Path) -> None:
    page.work.made = {"bytes": b"made", "width": 3, "height": 2, "words": ["a"]}
    given = page.studio.pictures.keep(jpeg(), 40, 20)
    for bad in (
        {"do": "catalog"}, {"do": ["stylize"]}, {}, {"do": "predict", "content": given}, {"do": "predict",
        "path": "/etc"},
        {"do": "predict", "content": given, "path": str(root / "a")}, {"do": "translate", "run": {}, "content": given},
        {"do": "stylize", "content": given, "options": {"run": "/x"}}, {"do": "stylize", "content": 3},
    ):  # fmt: skip
        page.line(page.post("/api/work", bad))
    assert not page.work.asked
    with page.client.websocket_connect("/live") as socket:
        name = page.post("/api/work", {"do": "predict", "run": A, "content": given, "path": "/etc"}).json()["id"]
        while (said := page.hears(socket, "work"))["state"] != "done":
            assert said["id"] == name
    assert page.work.asked == [{"do": "predict", "content": jpeg(), "path": str(root / "a")}]
    with page.client.websocket_connect("/live") as socket:  # whoever was away hears how it ended
        assert page.hears(socket, "work") == said
    made = page.get(f"/api/pictures/{said['result']['bytes']}")
    assert (made.content, made.headers["content-type"]) == (b"made", "image/png")
    assert said["result"]["words"] == ["a"]
    page.line(page.client.delete("/api/work/x"))
    assert page.client.delete(f"/api/work/{name}").status_code == 200


def test_works_wait_in_a_short_queue(page: Page) -> None:
    import asyncio

    gate = asyncio.Event()

    async def ask(*_: Any) -> Any:
        await gate.wait()
        return {}

    page.work.ask = ask  # pyright: ignore[reportAttributeAccessIssue]
    given = page.studio.pictures.keep(jpeg(), 40, 20)
    work = {"do": "stylize", "content": given, "styles": [given]}
    names = [page.post("/api/work", work).json()["id"] for _ in range(JOBS)]
    assert f"{JOBS} pictures are waiting already" in page.line(page.post("/api/work", work))
    for name in (names[-1], names[0]):
        assert page.client.delete(f"/api/work/{name}").status_code == 200
        while page.studio.jobs[name].state != "cancelled":
            page.get("/api/state")
    names.append(page.post("/api/work", work).json()["id"])
    page.client.portal.call(gate.set)  # pyright: ignore[reportOptionalMemberAccess]
    while page.studio.jobs[names[-1]].state != "done":
        page.get("/api/state")
    assert [job.state for job in page.studio.jobs.values()].count("done") == JOBS - 1
    for _ in range(6 * JOBS):
        name = page.post("/api/work", work).json()["id"]
        while page.studio.jobs[name].state != "done":
            page.get("/api/state")
    assert len(page.studio.jobs) <= 4 * JOBS


def test_the_ninth_page_is_refused_with_a_line(page: Page) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        sockets = [stack.enter_context(page.client.websocket_connect("/live")) for _ in range(SOCKETS)]
        for socket in sockets:
            assert page.hears(socket, "state")["version"]
        with page.client.websocket_connect("/live") as ninth:
            assert ninth.receive_json() == {"fault": f"{SOCKETS} pages are open already: close one"}
            assert ninth.receive()["code"] == 1013
        sockets[0].close()
        while len(page.studio.clients) == SOCKETS:
            page.get("/api/state")
        with page.client.websocket_connect("/live") as again:
            assert page.hears(again, "runs")


def test_a_page_hears_of_rows_and_not_of_those_behind_links(page: Page, root: Path, tmp_path: Path) -> None:
    with page.client.websocket_connect("/live") as socket:
        (root / "a" / "metrics.jsonl").write_text('{"images": 1, "epoch": 1, "seconds": 1.0, "loss": 0.5}\n')
        socket.send_json({"watch": [A, "x", "../a"]})
        assert page.hears(socket, "rows")["rows"][0]["loss"] == 0.5
        (root / "a").rename(tmp_path / "outside")
        (root / "a").symlink_to(tmp_path / "outside")
        (tmp_path / "outside" / "metrics.jsonl").write_text('{"images": 2, "epoch": 1, "seconds": 1.0, "loss": 0.25}\n')
        while any(row["id"] == A for row in page.hears(socket, "runs")["runs"]):
            pass
        client = next(iter(page.studio.clients))
        page.client.portal.call(page.studio._tell_rows, client)  # pyright: ignore[reportOptionalMemberAccess]
        page.client.portal.call(client.send, {"event": "end"})  # pyright: ignore[reportOptionalMemberAccess]
        while (said := socket.receive_json())["event"] != "end":
            assert said["event"] != "rows"


def test_a_bug_on_the_way_does_not_end_the_looking(page: Page, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with page.client.websocket_connect("/live") as socket:
        page.hears(socket, "runs")
        with monkeypatch.context() as patch:
            patch.setattr(app.Studio, "rows", lambda _: 1 / 0)
            time.sleep(0.6)
        (root / "a").rename(root / "b")
        while all(row["name"] != "b" for row in page.hears(socket, "runs")["runs"]):
            pass
