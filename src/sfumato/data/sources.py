"""`--data SRC`: one name or path to an opened data set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize, rgb_to_grayscale

from ..cache import cache_folder
from ..errors import SfumatoError
from .boxed import read_boxed
from .dataset import ImageData, InMemory, Split, fingerprint
from .digits import read_digits
from .faces import read_faces
from .folder import is_tree, read_folder
from .masked import read_masked
from .mnist import MIRRORS, fetch_mnist, is_fetched, is_idx_folder, read_mnist
from .paintings import read_paintings
from .patches import read_patches
from .photographs import read_photographs
from .pictures import Fit
from .scenes import SIDE, read_scenes


@dataclass(frozen=True)
class Source:
    """A line of `sfumato data list`."""

    name: str
    about: str
    state: str


NAMES = ("digits", "patches", "photographs", "paintings", "faces", "scenes", *MIRRORS)
Target = Literal["labels", "boxes", "masks"]


@dataclass(frozen=True)
class View:
    """How pictures are read for somebody: `channels` (1 or 3) and `resolution`, fitted as `fit` says (see
    `read_picture`); None keeps what a data set of fixed size has, and makes a tree of pictures 64×64 RGB. `target`:
    what must be known of each picture: its class if there is one, boxes, or the class of each pixel."""

    channels: int | None = None
    resolution: int | None = None
    fit: Fit = "square"
    target: Target = "labels"


OWED = {"boxes": "boxes around objects", "masks": "a class for each pixel"}


def sources() -> list[Source]:
    """What can be named without a path."""
    fetchable = [
        Source(
            name,
            "70,000 images of 28×28 in ten classes",
            str(cache_folder(name)) if is_fetched(name) else f"not here: sfumato data fetch {name}",
        )
        for name in MIRRORS
    ]
    return [
        Source("digits", "1,797 handwritten digits of 8×8, enlarged to 28×28", "embedded"),
        Source("patches", "64×64 patches of seven photographs", "embedded"),
        Source("photographs", "squares of the same seven photographs, larger", "embedded"),
        Source("paintings", "styles that a program draws, in four manners", "embedded"),
        Source("faces", "100 faces of 25×25, and as many pieces without one", "embedded"),
        Source("scenes", "shapes on photographs, with their boxes or pixels", "embedded"),
        *fetchable,
    ]


def fetch(name: str) -> Path:
    """Downloads `name` and returns its folder. Raises SfumatoError for a name that cannot be fetched."""
    if name not in MIRRORS:
        raise SfumatoError(f"data {name!r}: cannot be fetched; {' and '.join(MIRRORS)} can")
    return fetch_mnist(name)


def open_data(
    source: str | Sequence[str],
    channels: int | None = None,
    resolution: int | None = None,
    strict: bool = False,
    fit: Fit = "square",
    target: Target = "labels",
) -> ImageData:
    """The data set that `source` names: one of NAMES or a path; or two of them, side by side: the second becomes the
    first one's `second`.

    A path is a folder of the four MNIST files, or a folder or zip of pictures, or a folder inside a zip. Pictures come
    with `channels` (1 or 3) and `resolution`, fitted as `fit` says (see `read_picture`); None keeps what a data set of
    fixed size has (a tree of pictures then becomes 64×64 RGB). `target`: what must be known of each picture: its class
    if there is one, boxes, or the class of each pixel. Raises SfumatoError with the fault in one line.
    """
    if not isinstance(source, str):
        if len(source) != 2:
            raise SfumatoError(f"data {' '.join(source)}: two sets are needed, not {len(source)}")
        first, second = (open_data(item, channels, resolution, strict, fit, target) for item in source)
        return replace(
            first,
            name=f"{first.name} and {second.name}",
            fingerprint=fingerprint(first.fingerprint, second.fingerprint),
            notice=" ".join(filter(None, (first.notice, second.notice))),
            notice_zh="".join(filter(None, (first.notice_zh, second.notice_zh))),
            left_out=first.left_out + second.left_out,
            second=second,
        )
    path = Path(source).expanduser()
    if source == "scenes":
        return _suited(read_scenes(target, resolution or SIDE), channels)
    if target != "labels" and source in NAMES:
        raise SfumatoError(f"data {source}: has not {OWED[target]}; `scenes` has")
    if source == "faces":
        data = read_faces()
    elif source == "digits":
        data = read_digits()
    elif source == "patches":
        data = read_patches()
    elif source == "photographs":
        data = read_photographs(resolution or 256)
    elif source == "paintings":
        data = read_paintings(resolution or 256)
    elif source in MIRRORS:
        data = read_mnist(fetch_mnist(source))
    elif target == "labels" and path.is_dir() and is_idx_folder(path):
        data = read_mnist(path)
    elif is_tree(path):
        if target == "boxes":
            return read_boxed(path, resolution or 64, strict)
        if target == "masks":
            return read_masked(path, resolution or 64, strict)
        return read_folder(path, channels or 3, resolution or 64, strict, fit)
    elif path.is_file():
        raise SfumatoError(f"data {source!r}: a single file; give a folder of pictures or a .zip")
    else:
        raise SfumatoError(
            f"data {source!r}: neither a known name ({', '.join(NAMES)}) nor a folder or zip that is there"
        )
    shape = (channels or data.shape[0], resolution or data.shape[1], resolution or data.shape[2])
    return data if shape == data.shape else replace(data, train=_fit(data.train, shape), test=_fit(data.test, shape))


def _suited(scenes: ImageData, channels: int | None) -> ImageData:
    """The scenes, in grey if that is asked for."""
    if channels != 1:
        return scenes
    return replace(
        scenes, train=_fit(scenes.train, (1, *scenes.shape[1:])), test=_fit(scenes.test, (1, *scenes.shape[1:]))
    )


def _fit(split: Split, shape: tuple[int, int, int]) -> Split:
    images: Tensor = split.pictures.take(torch.arange(len(split)))
    if images.shape[-2:] != shape[1:]:
        images = resize(images, list(shape[1:]), antialias=True)
    if shape[0] < images.shape[1]:
        images = rgb_to_grayscale(images)
    return replace(split, pictures=InMemory(images.expand(-1, shape[0], -1, -1).contiguous()))
