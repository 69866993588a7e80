"""The runs that the studio shows: those under one folder, by names that are no paths; deleted ones are moved aside
first."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..files import make_folder
from ..runs.find import Found, runs_under
from ..runs.folder import RunFolder
from ..runs.lock import owner_of
from ..runs.rows import read_rows

TRASH = ".trash"
KEPT = 7 * 24 * 3600.0  # seconds that a deleted run can be brought back
NAME = re.compile(r"[^\W_][\w.-]{0,63}")
POINTS = 2_000  # of a curve, at most
RESTORED = re.compile(r"([0-9a-f]{12})-(\d+)-(.+)", re.DOTALL)


def id_of(path: str) -> str:
    """Of a run whose path, from the root, is this."""
    return hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()


class Shelf:
    """`root`: the folder that runs lie under."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[str, Path] = {}

    def runs(self) -> list[tuple[str, Found]]:
        """Every run under the root with its id. Hidden folders are passed over."""
        if not self.root.is_dir():
            return []
        found = [(self._id(run.path), run) for run in runs_under(self.root) if not self._is_hidden(run.path)]
        self._known = {name: run.path for name, run in found}
        return found

    def path(self, name: str) -> Path:
        """Of the run with that id. Raises SfumatoError if there is none."""
        if name not in self._known:
            self.runs()
        path = self._known.get(name)
        if path is None or not path.is_dir():
            raise SfumatoError("run: there is none of that id")
        if self._leads_out(path):
            raise SfumatoError("run: a link that leads out of the folder of runs")
        return path

    def _id(self, path: Path) -> str:
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
        path = self.path(name)
        if not RunFolder(path).is_run:
            raise SfumatoError("run: not a run folder")
        if owner := owner_of(path):
            raise SfumatoError(f"run: in use by {owner}: stop it first")
        trash = self.root / TRASH
        if trash.is_symlink():
            raise SfumatoError(f"{TRASH}: a link: remove it")
        make_folder(trash)
        relative = path.relative_to(self.root)
        target = trash / f"{name}-{int(time.time())}-{relative.name}"
        (target).mkdir()
        (target / "place").write_bytes(os.fsencode(relative))
        path.rename(target / "run")
        self._known.pop(name, None)

    def restore(self, name: str) -> None:
        """Brings the run that had this id back. Raises SfumatoError if it is not in the trash, or its place is
        taken."""
        there = sorted((self.root / TRASH).glob(f"{name}-*")) if re.fullmatch(r"[0-9a-f]{12}", name) else []
        if not there or (self.root / TRASH).is_symlink():
            raise SfumatoError("run: not in the trash any more")
        place = self.root / Path(os.fsdecode((there[-1] / "place").read_bytes()))
        if id_of(str(place.relative_to(self.root))) != name or ".." in place.parts:
            raise SfumatoError("run: the trash does not say where it lay")
        if os.path.lexists(place):
            raise SfumatoError(f"run: another {place.name} lies where it lay")
        make_folder(place.parent)
        (there[-1] / "run").rename(place)
        shutil.rmtree(there[-1])

    def tidy(self) -> None:
        """Removes for good what has been in the trash for long."""
        trash = self.root / TRASH
        if trash.is_symlink() or not trash.is_dir():
            return
        for entry in trash.iterdir():
            found = RESTORED.fullmatch(entry.name)
            if found and not entry.is_symlink() and time.time() - int(found[2]) > KEPT:
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
        "name": found.path.name,
        "state": found.state,
        "fault": found.fault,
        "system": manifest.system if manifest else "",
        "preset": manifest.preset if manifest else "",
        "data": manifest.data.name if manifest else "",
        "classes": list(manifest.data.classes) if manifest else [],
        "images": found.images,
        "total": manifest.config.get("images", 0) if manifest else 0,
        "samples": [int(path.stem) for path in found.samples if path.stem.isdecimal()],
    }
