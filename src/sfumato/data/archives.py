"""Named files, in a folder or in a zip, opened one at a time."""

import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..errors import SfumatoError
from .dataset import LeftOut

MAX_FILE = 512 * 2**20
TOO_LARGE = f"larger than {MAX_FILE // 2**20} MiB"
MAX_RATIO = 1000  # of unpacked to packed size: above it, a zip member is a bomb


class Files(Protocol):
    """Named files, opened one at a time. `stamp`: where the file lies, how large it is and when it last changed.
    `label`: the class that is said beside a picture, None where nothing is said."""

    def names(self) -> list[str]: ...
    def refused(self) -> list[LeftOut]: ...
    def size(self, name: str) -> int: ...
    def stamp(self, name: str) -> str: ...
    def label(self, name: str) -> str | None: ...
    def content(self, name: str) -> bytes: ...


class FolderFiles:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        found, folders = list[str](), [""]
        while folders:
            inside = folders.pop()
            with suppress(OSError), os.scandir(self.root / inside) as entries:  # of one that may not be looked into
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{inside}{entry.name}/")
                    elif entry.is_file():
                        found.append(inside + entry.name)
        return sorted(found)

    def refused(self) -> list[LeftOut]:
        return []

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def stamp(self, name: str) -> str:
        return stamp_of(self.root / name)

    def label(self, name: str) -> str | None:
        return None

    def content(self, name: str) -> bytes:
        if self.size(name) > MAX_FILE:
            raise SfumatoError(TOO_LARGE)
        return (self.root / name).read_bytes()


class ZipFiles:
    """The members of a zip. Names that lead out of it and members that unpack a thousandfold are refused."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises nearly anything on damaged or exotic archives
            raise SfumatoError(f"{path}: not a readable zip ({error})") from None
        self.written = stamp_of(path)
        self.members: dict[str, zipfile.ZipInfo] = {}
        self.bad: list[LeftOut] = []
        for member in self.zip.infolist():
            if member.is_dir():
                continue
            fault = self._fault(member)
            if fault:
                self.bad.append(LeftOut(member.filename, fault))
            else:
                self.members[member.filename] = member

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
        return None

    def names(self) -> list[str]:
        return sorted(name for name in self.members if not is_hidden(name))

    def refused(self) -> list[LeftOut]:
        return self.bad

    def size(self, name: str) -> int:
        return self.members[name].file_size

    def stamp(self, name: str) -> str:
        return f"{self.written} {self.members[name].header_offset}"

    def label(self, name: str) -> str | None:
        return None

    def content(self, name: str) -> bytes:
        try:
            with self.zip.open(self.members[name]) as file:
                return file.read(self.members[name].file_size + 1)
        except Exception as error:  # as above: each compression has errors of its own
            raise SfumatoError(f"damaged zip member ({error})") from None


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
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
