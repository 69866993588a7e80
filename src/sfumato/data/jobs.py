"""Pictures that somebody names on the command line: each one, and where its result goes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from ..errors import SfumatoError
from ..files import opened, resolved
from ..memory import OUT
from .pictures import ENDINGS, WRITERS, read_layers, writer


def check_outside(out: Path, source: Path, flag: str = "--out") -> None:
    """Raises SfumatoError if `out` lies in the folder `source`: what is written would be read with it the next time."""
    if source.is_dir() and resolved(out).is_relative_to(resolved(source)):
        raise SfumatoError(f"{out}: lies in the folder {source}, and would be read with it: give another {flag}")


def read_file(path: Path) -> tuple[Image.Image, Image.Image | None]:
    """A picture and its transparency. Raises SfumatoError naming the file."""
    try:
        with opened(path) as file:
            return read_layers(file)
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None
    except OSError as error:
        raise SfumatoError(f"{path}: {error.strerror}") from None
    except MemoryError as error:
        raise MemoryError(f"{path}: {error or OUT}") from None


def in_order(path: Path) -> tuple[tuple[int, str], ...]:
    """A key that compares the numbers in a name as numbers: frame2 comes before frame10."""
    parts = re.split(r"([0-9]+)", path.name)
    return tuple((int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts))


def as_pngs(paths: Sequence[Path]) -> list[Path]:
    """The same places with the ending .png; where two would be one, the later has its old ending as well."""
    named: dict[Path, Path] = {}
    taken: set[str] = set()
    for path in sorted(paths, key=lambda path: path.suffix.lower() != ".png"):
        png = path.with_suffix(".png")
        if png.name.lower() in taken:
            png = path.with_name(f"{path.name}.png")
        if png.name.lower() in taken:
            raise SfumatoError(f"{path.name}: would be written where another is: rename it")
        taken.add(png.name.lower())
        named[path] = png
    return [named[path] for path in paths]


def jobs(content: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    """Each picture to read and where its result goes: one, or those of a folder.

    Raises SfumatoError if there is none, or if `out` cannot be what is asked for.
    """
    if not content.is_dir():
        writer(out)
        if resolved(out) == resolved(content):
            raise SfumatoError(f"{out}: is the content itself: give another --out")
        yield content, out
        return
    pictures = sorted(
        (path for path in content.iterdir() if path.is_file() and path.suffix.lower() in ENDINGS), key=in_order
    )
    if not pictures:
        raise SfumatoError(f"{content}: holds no picture; there are {', '.join(sorted(ENDINGS))}")
    if resolved(out) == resolved(content):
        raise SfumatoError(f"{out}: is the folder of the contents: give another --out")
    if out.suffix.lower() in WRITERS or out.is_file():
        raise SfumatoError(f"{out}: {content} is a folder, so --out must be one too")
    for path in pictures:
        yield path, out / (path.name if path.suffix.lower() in WRITERS else f"{path.name}.png")
