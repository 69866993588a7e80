"""The embedded pairs of sides: digits in white on black, and the same digits in ink on paper.

So the true partner of every picture is known, and whether a translation still shows the digit that it was made from.
`inks` are blue on cream. In `papers` the paper is ruled, each sheet in its own way, of which black and white say
nothing:
whoever shall come back to it must lose the lines, or hide them where nobody looks.
"""

import math

import torch
from torch import Tensor

from ..seeds import derive
from .dataset import ImageData, InMemory, Split, beside
from .digits import read_digits

BLACK, WHITE = (torch.full((3, 1, 1), level) for level in (0.0, 1.0))
CREAM, BLUE = (torch.tensor(colour)[:, None, None] for colour in ((0.96, 0.91, 0.78), (0.10, 0.16, 0.45)))
LINES = torch.tensor([0.45, 0.62, 0.55])[:, None, None]
PERIOD = 5.0, 9.0  # pixels between lines, of 32


def read_inks(side: int = 32) -> ImageData:
    """White on black, uint8 (n, 3, side, side), and blue on cream as its `second`; see `read_digits`."""
    digits = read_digits(side)
    train, test = (_written(part, CREAM, BLUE) for part in (digits.train, digits.test))
    return _beside(digits, train, test, "inks")


def read_papers(side: int = 32) -> ImageData:
    """White on black, and blue on ruled paper as its `second`; always the same."""
    digits = read_digits(side)
    train, test = (
        _written(part, torch.lerp(CREAM, LINES, _ruled(len(part), digits.shape[1], half)), BLUE)
        for half, part in (("train", digits.train), ("test", digits.test))
    )
    return _beside(digits, train, test, "papers")


def _beside(digits: ImageData, train: Split, test: Split, name: str) -> ImageData:
    plain = [_written(part, BLACK, WHITE) for part in (digits.train, digits.test)]
    known = digits.classes, f"{name} {digits.fingerprint}"
    first, second = ImageData(name, plain[0], plain[1], *known), ImageData(name, train, test, *known)
    return beside(first, second, name, notice=digits.notice, notice_zh=digits.notice_zh, paired=True)


def _written(part: Split, paper: Tensor, ink: Tensor) -> Split:
    """The digits as shares of ink over paper, either of one colour (3, 1, 1), or a picture of its own for each."""
    mixed = torch.lerp(paper, ink, part.images())
    return Split(InMemory(mixed.mul(255).round().to(torch.uint8)), part.labels)


def _ruled(count: int, side: int, half: str) -> Tensor:
    """(count, 1, side, side) in [0, 1]: parallel lines of any direction, at any distance within PERIOD."""
    generator = torch.Generator().manual_seed(derive(0, "papers", half))
    angle, shift, period = torch.rand(3, count, 1, 1, 1, generator=generator)
    period = (PERIOD[0] + (PERIOD[1] - PERIOD[0]) * period) * side / 32
    places = torch.arange(side, dtype=torch.float32)
    across = places * (math.pi * angle).cos() + places[:, None] * (math.pi * angle).sin()
    return (2 * math.pi * (across / period + shift)).cos().clamp_min(0).square()
