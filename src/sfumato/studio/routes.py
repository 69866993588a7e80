"""What a page asks for over HTTP, and its socket. What is refused is a line of text with 4xx. Imports no torch."""

import asyncio
import mimetypes
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
from ..runs.find import look_at
from ..runs.folder import RunFolder
from ..runs.manifest import Manifest, whole_number
from ..strict import decode
from .app import MOVE_LIMIT, WORK_LIMIT, Studio, models
from .frames import text_of
from .live import SOCKETS, Client
from .shelf import id_of
from .trainings import ROWS
from .uploads import CLIP, judged

STATIC = Path(__file__).parent / "static"
LARGEST_JSON = 2**20  # bytes
SLOW = 20.0  # seconds that a head or a body may take
SANDBOX = "sandbox allow-scripts"


@dataclass(frozen=True)
class Routes:
    """Each method is one of the routes of `application`."""

    studio: Studio

    async def _body(self, request: Request) -> dict[str, Any]:
        content = await asyncio.wait_for(self.studio.bodies.read(request.stream(), LARGEST_JSON), SLOW)
        return decode(content, dict[str, Any], "body")

    async def state(self, request: Request) -> Response:
        return answer(self.studio.state())

    async def systems(self, request: Request) -> Response:
        if not self.studio.catalog:
            return answer({"line": "getting ready"}, 503)
        return answer({
            name: {key: value for key, value in row.items() if key != "fields"}
            for name, row in self.studio.catalog["systems"].items()
        })  # fmt: skip

    async def fields(self, request: Request) -> Response:
        row = self.studio.catalog.get("systems", {}).get(request.path_params["system"])
        if row is None or request.path_params["preset"] not in row["fields"]:
            raise SfumatoError("system: there is none of that name and preset")
        return answer(row["fields"][request.path_params["preset"]])

    async def data(self, request: Request) -> Response:
        return answer([{**row, "path": bool(row["path"])} for row in self.studio.sources()])

    async def runs(self, request: Request) -> Response:
        return answer(self.studio.rows())

    async def train(self, request: Request) -> Response:
        said = await self._body(request)
        system, preset, name = (said.get(key) for key in ("system", "preset", "name"))
        fields = said.get("fields", {})
        if not all(isinstance(value, str) for value in (system, preset, name)) or not isinstance(fields, dict):
            raise SfumatoError("run: system, preset and name are texts, fields an object")
        assert isinstance(name, str)
        assert isinstance(system, str)
        assert isinstance(preset, str)
        path, sources = self.studio.shelf.new(name), self.studio.data_named(said.get("data", []))
        known = await self.studio.moves.ask(
            {"do": "check", "system": system, "preset": preset, "fields": fields}, MOVE_LIMIT
        )
        every = max(known["batch_size"], known["images"] // ROWS)
        self.studio.trainings.train(path, system, preset, sources, fields, every)
        return answer({"id": id_of(name)}, 201)

    async def stop(self, request: Request) -> Response:
        path = self._waiting(request)
        found = next((found for _, found in self.studio.found if found.path == path), None)
        self.studio.trainings.stop(path, found.owner if found else "", request.url.path.endswith("/kill"))
        return answer({})

    def _waiting(self, request: Request) -> Path:
        """Of a run, also one that is none on disk yet."""
        name = request.path_params["run"]
        for training in self.studio.trainings.waiting():
            if self.studio.shelf.id(training.run) == name:
                return training.run
        return self.studio.shelf.path(name)

    async def resume(self, request: Request) -> Response:
        said, path = await self._body(request), self.studio.shelf.path(request.path_params["run"])
        images = said.get("images")
        if images is not None and (type(images) is not int or images < 1):
            raise SfumatoError(f"images {str(images)[:40]!r}: must be a whole number, 1 at least")
        config = (await self._readable(path)).config
        every = max(whole_number(config, "batch_size"), (images or whole_number(config, "images")) // ROWS, 1)
        self.studio.trainings.resume(path, images, every)
        return answer({})

    async def delete(self, request: Request) -> Response:
        path = self._waiting(request)
        if not self.studio.trainings.forget(path) or RunFolder(path).is_run:
            await asyncio.to_thread(self.studio.shelf.delete, request.path_params["run"])
        return answer({})

    async def restore(self, request: Request) -> Response:
        await asyncio.to_thread(self.studio.shelf.restore, request.path_params["run"])
        return answer({})

    async def _readable(self, path: Path) -> Manifest:
        """Of a run that is not broken."""
        found = await asyncio.to_thread(look_at, path)
        if found.manifest is None or found.fault:
            raise SfumatoError(found.fault)
        return found.manifest

    async def details(self, request: Request) -> Response:
        path = self.studio.place(request.path_params["run"])
        folder = RunFolder(path)
        manifest = await self._readable(path)
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

    async def sample(self, request: Request) -> Response:
        images = request.path_params["images"]
        if not re.fullmatch(r"[0-9]{1,12}", images):
            raise SfumatoError("sample: must be a number of images")
        return await self._inside(request, f"samples/{int(images):012d}.png", "image/png")

    async def report(self, request: Request) -> Response:
        response = await self._inside(request, "report.html", "text/html; charset=utf-8")
        response.headers["content-security-policy"] = SANDBOX
        return response

    async def _inside(self, request: Request, name: str, kind: str) -> Response:
        """A file of a run."""
        try:
            content = await asyncio.to_thread(self.studio.shelf.content, request.path_params["run"], name)
        except OSError:
            return answer({"line": f"{name}: is not there"}, 404)
        return Response(content, media_type=kind)

    async def upload(self, request: Request) -> Response:
        content = await asyncio.wait_for(self.studio.bodies.read(request.stream()), SLOW)
        if "clip" in request.query_params:  # which the child judges when it reads it
            return answer({"id": self.studio.pictures.keep(content, 0, 0, CLIP), "width": 0, "height": 0}, 201)
        return await self._kept(content)

    async def _kept(self, content: bytes) -> Response:
        width, height = await asyncio.to_thread(judged, content)
        return answer({"id": self.studio.pictures.keep(content, width, height), "width": width, "height": height}, 201)

    async def picture(self, request: Request) -> Response:
        found = self.studio.pictures.content(request.path_params["picture"])
        name = "sfumato.mp4" if found.type == CLIP else "sfumato.png"
        named = {"content-disposition": f'attachment; filename="{name}"'} if "save" in request.query_params else {}
        return Response(found.content, media_type=found.type, headers=named)

    async def examples(self, request: Request) -> Response:
        return answer(await self.studio.work.ask({"do": "examples"}, WORK_LIMIT))

    async def example(self, request: Request) -> Response:
        said = await self._body(request)
        made = await self.studio.work.ask({"do": "example", "name": said.get("name")}, WORK_LIMIT)
        return await self._kept(made["bytes"])

    async def begin(self, request: Request) -> Response:
        return answer({"id": self.studio.begin(await self._body(request)).name}, 202)

    async def cancel(self, request: Request) -> Response:
        job = self.studio.jobs.get(request.path_params["job"])
        if job is None or job.task is None:
            raise SfumatoError("work: there is none of that id")
        if not job.task.cancelling():  # a second one would cut short the wait for the first
            job.task.cancel()
        return answer({})

    async def model(self, request: Request) -> Response:
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

    async def live(self, socket: WebSocket) -> None:
        await socket.accept()
        if len(self.studio.clients) >= SOCKETS:
            await socket.send_text(text_of({"fault": f"{SOCKETS} pages are open already: close one"}))
            await socket.close(1013)
            return
        client = Client(socket, self.studio.move)
        self.studio.clients.add(client)
        try:
            await client.send({"event": "state", **self.studio.state()})
            await client.send({"event": "runs", "runs": self.studio.rows()})
            for job in self.studio.jobs.values():  # one may have ended while it was away
                await client.send(job.said())
            await client.run()
        finally:
            self.studio.clients.discard(client)


def answer(values: Any, status: int = 200) -> Response:
    return Response(text_of(values), status, media_type="application/json")


def _route(path: str, method: str, made: Callable[[Request], Awaitable[Response]]) -> Route:
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


def application(studio: Studio) -> Starlette:
    asked = Routes(studio)
    mimetypes.add_type("text/javascript", ".js")
    return Starlette(
        routes=[
            _route("/api/state", "GET", asked.state),
            _route("/api/systems", "GET", asked.systems),
            _route("/api/systems/{system}/{preset}/fields", "GET", asked.fields),
            _route("/api/data", "GET", asked.data),
            _route("/api/runs", "GET", asked.runs),
            _route("/api/runs", "POST", asked.train),
            _route("/api/runs/{run}", "GET", asked.details),
            _route("/api/runs/{run}", "DELETE", asked.delete),
            _route("/api/runs/{run}/restore", "POST", asked.restore),
            _route("/api/runs/{run}/resume", "POST", asked.resume),
            _route("/api/runs/{run}/stop", "POST", asked.stop),
            _route("/api/runs/{run}/kill", "POST", asked.stop),
            _route("/api/runs/{run}/samples/{images}", "GET", asked.sample),
            _route("/api/runs/{run}/report", "GET", asked.report),
            _route("/api/pictures", "POST", asked.upload),
            _route("/api/pictures/{picture}", "GET", asked.picture),
            _route("/api/examples", "GET", asked.examples),
            _route("/api/examples", "POST", asked.example),
            _route("/api/work", "POST", asked.begin),
            _route("/api/work/{job}", "DELETE", asked.cancel),
            _route("/api/models/{model}/{file}", "GET", asked.model),
            WebSocketRoute("/live", asked.live),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ],
        lifespan=studio.life,
    )
