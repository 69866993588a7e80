"""A layer between Python and the file system: it counts the calls that change files below a folder, and lets something
happen before each.

Not counted: event files, which TensorBoard writes from a thread of its own, and files that libraries write in C.
"""

import builtins
import errno
import io
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
Act = Callable[[str, Path], None]
NAMED = {"replace": 1, "rename": 1, "unlink": 0, "remove": 0, "mkdir": 0, "rmdir": 0, "link": 1}  # which argument


class Written:
    """A file that was opened to be written to."""

    def __init__(self, file: Any, path: Path, act: Act) -> None:
        self._file, self._path, self._act = file, path, act

    def write(self, content: Any) -> Any:
        self._act("write", self._path)
        return self._file.write(content)

    def __enter__(self) -> "Written":
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def between(root: Path, act: Act, flushed: Callable[[Path], None] = lambda path: None) -> Iterator[None]:
    """Calls `act` with the kind of each call and its path, before it is made; what `act` raises, the call raises.
    `flushed`: is told the path of what was flushed to disk."""
    root = root.resolve()

    def told(kind: str, path: Any) -> Path | None:
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        place = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - without following links
        if not place.is_relative_to(root) or place.name.startswith("events."):
            return None
        act(kind, place)
        return place

    def opening(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            if isinstance(file, int):
                return real(file, mode, *more, **named)
            writes = any(sign in mode for sign in "wax+")
            place = told("open" if writes else "read", file)
            found = real(file, mode, *more, **named)
            return Written(found, place, act) if place and writes else found

        return opened

    def calling(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            place = told(name, arguments[NAMED.get(name, 0)])
            found = real(*arguments, **named)
            if place and name == "fsync":
                flushed(place)
            return found

        return called

    with ExitStack() as stack:
        for module in (builtins, io):
            stack.enter_context(patch.object(module, "open", opening(module.open)))
        for name in (*NAMED, "fsync"):
            stack.enter_context(patch.object(os, name, calling(name, getattr(os, name))))
        yield


class Counted:
    """Lets the call number `at` happen otherwise: `then` is called with its kind and path."""

    def __init__(self, at: int = -1, then: Act = lambda kind, path: None) -> None:
        self.at, self.then = at, then
        self.calls: list[tuple[str, Path]] = []

    def __call__(self, kind: str, path: Path) -> None:
        self.calls.append((kind, path))
        if len(self.calls) - 1 == self.at:
            self.then(kind, path)


def failing(number: int) -> Act:
    def fail(kind: str, path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    return fail


class Disk:
    """What a loss of power leaves below `root`: of files what was flushed, of names those of flushed folders. It keeps
    every file that it has seen open, so that no number of a file is used twice."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.content: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        self.open: dict[int, int] = {}
        for folder, _, files in os.walk(self.root):  # what lay there before is on the disk
            place = Path(folder)
            for name in files:
                self.content[self._number(place / name)] = (place / name).read_bytes()
            self.names[place] = self._listed(place)

    def flushed(self, path: Path) -> None:
        """Call after an fsync of `path`."""
        if path.is_dir():
            self.names[path] = self._listed(path)
        else:
            self.content[self._number(path)] = path.read_bytes()

    def lose_power(self, to: Path, pick: random.Random) -> None:
        """Writes into `to` what is left. What was not flushed may be there or not, as a whole or in part."""
        for folder in self.names:
            for name in self._listed(folder) if folder.is_dir() else ():
                self._number(folder / name)  # those of the end are known too
        self._leave(self.root, to, pick)

    def _leave(self, folder: Path, to: Path, pick: random.Random) -> None:
        to.mkdir()
        flushed = self.names.get(folder, {})
        now = self._listed(folder) if folder.is_dir() else {}
        kept = dict(flushed)
        if pick.random() < 0.5:  # changes of names reach the disk in their order, all of them or a part
            kept = dict(now)
        for name, number in kept.items():
            if (folder / name).is_dir():
                self._leave(folder / name, to / name, pick)
                continue
            whole = os.pread(self.open[number], 1 << 30, 0) if number in self.open else b""
            sure = self.content.get(number, b"")
            if whole.startswith(sure):
                (to / name).write_bytes(whole[: pick.randint(len(sure), len(whole))])
            else:
                (to / name).write_bytes(pick.choice((sure, whole)))

    def _listed(self, folder: Path) -> dict[str, int]:
        return {entry.name: self._number(Path(entry.path)) for entry in os.scandir(folder)}

    def _number(self, path: Path) -> int:
        number = path.stat().st_ino
        if path.is_file() and number not in self.open:
            self.open[number] = os.open(path, os.O_RDONLY)
        return number
