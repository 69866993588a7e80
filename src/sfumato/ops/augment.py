"""Augmentation that lets gradients through, for both players alike: Zhao et al. 2020, https://arxiv.org/abs/2006.10738.

Images are (b, c, h, w) in [-1, 1]. The policy is colour, translation and cutout, each drawn for each image on its own.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

SHIFT = 1 / 8  # of the side
HOLE = 1 / 2


def augment(images: Tensor) -> Tensor:
    """The images with other colours, moved, and with a grey square in each. Random numbers: the global generator's."""
    return _cut(_moved(_recoloured(images)))


def _recoloured(images: Tensor) -> Tensor:
    def draw() -> Tensor:
        return torch.rand(len(images), 1, 1, 1, device=images.device)

    images = images + draw() - 0.5
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * draw())
    centre = images.mean((1, 2, 3), keepdim=True)
    return centre + (images - centre) * (draw() + 0.5)


def _moved(images: Tensor) -> Tensor:
    count, _, height, width = images.shape
    down, across = round(height * SHIFT), round(width * SHIFT)
    wide = pad(images, (across, across, down, down))
    top = torch.randint(2 * down + 1, (count, 1), device=images.device) + torch.arange(height, device=images.device)
    left = torch.randint(2 * across + 1, (count, 1), device=images.device) + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    return wide.permute(0, 2, 3, 1)[which, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def _cut(images: Tensor) -> Tensor:
    """A square of half the side, its centre anywhere in the image, becomes 0."""
    count, _, height, width = images.shape

    def outside(side: int) -> Tensor:
        centre = torch.randint(side + 1, (count, 1), device=images.device)
        return (torch.arange(side, device=images.device) - centre + 0.5).abs() > side * HOLE / 2

    keep = outside(height)[:, :, None] | outside(width)[:, None, :]
    return images * keep[:, None]
