"""Many images in one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

GAP = 2
GROUND = 0.5  # grey between the images: tells black and white images from the ground
COLUMNS = 10  # images in a row of a sheet
FILMED = 256  # least side of an image in a film
LARGEST = 128  # side of an image on a sheet


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


def sheet(rows: Sequence[Tensor], columns: int = COLUMNS) -> Tensor:
    """(c, H, W): `rows` of images (n, c, h, w) of one size, `columns` of each at most. NaN, of a run that is about to
    be stopped for diverging, becomes black."""
    return grid(torch.cat([row[:columns] for row in rows]).nan_to_num(), min(columns, len(rows[0])))


def shrunk(images: Tensor, largest: int = LARGEST) -> Tensor:
    """Images (n, c, h, w) for a sheet, `largest` pixels high at most."""
    height, width = images.shape[-2:]
    if height <= largest:
        return images
    return F.interpolate(images, size=(largest, round(width * largest / height)), mode="area")


def enlarged_by(images: Tensor, least: int = FILMED) -> Tensor:
    """Images (n, c, h, w) for a film, each pixel repeated until they are `least` pixels high."""
    times = max(1, -(-least // images.shape[-2]))
    return images.repeat_interleave(times, -2).repeat_interleave(times, -1)
