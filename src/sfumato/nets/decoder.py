"""The mirror of a VGG encoder: features back to an image (Huang and Belongie 2017, section 6.1).

No norm layers, nearest upsampling where the encoder pools, reflection padding, and an output that no function bounds:
(b, 3, h, w), meant to lie in [0, 1].
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from .convolution import UpsampleConv
from .encoders import VGG, Padding

LAYERS = ("relu4_1",)  # what the paper's decoder reads


class Decoder(nn.Module):
    """Mirrors the VGG `encoder` up to relu4_1, with two convolutions at full size at least.

    `layers`: what it reads, relu4_1 first. Each further one (relu3_1, relu2_1, relu1_1) enters through a 1×1
    convolution where its size comes up; the paper has none.
    """

    def __init__(self, encoder: str, layers: Sequence[str] = LAYERS, padding: Padding = "reflect") -> None:
        super().__init__()
        counts, widths = VGG[encoder].counts, VGG[encoder].widths
        self.layers = tuple(layers)
        blocks, entries = [], {}
        for block, count in ((4, 1), (3, counts[2]), (2, counts[1]), (1, max(2, counts[0]))):
            width, outputs = widths[block - 1], widths[block - 2] if block > 1 else 3
            convolutions: list[nn.Module] = []
            for inputs, after in pairwise([width] * count + [outputs]):
                if not convolutions and block < 4:
                    convolutions.append(UpsampleConv(inputs, after, padding))
                else:
                    convolutions.append(nn.Conv2d(inputs, after, 3, padding=1, padding_mode=padding))
            blocks.append(nn.ModuleList(convolutions))
            if f"relu{block}_1" in self.layers[1:]:
                entries[f"relu{block}_1"] = nn.Conv2d(width, width if count > 1 else outputs, 1)
        self.blocks = nn.ModuleList(blocks)
        self.entries = nn.ModuleDict(entries)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """`features`: those of `layers`, (b, c, h, w) each; returns (b, 3, 8h, 8w) for a relu4_1 of h × w."""
        values = features[self.layers[0]]
        for block, convolutions in zip((4, 3, 2, 1), self.blocks, strict=True):
            assert isinstance(convolutions, nn.ModuleList)
            for number, convolution in enumerate(convolutions):
                values = convolution(values)
                if number == 0 and (layer := f"relu{block}_1") in self.entries:
                    values = values + self.entries[layer](features[layer])
                if block > 1 or number + 1 < len(convolutions):
                    values = F.relu_(values)
        return values
