"""The mirror of a VGG encoder: features back to an image (Huang and Belongie 2017, section 6.1).

No norm layers, nearest upsampling where the encoder pools, reflection padding, and an output that no function bounds:
(b, 3, h, w), meant to lie in [0, 1]. One that is `told` the style has a scale and a shift for each of its maps (FiLM,
Perez et al. 2018, https://arxiv.org/abs/1709.07871) and enlarges bilinearly.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..ops.statistics import Moments
from .convolution import UpsampleConv
from .encoders import VGG, Padding

LAYERS = ("relu4_1",)  # what the paper's decoder reads
HIDDEN = 128  # numbers between the moments of a style and the scales and shifts


class Decoder(nn.Module):
    """Mirrors the VGG `encoder` up to relu4_1, with two convolutions at full size at least.

    `layers`: what it reads, relu4_1 first. Each further one (relu3_1, relu2_1, relu1_1) enters through a 1×1
    convolution where its size comes up; the paper has none. `told`: by the moments of the style at `layers`.
    """

    def __init__(
        self, encoder: str, layers: Sequence[str] = LAYERS, padding: Padding = "reflect", told: bool = False
    ) -> None:
        super().__init__()
        counts, widths = VGG[encoder].counts, VGG[encoder].widths
        self.layers = tuple(layers)
        blocks, entries = [], {}
        for block, count in ((4, 1), (3, counts[2]), (2, counts[1]), (1, max(2, counts[0]))):
            width, outputs = widths[block - 1], widths[block - 2] if block > 1 else 3
            convolutions: list[nn.Module] = []
            for inputs, after in pairwise([width] * count + [outputs]):
                if not convolutions and block < 4:
                    convolutions.append(UpsampleConv(inputs, after, padding, told))
                else:
                    convolutions.append(nn.Conv2d(inputs, after, 3, padding=1, padding_mode=padding))
            blocks.append(nn.ModuleList(convolutions))
            if f"relu{block}_1" in self.layers[1:]:
                entries[f"relu{block}_1"] = nn.Conv2d(width, width if count > 1 else outputs, 1)
        self.blocks = nn.ModuleList(blocks)
        self.entries = nn.ModuleDict(entries)
        self.telling: nn.Sequential | None = None
        if told:
            self.maps = [cast(nn.Conv2d, part).out_channels for block in blocks for part in block][:-1]
            moments = 2 * sum(widths[int(layer[4]) - 1] for layer in layers)
            last = nn.Linear(HIDDEN, 2 * sum(self.maps))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.telling = nn.Sequential(nn.Linear(moments, HIDDEN), nn.ReLU(), last)

    def forward(self, features: Mapping[str, Tensor], style: Mapping[str, Moments] | None = None) -> Tensor:
        """`features`: those of `layers`, (b, c, h, w) each; returns (b, 3, 8h, 8w) for a relu4_1 of h × w. `style`: its
        moments, for a decoder that is told them."""
        scales = self._told(style)
        values = features[self.layers[0]]
        for block, convolutions in zip((4, 3, 2, 1), self.blocks, strict=True):
            assert isinstance(convolutions, nn.ModuleList)
            for number, convolution in enumerate(convolutions):
                values = convolution(values)
                if number == 0 and (layer := f"relu{block}_1") in self.entries:
                    values = values + self.entries[layer](features[layer])
                if block > 1 or number + 1 < len(convolutions):
                    if scale := next(scales, None):
                        values = torch.addcmul(scale[1], values, scale[0])
                    values = F.relu_(values)
        return values

    def _told(self, style: Mapping[str, Moments] | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Scale and shift, (b, c, 1, 1), of one map after the other."""
        if self.telling is None or style is None:
            return
        known = torch.cat([part.flatten(1) for layer in self.layers for part in style[layer]], 1)
        found = self.telling(known)[..., None, None].split([2 * maps for maps in self.maps], 1)
        for both in found:
            scale, shift = both.chunk(2, 1)
            yield 1 + scale, shift
