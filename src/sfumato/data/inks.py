"""The embedded pairs of sides: digits in white on black, and the same digits in ink on paper.

So the true partner of every picture is known, and whether a translation still shows the digit that it was made from.
`inks` are blue on cream. In `colours` each digit has an ink and a paper of its own, of which black and white say
nothing: whoever shall come back to them must lose them, or hide them where nobody looks.
"""

import colorsys

import torch
from torch import Tensor

from ..seeds import derive
from .dataset import ImageData, InMemory, Split, beside
from .digits import read_digits

BLACK, WHITE = (torch.full((3,), level) for level in (0.0, 1.0))
CREAM, BLUE = torch.tensor([0.96, 0.91, 0.78]), torch.tensor([0.10, 0.16, 0.45])
PAPERS, INKS = ((0.2, 0.5), (0.80, 0.98)), ((0.6, 1.0), (0.10, 0.45))  # between which saturation and brightness lie


def read_inks(side: int = 32) -> ImageData:
    """White on black, uint8 (n, 3, side, side), and blue on cream as its `second`; see `read_digits`."""
    digits = read_digits(side)
    return _beside(digits, _written(digits.train, CREAM, BLUE), _written(digits.test, CREAM, BLUE), "inks")


def read_colours(side: int = 32) -> ImageData:
    """White on black, and as its `second` each in an ink and on a paper of its own, always the same."""
    digits = read_digits(side)
    train, test = (
        _written(part, _drawn(len(part), f"{half} paper", PAPERS), _drawn(len(part), f"{half} ink", INKS))
        for half, part in (("train", digits.train), ("test", digits.test))
    )
    return _beside(digits, train, test, "colours")


def _beside(digits: ImageData, train: Split, test: Split, name: str) -> ImageData:
    plain = [_written(part, BLACK, WHITE) for part in (digits.train, digits.test)]
    known = digits.classes, f"{name} {digits.fingerprint}"
    first, second = ImageData(name, plain[0], plain[1], *known), ImageData(name, train, test, *known)
    return beside(first, second, name, notice=digits.notice, notice_zh=digits.notice_zh, paired=True)


def _written(part: Split, paper: Tensor, ink: Tensor) -> Split:
    """The digits as shares of ink over paper; colours are (3,), or (n, 3) for each digit its own."""
    mixed = torch.lerp(paper[..., None, None], ink[..., None, None], part.images())
    return Split(InMemory(mixed.mul(255).round().to(torch.uint8)), part.labels)


def _drawn(count: int, purpose: str, ranges: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
    """(count, 3): colours of any hue, with saturation and brightness in these ranges."""
    numbers = torch.rand(count, 3, generator=torch.Generator().manual_seed(derive(0, "inks", purpose)))
    (pale, strong), (dark, light) = ranges
    return torch.tensor([
        colorsys.hsv_to_rgb(hue, pale + share * (strong - pale), dark + level * (light - dark))
        for hue, share, level in numbers.tolist()
    ])  # fmt: skip
