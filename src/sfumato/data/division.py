"""Who belongs to which half of a set: as one asks, or as tables and lists that came with the pictures say.

One asks by `--split train=DIR test=DIR` (a folder, or a list of names, for each half), by `--split TABLE` (a .csv with
columns for the file and its half), or by `--holdout 0.2 --seed 1`.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import SfumatoError
from .archives import Files, FolderFiles, text_of
from .halves import HELD_OUT, SAID, WORDS, Half, are_told_apart, half_of
from .index import PictureIndex, is_picture

FILE_COLUMNS = ("img_name", "filename", "file_name", "file", "image", "image_name", "image_path", "path", "img", "id")
HALF_COLUMNS = ("split", "subset", "half", "set", "partition", "fold")
MOST = 0.9  # of the pictures of a set must be named by what came with it, to be its halves
PLAIN = {"list", "set", "split", "files", "file", "names", "images"}  # words beside a half in the name of a list


@dataclass(frozen=True)
class Division:
    """How somebody asks for halves; by default as is found. `holdout`: the share that is tested on."""

    split: tuple[str, ...] = ()
    holdout: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split and self.holdout is not None:
            raise SfumatoError("--split and --holdout: one of them says which pictures are tested on, not both")
        if self.holdout is not None and not 0 < self.holdout < 1:
            raise SfumatoError(f"holdout {self.holdout:g}: must be a share between 0 and 1")

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.split) or self.holdout is not None

    @property
    def share(self) -> float:
        return HELD_OUT if self.holdout is None else self.holdout


USUAL = Division()
NOWHERE = "in no half of the split"


@dataclass(frozen=True)
class Declared:
    """The halves that are declared: by name of the picture, the half and how much of its path says so. `how`: in
    words."""

    halves: dict[str, tuple[Half, str]]
    how: str = ""


def declared(files: Files, names: Sequence[str], under: str, division: Division) -> Declared:
    """What is asked for, else what tables or lists among `names` say of nearly all pictures. `under`: of the folder in
    an archive that is read. Raises SfumatoError for a split that cannot be."""
    index = PictureIndex(names)
    if division.split:
        return _asked(files, names, under, division.split, index)
    if division.holdout is not None:
        return Declared({}, f"{division.holdout:.0%} held out, seed {division.seed}")
    for name in names:
        if name.lower().endswith(".csv"):
            try:
                found = table_halves(text_of(files, name), name, index)
            except (SfumatoError, csv.Error):
                continue
            if len(found) >= MOST * len(index.pictures):
                return Declared({picture: (half, "") for picture, half in found.items()}, f"halves from {name}")
    found = dict(listed(files, names, index))
    if len({*found.values()}) > 1 and len(found) >= MOST * len(index.pictures):
        return Declared({picture: (half, "") for picture, half in found.items()}, "halves from lists of names")
    return Declared({})


def _asked(files: Files, names: Sequence[str], under: str, split: Sequence[str], index: PictureIndex) -> Declared:
    found: dict[str, tuple[Half, str]] = {}
    for part in split:
        word, equals, place = part.partition("=")
        half = half_of(word) if equals else None
        if not equals and part.lower().endswith(".csv"):
            found |= {name: (half, "") for name, half in table_halves(_text(files, under, part), part, index).items()}
            continue
        if half is None:
            raise SfumatoError(
                f"split {part!r}: must be train=DIR, valid=DIR, test=DIR, or a .csv with columns file and split"
            )
        folder = _below(names, under, place)
        if folder:
            taken: dict[str, tuple[Half, str]] = {
                name: (half, folder) for name in names if name.startswith(folder) and is_picture(name)
            }
        elif place.lower().endswith((".txt", ".csv", ".lst")):
            taken = dict.fromkeys(_lines(_text(files, under, place), place, index), (half, ""))
        else:
            raise SfumatoError(f"split {part!r}: no folder of pictures of that name in the data, nor a list of names")
        if twice := next((name for name in taken if name in found), None):
            raise SfumatoError(f"split {part!r}: {twice} is in the half {found[twice][0]} already")
        found |= taken
    there: set[Half] = {half for half, _ in found.values()}
    if not are_told_apart(there):
        missing = "train on" if "train" not in there else "test on"
        raise SfumatoError(f"split {' '.join(split)}: names no pictures to {missing}")
    return Declared(found, f"halves as --split says: {' '.join(split)}")


def _below(names: Sequence[str], under: str, place: str) -> str:
    """The folder called so, below those that hold everything too; nothing if there is none, or more than one."""
    folder = PurePosixPath(place.replace("\\", "/")).as_posix().strip("/") + "/"
    if any(name.startswith(under + folder) for name in names):
        return under + folder
    ends = {name[: name.index(f"/{folder}") + 1] + folder for name in names if f"/{folder}" in name}
    return ends.pop() if len(ends) == 1 else ""


def _text(files: Files, under: str, place: str) -> str:
    """Of a file in the data, or else on disk."""
    if under + place in files.names():
        return text_of(files, under + place)
    path = Path(place).expanduser()
    return text_of(FolderFiles(path.parent), path.name)


def columns(text: str) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """A table's columns, in small letters, and its rows with their line numbers. Commas, semicolons, tabs or bars stand
    between them."""
    first = text.partition("\n")[0]
    mark = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True)
    head = [cell.strip().lower() for cell in next(reader, [])]

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, dict(zip(head, (cell.strip() for cell in cells), strict=False))

    return head, rows()


def table_halves(text: str, where: str, index: PictureIndex) -> dict[str, Half]:
    """The halves that a table with a column of files and one of halves says. Raises SfumatoError for another table."""
    head, rows = columns(text)
    file, half = (next((name for name in options if name in head), None) for options in (FILE_COLUMNS, HALF_COLUMNS))
    if file is None or half is None:
        raise SfumatoError(f"{where}: has the columns {', '.join(head)}: neither file and split are among them")
    found: dict[str, Half] = {}
    for _, row in rows:
        said = half_of(row.get(half, ""))
        if said is None:
            continue
        try:
            found[index.find(row[file], where)] = said
        except (SfumatoError, KeyError):
            continue
    return found


def listed(files: Files, names: Sequence[str], index: PictureIndex, below: str = "") -> Iterator[tuple[str, Half]]:
    """Each picture in the lists `train.txt`, `val.txt`, `test.txt`, in any spelling, and its half. `below`: only in
    folders whose path ends so. Of `trainval.txt` those that no other list has."""
    lists = [name for name in names if name.lower().endswith(".txt") and _ends(name, below)]
    taken = set[str]()
    for name in lists:
        half = _half_of_list(name)
        if half is None:
            continue
        for picture in _lines(text_of(files, name), name, index):
            taken.add(picture)
            yield picture, half
    for name in lists:
        if PurePosixPath(name).stem.lower() == "trainval":
            for picture in _lines(text_of(files, name), name, index):
                if picture not in taken:
                    yield picture, "train"


def _ends(name: str, below: str) -> bool:
    return f"/{name}".rpartition("/")[0].endswith(f"/{below}") if below else True


def _half_of_list(name: str) -> Half | None:
    words = {word.lower() for word in WORDS.findall(PurePosixPath(name).stem)} - PLAIN
    return SAID.get(words.pop()) if len(words) == 1 else None


def _lines(text: str, where: str, index: PictureIndex) -> Iterator[str]:
    """The pictures that the lines of a list name: whole, or without a last word (a class, or 1 and -1)."""
    for line in text.splitlines():
        for said in (line.strip(), line.strip().rpartition(" ")[0], line.partition(",")[0]):
            if said:
                try:
                    yield index.find(said, where)
                except SfumatoError:
                    continue
                break
