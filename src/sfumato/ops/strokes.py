"""Noise that flows along the edges of a picture, for flat places to have something that can become strokes.

Images are (b, 3, h, w) in [0, 1], RGB. White noise in cells is averaged along the lines of a field (line integral
convolution: Cabral and Leedom 1993, https://doi.org/10.1145/166117.166151), which is that of the directions in which
the picture changes least: the lesser eigenvectors of its smoothed structure tensor (Bigun and Granlund 1987).
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

CELL = 4  # pixels on a side of a cell of noise
LENGTH = 14  # pixels of a line
SMOOTHED = 4.0  # deviation of the window that directions are averaged over, in pixels at half size; and four times that
COLOUR = 0.4  # of independent noise in each channel, beside one that all have
SMALLEST = 8  # pixels on a side


def flow_noise(images: Tensor, seeds: Tensor) -> Tensor:
    """(b, 3, h, w) of mean 0 and deviation 1, for each image by its own seed in `seeds` (b,). Computed at half size."""
    sides = [max(SMALLEST, side // 2) for side in images.shape[2:]]
    small = F.interpolate(images.float(), size=sides, mode="area")
    cells = [-(-side * 2 // CELL) for side in sides]
    drawn = [
        torch.randn(4, *cells, generator=torch.Generator().manual_seed(seed), device="cpu") for seed in seeds.tolist()
    ]
    noise = F.interpolate(torch.stack(drawn).to(images.device), size=sides, mode="bilinear", align_corners=False)
    smeared = along(noise, directions(small), LENGTH // 4)
    smeared = smeared - smeared.mean((2, 3), keepdim=True)
    smeared = smeared / smeared.square().mean((2, 3), keepdim=True).sqrt()
    mixed = (smeared[:, :1] + COLOUR * smeared[:, 1:]) / math.hypot(1, COLOUR)
    return F.interpolate(mixed, size=images.shape[2:], mode="bilinear", align_corners=False)


def directions(images: Tensor) -> Tensor:
    """(b, 2, h, w): across and down, of length 1, along the edges."""
    grey = blurred(images.mean(1, keepdim=True), 1.0)
    across = F.pad(grey[..., 2:] - grey[..., :-2], (1, 1, 0, 0))
    down = F.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1))
    tensor = blurred(torch.cat([across * across, down * down, across * down], 1), SMOOTHED)
    tensor = tensor + 0.1 * blurred(tensor, 4 * SMOOTHED)
    angle = 0.5 * torch.atan2(2 * tensor[:, 2], tensor[:, 0] - tensor[:, 1]) + math.pi / 2
    return torch.stack([angle.cos(), angle.sin()], 1)


def along(noise: Tensor, field: Tensor, steps: int) -> Tensor:
    """`noise` (b, c, h, w) summed over so many places, two pixels apart, on either side along `field`."""
    height, width = noise.shape[2:]
    down, across = torch.meshgrid(
        torch.arange(height, device=noise.device), torch.arange(width, device=noise.device), indexing="ij"
    )
    scale = torch.tensor([2 / width, 2 / height], device=noise.device)
    start = torch.stack([across, down], -1).add(0.5) * scale - 1
    both = torch.cat([noise, field], 1)
    total = noise.clone()
    for sign in (1, -1):
        place, heading = start.expand(len(noise), -1, -1, -1), sign * field
        for _ in range(steps):
            place = place + 2 * heading.permute(0, 2, 3, 1) * scale
            there = F.grid_sample(both, place, "bilinear", "reflection", align_corners=False)
            total = total + there[:, :-2]
            turn = torch.where((there[:, -2:] * heading).sum(1, keepdim=True) < 0, -1.0, 1.0)  # a field has no sign
            heading = F.normalize(turn * there[:, -2:], dim=1)
    return total


def blurred(values: Tensor, deviation: float) -> Tensor:
    """`values` (b, c, h, w) under a Gaussian; the border is repeated."""
    reach = math.ceil(3 * deviation)
    places = torch.arange(-reach, reach + 1, device=values.device)
    kernel = torch.exp(-places.square() / (2 * deviation**2))
    kernel, channels = (kernel / kernel.sum()).view(1, 1, 1, -1), values.shape[1]
    across = F.pad(values, (reach, reach, 0, 0), mode="replicate")
    values = F.conv2d(across, kernel.expand(channels, 1, 1, -1), groups=channels)
    down = F.pad(values, (0, 0, reach, reach), mode="replicate")
    return F.conv2d(down, kernel.transpose(2, 3).expand(channels, 1, -1, 1), groups=channels)
