"""What an adversarial system draws: images from noise, and walks from one to another."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from ..engine.runtime import Runtime
from ..seeds import derive
from .game import Adversarial
from .styled import Noise, Styled

AT_ONCE = 500
MAX_AT_ONCE = 20_000_000  # numbers in all images that are made at once
SEED = 0


def draw(system: Adversarial, count: int, runtime: Runtime, seed: int = SEED, labels: Tensor | None = None) -> Tensor:
    """`count` images (count, c, h, w) in [0, 1] on the CPU, the same for the same seed; of a conditional system under
    `labels` (count,), by default each class in turn."""
    generator = torch.Generator().manual_seed(derive(seed, "drawn"))
    return make(system, torch.randn(count, system.config.latent, generator=generator), runtime, labels)


def make(system: Adversarial, latent: Tensor, runtime: Runtime, labels: Tensor | None = None) -> Tensor:
    """The images (n, c, h, w) in [0, 1], on the CPU, of latent vectors; of a conditional system under `labels` (n,), by
    default each class in turn."""
    system.eval()
    labels = system.in_turn(len(latent)) if labels is None else labels
    with torch.no_grad(), runtime.autocast():
        if labels is None:
            made = map(system.make, latent.split(at_once(system)))
        else:
            made = map(system.make, latent.split(at_once(system)), labels.split(at_once(system)))
        return torch.cat([(images.cpu() + 1) / 2 for images in made])


def painted(system: Styled, styles: Tensor, runtime: Runtime, pixels: Callable[[int], Noise]) -> Tensor:
    """The images (n, c, h, w) in [0, 1], on the CPU, of styles (n, layers, latent). `pixels`: the noise for so many."""
    with runtime.autocast():
        parts = (part.to(system.mean_style) for part in styles.split(at_once(system)))
        return torch.cat([(system.paint(part, pixels(len(part))).cpu() + 1) / 2 for part in parts])


def at_once(system: Adversarial) -> int:
    """How many of its images are made together."""
    return max(1, min(AT_ONCE, MAX_AT_ONCE // prod(system.config.shape)))


def walk(system: Adversarial, runtime: Runtime, rows: int = 4, steps: int = 9) -> Tensor:
    """(rows, steps, c, h, w): in each row from one latent vector to another along the great circle between them. Of a
    conditional system, a class in each row."""
    ends = torch.randn(2, rows, 1, system.config.latent, generator=torch.Generator().manual_seed(derive(SEED, "walk")))
    latent = great_circle(ends[0], ends[1], torch.linspace(0, 1, steps)[:, None])
    labels = system.in_turn(rows)
    labels = None if labels is None else labels.repeat_interleave(steps)
    return make(system, latent.flatten(0, 1), runtime, labels).unflatten(0, (rows, steps))


def great_circle(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Noise between `first` and `second` (..., latent), along the great circle through both; `share` (..., 1) of the
    way."""
    angle = torch.acos(torch.cosine_similarity(first, second, dim=-1).clamp(-1, 1))[..., None]
    round_ = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)
    return torch.where(torch.sin(angle) > 1e-3, round_, torch.lerp(first, second, share))  # one number has no circle
