"""How far one picture is from the paint of another, and from the forms of a third, in a network's eyes.

Means, deviations and centred Gram matrices (covariances) of layers and of plain colour, in the manner of Gatys et al.
2016, https://doi.org/10.1109/CVPR.2016.265. Pictures are (b, 3, h, w) in [0, 1].
Departs from the paper: Gram matrices are of features less their mean; errors are relative, so that layers weigh alike;
of EfficientNet-Lite0, the layers are its depthwise filters, whose gradients are smooth and broad; RGB itself and 3×3
patches of it at a quarter of the size are layers too, or light and monochrome paintings lose their palette. A network
looks from a random offset, the border reflected: what fits its grid of strides pleases it and nobody else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nets.encoders import build_encoder
from ..ops.statistics import Moments, texture
from ..ops.style_losses import relative_errors

BORDER = 16  # pixels that are reflected
OFFSET = 8  # the view is shifted by fewer than so many pixels, down and across
COLOUR, PATCHES = "colour", "patches"
POOLED, PATCH = 4, 3
Judge = Literal["efficientnet_lite0", "squeezenet1_0", "squeezenet1_1", "vgg16", "vgg19"]
Textures = dict[str, tuple[Moments, Tensor]]  # by layer: moments (b, c), covariance (b, c, c)
FIRES = ("relu1", "fire2", "fire3", "fire4", "fire5", "fire6")


@dataclass(frozen=True)
class Layers:
    """`forms` are compared place by place, `paint` by statistics."""

    forms: str
    paint: tuple[str, ...]


LAYERS: Mapping[str, Layers] = {
    "efficientnet_lite0": Layers("depthwise5", ("stem", *(f"depthwise{number}" for number in range(1, 7)))),
    "squeezenet1_0": Layers("fire5", FIRES),
    "squeezenet1_1": Layers("fire5", FIRES),
    "vgg16": Layers("relu4_1", ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    "vgg19": Layers("relu4_1", ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
}


class Eye(nn.Module):
    """A frozen network that looks at pictures, and what is made of what it sees."""

    def __init__(self, name: Judge = "efficientnet_lite0") -> None:
        super().__init__()
        self.layers = LAYERS[name]
        self.encoder = build_encoder(name).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Eye":
        return super().train(False)

    def forms(self, pictures: Tensor, offset: tuple[int, int]) -> Tensor:
        return self.encoder(shifted(pictures, offset), (self.layers.forms,))[self.layers.forms]

    def textures(self, pictures: Tensor, offset: tuple[int, int] = (0, 0)) -> Textures:
        return self.see(pictures, offset)[1]

    def see(self, pictures: Tensor, offset: tuple[int, int]) -> tuple[Tensor, Textures]:
        """Forms, and textures."""
        names = tuple(dict.fromkeys((*self.layers.paint, self.layers.forms)))
        found = self.encoder(shifted(pictures, offset), names)
        maps = {name: found[name] for name in self.layers.paint} | colours(pictures)
        return found[self.layers.forms], {name: texture(values) for name, values in maps.items()}


def colours(pictures: Tensor) -> dict[str, Tensor]:
    """Layers of plain colour."""
    small = F.avg_pool2d(pictures, POOLED)
    height, width = (side - PATCH + 1 for side in small.shape[2:])
    return {COLOUR: pictures, PATCHES: F.unfold(small, PATCH).unflatten(2, (height, width))}


def shifted(pictures: Tensor, offset: tuple[int, int]) -> Tensor:
    """With a reflected border, from `offset` on: pixels down and across, each below OFFSET."""
    down, across = offset
    sides = (BORDER - across, BORDER - OFFSET + across, BORDER - down, BORDER - OFFSET + down)
    return F.pad(pictures, sides, mode="reflect")


def paint_errors(found: Textures, target: Textures) -> tuple[Tensor, Tensor]:
    """Relative errors of moments and of covariances, (layers, b) each."""
    moments = [relative_errors(torch.cat(found[name][0], 1), torch.cat(target[name][0], 1)) for name in target]
    return torch.stack(moments), torch.stack([relative_errors(found[name][1], target[name][1]) for name in target])


def chosen(target: Textures, places: Sequence[int]) -> Textures:
    """Those of some samples."""
    return {name: (Moments(*(part[places] for part in parts)), cov[places]) for name, (parts, cov) in target.items()}
