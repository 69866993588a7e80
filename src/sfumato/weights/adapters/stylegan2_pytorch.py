"""The generator of stylegan2-pytorch (rosinality): the `g_ema` of its checkpoints, or of what it converts from the
authors' own.

Its default mapping network is assumed, which learns at a hundredth of the rate: files do not say. The mean style, where
a file has no `latent_avg`, is that of as many vectors as its scripts draw. Images are drawn with the noise in the file.
"""

import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ...errors import SfumatoError
from . import Brought, Checkpoint

SMALLEST = 4  # side of the constant
TAPS = (1.0, 3.0, 3.0, 1.0)
SLOPE, GAIN, RATE, TINY = 0.2, math.sqrt(2), 0.01, 1e-8
VECTORS = 4096
CONSTANT = "input.input"
FILES = ("a checkpoint with g_ema",)
COLOURS, STYLES = re.compile(r"to_rgbs\.\d+\.bias"), re.compile(r"style\.\d+\.bias")


def fits(parts: Sequence[Checkpoint]) -> bool:
    return CONSTANT in parts[0] and "conv1.conv.modulation.weight" in parts[0]


def brought(parts: Sequence[Checkpoint]) -> Brought:
    """Raises SfumatoError for another network."""
    (part,) = parts
    doublings, layers = (sum(bool(pattern.fullmatch(name)) for name in part.shapes) for pattern in (COLOURS, STYLES))
    if not doublings or not layers:
        raise SfumatoError("holds no generator: its g_ema is one")
    side = SMALLEST << doublings
    fields = {
        "resolution": side,
        "channels": part.shape("to_rgb1.bias")[1],
        "latent": part.shape("style.1.weight")[1],
        "mapping_layers": layers,
        "base": side * part.shape(f"convs.{2 * doublings - 1}.conv.weight")[1],
        "widest": part.shape(CONSTANT)[1],
        "half_life": 0,
    }
    _check_filters(part, doublings)
    weights = {
        f"mapping.layers.{place}.{kind}": part.take(f"style.{place + 1}.{kind}")
        for place in range(layers)
        for kind in ("weight", "bias")
    }
    weights["mapping.mean"] = part.take("latent_avg").flatten() if "latent_avg" in part else _mean(weights)
    weights["synthesis.constant"] = part.take(CONSTANT)
    for place in range(2 * doublings + 1):
        theirs, ours = f"convs.{place - 1}" if place else "conv1", f"synthesis.layers.{place}"
        weights |= _modulated(part, theirs, ours)
        weights[f"{ours}.shift"] = part.take(f"{theirs}.activate.bias").reshape(-1, 1, 1)
        weights[f"{ours}.strength"] = part.take(f"{theirs}.noise.weight").squeeze(0)
        weights[f"synthesis.noise_{place}"] = part.take(f"noises.noise_{place}")
    for place in range(doublings + 1):
        theirs, ours = f"to_rgbs.{place - 1}" if place else "to_rgb1", f"synthesis.colours.{place}"
        weights |= _modulated(part, theirs, ours)
        weights[f"{ours}.shift"] = part.take(f"{theirs}.bias").squeeze(0)
    return Brought("stylegan2:paper", fields, {f"generator.{name}": value for name, value in weights.items()})


def _modulated(part: Checkpoint, theirs: str, ours: str) -> dict[str, Tensor]:
    weights = {f"{ours}.style.{kind}": part.take(f"{theirs}.conv.modulation.{kind}") for kind in ("weight", "bias")}
    return {f"{ours}.weight": part.take(f"{theirs}.conv.weight").squeeze(0), **weights}


def _check_filters(part: Checkpoint, doublings: int) -> None:
    """Raises SfumatoError unless maps and colours are enlarged under the filter that ours has."""
    taps = torch.tensor(TAPS) / sum(TAPS)
    own = 4 * taps[:, None] * taps
    for place in range(doublings):
        for name in (f"convs.{2 * place}.conv.blur.kernel", f"to_rgbs.{place}.upsample.kernel"):
            found = part.take(name)
            if found.shape != own.shape or not torch.allclose(found, own):
                raise SfumatoError(f"{name}: another filter than 1, 3, 3, 1")


def _mean(weights: Mapping[str, Tensor]) -> Tensor:
    """The mean w of its mapping network, of vectors that are the same each time."""
    width = weights["mapping.layers.0.weight"].shape[1]
    values = torch.randn(VECTORS, width, generator=torch.Generator().manual_seed(0))
    values = values * torch.rsqrt(values.square().mean(1, keepdim=True) + TINY)
    for place in range(len(weights) // 2):
        weight, bias = (weights[f"mapping.layers.{place}.{kind}"] for kind in ("weight", "bias"))
        scale = RATE / math.sqrt(weight.shape[1])
        values = GAIN * F.leaky_relu(F.linear(values, weight * scale, bias * RATE), SLOPE)
    return values.mean(0)
