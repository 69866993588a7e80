"""Networks that grow: a block for every side from 4 pixels on, of which those in play are used.

`share` says how far the newest block has been faded in: at 0 the network is the one before it, at 1 the block counts
alone (Karras et al. 2018, https://arxiv.org/abs/1710.10196, figure 2). Images are (b, c, h, w).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..ops.resampling import blur, repeated
from .equalised import LOUD, EqualConv, EqualDownConv, Verdict, leaky

SMALLEST = 4  # side of the first block
Widths = Callable[[int], int]  # maps of a layer at images of that side


def sides(resolution: int) -> list[int]:
    """4, 8, 16, ... up to `resolution`."""
    return [SMALLEST << level for level in range((resolution // SMALLEST).bit_length())]


class Colours(nn.ModuleList):
    """Turns the maps of every side into colours, and fades those of the newest in."""

    def __init__(self, resolution: int, widths: Widths, channels: int) -> None:
        super().__init__(EqualConv(widths(side), channels, 1) for side in sides(resolution))

    def forward(self, maps: list[Tensor], share: float) -> Tensor:
        """Images of the last of `maps`, one for each side from 4 on."""
        level = len(maps) - 1
        images = self[level](maps[level])
        if share < 1 and level:
            images = torch.lerp(repeated(self[level - 1](maps[level - 1])), images, share)
        return images


class DownBlock(nn.Module):
    """Two convolutions, the second of which halves the side; `blurred`: under a binomial filter, before it does."""

    def __init__(self, inputs: int, outputs: int, blurred: bool) -> None:
        super().__init__()
        self.blurred = blurred
        self.first = EqualConv(inputs, inputs, 3, LOUD)
        self.second = EqualDownConv(inputs, outputs, 3, LOUD)

    def forward(self, maps: Tensor) -> Tensor:
        maps = leaky(self.first(maps))
        return leaky(self.second(blur(maps) if self.blurred else maps))


class GrownDiscriminator(nn.Module):
    """Images (b, c, side, side), of the side of any block, to logits (b,)."""

    def __init__(self, resolution: int, widths: Widths, channels: int, classes: int, blurred: bool) -> None:
        super().__init__()
        ladder = sides(resolution)
        self.seen = nn.ModuleList(EqualConv(channels, widths(side), 1, LOUD) for side in ladder)
        self.blocks = nn.ModuleList(
            DownBlock(widths(side), widths(smaller), blurred) for smaller, side in pairwise(ladder)
        )
        self.verdict = Verdict(widths(SMALLEST), widths(SMALLEST // 2), classes)

    def forward(self, images: Tensor, labels: Tensor | None = None, share: float = 1.0) -> Tensor:
        level = (images.shape[-1] // SMALLEST).bit_length() - 1
        maps = leaky(self.seen[level](images))
        for block in range(level - 1, -1, -1):
            maps = self.blocks[block](maps)
            if block == level - 1 and share < 1:
                old = leaky(self.seen[block](F.avg_pool2d(images, 2)))
                maps = torch.lerp(old, maps, share)
        return self.verdict(maps, labels)


def faded(images: Tensor, share: float) -> Tensor:
    """Images between themselves at half their side (`share` 0) and what they are (1)."""
    if share >= 1:
        return images
    return torch.lerp(repeated(F.avg_pool2d(images, 2)), images, share)
