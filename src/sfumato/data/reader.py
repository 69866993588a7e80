"""Pictures read from files: into memory, into a file of decoded ones, or when they are needed."""

import io
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import torch
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from ..memory import OUT, allowed, taking
from ..terminal import console
from .archives import Files, FolderFiles, ZipFiles
from .dataset import InMemory, LeftOut, Mapped, Pictures, Split, Streamed, Varied, fingerprint, threads
from .decoded import Decoded
from .division import NOWHERE
from .halves import HALVES, Half
from .index import is_picture
from .pictures import Fit, read_picture, to_tensor
from .shards import TarFiles, is_tar, shards_in

MEMORY = 2 * 2**30  # bytes of decoded pictures, or half of what may be taken; larger sets are mapped, or streamed
AHEAD = 64  # pictures that are decoded before somebody takes them, at most
OWN = 1024  # pixels of a side, about, of pictures of their own size
LONGER = 1.5  # a usual photograph's longer side over its shorter one
MANY = 2000  # pictures: the decoded ones of a set so large are kept
PATIENCE = 1.0  # seconds before a progress bar


def open_files(path: Path) -> tuple[Files, str]:
    """The files of a folder, of tars that lie in one without pictures, of a zip or a tar, or of a folder inside one
    (`photos.zip/dogs`), and that folder's name with a slash behind it, or nothing. Raises SfumatoError for an archive
    that cannot be read, and if nothing is there."""
    if path.is_dir():
        files, shards = FolderFiles(path), shards_in(path)
        return (TarFiles(shards) if shards and not any(map(is_picture, files.names())) else files), ""
    archive = next((place for place in (path, *path.parents) if place.is_file()), None)
    if archive is None:
        raise SfumatoError(f"{path}: neither a folder nor an archive that is there")
    inside = path.relative_to(archive).as_posix()
    files = TarFiles([archive]) if is_tar(archive) else ZipFiles(archive)
    return files, "" if inside == "." else f"{inside}/"


def is_tree(path: Path) -> bool:
    """Whether `path` is what `open_files` opens."""
    archive = next((place for place in (path, *path.parents) if place.is_file()), None)
    return path.is_dir() or (archive is not None and (archive.suffix.lower() == ".zip" or is_tar(archive)))


def refuse_if(strict: bool, path: Path, left_out: list[LeftOut], some: bool) -> None:
    """Raises SfumatoError if nothing is left to use, or, with `strict`, if anything was left out."""
    if strict and left_out:
        raise SfumatoError(f"{path}: {left_out[0]} (--strict stops at the first such file)")
    if not some:
        reason = f"; the first of {len(left_out)} left out: {left_out[0]}" if left_out else ""
        raise SfumatoError(f"{path}: no picture that can be used{reason}")


class PictureReader:
    """Reads named files as uint8 (c, h, w) of the shorter side `resolution`, or their own if that is 0."""

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
            with taking(self.files.size(name)):
                return to_tensor(self.picture(name, io.BytesIO(self.files.content(name))))
        except OSError as error:
            raise SfumatoError(f"cannot be read ({error.strerror})") from None
        except MemoryError as error:
            raise MemoryError(f"{name}: {error or OUT}") from None

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
        size = len(names) * self.channels * self.resolution**2 * usual
        room = min(MEMORY, allowed() // 2)
        cached = self.fit != "short" and (size > room or len(names) >= MANY)
        if cached and (found := self._decoded(names, title, sound, bad)):
            self.mapped, bad = found
            sound.close()
            pictures = [*self.mapped] if size <= room else []
        elif size <= room:
            held = 0
            for picture in sound:
                held += picture.numel()
                if held > room:  # longer pictures than usual
                    pictures.clear()
                    break
                pictures.append(picture)
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
        if self.mapped is not None and not pictures:
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

        size = self.channels * (self.resolution or OWN) ** 2
        ahead = min(AHEAD, max(threads(), allowed() // (8 * size)))  # of all that may be taken an eighth
        with ThreadPoolExecutor(threads(), thread_name_prefix="sfumato-decode") as pool:
            waiting = deque[Future[Tensor | str]]()
            for name in names:
                waiting.append(pool.submit(attempt, name))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()


def taken(pictures: list[Tensor], places: list[int]) -> list[Tensor]:
    """Those at `places`; of none, none."""
    return [pictures[place] for place in places] if pictures else []


def _shown(pictures: Iterator[Tensor | str], count: int, name: str) -> Iterator[Tensor | str]:
    """The same pictures, under a progress bar once they have taken a second and somebody looks."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    began, shown_on = time.monotonic(), console()
    with ExitStack() as shown:
        progress: Progress | None = None
        for place, picture in enumerate(pictures):
            yield picture
            if progress is not None:
                progress.update(progress.task_ids[0], advance=1)
            elif shown_on.is_terminal and time.monotonic() - began > PATIENCE:
                columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()
                progress = shown.enter_context(
                    Progress(*columns, TimeRemainingColumn(), console=shown_on, transient=True)
                )
                progress.add_task(f"reading {name}", total=count, completed=place + 1)


def splits_of(
    reader: PictureReader,
    files: Sequence[str],
    pictures: list[Tensor],
    halves: Sequence[Half | None],
    left_out: list[LeftOut],
    **known: Any,
) -> dict[str, Any]:
    """The parts of a set, by half; pictures of no half are left out. `known`: of all pictures, what `Split` has of
    each; None for a half that is not there."""
    left_out += [LeftOut(file, NOWHERE) for file, half in zip(files, halves, strict=True) if not half]
    splits = dict[str, Any]()
    for half in HALVES:
        places = [place for place, own in enumerate(halves) if own == half]
        own: dict[str, Any] = {
            key: value[places] if isinstance(value, Tensor) else value for key, value in known.items()
        }
        held = reader.hold([files[place] for place in places], taken(pictures, places)) if places else None
        splits[half] = None if held is None else Split(held, **own)
    return splits


def marks_of(halves: Sequence[Half | None]) -> list[Tensor]:
    """What a fingerprint must know of the halves."""
    marks = [torch.tensor([half != "train" for half in halves])]
    return [*marks, torch.tensor([half == "valid" for half in halves])] if "valid" in halves else marks


def passed_over(files: Files) -> list[str]:
    """Which folders are no part of a set, in a phrase; none if there are none."""
    return [f"passed over: {', '.join(files.passed())}"] if files.passed() else []
