"""What every source of images becomes: two splits of 8-bit pictures of one shape, and what must be said of them."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import SfumatoError
from ..threads import usable_cores
from ..visible import one_line

VOID = 255  # in a mask: a pixel that is neither trained nor measured on
MOST_THREADS = 16  # that decode pictures: more wait for the interpreter
MASKED = 4  # channels of a picture with its mask
Size = int | tuple[int, int]  # of a square, or height and width
AT_ONCE = 256  # pictures that are made smaller at once: their floats take memory


class Pictures(Protocol):
    """Pictures by number: `take` returns uint8 (n, c, h, w), `crops` a random rectangle of each, as `random_crops`,
    `whole` one picture (c, h, w) with nothing cut off; `reduced` gives the same pictures with a shorter side of `side`,
    as the function of that name."""

    def __len__(self) -> int: ...
    def take(self, indices: Tensor) -> Tensor: ...
    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor: ...
    def whole(self, index: int) -> Tensor: ...
    def prepare(self, indices: Tensor) -> None: ...
    def reduced(self, side: int, masked: bool) -> "Pictures": ...


@dataclass(frozen=True)
class InMemory:
    """All pictures as one uint8 tensor (n, c, h, w). Smaller ones are made when they are first asked for, and kept."""

    images: Tensor
    levels: "dict[tuple[int, bool], InMemory]" = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> Tensor:
        return self.images.index_select(0, indices)

    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        return random_crops(self.take(indices), size, generator)

    def whole(self, index: int) -> Tensor:
        return self.images[index]

    def prepare(self, indices: Tensor) -> None:
        """Nothing: they are there."""

    def reduced(self, side: int, masked: bool) -> "InMemory":
        if (side, masked) not in self.levels:
            parts = [reduced(part, side, masked) for part in self.images.split(AT_ONCE)]
            self.levels[side, masked] = InMemory(torch.cat(parts))
        return self.levels[side, masked]


@dataclass(frozen=True)
class Varied:
    """Pictures of any sides, uint8 (c, h, w) each; taken together, they are `central_squares`."""

    images: list[Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Tensor) -> Tensor:
        return central_squares([self.images[index] for index in indices.tolist()])

    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        return torch.cat([random_crops(self.images[index][None], size, generator) for index in indices.tolist()])

    def whole(self, index: int) -> Tensor:
        return self.images[index]

    def prepare(self, indices: Tensor) -> None:
        """Nothing: they are there."""

    def reduced(self, side: int, masked: bool) -> "Varied":
        return Varied([reduced(image[None], side, masked)[0] for image in self.images])


@dataclass(frozen=True)
class Mapped:
    """The `rows` (n,) of pictures (m, c, h, w) that lie in a file and are read from it when they are needed: the same,
    bit for bit, as if they were decoded then. Smaller ones are made anew each time: memory may not hold them."""

    images: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Tensor) -> Tensor:
        return self.images.index_select(0, self.rows[indices])

    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        """Drawn one after the other, as those of streamed pictures are."""
        return torch.cat([random_crops(picture[None], size, generator) for picture in self.take(indices)])

    def whole(self, index: int) -> Tensor:
        return self.images[self.rows[index]]

    def prepare(self, indices: Tensor) -> None:
        """Nothing: the system reads ahead."""

    def reduced(self, side: int, masked: bool) -> "Streamed":
        return Streamed(self.whole, len(self)).reduced(side, masked)


class Streamed:
    """Pictures decoded when they are asked for, by a few threads; `prepare` starts on a batch ahead of time.

    `read(i)` returns picture i as uint8 (c, h, w). Memory stays at two batches, however many pictures there are.
    """

    def __init__(self, read: Callable[[int], Tensor], count: int, pool: ThreadPoolExecutor | None = None) -> None:
        self.read = read
        self.count = count
        self.pool = pool or ThreadPoolExecutor(threads(), thread_name_prefix="sfumato-decode")
        self.ahead: dict[tuple[int, ...], list[Future[Tensor]]] = {}

    def __len__(self) -> int:
        return self.count

    def take(self, indices: Tensor) -> Tensor:
        return central_squares(self._pictures(indices))

    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        return torch.cat([random_crops(picture[None], size, generator) for picture in self._pictures(indices)])

    def whole(self, index: int) -> Tensor:
        return self.read(index)

    def _pictures(self, indices: Tensor) -> list[Tensor]:
        key = tuple(indices.tolist())
        futures = self.ahead.pop(key, None) or [self.pool.submit(self.read, index) for index in key]
        return [future.result() for future in futures]

    def prepare(self, indices: Tensor) -> None:
        key = tuple(indices.tolist())
        self.ahead = {key: self.ahead.get(key) or [self.pool.submit(self.read, index) for index in key]}

    def reduced(self, side: int, masked: bool) -> "Streamed":
        """Each picture when it is asked for, by the same few threads."""
        return Streamed(lambda index: reduced(self.read(index)[None], side, masked)[0], self.count, self.pool)


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

    def spread(self, count: int) -> Tensor:
        """The places of `count` pictures, or of all if they are fewer, far apart."""
        return spread(len(self), min(count, len(self)))

    def parted(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Of bytes (n, c, h, w) or (c, h, w) the picture, and the mask without its channel if there is one."""
        return (pictures[..., :-1, :, :], pictures[..., -1, :, :]) if self.masked else (pictures, None)

    def at_resolution(self, side: int) -> "Split":
        """The same, `side` pixels on the shorter side. Raises SfumatoError if the pictures are smaller."""
        shorter = self.check_resolution(side)
        return self if side == shorter else replace(self, pictures=self.pictures.reduced(side, self.masked))

    def check_resolution(self, side: int) -> int:
        """The pixels on the shorter side of the pictures. Raises SfumatoError if they are fewer than `side`."""
        height, width = self.pictures.whole(0).shape[-2:]
        if not 1 <= side <= min(height, width):
            raise SfumatoError(f"resolution {side}: the pictures have {height}×{width} pixels, and are not enlarged")
        return min(height, width)


class Joined:
    """The pictures of several parts of a set, one part after the other."""

    def __init__(self, parts: Sequence[Pictures]) -> None:
        self.parts = parts
        self.ends = torch.tensor([len(part) for part in parts]).cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def _each(self, indices: Tensor) -> Iterator[tuple[Pictures, Tensor, Tensor]]:
        """Each part with the places in it of those of `indices` that are its own, and where they stand among them."""
        own = torch.searchsorted(self.ends, indices, right=True)
        for number, part in enumerate(self.parts):
            chosen = (own == number).nonzero().flatten()
            if len(chosen):
                yield part, indices[chosen] - (int(self.ends[number]) - len(part)), chosen

    def take(self, indices: Tensor) -> Tensor:
        found = [(part.take(places), chosen) for part, places, chosen in self._each(indices)]
        order = torch.cat([chosen for _, chosen in found]).argsort()
        return torch.cat([pictures for pictures, _ in found])[order]

    def crops(self, indices: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        return random_crops(self.take(indices), size, generator)

    def whole(self, index: int) -> Tensor:
        ((part, places, _),) = self._each(torch.tensor([index]))
        return part.whole(int(places))

    def prepare(self, indices: Tensor) -> None:
        """Nothing: whoever measures takes the pictures in order."""

    def reduced(self, side: int, masked: bool) -> "Joined":
        return Joined([part.reduced(side, masked) for part in self.parts])


def joined(splits: Sequence[Split]) -> Split:
    """Several parts of a set as one."""

    def along(values: Sequence[Tensor | None]) -> Tensor | None:
        known = [value for value in values if value is not None]
        return torch.cat(known) if len(known) == len(values) else None

    return Split(
        Joined([split.pictures for split in splits]),
        along([split.labels for split in splits]),
        along([split.boxes for split in splits]),
        splits[0].masked,
    )


@dataclass(frozen=True)
class LeftOut:
    """A file that was not used, and why."""

    file: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "file", one_line(self.file))
        object.__setattr__(self, "reason", one_line(self.reason))

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass(frozen=True, eq=False)
class ImageData:
    """A source, opened: what is trained on, what is tested on, and, where there are three parts, what one chooses by
    (`valid`). `notice` is what must be said wherever results on it are shown, in English and Chinese;
    `fingerprint` names it. `second`: for systems that learn from two sets of images side by side, the other one;
    `paired`: its pictures are the partners of these, one by one. `reading`: how a source was read whose layout had to
    be found out, in one line. `palette`: the 8-bit RGB of each class, of masks that have colours of their own."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    fingerprint: str
    notice: str = ""
    left_out: tuple[LeftOut, ...] = field(default=())
    notice_zh: str = ""
    second: "ImageData | None" = None
    paired: bool = False
    reading: str = ""
    valid: Split | None = None
    palette: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", one_line(self.name))
        object.__setattr__(self, "classes", tuple(map(one_line, self.classes)))

    @property
    def told(self) -> str:
        """How many pictures there are for what, and how that was found out, in a line."""
        parts = [f"{len(self.train):,} training", *([f"{len(self.valid):,} validation"] if self.valid else [])]
        counts = f"{', '.join(parts)} and {len(self.test):,} test images"
        left_out = f"{len(self.left_out):,} files left out" if self.left_out else ""
        return "; ".join(filter(None, (counts, self.reading, left_out)))

    def whole(self) -> "ImageData":
        """The same, all of it to test on, whatever its halves are."""
        everything = joined([split for split in (self.train, self.valid, self.test) if split is not None])
        return replace(self, train=everything, test=everything, valid=None)

    @property
    def bytes_held(self) -> int:
        """Bytes of all pictures, at the size that they have."""
        each = math.prod(self.shape) * (len(self.train) + len(self.valid or ()) + len(self.test))
        return each + (self.second.bytes_held if self.second else 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of every picture."""
        channels, height, width = self.train.images([0]).shape[1:]
        return channels, height, width


def beside(first: ImageData, second: ImageData, name: str, **known: Any) -> ImageData:
    """Two sets as one, the second side by side with the first. `known`: fields of both."""
    both: dict[str, Any] = {
        "fingerprint": fingerprint(first.fingerprint, second.fingerprint),
        "notice": " ".join(dict.fromkeys(filter(None, (first.notice, second.notice)))),
        "notice_zh": "".join(dict.fromkeys(filter(None, (first.notice_zh, second.notice_zh)))),
        "left_out": first.left_out + second.left_out,
    }
    return replace(first, name=name, second=second, **{**both, **known})


def threads() -> int:
    """How many decode pictures: one for each core that this process may use."""
    return min(usable_cores(), MOST_THREADS)


def spread(length: int, count: int) -> Tensor:
    """`count` numbers from 0 to length - 1, far apart."""
    return torch.linspace(0, length - 1, count).long()


def fingerprint(*parts: Tensor | str) -> str:
    """16 hexadecimal digits that change with any of `parts`: pixels, labels, words."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(
            part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part.contiguous().numpy().tobytes()
        )
    return digest.hexdigest()


def reduced(pictures: Tensor, side: int, masked: bool) -> Tensor:
    """Bytes (n, c, h, w) with a shorter side of `side`: means of squares where it divides the sides, as halving again
    and again would give, else an antialiased resize. The last channel of `masked` ones holds classes: of each square,
    its middle."""
    if masked:
        colours = reduced(pictures[:, :-1], side, masked=False)
        classes = F.interpolate(pictures[:, -1:], colours.shape[-2:], mode="nearest-exact")
        return torch.cat([colours, classes], 1)
    height, width = pictures.shape[-2:]
    shorter = min(height, width)
    factor = shorter // side
    if factor * side == shorter and height % factor == 0 and width % factor == 0:
        return F.avg_pool2d(pictures.float(), factor).round_().to(torch.uint8)
    size = [round(length * side / shorter) for length in (height, width)]
    return resized(pictures, size)


def resized(pictures: Tensor, size: Sequence[int], mode: str = "bilinear") -> Tensor:
    """Bytes (n, c, h, w) or (c, h, w) brought to `size`, height and width, with antialiasing: torchvision's `resize`,
    which takes a second to load."""
    if tuple(pictures.shape[-2:]) == tuple(size):
        return pictures
    batch = pictures if pictures.dim() == 4 else pictures[None]
    return F.interpolate(batch, size=tuple(size), mode=mode, antialias=True).view(*pictures.shape[:-2], *size)


def grey(pictures: Tensor) -> Tensor:
    """Bytes (..., 3, h, w) as (..., 1, h, w): BT.601's luma, rounded down as torchvision does it."""
    red, green, blue = pictures.unbind(-3)
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).to(torch.uint8).unsqueeze(-3)


def central_square(picture: Tensor, side: int | None = None) -> Tensor:
    """The central square of (c, h, w), of `side` or as large as can be."""
    height, width = picture.shape[1:]
    side = side or min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[:, top : top + side, left : left + side]


def central_squares(pictures: Sequence[Tensor]) -> Tensor:
    """(n, c, side, side): the central square of each of (c, h, w), as large as the smallest of them has."""
    side = min(min(picture.shape[1:]) for picture in pictures)
    return torch.stack([central_square(picture, side) for picture in pictures])


def cut_squares(picture: Tensor, side: int) -> Tensor:
    """All (n, c, side, side) squares of a (c, h, w) picture whose corners lie half a side apart."""
    found = picture.unfold(1, side, side // 2).unfold(2, side, side // 2)
    return found.permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()


def random_crops(pictures: Tensor, size: Size, generator: torch.Generator) -> Tensor:
    """A random square of side `size`, or rectangle of that height and width, of each picture (b, c, h, w), all cut at
    once. Masked pictures, of colours and classes, may be smaller: what is missing is black, and void."""
    high, wide = (size, size) if isinstance(size, int) else size
    count, channels, height, width = pictures.shape
    if height < high or width < wide:
        if channels != MASKED:
            raise SfumatoError(f"crop {high}×{wide}: larger than the {height}×{width} pictures")
        larger = pictures.new_zeros(count, channels, max(height, high), max(width, wide))
        larger[:, -1] = VOID
        larger[..., :height, :width] = pictures
        pictures, (height, width) = larger, larger.shape[-2:]
    top = torch.randint(height - high + 1, (count, 1), generator=generator) + torch.arange(high)
    left = torch.randint(width - wide + 1, (count, 1), generator=generator) + torch.arange(wide)
    which = torch.arange(count)
    return pictures.permute(0, 2, 3, 1)[which[:, None, None], top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)
