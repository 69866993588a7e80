"""Many images in one."""

import math

import torch
from torch import Tensor

GAP = 2
GROUND = 0.5  # grey between the images: tells black and white images from the ground


def grid(images: Tensor, columns: int, gap: int = GAP) -> Tensor:
    """(c, H, W): the (n, c, h, w) images in [0, 1] row by row, `columns` in each, `gap` pixels of grey between."""
    count, channels, height, width = images.shape
    rows = math.ceil(count / columns)
    sheet = torch.full((channels, rows * (height + gap) - gap, columns * (width + gap) - gap), GROUND)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[:, top : top + height, left : left + width] = image
    return sheet
