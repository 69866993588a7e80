"""Named files, in a folder or in a zip, opened one at a time."""

import io
import os
import shutil
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import SfumatoError
from ..memory import refuse_bomb
from .dataset import LeftOut
from .names import decoded, is_system, plain, unpacked_names

MAX_FILE = 512 * 2**20
TOO_LARGE = f"larger than {MAX_FILE // 2**20} MiB"
UTF8 = 0x800  # the flag of a zip member whose name is in UTF-8
UNICODE_PATH = b"up"  # of an extra field
NAMELESS = "its name is in no code page that its letters tell: pack it again with UTF-8 names"
MAX_RATIO = 1000  # of unpacked to packed size: above it, a zip member is a bomb


class Files(Protocol):
    """Named files, opened one at a time, under names with slashes and letters in one piece. `stamp`: where the file
    lies, how large it is and when it last changed. `label`: the class that is said beside a picture, None where nothing
    is said. `passed`: folders that are no part of the data, because a system made them; known after `names`."""

    def names(self) -> list[str]: ...
    def refused(self) -> list[LeftOut]: ...
    def passed(self) -> list[str]: ...
    def size(self, name: str) -> int: ...
    def stamp(self, name: str) -> str: ...
    def label(self, name: str) -> str | None: ...
    def content(self, name: str) -> bytes: ...


class FolderFiles:
    """The files below a folder. Links to folders are followed; each folder is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: dict[str, str] = {}  # where a file lies that is not called so on disk
        self.bad: list[LeftOut] = []
        self.systems: set[str] = set()
        self.found: list[str] | None = None

    def names(self) -> list[str]:
        if self.found is None:
            self.found = sorted(self._walk())
        return self.found

    def _walk(self) -> Iterator[str]:
        folders, links, seen = deque([""]), deque[str](), set[tuple[int, int]]()
        taken = set[str]()
        while folders or links:
            linked = not folders
            inside = links.popleft() if linked else folders.popleft()
            with suppress(OSError):  # of a folder that may not be looked into
                found = (self.root / inside).stat()
                if (found.st_dev, found.st_ino) in seen:
                    if linked:
                        self.bad.append(LeftOut(inside.rstrip("/"), "a link to a folder that is read already"))
                    continue
                seen.add((found.st_dev, found.st_ino))
                with os.scandir(self.root / inside) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        path = inside + entry.name
                        if entry.is_dir() and is_system(entry.name):
                            self.systems.add(plain(path))
                        elif entry.name.startswith("."):
                            continue
                        elif entry.is_dir():
                            (links if entry.is_symlink() else folders).append(f"{path}/")
                        elif entry.is_file():
                            name = plain(path)
                            if name in taken:
                                self.bad.append(LeftOut(path, "of the same name as another, composed otherwise"))
                                continue
                            taken.add(name)
                            if name != path:
                                self.places[name] = path
                            yield name

    def refused(self) -> list[LeftOut]:
        return list(self.bad)

    def passed(self) -> list[str]:
        return sorted(self.systems)

    def place(self, name: str) -> Path:
        """Where a file lies."""
        return self.root / self.places.get(name, name)

    def size(self, name: str) -> int:
        return self.place(name).stat().st_size

    def stamp(self, name: str) -> str:
        return stamp_of(self.place(name))

    def label(self, name: str) -> str | None:
        return None

    def content(self, name: str) -> bytes:
        if self.size(name) > MAX_FILE:
            raise SfumatoError(TOO_LARGE)
        return self.place(name).read_bytes()


class ZipFiles:
    """The members of a zip. Names that lead out of it and members that unpack a thousandfold are refused."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises nearly anything on damaged or exotic archives
            raise SfumatoError(f"{path}: not a readable zip ({error})") from None
        if sum(member.compress_size for member in self.zip.infolist()) > path.stat().st_size:
            raise SfumatoError(f"{path}: a bomb: its members lie over one another")
        self.written = stamp_of(path)
        self.members: dict[str, zipfile.ZipInfo] = {}
        self.bad: list[LeftOut] = []
        members = [member for member in self.zip.infolist() if not member.is_dir()]
        texts = unpacked_names(_raw(member) for member in members if not _is_text(member))
        for member in members:
            name = member.filename if _is_text(member) else texts[_raw(member)]
            fault = self._fault(member) or (NAMELESS if name is None else None)
            if fault or name is None:
                self.bad.append(LeftOut(member.filename, fault or ""))
            else:
                self.members[plain(name)] = member

    @staticmethod
    def _fault(member: zipfile.ZipInfo) -> str | None:
        if leads_out(member.filename):
            return "its name leads out of the zip"
        if member.file_size > MAX_FILE:
            return TOO_LARGE
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            return f"a bomb: {member.compress_size} bytes unpack to {member.file_size}"
        if member.flag_bits & 1:
            return "encrypted"
        try:
            refuse_bomb(member.compress_size, member.file_size)
        except SfumatoError as error:
            return str(error)
        return None

    def names(self) -> list[str]:
        return sorted(name for name in self.members if not is_hidden(name))

    def refused(self) -> list[LeftOut]:
        return list(self.bad)

    def passed(self) -> list[str]:
        return systems_in(self.members)

    def size(self, name: str) -> int:
        return self.members[name].file_size

    def stamp(self, name: str) -> str:
        return f"{self.written} {self.members[name].header_offset}"

    def label(self, name: str) -> str | None:
        return None

    def content(self, name: str) -> bytes:
        try:
            with self.zip.open(self.members[name]) as file:
                held = io.BytesIO()
                shutil.copyfileobj(file, held)  # `file.read` copies all that it has with every block
                return held.getvalue()
        except MemoryError:
            raise
        except Exception as error:  # as above: each compression has errors of its own
            raise SfumatoError(f"damaged zip member ({error})") from None


def _is_text(member: zipfile.ZipInfo) -> bool:
    """Whether the name of a member is known as text: by its flag, or by an extra field."""
    return bool(member.flag_bits & UTF8) or UNICODE_PATH in member.extra


def _raw(member: zipfile.ZipInfo) -> bytes:
    """Any other name, as it is written: `zipfile` takes it for DOS's code page."""
    return member.orig_filename.encode("cp437")


def systems_in(names: Iterable[str]) -> list[str]:
    """The folders among those of `names` that a system made."""
    parts = (name.split("/")[:-1] for name in names)
    return sorted({part for own in parts for part in own if is_system(part)})


def text_of(files: Files, name: str) -> str:
    """The text of a file, as `decoded` reads it. Raises SfumatoError, which begins with its name."""
    try:
        return decoded(files.content(name))
    except SfumatoError as error:
        raise SfumatoError(f"{name}: {error}") from None
    except OSError as error:
        raise SfumatoError(f"{name}: cannot be read ({error.strerror})") from None


def stamp_of(path: Path) -> str:
    """Where a file lies, how large it is, and when it was last written."""
    found = path.stat()
    return f"{path.absolute()} {found.st_size} {found.st_mtime_ns}"


def leads_out(name: str) -> bool:
    """Whether a member of an archive would be written outside of the folder that it is unpacked to."""
    name = name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return not parts or name.startswith("/") or ".." in parts or ":" in parts[0]


def is_hidden(name: str) -> bool:
    """Whether a member of an archive is what operating systems leave in it."""
    return any(part.startswith(".") or is_system(part) for part in name.split("/"))
