"""Images of before that a discriminator is shown again.

Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828, section 2.3, as Zhu et al. 2017,
https://arxiv.org/abs/1703.10593, section 4, have it: 50 images, exchanged one by one.
"""

import torch
from torch import Tensor

SWAPPED = 0.5  # of the images, once the pool is full


def exchanged(pool: Tensor, count: Tensor, images: Tensor) -> Tensor:
    """Puts `images` (b, c, h, w) into `pool` (n, c, h, w), in place, and returns as many: (b, c, h, w).

    `count` (), in place: how many the pool has been given. While it fills, images go in and out alike. Then each image
    takes a random place in it with a chance of a half, and the one that was there is returned; otherwise it is returned
    itself, and leaves no trace. Places of a batch differ, so b must not be above n. Nothing waits for the device.
    """
    size, batch, device = len(pool), len(images), images.device
    arrivals = count + torch.arange(batch, device=device)
    full = count >= size
    swapped = full & (torch.rand(batch, device=device) < SWAPPED)
    places = torch.where(full, torch.randperm(size, device=device)[:batch], arrivals % size)
    before = pool[places]
    enters, leaves = (each[:, None, None, None] for each in (torch.where(full, swapped, arrivals < size), swapped))
    pool[places] = torch.where(enters, images, before)
    count += batch
    return torch.where(leaves, before, images)
