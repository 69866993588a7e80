"""Pictures cut into tiles that are read with a margin, and statistics of whole pictures put together from theirs.

Pictures are (1, c, h, w), of any type. What looks no further than a margin gives the same in a tile as in the whole.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .statistics import Moments

TINY = 1e-8


@dataclass(frozen=True)
class Span:
    """Along one side: what is read, and which part of that is kept, in pixels of the picture."""

    start: int
    stop: int
    kept_start: int
    kept_stop: int


@dataclass(frozen=True)
class Tile:
    down: Span
    across: Span

    def read(self, image: Tensor) -> Tensor:
        return image[..., self.down.start : self.down.stop, self.across.start : self.across.stop]

    def kept(self, values: Tensor, stride: int) -> Tensor:
        """The kept part of (b, c, h, w) values that stand every `stride` pixels."""
        rows, columns = (
            slice((span.kept_start - span.start) // stride, -(-(span.kept_stop - span.start) // stride))
            for span in (self.down, self.across)
        )
        return values[..., rows, columns]


def spans(length: int, side: int, border: int) -> list[Span]:
    """`length` pixels in pieces of `side` at most, each read with `border` more at both ends."""
    return [
        Span(max(0, start - border), min(length, start + side + border), start, min(length, start + side))
        for start in range(0, length, side)
    ]


def tiles(height: int, width: int, side: int, border: int) -> list[Tile]:
    return [Tile(down, across) for down in spans(height, side, border) for across in spans(width, side, border)]


class Merged:
    """Mean and variance of pieces, put together (Chan et al. 1979) in fp64, on the CPU: not every device has it."""

    def __init__(self) -> None:
        self.total = 0.0
        self.mean = self.spread = torch.zeros(())

    def add(self, piece: Moments, total: float) -> None:
        if total < TINY:
            return
        mean, variance = piece.mean.cpu().double(), piece.std.cpu().double().square()
        both = self.total + total
        shift = mean - self.mean
        self.spread = self.spread + variance * total + shift.square() * (self.total * total / both)
        self.mean = self.mean + shift * (total / both)
        self.total = both

    def moments(self, eps: float, unbiased: bool) -> Moments:
        variance = self.spread / max(self.total - unbiased, TINY)
        return Moments(self.mean.float(), (variance + eps).sqrt().float())


def padded(image: Tensor, multiple: int) -> Tensor:
    """`image`, reflected at the bottom and the right until its sides are multiples of `multiple`, and twice that at
    least."""
    height, width = image.shape[2:]
    down, across = (max(2 * multiple, -(-side // multiple) * multiple) for side in (height, width))
    while (height, width) != (down, across):
        # A reflection is one pixel shorter than what it reflects; a single row can only be repeated.
        more = (min(down - height, max(height - 1, 1)), min(across - width, max(width - 1, 1)))
        image = torch.cat([image, image.flip(2)[..., min(1, height - 1) :, :][..., : more[0], :]], 2)
        image = torch.cat([image, image.flip(3)[..., min(1, width - 1) :][..., : more[1]]], 3)
        height, width = image.shape[2:]
    return image
