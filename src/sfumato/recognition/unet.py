"""U-Net: contract to see what is there, expand to see where, and hand the fine maps across.

Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597. Images are (b, 3, h, w) in [0, 1], logits (b, k, h, w).
Departs from the paper: padded convolutions, so that the result is as large as the image; batch norm; bilinear
enlargement in place of 2×2 up-convolutions; half the width; any other network may be the contracting path, which is
then not mirrored: the expanding path has `width` channels at its finest map. AdamW.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from ..engine.fields import MAX_UNITS, Bounds
from ..nets.backbones import BackboneName, build_backbone, double
from .segmentation import SegmentationConfig, Segmenter, enlarged

MAX_WIDTH = MAX_UNITS // 16


@dataclass(frozen=True, kw_only=True)
class Config(SegmentationConfig):
    """U-Net on the embedded scenes."""

    backbone: BackboneName = "sfumato"  # the contracting path; `plain` is the paper's, with --no-pretrained
    width: Annotated[int, Bounds(1, MAX_WIDTH)] = 32  # channels of the finest maps, doubled with each halving


PRESETS = {
    "scenes": Config(learning_rate=3e-3, transfer=0.5, images=6_000),
    "plain": Config(backbone="plain", pretrained=False, learning_rate=3e-3, images=6_000),
    "camvid": Config(
        backbone="squeezenet1_0", width=24, transfer=0.3, balance=0.5, resolution=270, crop=256, images=12_000
    ),
}


class Expanding(nn.Module):
    """From the coarsest map to the finest: enlarge, set the finer map beside it, convolve twice."""

    def __init__(self, channels: Sequence[int], width: int, classes: int) -> None:
        super().__init__()
        widths = [min(width * 2**index, count) for index, count in enumerate(channels)]
        widths[-1] = channels[-1]
        self.blocks = nn.ModuleList(
            double(coarse + fine, out) for coarse, fine, out in zip(widths[1:], channels, widths, strict=False)
        )
        self.last = nn.Conv2d(widths[0], classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        values = maps[-1]
        for block, finer in zip(reversed(self.blocks), maps[-2::-1], strict=True):
            values = block(torch.cat([finer, enlarged(values, finer.shape[-2:])], 1))
        return self.last(values)


class UNet(Segmenter):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        backbone = build_backbone(config.backbone, config.width)
        self.compose(Expanding(backbone.channels, config.width, config.classes), backbone)
