"""Pictures of any size by a network: in one pass, or as a brush wants them.

Pictures are uint8 (1, 3, h, w), RGB, on the CPU; floats are made of a channel, or of a tile, at a time.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import resized
from ..engine.runtime import Runtime
from ..ops.colour import transport
from ..ops.statistics import Moments
from ..ops.strokes import flow_noise
from ..seeds import derive
from .network import FLOOR, MIXED, NOISE, Brush, Restyler, Statistics
from .tiles import TiledRestyler

COUNTED = 500_000  # pixels, at least, that colours are counted in
DRAFT = 1_024  # pixels on the longer side of a first pass, at most
FLOWING = 1_024  # the same of what noise is made at


class Painter:
    """One pass. `side`: of the largest tile."""

    def __init__(self, restyler: Restyler, runtime: Runtime, side: int) -> None:
        self.tiled = TiledRestyler(restyler, runtime, side)
        self._styles: Sequence[Tensor] = ()
        self._known: list[Statistics] = []

    def count(self, content: Tensor) -> int:
        """How many times `paint` advances."""
        return self.tiled.count(content)

    def paint(
        self, content: Tensor, styles: Sequence[Tensor], shares: Sequence[float], alpha: float, seed: int,
        advance: Callable[[], object],
    ) -> Tensor:  # fmt: skip
        """`content` in the styles, as much of each as its share, `alpha` of the way."""
        return self.tiled.restyle(content, self._statistics(styles, shares), alpha, advance)

    def _statistics(self, styles: Sequence[Tensor], shares: Sequence[float]) -> Statistics:
        if styles is not self._styles:
            self._styles, self._known = styles, [self.tiled.style(style) for style in styles]
        return blended(self._known, shares)


class BrushPainter(Painter):
    """A pass at half the size, whose strokes are broad, and one at full size over the photograph mixed with it. Before
    the first the photograph is given the painting's colours and noise along its edges; after the last, its colours
    again."""

    def paint(
        self, content: Tensor, styles: Sequence[Tensor], shares: Sequence[float], alpha: float, seed: int,
        advance: Callable[[], object],
    ) -> Tensor:  # fmt: skip
        given = recoloured(content, styles, shares, alpha)
        given = _noised(given, derive(seed, "strokes"), alpha * NOISE)
        half = min(0.5, DRAFT / max(content.shape[2:]))
        small, *smaller = (_scaled(picture, half if picture is given else 0.5) for picture in (given, *styles))
        known = blended([self.tiled.style(style) for style in smaller], shares)
        draft = self.tiled.restyle(small, known, alpha)
        mixed = _mixed(given, draft)
        result = self.tiled.restyle(mixed, self._statistics(styles, shares), alpha, advance)
        return recoloured(result, styles, shares, alpha)


def painter_for(restyler: Restyler, runtime: Runtime, side: int) -> Painter:
    return (BrushPainter if isinstance(restyler, Brush) else Painter)(restyler, runtime, side)


def recoloured(picture: Tensor, styles: Sequence[Tensor], shares: Sequence[float], alpha: float = 1.0) -> Tensor:
    """`picture` in the colours of the styles, as much of each as its share, `alpha` of the way."""
    own = _counted(picture)
    maps = [transport(own, _counted(style), FLOOR) for style in styles]
    matrix, shift = (
        torch.stack([share * found[part][0] for share, found in zip(shares, maps, strict=True)]).sum(0)
        for part in (0, 1)
    )
    matrix, shift = torch.lerp(torch.eye(3), matrix, alpha), alpha * shift
    output = torch.empty_like(picture)
    for rows, made in zip(picture.split(64, 2), output.split(64, 2), strict=True):
        values = torch.einsum("ij,bjhw->bihw", matrix, rows.float()) + 255 * shift.view(1, 3, 1, 1)
        made.copy_(values.round_().clamp_(0, 255))
    return output


def blended(styles: Sequence[Statistics], shares: Sequence[float]) -> Statistics:
    """The weighted mean of several styles' statistics."""
    return {
        layer: Moments(
            *(
                torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)
                for parts in zip(*(style[layer] for style in styles), strict=True)
            )
        )
        for layer in styles[0]
    }


def _counted(picture: Tensor) -> Tensor:
    """Every so many pixels of `picture`, as floats in [0, 1]."""
    every = max(1, int((picture[0, 0].numel() / COUNTED) ** 0.5))
    return picture[..., ::every, ::every].float() / 255


def _scaled(picture: Tensor, scale: float) -> Tensor:
    return resized(picture, [max(2, round(side * scale)) for side in picture.shape[2:]])


def _noised(picture: Tensor, seed: int, deviation: float) -> Tensor:
    """With noise along its edges."""
    small = _scaled(picture, min(1.0, FLOWING / max(picture.shape[2:])))
    noise = flow_noise(small.float() / 255, torch.tensor([seed % 2**31]))
    return _by_channel(picture, noise, lambda values, there: values + 255 * deviation * there)


def _mixed(picture: Tensor, draft: Tensor) -> Tensor:
    return _by_channel(picture, draft.float(), lambda values, there: torch.lerp(values, there, MIXED))


def _by_channel(picture: Tensor, other: Tensor, made: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What `made` makes of `picture` and of `other`, enlarged to its size."""
    output = torch.empty_like(picture)
    for channel in range(picture.shape[1]):
        part = slice(channel, channel + 1)
        there = F.interpolate(other[:, part], size=picture.shape[2:], mode="bilinear", align_corners=False)
        output[:, part] = made(picture[:, part].float(), there).round_().clamp_(0, 255)
    return output
