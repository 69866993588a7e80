"""Generators and discriminators that several papers share: fully connected ones, and those of the DCGAN.

Latent vectors are (b, n); images are (b, c, h, w) in [-1, 1]; logits are (b,).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..errors import SfumatoError
from .convolution import WholeConv, WholeTransposedConv
from .mlp import linear

SLOPE = 0.2
WIDEST = 8  # times the narrowest layer of a DCGAN
SHORT = 7  # side of the smallest map where the image's side is 7·2ⁿ: one halving fewer leads to it than to 4


class MLPGenerator(nn.Sequential):
    """Linear layers with LeakyReLU between them, tanh at the end."""

    def __init__(self, inputs: int, widths: Sequence[int], shape: tuple[int, int, int]) -> None:
        channels, height, width = shape
        layers = _layers((inputs, *widths, channels * height * width))
        super().__init__(*layers, nn.Tanh(), nn.Unflatten(1, shape))


class MLPDiscriminator(nn.Sequential):
    """Linear layers with LeakyReLU between them; `dropout` after each of them."""

    def __init__(self, inputs: int, widths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__(nn.Flatten(), *_layers((inputs, *widths, 1), dropout), nn.Flatten(0))


def _layers(widths: Sequence[int], dropout: float = 0.0) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [linear(inputs, outputs), nn.LeakyReLU(SLOPE), *([nn.Dropout(dropout)] if dropout else [])]
    return layers[: -2 if dropout else -1]


class PreciseConv(WholeConv):
    """A convolution that stays in fp32 under autocast: a critic's last, whose 8 bits in bf16 would be its verdict's."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(torch.promote_types(input.dtype, torch.float32)))


class DCGenerator(nn.Sequential):
    """Radford et al. 2016, https://arxiv.org/abs/1511.06434, figure 1: from a 4×4 map (7×7 where the side is a multiple
    of 7) by transposed 4×4 convolutions of stride 2. `width`: maps before the last layer. `deep`: a map of 7×7 comes
    from 8 · width hidden units, half of those in Chen et al. 2016, https://arxiv.org/abs/1606.03657, appendix C.1.
    `least_batch`: images that training needs at once; statistics of hidden units are those of two or more."""

    def __init__(self, inputs: int, width: int, channels: int, resolution: int, deep: bool) -> None:
        start, widths = _pyramid(width, resolution)
        layers: list[nn.Module] = [nn.Unflatten(1, (inputs, 1, 1))]
        if deep and start == SHORT:
            layers += _normalised(WholeTransposedConv(inputs, WIDEST * width, 1))
            inputs = WIDEST * width
        layers += _normalised(WholeTransposedConv(inputs, widths[-1], start))
        for wide, narrow in pairwise(widths[::-1]):
            layers += _normalised(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False))
        last = nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False)
        super().__init__(*layers, last, nn.Tanh())
        self.least_batch = 2 if deep and start == SHORT else 1
        self.apply(initialise)


class DCDiscriminator(nn.Sequential):
    """A deep generator's mirror: 4×4 convolutions of stride 2, LeakyReLU. Without `batch_norm` the layers have biases.

    A map of 7×7 goes through 8 · width hidden units before the last layer: each of its places sees 10 pixels of a
    28×28 image, and a sum over them cannot tell how the strokes go together. The last layer computes in fp32.
    `least_batch` as in the generator.
    """

    def __init__(self, width: int, channels: int, resolution: int, batch_norm: bool) -> None:
        start, widths = _pyramid(width, resolution)
        layers: list[nn.Module] = []
        for index, (inputs, outputs) in enumerate(pairwise((channels, *widths))):
            layers.append(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not batch_norm))
            layers += _activated(outputs, batch_norm and index > 0)
        if start == SHORT:
            hidden = WIDEST * width
            layers += [WholeConv(widths[-1], hidden, start, bias=not batch_norm), *_activated(hidden, batch_norm)]
            last = PreciseConv(hidden, 1, 1, bias=not batch_norm)
        else:
            last = PreciseConv(widths[-1], 1, start, bias=not batch_norm)
        super().__init__(*layers, last, nn.Flatten(0))
        self.least_batch = 2 if batch_norm and start == SHORT else 1
        self.apply(initialise)


def _activated(maps: int, batch_norm: bool) -> list[nn.Module]:
    return [*([nn.BatchNorm2d(maps)] if batch_norm else []), nn.LeakyReLU(SLOPE)]


def _normalised(convolution: nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


def _pyramid(width: int, resolution: int) -> tuple[int, list[int]]:
    """The side of the smallest map, and the widths of the maps from the largest to that one."""
    start = SHORT if resolution % SHORT == 0 else 4
    levels = (resolution // start).bit_length() - 1
    return start, [width * min(2**level, WIDEST) for level in range(levels)]


def check_resolution(resolution: int) -> None:
    """Raises SfumatoError unless a DCGAN can make images of that side."""
    start = SHORT if resolution % SHORT == 0 else 4
    if resolution < 16 or resolution != start << ((resolution // start).bit_length() - 1):
        raise SfumatoError(f"resolution {resolution}: must be 16, 32, 64, ... or 28, 56, 112, ... for the DCGAN nets")


def initialise(layer: nn.Module) -> None:
    """Weights N(0, 0.02), scales of batch norm N(1, 0.02), the rest 0, as in section 3 of the paper."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
    bias = layer.bias if isinstance(layer, nn.Conv2d | nn.BatchNorm2d) else None
    if bias is not None:
        nn.init.zeros_(bias)


@torch.no_grad()
def lipschitz_bound(critic: nn.Module) -> float | None:
    """The product of the spectral norms of a critic's layers, which its slope cannot exceed: LeakyReLU's is 1 at most.
    None where there are others than linear ones."""
    if any(isinstance(layer, nn.Conv2d | nn.BatchNorm2d) for layer in critic.modules()):
        return None
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.Linear)]
    return float(torch.stack([torch.linalg.matrix_norm(layer.weight.float(), 2) for layer in layers]).prod())
