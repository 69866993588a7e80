"""Pictures of few colours, such as maps of classes: which colours they are, and which of them each pixel has."""

import torch
from torch import Tensor

from ..data.dataset import Split

LOOKED_AT = 64  # pictures
STEP = 16  # levels of 255 that are one colour at first
COMMON = 0.002  # least share of the pixels
APART = 48 / 255  # least distance between two colours
NEAR = 32 / 255  # of a pixel that has a colour
MOST = 32  # colours
COVERED = 0.85  # share of the pixels that must have one of them


def palette_of(split: Split) -> Tensor | None:
    """The colours (k, 3) in [0, 1] of RGB pictures of which nearly every pixel has one of a few; None of others."""
    images = split.images(split.spread(LOOKED_AT))
    if images.shape[1] != 3:
        return None
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3)
    cells, counts = (pixels * 255 / STEP).long().unique(dim=0, return_counts=True)
    common = counts >= COMMON * len(pixels)
    order = counts[common].argsort(descending=True)
    colours = list[Tensor]()
    for colour in ((cells[common][order] + 0.5) * STEP / 255).clamp(0, 1):
        if all((colour - other).norm() > APART for other in colours):
            colours.append(colour)
    if not 2 <= len(colours) <= MOST:
        return None
    found = torch.stack(colours)
    distances = torch.cdist(pixels, found).min(1).values
    return found if float((distances < NEAR).float().mean()) >= COVERED else None


def named(images: Tensor, palette: Tensor) -> Tensor:
    """(n, h, w): the number of the colour that each pixel of (n, 3, h, w) is nearest to."""
    pixels = images.permute(0, 2, 3, 1)
    return torch.stack([torch.cdist(image.reshape(-1, 3), palette).argmin(1).view(image.shape[:2]) for image in pixels])
