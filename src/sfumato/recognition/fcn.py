"""FCN: a classifier without its last layers names coarse cells, and a transposed convolution draws them out to pixels.

Long et al. 2015, https://arxiv.org/abs/1411.4038. Images are (b, 3, h, w) in [0, 1], logits (b, k, h, w).
The transposed convolution begins as bilinear interpolation. `skips` adds the scores of finer maps before it: none is
the paper's FCN-32s, one FCN-16s, two FCN-8s.
Departs from the paper: ResNet-18 in place of VGG-16, as in "Dive into Deep Learning", or any other backbone; all skips
are trained at once and not one after the other; where the maps of a network are not exact fractions of the image
(SqueezeNet) the result is fitted by bilinear interpolation, and where one halves less than five times its last map is
pooled on; AdamW unless told otherwise. Preset `voc` is the course experiment, whose sum of losses over 32 images at a
rate of 1e-3 is a mean at 0.032, and whose weight decay of 1e-3 is then 1e-3/32; void is background there, not here, and
pictures smaller than 320×480 are left out there, here cut with a void border.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nets.backbones import Backbone, BackboneName, build_backbone
from .segmentation import SegmentationConfig, Segmenter, enlarged

COARSEST = 32  # pixels of the image for one of the coarsest map's


@dataclass(frozen=True, kw_only=True)
class Config(SegmentationConfig):
    """FCN on the embedded scenes."""

    backbone: BackboneName = "sfumato"  # the network that reads the image; the course's is resnet18
    skips: Literal[0, 1, 2] = 0  # finer maps whose scores are added


PRESETS = {
    "scenes": Config(learning_rate=3e-3, transfer=0.5, images=6_000),
    "camvid": Config(backbone="squeezenet1_0", transfer=0.3, balance=0.5, resolution=270, crop=256, images=12_000),
    "voc": Config(
        backbone="resnet18", resolution=0, crop=320, crop_width=480, smallest=1.0, recoloured=False, flip=False,
        optimizer="sgd", momentum=0.0, learning_rate=0.032, transfer=1.0, weight_decay=1e-3 / 32, annealed=False,
        batch_size=32, follow=True, images=5_570,
    ),
}  # fmt: skip


class Scores(nn.Module):
    """1×1 convolutions to scores of classes, summed from coarse to fine, drawn out by transposed convolutions."""

    def __init__(self, backbone: Backbone, classes: int, skips: int) -> None:
        super().__init__()
        self.poolings = round(math.log2(COARSEST / backbone.strides[-1]))  # of a network that halves less often
        channels = [*backbone.channels, *self.poolings * backbone.channels[-1:]]
        self.scores = nn.ModuleList(_score(count, classes) for count in channels[::-1][: skips + 1])
        self.doublings = nn.ModuleList(bilinear(classes, 2) for _ in range(skips))
        self.last = bilinear(classes, COARSEST // 2**skips)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        maps = list(maps)
        for _ in range(self.poolings):
            maps.append(F.max_pool2d(maps[-1], 2, ceil_mode=True))
        coarse = maps[::-1]
        total = self.scores[0](coarse[0])
        for score, doubling, finer in zip(self.scores[1:], self.doublings, coarse[1:], strict=False):
            total = enlarged(doubling(total), finer.shape[-2:]) + score(finer)
        return self.last(total)


def _score(channels: int, classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, classes, 1)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def bilinear(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution with a bias that begins as bilinear interpolation by `factor`, an even number: away from
    the border, the same as `interpolate` without aligned corners."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2)
    along = 1 - (torch.arange(2 * factor) - factor + 0.5).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[torch.arange(channels), torch.arange(channels)] = along[:, None] * along
        assert layer.bias is not None
        layer.bias.zero_()
    return layer


class FCN(Segmenter):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        backbone = build_backbone(config.backbone)
        self.compose(Scores(backbone, config.classes, config.skips), backbone)
