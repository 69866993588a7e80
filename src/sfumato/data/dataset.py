"""What every source of images becomes: two splits of 8-bit pictures of one shape, and what must be said of them."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor


class Pictures(Protocol):
    """Pictures by number: `take` returns uint8 (n, c, h, w)."""

    def __len__(self) -> int: ...
    def take(self, indices: Tensor) -> Tensor: ...
    def prepare(self, indices: Tensor) -> None: ...


@dataclass(frozen=True)
class InMemory:
    """All pictures as one uint8 tensor (n, c, h, w)."""

    images: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> Tensor:
        return self.images.index_select(0, indices)

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
        key = tuple(indices.tolist())
        futures = self.ahead.pop(key, None) or [self.pool.submit(self.read, index) for index in key]
        return torch.stack([future.result() for future in futures])

    def prepare(self, indices: Tensor) -> None:
        key = tuple(indices.tolist())
        self.ahead = {key: self.ahead.get(key) or [self.pool.submit(self.read, index) for index in key]}


@dataclass(frozen=True)
class Split:
    """Pictures and, where the source has classes, their labels: int64 (n,)."""

    pictures: Pictures
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def images(self, indices: Tensor | Sequence[int] | None = None) -> Tensor:
        """Pictures as float32 (n, c, h, w) in [0, 1]; all of them by default."""
        chosen = torch.arange(len(self)) if indices is None else torch.as_tensor(indices)
        return self.pictures.take(chosen).float().div_(255)


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
    `fingerprint` names it."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str
    notice: str = ""
    left_out: tuple[LeftOut, ...] = field(default=())
    notice_zh: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of every picture."""
        channels, height, width = self.train.pictures.take(torch.tensor([0])).shape[1:]
        return channels, height, width


def fingerprint(*parts: Tensor | str) -> str:
    """16 hexadecimal digits that change with any of `parts`: pixels, labels, words."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(
            part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part.contiguous().numpy().tobytes()
        )
    return digest.hexdigest()
