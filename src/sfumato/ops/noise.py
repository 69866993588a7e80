"""Gaussian noise on images, and on codes of unit power, with its strength in either reading, and what was added."""

import math
from typing import Literal

import torch
from torch import Tensor

Per = Literal["sample", "batch"]
Reading = Literal["std", "variance"]


def with_noise(values: Tensor, deviation: float, generator: torch.Generator | None = None) -> Tensor:
    """`values` + deviation · N(0, 1), not clipped; drawn where they are, or by the CPU's `generator`."""
    noise = torch.randn(values.shape, generator=generator, device=None if generator else values.device)
    return values + deviation * noise.to(values.device)


def with_psnr(images: Tensor, decibels: float, generator: torch.Generator) -> Tensor:
    """`images` with noise of so many dB, cut to [0, 1]."""
    return with_noise(images, 10 ** (-decibels / 20), generator).clamp(0, 1)


def power(codes: Tensor, per: Per) -> Tensor:
    """The mean square of (b, ...) `codes`: of each image's numbers, shape (b, 1, ...), or of all of them together."""
    squares = codes.float().square()
    return squares.mean(tuple(range(1, codes.dim())), keepdim=True) if per == "sample" else squares.mean()


def deviation(strength: float, reading: Reading) -> float:
    """The standard deviation of noise given as one, or as a variance."""
    return strength if reading == "std" else math.sqrt(strength)


def nominal_snr(strength: float, reading: Reading) -> float:
    """Signal over noise in dB for real codes of power 1: -10·log10(variance of the noise).

    Codes are real: halving the variance, as is right for each part of a complex signal, would be 3.01 dB off.
    """
    return -20 * math.log10(deviation(strength, reading))


def measured_snr(codes: Tensor, noisy: Tensor) -> float:
    """10·log10 of the power of `codes` over that of what was added to them, in dB."""
    signal = codes.detach().float()
    return float(10 * torch.log10(signal.square().mean() / (noisy.detach().float() - signal).square().mean()))
