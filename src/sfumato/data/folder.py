"""A tree of pictures, in a folder, a zip or tars: class = first sub-folder.

Top folders named `train` and `test` (or `val`) are the split; without them, a tenth of the files (chosen by a hash of
their names) is the test set. Archives are read where they lie and never unpacked. Files that cannot be used are left
out, each with its reason.
"""

import io
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

import torch
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from .archives import Files, FolderFiles, ZipFiles
from .dataset import ImageData, InMemory, LeftOut, Mapped, Pictures, Split, Streamed, Varied, fingerprint, threads
from .decoded import Decoded
from .halves import TEST_NAMES, hashed_half
from .pictures import ENDINGS, Fit, read_picture, to_tensor
from .shards import TarFiles, is_tar, shards_in

MEMORY = 2 * 2**30  # bytes of decoded pictures; of a larger set they are mapped from a file, or streamed
AHEAD = 64  # pictures that are decoded before somebody takes them
LONGER = 1.5  # a usual photograph's longer side over its shorter one
MANY = 2000


@dataclass(frozen=True)
class Placed:
    """A file with its class and half."""

    name: str
    label: str
    is_test: bool


def open_files(path: Path) -> tuple[Files, str]:
    """The files of a folder, of tars that lie in one without pictures, of a zip or a tar, or of a folder inside one
    (`photos.zip/dogs`), and that folder's name with a slash behind it, or nothing. Raises SfumatoError for an archive
    that cannot be read."""
    if path.is_dir():
        files, shards = FolderFiles(path), shards_in(path)
        return (TarFiles(shards) if shards and not any(map(is_picture, files.names())) else files), ""
    archive = path if path.is_file() else next(place for place in path.parents if place.is_file())
    inside = path.relative_to(archive).as_posix()
    files = TarFiles([archive]) if is_tar(archive) else ZipFiles(archive)
    return files, "" if inside == "." else f"{inside}/"


def is_tree(path: Path) -> bool:
    """Whether `path` is what `open_files` opens."""
    archive = next((place for place in (path, *path.parents) if place.is_file()), None)
    return path.is_dir() or (archive is not None and (archive.suffix.lower() == ".zip" or is_tar(archive)))


def is_picture(name: str) -> bool:
    """Whether a file is a picture by its ending."""
    return PurePosixPath(name).suffix.lower() in ENDINGS


def read_folder(path: Path, channels: int, resolution: int, strict: bool = False, fit: Fit = "square") -> ImageData:
    """The pictures below `path`, which `open_files` opens, resized as `read_picture` does it.

    Pictures that fit into 2 GiB are decoded once into memory, more of them into a file, if they can be. Raises
    SfumatoError if nothing can be used, or, with `strict`, at the first file that cannot.
    """
    files, under = open_files(path)
    left_out = files.refused()
    placed = []
    names = [name.removeprefix(under) for name in files.names() if name.startswith(under)]
    everything, halves = _placed(names)
    for file in everything:
        if is_picture(file.name):
            name = under + file.name
            placed.append(replace(file, name=name, label=files.label(name) or file.label))
        else:
            left_out.append(LeftOut(file.name, "not a picture by its ending"))
    reader = PictureReader(files, channels, resolution, fit)
    good, pictures, bad = reader.gather([file.name for file in placed], path.name)
    left_out += bad
    refuse_if(strict, path, left_out, bool(good))
    return _data(path, [placed[index] for index in good], halves, pictures, reader, tuple(left_out))


def refuse_if(strict: bool, path: Path, left_out: list[LeftOut], some: bool) -> None:
    """Raises SfumatoError if nothing is left to use, or, with `strict`, if anything was left out."""
    if strict and left_out:
        raise SfumatoError(f"{path}: {left_out[0]} (--strict stops at the first such file)")
    if not some:
        reason = f"; the first of {len(left_out)} left out: {left_out[0]}" if left_out else ""
        raise SfumatoError(f"{path}: no picture that can be used{reason}")


class PictureReader:
    """Reads named files as uint8 (c, h, w) of the shorter side `resolution`."""

    def __init__(self, files: Files, channels: int, resolution: int, fit: Fit = "square") -> None:
        self.files = files
        self.channels = channels
        self.resolution = resolution
        self.fit: Fit = fit
        self.mapped: Tensor | None = None  # pictures (n, c, h, w) in a file,
        self.rows: dict[str, int] = {}  # and where among them each is

    def read(self, name: str) -> Tensor:
        """Raises SfumatoError with the fault, without the name."""
        try:
            content = self.files.content(name)
        except OSError as error:
            raise SfumatoError(f"cannot be read ({error.strerror})") from None
        return to_tensor(self.picture(name, io.BytesIO(content)))

    def picture(self, name: str, file: IO[bytes]) -> Image.Image:
        """What a file called `name` holds, as it is read."""
        return read_picture(file, self.channels, self.resolution, self.fit)

    def read_again(self, name: str) -> Tensor:
        """A picture that could be read when the data was opened."""
        try:
            return self.read(name)
        except SfumatoError as error:
            raise SfumatoError(f"{name}: {error}: it has changed since the data was opened") from None

    def gather(self, names: list[str], title: str) -> tuple[list[int], list[Tensor], list[LeftOut]]:
        """Reads them all, under a progress bar called `title`: the places of those that can be used, their pictures
        (none if they would take more than MEMORY: `hold` knows where they are), and the others."""
        usual = LONGER if self.fit == "short" else 1  # how much larger than a square
        bad: dict[int, str] = {}
        pictures: list[Tensor] = []
        sound = self._sound(names, title, bad)
        if len(names) * self.channels * self.resolution**2 * usual <= MEMORY:
            held = 0
            for picture in sound:
                held += picture.numel()
                if held > MEMORY:  # longer pictures than usual
                    pictures.clear()
                    break
                pictures.append(picture)
        elif self.fit != "short" and (found := self._decoded(names, title, sound, bad)):
            self.mapped, bad = found
            sound.close()
        for _ in sound:
            """Which ones can be read must be known."""
        good = [place for place in range(len(names)) if place not in bad]
        self.rows = {} if self.mapped is None else {names[place]: row for row, place in enumerate(good)}
        return good, pictures, [LeftOut(names[place], reason) for place, reason in bad.items()]

    def _sound(self, names: list[str], title: str, bad: dict[int, str]) -> Generator[Tensor]:
        """Reads them: the pictures of those that can be used; the places of the others are put into `bad`."""
        for place, picture in enumerate(_shown(self.read_all(names), len(names), title)):
            if isinstance(picture, str):
                bad[place] = picture
            else:
                yield picture

    def _decoded(
        self, names: list[str], title: str, pictures: Generator[Tensor], bad: dict[int, str]
    ) -> tuple[Tensor, dict[int, str]] | None:
        """All pictures from the cache of decoded sets, and why which are not among them; None if it has no room."""
        known_by = (
            f"{self.channels} {self.resolution} {self.fit}",
            *(f"\0{name}\0{self.files.stamp(name)}" for name in names),
        )
        place = Decoded(title, known_by, len(names), (self.channels, self.resolution, self.resolution))
        return place.find() or place.keep(pictures, bad)

    def hold(self, names: list[str], pictures: list[Tensor]) -> Pictures:
        """`pictures` of these names as a part of a data set; without any, they are read when they are needed."""
        if self.mapped is not None:
            return Mapped(self.mapped, torch.tensor([self.rows[name] for name in names]))
        if not pictures:
            return Streamed(lambda index: self.read_again(names[index]), len(names))
        alike = len({picture.shape for picture in pictures}) == 1
        return InMemory(torch.stack(pictures)) if alike else Varied(pictures)

    def fingerprint(self, names: list[str], pictures: list[Tensor], *more: Tensor) -> str:
        """Of pictures in memory and of `more`; streamed ones are known by names and sizes alone: reading them all once
        more would take too long."""
        return fingerprint(*pictures, *(f"{name}:{self.files.size(name)}" for name in names), *more)

    def read_all(self, names: list[str]) -> Iterator[Tensor | str]:
        """Each picture in order, or what is wrong with its file."""

        def attempt(name: str) -> Tensor | str:
            try:
                return self.read(name)
            except SfumatoError as error:
                return str(error)

        with ThreadPoolExecutor(threads(), thread_name_prefix="sfumato-decode") as pool:
            waiting = deque[Future[Tensor | str]]()
            for name in names:
                waiting.append(pool.submit(attempt, name))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()


def taken(pictures: list[Tensor], places: list[int]) -> list[Tensor]:
    """Those at `places`; of none, none."""
    return [pictures[place] for place in places] if pictures else []


def _shown(pictures: Iterator[Tensor | str], count: int, name: str) -> Iterable[Tensor | str]:
    """The same pictures, under a progress bar where there are many and somebody looks."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if count < MANY or not console.is_terminal:
        return pictures
    return track(pictures, f"reading {name}", count, console=console, transient=True)


def _placed(names: list[str]) -> tuple[list[Placed], bool]:
    """Where each file belongs: its half of the split and its class; and whether folders name the halves."""
    tops = {name.split("/")[0].lower() for name in names if "/" in name}
    halves = "train" in tops and any(test in tops for test in TEST_NAMES)
    placed = []
    for name in names:
        folders = name.split("/")[:-1]
        if halves and folders and folders[0].lower() in ("train", *TEST_NAMES):
            is_test = folders[0].lower() in TEST_NAMES
            folders = folders[1:]
        else:
            is_test = hashed_half(name)
        placed.append(Placed(name, folders[0] if folders else "", is_test))
    return placed, halves


def _data(
    path: Path,
    good: list[Placed],
    halves: bool,
    pictures: list[Tensor],
    reader: PictureReader,
    left_out: tuple[LeftOut, ...],
) -> ImageData:
    if len({file.is_test for file in good}) < 2:
        if halves:
            empty = "training" if good[0].is_test else "test"
            raise SfumatoError(f"{path}: its {empty} folder holds no picture that can be used")
        # A handful of files: too few for the hash to fill both halves.
        good = [Placed(file.name, file.label, is_test=index == 0) for index, file in enumerate(good)]
        if len(good) == 1:
            raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    classes = tuple(sorted({file.label for file in good}))
    splits = []
    for is_test in (False, True):
        chosen = [index for index, file in enumerate(good) if file.is_test == is_test]
        labels = torch.tensor([classes.index(good[index].label) for index in chosen]) if len(classes) > 1 else None
        held = reader.hold([good[index].name for index in chosen], taken(pictures, chosen))
        splits.append(Split(held, labels))
    known = reader.fingerprint([file.name for file in good], pictures)
    return ImageData(path.name, splits[0], splits[1], classes, known, left_out=left_out)
