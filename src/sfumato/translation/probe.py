"""How much of a cycle lives on what nobody sees: the translated picture is disturbed a little before it goes back.

Chu et al. 2017, https://arxiv.org/abs/1712.02950: CycleGAN hides what it will need for the way back in faint patterns.
A network that goes by what is visible loses by a disturbance about what the disturbance itself takes from a picture;
one that hides loses far more. Images are (n, c, h, w) in [0, 1].
"""

import io
from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..data.pictures import to_picture, to_tensor
from ..metrics.reconstruction import psnr
from ..ops.resampling import BINOMIAL, filtered
from ..seeds import derive

LEVELS = 255
PRECISE = 100.0  # dB of pictures that are the same
HIDDEN = 32  # times that faint patterns are enlarged
Disturbance = Callable[[Tensor], Tensor]


def rounded(images: Tensor) -> Tensor:
    """As a file of 8 bits keeps them."""
    return images.mul(LEVELS).round().div(LEVELS)


def as_jpeg(quality: int) -> Disturbance:
    """Through a JPEG file of that quality, without subsampled colours."""

    def through(images: Tensor) -> Tensor:
        found = []
        for image in images:
            file = io.BytesIO()
            to_picture(image).save(file, "JPEG", quality=quality, subsampling=0)
            with Image.open(file) as picture:
                found.append(to_tensor(picture).float() / LEVELS)
        return torch.stack(found)

    return through


def under_noise(levels: float) -> Disturbance:
    """Under normal noise, σ in levels of 255."""

    def noisy(images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(derive(0, "probe"))
        return (images + levels / LEVELS * torch.randn(images.shape, generator=generator)).clamp(0, 1)

    return noisy


def blurred(images: Tensor) -> Tensor:
    """Under the binomial filter of 3 pixels, with the border repeated."""
    return filtered(F.pad(images, (1, 1, 1, 1), mode="replicate"), BINOMIAL, 0)


DISTURBANCES: dict[str, Disturbance] = {
    "nothing": lambda images: images,
    "8 bits": rounded,
    **{f"JPEG {quality}": as_jpeg(quality) for quality in (95, 90, 75, 50)},
    **{f"noise {levels}": under_noise(levels) for levels in (1, 2, 4, 8)},
    "blur": blurred,
}


def probe(images: Tensor, made: Tensor, returned: Callable[[Tensor], Tensor]) -> dict[str, tuple[float, float]]:
    """For each disturbance the PSNR of the whole cycle, of `images` to what `returned` makes of their disturbed
    translations `made`, and that of the disturbance alone, which a cycle that hides nothing comes to lose; in dB."""
    found = {}
    for name, disturb in DISTURBANCES.items():
        seen = disturb(made)
        found[name] = decibels(images, returned(seen)), decibels(made, seen)
    return found


def decibels(images: Tensor, others: Tensor) -> float:
    return min(PRECISE, psnr(images, others.clamp(0, 1))["psnr"])


def faint(images: Tensor) -> Tensor:
    """What is finer than a binomial blur, enlarged around grey."""
    return (HIDDEN * (images - blurred(images)) + 0.5).clamp(0, 1)


def fineness(images: Tensor) -> float:
    """Root mean square of that, in levels of 255."""
    return float((images - blurred(images)).square().mean().sqrt()) * LEVELS
