"""The embedded pair of sides: digits in white on black, and the same digits in blue ink on cream paper.

So the true partner of every picture is known, and whether a translation still shows the digit that it was made from.
"""

import torch

from .dataset import ImageData, InMemory, Split, beside
from .digits import read_digits

Colour = tuple[float, float, float]  # RGB in [0, 1]
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
PAPER, INK = (0.96, 0.91, 0.78), (0.10, 0.16, 0.45)


def read_inks(side: int = 32) -> ImageData:
    """White on black, uint8 (n, 3, side, side), and in ink on paper as its `second`; see `read_digits`."""
    digits = read_digits(side)
    first, second = (_written(digits, *colours) for colours in ((BLACK, WHITE), (PAPER, INK)))
    return beside(first, second, "inks", notice=digits.notice, notice_zh=digits.notice_zh, paired=True)


def _written(digits: ImageData, paper: Colour, ink: Colour) -> ImageData:
    train, test = (_coloured(part, paper, ink) for part in (digits.train, digits.test))
    return ImageData("inks", train, test, digits.classes, digits.fingerprint)


def _coloured(part: Split, paper: Colour, ink: Colour) -> Split:
    """The digits as shares of ink over paper."""
    ground, lines = (torch.tensor(colour)[:, None, None] for colour in (paper, ink))
    mixed = torch.lerp(ground, lines, part.images())
    return Split(InMemory(mixed.mul(255).round().to(torch.uint8)), part.labels)
