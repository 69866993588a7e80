"""DeepLab: let filters look further instead of making maps coarser, and look at several distances at once.

Chen et al. 2017, "Rethinking atrous convolution", https://arxiv.org/abs/1706.05587 (DeepLabv3).
Images are (b, 3, h, w) in [0, 1], logits (b, k, h, w).
Departs from the paper: small backbones, of which the last stage keeps the resolution of the one before it by atrous
convolutions; rates for their coarser or finer maps; `fine` adds the decoder of DeepLabv3+ (Chen et al. 2018,
https://arxiv.org/abs/1802.02611): a finer map beside the result, and two convolutions; no bootstrapping; AdamW.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ..engine.fields import MAX_UNITS, Bounds, Units
from ..nets.backbones import BackboneName, build_backbone, double
from .segmentation import SegmentationConfig, Segmenter, enlarged

Rates = Annotated[tuple[int, ...], Bounds(1, MAX_UNITS, empty=True)]
FINE = 32  # channels that a finer map is brought to


@dataclass(frozen=True, kw_only=True)
class Config(SegmentationConfig):
    """DeepLab on the embedded scenes."""

    backbone: BackboneName = "sfumato"  # the network that reads the image
    rates: Rates = (3, 6, 9)  # how far apart the nine taps of each atrous filter lie
    width: Units = 128  # channels of each branch, and of their sum
    fine: bool = True  # set the second map of the backbone beside the result, as DeepLabv3+ does


PRESETS = {
    "scenes": Config(learning_rate=3e-3, transfer=0.5, images=6_000),
    "camvid": Config(backbone="squeezenet1_0", transfer=0.3, balance=0.5, resolution=270, crop=256, images=12_000),
}


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: 1×1, 3×3 at each rate, and the mean of the whole map, side by side."""

    def __init__(self, inputs: int, width: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList([_layer(inputs, width, 1), *(_layer(inputs, width, 3, rate) for rate in rates)])
        self.whole = nn.Sequential(nn.Conv2d(inputs, width, 1), nn.ReLU(inplace=True))  # one value: no batch norm
        self.project = _layer((len(rates) + 2) * width, width, 1)

    def forward(self, values: Tensor) -> Tensor:
        mean = self.whole(values.mean((2, 3), keepdim=True)).expand(-1, -1, *values.shape[-2:])
        # Laid out like the others: else their sum is not, and the projection takes twice as long.
        mean = mean.contiguous(memory_format=torch.channels_last)
        return self.project(torch.cat([*(branch(values) for branch in self.branches), mean], 1))


class Head(nn.Module):
    """The pyramid on the coarsest map, and with `fine` the decoder behind it."""

    def __init__(self, channels: Sequence[int], config: Config) -> None:
        super().__init__()
        self.pyramid = Pyramid(channels[-1], config.width, config.rates)
        self.fine = _layer(channels[1], FINE, 1) if config.fine else None
        self.decoder = double(config.width + FINE, config.width) if config.fine else nn.Identity()
        self.last = nn.Conv2d(config.width, config.classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        values = self.pyramid(maps[-1])
        if self.fine is not None:
            finer = self.fine(maps[1])
            values = torch.cat([finer, enlarged(values, finer.shape[-2:])], 1)
        return self.last(self.decoder(values))


def _layer(inputs: int, outputs: int, side: int, rate: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, padding=rate * (side // 2), dilation=rate, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class DeepLab(Segmenter):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        backbone = build_backbone(config.backbone, atrous=True)
        self.compose(Head(backbone.channels, config), backbone)
