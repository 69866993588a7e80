"""How far one picture is from the paint of another, and from the forms of a third, in a network's eyes.

Means, deviations and centred Gram matrices (covariances) of layers and of plain colour, in the manner of Gatys et al.
2016, https://doi.org/10.1109/CVPR.2016.265. Pictures are (b, 3, h, w) in [0, 1].
Departs from the paper: Gram matrices are of features less their mean; errors are relative, so that layers weigh alike;
of EfficientNet-Lite0, the layers are its depthwise filters, whose gradients are smooth and broad; RGB itself and 3×3
patches of it at a quarter of the size are layers too, or light and monochrome paintings lose their palette. A network
looks from a random offset, the border reflected: what fits its grid of strides pleases it and nobody else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nets.encoders import build_encoder
from ..ops.statistics import Moments, gram
from ..ops.style_losses import relative_errors

BORDER = 16  # pixels that are reflected, at least
OFFSET = 8  # the view is shifted by fewer than so many pixels, down and across
MULTIPLE = 16  # of pixels on a side of what is looked at, so that tiles are strided as the whole is
COLOUR, PATCHES = "colour", "patches"
POOLED, PATCH = 4, 3
EPS = 1e-5  # beside the variances
Offset = tuple[int, int]
EyeName = Literal["efficientnet_lite0", "squeezenet1_0", "squeezenet1_1", "vgg16", "vgg19", "sfumato"]
FIRES = ("relu1", "fire2", "fire3", "fire4", "fire5", "fire6")
BLOCKS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


class Sums(NamedTuple):
    """Over the positions of a map or of part of one: their number, Σx (b, c), Σxxᵀ (b, c, c)."""

    places: int
    first: Tensor
    second: Tensor


class Texture(NamedTuple):
    moments: Moments  # (b, c) each
    covariance: Tensor  # (b, c, c)


Textures = dict[str, Texture]  # by layer


@dataclass(frozen=True)
class Layers:
    """`forms` are compared place by place, `paint` by statistics."""

    forms: str
    paint: tuple[str, ...]


LAYERS: Mapping[str, Layers] = {
    "efficientnet_lite0": Layers("depthwise5", ("stem", *(f"depthwise{number}" for number in range(1, 7)))),
    "squeezenet1_0": Layers("fire5", FIRES),
    "squeezenet1_1": Layers("fire5", FIRES),
    "vgg16": Layers("relu4_1", BLOCKS),
    "vgg19": Layers("relu4_1", BLOCKS),
    "sfumato": Layers("relu3_2", BLOCKS),
}


class Eye(nn.Module):
    """A frozen network that looks at pictures, and what is made of what it sees."""

    def __init__(self, name: EyeName = "efficientnet_lite0") -> None:
        super().__init__()
        self.layers = LAYERS[name]
        self.encoder = build_encoder(name).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Eye":
        return super().train(False)

    def forms(self, view: Tensor) -> Tensor:
        return self.encoder(view, (self.layers.forms,))[self.layers.forms]

    def see(self, view: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Forms, and the maps that paint is judged by."""
        found = self.encoder(view, tuple(dict.fromkeys((*self.layers.paint, self.layers.forms))))
        return found[self.layers.forms], {name: found[name] for name in self.layers.paint} | colours(view)

    def textures(self, pictures: Tensor) -> Textures:
        """As seen without an offset."""
        return textures(summed(self.see(seen(pictures, (0, 0)))[1]))


def seen(pictures: Tensor, offset: Offset) -> Tensor:
    """What a network looks at: `pictures` with a border, from `offset` on, pixels down and across. What is too
    small to be reflected is continued as it ends."""
    height, width = pictures.shape[2:]
    (above, below), (left, right) = (
        (BORDER - before, BORDER + before + -(side + 2 * BORDER) % MULTIPLE)
        for side, before in zip((height, width), offset, strict=True)
    )
    sides = (left, right, above, below)
    return F.pad(pictures, sides, mode="reflect" if min(height, width) > max(sides) else "replicate")


def colours(view: Tensor) -> dict[str, Tensor]:
    """Layers of plain colour."""
    small = F.avg_pool2d(view, POOLED)
    patches = F.unfold(F.pad(small, (PATCH // 2,) * 4, mode="reflect"), PATCH)
    return {COLOUR: view, PATCHES: patches.unflatten(2, small.shape[2:])}


def sums(values: Tensor) -> Sums:
    first = values.sum((2, 3), dtype=torch.promote_types(values.dtype, torch.float32))
    return Sums(values.shape[2] * values.shape[3], first, gram(values))


def summed(maps: Mapping[str, Tensor]) -> dict[str, Sums]:
    return {name: sums(values) for name, values in maps.items()}


def textures(found: Mapping[str, Sums]) -> Textures:
    """A Gram matrix of features without their mean: the mean would drown the rest. The deviations are its diagonal."""
    made: Textures = {}
    for name, (places, first, second) in found.items():
        mean = first / places
        covariance = second / places - mean[:, :, None] * mean[:, None, :]
        variance = covariance.diagonal(dim1=1, dim2=2).clamp_min(0)
        made[name] = Texture(Moments(mean, (variance + EPS).sqrt()), covariance)
    return made


def paint_errors(found: Textures, target: Textures) -> tuple[Tensor, Tensor]:
    """Relative errors of moments and of covariances, (layers, b) each."""
    pairs = [(found[name], goal) for name, goal in target.items()]
    moments = [relative_errors(torch.cat(one.moments, 1), torch.cat(goal.moments, 1)) for one, goal in pairs]
    return torch.stack(moments), torch.stack([relative_errors(one.covariance, goal.covariance) for one, goal in pairs])
