"""What every source of images becomes: two splits of 8-bit pictures of one shape, and what must be said of them."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..errors import SfumatoError

VOID = 255  # in a mask: a pixel that is neither trained nor measured on


class Pictures(Protocol):
    """Pictures by number: `take` returns uint8 (n, c, h, w), `crops` a random `side` × `side` square of each, `whole`
    one picture (c, h, w) with nothing cut off."""

    def __len__(self) -> int: ...
    def take(self, indices: Tensor) -> Tensor: ...
    def crops(self, indices: Tensor, side: int, generator: torch.Generator) -> Tensor: ...
    def whole(self, index: int) -> Tensor: ...
    def prepare(self, indices: Tensor) -> None: ...


@dataclass(frozen=True)
class InMemory:
    """All pictures as one uint8 tensor (n, c, h, w)."""

    images: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> Tensor:
        return self.images.index_select(0, indices)

    def crops(self, indices: Tensor, side: int, generator: torch.Generator) -> Tensor:
        return random_crops(self.take(indices), side, generator)

    def whole(self, index: int) -> Tensor:
        return self.images[index]

    def prepare(self, indices: Tensor) -> None:
        """Nothing: they are there."""


@dataclass(frozen=True)
class Varied:
    """Pictures of one shorter side and any longer one, uint8 (c, h, w) each; taken whole, they are central squares."""

    images: list[Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> Tensor:
        return torch.stack([central_square(self.images[index]) for index in indices.tolist()])

    def crops(self, indices: Tensor, side: int, generator: torch.Generator) -> Tensor:
        return torch.cat([random_crops(self.images[index][None], side, generator) for index in indices.tolist()])

    def whole(self, index: int) -> Tensor:
        return self.images[index]

    def prepare(self, indices: Tensor) -> None:
        """Nothing: they are there."""


class Streamed:
    """Pictures decoded when they are asked for, by a few threads; `prepare` starts on a batch ahead of time.

    `read(i)` returns picture i as uint8 (c, h, w). Memory stays at two batches, however many pictures there are.
    """

    def __init__(self, read: Callable[[int], Tensor], count: int, threads: int = 4) -> None:
        self.read = read
        self.count = count
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="sfumato-decode")
        self.ahead: dict[tuple[int, ...], list[Future[Tensor]]] = {}

    def __len__(self) -> int:
        return self.count

    def take(self, indices: Tensor) -> Tensor:
        return torch.stack([central_square(picture) for picture in self._pictures(indices)])

    def crops(self, indices: Tensor, side: int, generator: torch.Generator) -> Tensor:
        return torch.cat([random_crops(picture[None], side, generator) for picture in self._pictures(indices)])

    def whole(self, index: int) -> Tensor:
        return self.read(index)

    def _pictures(self, indices: Tensor) -> list[Tensor]:
        key = tuple(indices.tolist())
        futures = self.ahead.pop(key, None) or [self.pool.submit(self.read, index) for index in key]
        return [future.result() for future in futures]

    def prepare(self, indices: Tensor) -> None:
        key = tuple(indices.tolist())
        self.ahead = {key: self.ahead.get(key) or [self.pool.submit(self.read, index) for index in key]}


@dataclass(frozen=True)
class Split:
    """Pictures and what is known of them: `labels` int64 (n,); `boxes` float32 (n, m, 5), of each object its class,
    left, top, right and bottom as shares of the sides, and rows of -1 where an image has fewer than m; if `masked`, the
    class of each pixel, VOID where nobody knows, is the last channel of the pictures: what cuts and flips them cuts
    and flips it."""

    pictures: Pictures
    labels: Tensor | None = None
    boxes: Tensor | None = None
    masked: bool = False

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self, indices: Tensor | Sequence[int] | None = None) -> Tensor:
        """Pictures as float32 (n, c, h, w) in [0, 1]; all of them by default."""
        chosen = torch.arange(len(self)) if indices is None else torch.as_tensor(indices)
        return self.parted(self.pictures.take(chosen))[0].float().div_(255)

    def parted(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Of bytes (n, c, h, w) or (c, h, w) the picture, and the mask without its channel if there is one."""
        return (pictures[..., :-1, :, :], pictures[..., -1, :, :]) if self.masked else (pictures, None)


@dataclass(frozen=True)
class LeftOut:
    """A file that was not used, and why."""

    file: str
    reason: str

    def __post_init__(self) -> None:
        # Names that are not UTF-8 on disk must be printable everywhere.
        printable = self.file.encode("utf-8", "backslashreplace").decode("utf-8")
        object.__setattr__(self, "file", printable)

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True, eq=False)
class ImageData:
    """A source, opened. `notice` is what must be said wherever results on it are shown, in English and Chinese;
    `fingerprint` names it. `second`: for systems that learn from two sets of images side by side, the other one."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str
    notice: str = ""
    left_out: tuple[LeftOut, ...] = field(default=())
    notice_zh: str = ""
    second: "ImageData | None" = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of every picture."""
        channels, height, width = self.train.images([0]).shape[1:]
        return channels, height, width


def fingerprint(*parts: Tensor | str) -> str:
    """16 hexadecimal digits that change with any of `parts`: pixels, labels, words."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(
            part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part.contiguous().numpy().tobytes()
        )
    return digest.hexdigest()


def central_square(picture: Tensor) -> Tensor:
    """The largest central square of (c, h, w)."""
    height, width = picture.shape[1:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[:, top : top + side, left : left + side]


def random_crops(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """A random `side` × `side` square of each picture (b, c, h, w), all cut at once."""
    count, _, height, width = pictures.shape
    if side > min(height, width):
        raise SfumatoError(f"crop {side}: larger than the {height}×{width} pictures")
    top = torch.randint(height - side + 1, (count, 1), generator=generator) + torch.arange(side)
    left = torch.randint(width - side + 1, (count, 1), generator=generator) + torch.arange(side)
    which = torch.arange(count)
    return pictures.permute(0, 2, 3, 1)[which[:, None, None], top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)
