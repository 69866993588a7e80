"""How far apart two densities on a line are, from their values on an even grid.

Densities are (n,), on points `step` apart, and sum to 1 / step; results are scalars in nats, or in units of the line.
"""

import torch
from torch import Tensor

SMALLEST = 1e-30


def gaussian(points: Tensor, mean: Tensor | float, std: Tensor | float) -> Tensor:
    """The normal density at `points`."""
    return torch.exp(-(((points - mean) / std) ** 2) / 2) / (std * (2 * torch.pi) ** 0.5)


def kullback_leibler(first: Tensor, second: Tensor, step: float) -> Tensor:
    """KL(first ‖ second)."""
    return (first * (first.clamp(min=SMALLEST).log() - second.clamp(min=SMALLEST).log())).sum() * step


def jensen_shannon(first: Tensor, second: Tensor, step: float) -> Tensor:
    """Half the divergences of both from their mean: from 0 to log 2, and log 2 wherever they do not overlap."""
    middle = (first + second) / 2
    return (kullback_leibler(first, middle, step) + kullback_leibler(second, middle, step)) / 2


def wasserstein(first: Tensor, second: Tensor, step: float) -> Tensor:
    """The earth mover's distance: the area between the two distribution functions."""
    return ((first - second).cumsum(0) * step).abs().sum() * step
