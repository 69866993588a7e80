"""Layers whose learning rate is equalised: Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 4.

Weights are drawn from N(0, 1) and scaled by He's constant each time they are used, so that Adam, whose steps know no
scale, moves all of them at the same relative speed. `gain` is what an output is multiplied by, √2 in front of a
LeakyReLU; it stands before the activation, which is the same as behind it, and saves a pass over the maps. `rate` makes
a layer learn so many times as fast.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolution import spread

SLOPE = 0.2
LOUD = math.sqrt(2)  # the gain in front of a LeakyReLU
GROUP = 4  # images whose deviation is taken
TINY = 1e-8


class Equalised(nn.Module):
    """What such layers share: weights (outputs, inputs, ...) for use, biases for use."""

    def __init__(self, shape: tuple[int, ...], gain: float, rate: float, bias: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) / rate)
        self.scale = gain * rate / math.sqrt(math.prod(shape[1:]))
        self.bias = None if bias is None else nn.Parameter(torch.full(shape[:1], bias / rate))
        self.bias_scale = gain * rate

    def weights(self) -> Tensor:
        return self.weight * self.scale

    def biases(self) -> Tensor | None:
        return None if self.bias is None else self.bias * self.bias_scale


class EqualLinear(Equalised):
    """(b, inputs) to (b, outputs)."""

    def __init__(
        self, inputs: int, outputs: int, gain: float = 1.0, rate: float = 1.0, bias: float | None = 0.0
    ) -> None:
        super().__init__((outputs, inputs), gain, rate, bias)

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values, self.weights(), self.biases())


class EqualConv(Equalised):
    """(b, inputs, h, w) to (b, outputs, h, w), zeros around."""

    def __init__(self, inputs: int, outputs: int, side: int, gain: float = 1.0, bias: float | None = 0.0) -> None:
        super().__init__((outputs, inputs, side, side), gain, 1.0, bias)

    def forward(self, maps: Tensor) -> Tensor:
        return F.conv2d(maps, self.weights(), self.biases(), padding=self.weight.shape[-1] // 2)


class EqualUpConv(EqualConv):
    """Each pixel repeated to 2×2, then a 3×3 convolution, as one: (b, inputs, h, w) to (b, outputs, 2h, 2w)."""

    def forward(self, maps: Tensor) -> Tensor:
        kernel = spread(self.weights().flip(2, 3)).transpose(0, 1)
        return F.conv_transpose2d(maps, kernel, self.biases(), stride=2, padding=1)


class EqualDownConv(EqualConv):
    """A 3×3 convolution, then the means of 2×2 pixels, as one: (b, inputs, h, w) to (b, outputs, h/2, w/2)."""

    def forward(self, maps: Tensor) -> Tensor:
        return F.conv2d(maps, spread(self.weights()) / 4, self.biases(), stride=2, padding=1)


def leaky(values: Tensor) -> Tensor:
    return F.leaky_relu(values, SLOPE)


def pixel_norm(values: Tensor) -> Tensor:
    """Each pixel's (or row's) numbers over their root mean square: (b, c, ...), section 4.2."""
    square = values.float().square().mean(1, keepdim=True)
    return (values * torch.rsqrt(square + TINY)).to(values.dtype)


class MinibatchDeviation(nn.Module):
    """One more map for each image: how much images of its group differ, on average over maps and places (section 3).

    Groups are strided: of 8 images in groups of 4, images 0, 2, 4, 6 are the first. The deviation is that of the
    population. A batch that groups of 4 do not divide is cut into the largest that do.
    """

    def forward(self, maps: Tensor) -> Tensor:
        count, channels, height, width = maps.shape
        group = math.gcd(count, GROUP)
        apart = maps.float().reshape(group, count // group, channels, height, width)
        variance = (apart - apart.mean(0)).square().mean(0)
        deviation = (variance + TINY).sqrt().mean((1, 2, 3))
        extra = deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width)
        return torch.cat([maps, extra.to(maps.dtype)], 1)


class LabelledNoise(nn.Module):
    """Noise (b, latent), normalised, and beside it, if there are `classes`, the label's own vector, normalised."""

    def __init__(self, latent: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.outputs = 2 * latent if classes else latent
        self.embedding = EqualLinear(classes, latent, gain=math.sqrt(classes)) if classes else None

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        noise = pixel_norm(latents)
        if self.embedding is None:
            return noise
        assert labels is not None
        told = self.embedding(F.one_hot(labels, self.classes).to(latents))
        return torch.cat([noise, pixel_norm(told)], 1)


class Verdict(nn.Module):
    """The end of a discriminator: maps (b, c, 4, 4) to logits (b,), in fp32 from the hidden units on.

    With `classes`, the label's own direction is asked for beside the plain verdict (the projection of Miyato and Koyama
    2018, https://arxiv.org/abs/1802.05637, eq. 3).
    """

    def __init__(self, maps: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.deviation = MinibatchDeviation()
        self.convolution = EqualConv(maps + 1, maps, 3, LOUD)
        self.hidden = EqualLinear(16 * maps, hidden, LOUD)
        self.real = EqualLinear(hidden, 1)
        self.classes = classes
        self.direction = EqualLinear(classes, hidden, math.sqrt(classes), bias=None) if classes else None

    def forward(self, maps: Tensor, labels: Tensor | None = None) -> Tensor:
        seen = leaky(self.convolution(self.deviation(maps))).flatten(1)
        with torch.autocast(maps.device.type, enabled=False):
            hidden = leaky(self.hidden(seen.float()))
            verdict = self.real(hidden)[:, 0]
            if self.direction is None:
                return verdict
            assert labels is not None
            direction = self.direction(F.one_hot(labels, self.classes).to(hidden))
            return verdict + (hidden * direction).sum(1) / math.sqrt(hidden.shape[1])
