"""Two kinds of pictures in one place, for systems that learn to turn one into the other: side A and side B.

Known layouts, in a folder, a zip or tars, below any folder that holds everything: `trainA`, `trainB`, `testA`, `testB`;
`train/A`, `train/B`, `test/A`, `test/B`, or the other way about; `A` and `B`; two folders of any names, A being the
first in alphabetical order; and, of pairs alone, pictures that hold A at the left and B at the right. Without halves of
a split a tenth of the pictures is tested on, by a hash of their names below the folder of their side.

Of `paired` sources each picture of A has a partner in B: the one of its name, or the other half of the picture. What
has none is left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from .archives import Files
from .dataset import ImageData, LeftOut, beside
from .division import USUAL, Division
from .halves import SAID, Half, half_of, halves_of
from .index import is_picture
from .pictures import Fit, read_image, read_picture
from .reader import PictureReader, marks_of, open_files, passed_over, refuse_if, splits_of

SIDES = ("A", "B")
CUT = (" (left)", " (right)")  # behind the names of the halves of a picture
SIDED = re.compile(rf"(?:({'|'.join(SAID)})[ _-]?)?([ab])", re.IGNORECASE)  # a folder of a side, maybe of a half too
LAYOUTS = "a folder with trainA, trainB, testA and testB, or train/A, train/B, test/A and test/B, or A and B"
SHOWN = 5
LEAST = 2  # pictures on a side


@dataclass(frozen=True)
class Sided:
    """A picture: its file, the folder that says which side it is of, its name below that, and the half that a folder
    says."""

    file: str
    side: str
    inside: str
    half: Half | None


Found = tuple[Sided, Tensor | None]  # and its pixels, None where they are read when they are needed


def read_domains(
    path: Path, channels: int, resolution: int, strict: bool = False, fit: Fit = "square", paired: bool = False,
    division: Division = USUAL,
) -> ImageData:  # fmt: skip
    """Side A of the pictures below `path`, with side B as its `second`. Raises SfumatoError for another layout, and if
    a side has too few pictures, or, with `strict`, at the first file that cannot be used."""
    if division.split:
        raise SfumatoError(
            f"{path}: --split cannot say the halves of two sides: name folders trainA, testA, ..., or --holdout"
        )
    files, under = open_files(path)
    names = [name for name in files.names() if name.startswith(under)]
    pictures = [name for name in names if is_picture(name)]
    left_out = [
        *files.refused(),
        *(LeftOut(name, "not a picture by its ending") for name in names if not is_picture(name)),
    ]
    refuse_if(strict, path, left_out, bool(pictures))
    placed = placed_files(pictures)
    folders = sides_among(placed)
    if not folders and not paired:
        raise SfumatoError(
            f"{path}: {_there(placed)}: which are side A and which side B? Give two --data, or {LAYOUTS}; or --paired, "
            "if each picture holds A at the left and B at the right"
        )
    reader = (PictureReader if folders else HalvedReader)(files, channels, resolution, fit)
    misfits = [file for file in placed if folders and file.side not in folders]
    left_out += [LeftOut(file.file, f"in a folder of neither side ({file.side or 'none'})") for file in misfits]
    sides = [_readable(path, reader, group, left_out) for group in _grouped(placed, folders)]
    if paired:
        sides = _partners(sides, left_out)
    refuse_if(strict, path, left_out, some=True)
    for side, found in zip(folders or SIDES, sides, strict=True):
        if len(found) < LEAST:
            there = f"{len(found) or 'no'} picture{'s' * (len(found) != 1)}"
            raise SfumatoError(
                f"{path}: side {side} holds {there} that can be used; {LEAST} are needed, one to train on and one to "
                "test"
            )
    first, second = (_data(path.name, reader, found, division, left_out) for found in sides)
    reading = _told(folders, first, second) + (", each picture with its partner" if paired else "")
    reading = "; ".join([reading, *passed_over(files)])
    return beside(first, second, path.name, paired=paired, reading=reading, left_out=tuple(left_out))


def _told(folders: Sequence[str] | None, first: ImageData, second: ImageData) -> str:
    """How the source was read, and how much is on each side."""
    if folders is None:
        layout = "side A is the left of each picture, B the right"
    elif tuple(folders) == SIDES:
        layout = "sides A and B are called so by their folders"
    else:
        layout = f"side A is {folders[0]}, side B {folders[1]}"
    return (
        f"{layout}: {len(first.train):,} and {len(second.train):,} pictures to train on, {len(first.test):,} and "
        f"{len(second.test):,} to test"
    )


def placed_files(names: Sequence[str]) -> list[Sided]:
    """Which side each picture is of: A or B where a folder is called so, else the first folder below those that hold
    everything or name halves; "" where there is none."""
    parts = [name.split("/") for name in names]
    shared = 0
    while all(len(own) > shared + 1 and own[shared] == parts[0][shared] for own in parts):
        if half_of(parts[0][shared]) or SIDED.fullmatch(parts[0][shared]):
            break
        shared += 1
    return [_placed(name, own[shared:]) for name, own in zip(names, parts, strict=True)]


def _placed(name: str, parts: Sequence[str]) -> Sided:
    """`parts`: of its path, below the folders that hold everything."""
    side, said, inside = "", None, list[str]()
    for folder in parts[:-1]:
        match = SIDED.fullmatch(folder)
        half = half_of((match.group(1) or "") if match else folder)
        said = half or said
        if side and not half:
            inside.append(folder)
        elif match or not half:
            side = match.group(2).upper() if match else folder
    return Sided(name, side, "/".join([*inside, parts[-1]]), said)


def sides_among(placed: Iterable[Sided]) -> tuple[str, str] | None:
    """The folders of sides A and B; None where no two folders can be they."""
    found = sorted({file.side for file in placed} - {""})
    if all(side in found for side in SIDES):
        return SIDES
    return (found[0], found[1]) if len(found) == 2 else None


def _there(placed: Sequence[Sided]) -> str:
    """What was found in place of two sides."""
    found = sorted({file.side for file in placed} - {""})
    shown = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
    if not found:
        return f"{len(placed)} pictures in no folder of a side"
    return f"pictures in {len(found)} folders ({shown})" if len(found) > 1 else f"pictures in one folder ({shown})"


def _grouped(placed: Sequence[Sided], folders: Sequence[str] | None) -> list[list[Sided]]:
    """The pictures of side A, and those of side B."""
    if folders:
        return [[file for file in placed if file.side == side] for side in folders]
    return [[replace(file, file=f"{file.file}{half}") for file in placed] for half in CUT]


def _readable(path: Path, reader: PictureReader, placed: list[Sided], left_out: list[LeftOut]) -> list[Found]:
    """Those that can be used, in the order of their names below the folder of their side."""
    placed = sorted(placed, key=lambda file: (file.inside, file.file))
    good, pictures, bad = reader.gather([file.file for file in placed], path.name)
    left_out += bad
    return [(placed[index], pictures[number] if pictures else None) for number, index in enumerate(good)]


def _partners(sides: Sequence[list[Found]], left_out: list[LeftOut]) -> list[list[Found]]:
    """Of each side those that have a partner in the same half of the split, in the same order."""

    def key(file: Sided) -> tuple[str, Half | None]:
        return str(PurePosixPath(file.inside).with_suffix("")), file.half

    first, second = ({key(file): (file, picture) for file, picture in side} for side in sides)
    for side, others in ((sides[0], second), (sides[1], first)):
        left_out += [LeftOut(file.file, "has no partner of its name") for file, _ in side if key(file) not in others]
    both = sorted(first.keys() & second.keys(), key=str)
    return [[side[name] for name in both] for side in (first, second)]


def _data(
    name: str, reader: PictureReader, found: list[Found], division: Division, left_out: list[LeftOut]
) -> ImageData:
    """One side, in two or three parts."""
    files = [file.file for file, _ in found]
    pictures = [picture for _, picture in found if picture is not None]
    said: list[Half | None] = [file.half for file, _ in found]
    halves = halves_of([file.inside for file, _ in found], said, division.share, division.seed)
    splits = splits_of(reader, files, pictures, halves, left_out)
    return ImageData(name, **splits, classes=(), fingerprint=reader.fingerprint(files, pictures, *marks_of(halves)))


class HalvedReader(PictureReader):
    """Reads the left or the right half of pictures, as the end of a name says."""

    def __init__(self, files: Files, channels: int, resolution: int, fit: Fit = "square") -> None:
        super().__init__(_Halves(files), channels, resolution, fit)

    def picture(self, name: str, file: IO[bytes]) -> Image.Image:
        whole = read_picture(file, self.channels)
        middle = whole.width // 2
        if not middle:
            raise SfumatoError(f"{whole.width}×{whole.height} pixels: has no two halves")
        left = 0 if name.endswith(CUT[0]) else whole.width - middle
        half = whole.crop((left, 0, left + middle, whole.height))
        return read_image(half, self.channels, self.resolution, self.fit)


class _Halves:
    """Files under their names with CUT behind them."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def names(self) -> list[str]:
        return [f"{name}{half}" for name in self.files.names() for half in CUT]

    def refused(self) -> list[LeftOut]:
        return self.files.refused()

    def passed(self) -> list[str]:
        return self.files.passed()

    def size(self, name: str) -> int:
        return self.files.size(_whole(name))

    def stamp(self, name: str) -> str:
        return f"{self.files.stamp(_whole(name))}{name.removeprefix(_whole(name))}"

    def label(self, name: str) -> str | None:
        return self.files.label(_whole(name))

    def content(self, name: str) -> bytes:
        return self.files.content(_whole(name))


def _whole(name: str) -> str:
    """The file that a half is of."""
    return name.removesuffix(CUT[0]).removesuffix(CUT[1])
