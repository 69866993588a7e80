"""Augmentations that leak little when they are rare (ADA): Karras et al. 2020, https://arxiv.org/abs/2006.06676, B.

Images are square, (b, c, h, h) in [-1, 1]; each image is changed on its own, by each operation with probability p. They
are those that the paper calls bgc: flips, quarter turns and whole pixels; scaling, turning, stretching, moving; and
brightness, contrast, inverted luminance, hue, saturation. What both players see can be differentiated twice.
Departs from the paper: pixels are fetched by bilinear interpolation, in place of a wavelet filter at twice the side.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 0.125  # of the side: the largest whole-pixel shift, and the deviation of the other
SCALE = 0.2  # deviation of log2 of scaling and stretching, and of brightness
CONTRAST, SATURATION = 0.5, 1.0  # deviations of their log2


def adaptively(images: Tensor, share: Tensor) -> Tensor:
    """The images, changed with probability `share`, a scalar. Random numbers: the global generator's."""
    with torch.autocast(images.device.type, enabled=False):  # 8 bits are no places, and no colours
        moved = cast(Tensor, _Fetched.apply(images.float(), _places(images, share)))
        return _recoloured(moved, share).contiguous(memory_format=torch.channels_last)


class _Fetched(torch.autograd.Function):
    """Pixels at places (b, h, w, 2); torch has no second derivative of it. It is linear: backward is the transposed
    map, whose own backward is the map again."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return F.grid_sample(images, places, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return cast(Tensor, _Spread.apply(gradients[0], places)), None


class _Spread(torch.autograd.Function):
    """The transposed map of `_Fetched`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        return torch.ops.aten.grid_sampler_2d_backward(
            values, torch.empty_like(values), places, 0, 2, False, (True, False)
        )[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return cast(Tensor, _Fetched.apply(gradients[0], places)), None


def _even(images: Tensor) -> Tensor:
    """(b,): numbers from -1 to 1."""
    return 2 * torch.rand(len(images), device=images.device) - 1


def _normal(images: Tensor) -> Tensor:
    return torch.randn(len(images), device=images.device)


def _where(images: Tensor, share: Tensor, changed: Tensor, usual: float = 0.0) -> Tensor:
    """(b,): `changed` with probability `share`, else what changes nothing."""
    return torch.where(torch.rand(len(images), device=images.device) < share, changed, torch.full_like(changed, usual))


def _places(images: Tensor, share: Tensor) -> Tensor:
    """(b, h, w, 2): where each pixel comes from, sides being 2 long."""
    side = images.shape[-1]
    whole = 2 / side  # a pixel

    turning = 1 - (1 - share).sqrt()  # of two turns, so that one of them happens with probability `share`
    flip = _where(images, share, torch.where(_even(images) < 0, -1.0, 1.0), 1.0)
    quarter = _where(images, share, (2 * _even(images) + 2).floor().clamp(max=3)) * (math.pi / 2)
    pixels = [_where(images, share, (_even(images) * SHIFT * side).round() * whole) for _ in range(2)]
    larger = torch.exp2(_where(images, share, _normal(images) * SCALE))
    first, second = (_where(images, turning, _even(images) * math.pi) for _ in range(2))
    wider = torch.exp2(_where(images, share, _normal(images) * SCALE))
    moved = [_where(images, share, _normal(images) * SHIFT * 2) for _ in range(2)]
    one = torch.ones_like(flip)
    matrix = _scaled(flip, one) @ _turned(quarter) @ _shifted(*pixels) @ _scaled(1 / larger, 1 / larger)
    matrix = matrix @ _turned(first) @ _scaled(1 / wider, wider) @ _turned(second) @ _shifted(*moved)
    return F.affine_grid(matrix[:, :2], list(images.shape), align_corners=False)


def _matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def _scaled(across: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrix([[across, zero, zero], [zero, down, zero], [zero, zero, one]])


def _turned(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return _matrix([[angle.cos(), -angle.sin(), zero], [angle.sin(), angle.cos(), zero], [zero, zero, one]])


def _shifted(across: Tensor, down: Tensor) -> Tensor:
    zero, one = torch.zeros_like(across), torch.ones_like(across)
    return _matrix([[one, zero, across], [zero, one, down], [zero, zero, one]])


def _recoloured(images: Tensor, share: Tensor) -> Tensor:
    """Colours (c,) of each pixel times a matrix (b, c, c), and moved."""
    channels = images.shape[1]
    bright = _where(images, share, _normal(images) * SCALE)[:, None, None]
    contrast = torch.exp2(_where(images, share, _normal(images) * CONTRAST))[:, None, None]
    inverted = _where(images, share, (_even(images) < 0).float())[:, None, None]
    same = torch.eye(channels, device=images.device)
    grey = torch.full((channels, channels), 1 / channels, device=images.device)  # the part of a colour that is grey
    matrix = contrast * (same - 2 * grey * inverted)
    shift = contrast * bright * (1 - 2 * inverted)
    if channels == 3:
        hue = _where(images, share, _even(images) * math.pi)[:, None, None]
        vivid = torch.exp2(_where(images, share, _normal(images) * SATURATION))[:, None, None]
        half = 3**-0.5  # Rodrigues: the turn about the grey axis
        across = half * torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=images.device)
        turn = hue.cos() * same + hue.sin() * across + (1 - hue.cos()) * grey
        matrix = (grey + vivid * (same - grey)) @ turn @ matrix
    return (matrix @ images.flatten(2) + shift).unflatten(2, images.shape[2:])
