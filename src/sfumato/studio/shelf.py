"""The runs that the studio shows: those under one folder, by names that are no paths; deleted ones are moved aside
first."""

import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..files import make_folder, opened_inside
from ..runs.find import Found, runs_under
from ..runs.folder import RunFolder
from ..runs.lock import owner_of
from ..runs.manifest import whole_number
from ..runs.rows import read_rows
from ..strict import content_of
from ..visible import one_line

TRASH = ".trash"
KEPT = 7 * 24 * 3600.0  # seconds that a deleted run can be brought back
NAME = re.compile(r"[^\W_][\w.-]{0,63}")
LARGEST = 64 * 2**20  # bytes of a report, or a picture
POINTS = 2_000  # of a curve, at most
SHOWN = 40  # characters of a run's name in the trash
THROWN = re.compile(r"([0-9a-f]{12})-([0-9]{13})-.+", re.DOTALL)  # an id, and milliseconds
PLACE = "place"  # the file that says where it lay


def id_of(path: str) -> str:
    """Of a run whose path, from the root, is this."""
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


class Shelf:
    """`root`: the folder that runs lie under."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[str, Path] = {}
        self._moving = threading.Lock()

    def runs(self) -> list[tuple[str, Found]]:
        """Every run under the root with its id. Hidden folders are passed over."""
        if not self.root.is_dir():
            return []
        found = [(self.id(run.path), run) for run in runs_under(self.root) if not self._is_hidden(run.path)]
        self._known = {name: run.path for name, run in found}
        return found

    def path(self, name: str) -> Path:
        """Of the run with that id. Raises SfumatoError if there is none."""
        if not self._known:
            self.runs()
        path = self._known.get(name)
        if path is None or not path.is_dir():
            raise SfumatoError("run: there is none of that id")
        if self._leads_out(path):
            raise SfumatoError("run: a link that leads out of the folder of runs")
        return path

    def content(self, name: str, file: str) -> bytes:
        """Of a file of a run. Raises SfumatoError if there is no such run, or it is too large; an OSError if there is
        no such file, or a link leads to it."""
        with opened_inside(self.root, self.path(name).relative_to(self.root) / file) as reader:
            content = reader.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise SfumatoError(f"{file}: more than {LARGEST // 2**20} MB")
        return content

    def id(self, path: Path) -> str:
        """Of the run in `path`, under the root, there or to be."""
        return id_of(str(path.relative_to(self.root)))

    def _is_hidden(self, path: Path) -> bool:
        return any(part.startswith(".") for part in path.relative_to(self.root).parts)

    def _leads_out(self, path: Path) -> bool:
        """Whether a folder on the way to `path`, or it, is a link: those are not followed."""
        return Path(os.path.realpath(path)) != path

    def new(self, name: str) -> Path:
        """The folder of a run that is to be. Raises SfumatoError for a name that cannot be, or is taken."""
        if not NAME.fullmatch(name):
            raise SfumatoError(
                f"name {name[:64]!r}: must be letters, digits, '.', '_' or '-', 64 at most, and begin with one of the "
                "former two"
            )
        path = self.root / name
        if os.path.lexists(path):
            raise SfumatoError(f"name {name!r}: is taken")
        return path

    def delete(self, name: str) -> None:
        """Moves a run into the trash. Raises SfumatoError for one that is being trained, or is none."""
        with self._moving:
            path = self.path(name)
            if not RunFolder(path).is_run or path == self.root:
                raise SfumatoError("run: not a folder that can be moved away")
            if owner := owner_of(path):
                raise SfumatoError(f"run: in use by {owner}: stop it first")
            trash = self.root / TRASH
            if trash.is_symlink():
                raise SfumatoError(f"{TRASH}: a link: remove it")
            make_folder(trash)
            target = trash / f"{name}-{time.time_ns() // 10**6}-{path.name[:SHOWN]}"
            target.mkdir()
            try:
                (target / PLACE).write_bytes(os.fsencode(path.relative_to(self.root)))
                path.rename(target / "run")
            except BaseException:
                shutil.rmtree(target)
                raise
            self._known.pop(name, None)

    def restore(self, name: str) -> None:
        """Brings the run that had this id back. Raises SfumatoError if it is not in the trash, or its place is
        taken."""
        with self._moving:
            there = [entry for entry, _ in self._thrown() if entry.name.startswith(f"{name}-")]
            if not there:
                raise SfumatoError("run: not in the trash any more")
            entry = max(there)
            place = self._place(entry)
            if place is None or self.id(place) != name:
                raise SfumatoError("run: the trash does not say where it lay")
            if os.path.lexists(place):
                raise SfumatoError(f"run: another {place.name} lies where it lay")
            make_folder(place.parent)
            (entry / "run").rename(place)
            shutil.rmtree(entry)
            self._known[name] = place

    def _place(self, entry: Path) -> Path | None:
        """Where the run in an entry of the trash lay; None if that is not a place for runs: anybody may have written
        there."""
        place = self.root / os.fsdecode(content_of(entry / PLACE).replace(b"\0", b""))
        inside = place.is_relative_to(self.root) and ".." not in place.parts and not self._is_hidden(place)
        whole = (entry / "run").is_dir() and not (entry / "run").is_symlink()
        return place if inside and whole and not self._leads_out(place.parent) else None

    def _thrown(self) -> list[tuple[Path, float]]:
        """What lies in the trash, and when it was put there."""
        trash = self.root / TRASH
        if trash.is_symlink() or not trash.is_dir():
            return []
        named = [(entry, THROWN.fullmatch(entry.name)) for entry in trash.iterdir() if not entry.is_symlink()]
        return [(entry, int(found[2]) / 1000) for entry, found in named if found]

    def tidy(self) -> None:
        """Removes for good what has been in the trash for long."""
        for entry, since in self._thrown():
            if time.time() - since > KEPT:
                shutil.rmtree(entry, ignore_errors=True)


def thinned(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """POINTS of them at most, with the last."""
    every = -(-len(rows) // POINTS) or 1
    return rows if every == 1 else [*rows[: len(rows) - 1 : every], rows[-1]]


class Tail:
    """The rows of a log as they come. A resumed run writes its log anew: then all of it is read again."""

    def __init__(self, path: Path) -> None:
        self.path, self.seen = path, (0, 0.0, -1)

    def read(self) -> Sequence[Mapping[str, Any]] | None:
        """All rows, thinned, if the log has changed since the last call; else None."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        now = (status.st_ino, status.st_mtime, status.st_size)
        if now == self.seen:
            return None
        self.seen = now
        return thinned(read_rows(self.path))


def said_of(name: str, found: Found) -> dict[str, Any]:
    """A line of the list of runs."""
    manifest = found.manifest
    return {
        "id": name,
        "name": one_line(found.path.name),
        "state": found.state,
        "fault": found.fault,
        "system": manifest.system if manifest else "",
        "preset": manifest.preset if manifest else "",
        "data": manifest.data.name if manifest else "",
        "classes": list(manifest.data.classes) if manifest else [],
        "images": found.images,
        "total": whole_number(manifest.config, "images") if manifest else 0,
        "samples": [int(path.stem) for path in found.samples if path.stem.isdecimal()],
    }
