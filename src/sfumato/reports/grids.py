"""Many images in one."""

import math

import torch
from torch import Tensor

GAP = 2
GROUND = 0.5  # grey between the images: tells black and white images from the ground


def grid(images: Tensor, columns: int, gap: int = GAP, ground: float = GROUND) -> Tensor:
    """(c, H, W): the (n, c, h, w) images in [0, 1] row by row, `columns` in each, `gap` pixels of `ground` between."""
    count, channels, height, width = images.shape
    rows = math.ceil(count / columns)
    sheet = torch.full((channels, rows * (height + gap) - gap, columns * (width + gap) - gap), ground)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    return sheet


def tile(maps: Tensor) -> Tensor:
    """(1, H, W) in [0, 1]: the (c, h, w) maps of a code side by side, each scaled to its own range; a constant map is
    grey. Between them a line as wide as a pixel of theirs, where they have more than one."""
    count, height, width = maps.shape
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    if height == width == 1:  # a vector: its numbers share one range
        low, high = maps.min(), maps.max()
    scaled = torch.where(high > low, (maps - low) / (high - low).clamp(min=1e-12), torch.tensor(GROUND))
    return grid(scaled[:, None], math.ceil(math.sqrt(count)), gap=int(height * width > 1))
