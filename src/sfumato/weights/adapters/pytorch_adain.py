"""The networks of pytorch-AdaIN (naoto0804): `decoder.pth` and `vgg_normalised.pth`, in any order.

Its encoder begins with a 1×1 convolution of colours, ours with torchvision's units: both are linear and stand before a
border of reflections, so the first 3×3 convolution takes up what differs, in fp64. Everything else is preset `port` of
`adain`: pooling that rounds up, enlarging by neighbours, variances divided by n - 1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..known import IMAGENET_MEAN, IMAGENET_STD
from . import Brought, Checkpoint

ENCODER = {2: 0, 5: 2, 9: 5, 12: 7, 16: 10, 19: 12, 22: 14, 25: 16, 29: 19, 32: 21, 35: 23, 38: 25, 42: 28, 45: 30,
           48: 32, 51: 34}  # fmt: skip
DECODER = {1: "0.0", 5: "1.0", 8: "1.1", 11: "1.2", 14: "1.3", 18: "2.0", 21: "2.1", 25: "3.0", 28: "3.1"}
FILES = ("decoder.pth", "vgg_normalised.pth")
COLOURS, FIRST = "0", "2"  # of the encoder: the 1×1 convolution, and what follows


def fits(parts: Sequence[Checkpoint]) -> bool:
    return any(f"{COLOURS}.weight" in part and f"{FIRST}.weight" in part for part in parts)


def brought(parts: Sequence[Checkpoint]) -> Brought:
    """Raises SfumatoError for other networks."""
    decoder, encoder = sorted(parts, key=lambda part: f"{COLOURS}.weight" in part)
    colours, shift = encoder.take(f"{COLOURS}.weight"), encoder.take(f"{COLOURS}.bias")
    weights = {
        f"network.{name}.{ours}.{kind}": part.take(f"{theirs}.{kind}")
        for name, part, places in (("encoder.features", encoder, ENCODER), ("decoder.blocks", decoder, DECODER))
        for theirs, ours in places.items()
        for kind in ("weight", "bias")
    }
    first = [f"network.encoder.features.0.{kind}" for kind in ("weight", "bias")]
    weight, bias = (weights[name] for name in first)
    weights |= dict(zip(first, _with_colours(weight, bias, colours.squeeze(3).squeeze(2), shift), strict=True))
    return Brought("adain:port", {"half_life": 0}, weights)


def _with_colours(weight: Tensor, bias: Tensor, colours: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The convolution `weight` (o, 3, k, k), `bias` (o,) behind `colours` (3, 3), `shift` (3,), for images in
    torchvision's units."""
    weight, bias, colours, shift = (part.double() for part in (weight, bias, colours, shift))
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (IMAGENET_MEAN, IMAGENET_STD))
    own = torch.einsum("ojhw,ji,i->oihw", weight, colours, std)
    return own.float(), (bias + weight.sum((2, 3)) @ (colours @ mean + shift)).float()
