"""Sets larger than memory, decoded once: one file of pixels in the cache, mapped into memory, and an index beside it.

The same files, opened again, are known by their names, sizes and times: no picture is read a second time. All decoded
sets together take `SFUMATO_CACHE_LIMIT` GB at most, and a new one half of the free disk; the least recently used make
room. Where one finds none, its pictures are decoded for every batch, and a line says so.
"""

import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from weakref import WeakValueDictionary

import PIL
import torch
from torch import Tensor

from ..cache import cache_folder
from ..errors import SfumatoError
from ..files import write_atomically, write_json
from ..locks import locked
from ..strict import read
from ..terminal import warn
from .dataset import fingerprint

FORMAT = 1
GB = 10**9
LIMIT = 20  # GB of all decoded sets
ABANDONED = 3600  # seconds after which nobody writes on
SETTING = "SFUMATO_CACHE_LIMIT"
Shape = tuple[int, int, int]

_in_use: "WeakValueDictionary[Path, Tensor]" = WeakValueDictionary()


@dataclass(frozen=True)
class Index:
    """What is said of a decoded set: how many pictures, each of which shape, and the places of the files that are not
    among them, with the reasons."""

    format: int
    count: int
    shape: Shape
    left_out: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Decoded:
    """The place in the cache of a set of `files` files; `known_by` is all that its pixels depend on. Each picture is
    uint8 of `shape` (c, h, w)."""

    title: str
    known_by: tuple[str, ...]
    files: int
    shape: Shape

    @cached_property
    def path(self) -> Path:
        return cache_folder("decoded") / f"{fingerprint(f'{FORMAT} {PIL.__version__} ', *self.known_by)}.pixels"

    def find(self) -> tuple[Tensor, dict[int, str]] | None:
        """The pictures (n, c, h, w), and why which files are not among them; None if they are not here, whole."""
        path = self.path
        index_path = path.with_suffix(".json")
        try:
            index = read(index_path, Index)
            fits = index.format == FORMAT and index.shape == self.shape
            fits = fits and 0 < index.count == self.files - len(index.left_out)
            fits = fits and all(0 <= place < self.files for place, _ in index.left_out)
            if not fits or path.stat().st_size != index.count * math.prod(self.shape):
                return None
        except (SfumatoError, OSError):
            return None
        with suppress(OSError):  # of a cache that cannot be written
            os.utime(index_path)
        return self._mapped(path, index.count), dict(index.left_out)

    def keep(self, pictures: Iterator[Tensor], left_out: dict[int, str]) -> tuple[Tensor, dict[int, str]] | None:
        """Writes `pictures` as they come, while `left_out` is filled, and gives back what `find` does. None if there is
        no room: some of the pictures have come then, the rest has not. Who decodes the same set is waited for."""
        path, count = self.path, 0

        def write(beside: Path) -> None:
            nonlocal count
            with beside.open("wb") as file:
                for picture in pictures:
                    file.write(picture.contiguous().numpy().tobytes())
                    count += 1

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_suffix(".lock")):
                if found := self.find():
                    return found
                make_room(path, self.files * math.prod(self.shape))
                write_atomically(path, write)
                write_json(path.with_suffix(".json"), vars(Index(FORMAT, count, self.shape, tuple(left_out.items()))))
        except (SfumatoError, OSError) as error:
            fault = f"{path.parent}: {error.strerror or error}" if isinstance(error, OSError) else error
            warn(f"{self.title}: decoded for every batch, not kept in the cache: {fault}")
            return None
        return self.find()

    def _mapped(self, path: Path, count: int) -> Tensor:
        flat = torch.from_file(str(path), shared=False, size=count * math.prod(self.shape), dtype=torch.uint8)
        _in_use[path] = pictures = flat.view(count, *self.shape)
        return pictures


def make_room(path: Path, size: int) -> None:
    """Removes the least recently used sets until `size` bytes may be written to `path`. Raises SfumatoError if they may
    not, and then removes none but what was left half written; never one that this process has open."""
    for part in path.parent.glob(".*.part"):
        if time.time() - part.stat().st_mtime > ABANDONED:
            part.unlink()
    sizes = {found: found.stat().st_size for kind in ("*.pixels", ".*.part") for found in path.parent.glob(kind)}
    sizes.pop(path, None)  # a damaged one, which is replaced
    others = sorted((found for found in sizes if found.suffix == ".pixels" and found not in _in_use), key=_last_used)
    allowed, removed, room = limit(), list[Path](), 0
    while sum(sizes.values()) - room + size > allowed and others:
        removed.append(others.pop(0))
        room += sizes[removed[-1]]
    if sum(sizes.values()) - room + size > allowed:
        raise SfumatoError(f"{size / GB:.1f} GB are more than {SETTING}={allowed / GB:g} leaves")
    if 2 * size > shutil.disk_usage(path.parent).free + room:
        raise SfumatoError(f"{size / GB:.1f} GB are more than half of the free disk of {path.parent}")
    for found in removed:
        for suffix in (".json", ".lock", ".pixels"):
            found.with_suffix(suffix).unlink(missing_ok=True)


def limit() -> float:
    """Bytes that all decoded sets may take together. Raises SfumatoError if the environment says no number."""
    said = os.environ.get(SETTING) or str(LIMIT)
    with suppress(ValueError):
        if 0 <= float(said) < math.inf:
            return float(said) * GB
    raise SfumatoError(f"{SETTING}={said!r}: must be a number of GB")


def _last_used(path: Path) -> float:
    index = path.with_suffix(".json")
    return (index if index.exists() else path).stat().st_mtime
