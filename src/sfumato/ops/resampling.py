"""Blurring, enlarging and shrinking images by small symmetric filters, with zeros beyond the border.

Images are (b, c, h, w), any real numbers. A filter is given by its taps along one side; the square one is their
product with themselves and sums to 1. `BINOMIAL` is that of Karras et al. 2019, https://arxiv.org/abs/1812.04948,
`SMOOTH` that of Karras et al. 2020, https://arxiv.org/abs/1912.04958, appendix B. All is linear in the images, and can
be differentiated as often as one likes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

Taps = tuple[float, ...]
BINOMIAL: Taps = (1, 2, 1)
SMOOTH: Taps = (1, 3, 3, 1)


def filtered(images: Tensor, taps: Taps, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """The images with `padding` zeros around, under the filter, every `stride`-th pixel of it, times `gain`."""
    return F.conv2d(images, _kernel(images, taps, gain), stride=stride, padding=padding, groups=images.shape[1])


def blur(images: Tensor, taps: Taps = BINOMIAL) -> Tensor:
    """Of the same size: the number of taps is odd."""
    return filtered(images, taps, len(taps) // 2)


def enlarge(images: Tensor, taps: Taps = SMOOTH) -> Tensor:
    """Twice as high and wide: zeros between the pixels, then the filter (of an even number of taps), times 4."""
    kernel = _kernel(images, taps, 4.0)
    return F.conv_transpose2d(images, kernel, stride=2, padding=len(taps) // 2 - 1, groups=images.shape[1])


def shrink(images: Tensor, taps: Taps = SMOOTH) -> Tensor:
    """Half as high and wide: the filter (of an even number of taps), then every second pixel."""
    return filtered(images, taps, len(taps) // 2 - 1, stride=2)


def repeated(images: Tensor) -> Tensor:
    """Twice as high and wide, each pixel four times."""
    return images.repeat_interleave(2, 2).repeat_interleave(2, 3)


def _kernel(images: Tensor, taps: Taps, gain: float) -> Tensor:
    """(c, 1, k, k), a filter for each channel of images."""
    row = torch.tensor(taps, dtype=images.dtype, device=images.device)
    square = torch.outer(row, row) * (gain / sum(taps) ** 2)
    return square.expand(images.shape[1], 1, -1, -1)
