"""Blurring, enlarging and shrinking images by small symmetric filters, with zeros beyond the border.

Images are (b, c, h, w), any real numbers. A filter is given by its taps along one side; the square one is their
product with themselves and sums to 1. `BINOMIAL` is that of Karras et al. 2019, https://arxiv.org/abs/1812.04948,
`SMOOTH` that of Karras et al. 2020, https://arxiv.org/abs/1912.04958, appendix B. All is linear in the images, and can
be differentiated as often as one likes: the gradient is another such filter. torch's own gradient of a strided filter
took fifteen times as long on a CPU, and the gradient of that is taken channel by channel.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

Taps = tuple[float, ...]
BINOMIAL: Taps = (1, 2, 1)
SMOOTH: Taps = (1, 3, 3, 1)


def filtered(images: Tensor, taps: Taps, padding: int, gain: float = 1.0) -> Tensor:
    """The images with `padding` zeros around, under the filter, times `gain`."""
    return cast(Tensor, _Filter.apply(images, taps, padding, gain))


def blur(images: Tensor, taps: Taps = BINOMIAL) -> Tensor:
    """Of the same size: the number of taps is odd."""
    return filtered(images, taps, len(taps) // 2)


def enlarge(images: Tensor, taps: Taps = SMOOTH) -> Tensor:
    """Twice as high and wide: zeros between the pixels, then the filter (of an even number of taps), times 4."""
    return cast(Tensor, _Enlarge.apply(images, taps, 4.0))


def shrink(images: Tensor, taps: Taps = SMOOTH) -> Tensor:
    """Half as high and wide: the filter (of an even number of taps), then every second pixel."""
    return cast(Tensor, _Shrink.apply(images, taps, 1.0))


def repeated(images: Tensor) -> Tensor:
    """Twice as high and wide, each pixel four times."""
    return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


class _Filter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, taps: Taps, padding: int, gain: float) -> Tensor:
        ctx.how = taps, len(taps) - 1 - padding, gain
        return _convolved(images, taps, gain, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return cast(Tensor, _Filter.apply(gradients[0], *ctx.how)), None, None, None


class _Shrink(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, taps: Taps, gain: float) -> Tensor:
        ctx.how = taps, gain
        return _convolved(images, taps, gain, len(taps) // 2 - 1, stride=2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return cast(Tensor, _Enlarge.apply(gradients[0], *ctx.how)), None, None


class _Enlarge(torch.autograd.Function):
    """The transposed map of `_Shrink`."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, taps: Taps, gain: float) -> Tensor:
        ctx.how = taps, gain
        count, channels, height, width = images.shape
        beyond = len(taps) - 1  # zeros at both borders together
        shape = count, channels, 2 * height + beyond, 2 * width + beyond
        spaced = torch.zeros(shape, dtype=images.dtype, device=images.device).contiguous(memory_format=_layout(images))
        before = len(taps) // 2
        spaced[..., before : before + 2 * height : 2, before : before + 2 * width : 2] = images
        return _convolved(spaced, taps, gain, 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return cast(Tensor, _Shrink.apply(gradients[0], *ctx.how)), None, None


def _convolved(images: Tensor, taps: Taps, gain: float, padding: int, stride: int = 1) -> Tensor:
    """Each channel on its own."""
    row = torch.tensor(taps, dtype=images.dtype, device=images.device)
    square = torch.outer(row, row) * (gain / sum(taps) ** 2)
    kernels = square.repeat(images.shape[1], 1, 1, 1)  # a copy for each: a strided kernel takes twice as long
    with torch.autocast(images.device.type, enabled=False):
        return F.conv2d(images, kernels, stride=stride, padding=padding, groups=images.shape[1])


def _layout(images: Tensor) -> torch.memory_format:
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
