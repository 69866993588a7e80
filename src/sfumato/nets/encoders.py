"""Networks that read pictures: convolutional features by layer name.

Images are (b, 3, h, w) in [0, 1], RGB; every encoder does its own normalisation. Layers carry the names of the papers:
`conv3_1` and `relu3_1` for the VGG networks (Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556), `fire4` for
SqueezeNet (Iandola et al. 2016, https://arxiv.org/abs/1602.07360), `stem`, `block1` to `block16`, `depthwise1` to
`depthwise16` within these, and `head` for EfficientNet-Lite0. `sfumato` is ours: a VGG of four blocks, half as wide,
with five convolutions; its weights come with the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SfumatoError
from ..weights.known import IMAGENET_MEAN, IMAGENET_STD
from ..weights.load import load_network
from . import efficientnet
from .lenet import LENET

EncoderName = Literal["sfumato", "vgg19", "vgg16", "squeezenet1_0", "squeezenet1_1"]  # under which pictures are styled
EFFICIENTNET: Literal["efficientnet_lite0"] = "efficientnet_lite0"
Padding = Literal["zeros", "reflect"]
Pooling = Literal["max", "average"]
UNITS = {EFFICIENTNET: (efficientnet.MEAN, efficientnet.STD), LENET: ((0.0,) * 3, (1.0,) * 3)}
WIDE = "depthwise"  # begins the names of layers within a block


@dataclass(frozen=True)
class Blocks:
    """A VGG network: in each block, `counts` convolutions to `widths` channels; pooling between blocks."""

    counts: tuple[int, ...]
    widths: tuple[int, ...]


VGG = {
    "sfumato": Blocks((1, 1, 2, 1), (32, 64, 128, 256)),
    "vgg16": Blocks((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)),
    "vgg19": Blocks((2, 2, 4, 4, 4), (64, 128, 256, 512, 512)),
}
# The layers of torchvision's `features`, by the paper's names.
SQUEEZENET = {
    "squeezenet1_0": {"relu1": 1, "fire2": 3, "fire3": 4, "fire4": 5, "fire5": 7, "fire6": 8, "fire7": 9, "fire8": 10,
                      "fire9": 12},
    "squeezenet1_1": {"relu1": 1, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7, "fire6": 9, "fire7": 10, "fire8": 11,
                      "fire9": 12},
}  # fmt: skip


class InputUnits(nn.Module):
    """Images in [0, 1] in the units that network `name` was trained in: torchvision's have mean 0 and deviation 1 on
    ImageNet, LeNet's are as they are."""

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        mean, std = UNITS.get(name, (IMAGENET_MEAN, IMAGENET_STD))
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Encoder(nn.Module):
    """`features` is one sequence of layers; `places` says after which of them each name stands."""

    def __init__(self, name: str, features: nn.Sequential, places: dict[str, int]) -> None:
        super().__init__()
        self.name, self.features, self.places = name, features, places
        self.units = InputUnits(name)

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """What stands after each of `layers`; nothing behind the last of them is computed."""
        wanted = {self.place(layer): layer for layer in layers if not layer.startswith(WIDE)}
        inner = {self.place(layer): layer for layer in layers if layer.startswith(WIDE)}
        last = max((*wanted, *inner))
        found: dict[str, Tensor] = {}
        values = self.units(images)
        for index, layer in enumerate(self.features[: last + 1]):
            if index in inner:
                block = cast(efficientnet.InvertedResidual, layer)
                found[inner[index]] = wide = block.widened(values)
                if index < last or index in wanted:
                    values = block.narrowed(wide, values)
                    if index in wanted:
                        found[wanted[index]] = values
                continue
            in_place = isinstance(layer, nn.ReLU) and index - 1 not in wanted
            values = F.relu_(values) if in_place else layer(values)
            if index in wanted:
                found[wanted[index]] = values
        return found

    def channels(self, layer: str) -> int:
        """How many maps `layer` has."""
        if layer.startswith(WIDE):
            block = cast(efficientnet.InvertedResidual, self.features[self.place(layer)])
            return cast(nn.Conv2d, block.depthwise[0]).out_channels
        for module in reversed(self.features[: self.place(layer) + 1]):
            if isinstance(module, nn.Conv2d):
                return module.out_channels
            if isinstance(module, efficientnet.InvertedResidual):
                return module.channels
            if isinstance(module, nn.Sequential):
                return cast(nn.Conv2d, module[0]).out_channels
            if not isinstance(module, nn.ReLU):  # one of SqueezeNet's fire modules
                return sum(cast(nn.Conv2d, getattr(module, part)).out_channels for part in ("expand1x1", "expand3x3"))
        raise AssertionError(f"no convolution before {layer}")

    def place(self, layer: str) -> int:
        """The index of `layer`. Raises SfumatoError for a name that this encoder does not have."""
        if layer not in self.places:
            raise SfumatoError(f"layer {layer!r}: encoder {self.name} has {', '.join(self.places)}")
        return self.places[layer]

    def load(self, file: str | Path = "") -> Self:
        """Fills it from `file`, or by its name: with the weights of this package, of one beside it, or torchvision's,
        fetched once. Raises SfumatoError if they cannot be had or are another network's."""
        load_network(self, self.name, file)
        return self


def build_encoder(
    name: EncoderName | Literal["efficientnet_lite0"], padding: Padding | None = None, pooling: Pooling = "max"
) -> Encoder:
    """The untrained encoder `name`. `padding` and `pooling` apply to the VGG networks; by default they are padded as
    they were trained: ours with reflections, the others with zeros."""
    if name in VGG:
        native: Padding = "reflect" if name == "sfumato" else "zeros"
        return Encoder(name, *_vgg(VGG[name], padding or native, pooling))
    if name in SQUEEZENET:
        from torchvision import models

        return Encoder(name, cast(nn.Sequential, models.get_model(name).features), SQUEEZENET[name])
    if name == EFFICIENTNET:
        features = efficientnet.EfficientNetLite0().features
        places = {"stem": 0}
        for number in range(1, len(features) - 1):
            places |= {f"block{number}": number, f"{WIDE}{number}": number}
        return Encoder(name, features, {**places, "head": len(features) - 1})
    raise SfumatoError(f"encoder {name!r}: must be one of {', '.join((*VGG, *SQUEEZENET, EFFICIENTNET))}")


def _vgg(blocks: Blocks, padding: Padding, pooling: Pooling) -> tuple[nn.Sequential, dict[str, int]]:
    pool = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
    layers: list[nn.Module] = []
    places: dict[str, int] = {}
    channels = 3
    for block, (count, width) in enumerate(zip(blocks.counts, blocks.widths, strict=True), 1):
        if block > 1:
            layers.append(pool(2, 2, ceil_mode=True))
        for number in range(1, count + 1):
            places[f"conv{block}_{number}"], places[f"relu{block}_{number}"] = len(layers), len(layers) + 1
            layers += [nn.Conv2d(channels, width, 3, padding=1, padding_mode=padding), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers), places
