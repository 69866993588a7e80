"""Named files, in a folder or in a zip, opened one at a time."""

import zipfile
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import SfumatoError
from .dataset import LeftOut

MAX_FILE = 512 * 2**20
MAX_RATIO = 1000  # of unpacked to packed size: above it, a zip member is a bomb


class Files(Protocol):
    """Named files, opened one at a time."""

    def names(self) -> list[str]: ...
    def refused(self) -> list[LeftOut]: ...
    def size(self, name: str) -> int: ...
    def content(self, name: str) -> bytes: ...


class FolderFiles:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(self.root).parts)
        )

    def refused(self) -> list[LeftOut]:
        return []

    def size(self, name: str) -> int:
        return (self.root / name).stat().st_size

    def content(self, name: str) -> bytes:
        if self.size(name) > MAX_FILE:
            raise SfumatoError(f"larger than {MAX_FILE // 2**20} MiB")
        return (self.root / name).read_bytes()


class ZipFiles:
    """The members of a zip. Names that lead out of it and members that unpack a thousandfold are refused."""

    def __init__(self, path: Path) -> None:
        try:
            self.zip = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises nearly anything on damaged or exotic archives
            raise SfumatoError(f"{path}: not a readable zip ({error})") from None
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
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            return "its name leads out of the zip"
        if member.file_size > MAX_FILE:
            return f"larger than {MAX_FILE // 2**20} MiB"
        if member.file_size > MAX_RATIO * max(member.compress_size, 1):
            return f"a bomb: {member.compress_size} bytes unpack to {member.file_size}"
        if member.flag_bits & 1:
            return "encrypted"
        return None

    def names(self) -> list[str]:
        return sorted(
            name for name in self.members if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
        )

    def refused(self) -> list[LeftOut]:
        return self.bad

    def size(self, name: str) -> int:
        return self.members[name].file_size

    def content(self, name: str) -> bytes:
        try:
            with self.zip.open(self.members[name]) as file:
                return file.read(self.members[name].file_size + 1)
        except Exception as error:  # as above: each compression has errors of its own
            raise SfumatoError(f"damaged zip member ({error})") from None
