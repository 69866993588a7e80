"""`--data SRC`: one name or path to an opened data set. Importing this file imports no torch: the help reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_to_bytes

from ..cache import cache_folder
from ..errors import SfumatoError
from ..files import resolved

if TYPE_CHECKING:
    from .dataset import ImageData, Split
    from .pictures import Fit

Target = Literal["labels", "boxes", "masks", "sides"]
OWED: dict[Target, str] = {
    "boxes": "boxes around objects", "masks": "a class for each pixel", "sides": "two sides, A and B",
}  # fmt: skip
SIDE = 64  # of the pictures of a tree, where nobody says
PATHS = "a folder, a .zip, .tar shards, or IDX files"


@dataclass(frozen=True)
class View:
    """How pictures are read for somebody: `channels` (1 or 3) and `resolution`, fitted as `fit` says (see
    `read_picture`), 0 as they are; None keeps what a data set of fixed size has, and makes a tree of pictures 64×64
    RGB. `target`: what must be known of each picture: its class if there is one, boxes, the class of each pixel, or
    which of two sides it is of. `paired`: those of the sides are partners. `split`, `holdout`, `seed`: which pictures
    are held out, as `division` takes it."""

    channels: int | None = None
    resolution: int | None = None
    fit: Fit = "square"
    target: Target = "labels"
    paired: bool = False
    split: tuple[str, ...] = ()
    holdout: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class HeldOut:
    """Which pictures of one's own data are held out, as somebody asks: see `division`."""

    split: tuple[str, ...] = ()
    holdout: float | None = None
    seed: int = 0


USUAL = HeldOut()


@dataclass(frozen=True)
class Source:
    """A data set that can be named without a path. `read` opens it as a View asks, at the nearest size that it has.
    `offers`: what it knows of its pictures. `fetched`: whether it must be downloaded first."""

    about: str
    read: Callable[[View], ImageData]
    offers: tuple[Target, ...] = ("labels",)
    fetched: bool = False


def _of(module: str, function: str) -> Callable[..., Any]:
    """A reader of this package, imported when it is called."""
    return lambda *arguments: getattr(import_module(f".{module}", __package__), function)(*arguments)


def _sized(module: str, function: str, side: int) -> Callable[[View], ImageData]:
    """A reader of pictures that are made at the size that is asked for."""
    read = _of(module, function)
    return lambda view: read(view.resolution or side)


def _fixed(module: str, function: str) -> Callable[[View], ImageData]:
    """A reader of pictures that have one size."""
    read = _of(module, function)
    return lambda _: read()


def _published(name: str, _: View) -> ImageData:
    from .mnist import fetch_mnist, read_mnist

    return read_mnist(fetch_mnist(name))


def _scenes(view: View) -> ImageData:
    from .scenes import SIDE, read_scenes

    return read_scenes(view.target, view.resolution or SIDE)


FETCHED = "70,000 images of 28×28 in ten classes"
SOURCES = {
    "digits": Source("1,797 handwritten digits of 8×8, enlarged to 28×28", _sized("digits", "read_digits", 28)),
    "patches": Source("64×64 patches of seven photographs", _fixed("patches", "read_patches")),
    "photographs": Source(
        "squares of the same seven photographs, larger", _sized("photographs", "read_photographs", 256)
    ),
    "paintings": Source("styles that a program draws, in four manners", _sized("paintings", "read_paintings", 256)),
    "faces": Source("100 faces of 25×25, and as many pieces without one", _fixed("faces", "read_faces")),
    "inks": Source("digits in white on black, and in blue on cream", _sized("inks", "read_inks", 32), ("sides",)),
    "papers": Source("the same, each on paper ruled in its own way", _sized("inks", "read_papers", 32), ("sides",)),
    "scenes": Source("shapes on photographs, with their boxes or pixels", _scenes, ("labels", "boxes", "masks")),
    "mnist": Source(FETCHED, partial(_published, "mnist"), fetched=True),
    "fashion-mnist": Source(FETCHED, partial(_published, "fashion-mnist"), fetched=True),
}


def state_of(name: str) -> str:
    """Whether the data set `name` is here, and if not, how to get it."""
    if not SOURCES[name].fetched:
        return "embedded"
    from .mnist import is_fetched

    return str(cache_folder(name)) if is_fetched(name) else f"not here: sfumato data fetch {name}"


def in_words() -> str:
    """What `--data` takes, for the help."""
    embedded = [name for name, source in SOURCES.items() if not source.fetched]
    fetched = [name for name, source in SOURCES.items() if source.fetched]
    return f"{', '.join(embedded[:-1])} or {embedded[-1]} (embedded), {', '.join(fetched)}, {PATHS}"


def fetch(name: str) -> Path:
    """Downloads `name` and returns its folder. Raises SfumatoError for a name that cannot be fetched."""
    fetched = [each for each, source in SOURCES.items() if source.fetched]
    if name not in fetched:
        raise SfumatoError(f"data {name!r}: cannot be fetched; {' and '.join(fetched)} can")
    from .mnist import fetch_mnist

    return fetch_mnist(name)


def alike(source: str) -> tuple[str, ...]:
    """The names of data sets that `source` is like, itself first: presets go by them. A folder of IDX files holds what
    MNIST's does, whatever it is called; a single picture is a painting."""
    from .mnist import is_idx_folder

    if source == "papers":
        return source, "inks"
    if source not in SOURCES and _of("single", "is_single")(path_of(source)):
        return source, "painting"
    return (source, "mnist", "digits") if source not in SOURCES and is_idx_folder(path_of(source)) else (source,)


def path_of(source: str) -> Path:
    """The path that `source` is. A run remembers one whose name is not UTF-8 with its bytes as in `%FF`."""
    path = Path(source).expanduser()
    bytewise = Path(os.fsdecode(unquote_to_bytes(os.fsencode(path))))
    return bytewise if bytewise.exists() and not path.exists() else path


def located(source: str) -> str:
    """`source` as a run remembers it: a name, or the whole path."""
    return source if source in SOURCES else str(resolved(path_of(source)))


def open_data(
    source: str | Sequence[str],
    view: View | int | None = None,
    resolution: int | None = None,
    strict: bool = False,
    **asked: Any,
) -> ImageData:
    """The data set that `source` names: one of SOURCES or a path, as `view` asks for it; or two of them, side by side:
    the second becomes the first one's `second`.

    `view`: a View, or its `channels`, behind which its other fields may stand. A path is a folder of the four MNIST
    files, or pictures in a folder, a zip, tars, or a folder inside an archive. `strict`: stop at the first file that
    cannot be used. Raises SfumatoError with the fault in one line.
    """
    if not isinstance(view, View):
        view = View(view, resolution, **asked)
    if not isinstance(source, str):
        if len(source) != 2:
            raise SfumatoError(f"data {' '.join(source)}: two sets are needed, not {len(source)}")
        first, second = open_data(source[0], view, strict=strict), _open_second(source[1], view, strict)
        return _of("dataset", "beside")(first, second, f"{first.name} and {second.name}")
    if source in SOURCES:
        known = SOURCES[source]
        if view.target not in known.offers:
            able = [f"`{name}`" for name, other in SOURCES.items() if view.target in other.offers]
            have = "has" if len(able) == 1 else "have"
            raise SfumatoError(f"data {source}: has not {OWED[view.target]}; {' and '.join(able)} {have}")
        if view.split or view.holdout is not None:
            raise SfumatoError(f"data {source}: has its own halves: --split and --holdout are for your own pictures")
        return _suited(known.read(view), view)
    return _open_path(source, view, strict)


def _open_second(source: str, view: View, strict: bool) -> ImageData:
    """The second of two sets may be a single picture: a style."""
    path = path_of(source)
    if source not in SOURCES and _of("single", "is_single")(path):
        return _of("single", "read_single")(path, view.channels or 3, view.resolution or SIDE)
    return open_data(source, view, strict=strict)


def _open_path(source: str, view: View, strict: bool) -> ImageData:
    from .division import Division
    from .mnist import is_idx_folder, read_mnist
    from .reader import is_tree

    path = path_of(source)
    side = SIDE if view.resolution is None else view.resolution
    if view.target == "labels" and path.is_dir() and is_idx_folder(path):
        return _suited(read_mnist(path), view)
    if is_tree(path):
        division = Division(view.split, view.holdout, view.seed)
        if view.target == "boxes":
            return _of("boxed", "read_boxed")(path, side, strict, division)
        if view.target == "masks":
            return _of("masked", "read_masked")(path, side, strict, division)
        channels = view.channels or 3
        if view.target == "sides":
            return _of("domains", "read_domains")(path, channels, side, strict, view.fit, view.paired, division)
        return _of("folder", "read_folder")(path, channels, side, strict, view.fit, division)
    if path.is_file():
        raise SfumatoError(f"data {source!r}: a single file; give a folder of pictures, a .zip or a .tar")
    raise SfumatoError(
        f"data {source!r}: neither a known name ({', '.join(SOURCES)}) nor a folder, zip or tar that is there"
    )


def _suited(data: ImageData, view: View) -> ImageData:
    """`data` in the channels and the size that are asked for."""
    channels, height, width = data.shape
    shape = (view.channels or channels, view.resolution or height, view.resolution or width)
    second = None if data.second is None else _suited(data.second, view)
    if shape == data.shape:
        return replace(data, second=second)
    fitted = {half: _fit(split, shape) for half in ("train", "valid", "test") if (split := getattr(data, half))}
    return replace(data, **fitted, second=second)


def _fit(split: Split, shape: tuple[int, int, int]) -> Split:
    import torch

    from .dataset import InMemory, grey, resized

    images = split.pictures.take(torch.arange(len(split)))
    if images.shape[-2:] != shape[1:]:
        images = resized(images, shape[1:])
    if shape[0] < images.shape[1]:
        images = grey(images)
    return replace(split, pictures=InMemory(images.expand(-1, shape[0], -1, -1).contiguous()))
