"""The pictures of a set, found by whatever somebody else calls them."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from ..errors import SfumatoError
from .halves import Half, half_of_path
from .names import plain
from .pictures import ENDINGS

PLACES = ("", "images/", "JPEGImages/", "../JPEGImages/", "../images/", "../")  # of pictures, from an annotation's


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its ending."""
    return PurePosixPath(name).suffix.lower() in ENDINGS


class PictureIndex:
    """Pictures by their names, in any case, with or without folders and endings."""

    def __init__(self, names: Iterable[str]) -> None:
        self.pictures = [name for name in names if is_picture(name)]
        self.whole = {name.lower(): name for name in self.pictures}
        self.bases: dict[str, list[str]] = {}  # by name without folders, and by that without its ending
        for name in self.pictures:
            base = name.lower().rpartition("/")[2]
            for key in {base, base.rpartition(".")[0]}:
                self.bases.setdefault(key, []).append(name)

    def find(self, said: str, beside: str = "", half: Half | None = None) -> str:
        """The picture that a file `beside` calls `said`: of that path, or the only one with as much of it as there is;
        of another ending if need be. `half`: none of another half. Raises SfumatoError if it is not there."""
        wanted = plain(said).strip().lower()
        folder = beside.rpartition("/")[0]
        for place in PLACES:
            if found := self.whole.get(_joined(f"{folder}/{place}{wanted}".lower())):
                return found
        alike = [name for name in self._alike(wanted) if half is None or half_of_path(name) in (None, half)]
        if len(alike) != 1:
            raise SfumatoError(f"picture {said!r} is not there{', but several of that name are' if alike else ''}")
        return alike[0]

    def _alike(self, wanted: str) -> list[str]:
        parts = [part for part in wanted.split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        *folders, base = parts
        alike = self.bases.get(base) or self.bases.get(base.rpartition(".")[0] if is_picture(base) else base, [])
        for place in range(len(folders)):  # as many of its folders as there are
            tail = folders[place:]
            if below := [name for name in alike if name.lower().split("/")[:-1][-len(tail) :] == tail]:
                return below
        return alike


def _joined(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
