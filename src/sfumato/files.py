"""Files that are written whole or not at all."""

import errno
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from .errors import SfumatoError
from .visible import whole

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # no room: on the disk, for this user, in one file


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Lets an OSError of what is done inside name `path`: one of writing names no file, or another beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None


def make_folder(path: Path) -> None:
    """Makes `path` and what is missing above it, so that a loss of power does not take them away."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError:  # which would say of what is to lie in it that it is there
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None
    _sync_folder(path.parent)


def resolved(path: Path) -> Path:
    """`path` without links. Raises SfumatoError for a link that leads to itself."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # which of them depends on the version of Python
        raise SfumatoError(f"{path}: cannot be followed: a link that leads to itself") from None


def in_words(error: OSError) -> str:
    """What failed, in a line that begins with the file if that is known."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def opened(path: Path) -> BufferedReader:
    """`path`, opened for reading. An OSError, too, for a pipe, which would be waited for, and a device, which has no
    end."""
    mode = path.stat().st_mode
    if not (S_ISREG(mode) or S_ISDIR(mode)):  # a folder has an error of its own
        raise OSError(errno.EINVAL, "not a file", str(path))
    return path.open("rb")


def opened_inside(folder: Path, inner: Path) -> BufferedReader:
    """`folder / inner`, opened for reading, if no link leads there from `folder`, whoever changes what meanwhile. An
    OSError else, and as `opened` raises it."""
    if os.open not in os.supports_dir_fd:
        return opened(folder / inner)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in inner.parent.parts:
            above, place = place, os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(above)
        file = os.fdopen(os.open(inner.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place), "rb")
    finally:
        os.close(place)
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a file", str(folder / inner))
    return file


def check_place(path: Path) -> None:
    """Raises SfumatoError if what is at `path` is no file that can be written to."""
    if os.path.lexists(path) and not path.is_file():
        raise SfumatoError(f"{path}: not a file: move it away")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Calls `write` on a path beside `path`, where it makes a file or a folder, flushes that to disk, renames it, and
    flushes the folder around it, which is made. Leaves nothing behind on failure; an OSError names `path`."""
    beside = path.with_name(f".{os.urandom(8).hex()}.part")  # short: a file's own name may be as long as names can be
    try:
        with naming(path):
            make_folder(path.parent)
            write(beside)
            _flush(beside)
            beside.replace(path)
            try:
                _sync_folder(path.parent)
            except OSError:
                if path.is_dir():  # the next try writes over a file, but not into a folder
                    path.replace(beside)
                raise
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # which leaves a file
        with suppress(OSError):
            beside.unlink()
        raise


def _flush(path: Path) -> None:
    """Flushes a file, or a folder with all that it holds, to disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _flush(entry)
        _sync_folder(path)
    else:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Flushes the names in a folder to disk, where a system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Flushes what was appended to `path`, if it is there, to disk."""
    with naming(path), suppress(FileNotFoundError), path.open("rb+") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content`, whole or not at all."""
    write_atomically(path, lambda beside: beside.write_bytes(content))


def write_json(path: Path, values: Any) -> None:
    """Writes `values` as JSON, whole or not at all."""
    write_bytes(path, (json_of(values, 1) + "\n").encode())


def json_of(values: Any, indent: int | None = None, ascii_only: bool = False) -> str:
    """`values` as JSON that every reader takes: numbers that are not finite become null, and what UTF-8 cannot hold its
    bytes."""
    return json.dumps(_plain(values), indent=indent, ensure_ascii=ascii_only, allow_nan=False)


def _plain(values: Any) -> Any:
    match values:
        case float():
            return values if math.isfinite(values) else None
        case dict():
            return {whole(name) if isinstance(name, str) else name: _plain(value) for name, value in values.items()}
        case list() | tuple():
            return [_plain(value) for value in values]
        case str():
            return whole(values)
    return values


def append_line(path: Path, line: str) -> None:
    """Adds `line` to a file of lines. An OSError names `path`."""
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
