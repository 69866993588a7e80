"""The studio's server: the page, what it asks for, and who answers. Imports no torch."""

import asyncio
import mimetypes
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from ..errors import SfumatoError
from ..memory import exhausted
from ..runs.find import Found, check_files, look_at
from ..runs.folder import RunFolder
from ..runs.manifest import Manifest, whole_number
from ..strict import decode
from ..style.options import PATHS
from ..threads import usable_cores
from ..version import __version__
from ..visible import one_line
from .children import Child, Gone
from .frames import text_of
from .live import SOCKETS, Client
from .shelf import Shelf, Tail, id_of, said_of
from .trainings import ROWS, Trainings
from .uploads import CLIP, PNG, Bodies, Pictures, judged

STATIC = Path(__file__).parent / "static"
SHIPPED = Path(__file__).parent.parent / "weights" / "shipped" / "studio"
OURS = "shipped-"  # with which the ids of shipped models begin
MOVES = ("about", "plane", "decode", "encode", "draw", "findings")
WORK = ("stylize", "restyle_clip", "translate", "predict", "project")
MOVE_LIMIT, WORK_LIMIT = 60.0, 120.0  # seconds without a word
JOBS = 8  # that wait or are under way
LARGEST_JSON = 2**20  # bytes
SLOW = 20.0  # seconds that a body may take
PAUSE = 0.5  # seconds between two looks at the folder of runs
SANDBOX = "sandbox allow-scripts"
PREVIEW = 256  # pixels on the longer side
GIVEN = ("content", "styles", "masks")  # of a job: ids of pictures


@dataclass
class Job:
    """What the child `work` is to do."""

    name: str
    message: dict[str, Any]
    state: str = "waiting"
    done: int = 0
    total: int = 0
    fault: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    task: "asyncio.Task[None] | None" = None

    def said(self) -> dict[str, Any]:
        return {"event": "work", "id": self.name, "state": self.state, "done": self.done, "total": self.total,
                "fault": self.fault, "result": self.result}  # fmt: skip


class Studio:
    """`runs`: the folder that runs lie under. `data`: the folder whose content may be trained on, if any."""

    def __init__(self, runs: Path, data: Path | None = None, offline: bool = False) -> None:
        self.shelf = Shelf(runs)
        self.trainings = Trainings(self.shelf.root)
        self.data, self.offline = data.resolve() if data else None, offline
        self.pictures = Pictures()
        self.moves = Child("moves")
        self.work = Child("work", threads=max(1, usable_cores() - 1), nice=5)
        self.clients: set[Client] = set()
        self.jobs: dict[str, Job] = {}
        self.found: list[tuple[str, Found]] = []
        self.catalog: dict[str, Any] = {}
        self.bodies = Bodies()
        self._working = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._count = 0

    @asynccontextmanager
    async def life(self, _: Starlette) -> AsyncIterator[None]:
        self.shelf.tidy()
        for work in (self._prepare, self._look):
            self._background(work())
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.moves.end()
            await self.work.end()

    def _background(self, work: Any) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- what goes on by itself

    async def _prepare(self) -> None:
        """The moves child is started at once, and again if it dies: it knows the catalog."""
        while not self.catalog and self.moves.state != "failed":
            try:
                self.catalog = await self.moves.ask({"do": "catalog"}, MOVE_LIMIT)
            except Gone:
                await asyncio.sleep(PAUSE)
        await self.tell({"event": "state", **self.state()})

    async def _look(self) -> None:
        """Looks at the runs, starts what waits, and tells the pages what is new."""
        before = ""
        while True:
            try:
                self.found = await asyncio.to_thread(self.shelf.runs)
                self.trainings.tend([found for _, found in self.found])
                rows = self.rows()
                if (now := text_of(rows)) != before:
                    before = now
                    await self.tell({"event": "runs", "runs": rows})
                for client in list(self.clients):
                    await self._tell_rows(client)
            except (SfumatoError, OSError):
                pass
            except Exception:
                traceback.print_exc()  # a bug: it is said, and the rest goes on
            self.pictures.tidy()
            await asyncio.sleep(PAUSE)

    async def _tell_rows(self, client: Client) -> None:
        for name, tails in list(client.watched.items()):
            try:
                path = self.place(name)
            except SfumatoError:
                continue
            if tails is None:
                tails = client.watched[name] = (Tail(path / "metrics.jsonl"), Tail(path / "measures.jsonl"))
            rows, measures = [await asyncio.to_thread(tail.read) for tail in tails]
            if rows is not None or measures is not None:
                await client.send({"event": "rows", "run": name, "rows": rows, "measures": measures})

    async def tell(self, message: dict[str, Any]) -> None:
        await asyncio.gather(*(client.send(message) for client in list(self.clients)))

    # ---- what is asked

    def state(self) -> dict[str, Any]:
        waiting = "failed" if self.moves.state == "failed" else "starting"
        return {
            "version": __version__, "ready": "ready" if self.catalog else waiting, "offline": self.offline,
            "runs": one_line(str(self.shelf.root)), "data": one_line(str(self.data)) if self.data else "",
        }  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """Every run, and those that are none yet."""
        listed = []
        for name, found in self.found:
            state, why = self.trainings.state(found.path, found)
            listed.append({**said_of(name, found), "state": state, "fault": one_line(why), "shipped": False})
        for training in self.trainings.waiting():
            state, why = self.trainings.state(training.run, None)
            name = self.shelf.id(training.run)
            if all(name != row["id"] for row in listed):
                listed.append({"id": name, "name": training.run.name, "state": state, "fault": why, "images": 0,
                               "total": 0, "samples": [], "system": training.command[4].partition(":")[0],
                               "preset": "", "data": "", "classes": [], "shipped": False})  # fmt: skip
        return [*shipped(), *listed]

    def place(self, name: object) -> Path:
        """Of a run or a shipped model. Raises SfumatoError if there is none of that id, or it is made of links."""
        if not isinstance(name, str):
            raise SfumatoError("run: must be an id")
        if name.startswith(OURS):
            found = next((path for path in models() if OURS + path.name == name), None)
            if found is None:
                raise SfumatoError("run: there is none of that id")
            return found
        path = self.shelf.path(name)
        check_files(path)
        return path

    async def move(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What a page asks for at once."""
        asked = {name: value for name, value in said.items() if name not in ("seq", "canvas")}
        do = asked.get("do")
        if do == "preview":
            message = self.filled({**asked, "do": "stylize", "side": PREVIEW})
            return await self.work.ask(message, WORK_LIMIT)
        if do not in MOVES:
            raise SfumatoError(f"do: must be one of preview, {', '.join(MOVES)}")
        asked["path"] = str(self.place(asked.pop("run", None)))
        if do == "plane":
            asked["data_root"] = str(self.data or "")
        if do == "encode":
            asked["content"] = self.pictures.picture(asked.get("name"))
        return await self.moves.ask(asked, MOVE_LIMIT)

    def filled(self, message: dict[str, Any]) -> dict[str, Any]:
        """With the pictures in the place of their ids, and the run's path in that of its own."""
        for name in GIVEN:
            if name in message:
                value = message[name]
                if isinstance(value, list):
                    if len(value) > JOBS:
                        raise SfumatoError(f"{name}: {JOBS} at most")
                    message[name] = [self.pictures.picture(item) for item in value]
                elif name == "content" and message["do"] == "restyle_clip":
                    message[name] = self.pictures.content(value).content
                else:
                    message[name] = self.pictures.picture(value)
        run = message.pop("run", None)
        if message["do"] in ("stylize", "restyle_clip"):
            options = message.get("options") or {}
            if not isinstance(options, dict) or any(name in options for name in PATHS):
                raise SfumatoError("options: must be those of the method, without paths")
            if run:
                message["run"] = str(self.place(run))
        else:
            message["path"] = str(self.place(run))  # whatever a page calls a path is none
        return message

    async def do(self, job: Job) -> None:
        """One job, when those before are done."""
        try:
            async with self._working:
                job.state = "running"
                await self.tell(job.said())

                def advance(done: int, total: int) -> None:
                    job.done, job.total = done, total
                    self._background(self.tell(job.said()))

                made = await self.work.ask(job.message, WORK_LIMIT, advance)
            job.result = self._kept(made)
            job.state = "done"
        except SfumatoError as error:
            job.state, job.fault = "failed", str(error)
        except asyncio.CancelledError:
            job.state = "cancelled"
        job.message = {}
        await self.tell(job.said())

    def _kept(self, made: dict[str, Any]) -> dict[str, Any]:
        """With ids in the place of pictures."""
        size = made.get("width", 0), made.get("height", 0)
        return {
            name: self.pictures.keep(value, *size, CLIP if name == "clip" else PNG)
            if isinstance(value, bytes)
            else value
            for name, value in made.items()
        }

    def begin(self, message: dict[str, Any]) -> Job:
        """Raises SfumatoError if too many wait."""
        if message.get("do") not in WORK:
            raise SfumatoError(f"do: must be one of {', '.join(WORK)}")
        open_ = [job for job in self.jobs.values() if job.state in ("waiting", "running")]
        if len(open_) >= JOBS:
            raise SfumatoError(f"{JOBS} pictures are waiting already: let one end, or cancel one")
        self._count += 1
        job = Job(str(self._count), self.filled(message))
        self.jobs[job.name] = job
        for old in list(self.jobs)[: -4 * JOBS]:
            del self.jobs[old]
        job.task = self._background(self.do(job))
        return job

    def data_named(self, names: object) -> list[str]:
        """The words for `--data` of data that a page may name. Raises SfumatoError for others."""
        if not isinstance(names, list) or len(names) > 2 or not all(isinstance(name, str) for name in names):
            raise SfumatoError("data: must be one name, or two")
        there = {row["name"]: row for row in self.sources()}
        for name in names:
            if name not in there:
                raise SfumatoError(f"data {name[:100]!r}: is not in the list")
            if there[name]["fetched"] and self.offline:
                raise SfumatoError(f"data {name}: would be fetched, and the studio was started with --offline")
        return [there[name]["path"] or name for name in names]

    def sources(self) -> list[dict[str, Any]]:
        """Data that can be trained on: named ones, and what lies in the folder of data."""
        named = [{**row, "path": ""} for row in self.catalog.get("sources", [])]
        own = []
        if self.data is not None and self.data.is_dir():
            for path in sorted(self.data.iterdir()):
                fits = path.is_dir() or path.suffix.lower() in (".zip", ".tar")
                if fits and not path.name.startswith(".") and not path.is_symlink():
                    own.append({"name": f"./{one_line(path.name)}", "about": "", "fetched": False, "path": str(path)})
        return [*named, *own]


@cache
def models() -> list[Path]:
    return sorted(path.parent for path in SHIPPED.glob("*/config.json"))


@cache
def shipped() -> list[dict[str, Any]]:
    """The models that come with the package, as runs."""
    listed = []
    for path in models():
        said = said_of(OURS + path.name, look_at(path))
        listed.append({**said, "images": said["total"], "state": "finished", "shipped": True})
    return listed


def answer(values: Any, status: int = 200) -> Response:
    return Response(text_of(values), status, media_type="application/json")


def application(studio: Studio) -> Starlette:
    """The routes. What is refused is a line of text with 4xx."""

    def route(path: str, method: str, made: Callable[[Request], Awaitable[Response]]) -> Route:
        async def guarded(request: Request) -> Response:
            try:
                return await made(request)
            except SfumatoError as error:
                return answer({"line": str(error)}, 422)
            except ClientDisconnect:
                return PlainTextResponse("", 499)
            except TimeoutError:
                return answer({"line": f"body: did not come within {SLOW:.0f} seconds"}, 408)
            except OSError as error:
                return answer({"line": exhausted(error) or str(error.strerror)}, 500)

        return Route(path, guarded, methods=[method])

    async def body(request: Request) -> dict[str, Any]:
        content = await asyncio.wait_for(studio.bodies.read(request.stream(), LARGEST_JSON), SLOW)
        return decode(content, dict[str, Any], "body")

    async def state(request: Request) -> Response:
        return answer(studio.state())

    async def systems(request: Request) -> Response:
        if not studio.catalog:
            return answer({"line": "getting ready"}, 503)
        return answer({
            name: {key: value for key, value in row.items() if key != "fields"}
            for name, row in studio.catalog["systems"].items()
        })  # fmt: skip

    async def fields(request: Request) -> Response:
        row = studio.catalog.get("systems", {}).get(request.path_params["system"])
        if row is None or request.path_params["preset"] not in row["fields"]:
            raise SfumatoError("system: there is none of that name and preset")
        return answer(row["fields"][request.path_params["preset"]])

    async def data(request: Request) -> Response:
        return answer([{**row, "path": bool(row["path"])} for row in studio.sources()])

    async def runs(request: Request) -> Response:
        return answer(studio.rows())

    async def train(request: Request) -> Response:
        said = await body(request)
        system, preset, name = (said.get(key) for key in ("system", "preset", "name"))
        fields = said.get("fields", {})
        if not all(isinstance(value, str) for value in (system, preset, name)) or not isinstance(fields, dict):
            raise SfumatoError("run: system, preset and name are texts, fields an object")
        assert isinstance(name, str)
        assert isinstance(system, str)
        assert isinstance(preset, str)
        path, sources = studio.shelf.new(name), studio.data_named(said.get("data", []))
        known = await studio.moves.ask(
            {"do": "check", "system": system, "preset": preset, "fields": fields}, MOVE_LIMIT
        )
        every = max(known["batch_size"], known["images"] // ROWS)
        studio.trainings.train(path, system, preset, sources, fields, every)
        return answer({"id": id_of(name)}, 201)

    async def stop(request: Request) -> Response:
        path = waiting(request)
        found = next((found for _, found in studio.found if found.path == path), None)
        studio.trainings.stop(path, found.owner if found else "", request.url.path.endswith("/kill"))
        return answer({})

    def waiting(request: Request) -> Path:
        """Of a run, also one that has no folder yet."""
        name = request.path_params["run"]
        for training in studio.trainings.waiting():
            if studio.shelf.id(training.run) == name:
                return training.run
        return studio.shelf.path(name)

    async def resume(request: Request) -> Response:
        said, path = await body(request), studio.shelf.path(request.path_params["run"])
        images = said.get("images")
        if images is not None and (type(images) is not int or images < 1):
            raise SfumatoError(f"images {str(images)[:40]!r}: must be a whole number, 1 at least")
        config = (await readable(path)).config
        every = max(whole_number(config, "batch_size"), (images or whole_number(config, "images")) // ROWS, 1)
        studio.trainings.resume(path, images, every)
        return answer({})

    async def delete(request: Request) -> Response:
        path = waiting(request)
        if not studio.trainings.forget(path) or path.is_dir():
            await asyncio.to_thread(studio.shelf.delete, request.path_params["run"])
        return answer({})

    async def restore(request: Request) -> Response:
        await asyncio.to_thread(studio.shelf.restore, request.path_params["run"])
        return answer({})

    async def readable(path: Path) -> Manifest:
        """Of a run that is not broken."""
        found = await asyncio.to_thread(look_at, path)
        if found.manifest is None or found.fault:
            raise SfumatoError(found.fault)
        return found.manifest

    async def details(request: Request) -> Response:
        path = studio.place(request.path_params["run"])
        folder = RunFolder(path)
        manifest = await readable(path)
        said: dict[str, Any] = {
            "config": manifest.config, "seed": manifest.seed, "device": manifest.device,
            "precision": manifest.precision, "reading": manifest.data.reading,
        }  # fmt: skip
        if folder.is_finished:
            evaluation = await asyncio.to_thread(folder.evaluation)
            said["measures"] = [
                {"key": row.key, "of": row.of, "value": row.value, "n": row.n, "role": row.role}
                for row in evaluation.rows
            ]
            said["names"] = {of: {"en": words.en, "zh": words.zh} for of, words in evaluation.names.items()}
            said["note"] = {"en": evaluation.note.en, "zh": evaluation.note.zh}
            said["findings"] = evaluation.more.get("findings", [])
        said["report"] = (path / "report.html").is_file()
        return answer(said)

    async def sample(request: Request) -> Response:
        images = request.path_params["images"]
        if not re.fullmatch(r"[0-9]{1,12}", images):
            raise SfumatoError("sample: must be a number of images")
        return await inside(request, f"samples/{int(images):012d}.png", "image/png")

    async def report(request: Request) -> Response:
        response = await inside(request, "report.html", "text/html; charset=utf-8")
        response.headers["content-security-policy"] = SANDBOX
        return response

    async def inside(request: Request, name: str, kind: str) -> Response:
        """A file of a run."""
        try:
            content = await asyncio.to_thread(studio.shelf.content, request.path_params["run"], name)
        except OSError:
            return answer({"line": f"{name}: is not there"}, 404)
        return Response(content, media_type=kind)

    async def upload(request: Request) -> Response:
        content = await asyncio.wait_for(studio.bodies.read(request.stream()), SLOW)
        if "clip" in request.query_params:  # which the child judges when it reads it
            return answer({"id": studio.pictures.keep(content, 0, 0, CLIP), "width": 0, "height": 0}, 201)
        return await kept(content)

    async def kept(content: bytes) -> Response:
        width, height = await asyncio.to_thread(judged, content)
        return answer({"id": studio.pictures.keep(content, width, height), "width": width, "height": height}, 201)

    async def picture(request: Request) -> Response:
        found = studio.pictures.content(request.path_params["picture"])
        named = {"content-disposition": 'attachment; filename="sfumato.png"'} if "save" in request.query_params else {}
        return Response(found.content, media_type=found.type, headers=named)

    async def examples(request: Request) -> Response:
        return answer(await studio.work.ask({"do": "examples"}, WORK_LIMIT))

    async def example(request: Request) -> Response:
        said = await body(request)
        made = await studio.work.ask({"do": "example", "name": said.get("name")}, WORK_LIMIT)
        return await kept(made["bytes"])

    async def begin(request: Request) -> Response:
        return answer({"id": studio.begin(await body(request)).name}, 202)

    async def cancel(request: Request) -> Response:
        job = studio.jobs.get(request.path_params["job"])
        if job is None or job.task is None:
            raise SfumatoError("work: there is none of that id")
        job.task.cancel()
        return answer({})

    async def model(request: Request) -> Response:
        """A file of a shipped model, for what the page computes itself."""
        path = next((path for path in models() if path.name == request.path_params["model"]), None)
        name = request.path_params["file"]
        if (
            path is None
            or name not in ("model.safetensors", "plane.json", "config.json")
            or not (path / name).is_file()
        ):
            return answer({"line": "model: is not there"}, 404)
        return FileResponse(path / name, media_type="application/octet-stream", headers={"cache-control": "no-cache"})

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        if len(studio.clients) >= SOCKETS:
            await socket.send_text(text_of({"fault": f"{SOCKETS} pages are open already: close one"}))
            await socket.close(1013)
            return
        client = Client(socket, studio.move)
        studio.clients.add(client)
        try:
            await client.send({"event": "state", **studio.state()})
            await client.send({"event": "runs", "runs": studio.rows()})
            await client.run()
        finally:
            studio.clients.discard(client)

    mimetypes.add_type("text/javascript", ".js")
    return Starlette(
        routes=[
            route("/api/state", "GET", state),
            route("/api/systems", "GET", systems),
            route("/api/systems/{system}/{preset}/fields", "GET", fields),
            route("/api/data", "GET", data),
            route("/api/runs", "GET", runs),
            route("/api/runs", "POST", train),
            route("/api/runs/{run}", "GET", details),
            route("/api/runs/{run}", "DELETE", delete),
            route("/api/runs/{run}/restore", "POST", restore),
            route("/api/runs/{run}/resume", "POST", resume),
            route("/api/runs/{run}/stop", "POST", stop),
            route("/api/runs/{run}/kill", "POST", stop),
            route("/api/runs/{run}/samples/{images}", "GET", sample),
            route("/api/runs/{run}/report", "GET", report),
            route("/api/pictures", "POST", upload),
            route("/api/pictures/{picture}", "GET", picture),
            route("/api/examples", "GET", examples),
            route("/api/examples", "POST", example),
            route("/api/work", "POST", begin),
            route("/api/work/{job}", "DELETE", cancel),
            route("/api/models/{model}/{file}", "GET", model),
            WebSocketRoute("/live", live),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        lifespan=studio.life,
    )
