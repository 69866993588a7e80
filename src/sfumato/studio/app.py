"""The studio: its children, its runs and its trainings, and what a page can ask of them. Imports no torch."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from ..errors import SfumatoError
from ..runs.find import Found, check_files, look_at
from ..style.options import PATHS
from ..threads import usable_cores
from ..version import __version__
from ..visible import one_line
from .children import Child, Gone
from .frames import text_of
from .live import Client
from .shelf import Shelf, Tail, said_of
from .trainings import Trainings
from .uploads import CLIP, PNG, Bodies, Pictures

SHIPPED = Path(__file__).parent.parent / "weights" / "shipped" / "studio"
OURS = "shipped-"  # with which the ids of shipped models begin
MOVES = ("about", "plane", "decode", "encode", "draw", "findings")
WORK = ("stylize", "restyle_clip", "translate", "predict", "project")
MOVE_LIMIT, WORK_LIMIT = 60.0, 120.0  # seconds without a word
JOBS = 8  # that wait or are under way
PAUSE = 0.5  # seconds between two looks at the folder of runs
PREVIEW = 256  # pixels on the longer side
BUG = "a bug of ours: the terminal shows it"
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
        except Exception:
            traceback.print_exc()  # a bug: it is said, and the queue goes on
            job.state, job.fault = "failed", BUG
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
