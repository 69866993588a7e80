"""EfficientNet-Lite0: inverted residuals whose number, width and input size were scaled together, for small devices.

Tan and Le 2019, https://arxiv.org/abs/1905.11946, table 1; the Lite variants, without squeeze-and-excitation and with
ReLU6 in place of swish, are https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
Images are (b, 3, h, w) in the network's own units: [0, 255] less 127, over 128; it was trained on ImageNet at 224×224.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # of images in [0, 1]
STEM, HEAD = 32, 1280  # channels
STAGES = (  # expansion, channels, blocks, side of the depthwise filters, stride of the first block
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
EPS, MOMENTUM = 1e-3, 0.01  # of batch norm
DROPOUT = 0.2


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's `same`: n pixels become ⌈n / stride⌉, and what must be added and does not
    divide by 2 is one more at the right and at the bottom."""

    def forward(self, input: Tensor) -> Tensor:
        return self.by(input, self.weight, self.bias)

    def by(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The same with other filters."""
        if self.groups > 1 and input.is_cpu and torch.is_grad_enabled():
            # In bf16 a CPU takes so long for the gradients of depthwise filters that a step takes twice the time.
            with torch.autocast("cpu", enabled=False):
                return self._padded(input.float(), weight, bias)
        return self._padded(input, weight, bias)

    def _padded(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: str | tuple[int, ...] | int = self.padding
        if self.stride[0] > 1:  # else as much on both sides: the convolution's own padding
            input = F.pad(input, (*self.added(input.shape[-1]), *self.added(input.shape[-2])))
            padding = 0
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def added(self, pixels: int) -> tuple[int, int]:
        """What is added before and behind so many pixels."""
        reach = self.dilation[0] * (self.kernel_size[0] - 1) + 1
        total = max((-(-pixels // self.stride[0]) - 1) * self.stride[0] + reach - pixels, 0)
        return total // 2, total - total // 2


class Layer(nn.Sequential):
    """Convolution, batch norm, and perhaps ReLU6. Where gradients pass and it is not trained itself, the norm is
    folded into the filters: maps are passed over once less, there and back."""

    def forward(self, input: Tensor) -> Tensor:
        convolution, norm = cast(SameConv2d, self[0]), self[1]
        if self.training or not input.requires_grad or not isinstance(norm, nn.BatchNorm2d):
            return super().forward(input)
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        scale = norm.weight * (variance + norm.eps).rsqrt()
        found = convolution.by(input, convolution.weight * scale.view(-1, 1, 1, 1), norm.bias - mean * scale)
        return self[2](found) if len(self) > 2 else found


def layer(
    inputs: int, outputs: int, side: int = 1, stride: int = 1, dilation: int = 1, depthwise: bool = False,
    active: bool = True,
) -> Layer:  # fmt: skip
    """A new one, with ReLU6 if it is `active`."""
    groups, padding = inputs if depthwise else 1, dilation * (side // 2)
    parts: list[nn.Module] = [
        SameConv2d(inputs, outputs, side, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(outputs, EPS, MOMENTUM),
    ]
    return Layer(*parts, *([nn.ReLU6(inplace=True)] if active else []))


class InvertedResidual(nn.Module):
    """Many channels by a 1×1 convolution, each filtered on its own, few channels by another without an activation
    (Sandler et al. 2018, https://arxiv.org/abs/1801.04381). What came in is added where the shape is the same."""

    def __init__(self, inputs: int, outputs: int, expansion: int, side: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        wide = expansion * inputs
        self.channels, self.residual = outputs, stride == 1 and inputs == outputs
        self.expand = layer(inputs, wide) if expansion > 1 else nn.Identity()
        self.depthwise = layer(wide, wide, side, stride, dilation, depthwise=True)
        self.project = layer(wide, outputs, active=False)

    def forward(self, values: Tensor) -> Tensor:
        return self.narrowed(self.widened(values), values)

    def widened(self, values: Tensor) -> Tensor:
        """What stands after the depthwise filters and their ReLU6: maps that are smooth and broad."""
        return self.depthwise(self.expand(values))

    def narrowed(self, wide: Tensor, values: Tensor) -> Tensor:
        found = self.project(wide)
        return values + found if self.residual else found


def blocks(atrous: bool = False) -> Sequence[nn.Module]:
    """The sixteen. `atrous`: the last five keep the resolution, and from the second on look twice as far instead: at
    every other pixel they compute what they did."""
    made: list[nn.Module] = []
    inputs, reduction = STEM, 2
    for expansion, outputs, count, side, first in STAGES:
        for number in range(count):
            stride = first if number == 0 else 1
            reduction *= stride
            keeps, wider = atrous and reduction == 32 and stride == 2, atrous and reduction == 32 and stride == 1
            made.append(InvertedResidual(inputs, outputs, expansion, side, 1 if keeps else stride, 2 if wider else 1))
            inputs = outputs
    return made


class EfficientNetLite0(nn.Module):
    """Images (b, 3, h, w) in the network's units to logits (b, classes). `features`: the stem, sixteen blocks, and a
    last 1×1 convolution."""

    def __init__(self, classes: int = 1000, atrous: bool = False) -> None:
        super().__init__()
        stem, head = layer(3, STEM, 3, stride=2), layer(STAGES[-1][1], HEAD)
        self.features = nn.Sequential(stem, *blocks(atrous), head)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(HEAD, classes))
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.mean(self.features(images), (2, 3)))
