"""Pictures in tars, as WebDataset lays them out: `KEY.jpg`, and beside it its class in `KEY.cls`, a number or a name.

https://github.com/webdataset/webdataset. Where there is no `.cls`, class = first sub-folder, as in folders. If words in
the names of the shards (`train-000.tar`, `val-000.tar`) tell two halves apart, those are the split.

Shards stay where they are. The standard library's `tarfile` reads their headers once; a picture is then read by its
place. Links, devices, sparse members and names that lead out are left out; a damaged shard is refused.
"""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from ..errors import SfumatoError
from .archives import MAX_FILE, TOO_LARGE, is_hidden, leads_out, stamp_of, systems_in
from .dataset import LeftOut
from .halves import Half, are_told_apart, half_of
from .names import plain

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4")
MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")  # of the same, in any file
MAX_HEADER = 2**20  # bytes that a header may ask to be read at once
MAX_CLASS = 256  # bytes of a .cls


class Member(NamedTuple):
    shard: int
    offset: int
    size: int


class TarFiles:
    """The members of one tar, or of several as if they were one."""

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = shards
        self.written = [stamp_of(path) for path in shards]
        self.members: dict[str, Member] = {}
        self.labels: dict[str, str] = {}  # by the name of the picture
        self.bad: list[LeftOut] = []
        self.systems: list[str] = []
        halves: list[Half | None] = [half_of(path.stem) for path in shards]
        split = are_told_apart(halves)
        for number, half in enumerate(halves):
            top = f"{half}/" if half and split else ""
            found, classes = self._index(number)
            for name, member in found.items():
                self._add(name, member, top, classes.get(key_of(name)))

    def _add(self, name: str, member: Member, top: str, label: str | None) -> None:
        """Takes a member of a shard under its name; `top`: the half of the split that the shard's name says."""
        if not half_of(name.split("/")[0]):
            name = top + name
        if name in self.members:  # shards that count their pictures from 0 each
            folder, slash, file = name.rpartition("/")
            name = f"{folder}{slash}{self.shards[member.shard].stem} {file}"
        self.members[name] = member
        if label is not None:
            self.labels[name] = label

    def _index(self, number: int) -> tuple[dict[str, Member], dict[str, str]]:
        """Where the members of a shard lie, by name, and the classes by key. Raises SfumatoError if it is damaged."""
        path = self.shards[number]
        found: dict[str, Member] = {}
        classes: dict[str, str] = {}
        try:
            with Headers(path) as file:
                if path.name.lower().endswith(COMPRESSED) or file.peek(8).startswith(MAGIC):
                    raise SfumatoError("a compressed tar, which cannot be read by place: unpack it, or make it a zip")
                with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
                    while (member := file.next_of(tar)) is not None:
                        fault = _fault(member)
                        name = "" if fault else plain(normpath(member.name))  # no ./ before it
                        self.systems += systems_in([name])
                        if fault:
                            self.bad.append(LeftOut(f"{path.name}/{member.name}", fault))
                        elif name.endswith(".cls") and not is_hidden(name):
                            file.seek(member.offset_data)
                            try:
                                classes[key_of(name)] = _class(file.read(min(member.size, MAX_CLASS + 1)))
                            except SfumatoError as error:
                                self.bad.append(LeftOut(f"{path.name}/{name}", str(error)))
                        elif member.isreg() and not is_hidden(name):  # of two of one name, tar means the later one
                            found[name] = Member(number, member.offset_data, member.size)
        except SfumatoError as error:
            raise SfumatoError(f"{path}: {error}") from None
        except Exception as error:  # damaged headers: numbers, encodings, and thousands within one another
            raise SfumatoError(f"{path}: not a readable tar ({str(error) or type(error).__name__})") from None
        return found, classes

    def names(self) -> list[str]:
        return sorted(self.members)

    def refused(self) -> list[LeftOut]:
        return list(self.bad)

    def passed(self) -> list[str]:
        return sorted({*self.systems})

    def size(self, name: str) -> int:
        return self.members[name].size

    def stamp(self, name: str) -> str:
        member = self.members[name]
        return f"{self.written[member.shard]} {member.offset}"

    def label(self, name: str) -> str | None:
        return self.labels.get(name)

    def content(self, name: str) -> bytes:
        """Opened for each member: any number of threads and shards, and no file stays open."""
        shard, offset, size = self.members[name]
        with self.shards[shard].open("rb", buffering=0) as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) < size:
            raise SfumatoError(f"cut short: {len(content)} of {size} bytes")
        return content


class Headers(io.BufferedReader):
    """A tar whose headers are read: what they claim is held against the file before memory is taken for it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0))
        self.length = path.stat().st_size
        self.behind = 0  # the place behind the last member

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_HEADER:
            raise SfumatoError(f"a header that asks for {size} bytes")
        return super().read(size)

    def next_of(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        """The next member, which the tar then forgets; None at its end. `tarfile` takes damage for the end."""
        member = tar.next()
        tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
        if member is None:
            self.seek(tar.offset)
            if self.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise SfumatoError(f"damaged at byte {tar.offset}")
            return None
        if member.size < 0 or tar.offset <= self.behind or member.offset_data + member.size > self.length:
            raise SfumatoError(f"cut short, or damaged at byte {member.offset}")
        self.behind = tar.offset
        return member


def key_of(name: str) -> str:
    """What files of one picture have in common: all before the first dot of the name."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{file.split('.')[0]}"


def shards_in(folder: Path) -> list[Path]:
    """The tars that lie in a folder."""
    return sorted(path for path in folder.iterdir() if is_tar(path) and path.is_file() and path.name[0] != ".")


def is_tar(path: Path) -> bool:
    """Whether a name is that of a tar, compressed or not."""
    return path.name.lower().endswith((".tar", *COMPRESSED))


def _fault(member: tarfile.TarInfo) -> str | None:
    if leads_out(member.name) and not member.isdir():  # the folder itself is called .
        return "its name leads out of the tar"
    if member.issparse():
        return "a sparse member"
    if member.islnk() or member.issym():
        return "a link"
    if not member.isreg() and not member.isdir():
        return "a device, or of an unknown kind"
    return TOO_LARGE if member.size > MAX_FILE else None


def _class(content: bytes) -> str:
    """The class that a .cls names. Raises SfumatoError if it names none."""
    label = content.decode("utf-8", "replace").strip()
    if not label or len(content) > MAX_CLASS or not label.isprintable():
        raise SfumatoError("names no class: it must hold a number or a name")
    return label
