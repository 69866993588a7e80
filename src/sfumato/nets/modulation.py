"""Convolutions whose input maps are scaled by a style: Karras et al. 2020, https://arxiv.org/abs/1912.04958, 2.2.

Maps are (b, inputs, h, w); styles (b, inputs), real numbers. Demodulated, outputs have unit deviation if the inputs
do: each filter of each image is divided by the norm that the style gives it (eq. 3). Two forms give the same: one
scales the maps before and after a convolution that all images share, the other gives every image filters of its own, in
one grouped convolution. The first is ten times as fast on a CPU.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..ops.resampling import SMOOTH, filtered
from .equalised import LOUD, Equalised, leaky
from .styles import Style

TINY = 1e-8
Form = Literal["scaled", "grouped"]


def modulated(
    maps: Tensor, weights: Tensor, styles: Tensor, gain: float | None, up: bool = False, form: Form = "scaled"
) -> Tensor:
    """(b, outputs, h, w), or twice as high and wide if `up`: enlarged and convolved, then under a smooth filter.
    `weights`: (outputs, inputs, k, k). `gain`: of demodulated outputs; None: not demodulated."""
    wide = None if gain is None else gain * _norms(weights, styles)
    return (_scaled if form == "scaled" else _grouped)(maps, weights, styles, wide, up)


def _norms(weights: Tensor, styles: Tensor) -> Tensor:
    """(b, outputs): one over the norm of each filter under each style."""
    squares = styles.square() @ weights.float().square().sum((2, 3)).T
    return torch.rsqrt(squares + TINY)


def _scaled(maps: Tensor, weights: Tensor, styles: Tensor, wide: Tensor | None, up: bool) -> Tensor:
    found = _convolved(maps * styles[..., None, None].to(maps.dtype), weights, 1, up)
    return found if wide is None else found * wide[..., None, None].to(found.dtype)


def _grouped(maps: Tensor, weights: Tensor, styles: Tensor, wide: Tensor | None, up: bool) -> Tensor:
    count = maps.shape[0]
    own = weights * styles[:, None, :, None, None]
    if wide is not None:
        own = own * wide[..., None, None, None]
    found = _convolved(maps.reshape(1, -1, *maps.shape[2:]), own.flatten(0, 1), count, up)
    return found.reshape(count, -1, *found.shape[2:])


def _convolved(maps: Tensor, weights: Tensor, groups: int, up: bool) -> Tensor:
    if not up:
        return F.conv2d(maps, weights, padding=weights.shape[-1] // 2, groups=groups)
    outputs = len(weights) // groups  # a transposed convolution has its inputs first
    swapped = weights.unflatten(0, (groups, outputs)).transpose(1, 2).flatten(0, 1)
    return filtered(F.conv_transpose2d(maps, swapped, stride=2, groups=groups), SMOOTH, padding=1, gain=4.0)


class ModulatedConv(Equalised):
    """A modulated, demodulated 3×3 convolution, noise, bias, LeakyReLU. `up`: to twice the side."""

    def __init__(self, latent: int, inputs: int, outputs: int, up: bool = False) -> None:
        super().__init__((outputs, inputs, 3, 3), 1.0, 1.0, None)
        self.style = Style(latent, inputs, bias=1.0)
        self.strength = nn.Parameter(torch.zeros(()))
        self.shift = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.up = up

    def forward(self, maps: Tensor, styles: Tensor, noise: Tensor | None) -> Tensor:
        form: Form = "grouped" if maps.is_cuda else "scaled"
        found = modulated(maps, self.weights(), self.style(styles), LOUD, self.up, form)
        added = self.shift if noise is None else torch.addcmul(self.shift, noise, self.strength)
        return leaky(torch.add(found, added.to(found.dtype), alpha=LOUD))


class ModulatedColours(Equalised):
    """Maps to colours by a modulated 1×1 convolution that is not demodulated."""

    def __init__(self, latent: int, inputs: int, channels: int) -> None:
        super().__init__((channels, inputs, 1, 1), 1.0, 1.0, None)
        self.style = Style(latent, inputs, bias=1.0)
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        found = modulated(maps, self.weights(), self.style(styles), None)
        return found + self.shift.to(found.dtype)
