"""Fully connected encoders and decoders."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["leaky_relu", "relu", "sigmoid", "tanh"]

NARROW = 16


def activation_layer(name: Activation) -> nn.Module:
    """LeakyReLU has slope 0.02 below zero, as the reference has it."""
    layers = {"leaky_relu": nn.LeakyReLU(0.02), "relu": nn.ReLU(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh()}
    return layers[name]


class NarrowLinear(nn.Linear):
    """A linear layer that stays in fp32 under autocast.

    bf16 keeps 8 bits: a code near 50 would be rounded to quarters, and digits that lie closer than that would merge.
    Such layers hold a few hundred weights: fp32 takes no time that can be measured. docs/design.md has the numbers.
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, in fp32 always if it enters or leaves fewer than `NARROW` + 1 units."""
    return (NarrowLinear if min(inputs, outputs) <= NARROW else nn.Linear)(inputs, outputs)


def mlp(widths: Sequence[int], activation: Activation) -> list[nn.Module]:
    """Linear layers between neighbouring `widths`, with an activation between them and none at the end."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [linear(inputs, outputs), activation_layer(activation)]
    return layers[:-1]


def mlp_autoencoder(widths: Sequence[int], activation: Activation) -> tuple[nn.Sequential, nn.Sequential]:
    """An encoder from flattened images through `widths` to codes, and the decoder that mirrors it."""
    return nn.Sequential(nn.Flatten(), *mlp(widths, activation)), nn.Sequential(*mlp(widths[::-1], activation))
